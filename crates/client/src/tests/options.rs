//! What options of the connection, of destinations and of producers come to, as a broker sees them.

use std::time::Duration;

use rewire_protocol::{ConsumerInfo, Message as WireMessage, ProducerAck, ProducerInfo};

use super::*;
use crate::{Producer, Topic, parse_destination};

async fn producer_at(
    peer: &Peer,
    query: &str,
) -> (Connection, Session, Producer, ProducerInfo, Client) {
    let uri = format!("{}{query}", peer.uri());
    let (connection, session, mut broker) = session_at(peer, &uri, AckMode::Auto).await;
    let queue = Queue::new("Q");
    let (producer, declared) =
        tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    let Command::ProducerInfo(info) = declared else { panic!("{declared:?}") };
    (connection, session, producer.unwrap(), *info, broker)
}

async fn message(broker: &mut Client) -> Box<WireMessage> {
    let Command::Message(message) = broker.command().await else { panic!("no message") };
    message
}

async fn declared(builder: crate::ConsumerBuilder, broker: &mut Client) -> ConsumerInfo {
    let open = async { builder.await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    drop(consumer.unwrap());
    broker.expect("RemoveInfo").await;
    *info
}

#[tokio::test]
async fn consumers_are_as_the_uri_says_unless_the_destination_or_the_program_says_otherwise() {
    let peer = Peer::start().await;
    let uri = format!(
        "{}?jms.prefetchPolicy.queuePrefetch=7&jms.exclusiveConsumer=true\
         &jms.useRetroactiveConsumer=true&jms.dispatchAsync=false&jms.optimizeAcknowledge=true\
         &jms.prefetchPolicy.maximumPendingMessageLimit=9",
        peer.uri()
    );
    let (_connection, session, mut broker) = session_at(&peer, &uri, AckMode::Auto).await;
    let info = declared(session.consumer(&Queue::new("Q")), &mut broker).await;
    assert_eq!((info.prefetch_size, info.maximum_pending_message_limit), (7, 9));
    assert!(info.exclusive && info.retroactive && !info.dispatch_async);
    assert!(info.optimized_acknowledge);
    let named = "queue://Q?consumer.prefetchSize=3&consumer.exclusive=false&consumer.priority=5";
    let destination = parse_destination(named).unwrap();
    let info = declared(session.consumer(&destination), &mut broker).await;
    assert_eq!(info.destination.unwrap().to_string(), "queue://Q");
    assert_eq!((info.prefetch_size, info.exclusive, info.priority), (3, false, 5));
    let told = session.consumer(&destination).prefetch(4).exclusive().priority(-1);
    let info = declared(told, &mut broker).await;
    assert_eq!((info.prefetch_size, info.exclusive, info.priority), (4, true, -1));
    let misspelt = session.consumer(&Topic::new("T?consumer.prefetch=3")).await.unwrap_err();
    assert_eq!(misspelt.kind(), ErrorKind::Config);
    assert!(misspelt.to_string().contains("prefetchSize"), "{misspelt}");
}

#[tokio::test]
async fn an_option_that_cannot_be_obeyed_fails_the_connection_and_is_named() {
    let uri = "failover:(tcp://127.0.0.1:1)?jms.keyStore=client.ks";
    let error = Connection::builder(uri).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("jms.keyStore"), "{error}");
}

#[tokio::test]
async fn messages_are_sent_as_the_options_say() {
    let peer = Peer::start().await;
    let query =
        "?jms.useAsyncSend=true&jms.useCompression=true&jms.disableTimeStampsByDefault=true";
    let (_connection, _session, producer, _, mut broker) = producer_at(&peer, query).await;
    let text = Message::text("a".repeat(1000)).time_to_live(Duration::from_secs(9));
    // Nobody answers, and nobody waits for that.
    timeout(DEADLINE, producer.send(text)).await.unwrap().unwrap();
    let sent = message(&mut broker).await;
    assert!(!sent.response_required && sent.compressed);
    assert_eq!((sent.timestamp, sent.expiration), (0, 0));
}

#[tokio::test]
async fn a_message_without_an_answer_in_time_is_in_doubt() {
    let peer = Peer::start().await;
    let query = "?jms.sendTimeout=100&jms.alwaysSyncSend=true";
    let (_connection, _session, producer, _, mut broker) = producer_at(&peer, query).await;
    let error = timeout(DEADLINE, producer.send("a")).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt);
    assert!(error.to_string().contains("sendTimeout"), "{error}");
    assert!(message(&mut broker).await.response_required);
    producer.send_async("b").await.unwrap();
    assert!(message(&mut broker).await.response_required);
}

