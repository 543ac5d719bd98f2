//! `rewire watch` beside a broker that is killed and comes back: what is told of it, and in which order.

use std::time::Duration;

use rewire_test_support::{ActiveMq, Program};
use serde_json::Value;

use super::RUN;

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_record_of_an_interruption_says_what_was_tried_until_the_broker_was_back() {
    let store = tempfile::tempdir().expect("a directory for the store");
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let uri = format!("failover:({})?maxReconnectDelay=200", broker.uri());
    let mut watch = Program::rewire(["watch", &uri, "--json"]).start();
    let mut next = |name: &str| {
        loop {
            let event = watch.json_with("event", RUN);
            // How many attempts fail is up to the machine.
            if event["event"] == name {
                return event;
            }
            assert_eq!(event["event"], "attempt_failed", "{name} is expected");
        }
    };
    assert_eq!(next("connected")["broker"], broker.uri());
    let first = next("incident");
    assert_eq!((&first["cause"], &first["end"]), (&Value::Null, &"resumed".into()), "{first}");

    broker.kill();
    assert_eq!(next("interrupted")["broker"], broker.uri());
    next("attempt_failed");
    broker.restart();
    let resumed = next("resumed");
    let incident = next("incident");
    assert_eq!(incident["cause"]["broker"], broker.uri(), "{incident}");
    assert_eq!(incident["cause"]["noticed_by"], "reading", "{incident}");
    let outage_ms = incident["outage_ms"].as_f64().expect("an outage has a time");
    assert_eq!(
        Some(Duration::from_secs_f64(outage_ms / 1000.0).as_millis()),
        resumed["outage_ms"].as_u64().map(u128::from)
    );
    let attempts = incident["attempts"].as_array().expect("attempts were made");
    let (last, failed) = attempts.split_last().expect("one succeeded");
    assert!(failed.iter().all(|attempt| attempt["end"] == "failed"), "{incident}");
    assert_eq!(last["end"], "succeeded", "{incident}");
    for part in ["resolve_ms", "connect_ms", "handshake_ms", "replay_ms"] {
        assert!(last[part].is_f64(), "{part}: {incident}");
    }
}
