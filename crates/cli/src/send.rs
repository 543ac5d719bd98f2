//! `rewire send`.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use rewire::{Connection, Error, ErrorKind, LinkId, Message, Producer, Receipt, Transmission};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use crate::args::{SendArgs, SendMode};
use crate::batch;
use crate::clock::now_ns;
use crate::log::Log;
use crate::run::{self, Failure, Run, complain, with_advice};
use crate::tally::{Outcome, Tally};

/// With --mode async, after how many messages a broker is asked whether they have arrived.
const CHECKPOINT: u64 = 1000;
/// After SIGINT, how long answers are waited for.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// A message on its way, for whoever notes what becomes of it.
enum Sent {
    /// A broker will answer.
    Answered(u64, u64, Receipt),
    /// It will leave, and no broker answers.
    Transmitted(u64, u64, Transmission),
    /// Says over which link all before has arrived.
    Checkpoint(JoinHandle<rewire::Result<LinkId>>),
    /// It could not even be queued.
    Failed(u64, u64, Error),
}

/// Runs the verb; true when a broker has all.
pub(crate) async fn run(args: SendArgs) -> Result<bool, Failure> {
    let destination = run::destination(&args.target.access, &args.target.destination)?;
    let log = Log::create(args.target.log.as_deref())?;
    let run = Run::connect(&args.target.access).await?;
    let source = Source::new(&args);
    if let Some(size) = args.tx_batch {
        let session = run.connection.transacted_session().await?;
        let producer = session.producer(&destination).await?;
        let target = batch::Target { connection: &run.connection, session, producer, size };
        let (broken, _) = watch::channel(false);
        let mut collector = Collector::new(log, broken);
        let was_stopped = batch::send_all(target, source, &mut collector).await;
        return finish(&run, args.target.json, collector.tally, collector.log, was_stopped).await;
    }
    let session = run.connection.session().await?;
    let producer = session.producer(&destination).await?;

    let in_flight = match args.mode {
        SendMode::Sync => 1,
        SendMode::Pipelined => usize::try_from(args.in_flight).unwrap_or(usize::MAX),
        // Nothing is waited for but the queue of the connection.
        SendMode::Async => 2 * usize::try_from(CHECKPOINT).unwrap_or(usize::MAX),
    };
    let (sent, to_note) = mpsc::channel(in_flight);
    let in_flight = Arc::new(Semaphore::new(in_flight));
    let (broken, is_broken) = watch::channel(false);
    let collector = Collector::new(log, broken);
    let mut collected = tokio::spawn(collector.collect(to_note));
    let sender = Sender { connection: &run.connection, producer, sent, in_flight, mode: args.mode };
    let was_stopped = sender.send_all(source, is_broken).await;

    let tally = if was_stopped {
        match tokio::time::timeout(GRACE, &mut collected).await {
            Ok(done) => done,
            Err(_) => {
                // What is unanswered now is in doubt.
                let _ = run.connection.close().await;
                collected.await
            }
        }
    } else {
        collected.await
    };
    let (tally, log) = tally.map_err(|error| Failure::failed(format!("stopped: {error}")))?;
    finish(&run, args.target.json, tally, log, was_stopped).await
}

/// Closes, and sums up.
async fn finish(
    run: &Run,
    json: bool,
    tally: Tally,
    log: Log,
    was_stopped: bool,
) -> Result<bool, Failure> {
    let _ = run.connection.close().await;
    log.finish()?;
    let interruptions = run.interruptions();
    let summary = if json { tally.json(interruptions) } else { tally.text(interruptions) };
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "{summary}");
    Ok(tally.is_complete() && !was_stopped)
}

/// Where messages come from.
pub(crate) struct Source {
    template: Message,
    lines: Option<Lines<BufReader<Stdin>>>,
    left: u64,
    pid: Option<String>,
    seq: u64,
    interval: Option<Duration>,
}

