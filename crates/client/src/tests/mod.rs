//! The client against a scripted broker, over a real socket.

mod branches;
mod cancel;
mod ledger;
mod moves;
mod options;
mod peer;
mod pulls;
mod redelivery;
mod requests;
mod telemetry;
mod transactions;

use rewire_failover::core::LinkId;
use rewire_protocol::{Command, ConnectionError, ConsumerId, MessageAck, Throwable};
use tokio::time::timeout;

use self::peer::{Client, DEADLINE, Peer};
use crate::{
    AckMode, AckOutcome, Connection, Consumer, Credentials, Delivery, Error, ErrorKind, Message,
    Queue, Session, TransactedSession,
};

pub(crate) const fn link(number: u64) -> LinkId {
    LinkId::new(number)
}

/// A connection with a session, and the broker's side of it.
async fn session(peer: &Peer, mode: AckMode) -> (Connection, Session, Client) {
    session_at(peer, &peer.uri(), mode).await
}

/// The same with this URI of the peer.
async fn session_at(peer: &Peer, uri: &str, mode: AckMode) -> (Connection, Session, Client) {
    made_at(peer, uri, async |connection| connection.session().ack(mode).await).await
}

/// A connection with a transacted session, and the broker's side of it.
async fn transacted_at(peer: &Peer, uri: &str) -> (Connection, TransactedSession, Client) {
    made_at(peer, uri, async |connection| connection.transacted_session().await).await
}

/// A connection with what is made from it, and the broker's side of it, which was told of a session.
async fn made_at<S>(
    peer: &Peer,
    uri: &str,
    make: impl AsyncFnOnce(&Connection) -> Result<S, Error>,
) -> (Connection, S, Client) {
    let client = async {
        let connection = Connection::builder(uri).await?;
        let made = make(&connection).await?;
        Ok::<_, Error>((connection, made))
    };
    let broker = async {
        let mut client = peer.accept().await;
        client.expect_all(&["ConnectionInfo", "SessionInfo"]).await;
        client
    };
    let (made, broker) = tokio::join!(client, broker);
    let (connection, made) = made.unwrap();
    (connection, made, broker)
}

