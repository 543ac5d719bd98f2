//! The reference broker beside ActiveMQ, under the same loads: Java's client and ours, each in a process of its own.
//!
//! Each broker in turn, new for each run. A load sends a part of its messages first, which is not measured; both
//! brokers sync each commit of persistent messages to the disk.

mod program;
mod stored;

pub use self::program::run_as_client;
pub use self::stored::stored;

use std::process::Command;
use std::time::Duration;

use rewire_test_support::{ActiveMq, Java, Program, Running, monotonic_ns};
use tempfile::TempDir;

use crate::begin::AS_CLIENT;
use crate::proc::cpu_seconds;
use crate::spread::{Spread, ratio, show};

/// Long enough for anything here on a busy machine.
const DEADLINE: Duration = Duration::from_secs(900);

/// One load. Each producer and each consumer has a connection.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the table calls it.
    pub name: &'static str,
    persistent: bool,
    /// Whether each message is waited for.
    awaited: bool,
    topic: bool,
    producers: u64,
    /// Of each producer's destination.
    consumers: u64,
    /// Messages of each producer that are measured.
    count: u64,
}

/// What is measured.
pub const CASES: [Case; 7] = [
    case("persistent, awaited, 1 queue", true, true, false, [1, 0, 3_000]),
    case("persistent, awaited, 8 queues", true, true, false, [8, 0, 1_500]),
    case("persistent, asynchronous, 1 queue", true, false, false, [1, 0, 30_000]),
    case("non-persistent, 1 queue", false, false, false, [1, 1, 100_000]),
    case("non-persistent, 8 queues", false, false, false, [8, 1, 12_500]),
    case("non-persistent, topic, fan-out 1", false, false, true, [1, 1, 80_000]),
    case("non-persistent, topic, fan-out 4", false, false, true, [1, 4, 30_000]),
];

const fn case(
    name: &'static str,
    persistent: bool,
    awaited: bool,
    topic: bool,
    [producers, consumers, count]: [u64; 3],
) -> Case {
    Case { name, persistent, awaited, topic, producers, consumers, count }
}

impl Case {
    fn arguments(&self, uri: &str) -> Vec<String> {
        let Self { persistent, awaited, topic, producers, consumers, count, .. } = self;
        [
            ("uri", uri.to_owned()),
            ("persistent", persistent.to_string()),
            ("awaited", awaited.to_string()),
            ("topic", topic.to_string()),
            ("producers", producers.to_string()),
            ("consumers", consumers.to_string()),
            ("count", count.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
    }

    /// Messages that are received, or sent if nobody receives.
    fn messages(&self) -> f64 {
        (self.producers * self.count * self.consumers.max(1)) as f64
    }
}

/// What one run came to.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Messages a second: received, or sent if nobody receives.
    pub messages_per_s: f64,
    /// Seconds of the broker's CPU for a million of them.
    pub cpu_per_million: f64,
}

/// One case under one client, both brokers.
#[derive(Clone, Debug)]
pub struct Row {
    case: &'static str,
    client: &'static str,
    activemq: Vec<Sample>,
    rewire: Vec<Sample>,
}

/// A broker under measurement; its files end with it.
enum Broker {
    ActiveMq(Box<ActiveMq>),
    Rewire(Running, String),
}

impl Broker {
    fn activemq(persistent: bool, data: &TempDir) -> Self {
        let options = ActiveMq::options().max_inactivity(Duration::ZERO);
        let options = if persistent { options.kahadb(data.path()) } else { options };
        Self::ActiveMq(Box::new(options.start()))
    }

    fn rewire(persistent: bool, data: &TempDir) -> Self {
        let program = Program::rewire(["broker", "--listen", "tcp://127.0.0.1:0"]);
        let program = if persistent {
            program.arg("--data").arg(data.path())
        } else {
            program.arg("--memory")
        };
        let mut running = program.start();
        let ready = running.line(DEADLINE).expect("a line of the broker");
        let uri = ready.strip_prefix("READY ").expect("it is ready").to_owned();
        Self::Rewire(running, uri)
    }

