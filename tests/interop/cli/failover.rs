//! The broker dies in the middle of a run, and the run ends with every message confirmed.

use std::io::Write;
use std::time::Duration;

use rewire_test_support::{ActiveMq, eventually};
use serde_json::Value;

use super::{Arrivals, Log, RUN, rewire};

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_killed_broker_that_comes_back_on_its_store_has_every_confirmed_message() {
    const COUNT: u64 = 20_000;
    let files = tempfile::tempdir().expect("a directory for logs");
    let store = tempfile::tempdir().expect("a directory for the store");
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let uri = format!("failover:({})", broker.uri());

    let sent_log = files.path().join("sent.jsonl");
    let mut sent = Log::at(&sent_log);
    let mut sender = rewire("send", &uri, "queue://PIPELINED")
        .args(["--count", &COUNT.to_string(), "--size", "1024", "--mode", "pipelined"])
        .arg("--json")
        .arg("--log")
        .arg(&sent_log)
        .start();
    sender.feed(String::new());
    eventually(RUN, "a third is sent", || sent.lines() as u64 > COUNT / 3);
    let killed_ns = broker.kill();
    broker.restart();
    let summary = sender.finish(RUN).success().last_json();
    assert_eq!(summary["confirmed"], COUNT, "{summary}");
    assert_eq!(summary["failed"], 0, "{summary}");
    assert_eq!(summary["in_doubt"], 0, "{summary}");
    assert_ne!(summary["interruptions"], 0, "{summary}");
    let outcomes = sent.read();
    assert_eq!(outcomes.len() as u64, COUNT);
    assert!(outcomes.iter().any(|line| t_ns(line) > killed_ns), "killed after the run");

    let received_log = files.path().join("received.jsonl");
    let summary = rewire("receive", &uri, "queue://PIPELINED")
        .args(["--idle-timeout", "5s", "--json", "--log"])
        .arg(&received_log)
        .run(RUN)
        .success()
        .last_json();
    let arrivals = Arrivals::of(&Log::at(&received_log).read());
    assert_eq!(arrivals.seen.len(), 1, "one producer");
    arrivals.assert_complete_and_in_order(COUNT);
    assert_eq!(summary["distinct"], COUNT, "{summary}");
    assert_eq!(summary["missing"], 0, "{summary}");
    assert_eq!(summary["duplicates"], arrivals.duplicates, "{summary}");
    assert_eq!(summary["received"], COUNT + arrivals.duplicates, "{summary}");
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn a_run_goes_on_at_the_second_broker_when_the_first_is_gone_for_good() {
    const COUNT: u64 = 6_000;
    let files = tempfile::tempdir().expect("a directory for logs");
    let mut first = ActiveMq::start();
    let mut second = ActiveMq::start();
    let uri = format!("failover:({},{})?randomize=false", first.uri(), second.uri());

    let sent_log = files.path().join("sent.jsonl");
    let mut sent = Log::at(&sent_log);
    let mut sender = rewire("send", &uri, "queue://MOVED")
        .args(["--count", &COUNT.to_string(), "--rate", "3000", "--mode", "pipelined"])
        .arg("--json")
        .arg("--log")
        .arg(&sent_log)
        .start();
    sender.feed(String::new());
    eventually(RUN, "a third is sent", || sent.lines() as u64 > COUNT / 3);
    assert_eq!(second.queue("MOVED").enqueued, 0);
    let at_first = first.queue("MOVED").enqueued;
    let killed_ns = first.kill();

    let summary = sender.finish(RUN).success().last_json();
    assert_eq!(summary["confirmed"], COUNT, "{summary}");
    assert_eq!(summary["interruptions"], 1, "{summary}");
    assert!(at_first > 0 && second.queue("MOVED").enqueued > 0);
    let gap = longest_gap_after(killed_ns, &sent.read());
    writeln!(std::io::stderr(), "from the first broker's death to the second: {gap:?}")
        .expect("stderr is open");
    assert!(gap < Duration::from_secs(5), "{gap:?}");
}

/// The longest time without a confirmed message that ends after this moment.
fn longest_gap_after(killed_ns: u64, log: &[Value]) -> Duration {
    let mut confirmed: Vec<u64> =
        log.iter().filter(|line| line["outcome"] == "confirmed").map(t_ns).collect();
    confirmed.sort_unstable();
    let gaps =
        confirmed.windows(2).filter(|pair| pair[1] > killed_ns).map(|pair| pair[1] - pair[0]);
    Duration::from_nanos(gaps.max().expect("messages were confirmed after the broker's death"))
}

fn t_ns(line: &Value) -> u64 {
    line["t_ns"].as_u64().expect("a line has a time")
}