#[tokio::test]
async fn a_producer_waits_until_the_broker_has_taken_in_what_its_window_holds() {
    let peer = Peer::start().await;
    let query = "?jms.producerWindowSize=1500";
    let (_connection, _session, producer, info, mut broker) = producer_at(&peer, query).await;
    assert_eq!(info.window_size, 1500);
    for text in ["a", "b"] {
        producer.send_async(text).await.unwrap();
        assert!(!message(&mut broker).await.response_required);
    }
    let third = producer.send_async("c");
    let acknowledging = async {
        // Nothing more comes before this.
        let ack = ProducerAck {
            producer_id: info.producer_id.clone(),
            size: 1029,
            ..ProducerAck::default()
        };
        broker.send(ack).await;
        message(&mut broker).await
    };
    let (sent, _) = timeout(DEADLINE, async { tokio::join!(third, acknowledging) }).await.unwrap();
    sent.unwrap();
    // The broker refuses one, and says nothing of it: it is asked whether it has taken in all.
    let fourth = producer.send_async("d");
    let flushing = async {
        broker.expect("FlushCommand").await;
        message(&mut broker).await
    };
    let (sent, _) = timeout(DEADLINE, async { tokio::join!(fourth, flushing) }).await.unwrap();
    sent.unwrap();
}

#[tokio::test]
async fn messages_of_an_anonymous_producer_say_where_they_go() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (producer, declared) =
        tokio::join!(session.anonymous_producer(), broker.expect("ProducerInfo"));
    let Command::ProducerInfo(info) = declared else { panic!("{declared:?}") };
    assert_eq!(info.destination, None);
    let producer = producer.unwrap();
    for (number, name) in [(1, "queue://A"), (2, "topic://B"), (3, "queue://C,topic://D")] {
        let to = parse_destination(name).unwrap();
        producer.send_async(&to, "x").await.unwrap();
        let sent = message(&mut broker).await;
        assert_eq!(sent.destination.unwrap().to_string(), name);
        assert_eq!(sent.message_id.unwrap().producer_sequence_id, number);
    }
}

#[tokio::test]
async fn a_connection_that_closes_says_of_each_consumer_what_it_has_handed_out() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let (mut one, id) = consumer(&session, &mut broker).await;
    let (_other, _) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let (_, first) = next(&mut one).await;
    let (_, second) = next(&mut one).await;
    let goodbyes = async {
        let mut said = Vec::new();
        for _ in 0..2 {
            let Command::RemoveInfo(remove) = broker.expect("RemoveInfo").await else {
                unreachable!()
            };
            said.push((remove.object_id.unwrap().name(), remove.last_delivered_sequence_id));
        }
        said
    };
    let (closed, said) = tokio::join!(connection.close(), goodbyes);
    closed.unwrap();
    // The other has handed out nothing, and goes with the connection.
    assert_eq!(said, [("ConsumerId", 102), ("ConnectionId", -1)]);
    drop((first, second));
}

#[tokio::test]
async fn names_begin_as_the_options_say() {
    let peer = Peer::start().await;
    let uri = format!("{}?jms.connectionIDPrefix=app&jms.clientIDPrefix=who", peer.uri());
    let client = async { Connection::builder(&uri).await };
    let broker = async {
        let mut client = peer.accept().await;
        let Command::ConnectionInfo(info) = client.expect("ConnectionInfo").await else {
            unreachable!()
        };
        (info, client)
    };
    let (connection, (info, _client)) = tokio::join!(client, broker);
    assert!(connection.unwrap().id().to_string().starts_with("app-"));
    assert!(info.client_id.unwrap().to_str().starts_with("who-"));
}

#[tokio::test]
async fn a_consumer_that_waits_keeps_nothing_back_that_its_broker_may_be_waiting_for() {
    for (mode, option) in [(AckMode::DupsOk, ""), (AckMode::Auto, "&jms.optimizeAcknowledge=true")]
    {
        let peer = Peer::start().await;
        let uri = format!("{}?jms.optimizeAcknowledgeTimeOut=3600000{option}", peer.uri());
        let (_connection, session, mut broker) = session_at(&peer, &uri, mode).await;
        let (mut consumer, id) = consumer(&session, &mut broker).await;
        broker.dispatch(&id, &[1, 2, 3]).await;
        for number in 1..=3 {
            assert_eq!(next(&mut consumer).await.0, number);
        }
        let broker = async {
            assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 3, 3));
            broker.dispatch(&id, &[4]).await;
        };
        let (more, ()) = tokio::join!(next(&mut consumer), broker);
        assert_eq!(more.0, 4);
    }
}