/// A consumer with a prefetch of 10, and its name.
async fn consumer(session: &Session, broker: &mut Client) -> (Consumer, ConsumerId) {
    let open = async { session.consumer(&Queue::new("Q")).prefetch(10).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    (consumer.unwrap(), info.consumer_id.unwrap())
}

/// The replay that a new broker hears of a connection with a session and what is in it.
async fn replay(peer: &Peer, last: &str) -> Client {
    let mut client = peer.accept().await;
    client.expect_all(&["ConnectionControl", "ConnectionInfo", "SessionInfo", last]).await;
    client
}

async fn next(consumer: &mut Consumer) -> (i64, Delivery) {
    let delivery = timeout(DEADLINE, consumer.next()).await.unwrap().unwrap().unwrap();
    let id = delivery.message().headers().message_id.clone().unwrap();
    (id.producer_sequence_id, delivery)
}

/// The type, the numbers of the first and the last message, and the count.
async fn ack(broker: &mut Client) -> (i8, i64, i64, i32) {
    let Command::MessageAck(ack) = broker.expect("MessageAck").await else { unreachable!() };
    let number = |id: Option<rewire_protocol::MessageId>| id.unwrap().producer_sequence_id;
    (ack.ack_type, number(ack.first_message_id), number(ack.last_message_id), ack.message_count)
}

#[tokio::test]
async fn a_connection_says_that_it_survives_brokers_and_has_a_client_id() {
    let peer = Peer::start().await;
    let uri = peer.uri();
    let client = async { Connection::builder(&uri).credentials("u", "secret").await };
    let broker = async {
        let mut client = peer.accept().await;
        let Command::ConnectionInfo(info) = client.expect("ConnectionInfo").await else {
            unreachable!()
        };
        (info, client)
    };
    let (connection, (info, _client)) = tokio::join!(client, broker);
    let connection = connection.unwrap();
    assert!(info.fault_tolerant && info.manageable && info.client_master);
    assert_eq!(info.connection_id.as_ref(), Some(connection.id()));
    assert_eq!(info.client_id, connection.id().value);
    assert_eq!(info.password.unwrap(), "secret");
}

#[tokio::test]
async fn a_provider_says_who_the_client_is_whatever_else_was_said() {
    let peer = Peer::start().await;
    let uri = peer.uri();
    let client = async {
        Connection::builder(&uri)
            .credentials("old", "old")
            .credentials_provider(|_| async {
                Ok::<_, std::io::Error>(Credentials::new("u", "new"))
            })
            .await
    };
    let broker = async {
        let mut client = peer.accept().await;
        let Command::ConnectionInfo(info) = client.expect("ConnectionInfo").await else {
            unreachable!()
        };
        (info, client)
    };
    let (connection, (info, _client)) = tokio::join!(client, broker);
    connection.unwrap();
    assert_eq!((info.user_name.unwrap(), info.password.unwrap()), ("u".into(), "new".into()));
}

#[tokio::test]
async fn a_refused_connection_fails_with_what_the_broker_said_and_without_the_password() {
    let peer = Peer::start().await;
    let uri = peer.uri();
    let client = async { Connection::builder(&uri).credentials("u", "hunter2").await };
    let broker = async {
        let mut client = peer.accept().await;
        let info = client.command().await;
        client.refuse(&info, "javax.jms.JMSSecurityException", "password is invalid").await;
        client
    };
    let (connection, _client) = tokio::join!(client, broker);
    let error = connection.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Security);
    assert!(error.to_string().contains("password is invalid"));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn messages_of_a_producer_are_numbered_without_gaps_and_resent_in_order() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let queue = Queue::new("Q");
    let (producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    let producer = producer.unwrap();
    let mut receipts = Vec::new();
    for n in 0..3 {
        receipts.push(producer.enqueue(Message::text(format!("{n}"))).await.unwrap());
    }
    let first = broker.expect("ActiveMQTextMessage").await;
    broker.command().await;
    drop(broker);

    let mut broker = replay(&peer, "ProducerInfo").await;
    let numbers = async {
        let mut numbers = Vec::new();
        while numbers.last() != Some(&3) {
            let Command::Message(message) = broker.expect("ActiveMQTextMessage").await else {
                unreachable!()
            };
            assert!(message.persistent && message.priority == 4 && message.timestamp > 0);
            numbers.push(message.message_id.unwrap().producer_sequence_id);
        }
        numbers
    };
    let numbers = timeout(DEADLINE, numbers).await.unwrap();
    let Command::Message(first) = first else { panic!("{first:?}") };
    assert_eq!(first.message_id.unwrap().producer_sequence_id, 1);
    assert!(numbers.is_sorted() && numbers.ends_with(&[2, 3]), "{numbers:?}");
    for (receipt, number) in receipts.into_iter().zip(1..) {
        assert_eq!(receipt.await.unwrap().producer_sequence_id, number);
    }
}

#[tokio::test]
async fn a_refused_message_says_so_and_a_closed_connection_leaves_one_in_doubt() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let queue = Queue::new("Q");
    let (producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    let producer = producer.unwrap();
    let refused = producer.enqueue("a").await.unwrap();
    let doubtful = producer.enqueue("b").await.unwrap();
    let message = broker.command().await;
    broker.refuse(&message, "javax.jms.ResourceAllocationException", "full").await;
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Refused);
    broker.command().await;
    let (closed, _) = tokio::join!(connection.close(), broker.expect("RemoveInfo"));
    closed.unwrap();
    assert_eq!(doubtful.await.unwrap_err().kind(), ErrorKind::InDoubt);
    assert_eq!(producer.send("c").await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn auto_mode_acknowledges_a_message_when_the_next_is_asked_for_and_at_the_end() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2]).await;
    assert_eq!(next(&mut consumer).await.0, 1);
    assert_eq!(next(&mut consumer).await.0, 2);
    assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 1, 1));
    drop(consumer);
    assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 2, 2, 1));
    let Command::RemoveInfo(remove) = broker.expect("RemoveInfo").await else { unreachable!() };
    assert_eq!(remove.last_delivered_sequence_id, 102);
}

