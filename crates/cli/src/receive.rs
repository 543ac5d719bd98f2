//! `rewire receive`.

use std::io::Write;
use std::time::Duration;

use rewire::{
    AckMode, Consumer, Delivery, Error, ErrorKind, Message, Primitive, TransactedSession,
};
use serde_json::json;

use crate::args::{Ack, ReceiveArgs};
use crate::clock::{now_ns, seconds};
use crate::ledger::Ledger;
use crate::log::Log;
use crate::run::{self, Failure, Run, complain, with_advice};

/// Runs the verb; true when all that was asked for came.
pub(crate) async fn run(args: ReceiveArgs) -> Result<bool, Failure> {
    let destination = run::destination(&args.target.access, &args.target.destination)?;
    if args.tx_batch.is_some() && args.ack != Ack::Transacted {
        return Err(Failure::usage("--tx-batch needs --ack transacted"));
    }
    let log = Log::create(args.target.log.as_deref())?;
    let run = Run::connect(&args.target.access).await?;
    let (mut builder, transactions) = if args.ack == Ack::Transacted {
        let session = run.connection.transacted_session().await?;
        let size = args.tx_batch.unwrap_or(1);
        (session.consumer(&destination), Some(Transactions { session, size }))
    } else {
        let session = run.connection.session().ack(ack_mode(args.ack)).await?;
        (session.consumer(&destination), None)
    };
    if let Some(prefetch) = args.prefetch {
        builder = builder.prefetch(prefetch);
    }
    if let Some(selector) = &args.selector {
        builder = builder.selector(selector);
    }
    if let Some(name) = &args.durable {
        builder = builder.durable(name);
    }
    if args.browse {
        builder = builder.browse();
    }
    let consumer = builder.await?;
    let mut receiver = Receiver::new(&args, log, transactions);
    let error = receiver.receive(consumer).await.err();
    if let Some(error) = &error {
        complain(&with_advice(error));
    }
    let _ = run.connection.close().await;
    let interruptions = run.interruptions();
    let Receiver { ledger, log, started_ns, ended_ns, .. } = receiver;
    log.finish()?;
    let seconds = seconds(ended_ns - started_ns);
    summarize(&ledger, seconds, interruptions, args.target.json);
    let reached = args.count.is_none_or(|count| ledger.received >= count);
    Ok(reached && error.is_none())
}

pub(crate) const fn ack_mode(ack: Ack) -> AckMode {
    match ack {
        Ack::Client => AckMode::Client,
        Ack::Individual => AckMode::Individual,
        Ack::DupsOk => AckMode::DupsOk,
        Ack::Auto | Ack::Transacted => AckMode::Auto,
    }
}

/// Receiving in transactions: what was received counts when its commit was answered.
struct Transactions {
    session: TransactedSession,
    size: u64,
}

/// A message that came.
struct Taken {
    message: Message,
    is_redelivered: bool,
    at_ns: u64,
}

struct Receiver {
    transactions: Option<Transactions>,
    /// Received and not committed.
    open: Vec<Taken>,
    count: Option<u64>,
    idle_timeout: Option<Duration>,
    json: bool,
    ledger: Ledger,
    log: Log,
    started_ns: u64,
    ended_ns: u64,
}

/// How long a broker that does not answer is waited for at the end.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

impl Receiver {
    fn new(args: &ReceiveArgs, log: Log, transactions: Option<Transactions>) -> Self {
        let now_ns = now_ns();
        Self {
            transactions,
            open: Vec::new(),
            count: args.count,
            idle_timeout: args.idle_timeout,
            json: args.target.json,
            ledger: Ledger::default(),
            log,
            started_ns: now_ns,
            ended_ns: now_ns,
        }
    }

    async fn receive(&mut self, mut consumer: Consumer) -> Result<(), Error> {
        let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
        let mut was_stopped = false;
        loop {
            let next = if self.has_enough() {
                None
            } else {
                let idle_timeout = self.idle_timeout;
                let next = async {
                    let next = async {
                        match idle_timeout {
                            Some(limit) => tokio::time::timeout(limit, consumer.next()).await.ok(),
                            None => Some(consumer.next().await),
                        }
                    };
                    tokio::select! {
                        biased;
                        next = next => next.flatten(),
                        _ = &mut stop => {
                            was_stopped = true;
                            None
                        }
                    }
                };
                self.log.during(next).await.transpose()?
            };
            let is_over = next.is_none();
            if let Some(delivery) = next {
                self.take(&delivery);
                delivery.ack().await?;
            }
            let is_done = self.commit_if_due(is_over).await?;
            if is_over && (is_done || was_stopped) {
                break;
            }
        }
        // An end that the broker does not hear of is found out by it.
        tokio::time::timeout(CLOSE_DEADLINE, consumer.close()).await.unwrap_or(Ok(()))
    }

