//! `rewire receive`.

use std::io::Write;
use std::time::Duration;

use rewire::{AckMode, Consumer, Delivery, Error, Message, Primitive};
use serde_json::json;

use crate::args::{Ack, ReceiveArgs};
use crate::clock::{now_ns, seconds};
use crate::ledger::Ledger;
use crate::log::Log;
use crate::run::{self, Failure, Run, complain, with_advice};

/// Runs the verb; true when all that was asked for came.
pub(crate) async fn run(args: ReceiveArgs) -> Result<bool, Failure> {
    let destination = run::destination(&args.target.access, &args.target.destination)?;
    if args.ack == Ack::Transacted || args.tx_batch.is_some() {
        let problem = "transactions are not available yet: use --ack client or individual";
        return Err(Failure::usage(problem));
    }
    let log = Log::create(args.target.log.as_deref())?;
    let run = Run::connect(&args.target.access).await?;
    let session = run.connection.session().ack(ack_mode(args.ack)).await?;
    let mut builder = session.consumer(&destination);
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
    let mut receiver = Receiver::new(&args, log);
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

const fn ack_mode(ack: Ack) -> AckMode {
    match ack {
        Ack::Client => AckMode::Client,
        Ack::Individual => AckMode::Individual,
        Ack::DupsOk => AckMode::DupsOk,
        Ack::Auto | Ack::Transacted => AckMode::Auto,
    }
}

struct Receiver {
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
    fn new(args: &ReceiveArgs, log: Log) -> Self {
        let now_ns = now_ns();
        Self {
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
        while self.count.is_none_or(|count| self.ledger.received < count) {
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
                    _ = &mut stop => None,
                }
            };
            let Some(delivery) = self.log.during(next).await.transpose()? else { break };
            self.take(&delivery);
            delivery.ack().await?;
        }
        // An end that the broker does not hear of is found out by it.
        tokio::time::timeout(CLOSE_DEADLINE, consumer.close()).await.unwrap_or(Ok(()))
    }

    fn take(&mut self, delivery: &Delivery) {
        let now_ns = now_ns();
        if self.ledger.received == 0 {
            self.started_ns = now_ns;
        }
        self.ended_ns = now_ns;
        let message = delivery.message();
        let number = number(message);
        let is_redelivered = delivery.is_redelivered();
        self.ledger.note(number.as_ref().map(|(pid, seq)| (pid.as_str(), *seq)), is_redelivered);
        match number {
            Some((pid, seq)) => self.log.line(format_args!(
                "{{\"pid\":{},\"seq\":{seq},\"redelivered\":{is_redelivered},\"t_ns\":{now_ns}}}",
                serde_json::Value::String(pid)
            )),
            None => self.log.line(format_args!(
                "{{\"pid\":null,\"seq\":null,\"redelivered\":{is_redelivered},\"t_ns\":{now_ns}}}"
            )),
        }
        if !self.json {
            show(message);
        }
    }
}

/// The properties `pid` and `seq`, if the message has both.
fn number(message: &Message) -> Option<(String, u64)> {
    let value = |name| message.property_value(name).ok().flatten();
    let pid = value("pid")?.as_string().ok()??.to_str().into_owned();
    let seq = value("seq").as_ref().map(Primitive::as_long)?.ok()?;
    Some((pid, u64::try_from(seq).ok()?))
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
