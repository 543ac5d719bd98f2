//! ActiveMQ's own client at work on the reference broker; and, so that the scenarios say what is true, on ActiveMQ.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rewire::Destination;
use rewire_broker::{Broker, MemoryStore};
use rewire_test_support::{ActiveMq, Java, Program, Running, eventually};
use serde_json::Value;

use crate::{JAVA, java};

const SOON: Duration = Duration::from_secs(20);
/// All scenarios, one after the other.
const ALL: Duration = Duration::from_secs(240);

/// `rewire broker` in a process of its own.
struct Reference {
    running: Running,
    uri: String,
}

impl Reference {
    fn start() -> Self {
        Self::ready(Program::rewire(["broker", "--memory", "--listen", "tcp://127.0.0.1:0"]))
    }

    /// On what it has stored in this folder.
    fn on(data: &Path, listen: &str) -> Self {
        Self::ready(Program::rewire(["broker", "--listen", listen, "--data"]).arg(data))
    }

    fn ready(program: Program) -> Self {
        let mut running = program.arg("--name").arg("reference").start();
        let ready = running.line(SOON).expect("a line of the broker");
        let uri = ready.strip_prefix("READY ").expect("it is ready").to_owned();
        Self { running, uri }
    }
}

/// What is wrong with each scenario on a broker, if anything is.
fn play(uri: &str, only: &str) -> BTreeMap<String, Option<String>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/java"));
    let mut program = Java::program("Scenarios").with_sources(folder).arg("--uri").arg(uri);
    if !only.is_empty() {
        program = program.arg("--only").arg(only);
    }
    let outcome = |line: Value| {
        let problem = line["problem"].as_str().map(ToOwned::to_owned);
        (line["scenario"].as_str().unwrap().to_owned(), problem)
    };
    program.run(ALL).into_iter().map(outcome).collect()
}

fn assert_fine(outcomes: &BTreeMap<String, Option<String>>, least: usize) {
    let problems: Vec<_> = outcomes.iter().filter(|(_, problem)| problem.is_some()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(outcomes.len() >= least, "only {} scenarios were played", outcomes.len());
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_scenarios_are_true_of_activemq() {
    let broker = ActiveMq::start();
    assert_fine(&play(&broker.uri(), ""), 45);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_scenarios_are_true_of_the_reference_broker() {
    let mut broker = Reference::start();
    assert_fine(&play(&broker.uri, ""), 45);
    assert!(broker.running.terminate(SOON).success());
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_scenarios_are_true_of_the_reference_broker_through_failover() {
    let mut broker = Reference::start();
    assert_fine(&play(&format!("failover:({})", broker.uri), ""), 45);
    assert!(broker.running.terminate(SOON).success());
}

/// A broker on a store that outlives it.
async fn on(store: &MemoryStore, uri: &str) -> Broker {
    Broker::builder().store(store.clone()).listen(uri).start().await.unwrap()
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn java_loses_nothing_while_the_reference_broker_is_killed_and_restarted() {
    const COUNT: usize = 8_000;
    const KILLS: usize = 4;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = MemoryStore::new();
    let mut broker = runtime.block_on(on(&store, "tcp://127.0.0.1:0"));
    let address = broker.uri().to_owned();
    let uri = format!("failover:({address})?initialReconnectDelay=10&useExponentialBackOff=false");
    let count = COUNT.to_string();
    // Until it has as many as were sent: what came twice would leave others behind.
    let mut consumer = java("Consume", &uri)
        .args(["--from", "Q", "--count", &count, "--idle-ms", "60000"])
        .start();
    consumer.json_with("ready", JAVA);
    let producer =
        java("Produce", &uri).args(["--to", "Q", "--count", &count, "--pid", "p"]).start();
    let queue = Destination::queue("Q");
    for kill in 1..=KILLS {
        broker = runtime.block_on(async {
            // Each time at another point of the sequence: messages are numbered at the broker.
            let wanted = kill * COUNT / (KILLS + 2);
            let sent = async {
                while store.highest_sequence() < wanted as u64 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(SOON, sent).await.expect("the producer goes on");
            broker.kill().await;
            on(&store, &address).await
        });
    }
    let sent = producer.finish(JAVA).success().last_json();
    assert_eq!(sent["sent"], COUNT);
    let seen = consumer.finish(JAVA).success().last_json();
    assert_eq!(seen["distinct"], COUNT, "{seen}");
    assert_eq!(seen["missing"], 0, "{seen}");
    let left = runtime.block_on(broker.stats(&queue)).unwrap();
    assert_eq!((left.pending, left.in_flight), (0, 0));
    // Java's client calls a message poison that comes again after it was acknowledged to a broker that
    // died before it heard that. What was stored twice would be received twice.
    let dead = runtime.block_on(broker.stats(&Destination::queue("ActiveMQ.DLQ")));
    let dead = dead.map_or(0, |dead| dead.pending);
    assert_eq!(store.len(), dead, "{seen}");
    assert_eq!(seen["duplicates"], 0, "{seen}");
}

/// The broker is killed 4 times, or as often as `REWIRE_KILLS` says, while Java sends and waits for each answer.
#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn java_finds_all_that_was_answered_in_a_reference_broker_that_was_killed() {
    const PER_KILL: usize = 150;
    let kills: usize = std::env::var("REWIRE_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let count = PER_KILL * (kills + 2);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("sent");
    let mut broker = Reference::on(folder.path(), "tcp://127.0.0.1:0");
    let address = broker.uri.clone();
    let uri = format!("failover:({address})?initialReconnectDelay=10&useExponentialBackOff=false");
    let mut producer = java("Produce", &uri)
        .args(["--to", "Q", "--pid", "p", "--count", &count.to_string(), "--log"])
        .arg(&log)
        .start();
    for kill in 1..=kills {
        // Each time at another point: a send more or less has returned.
        let wanted = kill * PER_KILL + kill * 37 % PER_KILL;
        eventually(JAVA, "the producer goes on", || {
            assert!(producer.is_running(), "all was sent before kill {kill}");
            std::fs::read_to_string(&log).is_ok_and(|log| log.lines().count() >= wanted)
        });
        broker.running.kill();
        broker = Reference::on(folder.path(), &address);
    }
    let long = JAVA + Duration::from_secs(1) * u32::try_from(kills).unwrap();
    let sent = producer.finish(long).success().last_json();
    assert_eq!(sent["sent"], count);
    broker.running.kill();
    let broker = Reference::on(folder.path(), &address);
    let stored = java("Consume", &broker.uri).args(["--from", "Q", "--idle-ms", "3000"]).start();
    let stored = stored.finish(JAVA).success().last_json();
    assert_eq!(stored["received"], count, "{stored}");
    for what in ["duplicates", "missing", "out_of_order"] {
        assert_eq!(stored[what], 0, "{what}: {stored}");
    }
}
