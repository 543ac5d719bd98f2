//! Rewire's client at one end and Java's at the other: every type of message, property and header
//! arrives as it was sent, compressed and not.

use std::time::Duration;

use rewire::{AckMode, Connection, Message, Queue};
use rewire_test_support::{ActiveMq, Body, JmsMessage, Typed};
use tokio::time::Instant;

use crate::jms::{from_message, to_message};
use crate::messages::{bodies, modified, named, values};
use crate::{JAVA, java};

async fn connect(broker: &ActiveMq) -> Connection {
    Connection::builder(&format!("failover:({})", broker.uri())).await.unwrap()
}

/// Sends these by Rewire and receives them by ActiveMQ's client.
async fn rewire_to_java(messages: &[JmsMessage]) -> Vec<JmsMessage> {
    let broker = ActiveMq::start();
    let connection = connect(&broker).await;
    let session = connection.session().await.unwrap();
    let producer = session.producer(&Queue::new("TYPES")).await.unwrap();
    for message in messages {
        producer.send(to_message(message)).await.unwrap();
    }
    connection.close().await.unwrap();
    let count = messages.len().to_string();
    let receive = java("ReceiveAll", &broker.uri()).args(["--from", "TYPES", "--count", &count]);
    receive.run(JAVA).iter().map(|line| JmsMessage::from_json(line).0).collect()
}

/// Sends these by ActiveMQ's client and receives them by Rewire.
async fn java_to_rewire(messages: &[JmsMessage]) -> Vec<JmsMessage> {
    let broker = ActiveMq::start();
    let sent = java("SendAll", &broker.uri()).args(["--to", "TYPES"]).run_with(messages, JAVA);
    assert_eq!(sent[0]["sent"], messages.len());
    let connection = connect(&broker).await;
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let mut consumer = session.consumer(&Queue::new("TYPES")).await.unwrap();
    let mut received = Vec::new();
    while received.len() < messages.len() {
        let next = tokio::time::timeout(Duration::from_secs(20), consumer.next());
        let delivery = next.await.expect("a message").expect("a consumer").unwrap();
        received.push(from_message(delivery.message()));
        delivery.ack().await.unwrap();
    }
    connection.close().await.unwrap();
    received
}

/// The bodies that both sides can write.
fn common_bodies() -> Vec<Body> {
    bodies().into_iter().filter(|body| !matches!(body, Body::Object(_))).collect()
}

/// Where there is no content the flag that says "compressed" is off.
fn has_content(body: &Body) -> bool {
    match body {
        Body::Message | Body::Text(Typed::Null) => false,
        Body::Map(map) => !map.is_empty(),
        Body::Stream(values) => !values.is_empty(),
        Body::Text(_)
        | Body::Bytes(_)
        | Body::Written(_)
        | Body::Object(_)
        | Body::Serialized(_)
        | Body::Blob { .. } => true,
    }
}

fn every_header() -> Vec<JmsMessage> {
    let properties =
        values().into_iter().filter(|value| !matches!(value, Typed::Char(_) | Typed::Bytes(_)));
    let every = JmsMessage {
        properties: named(properties.collect()),
        correlation_id: Some("correlation \u{20ac}".to_owned()),
        reply_to: Some("topic://ANSWERS".to_owned()),
        jms_type: Some("order".to_owned()),
        priority: 9,
        ttl_ms: 600_000,
        persistent: false,
        ..JmsMessage::text("every header")
    };
    let none = JmsMessage { priority: 0, persistent: false, ..JmsMessage::text("no header") };
    vec![every, none]
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn java_reads_every_type_of_body_that_rewire_sends_compressed_and_not() {
    for compressed in [false, true] {
        let messages: Vec<_> = common_bodies()
            .into_iter()
            .map(|body| JmsMessage { compressed, ..JmsMessage::new(body) })
            .collect();
        let received = rewire_to_java(&messages).await;
        assert_eq!(received.len(), messages.len());
        for (received, sent) in received.iter().zip(&messages) {
            assert_eq!(received.body, sent.body);
            assert_eq!(received.compressed, compressed && has_content(&sent.body), "{sent}");
        }
    }
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn rewire_reads_every_type_of_body_that_java_sends_compressed_and_not() {
    for compressed in [false, true] {
        let messages: Vec<_> = common_bodies()
            .into_iter()
            .map(|body| JmsMessage { compressed, ..JmsMessage::new(body) })
            .collect();
        let received = java_to_rewire(&messages).await;
        assert_eq!(received.len(), messages.len());
        for (received, sent) in received.iter().zip(&messages) {
            assert_eq!(received.body, sent.body);
        }
    }
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn every_type_of_property_and_every_header_arrives_in_both_directions() {
    let messages = every_header();
    assert_eq!(rewire_to_java(&messages).await, messages);
    assert_eq!(java_to_rewire(&messages).await, messages);
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn rewire_reads_zeros_and_surrogates_where_java_itself_does_not() {
    let sent = named(modified());
    let property = JmsMessage { properties: sent.clone(), ..JmsMessage::text("") };
    let messages = [property, JmsMessage::new(Body::Map(sent))];
    assert_eq!(java_to_rewire(&messages).await, messages);
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn an_object_that_java_sent_is_passed_on_unopened_and_java_reads_it_again() {
    let broker = ActiveMq::start();
    let object = JmsMessage::new(Body::Object(Typed::string("an object")));
    let messages = [object];
    let sent = java("SendAll", &broker.uri()).args(["--to", "IN"]).run_with(&messages, JAVA);
    assert_eq!(sent[0]["sent"], 1);
    let connection = connect(&broker).await;
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(&Queue::new("IN")).await.unwrap();
    let delivery = consumer.next().await.expect("a message").unwrap();
    let producer = session.producer(&Queue::new("OUT")).await.unwrap();
    producer.send(delivery.into_message()).await.unwrap();
    connection.close().await.unwrap();
    let receive = java("ReceiveAll", &broker.uri()).args(["--from", "OUT", "--count", "1"]);
    let (received, _) = JmsMessage::from_json(&receive.run(JAVA)[0]);
    assert_eq!(received.body, messages[0].body);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_scheduled_message_comes_after_its_delay_and_as_often_as_it_says() {
    let broker = ActiveMq::options().scheduler().start();
    let connection = connect(&broker).await;
    let session = connection.session().await.unwrap();
    let queue = Queue::new("LATER");
    let producer = session.producer(&queue).await.unwrap();
    let mut consumer = session.consumer(&queue).await.unwrap();
    let (delay, period) = (Duration::from_millis(600), Duration::from_millis(300));
    let sent = Instant::now();
    producer.send(Message::text("later").delay(delay).repeat(2, period)).await.unwrap();
    producer.send("at once").await.unwrap();

    let mut next = async || {
        let next = consumer.receive(Duration::from_secs(20)).await.unwrap().expect("a message");
        (next.message().body_text().unwrap().unwrap(), sent.elapsed())
    };
    assert_eq!(next().await.0, "at once");
    for times in 0..3 {
        let (text, after) = next().await;
        assert_eq!(text, "later");
        // The scheduler counts whole milliseconds.
        let least = (delay + period * times).saturating_sub(Duration::from_millis(2));
        assert!(after >= least, "{times}: {after:?}");
    }
    assert!(consumer.receive(4 * period).await.unwrap().is_none());
    connection.close().await.unwrap();
}
