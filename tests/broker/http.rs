//! The window into a broker: what it says, and that it cannot be used to hurt the broker.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use rewire::{AckMode, Connection, Message, Queue, Topic};
use rewire_broker::{Broker, BrokerBuilder, MemoryStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{SOON, connect, eventually, receive};

async fn start(builder: BrokerBuilder) -> (Broker, SocketAddr) {
    let builder = builder.name("watched").listen("tcp://127.0.0.1:0").http("127.0.0.1:0");
    let broker = builder.start().await.unwrap();
    let address = broker.http_address().unwrap();
    (broker, address)
}

/// Sends bytes, and hears the answer until its end.
async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who is refused in the middle of a long request may be hung up.
    let _ = stream.write_all(request).await;
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await.expect("an end");
    String::from_utf8(heard).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await
}

/// The numbers of a broker, by their names and labels as they are written.
async fn numbers(address: SocketAddr) -> BTreeMap<String, f64> {
    let answer = get(address, "/metrics").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    read(body)
}

/// Reads Prometheus' text format, with all its rules for what a broker may write: a metric says what it is
/// before its samples, which stand together, and no sample is there twice.
fn read(text: &str) -> BTreeMap<String, f64> {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples = BTreeMap::new();
    let (mut helped, mut current) = ("", "");
    assert!(text.ends_with('\n'), "the last line has no end");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helped = rest.split_once(' ').unwrap().0;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped, name, "no help, or that of another: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kinds.insert(name, kind).is_none(), "a second time: {line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            current = name;
        } else {
            let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
            let name = &line[..end];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(is_name) && !name.starts_with(char::is_numeric), "{line}");
            let suffix = name.strip_prefix(current).unwrap_or_else(|| panic!("strayed: {line}"));
            let suffixes: &[&str] =
                if kinds[current] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{line}");
            let value = labels_end(&line[end..]).unwrap_or_else(|| panic!("its labels: {line}"));
            let (key, value) = line.split_at(end + value);
            let value = value.strip_prefix(' ').unwrap().parse().unwrap();
            assert!(samples.insert(key.to_owned(), value).is_none(), "a second time: {line}");
        }
    }
    samples
}

/// Where the labels end that a text begins with: `{a="b",c="d"}`.
fn labels_end(text: &str) -> Option<usize> {
    let Some(mut rest) = text.strip_prefix('{') else { return Some(0) };
    loop {
        let (name, after) = rest.split_once("=\"")?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let mut escaped = false;
        let end = after.char_indices().find_map(|(at, c)| match (escaped, c) {
            (true, '\\' | '"' | 'n') => {
                escaped = false;
                None
            }
            (true, _) => Some(None),
            (false, '"') => Some(Some(at)),
            (false, '\\') => {
                escaped = true;
                None
            }
            (false, _) => None,
        });
        rest = after.get(end??.checked_add(1)?..).filter(|_| is_name)?;
        if let Some(after) = rest.strip_prefix('}') {
            return Some(text.len() - after.len());
        }
        rest = rest.strip_prefix(',')?;
    }
}

