//! What consumers may ask for besides messages, and what becomes of messages that travel on.

use std::time::Duration;

use bytes::Bytes;
use rewire::{
    AckMode, AckOutcome, Body, Connection, Destination, ErrorKind, Message, Primitive,
    PrimitiveMap, Queue, Topic,
};
use rewire_broker::Broker;

use crate::{SOON, connect, receive, start, text};

async fn named(broker: &Broker, client_id: &str) -> Connection {
    let uri = format!("failover:({})", broker.uri());
    Connection::builder(&uri).client_id(client_id).await.unwrap()
}

#[tokio::test]
async fn a_subscription_that_is_ended_keeps_nothing_and_there_is_none_to_end_again() {
    let broker = start().await;
    let connection = named(&broker, "billing").await;
    let session = connection.session().await.unwrap();
    let topic = Topic::new("PRICES");
    let subscribe = async || session.consumer(&topic).durable("s").await.unwrap();
    let producer = session.producer(&topic).await.unwrap();

    let used = subscribe().await;
    let in_use = session.unsubscribe("s").await.unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::Refused);
    assert!(in_use.to_string().contains("in use"), "{in_use}");
    used.close().await.unwrap();
    producer.send("kept").await.unwrap();
    session.unsubscribe("s").await.unwrap();

    let mut anew = subscribe().await;
    producer.send("new").await.unwrap();
    assert_eq!(text(&mut anew).await, "new");
    let none = session.unsubscribe("t").await.unwrap_err();
    let said = none.broker_exception().expect("the broker said so");
    assert!(said.class.to_str().ends_with("InvalidDestinationException"), "{none}");

    let nameless = connect(&broker).await.session().await.unwrap();
    assert_eq!(nameless.unsubscribe("s").await.unwrap_err().kind(), ErrorKind::Misuse);
}

#[tokio::test]
async fn a_consumer_that_wants_nothing_local_gets_what_others_send() {
    let broker = start().await;
    let (ours, theirs) = (connect(&broker).await, connect(&broker).await);
    let (session, other) = (ours.session().await.unwrap(), theirs.session().await.unwrap());
    let topic = Topic::new("NEWS");
    let mut consumer = session.consumer(&topic).no_local().await.unwrap();
    session.producer(&topic).await.unwrap().send("ours").await.unwrap();
    other.producer(&topic).await.unwrap().send("theirs").await.unwrap();
    assert_eq!(text(&mut consumer).await, "theirs");
}

#[tokio::test]
async fn an_exclusive_consumer_gets_all_until_it_is_gone() {
    let broker = start().await;
    let session = connect(&broker).await.session().await.unwrap();
    let queue = Queue::new("Q");
    let mut first = session.consumer(&queue).exclusive().prefetch(10).await.unwrap();
    let mut second = session.consumer(&queue).exclusive().prefetch(10).await.unwrap();
    let producer = session.producer(&queue).await.unwrap();
    for number in 0..4 {
        producer.send(number.to_string()).await.unwrap();
    }
    assert_eq!(text(&mut first).await, "0");
    assert_eq!(text(&mut first).await, "1");
    assert!(second.receive(Duration::ZERO).await.unwrap().is_none());
    first.close().await.unwrap();
    assert_eq!(text(&mut second).await, "2");
    assert_eq!(text(&mut second).await, "3");
}

#[tokio::test]
async fn a_retroactive_consumer_gets_what_was_sent_before_it_came() {
    let broker = start().await;
    let session = connect(&broker).await.session().await.unwrap();
    let topic = Topic::new("NEWS");
    session.producer(&topic).await.unwrap().send("before").await.unwrap();
    let mut consumer = session.consumer(&topic).retroactive().await.unwrap();
    assert_eq!(text(&mut consumer).await, "before");
}

#[tokio::test]
async fn a_message_that_was_received_is_sent_on_with_all_that_it_has() {
    let broker = start().await;
    let session = connect(&broker).await.session().await.unwrap();
    let (from, to) = (Queue::new("FROM"), Queue::new("TO"));
    let (first, second) =
        (session.producer(&from).await.unwrap(), session.producer(&to).await.unwrap());
    let map: PrimitiveMap = [("n", Primitive::from(7))].into_iter().collect();
    let bodies = [
        Body::Message,
        Body::text("12 anvils"),
        Body::Bytes(Bytes::from_static(b"\0\x01")),
        Body::Map(map),
        Body::Stream(vec![Primitive::from("anvils"), 12.into(), true.into()]),
        Body::Object(Some(Bytes::from_static(b"\xac\xed\0\x05p"))),
    ];
    let mut arriving = session.consumer(&from).await.unwrap();
    let mut passed_on = session.consumer(&to).await.unwrap();
    for body in bodies {
        for compressed in [false, true] {
            let message =
                Message::new(body.clone()).property("region", "eu").compressed(compressed);
            let message = message.correlation_id("c").message_type("t").group("g").priority(7);
            first.send(message).await.unwrap();
            let came = receive(&mut arriving).await.into_message();
            assert_eq!(came.body().unwrap(), body);
            second.send(came.property("hops", 1)).await.unwrap();

            let last = receive(&mut passed_on).await.into_message();
            assert_eq!(last.body().unwrap(), body);
            assert_eq!(last.property_value("region").unwrap(), Some("eu".into()));
            assert_eq!(last.property_value("hops").unwrap(), Some(1.into()));
            let headers = last.headers();
            assert_eq!(headers.priority, 7);
            for (header, expected) in [
                (&headers.correlation_id, "c"),
                (&headers.message_type, "t"),
                (&headers.group_id, "g"),
            ] {
                assert_eq!(header.as_ref().unwrap(), expected);
            }
        }
    }
}

