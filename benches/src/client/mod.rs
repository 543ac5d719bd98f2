//! Messages through one Java broker, sent and received by each client in turn: how many a second, and what that costs
//! the client.
//!
//! Each side is a process that does a case over and over; the first time, while a JVM compiles, does not count.

mod program;

pub use self::program::run_as_client;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rewire::{AckMode, Connection, Message, Queue};
use rewire_test_support::{ActiveMq, Java, Running};
use tokio::runtime::Runtime;

use crate::begin::AS_CLIENT;
use crate::proc::{cpu_seconds, resident_bytes};
use crate::spread::{Spread, ratio, show};

/// Long enough for any run on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);
/// Bytes of each message.
const SIZE: &str = "1024";

/// One row of the table.
#[derive(Debug)]
pub struct Case {
    /// What the client programs call it.
    pub name: &'static str,
    /// What it is.
    what: &'static str,
    /// Messages of one run.
    count: u64,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Sends,
    Receives,
    GoesAndComes,
}

/// All of them.
pub const CASES: [Case; 7] = [
    Case { name: "sync", what: "persistent, each awaited", count: 2_000, kind: Kind::Sends },
    Case {
        name: "pipelined",
        what: "persistent, 1000 unanswered",
        count: 10_000,
        kind: Kind::Sends,
    },
    Case { name: "volatile", what: "non-persistent", count: 50_000, kind: Kind::Sends },
    Case { name: "transacted", what: "transactions of 100", count: 20_000, kind: Kind::Sends },
    Case { name: "auto", what: "consumer, auto", count: 50_000, kind: Kind::Receives },
    Case { name: "dups-ok", what: "consumer, dups-ok", count: 50_000, kind: Kind::Receives },
    Case {
        name: "pingpong",
        what: "over and back, one at a time",
        count: 5_000,
        kind: Kind::GoesAndComes,
    },
];

/// What one run came to.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Messages a second.
    pub per_s: f64,
    /// Seconds of CPU that the client used for a million messages.
    pub cpu_s_per_million: f64,
    /// Mebibytes that the client takes up after it.
    pub memory_mib: f64,
    /// Of one message over and back, in the middle and at 99 %, in milliseconds.
    pub round_trip_ms: Option<(f64, f64)>,
}

/// What both sides came to.
#[derive(Debug)]
pub struct Row {
    case: &'static Case,
    java: Vec<Sample>,
    rewire: Vec<Sample>,
}

/// Measures a case on both sides, in turn, with the broker's store in this directory. `done` hears of each run.
///
/// # Panics
///
/// When something does not start, or does not end in time.
pub fn measure(
    case: &'static Case,
    rounds: usize,
    store_in: &Path,
    mut done: impl FnMut(&str, Sample),
) -> Row {
    let store = tempfile::tempdir_in(store_in).expect("a directory for the store");
    let broker = ActiveMq::options().kahadb(store.path()).start();
    let runtime = Runtime::new().expect("a runtime can be made");
    let mut row = Row { case, java: Vec::new(), rewire: Vec::new() };
    let mut sides = [
        ("java", java(&broker.uri(), case), &mut row.java),
        ("rewire", rewire(&broker.uri(), case), &mut row.rewire),
    ];
    for (_, client, _) in &mut sides {
        client.json_with("ready", DEADLINE);
        // Twice: a JVM compiles in the background what was slow before.
        for _ in 0..2 {
            let _warm = run(client, case, &broker, &runtime);
        }
    }
    for _ in 0..rounds.max(1) {
        for (side, client, samples) in &mut sides {
            let sample = run(client, case, &broker, &runtime);
            done(side, sample);
            samples.push(sample);
        }
        // Who goes second finds the broker as the first has left it.
        sides.reverse();
    }
    row
}

