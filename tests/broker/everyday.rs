//! What an application does on an ordinary day.

use rewire::{
    AckMode, Connection, Destination, ErrorKind, Message, Queue, Topic, parse_destination,
};
use rewire_broker::Broker;

use crate::{connect, eventually, receive, start, text};

#[tokio::test]
async fn messages_are_consumed_in_every_way_to_acknowledge() {
    let broker = start().await;
    let connection = connect(&broker).await;
    for mode in [AckMode::Auto, AckMode::Client, AckMode::Individual, AckMode::DupsOk] {
        let queue = Queue::new(&format!("{mode:?}"));
        let session = connection.session().ack(mode).await.unwrap();
        let producer = session.producer(&queue).await.unwrap();
        for number in 0..2500 {
            producer.send_async(Message::text(number.to_string())).await.unwrap();
        }
        let mut consumer = session.consumer(&queue).prefetch(10).await.unwrap();
        for number in 0..2500 {
            assert_eq!(text(&mut consumer).await, number.to_string(), "{mode:?}");
        }
        consumer.close().await.unwrap();
        drop(session);
        eventually(&format!("nothing is left with {mode:?}"), async || {
            let stats = broker.stats(&Destination::queue(format!("{mode:?}"))).await.unwrap();
            (stats.pending, stats.in_flight) == (0, 0)
        })
        .await;
    }
}

#[tokio::test]
async fn a_topic_a_composite_and_a_pattern_reach_whom_they_should() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.session().await.unwrap();
    let both = parse_destination("topic://NEWS.EU,NEWS.US").unwrap();
    let mut eu = session.consumer(&Topic::new("NEWS.EU")).await.unwrap();
    let mut all = session.consumer(&Topic::new("NEWS.>")).await.unwrap();
    session.producer(&both).await.unwrap().send("12 anvils").await.unwrap();
    assert_eq!(text(&mut eu).await, "12 anvils");
    for destination in ["topic://NEWS.EU", "topic://NEWS.US"] {
        let delivery = receive(&mut all).await;
        let from = delivery.message().headers().destination.as_ref().unwrap().to_string();
        assert_eq!(from, destination);
    }
}

#[tokio::test]
async fn a_selector_a_priority_and_a_browser_see_what_they_should() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let queue = Queue::new("ORDERS");
    let producer = session.producer(&queue).await.unwrap();
    for (number, region) in ["eu", "us", "eu", "us"].into_iter().enumerate() {
        let priority = if number == 3 { 9 } else { 4 };
        let order = Message::text(number.to_string()).property("region", region);
        producer.send(order.priority(priority)).await.unwrap();
    }
    let mut browser = session.consumer(&queue).browse().await.unwrap();
    let mut seen = Vec::new();
    while let Some(delivery) = browser.next().await {
        seen.push(delivery.unwrap().message().body_text().unwrap().unwrap());
    }
    assert_eq!(seen, ["3", "0", "1", "2"]);
    let mut eu = session.consumer(&queue).selector("region = 'eu'").await.unwrap();
    assert_eq!([text(&mut eu).await, text(&mut eu).await], ["0", "2"]);
    let mut rest = session.consumer(&queue).await.unwrap();
    assert_eq!([text(&mut rest).await, text(&mut rest).await], ["3", "1"]);
    let refused = session.consumer(&queue).selector("region = = 'eu'").await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_durable_subscriber_gets_what_came_while_it_was_away() {
    let broker = start().await;
    let uri = format!("failover:({})", broker.uri());
    let named = || Connection::builder(&uri).client_id("billing");
    let topic = Topic::new("INVOICES");
    let connection = named().await.unwrap();
    let session = connection.session().await.unwrap();
    session.consumer(&topic).durable("s").await.unwrap().close().await.unwrap();
    connection.close().await.unwrap();
    let producing = connect(&broker).await.session().await.unwrap();
    producing.producer(&topic).await.unwrap().send("away").await.unwrap();
    let connection = named().await.unwrap();
    let session = connection.session().await.unwrap();
    let mut subscriber = session.consumer(&topic).durable("s").await.unwrap();
    assert_eq!(text(&mut subscriber).await, "away");
}

#[tokio::test]
async fn who_is_not_let_in_hears_why() {
    let broker = Broker::builder().user("app", "secret").listen("tcp://127.0.0.1:0");
    let broker = broker.start().await.unwrap();
    let uri = format!("failover:({})?startupMaxReconnectAttempts=0", broker.uri());
    let refused = Connection::builder(&uri).credentials("app", "wrong").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Security, "{refused}");
    Connection::builder(&uri).credentials("app", "secret").await.unwrap();
    let refused = Connection::builder(&uri).credentials("app", "secret").client_id("same");
    let _first = refused.await.unwrap();
    let second = Connection::builder(&uri).credentials("app", "secret").client_id("same").await;
    assert!(second.is_err());
}

#[tokio::test]
async fn a_producer_waits_for_memory_and_a_consumer_makes_room() {
    let broker = Broker::builder()
        .listen("tcp://127.0.0.1:0")
        .configure(|config| config.limits.destination_memory = 64 << 10)
        .start()
        .await
        .unwrap();
    let connection = connect(&broker).await;
    let session = connection.session().await.unwrap();
    let queue = Queue::new("Q");
    let producer = session.producer(&queue).await.unwrap();
    let producing = tokio::spawn(async move {
        for number in 0..200 {
            producer.send(Message::text(format!("{number:02000}"))).await.unwrap();
        }
    });
    eventually("the queue is full", async || broker.memory_used().await >= 64 << 10).await;
    assert!(!producing.is_finished());
    let mut consumer = session.consumer(&queue).await.unwrap();
    for number in 0..200 {
        assert_eq!(text(&mut consumer).await, format!("{number:02000}"));
    }
    producing.await.unwrap();
}
