//! One end is ActiveMQ's own client, the other is `rewire`.

use rewire_test_support::{ActiveMq, Body, JmsMessage, Typed, eventually};

use super::{Arrivals, Log, RUN, rewire};
use crate::{JAVA, java};

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn what_java_sends_rewire_receives_in_order() {
    let files = tempfile::tempdir().expect("a directory for the log");
    let mut broker = ActiveMq::start();
    let produced = java("Produce", &broker.uri())
        .args(["--to", "FROM.JAVA", "--count", "500", "--pid", "the-producer"])
        .run(JAVA);
    assert_eq!(produced[0]["sent"], 500);

    let log = files.path().join("received.jsonl");
    let summary = rewire("receive", &broker.uri(), "queue://FROM.JAVA")
        .args(["--count", "500", "--idle-timeout", "10s", "--json", "--log"])
        .arg(&log)
        .run(RUN)
        .success()
        .last_json();
    assert_eq!(summary["distinct"], 500, "{summary}");
    assert_eq!(summary["duplicates"], 0, "{summary}");
    assert_eq!(summary["missing"], 0, "{summary}");
    assert_eq!(summary["out_of_order"], 0, "{summary}");
    let arrivals = Arrivals::of(&Log::at(&log).read());
    arrivals.assert_complete_and_in_order(500);
    assert!(arrivals.seen.contains_key("the-producer"));
    eventually(RUN, "all is acknowledged", || broker.queue("FROM.JAVA").size == 0);
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn what_rewire_sends_java_receives_in_order() {
    for mode in ["sync", "pipelined", "async"] {
        let broker = ActiveMq::start();
        let summary = rewire("send", &broker.uri(), "TO.JAVA")
            .args(["--count", "500", "--mode", mode, "--json"])
            .run(RUN)
            .success()
            .last_json();
        assert_eq!(summary["sent"], 500, "{mode}: {summary}");
        let consumed = java("Consume", &broker.uri())
            .args(["--from", "TO.JAVA", "--count", "500"])
            .start()
            .finish(JAVA)
            .success()
            .last_json();
        assert_eq!(consumed["distinct"], 500, "{mode}: {consumed}");
        assert_eq!(consumed["missing"], 0, "{mode}: {consumed}");
        assert_eq!(consumed["out_of_order"], 0, "{mode}: {consumed}");
        assert_eq!(consumed["pids"].as_object().map(serde_json::Map::len), Some(1), "{consumed}");
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn java_reads_the_body_the_properties_and_the_headers_that_rewire_was_given() {
    let broker = ActiveMq::start();
    rewire("send", &broker.uri(), "queue://ONE")
        .args(["12 anvils \u{1f528}", "--property", "region=eu \u{20ac}", "--priority", "7"])
        .args(["--non-persistent", "--ttl", "600s"])
        .run(RUN)
        .success();
    let received = java("ReceiveAll", &broker.uri()).args(["--from", "ONE"]).run(JAVA);
    let (message, _) = JmsMessage::from_json(&received[0]);
    assert_eq!(message.body, Body::Text(Typed::string("12 anvils \u{1f528}")));
    assert_eq!(message.properties, [("region".to_owned(), Typed::string("eu \u{20ac}"))].into());
    assert_eq!((message.priority, message.ttl_ms, message.persistent), (7, 600_000, false));
}
