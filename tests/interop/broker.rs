//! The broker of the other scenarios itself: it dies, comes back, is held, and keeps what it must.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use rewire_test_support::{ActiveMq, JmsMessage, Typed, eventually};

use crate::{JAVA, java};

const SOON: Duration = Duration::from_secs(20);

fn send(uri: &str, queue: &str, messages: &[JmsMessage]) {
    let answer = java("SendAll", uri).args(["--to", queue]).run_with(messages, JAVA);
    assert_eq!(answer[0]["sent"], messages.len());
}

fn receive_texts(uri: &str, queue: &str, count: usize) -> Vec<JmsMessage> {
    let lines =
        java("ReceiveAll", uri).args(["--from", queue, "--count", &count.to_string()]).run(JAVA);
    lines.iter().map(|line| JmsMessage::from_json(line).0).collect()
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_persistent_message_outlives_a_killed_broker_restarted_on_its_store() {
    let store = tempfile::tempdir().expect("a directory for the store");
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let port = broker.port();
    let kept = JmsMessage::text("kept").property("seq", Typed::Long(1));
    let lost = JmsMessage { persistent: false, ..JmsMessage::text("lost") };
    send(&broker.uri(), "KEPT", &[kept.clone(), lost]);
    assert_eq!(broker.queue("KEPT").size, 2);

    broker.kill();
    broker.restart();

    assert_eq!(broker.port(), port);
    assert_eq!(broker.queue("KEPT").size, 1);
    assert_eq!(receive_texts(&broker.uri(), "KEPT", 1), [kept]);
    eventually(SOON, "the message is acknowledged", || broker.queue("KEPT").size == 0);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_in_memory_keeps_nothing_over_a_restart() {
    let mut broker = ActiveMq::start();
    send(&broker.uri(), "FORGOTTEN", &[JmsMessage::text("persistent to no avail")]);
    assert_eq!(broker.queue("FORGOTTEN").size, 1);
    broker.stop();
    broker.restart();
    assert_eq!(broker.queue("FORGOTTEN").size, 0);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_stopped_in_order_comes_back_on_the_same_port() {
    let mut broker = ActiveMq::start();
    let uri = broker.uri();
    broker.stop();
    broker.restart();
    assert_eq!(broker.uri(), uri);
    send(&uri, "AGAIN", &[JmsMessage::text("after")]);
    assert_eq!(broker.queue("AGAIN").enqueued, 1);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_client_waits_for_a_held_broker() {
    let mut broker = ActiveMq::start();
    broker.pause();
    let client = java("Produce", &broker.uri()).args(["--to", "HELD", "--count", "3"]).start();
    let status = PathBuf::from(format!("/proc/{}/status", client.pid()));
    eventually(SOON, "the client runs", || status.exists());
    broker.resume();
    let sent = client.finish(JAVA).success().last_json();
    assert_eq!(sent["sent"], 3);
    assert_eq!(broker.queue("HELD").size, 3);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn dropped_connections_are_counted_and_gone() {
    let mut broker = ActiveMq::start();
    let failover = format!("failover:({})", broker.uri());
    let mut consumer =
        java("Consume", &failover).args(["--from", "DROPPED", "--count", "1"]).start();
    consumer.json_with("ready", JAVA);
    eventually(SOON, "the consumer is known", || broker.queue("DROPPED").consumers == 1);
    assert_eq!(broker.connections(), 1);
    assert_eq!(broker.drop_connections(), 1);
    // Its failover transport brings it back.
    send(
        &broker.uri(),
        "DROPPED",
        &[JmsMessage::text("").property("pid", Typed::string("p")).property("seq", Typed::Long(0))],
    );
    assert_eq!(consumer.finish(JAVA).success().last_json()["received"], 1);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_with_users_lets_only_those_in() {
    let mut broker = ActiveMq::options().user("app", "right").start();
    let produce = |password: &str| {
        java("Produce", &broker.uri())
            .args(["--to", "GUARDED", "--user", "app", "--password", password])
            .start()
            .finish(JAVA)
    };
    assert_eq!(produce("wrong").code(), Some(1));
    assert_eq!(produce("right").code(), Some(0));
    assert_eq!(broker.queue("GUARDED").size, 1);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_without_advisories_has_no_advisory_topics() {
    let advisories = |broker: &mut ActiveMq| {
        send(&broker.uri(), "SEEN", &[JmsMessage::text("")]);
        broker.stats().into_keys().filter(|name| name.contains("ActiveMQ.Advisory")).count()
    };
    assert_ne!(advisories(&mut ActiveMq::start()), 0);
    assert_eq!(advisories(&mut ActiveMq::options().without_advisories().start()), 0);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn bridged_brokers_carry_a_message_from_one_to_the_other() {
    let mut far = ActiveMq::options().name("far").update_cluster_clients().start();
    let network = format!("static:({})", far.uri());
    let near = ActiveMq::options().name("near").network(&network).duplex().start();
    let mut consumer =
        java("Consume", &far.uri()).args(["--from", "BRIDGED", "--count", "2"]).start();
    consumer.json_with("ready", JAVA);
    let produced = java("Produce", &near.uri()).args(["--to", "BRIDGED", "--count", "2"]).run(JAVA);
    assert_eq!(produced[0]["sent"], 2);
    assert_eq!(consumer.finish(JAVA).success().last_json()["distinct"], 2);
    assert_eq!(far.queue("BRIDGED").dequeued, 2);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_does_not_outlive_a_panic() {
    let mut broker = ActiveMq::start();
    let process = PathBuf::from(format!("/proc/{}", broker.running().pid()));
    assert!(process.exists());
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _held = broker;
        panic!("as a failing test does");
    }));
    assert!(panicked.is_err());
    assert!(!process.exists());
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_broker_ends_with_its_stdin_so_that_it_never_outlives_a_killed_test() {
    let mut broker = ActiveMq::start();
    broker.running().feed(String::new());
    eventually(SOON, "the broker ended", || !broker.running().is_running());
}
