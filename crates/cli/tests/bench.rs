//! `rewire bench` on a broker: what it counts, what it notices, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::{Output, Stdio};
use std::time::Duration;

use rewire::{AckMode, Connection, Queue};
use rewire_broker::Broker;
use rewire_broker::testkit::{Fault, FaultProxy};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);

async fn broker() -> (Broker, String) {
    let broker = Broker::builder().listen("tcp://127.0.0.1:0").start().await.unwrap();
    let uri = broker.uris().next().unwrap().to_owned();
    (broker, uri)
}

fn bench(kind: &str, uri: &str, duration: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rewire"));
    program.args(["bench", kind, uri, "queue://BENCH", "--duration", duration]).kill_on_drop(true);
    program
}

async fn run(mut program: Command) -> Output {
    let output = program.stdin(Stdio::null()).output();
    timeout(SOON, output).await.expect("a run ends soon after its time").unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Waits until messages flow: takes one, and gives it back.
async fn proves_its_work(uri: &str) {
    let connection = Connection::builder(uri).await.unwrap();
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let mut consumer = session.consumer(&Queue::new("BENCH")).prefetch(1).await.unwrap();
    drop(timeout(SOON, consumer.next()).await.unwrap().unwrap().unwrap());
    consumer.close().await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn throughput_counts_what_was_confirmed_and_received_and_measures_only_after_the_warm_up() {
    let (broker, uri) = broker().await;
    let mut program = bench("throughput", &uri, "1s");
    program.args(["--warmup", "500ms", "--size", "100", "--json"]);
    let output = run(program).await;
    assert!(output.status.success(), "{output:?}");
    let said = json(&output);
    let number = |key: &str| said[key].as_u64().unwrap();
    assert!(number("sent") > 100, "{said}");
    assert_eq!(number("confirmed"), number("sent"));
    assert_eq!(number("received"), number("sent"));
    for key in ["lost", "duplicates", "failed", "in_doubt", "foreign", "interruptions"] {
        assert_eq!(number(key), 0, "{key}: {said}");
    }
    // A second was sent for, and half of it measured.
    let measured = said["confirmed_per_s"].as_f64().unwrap() * 0.5;
    assert!(measured < said["confirmed"].as_f64().unwrap(), "{said}");
    assert!(said["travel_us"]["p50"].as_u64().unwrap() > 0, "{said}");
    broker.stop().await;
}

#[tokio::test]
async fn latency_is_that_of_a_message_that_is_alone_and_shown_as_a_histogram() {
    let (broker, uri) = broker().await;
    let mut program = bench("latency", &uri, "1s");
    program.args(["--warmup", "0s"]);
    let output = run(program).await;
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("one after the other") && said.contains(" % ##"), "{said}");
    broker.stop().await;
}

#[tokio::test]
async fn a_message_that_was_confirmed_and_never_came_is_lost_and_the_run_has_failed() {
    let (broker, uri) = broker().await;
    let connection = Connection::builder(&uri).await.unwrap();
    let session = connection.session().await.unwrap();
    // It takes what is not its own.
    let mut thief = session.consumer(&Queue::new("BENCH")).prefetch(1).await.unwrap();
    let mut program = bench("soak", &uri, "1s");
    program.args(["--drain", "300ms", "--json"]);
    let (output, _) = tokio::join!(run(program), async { thief.next().await.unwrap().unwrap() });
    let said = json(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lost = said["lost"].as_u64().unwrap();
    assert!(lost > 0, "{said}");
    let [confirmed, received] = ["confirmed", "distinct"].map(|key| said[key].as_u64().unwrap());
    assert_eq!(lost, confirmed - received, "{said}");
    connection.close().await.unwrap();
    broker.stop().await;
}

#[tokio::test]
async fn recovery_tells_each_interruption_with_its_length_and_its_cause() {
    let (broker, uri) = broker().await;
    let proxy = FaultProxy::between("tcp://127.0.0.1:0", &uri).unwrap();
    let through = format!("failover:({})?initialReconnectDelay=100", proxy.uri());
    let mut program = bench("recovery", &through, "1s");
    program.args(["--json"]);
    let cut = async {
        proves_its_work(&uri).await;
        proxy.apply(&Fault::Reset);
    };
    let (output, ()) = tokio::join!(run(program), cut);
    let said = json(&output);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said["lost"], 0, "{said}");
    assert!(said["interruptions"].as_u64().unwrap() >= 1, "{said}");
    let first = &said["interruptions_list"][0];
    assert!(first["outage_ms"].as_f64().unwrap() >= 99.0, "{said}");
    assert!(first["cause"].as_str().unwrap().starts_with("lost tcp://"), "{said}");
    broker.stop().await;
}

#[tokio::test]
async fn a_run_that_is_stopped_gives_its_account_and_has_failed() {
    let (broker, uri) = broker().await;
    let mut program = bench("soak", &uri, "1h");
    program.args(["--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = program.spawn().unwrap();
    proves_its_work(&uri).await;
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = timeout(SOON, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(json(&output)["sent"].as_u64().unwrap() > 0);
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped before its time"));
    broker.stop().await;
}