#[tokio::test]
async fn what_is_queued_before_a_connection_closes_arrives_and_its_receipts_say_so() {
    const MANY: usize = 500;
    let broker = start().await;
    let connection = connect(&broker).await;
    let queue = Queue::new("Q");
    let producer = connection.session().await.unwrap().producer(&queue).await.unwrap();
    let mut receipts = Vec::new();
    for number in 0..MANY {
        receipts.push(producer.enqueue(number.to_string()).await.unwrap());
    }
    drop(producer);
    connection.close().await.unwrap();
    for receipt in receipts {
        tokio::time::timeout(SOON, receipt).await.expect("an outcome").unwrap();
    }
    let pending = broker.stats(&Destination::queue("Q")).await.unwrap().pending;
    assert_eq!(pending, MANY);
}

async fn pending(broker: &Broker, queue: &str) -> usize {
    broker.stats(&Destination::queue(queue)).await.unwrap().pending
}

#[tokio::test]
async fn a_connection_that_drains_hands_out_no_more_and_waits_for_what_was_handed_out() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let queue = Queue::new("Q");
    let producer = session.producer(&queue).await.unwrap();
    for number in 0..10 {
        producer.send(number.to_string()).await.unwrap();
    }
    let mut consumer = session.consumer(&queue).prefetch(3).await.unwrap();
    let in_hand =
        [receive(&mut consumer).await, receive(&mut consumer).await, receive(&mut consumer).await];
    let queued = producer.enqueue("the last").await.unwrap();
    let draining = tokio::spawn({
        let connection = connection.clone();
        async move { connection.drain(SOON).await }
    });
    assert!(tokio::time::timeout(SOON, consumer.next()).await.unwrap().is_none());
    let [first, second, third] = in_hand;
    assert_eq!(first.ack().await.unwrap(), AckOutcome::Sent);
    assert_eq!(second.ack().await.unwrap(), AckOutcome::Sent);
    assert!(!draining.is_finished());
    drop(third);
    draining.await.unwrap().unwrap();
    queued.await.unwrap();
    assert_eq!(pending(&broker, "Q").await, 10 + 1 - 2);
    assert_eq!(producer.send("too late").await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_loop_that_receives_ends_when_its_connection_drains_and_loses_and_doubles_nothing() {
    const MANY: usize = 500;
    let broker = start().await;
    for mode in [AckMode::Auto, AckMode::DupsOk] {
        let queue = Queue::new(&format!("{mode:?}"));
        let connection = connect(&broker).await;
        let session = connection.session().ack(mode).await.unwrap();
        let producer = session.producer(&queue).await.unwrap();
        for number in 0..MANY {
            producer.send_async(number.to_string()).await.unwrap();
        }
        let mut consumer = session.consumer(&queue).prefetch(20).await.unwrap();
        let (reached, mut is_reached) = tokio::sync::mpsc::channel(1);
        let receiving = tokio::spawn(async move {
            let mut count = 0;
            while consumer.next().await.transpose().unwrap().is_some() {
                count += 1;
                if count == 7 {
                    reached.send(()).await.unwrap();
                }
            }
            count
        });
        is_reached.recv().await.unwrap();
        connection.drain(SOON).await.unwrap();
        let count = receiving.await.unwrap();
        assert_eq!(pending(&broker, &format!("{mode:?}")).await, MANY - count, "{mode:?}");
    }
}

#[tokio::test]
async fn draining_ends_in_time_when_something_is_not_settled_and_closes_all_the_same() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.session().ack(AckMode::Client).await.unwrap();
    let queue = Queue::new("Q");
    session.producer(&queue).await.unwrap().send("kept").await.unwrap();
    let mut consumer = session.consumer(&queue).await.unwrap();
    let kept = receive(&mut consumer).await;
    let late = connection.drain(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    assert_eq!(connection.flush().await.unwrap_err().kind(), ErrorKind::Closed);
    drop(kept);
    assert_eq!(pending(&broker, "Q").await, 1);
}

#[tokio::test]
async fn a_drain_that_is_not_waited_for_ends_the_consumers_and_leaves_the_connection_open() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(&Queue::new("Q")).await.unwrap();
    // It is begun, and no more.
    tokio::select! {
        biased;
        drained = connection.drain(SOON) => panic!("{drained:?}"),
        () = std::future::ready(()) => {}
    }
    assert!(tokio::time::timeout(SOON, consumer.next()).await.unwrap().is_none());
    connection.flush().await.unwrap();
}
