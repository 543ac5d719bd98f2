//! Brokers that die under the client's hands, and come back on what they had stored.

use std::collections::BTreeSet;

use rewire::{AckMode, Connection, Message, Primitive, Queue};
use rewire_broker::MemoryStore;

use crate::{SOON, connect, eventually, on, receive, start, text};

/// The number a message carries.
fn number(message: &Message) -> i64 {
    let Some(Primitive::Long(number)) = message.property_value("n").unwrap() else {
        panic!("a message without a number: {message:?}");
    };
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_lost_and_nothing_stored_twice_while_the_broker_is_killed() {
    const COUNT: i64 = 5000;
    const KILLS: i64 = 6;
    let store = MemoryStore::new();
    let mut broker = on(&store, "tcp://127.0.0.1:0").await;
    let address = broker.uri().to_owned();
    let uri = format!("failover:({address})?initialReconnectDelay=1&maxReconnectDelay=20");
    let queue = Queue::new("Q");
    let producing = Connection::builder(&uri).await.unwrap();
    let session = producing.session().await.unwrap();
    let producer = session.producer(&queue).await.unwrap();
    let producer = tokio::spawn(async move {
        let mut receipts = Vec::new();
        for n in 0..COUNT {
            receipts.push(producer.enqueue(Message::text("x").property("n", n)).await.unwrap());
        }
        for receipt in receipts {
            receipt.await.unwrap();
        }
    });
    let consuming = Connection::builder(&uri).await.unwrap();
    let session = consuming.session().ack(AckMode::Individual).await.unwrap();
    let mut consumer = session.consumer(&queue).prefetch(100).await.unwrap();
    let consumer = tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        while i64::try_from(seen.len()).unwrap() < COUNT {
            let delivery = receive(&mut consumer).await;
            seen.insert(number(delivery.message()));
            delivery.ack().await.unwrap();
        }
        consumer
    });
    for kill in 1..=KILLS {
        let wanted = u64::try_from(kill * COUNT / (KILLS + 2)).unwrap();
        eventually("the producer goes on", async || store.highest_sequence() >= wanted).await;
        broker.kill().await;
        broker = on(&store, &address).await;
    }
    tokio::time::timeout(SOON, producer).await.expect("all are confirmed").unwrap();
    let _consumer = tokio::time::timeout(SOON, consumer).await.expect("all have come").unwrap();
    eventually("nothing is left", async || store.is_empty()).await;
    assert_eq!(store.messages_added(), u64::try_from(COUNT).unwrap(), "each is stored once");
}

#[tokio::test]
async fn a_client_goes_on_with_the_next_broker() {
    let (first, second) = (start().await, start().await);
    let uri = format!("failover:({},{})?randomize=false", first.uri(), second.uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let session = connection.session().await.unwrap();
    let queue = Queue::new("Q");
    let producer = session.producer(&queue).await.unwrap();
    let mut consumer = session.consumer(&queue).await.unwrap();
    producer.send("first").await.unwrap();
    assert_eq!(text(&mut consumer).await, "first");
    first.stop().await;
    producer.send("second").await.unwrap();
    assert_eq!(text(&mut consumer).await, "second");
    assert_eq!(second.connections().await, 1);
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_says_so() {
    let store = MemoryStore::new();
    let broker = on(&store, "tcp://127.0.0.1:0").await;
    let address = broker.uri().to_owned();
    let connection = connect(&broker).await;
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let queue = Queue::new("Q");
    session.producer(&queue).await.unwrap().send("12 anvils").await.unwrap();
    let mut consumer = session.consumer(&queue).await.unwrap();
    let unacknowledged = receive(&mut consumer).await;
    assert!(!unacknowledged.is_redelivered());
    let other = connect(&broker).await.session().ack(AckMode::Individual).await.unwrap();
    consumer.close().await.unwrap();
    let mut consumer = other.consumer(&queue).await.unwrap();
    assert!(receive(&mut consumer).await.is_redelivered());
    broker.kill().await;
    let broker = on(&store, &address).await;
    assert_eq!(text(&mut consumer).await, "12 anvils");
    eventually("it is consumed", async || store.is_empty()).await;
    broker.stop().await;
}