fn run(client: &mut Running, case: &Case, broker: &ActiveMq, runtime: &Runtime) -> Sample {
    if case.kind == Kind::Receives {
        runtime.block_on(fill(&broker.uri(), case.count)).expect("the broker stays");
    }
    let pid = client.pid();
    client.say("settle");
    client.json_with("done", DEADLINE);
    pause();
    let cpu_s = cpu_seconds(pid);
    client.say(&format!("run {}", case.count));
    let said = client.json_with("done", DEADLINE);
    let cpu_s = cpu_seconds(pid) - cpu_s;
    let memory_mib = resident_bytes(pid) / 1024.0 / 1024.0;
    if case.kind == Kind::Sends {
        runtime.block_on(drain(&broker.uri(), case.count)).expect("the broker stays");
    }
    let number = |key: &str| said[key].as_f64();
    let count = case.count as f64;
    Sample {
        per_s: count / number("seconds").expect("a run says how long it took"),
        cpu_s_per_million: cpu_s * 1e6 / count,
        memory_mib,
        round_trip_ms: number("p50_us")
            .zip(number("p99_us"))
            .map(|(p50, p99)| (p50 / 1000.0, p99 / 1000.0)),
    }
}

/// The broker goes on writing what was acknowledged after it has said that it did.
#[expect(clippy::disallowed_methods, reason = "there is nothing that can be asked")]
fn pause() {
    std::thread::sleep(Duration::from_secs(1));
}

fn java(uri: &str, case: &Case) -> Running {
    Java::program("Messaging")
        .with_sources(concat!(env!("CARGO_MANIFEST_DIR"), "/java"))
        .args([format!("--uri={uri}"), format!("--case={}", case.name), format!("--size={SIZE}")])
        .start()
}

fn rewire(uri: &str, case: &Case) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a file"));
    command.args([AS_CLIENT, uri, case.name, SIZE]);
    Running::start("messages, the client", command)
}

/// Puts messages into the queue, for a run that receives them.
async fn fill(uri: &str, count: u64) -> rewire::Result<()> {
    let connection = Connection::builder(uri).await?;
    let producer = connection.session().await?.producer(&Queue::new("LOAD")).await?;
    let message = Message::text(program::text(SIZE.parse().unwrap_or(0))).persistent(false);
    for _ in 0..count {
        drop(producer.send_async(message.clone()).await?);
    }
    connection.flush().await?;
    connection.close().await
}

/// Takes out what a run has sent, and makes sure that it was all.
async fn drain(uri: &str, count: u64) -> rewire::Result<()> {
    let connection = Connection::builder(uri).await?;
    let session = connection.session().ack(AckMode::DupsOk).await?;
    let mut consumer = session.consumer(&Queue::new("LOAD")).await?;
    for number in 0..count {
        let next = consumer.receive(DEADLINE).await?;
        assert!(next.is_some(), "{number} of {count} are there");
    }
    consumer.close().await?;
    connection.close().await
}

/// A line a case, medians with the least and the most.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| | messages/s, Java | Rewire | Rewire/Java | CPU s a million, Java | Rewire | Rewire/Java |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
    );
    for Row { case, java, rewire } in rows {
        let both = |value: fn(&Sample) -> f64| {
            let java = Spread::of(java.iter().map(value));
            let rewire = Spread::of(rewire.iter().map(value));
            format!("{} | {} | {}", show(java), show(rewire), ratio(rewire, java))
        };
        let rate = both(|sample| sample.per_s);
        let cpu = both(|sample| sample.cpu_s_per_million);
        text += &format!("| {} | {rate} | {cpu} |\n", case.what);
    }
    text += "\n| | Java | Rewire | Rewire/Java |\n|---|---:|---:|---:|\n";
    for Row { case, java, rewire } in rows {
        let mut line = |name: &str, value: fn(&Sample) -> Option<f64>| {
            let java = Spread::of(java.iter().filter_map(value));
            let rewire = Spread::of(rewire.iter().filter_map(value));
            if java.is_some() {
                let ratio = ratio(rewire, java);
                text += &format!("| {name} | {} | {} | {ratio} |\n", show(java), show(rewire));
            }
        };
        line("round trip in the middle, ms", |sample| sample.round_trip_ms.map(|times| times.0));
        line("round trip at 99 %, ms", |sample| sample.round_trip_ms.map(|times| times.1));
        line(&format!("memory, {}, MiB", case.what), |sample| Some(sample.memory_mib));
    }
    text
}
