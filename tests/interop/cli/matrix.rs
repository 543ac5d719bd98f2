//! Every acknowledgement mode, persistent or not, over a queue, a topic and a durable subscription: without a
//! fault, over a broker that is killed and comes back on its store, and over the move to its slave.
//!
//! All streams of a fault are at work at the same time, on the same brokers, so that each of them meets it. What is
//! promised to each is said in [`Cell::check`].

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use rewire_test_support::{ActiveMq, Program, Running, eventually};
use serde_json::Value;

use super::{Arrivals, Log, RUN, rewire};

const COUNT: u64 = 150;
/// How many of them are sent before all is well again, and over the fault.
const EARLY: u64 = 100;
const RATE: u64 = 25;
const IN_FLIGHT: u64 = 20;
const PREFETCH: u64 = 20;
/// How many messages a transaction has, where a last one that is not full does not matter.
const BATCH: u64 = 5;

const ACKS: [&str; 5] = ["auto", "client", "individual", "dups-ok", "transacted"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Queue,
    Topic,
    Durable,
}

/// One place of the matrix.
#[derive(Clone, Copy, Debug)]
struct Cell {
    ack: &'static str,
    is_persistent: bool,
    kind: Kind,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let persistence = if self.is_persistent { "persistent" } else { "volatile" };
        write!(f, "{:?}.{persistence}.{}", self.kind, self.ack)
    }
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for kind in [Kind::Queue, Kind::Topic, Kind::Durable] {
        for is_persistent in [true, false] {
            cells.extend(ACKS.map(|ack| Cell { ack, is_persistent, kind }));
        }
    }
    cells
}

impl Cell {
    fn destination(self) -> String {
        let scheme = if self.kind == Kind::Queue { "queue" } else { "topic" };
        format!("{scheme}://{self}")
    }

    fn receiver(self, uri: &str, log: &Path) -> Program {
        let mut program = rewire("receive", uri, &self.destination())
            .args(["--ack", self.ack, "--json", "--log"])
            .arg(log)
            .args(["--prefetch", &PREFETCH.to_string()]);
        if self.kind == Kind::Durable {
            program = program.args(["--client-id", &self.to_string(), "--durable", "matrix"]);
        }
        if self.ack == "transacted" {
            program = program.args(["--tx-batch", &self.batch().to_string()]);
        }
        program
    }

    /// What a topic's subscriber has not committed at its end is nobody's.
    const fn batch(self) -> u64 {
        if matches!(self.kind, Kind::Topic) { 1 } else { BATCH }
    }

    fn sender(self, uri: &str, log: &Path) -> Program {
        let mut program = rewire("send", uri, &self.destination())
            .args(["--stdin", "--count", &COUNT.to_string(), "--rate", &RATE.to_string()])
            .args(["--mode", "pipelined", "--in-flight", &IN_FLIGHT.to_string(), "--json", "--log"])
            .arg(log);
        if !self.is_persistent {
            program = program.arg("--non-persistent");
        }
        program
    }

    /// Whether a broker that dies takes nothing with it.
    const fn survives(self) -> bool {
        self.is_persistent && !matches!(self.kind, Kind::Topic)
    }

    /// How many messages may come twice over one fault: what was sent to the consumer and not acknowledged, as
    /// far as the broker had stored. A transaction is counted when it is committed, and its last one can be in
    /// doubt. What a topic's broker had passed on and not answered is sent again, and passed on again. And a
    /// durable subscriber that returns while those messages arrive may be given them both from the store and as
    /// they come.
    fn twice(self) -> u64 {
        match (self.kind, self.ack) {
            (Kind::Topic, _) => IN_FLIGHT,
            (Kind::Queue, "transacted") => self.batch(),
            (Kind::Queue, _) => PREFETCH,
            (Kind::Durable, "transacted") => self.batch() + IN_FLIGHT,
            (Kind::Durable, _) => PREFETCH + IN_FLIGHT,
        }
    }
}

/// A cell at work.
struct Stream {
    cell: Cell,
    sender: Option<Running>,
    receiver: Running,
    sent: PathBuf,
    received: PathBuf,
}

/// The whole matrix at work, on the brokers of one URI.
struct Matrix {
    uri: String,
    files: tempfile::TempDir,
    streams: Vec<Stream>,
}