#[tokio::test]
async fn client_mode_acknowledges_all_that_the_session_handed_out() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Client).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2, 3, 4, 5, 6]).await;
    for _ in 0..5 {
        let _ = next(&mut consumer).await;
    }
    assert_eq!(ack(&mut broker).await, (MessageAck::DELIVERED, 1, 5, 5));
    let (_, last) = next(&mut consumer).await;
    assert_eq!(last.ack().await.unwrap(), AckOutcome::Sent);
    assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 6, 6));
}

#[tokio::test]
async fn after_a_failover_what_was_not_handed_out_is_dropped_and_old_acknowledgements_are_stale() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    let mut events = connection.events();
    broker.dispatch(&id, &[1, 2, 3]).await;
    let (number, old) = next(&mut consumer).await;
    assert_eq!(number, 1);
    drop(broker);
    let mut broker = replay(&peer, "ConsumerInfo").await;
    while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
    broker.dispatch(&id, &[1, 2, 3]).await;

    let (number, new) = next(&mut consumer).await;
    assert_eq!(number, 1);
    // The broker does not know that it was handed out before; the consumer does.
    assert!(!old.is_redelivered() && new.is_redelivered());
    assert_eq!(new.redelivery_counter(), 1);
    assert_eq!(old.ack().await.unwrap(), AckOutcome::Stale);
    assert_eq!(new.ack().await.unwrap(), AckOutcome::Sent);
    let (number, dropped_before) = next(&mut consumer).await;
    assert!(number == 2 && !dropped_before.is_redelivered());
    assert_eq!(ack(&mut broker).await, (MessageAck::INDIVIDUAL, 1, 1, 1));
}

#[tokio::test]
async fn a_consumer_that_the_next_broker_refuses_ends_with_an_error() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (mut consumer, _) = consumer(&session, &mut broker).await;
    drop(broker);
    let mut broker = peer.accept().await;
    broker.expect_all(&["ConnectionControl", "ConnectionInfo", "SessionInfo"]).await;
    let info = broker.command().await;
    broker.refuse(&info, "javax.jms.JMSException", "no").await;
    let error = timeout(DEADLINE, consumer.next()).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(consumer.next().await.is_none());
}

