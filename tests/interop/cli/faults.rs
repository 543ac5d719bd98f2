//! Senders in every mode and receivers in every acknowledgement mode are at work when something fails.
//!
//! Whatever fails: what `rewire send` calls confirmed came, each producer's messages came in order, what came twice
//! was in doubt, and both programs say so truthfully.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rewire_test_support::{ActiveMq, Direction, FaultProxy, Running, eventually};
use serde_json::Value;
use tempfile::TempDir;

use super::{Arrivals, Log, RUN, rewire};

const COUNT: u64 = 1500;
/// How many of them are sent before something fails, and between two faults: then a sender has more to send when
/// it has failed, however long it took until messages flowed.
const EARLY: u64 = 600;
const BETWEEN: u64 = 300;
const RATE: u64 = 300;
const IN_FLIGHT: u64 = 100;
const PREFETCH: u64 = 100;
/// Silence after which both ends give up.
const SILENCE: &str = "nested.wireFormat.maxInactivityDuration=2000\
    &nested.wireFormat.maxInactivityDurationInitalDelay=2000";

/// A mode of sending and a mode of acknowledging, on a queue of their own.
const STREAMS: [(&str, &str); 4] =
    [("sync", "auto"), ("pipelined", "client"), ("async", "individual"), ("pipelined", "dups-ok")];

/// A sender and a receiver at work.
struct Stream {
    mode: &'static str,
    queue: String,
    sender: Running,
    /// How many messages the sender was given.
    given: u64,
    receiver: Running,
    sent: PathBuf,
    received: PathBuf,
}

/// All streams, on the same brokers.
struct Load {
    streams: Vec<Stream>,
    files: TempDir,
    /// Whether what fails is to interrupt each receiver too.
    interrupts_receivers: bool,
}

impl Load {
    /// Starts all, and returns when messages flow through each.
    fn start(uri: &str) -> Self {
        let mut load = Self::begin(uri);
        for stream in &mut load.streams {
            let mut received = Log::at(&stream.received);
            eventually(RUN, "messages flow", || received.lines() > 200);
        }
        load
    }

    /// Starts all.
    fn begin(uri: &str) -> Self {
        let files = tempfile::tempdir().expect("a directory for logs");
        let start =
            |(mode, ack): &(&'static str, &str)| Stream::start(uri, mode, ack, files.path());
        let streams = STREAMS.iter().map(start).collect();
        Self { streams, files, interrupts_receivers: true }
    }

    /// Waits until every stream flows again, or its sender has ended.
    fn flows_again(&mut self) {
        for stream in &mut self.streams {
            stream.give(BETWEEN);
        }
        for stream in &mut self.streams {
            let mut received = Log::at(&stream.received);
            let before = received.lines();
            let sender = &mut stream.sender;
            eventually(RUN, "messages flow again", || {
                received.lines() > before + 50 || !sender.is_running()
            });
        }
    }

    /// Waits for the end of all, and checks what they say against what came: to the receiver, and to others that
    /// empty the queues of `brokers` once `mend` has brought back what failed.
    fn finish(self, faults: u64, brokers: &mut [ActiveMq], mend: impl FnOnce(&mut [ActiveMq])) {
        let Self { mut streams, files, interrupts_receivers } = self;
        for stream in &mut streams {
            let rest = (stream.given..COUNT).map(|seq| format!("{seq}\n")).collect();
            stream.sender.feed(rest);
        }
        let ended: Vec<_> = streams.into_iter().map(Stream::end).collect();
        mend(brokers);
        // What a broker that was held has given to those that are gone comes back to its queue in its place
        // only when it has noticed.
        for broker in &mut *brokers {
            eventually(RUN, "the broker has noticed that all are gone", || {
                broker.connections() == 0
            });
        }
        let rest = drain(&ended, brokers, files.path());
        for (ended, rest) in ended.iter().zip(rest) {
            if interrupts_receivers {
                assert_ne!(ended.heard["interruptions"], 0, "{}: {}", ended.queue, ended.heard);
            }
            ended.check(faults, &rest);
        }
    }
}

impl Stream {
    fn start(uri: &str, mode: &'static str, ack: &str, files: &Path) -> Self {
        let queue = format!("{mode}.{ack}");
        let destination = format!("queue://{queue}");
        let sent = files.join(format!("{queue}.sent"));
        let received = files.join(format!("{queue}.received"));
        let receiver = rewire("receive", uri, &destination)
            .args(["--ack", ack, "--prefetch", &PREFETCH.to_string(), "--json", "--log"])
            .arg(&received)
            .start();
        let sender = rewire("send", uri, &destination)
            .args(["--stdin", "--count", &COUNT.to_string(), "--rate", &RATE.to_string()])
            .args(["--mode", mode, "--in-flight", &IN_FLIGHT.to_string(), "--json", "--log"])
            .arg(&sent)
            .start();
        let mut stream = Self { mode, queue, sender, given: 0, receiver, sent, received };
        stream.give(EARLY);
        stream
    }