impl Matrix {
    /// Starts all receivers, then all senders; returns when messages flow through each.
    fn start(uri: String, broker: &mut ActiveMq) -> Self {
        let files = tempfile::tempdir().expect("a directory for logs");
        let start = |cell: Cell| {
            let sent = files.path().join(format!("{cell}.sent"));
            let received = files.path().join(format!("{cell}.received"));
            let receiver = cell.receiver(&uri, &received).start();
            Stream { cell, sender: None, receiver, sent, received }
        };
        let mut streams: Vec<_> = cells().into_iter().map(start).collect();
        let count = streams.len() as u64;
        eventually(RUN, "all have subscribed", || broker.consumers().0 == count);
        for stream in &mut streams {
            let mut sender = stream.cell.sender(&uri, &stream.sent).start();
            (0..EARLY).for_each(|seq| sender.say(&seq.to_string()));
            stream.sender = Some(sender);
        }
        for stream in &streams {
            let mut received = Log::at(&stream.received);
            eventually(RUN, "messages flow", || received.lines() > 10);
        }
        Self { uri, files, streams }
    }

    /// Has the rest sent when all have subscribed at `broker`, waits for the end of all, and checks each.
    fn finish(mut self, broker: &mut ActiveMq, killed_ns: Option<u64>) {
        let count = self.streams.len() as u64;
        eventually(RUN, "all have subscribed again", || broker.consumers().0 == count);
        for stream in &mut self.streams {
            let sender = stream.sender.as_mut().expect("it was started");
            sender.feed((EARLY..COUNT).map(|seq| format!("{seq}\n")).collect());
        }
        let Self { uri, files, streams } = self;
        let ended: Vec<_> = streams.into_iter().map(|stream| stream.end(killed_ns)).collect();
        let rests: Vec<_> =
            ended.iter().map(|ended| ended.begin_rest(&uri, files.path())).collect();
        let mut wrong = Vec::new();
        for (ended, rest) in ended.iter().zip(rests) {
            let rest = rest.map(|(receiver, log)| {
                receiver.finish(RUN).success();
                Log::at(&log).read()
            });
            wrong.extend(ended.check(killed_ns, &rest.unwrap_or_default()));
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}

impl Stream {
    fn end(self, killed_ns: Option<u64>) -> Ended {
        let Self { cell, sender, mut receiver, sent, received } = self;
        let sender = sender.expect("it was started").finish(RUN);
        let said = sender.last_json();
        assert_eq!(sender.code(), Some(0), "{cell}: {said}\n{}", sender.stderr());
        // The last message was sent when all was well again; all of its transaction may still be open.
        let last = COUNT - if cell.ack == "transacted" { cell.batch() } else { 1 };
        let mut log = Log::at(&received);
        eventually(RUN, &format!("{cell}: the last message has come"), || {
            log.lines() > 0 && highest(&log.read_so_far()) >= Some(last)
        });
        receiver.interrupt();
        let receiver = receiver.finish(RUN).success();
        let heard = receiver.last_json();
        if killed_ns.is_some() {
            assert_ne!(said["interruptions"], 0, "{cell}: {said}");
            assert_ne!(heard["interruptions"], 0, "{cell}: {heard}");
        }
        Ended { cell, said, sent: Log::at(&sent).read(), received: Log::at(&received).read() }
    }
}

fn highest(log: &[Value]) -> Option<u64> {
    log.iter().filter_map(|line| line["seq"].as_u64()).max()
}

/// A cell whose programs have ended.
struct Ended {
    cell: Cell,
    said: Value,
    sent: Vec<Value>,
    received: Vec<Value>,
}

impl Ended {
    /// Starts to receive what is left, where something can be.
    fn begin_rest(&self, uri: &str, files: &Path) -> Option<(Running, PathBuf)> {
        if self.cell.kind == Kind::Topic {
            return None;
        }
        let log = files.join(format!("{}.rest", self.cell));
        let mut receiver = self.cell.receiver(uri, &log).args(["--idle-timeout", "1s"]).start();
        receiver.feed(String::new());
        Some((receiver, log))
    }

    /// Says what is wrong.
    fn check(&self, killed_ns: Option<u64>, rest: &[Value]) -> Vec<String> {
        let Self { cell, said, sent, received } = self;
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                wrong.push(format!("{cell}: {what}"));
            }
        };
        // Every message has one outcome, and with a broker to go to it is that it was confirmed.
        expect(said["confirmed"] == COUNT && sent.len() as u64 == COUNT, format!("sent {said}"));
        let all: Vec<Value> = received.iter().chain(rest).cloned().collect();
        let arrivals = Arrivals::of(&all);
        expect(Arrivals::of(received).firsts.is_sorted(), "out of order".to_owned());
        let came: BTreeSet<u64> = arrivals.firsts.iter().copied().collect();
        let missing: Vec<u64> = (0..COUNT).filter(|seq| !came.contains(seq)).collect();
        let unmarked = unmarked_duplicates(&all);
        expect(unmarked.is_empty(), format!("came twice, and is not marked: {unmarked:?}"));
        match killed_ns {
            None => {
                expect(missing.is_empty(), format!("missing {missing:?}"));
                expect(arrivals.duplicates == 0, format!("{} came twice", arrivals.duplicates));
                let marked = all.iter().filter(|line| line["redelivered"] == true).count();
                expect(marked == 0, format!("{marked} are marked as redelivered"));
            }
            Some(killed_ns) => {
                let twice = arrivals.duplicates;
                expect(twice <= cell.twice(), format!("{twice} came twice"));
                if cell.survives() {
                    expect(missing.is_empty(), format!("confirmed and lost: {missing:?}"));
                } else {
                    let problem = not_lost_with_the_broker(&missing, received, killed_ns);
                    expect(problem.is_none(), problem.unwrap_or_default());
                }
            }
        }
        wrong
    }
}