impl Source {
    fn new(args: &SendArgs) -> Self {
        let text = match (&args.body, args.size) {
            (Some(body), _) => body.clone(),
            (None, Some(size)) => pattern(size),
            (None, None) => "hello from rewire".to_owned(),
        };
        let mut template = Message::text(text).persistent(!args.non_persistent);
        for (name, value) in &args.properties {
            template = template.property(name.as_str(), value.as_str());
        }
        if let Some(priority) = args.priority {
            template = template.priority(priority);
        }
        if let Some(ttl) = args.ttl {
            template = template.time_to_live(ttl);
        }
        let count = args.count.unwrap_or(if args.stdin { u64::MAX } else { 1 });
        let pid = (count > 1).then(|| format!("{}-{}", std::process::id(), now_ns()));
        Self {
            template,
            lines: args.stdin.then(|| BufReader::new(tokio::io::stdin()).lines()),
            left: count,
            pid,
            seq: 0,
            interval: args.rate.map(|rate| Duration::from_nanos(1_000_000_000 / rate)),
        }
    }

    /// Waits until the next message is due, the first one having been at `began`.
    pub(crate) async fn wait(&self, began: tokio::time::Instant) {
        if let Some(interval) = self.interval {
            let place = u32::try_from(self.seq).unwrap_or(u32::MAX);
            tokio::time::sleep_until(began + interval * place).await;
        }
    }

    /// The next message with its number; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(u64, Message)> {
        if self.left == 0 {
            return None;
        }
        let mut message = match &mut self.lines {
            // Input that cannot be read has ended.
            Some(lines) => self.template.clone().with_text(lines.next_line().await.ok()??),
            None => self.template.clone(),
        };
        let seq = self.seq;
        self.left -= 1;
        self.seq += 1;
        if let Some(pid) = &self.pid {
            message = message.property("pid", pid.as_str()).property("seq", seq.cast_signed());
        }
        Some((seq, message))
    }
}

/// Text of this many bytes.
pub(crate) fn pattern(size: usize) -> String {
    ('a'..='z').cycle().take(size).collect()
}

/// Hands messages to the producer, and what will become of them to the collector.
struct Sender<'r> {
    connection: &'r Connection,
    producer: Producer,
    sent: mpsc::Sender<(Sent, Option<OwnedSemaphorePermit>)>,
    in_flight: Arc<Semaphore>,
    mode: SendMode,
}

impl Sender<'_> {
    /// Sends until the source ends; true when stopped before.
    async fn send_all(self, mut source: Source, mut is_broken: watch::Receiver<bool>) -> bool {
        let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
        let began = tokio::time::Instant::now();
        loop {
            let step = async {
                source.wait(began).await;
                match source.next().await {
                    Some((seq, message)) => self.send(seq, message).await,
                    None => false,
                }
            };
            tokio::select! {
                biased;
                _ = &mut stop => return true,
                Ok(_) = is_broken.wait_for(|is_broken| *is_broken) => return false,
                goes_on = step => if !goes_on { break },
            }
        }
        if self.mode == SendMode::Async {
            self.checkpoint().await;
        }
        false
    }

    /// Queues one message; false when there is nobody to note what becomes of it.
    async fn send(&self, seq: u64, message: Message) -> bool {
        // Room first: then nothing is queued that is not noted.
        let Ok(permit) = self.in_flight.clone().acquire_owned().await else { return false };
        let Ok(room) = self.sent.reserve().await else { return false };
        let now = now_ns();
        let sent = match self.mode {
            SendMode::Sync | SendMode::Pipelined => match self.producer.enqueue(message).await {
                Ok(receipt) => Sent::Answered(seq, now, receipt),
                Err(error) => Sent::Failed(seq, now, error),
            },
            SendMode::Async => match self.producer.send_async(message).await {
                Ok(transmission) => Sent::Transmitted(seq, now, transmission),
                Err(error) => Sent::Failed(seq, now, error),
            },
        };
        room.send((sent, Some(permit)));
        if self.mode == SendMode::Async && (seq + 1).is_multiple_of(CHECKPOINT) {
            self.checkpoint().await;
        }
        true
    }

    /// Asks a broker whether all so far has arrived; the collector waits for the answer.
    async fn checkpoint(&self) {
        let connection = self.connection.clone();
        let asked = tokio::spawn(async move { connection.flush().await });
        // Without a collector nobody is interested.
        let _ = self.sent.send((Sent::Checkpoint(asked), None)).await;
    }
}