#[test]
fn a_text_that_breaks_the_rules_of_the_format_is_seen() {
    const HEAD: &str = "# HELP a What.\n# TYPE a gauge\n";
    assert_eq!(read(&format!("{HEAD}a{{b=\"c\\\"}}\"}} 5\n"))["a{b=\"c\\\"}\"}"], 5.0);
    for wrong in ["b 5\n", "a\n", "a five\n", "a 5\na 6\n", "a{b=\"c\"d\"} 5\n", "a{b=\"\\c\"} 5\n"]
    {
        let text = format!("{HEAD}{wrong}");
        assert!(std::panic::catch_unwind(|| read(&text)).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn health_numbers_and_the_page_are_told() {
    let (broker, address) = start(Broker::builder().store(MemoryStore::new())).await;
    let uri = format!("failover:({})", broker.uri());
    let connection = Connection::builder(&uri).client_id("shop").await.unwrap();
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let (queue, topic) = (Queue::new("A\"B\\C\nD"), Topic::new("PRICES"));
    let mut durable = session.consumer(&topic).durable("all").await.unwrap();
    let producer = session.producer(&queue).await.unwrap();
    for _ in 0..3 {
        producer.send(Message::text("x")).await.unwrap();
    }
    session.producer(&topic).await.unwrap().send(Message::text("12")).await.unwrap();
    let mut consumer = session.consumer(&queue).prefetch(1).await.unwrap();
    receive(&mut consumer).await.ack().await.unwrap();
    receive(&mut durable).await.ack().await.unwrap();
    let health = get(address, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
    let of = "{type=\"queue\",destination=\"A\\\"B\\\\C\\nD\"}";
    let expected = [
        ("rewire_broker_info{name=\"watched\",version=\"0.1.0\"}".to_owned(), 1.0),
        ("rewire_broker_connections".to_owned(), 1.0),
        ("rewire_broker_destinations".to_owned(), 2.0),
        (format!("rewire_destination_enqueued_messages_total{of}"), 3.0),
        (format!("rewire_destination_dequeued_messages_total{of}"), 1.0),
        (format!("rewire_destination_pending_messages{of}"), 1.0),
        (format!("rewire_destination_in_flight_messages{of}"), 1.0),
        (format!("rewire_destination_consumers{of}"), 1.0),
        (
            "rewire_durable_subscription_active{client_id=\"shop\",subscription=\"all\"}"
                .to_owned(),
            1.0,
        ),
        ("rewire_cluster_clients{broker=\"watched\"".to_owned(), 1.0),
    ];
    // What is told may be a moment old.
    eventually("all is counted", async || {
        let numbers = numbers(address).await;
        let is_told = |(name, expected): &(String, f64)| {
            numbers.iter().any(|(key, value)| key.starts_with(name) && value == expected)
        };
        expected.iter().all(is_told)
    })
    .await;
    let numbers = numbers(address).await;
    let commits = numbers["rewire_store_commit_seconds_count"];
    assert!(commits >= 4.0, "{commits} commits");
    assert_eq!(numbers["rewire_store_commit_seconds_bucket{le=\"+Inf\"}"], commits);
    assert!(numbers["rewire_store_commit_seconds_bucket{le=\"2\"}"] <= commits);
    assert!(!numbers.keys().any(|name| name.contains("Advisory")), "{numbers:?}");
    let status = get(address, "/status.json").await;
    assert!(
        status.contains("\"name\":\"watched\"") && status.contains("\"pending\":1"),
        "{status}"
    );
    let page = get(address, "/").await;
    assert!(page.contains("<title>") && page.contains("content-security-policy"), "{page}");
    connection.close().await.unwrap();
    broker.stop().await;
}

#[tokio::test]
async fn the_brokers_of_a_cluster_are_told_with_how_many_clients_each_has() {
    let (other, _) = start(Broker::builder()).await;
    let connector = format!("static:({})", other.uri()).parse().unwrap();
    let builder = Broker::builder().name("here").network_connector(connector);
    let builder = builder.listen("tcp://127.0.0.1:0").http("127.0.0.1:0");
    let here = builder.start().await.unwrap();
    let address = here.http_address().unwrap();
    let connections = [connect(&other).await, connect(&other).await, connect(&here).await];
    let clients = |broker: &str, at: &Broker| {
        format!("rewire_cluster_clients{{broker=\"{broker}\",address=\"{}\"}}", at.uri())
    };
    eventually("both are told of", async || {
        let numbers = numbers(address).await;
        numbers.get(&clients("here", &here)) == Some(&1.0)
            && numbers.get(&clients("watched", &other)) == Some(&2.0)
            && numbers["rewire_cluster_brokers"] == 2.0
    })
    .await;
    for connection in connections {
        connection.close().await.unwrap();
    }
    here.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn passwords_are_not_told() {
    let builder = Broker::builder().user("shop", "open-sesame");
    let (broker, address) = start(builder).await;
    let uri = format!("failover:({})", broker.uri());
    let connection = Connection::builder(&uri).credentials("shop", "open-sesame").await.unwrap();
    eventually("the user is told", async || {
        get(address, "/status.json").await.contains("\"user\":\"shop\"")
    })
    .await;
    for path in ["/status.json", "/metrics"] {
        assert!(!get(address, path).await.contains("sesame"));
    }
    connection.close().await.unwrap();
    broker.stop().await;
}

#[tokio::test]
async fn what_is_not_there_and_what_is_no_question_is_refused() {
    let (broker, address) = start(Broker::builder()).await;
    assert!(get(address, "/../etc/passwd").await.starts_with("HTTP/1.1 404"));
    let order = ask(address, b"DELETE /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(order.starts_with("HTTP/1.1 405") && order.contains("allow: GET, HEAD"), "{order}");
    let head = ask(address, b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let strange =
        ask(address, b"GET /status.json HTTP/1.1\r\nHost: evil.example.com\r\n\r\n").await;
    assert!(strange.starts_with("HTTP/1.1 421") && !strange.contains("watched"), "{strange}");
    let long = [b"GET /".to_vec(), vec![b'x'; 100_000], b" HTTP/1.1\r\n\r\n".to_vec()].concat();
    let refused = ask(address, &long).await;
    assert!(!refused.contains(" 200 "), "{refused}");
    let nonsense = ask(address, &[0xFF; 100]).await;
    assert!(!nonsense.contains(" 200 "), "{nonsense}");
    broker.stop().await;
}

#[tokio::test]
async fn who_says_nothing_over_http_hurts_nobody_and_a_stop_does_not_wait_for_it() {
    let (broker, address) = start(Broker::builder()).await;
    let mut silent = Vec::new();
    for _ in 0..150 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let connection = connect(&broker).await;
    connection.close().await.unwrap();
    tokio::time::timeout(SOON, broker.stop()).await.expect("it stops");
    assert!(TcpStream::connect(address).await.is_err(), "the address is free again");
}