    fn uri(&self) -> String {
        match self {
            Self::ActiveMq(broker) => broker.uri(),
            Self::Rewire(_, uri) => uri.clone(),
        }
    }

    fn pid(&mut self) -> u32 {
        match self {
            Self::ActiveMq(broker) => broker.running().pid(),
            Self::Rewire(running, _) => running.pid(),
        }
    }

    fn stop(&mut self) {
        match self {
            Self::ActiveMq(broker) => broker.stop(),
            Self::Rewire(running, _) => drop(running.terminate(DEADLINE)),
        }
    }
}

/// Starts a load on a broker's URI.
type Client = fn(&Case, &str) -> Running;
/// Starts a broker, with a store in this folder or without.
type Start = fn(bool, &TempDir) -> Broker;

/// Measures one case, both brokers in turn, under both clients. `done` hears of each run.
///
/// # Panics
///
/// When something does not start, or does not end in time.
pub fn measure(case: &Case, rounds: usize, mut done: impl FnMut(&str, Sample)) -> [Row; 2] {
    let clients: [(&'static str, Client); 2] = [("Java", java), ("Rewire", rewire)];
    clients.map(|(client, start)| {
        let mut row = Row { case: case.name, client, activemq: vec![], rewire: vec![] };
        for _ in 0..rounds {
            let sample = run(case, Broker::activemq, start);
            done(&format!("{client}'s client on ActiveMQ"), sample);
            row.activemq.push(sample);
            let sample = run(case, Broker::rewire, start);
            done(&format!("{client}'s client on Rewire"), sample);
            row.rewire.push(sample);
        }
        row
    })
}

fn run(case: &Case, broker: Start, client: Client) -> Sample {
    let data = tempfile::tempdir().expect("a folder for the store");
    let mut broker = broker(case.persistent, &data);
    let mut client = client(case, &broker.uri());
    client.json_with("warm", DEADLINE);
    let pid = broker.pid();
    let (cpu_s, since_ns) = (cpu_seconds(pid), monotonic_ns());
    client.say("go");
    client.json_with("done", DEADLINE);
    let seconds = (monotonic_ns() - since_ns) as f64 / 1e9;
    let cpu_per_million = (cpu_seconds(pid) - cpu_s) / case.messages() * 1e6;
    Sample { messages_per_s: case.messages() / seconds, cpu_per_million }
}

fn java(case: &Case, uri: &str) -> Running {
    Java::program("Loading")
        .with_sources(concat!(env!("CARGO_MANIFEST_DIR"), "/java"))
        .jvm("-Xmx1g")
        .args(case.arguments(uri))
        .start()
}

fn rewire(case: &Case, uri: &str) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a file"));
    command.arg(AS_CLIENT).args(case.arguments(uri));
    Running::start("broker, the load", command)
}

/// One line a case and client, medians with the least and the most.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| case | client | ActiveMQ, messages/s | Rewire | Rewire/ActiveMQ | ActiveMQ, CPU s a million | Rewire | Rewire/ActiveMQ |\n\
         |---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for Row { case, client, activemq, rewire } in rows {
        let rate = |samples: &[Sample]| Spread::of(samples.iter().map(|s| s.messages_per_s));
        let cpu = |samples: &[Sample]| Spread::of(samples.iter().map(|s| s.cpu_per_million));
        let (rates, cpus) = ((rate(activemq), rate(rewire)), (cpu(activemq), cpu(rewire)));
        text += &format!(
            "| {case} | {client} | {} | {} | {} | {} | {} | {} |\n",
            show(rates.0),
            show(rates.1),
            ratio(rates.1, rates.0),
            show(cpus.0),
            show(cpus.1),
            ratio(cpus.1, cpus.0),
        );
    }
    text
}