    fn has_enough(&self) -> bool {
        self.count.is_some_and(|count| self.ledger.received + self.open.len() as u64 >= count)
    }

    /// Commits what is open when there is enough of it, or no more is to come. False when it was rolled
    /// back, so that it comes again.
    async fn commit_if_due(&mut self, is_over: bool) -> Result<bool, Error> {
        let Some(Transactions { session, size }) = &self.transactions else { return Ok(true) };
        if self.open.is_empty() || !(is_over || self.open.len() as u64 >= *size) {
            return Ok(true);
        }
        let committed = self.log.during(session.commit()).await;
        let open = std::mem::take(&mut self.open);
        match committed {
            Err(error) if error.kind() == ErrorKind::RolledBack => {
                complain(&error.to_string());
                return Ok(false);
            }
            // It was received, and may come again.
            Err(error) if error.kind() == ErrorKind::InDoubt => complain(&error.to_string()),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        for taken in &open {
            self.note(&taken.message, taken.is_redelivered, taken.at_ns);
        }
        Ok(true)
    }

    fn take(&mut self, delivery: &Delivery) {
        let (message, is_redelivered) = (delivery.message(), delivery.is_redelivered());
        let at_ns = now_ns();
        if self.transactions.is_some() {
            self.open.push(Taken { message: message.clone(), is_redelivered, at_ns });
        } else {
            self.note(message, is_redelivered, at_ns);
        }
    }

    fn note(&mut self, message: &Message, is_redelivered: bool, at_ns: u64) {
        if self.ledger.received == 0 {
            self.started_ns = at_ns;
        }
        self.ended_ns = at_ns;
        let number = number(message);
        self.ledger.note(number.as_ref().map(|(pid, seq)| (pid.as_str(), *seq)), is_redelivered);
        match number {
            Some((pid, seq)) => self.log.line(format_args!(
                "{{\"pid\":{},\"seq\":{seq},\"redelivered\":{is_redelivered},\"t_ns\":{at_ns}}}",
                serde_json::Value::String(pid)
            )),
            None => self.log.line(format_args!(
                "{{\"pid\":null,\"seq\":null,\"redelivered\":{is_redelivered},\"t_ns\":{at_ns}}}"
            )),
        }
        if !self.json {
            show(message);
        }
    }
}

/// The properties `pid` and `seq`, if the message has both.
pub(crate) fn number(message: &Message) -> Option<(String, u64)> {
    let pid = property(message, "pid")?.as_string().ok()??.to_str().into_owned();
    let seq = property(message, "seq").as_ref().map(Primitive::as_long)?.ok()?;
    Some((pid, u64::try_from(seq).ok()?))
}

/// A property, if the message has it and it can be read.
pub(crate) fn property(message: &Message, name: &str) -> Option<Primitive> {
    message.property_value(name).ok().flatten()
}

pub(crate) fn show(message: &Message) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading.
    let _ = match message.body_text() {
        Ok(text) => writeln!(out, "{}", text.unwrap_or_default()),
        Err(_) => match message.body() {
            Ok(body) => writeln!(out, "{body:?}"),
            Err(error) => writeln!(out, "({error})"),
        },
    };
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn summarize(ledger: &Ledger, seconds: f64, interruptions: u64, json: bool) {
    let Ledger { received, distinct, duplicates, redelivered, out_of_order, .. } = ledger;
    let missing = ledger.missing();
    let rate = if seconds > 0.0 { *received as f64 / seconds } else { 0.0 };
    // Nobody may be reading.
    let _ = if json {
        let summary = json!({
            "received": received,
            "distinct": distinct,
            "duplicates": duplicates,
            "redelivered": redelivered,
            "missing": missing,
            "out_of_order": out_of_order,
            "seconds": seconds,
            "msgs_per_s": rate,
            "interruptions": interruptions,
        });
        writeln!(std::io::stdout(), "{summary}")
    } else {
        // Messages go to stdout, so this does not.
        writeln!(
            std::io::stderr(),
            "{received} received in {seconds:.2} s: {distinct} distinct, {duplicates} twice, \
             {redelivered} redelivered, {missing} missing, {out_of_order} out of order"
        )
    };
}