#[tokio::test]
async fn a_broker_that_sends_more_than_twice_the_prefetch_ends_the_consumer() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    let numbers: Vec<i64> = (1..=22).collect();
    broker.dispatch(&id, &numbers).await;
    // A round trip: what was dispatched before it has been taken in.
    let queue = Queue::new("Q");
    let (_producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    let mut received = 0;
    let error = loop {
        match timeout(DEADLINE, consumer.next()).await.unwrap().unwrap() {
            Ok(_) => received += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((received, error.kind()), (21, ErrorKind::Protocol));
}

#[tokio::test]
async fn what_cannot_be_is_the_callers_mistake_and_no_broker_hears_of_it() {
    let peer = Peer::start().await;
    let (_connection, session, _broker) = session(&peer, AckMode::Auto).await;
    let queue = Queue::new("Q");
    let misuses = [
        session.consumer(&queue).prefetch(32_768).await,
        session.consumer(&queue).browse().prefetch(0).await,
        session.consumer(&queue).durable("d").await,
        session.consumer(&crate::Topic::new("T")).durable("d").await,
        session.consumer(&crate::Topic::new("T")).browse().await,
    ];
    for misuse in misuses {
        assert_eq!(misuse.unwrap_err().kind(), ErrorKind::Misuse);
    }
}

#[tokio::test]
async fn a_flush_is_in_doubt_when_a_broker_has_reported_an_error_that_no_request_asked_for() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let queue = Queue::new("Q");
    let (producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    let producer = producer.unwrap();
    let sent = producer.send_async("a").await.unwrap();
    let answering = async {
        broker.expect("ActiveMQTextMessage").await;
        let exception = Some(Box::new(Throwable::new("javax.jms.JMSException", "no")));
        broker.send(ConnectionError { exception, ..ConnectionError::default() }).await;
        broker.expect("FlushCommand").await;
        broker.expect("FlushCommand").await;
    };
    let asking = async {
        assert_eq!(connection.flush().await.unwrap_err().kind(), ErrorKind::InDoubt);
        // Told once, it is over.
        connection.flush().await
    };
    let (flushed, ()) = tokio::join!(asking, answering);
    assert_eq!(flushed.unwrap(), sent.await.unwrap());
}

#[tokio::test]
async fn flush_answers_with_the_link_that_async_sends_went_over() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let queue = Queue::new("Q");
    let (producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    let producer = producer.unwrap();
    let sent = producer.send_async("a").await.unwrap();
    let broker = async {
        let message = broker.expect("ActiveMQTextMessage").await;
        assert!(!message.is_response_required());
        broker.expect("FlushCommand").await;
        broker
    };
    let (flushed, _broker) = tokio::join!(connection.flush(), broker);
    assert_eq!(flushed.unwrap(), sent.await.unwrap());
}

#[tokio::test]
async fn closing_takes_no_longer_than_the_close_timeout_though_the_broker_says_nothing() {
    let peer = Peer::start().await;
    let uri = format!("{}?closeTimeout=400", peer.uri());
    let client = async { Connection::builder(&uri).await };
    let broker = async {
        let mut client = peer.accept().await;
        client.expect("ConnectionInfo").await;
        client
    };
    let (connection, _silent) = tokio::join!(client, broker);
    let connection = connection.unwrap();
    let begin = tokio::time::Instant::now();
    timeout(DEADLINE, connection.close()).await.unwrap().unwrap();
    let after = begin.elapsed();
    // Three quarters for the answer; then the link is there to be closed at once.
    assert!((300..1000).contains(&after.as_millis()), "{after:?}");
}

#[tokio::test]
async fn what_a_broker_gives_twice_over_one_link_as_new_is_marked_the_second_time() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2, 1, 3]).await;
    let mut came = Vec::new();
    for _ in 0..4 {
        let (number, delivery) = next(&mut consumer).await;
        came.push((number, delivery.is_redelivered()));
    }
    assert_eq!(came, [(1, false), (2, false), (1, true), (3, false)]);
}

#[tokio::test]
async fn a_failover_leaves_a_record_and_numbers() {
    let (a, b) = (Peer::start().await, Peer::start().await);
    let uri = format!("failover:({},{})?randomize=false", a.address(), b.address());
    let connect = async { Connection::builder(&uri).await.unwrap() };
    let accept = async {
        let mut client = a.accept().await;
        client.expect("ConnectionInfo").await;
        client
    };
    let (connection, first) = tokio::join!(connect, accept);
    let mut events = connection.events();
    drop(first);
    let mut second = b.accept().await;
    second.expect_all(&["ConnectionControl", "ConnectionInfo"]).await;
    let incident = loop {
        let event = timeout(DEADLINE, events.next()).await.unwrap().unwrap();
        if let crate::Event::Incident(incident) = event {
            break incident;
        }
    };
    assert!(incident.to_string().starts_with(&format!("interruption: {} lost", a.address())));
    let stats = connection.stats();
    assert_eq!((stats.interruptions, stats.links), (1, 2));
    assert_eq!((stats.total_outage, stats.longest_outage), (incident.outage, incident.outage));
}