/// Notes what becomes of messages, in their order.
pub(crate) struct Collector {
    tally: Tally,
    pub(crate) log: Log,
    /// Transmitted since the last checkpoint: number, when submitted, over which link.
    unconfirmed: VecDeque<(u64, u64, LinkId)>,
    broken: watch::Sender<bool>,
    has_complained: bool,
    progress: Option<u64>,
}

impl Collector {
    fn new(log: Log, broken: watch::Sender<bool>) -> Self {
        let now_ns = now_ns();
        Self {
            tally: Tally::new(now_ns),
            log,
            unconfirmed: VecDeque::new(),
            broken,
            has_complained: false,
            progress: std::io::stderr().is_terminal().then_some(now_ns),
        }
    }

    async fn collect(
        mut self,
        mut to_note: mpsc::Receiver<(Sent, Option<OwnedSemaphorePermit>)>,
    ) -> (Tally, Log) {
        while let Some((sent, _in_flight)) = self.log.during(to_note.recv()).await {
            match sent {
                Sent::Answered(seq, submitted_ns, receipt) => {
                    match self.log.during(receipt).await {
                        Ok(_) => self.note(seq, submitted_ns, Outcome::Confirmed),
                        Err(error) => self.note_error(seq, submitted_ns, &error),
                    }
                }
                Sent::Transmitted(seq, submitted_ns, transmission) => {
                    match self.log.during(transmission).await {
                        Ok(link) => self.unconfirmed.push_back((seq, submitted_ns, link)),
                        Err(error) => self.note_error(seq, submitted_ns, &error),
                    }
                }
                Sent::Checkpoint(asked) => {
                    let arrived = self.log.during(asked).await.ok().and_then(Result::ok);
                    self.settle(arrived);
                }
                Sent::Failed(seq, submitted_ns, error) => {
                    self.note_error(seq, submitted_ns, &error);
                }
            }
        }
        self.settle(None);
        (self.tally, self.log)
    }

    /// What went over the link that answered has arrived; the rest is in doubt.
    fn settle(&mut self, arrived: Option<LinkId>) {
        while let Some((seq, submitted_ns, link)) = self.unconfirmed.pop_front() {
            let has_arrived = arrived == Some(link);
            let outcome = if has_arrived { Outcome::Confirmed } else { Outcome::InDoubt };
            self.note(seq, submitted_ns, outcome);
        }
    }

    pub(crate) fn confirm(&mut self, seq: u64, submitted_ns: u64) {
        self.note(seq, submitted_ns, Outcome::Confirmed);
    }

    pub(crate) fn note_error(&mut self, seq: u64, submitted_ns: u64, error: &Error) {
        if !self.has_complained {
            self.has_complained = true;
            complain(&with_advice(error));
        }
        if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Unreachable) {
            // Nothing more will come of this.
            self.broken.send_replace(true);
        }
        self.note(seq, submitted_ns, Outcome::of(error.kind()));
    }

    fn note(&mut self, seq: u64, submitted_ns: u64, outcome: Outcome) {
        let now_ns = now_ns();
        self.tally.note(outcome, submitted_ns, now_ns);
        self.log
            .line(format_args!("{{\"seq\":{seq},\"outcome\":\"{outcome}\",\"t_ns\":{now_ns}}}"));
        if let Some(last_ns) = &mut self.progress
            && now_ns - *last_ns > 1_000_000_000
        {
            *last_ns = now_ns;
            // Nobody may be reading.
            let _ = write!(std::io::stderr(), "\r{} confirmed", self.tally.confirmed);
        }
    }
}