    /// Lets it send so many more.
    fn give(&mut self, count: u64) {
        let given = (self.given + count).min(COUNT);
        (self.given..given).for_each(|seq| self.sender.say(&seq.to_string()));
        self.given = given;
    }

    fn end(self) -> Ended {
        let Self { mode, queue, sender, mut receiver, sent, received, .. } = self;
        let sender = sender.finish(RUN);
        let said = sender.last_json();
        // Only what nobody answers for can be in doubt while there are brokers to go to.
        let expected = i32::from(mode == "async" && said["in_doubt"] != 0);
        assert_eq!(sender.code(), Some(expected), "{queue}: {said}\n{}", sender.stderr());
        receiver.interrupt();
        let heard = receiver.finish(RUN).success().last_json();
        let (sent, received) = (Log::at(&sent).read(), Log::at(&received).read());
        Ended { mode, queue, said, heard, sent, received }
    }
}

/// A stream that is over.
struct Ended {
    mode: &'static str,
    queue: String,
    /// The sender's summary.
    said: Value,
    /// The receiver's summary.
    heard: Value,
    sent: Vec<Value>,
    received: Vec<Value>,
}

impl Ended {
    fn check(&self, faults: u64, rest: &[Vec<Value>]) {
        let Self { mode, queue, said, heard, .. } = self;
        let by_outcome = |outcome: &str| -> BTreeSet<u64> {
            let these = self.sent.iter().filter(|line| line["outcome"] == outcome);
            these.map(|line| line["seq"].as_u64().expect("a message has a number")).collect()
        };
        let [confirmed, failed, in_doubt] = ["confirmed", "failed", "in_doubt"].map(by_outcome);
        for (outcome, seqs) in
            [("confirmed", &confirmed), ("failed", &failed), ("in_doubt", &in_doubt)]
        {
            assert_eq!(said[outcome], seqs.len(), "{queue}: {said}");
        }
        assert_eq!(confirmed.len() + failed.len() + in_doubt.len(), self.sent.len(), "{queue}");
        assert_eq!(self.sent.len() as u64, COUNT, "{queue}: each message has one outcome");
        assert_eq!(failed.len(), 0, "{queue}: {said}");
        if *mode != "async" {
            assert_eq!(in_doubt.len(), 0, "{queue}: {said}");
        }
        assert_ne!(said["interruptions"], 0, "{queue}: {said}");

        let received = Arrivals::of(&self.received);
        assert_eq!(heard["duplicates"], received.duplicates, "{queue}: {heard}");
        let mut arrived = BTreeSet::new();
        let mut arrivals = 0;
        for log in std::iter::once(&self.received).chain(rest) {
            let of_one = Arrivals::of(log);
            assert!(of_one.firsts.is_sorted(), "{queue}: out of order");
            arrived.extend(of_one.firsts);
            arrivals += log.len();
        }
        let lost: Vec<_> = confirmed.difference(&arrived).collect();
        assert!(lost.is_empty(), "{queue}: confirmed and lost: {lost:?}");
        let sent_twice = if *mode == "async" { 0 } else { IN_FLIGHT };
        let twice = (arrivals - arrived.len()) as u64;
        assert!(twice <= faults * (sent_twice + PREFETCH), "{queue}: {twice} came twice");
    }
}

/// Empties the queues of every broker; returns what came, for each stream a log of each broker.
fn drain(streams: &[Ended], brokers: &[ActiveMq], files: &Path) -> Vec<Vec<Vec<Value>>> {
    let drains: Vec<Vec<_>> = streams
        .iter()
        .map(|Ended { queue, .. }| {
            let start = |(number, broker): (usize, &ActiveMq)| {
                let log = files.join(format!("{queue}.rest.{number}"));
                let mut receiver = rewire("receive", &broker.uri(), queue)
                    .args(["--ack", "individual", "--idle-timeout", "1s", "--json", "--log"])
                    .arg(&log)
                    .start();
                receiver.feed(String::new());
                (receiver, log)
            };
            brokers.iter().enumerate().map(start).collect()
        })
        .collect();
    let read = |(receiver, log): (Running, PathBuf)| {
        receiver.finish(RUN).success();
        Log::at(&log).read()
    };
    drains.into_iter().map(|of_one| of_one.into_iter().map(read).collect()).collect()
}

/// Brokers that keep their store, the directory of which comes with them.
fn brokers(count: usize) -> (Vec<ActiveMq>, TempDir) {
    let stores = tempfile::tempdir().expect("a directory for stores");
    let start =
        |number: usize| ActiveMq::options().kahadb(stores.path().join(number.to_string())).start();
    ((0..count).map(start).collect(), stores)
}

fn failover(uris: impl IntoIterator<Item = String>, options: &str) -> String {
    let uris: Vec<_> = uris.into_iter().collect();
    format!("failover:({})?randomize=false&{options}", uris.join(","))
}

fn restart_first(brokers: &mut [ActiveMq]) {
    brokers[0].restart();
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_that_is_killed_and_comes_back_on_its_store() {
    let (mut brokers, _stores) = brokers(1);
    let load = Load::start(&failover([brokers[0].uri()], "maxReconnectDelay=200"));
    brokers[0].kill();
    brokers[0].restart();
    load.finish(1, &mut brokers, |_| {});
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_that_is_stopped_in_order_and_comes_back_on_its_store() {
    let (mut brokers, _stores) = brokers(1);
    let load = Load::start(&failover([brokers[0].uri()], "maxReconnectDelay=200"));
    brokers[0].stop();
    brokers[0].restart();
    load.finish(1, &mut brokers, |_| {});
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_first_of_two_brokers_is_killed() {
    let (mut brokers, _stores) = brokers(2);
    let load = Load::start(&failover(brokers.iter().map(ActiveMq::uri), "backup=true"));
    brokers[0].kill();
    load.finish(1, &mut brokers, restart_first);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_first_of_two_brokers_is_stopped_in_order() {
    let (mut brokers, _stores) = brokers(2);
    let load = Load::start(&failover(brokers.iter().map(ActiveMq::uri), "backup=false"));
    brokers[0].stop();
    load.finish(1, &mut brokers, restart_first);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_first_of_two_brokers_answers_no_more_and_closes_nothing() {
    let (mut brokers, _stores) = brokers(2);
    let load = Load::start(&failover(brokers.iter().map(ActiveMq::uri), SILENCE));
    brokers[0].pause();
    load.finish(1, &mut brokers, |brokers| brokers[0].resume());
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn two_of_three_brokers_are_killed_one_after_the_other() {
    let (mut brokers, _stores) = brokers(3);
    let mut load = Load::start(&failover(brokers.iter().map(ActiveMq::uri), "backup=true"));
    brokers[0].kill();
    load.flows_again();
    brokers[1].kill();
    load.finish(2, &mut brokers, |brokers| {
        brokers[0].restart();
        brokers[1].restart();
    });
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_links_to_the_first_of_two_brokers_are_reset() {
    let (mut brokers, _stores) = brokers(2);
    let proxy = FaultProxy::start(brokers[0].port());
    let load = Load::start(&failover([proxy.uri().to_owned(), brokers[1].uri()], "backup=false"));
    proxy.reset();
    load.finish(1, &mut brokers, |_| {});
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_links_to_the_first_of_three_brokers_lead_into_a_black_hole() {
    let (mut brokers, _stores) = brokers(3);
    let proxy = FaultProxy::start(brokers[0].port());
    let uris = [proxy.uri().to_owned(), brokers[1].uri(), brokers[2].uri()];
    let load = Load::start(&failover(uris, SILENCE));
    proxy.black_hole(Direction::Both);
    // What the hole still holds is lost with the connections, as with a network.
    load.finish(1, &mut brokers, |_| proxy.reset());
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn what_the_first_of_two_brokers_says_is_swallowed_while_it_hears_everything() {
    let (mut brokers, _stores) = brokers(2);
    let proxy = FaultProxy::start(brokers[0].port());
    let load = Load::start(&failover([proxy.uri().to_owned(), brokers[1].uri()], SILENCE));
    proxy.black_hole(Direction::ToClient);
    load.finish(1, &mut brokers, |_| proxy.reset());
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_link_is_cut_in_the_middle_of_a_frame() {
    let (mut brokers, _stores) = brokers(2);
    let proxy = FaultProxy::start(brokers[0].port());
    // In the middle of a message of each sender, and of an acknowledgement where there is one for each message.
    proxy.cut_after(Direction::ToBroker, 20_011);
    let mut load =
        Load::begin(&failover([proxy.uri().to_owned(), brokers[1].uri()], "backup=false"));
    load.interrupts_receivers = false;
    load.finish(2, &mut brokers, |_| proxy.clear());
}
