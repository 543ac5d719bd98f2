//! Many connections of one process lose their broker at once, beside Java's client.
//!
//! Each side in turn: two new brokers, one process with so many connections, each with a consumer and a
//! producer. The broker is killed; the other broker says when the last consumer was registered there.

mod program;

pub use self::program::run_as_client;

use std::process::Command;
use std::time::Duration;

use rewire_test_support::{ActiveMq, Java, Running, monotonic_ns};

use crate::begin::AS_CLIENT;
use crate::probe::Probe;
use crate::proc::{cpu_seconds, resident_bytes};
use crate::spread::{Spread, ratio, show};

/// Long enough for thousands of connections on a busy machine.
const DEADLINE: Duration = Duration::from_secs(180);

/// How many and how often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Connections of one process.
    pub connections: u64,
    /// Storms of each side.
    pub rounds: usize,
}

/// What one storm came to.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From the first connection to the last, in milliseconds.
    pub connect_ms: f64,
    /// Seconds of CPU that took.
    pub connect_cpu_s: f64,
    /// Kibibytes of memory a connection.
    pub memory_kib: f64,
    /// From the end of the broker, as a bare socket sees it, to the last consumer on the other.
    pub back_ms: f64,
    /// Seconds of CPU the client used from the end of the broker until all were back.
    pub back_cpu_s: f64,
    /// Seconds of CPU the other broker used meanwhile.
    pub broker_cpu_s: f64,
}

/// What both sides came to.
#[derive(Clone, Debug, Default)]
pub struct Storms {
    java: Vec<Sample>,
    rewire: Vec<Sample>,
}

/// Measures both sides in turn. `done` hears of each storm.
///
/// # Panics
///
/// When something does not start, or not all connections are back in time.
pub fn measure(plan: Plan, mut done: impl FnMut(&str, Sample)) -> Storms {
    let mut storms = Storms::default();
    for _ in 0..plan.rounds.max(1) {
        let java = storm(plan, java);
        done("java", java);
        storms.java.push(java);
        let rewire = storm(plan, rewire);
        done("rewire", rewire);
        storms.rewire.push(rewire);
    }
    storms
}

fn storm(plan: Plan, client: fn(&str, u64) -> Running) -> Sample {
    let (mut first, mut second) = (ActiveMq::start(), ActiveMq::start());
    let uri = format!("failover:({},{})?randomize=false", first.uri(), second.uri());
    let mut client = client(&uri, plan.connections);
    client.json_with("ready", DEADLINE);
    let pid = client.pid();
    ask(&mut client, "settle");
    let (memory, cpu_s, since_ns) = (resident_bytes(pid), cpu_seconds(pid), monotonic_ns());
    ask(&mut client, "connect");
    let connect_ms = ms(since_ns, monotonic_ns());
    let connect_cpu_s = cpu_seconds(pid) - cpu_s;
    wait_for_all(&mut first, plan.connections);
    ask(&mut client, "settle");
    let memory_kib = (resident_bytes(pid) - memory) / 1024.0 / plan.connections as f64;

    let end = Probe::start(first.port());
    let broker = second.running().pid();
    let (cpu_s, broker_cpu_s) = (cpu_seconds(pid), cpu_seconds(broker));
    first.kill();
    let end_ns = end.wait();
    let last_ns = wait_for_all(&mut second, plan.connections);
    let back_cpu_s = cpu_seconds(pid) - cpu_s;
    let broker_cpu_s = cpu_seconds(broker) - broker_cpu_s;
    // That they are back is shown by one message each.
    ask(&mut client, "send");
    let back_ms = ms(end_ns, last_ns);
    Sample { connect_ms, connect_cpu_s, memory_kib, back_ms, back_cpu_s, broker_cpu_s }
}

fn java(uri: &str, connections: u64) -> Running {
    Java::program("Storming")
        .with_sources(concat!(env!("CARGO_MANIFEST_DIR"), "/java"))
        .jvm("-Xmx2g")
        .args([format!("--uri={uri}"), format!("--connections={connections}")])
        .start()
}

fn rewire(uri: &str, connections: u64) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a file"));
    command.args([AS_CLIENT, uri, &connections.to_string()]);
    Running::start("storm, the client", command)
}

fn ask(client: &mut Running, what: &str) {
    client.say(what);
    client.json_with("done", DEADLINE);
}

/// Waits until a broker has so many consumers, without asking much; returns when the last one came.
#[expect(clippy::disallowed_methods, reason = "what is measured is not to be disturbed by asking")]
fn wait_for_all(broker: &mut ActiveMq, connections: u64) -> u64 {
    const BETWEEN: Duration = Duration::from_millis(50);
    let since_ns = monotonic_ns();
    loop {
        let (count, last_ns) = broker.consumers();
        if count == connections {
            return last_ns;
        }
        let waited_ns = u128::from(monotonic_ns() - since_ns);
        assert!(waited_ns < DEADLINE.as_nanos(), "{count} of {connections} are there");
        std::thread::sleep(BETWEEN);
    }
}

fn ms(from_ns: u64, to_ns: u64) -> f64 {
    (to_ns as f64 - from_ns as f64) / 1e6
}

/// What is measured, what is aimed at as a ratio, and where it is in a sample.
type Measured = (&'static str, &'static str, fn(&Sample) -> f64);

/// One line a measured thing, medians with the least and the most.
#[must_use]
pub fn table(storms: &Storms) -> String {
    let rows: [Measured; 6] = [
        ("memory a connection, KiB", "0.10", |sample| sample.memory_kib),
        ("until the last is back, ms", "< 1", |sample| sample.back_ms),
        ("client CPU until then, s", "0.33", |sample| sample.back_cpu_s),
        ("broker CPU until then, s", "", |sample| sample.broker_cpu_s),
        ("to connect all, ms", "", |sample| sample.connect_ms),
        ("client CPU to connect, s", "", |sample| sample.connect_cpu_s),
    ];
    let mut text =
        String::from("| | Java | Rewire | Rewire/Java | aim |\n|---|---:|---:|---:|---:|\n");
    for (name, aim, value) in rows {
        let java = Spread::of(storms.java.iter().map(value));
        let rewire = Spread::of(storms.rewire.iter().map(value));
        let ratio = ratio(rewire, java);
        text += &format!("| {name} | {} | {} | {ratio} | {aim} |\n", show(java), show(rewire));
    }
    text
}
