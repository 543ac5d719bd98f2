//! Recovery time beside Java's client: a broker dies, and each client is to go on at the other.
//!
//! Each side has two brokers of its own, and one client for as long as a case lasts. The sides take turns: the broker that a
//! client is on is killed, the client is measured, the broker is started again. What counts is the time from
//! the moment in which a bare socket sees the end of the broker, because a killed JVM gives back its
//! memory before it closes its sockets.

mod cluster;
mod program;
mod side;
mod table;

pub use self::program::run_as_client;
pub use self::table::table;

use rewire_test_support::{eventually_some, monotonic_ns};

use self::cluster::Cluster;
use self::side::Side;

/// Confirmed sends, or messages, on one broker before it dies.
const STEADY: u64 = 600;
/// Confirmed sends after it that make sure that there was no second pause.
const AFTER: u64 = 150;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the table calls it.
    pub name: &'static str,
    /// What the client does.
    pub role: Role,
    /// How the broker goes.
    pub fault: Fault,
    /// Options of the `failover:` URI besides `randomize=false`.
    pub options: &'static str,
    /// Whether Java's client knows these options.
    pub for_java: bool,
    /// Whether a spare link has to be there before the broker dies.
    pub spare: bool,
    /// What is aimed at.
    pub aim: &'static str,
}

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends one message a millisecond, and waits for each answer.
    Producer {
        /// How they are sent.
        persistent: bool,
    },
    /// Consumes; the broker it goes to has messages waiting.
    Consumer,
}

/// How the broker goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL: its sockets are closed.
    Kill,
    /// SIGSTOP: its sockets stay open, and nobody answers.
    Stop,
}

/// How often.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Deaths that do not count, of each side.
    pub warm: usize,
    /// Deaths that count.
    pub kills: usize,
}

/// What one death came to, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// From the end of the broker, as a bare socket sees it, to the first confirmed send or message. From when
    /// it stands still, where there is no such end.
    pub after_end_ms: f64,
    /// The whole pause: between two confirmed sends, or two messages.
    pub pause_ms: f64,
}

/// What a case came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// The case.
    pub case: Case,
    /// Java's client; empty where it was not measured.
    pub java: Vec<Sample>,
    /// Ours.
    pub rewire: Vec<Sample>,
}

const SILENCE: &str = "nested.wireFormat.maxInactivityDuration=2000\
    &nested.wireFormat.maxInactivityDurationInitalDelay=2000";
const DETECT: &str = "detectTimeout=200&nested.wireFormat.maxInactivityDuration=2000\
    &nested.wireFormat.maxInactivityDurationInitalDelay=2000";

/// With a bound on the wait for a broker that comes back, so that the spare link is soon there again.
const BACKUP: &str = "backup=true&maxReconnectDelay=200";

/// Every case.
pub const CASES: [Case; 8] = [
    kill("persistent, plain", Role::Producer { persistent: true }, ""),
    kill("persistent, backup", Role::Producer { persistent: true }, BACKUP),
    kill("non-persistent, plain", Role::Producer { persistent: false }, ""),
    kill("non-persistent, backup", Role::Producer { persistent: false }, BACKUP),
    kill("consumer, plain", Role::Consumer, ""),
    kill("consumer, backup", Role::Consumer, BACKUP),
    stop("held, maxInactivityDuration=2000", SILENCE, true, "2100"),
    stop("held, detectTimeout=200", DETECT, false, "300"),
];

const fn kill(name: &'static str, role: Role, options: &'static str) -> Case {
    let spare = !options.is_empty();
    let aim = if spare { "2" } else { "14" };
    Case { name, role, fault: Fault::Kill, options, for_java: true, spare, aim }
}

const fn stop(
    name: &'static str,
    options: &'static str,
    for_java: bool,
    aim: &'static str,
) -> Case {
    let role = Role::Producer { persistent: true };
    Case { name, role, fault: Fault::Stop, options, for_java, spare: false, aim }
}

/// Measures a case: both sides in turn. `done` hears of each death.
///
/// # Panics
///
/// When a broker or a client does not start, or does not go on in time.
pub fn measure(case: &Case, plan: Plan, mut done: impl FnMut(&str, usize, Sample)) -> Row {
    let mut java = case.for_java.then(|| Pair::start(case, Side::java));
    let mut rewire = Pair::start(case, Side::rewire);
    let mut row = Row { case: *case, java: Vec::new(), rewire: Vec::new() };
    for round in 0..plan.warm + plan.kills {
        if let Some(java) = &mut java {
            let sample = java.kill(case, round);
            done("java", round, sample);
            row.java.extend((round >= plan.warm).then_some(sample));
        }
        let sample = rewire.kill(case, round);
        done("rewire", round, sample);
        row.rewire.extend((round >= plan.warm).then_some(sample));
    }
    row
}

/// A client and its two brokers.
struct Pair {
    cluster: Cluster,
    side: Side,
}

impl Pair {
    fn start(case: &Case, side: fn(&Case, &str) -> Side) -> Self {
        let cluster = Cluster::start();
        if case.role == Role::Consumer {
            cluster.fill_current("0");
        }
        let side = side(case, &cluster.uri(case.options));
        Self { cluster, side }
    }

    /// Lets the broker die that the client is on, measures, and brings it back as the other one.
    fn kill(&mut self, case: &Case, round: usize) -> Sample {
        let Self { cluster, side } = self;
        let (here, there) = (round.to_string(), (round + 1).to_string());
        if case.role == Role::Consumer {
            cluster.fill_other(&there);
            cluster.feed_current(&here);
            let enough = Cluster::FILLED + STEADY;
            eventually_some(side::SOON, "a steady consumer", || side.heard(&here, enough));
        } else {
            let since_ns = monotonic_ns();
            eventually_some(side::SOON, "a steady producer", || side.pause(since_ns, STEADY));
        }
        cluster.wait_for_spare(case.spare);
        let end_ns = cluster.end_current(case.fault);
        side::leave_alone(case.fault);
        let sample = if case.role == Role::Consumer {
            let first = eventually_some(side::SOON, "messages from the other broker", || {
                side.heard(&there, AFTER)
            });
            let last = side.heard(&here, 1).expect("it was heard before");
            Sample::of(end_ns, last.last_ns, first.first_ns)
        } else {
            let pause = eventually_some(side::SOON, "sends at the other broker", || {
                side.pause(end_ns, AFTER)
            });
            Sample::of(end_ns, pause.from_ns, pause.to_ns)
        };
        cluster.bring_back();
        sample
    }
}

impl Sample {
    fn of(end_ns: u64, from_ns: u64, to_ns: u64) -> Self {
        let ms = |from_ns: u64| (to_ns as f64 - from_ns as f64) / 1e6;
        Self { after_end_ms: ms(end_ns), pause_ms: ms(from_ns) }
    }
}