/// What came again and does not say that it may have come before.
fn unmarked_duplicates(all: &[Value]) -> Vec<u64> {
    let mut seen = BTreeSet::new();
    let mut unmarked = Vec::new();
    for line in all {
        let seq = line["seq"].as_u64().expect("a line has a number");
        if !seen.insert(seq) && line["redelivered"] != true {
            unmarked.push(seq);
        }
    }
    unmarked
}

/// A broker that dies takes with it what it had not stored, and a topic's subscriber misses what is published while
/// it is away: one stretch, and what comes after it came after the broker's death.
fn not_lost_with_the_broker(missing: &[u64], received: &[Value], killed_ns: u64) -> Option<String> {
    let (first, last) = (*missing.first()?, *missing.last()?);
    if last - first + 1 != missing.len() as u64 {
        return Some(format!("missing in more than one place: {missing:?}"));
    }
    let after = received.iter().find(|line| line["seq"].as_u64() > Some(last));
    let came_ns = after.and_then(|line| line["t_ns"].as_u64());
    let is_by_the_fault = came_ns.is_some_and(|came_ns| came_ns > killed_ns);
    (!is_by_the_fault).then(|| format!("missing {missing:?}, and not because of the fault"))
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn without_a_fault_everything_comes_once_in_order_and_is_marked_as_new() {
    let stores = tempfile::tempdir().expect("a directory for the store");
    let mut broker = ActiveMq::options().kahadb(stores.path()).start();
    let matrix = Matrix::start(format!("failover:({})", broker.uri()), &mut broker);
    matrix.finish(&mut broker, None);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn over_a_broker_that_is_killed_and_comes_back_on_its_store_each_mode_keeps_its_promise() {
    let stores = tempfile::tempdir().expect("a directory for the store");
    let mut broker = ActiveMq::options().kahadb(stores.path()).start();
    let uri = format!("failover:({})?maxReconnectDelay=200", broker.uri());
    let matrix = Matrix::start(uri, &mut broker);
    let killed_ns = broker.kill();
    broker.restart();
    matrix.finish(&mut broker, Some(killed_ns));
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn over_a_move_to_the_slave_that_shares_the_store_each_mode_keeps_its_promise() {
    let stores = tempfile::tempdir().expect("a directory for the store");
    let mut master = ActiveMq::options().kahadb(stores.path()).start();
    let slave = ActiveMq::options().kahadb(stores.path()).start_slave();
    let uri = format!(
        "failover:({},{})?randomize=false&maxReconnectDelay=200",
        master.uri(),
        slave.uri()
    );
    let matrix = Matrix::start(uri, &mut master);
    let killed_ns = master.kill();
    matrix.finish(&mut slave.take_over(), Some(killed_ns));
}
