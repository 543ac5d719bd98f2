//! Transacted sessions and pulls, as a broker sees them.

use std::time::Duration;

use rewire_protocol::{MessageDispatch, RemoveInfo, TransactionInfo};

use super::moves::{ask_to_move, goodbye, moved};
use super::*;
use crate::Producer;

async fn transacted(peer: &Peer) -> (Connection, TransactedSession, Client) {
    transacted_at(peer, &peer.uri()).await
}

async fn producer(session: &TransactedSession, broker: &mut Client) -> Producer {
    let queue = Queue::new("Q");
    let (producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    producer.unwrap()
}

async fn transacted_consumer(
    session: &TransactedSession,
    broker: &mut Client,
    prefetch: u32,
) -> (Consumer, ConsumerId) {
    let open = async { session.consumer(&Queue::new("Q")).prefetch(prefetch).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    (consumer.unwrap(), info.consumer_id.unwrap())
}

/// The next command, which is this step of a transaction; answered if an answer is wanted.
async fn step(broker: &mut Client, expected: i8) -> TransactionInfo {
    let Command::TransactionInfo(info) = broker.expect("TransactionInfo").await else {
        unreachable!()
    };
    assert_eq!(info.transaction_type, expected);
    info
}

async fn begin(broker: &mut Client) -> TransactionInfo {
    let begin = step(broker, TransactionInfo::BEGIN).await;
    assert!(!begin.response_required);
    begin
}

#[tokio::test]
async fn what_is_sent_carries_the_transaction_and_is_committed_once() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let producer = producer(&session, &mut broker).await;
    session.commit().await.unwrap(); // nothing to do
    let mut ids = Vec::new();
    for _ in 0..2 {
        producer.send("a").await.unwrap();
        let id = begin(&mut broker).await.transaction_id;
        let Command::Message(message) = broker.expect("ActiveMQTextMessage").await else {
            unreachable!()
        };
        assert!(!message.response_required && message.transaction_id == id);
        let (committed, commit) =
            tokio::join!(session.commit(), step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE));
        committed.unwrap();
        assert_eq!(commit.transaction_id, id);
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn what_is_received_is_acknowledged_in_the_transaction_before_its_commit() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 4).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let (_, delivery) = next(&mut consumer).await;
    assert_eq!(delivery.ack().await.unwrap(), AckOutcome::WithCommit);
    let _ = (next(&mut consumer).await, next(&mut consumer).await);
    begin(&mut broker).await;
    assert_eq!(ack(&mut broker).await, (MessageAck::DELIVERED, 1, 2, 2));
    let broker = async {
        assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 3, 3));
        step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE).await
    };
    let (committed, _) = tokio::join!(session.commit(), broker);
    committed.unwrap();
}

#[tokio::test]
async fn after_a_rollback_messages_come_again_in_order_and_counted_before_the_rest() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 100).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let _ = (next(&mut consumer).await, next(&mut consumer).await);
    begin(&mut broker).await;
    let (rolled_back, _) =
        tokio::join!(session.rollback(), step(&mut broker, TransactionInfo::ROLLBACK));
    rolled_back.unwrap();
    let mut again = Vec::new();
    for _ in 0..3 {
        let (number, delivery) = next(&mut consumer).await;
        again.push((number, delivery.redelivery_counter()));
    }
    assert_eq!(again, [(1, 1), (2, 1), (3, 0)]);
    begin(&mut broker).await;
    let broker = async {
        assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 3, 3));
        step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE).await
    };
    let (committed, _) = tokio::join!(session.commit(), broker);
    committed.unwrap();
}

#[tokio::test]
async fn a_commit_whose_broker_died_is_in_doubt_and_names_it() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let producer = producer(&session, &mut broker).await;
    producer.send("a").await.unwrap();
    let dying = async {
        begin(&mut broker).await;
        broker.expect("ActiveMQTextMessage").await;
        let commit = broker.command().await;
        assert!(commit.is_response_required());
        drop(broker);
        let mut broker = replay(&peer, "ProducerInfo").await;
        // The next transaction is another.
        begin(&mut broker).await;
        broker.expect("ActiveMQTextMessage").await;
        step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE).await;
        broker
    };
    let client = async {
        let error = session.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InDoubt);
        assert!(error.to_string().contains("tcp://127.0.0.1"), "{error}");
        producer.send("b").await.unwrap();
        session.commit().await.unwrap();
    };
    let both = async { tokio::join!(client, dying) };
    timeout(DEADLINE, both).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_only_sent_is_repeated_and_committed_on_the_next_broker() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = transacted(&peer).await;
    let mut events = connection.events();
    let producer = producer(&session, &mut broker).await;
    producer.send("a").await.unwrap();
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    drop(broker);
    let mut broker = replay(&peer, "ProducerInfo").await;
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
    let (committed, _) =
        tokio::join!(session.commit(), step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE));
    committed.unwrap();
}

#[tokio::test]
async fn a_transaction_that_received_is_rolled_back_by_its_commit_after_a_failover() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 10).await;
    let mut events = connection.events();
    broker.dispatch(&id, &[1]).await;
    let _ = next(&mut consumer).await;
    begin(&mut broker).await;
    drop(broker);
    let mut broker = replay(&peer, "ConsumerInfo").await;
    begin(&mut broker).await;
    while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
    let (committed, _) =
        tokio::join!(session.commit(), step(&mut broker, TransactionInfo::ROLLBACK));
    assert_eq!(committed.unwrap_err().kind(), ErrorKind::RolledBack);
    // It comes again from the broker and from nowhere else.
    broker.dispatch(&id, &[1]).await;
    let (number, delivery) = next(&mut consumer).await;
    assert_eq!((number, delivery.redelivery_counter()), (1, 1));
    begin(&mut broker).await;
    let broker = async {
        assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 1, 1));
        step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE).await
    };
    let (committed, _) = tokio::join!(session.commit(), broker);
    committed.unwrap();
}

#[tokio::test]
async fn an_open_transaction_is_committed_to_the_broker_that_is_left_before_a_move() {
    let (peer, other) = (Peer::start().await, Peer::start().await);
    let (connection, session, mut broker) = transacted(&peer).await;
    let mut events = connection.events();
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 10).await;
    broker.dispatch(&id, &[1, 2]).await;
    let (_, delivery) = next(&mut consumer).await;
    drop(delivery);
    begin(&mut broker).await;
    let mut target = ask_to_move(&mut broker, &other).await;
    while !matches!(events.next().await, Some(crate::Event::Rebalancing { .. })) {}
    let broker = async {
        assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 1, 1));
        step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE).await;
        // 2 was not seen.
        assert_eq!(goodbye(&mut broker).await, 101);
        moved(&mut target).await;
    };
    let (committed, ()) = tokio::join!(session.commit(), broker);
    committed.unwrap();
}

#[tokio::test]
async fn a_refused_commit_is_rolled_back_and_says_what_the_broker_said() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let producer = producer(&session, &mut broker).await;
    producer.send("a").await.unwrap();
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    let broker = async {
        let commit = broker.command().await;
        broker.refuse(&commit, "javax.jms.JMSException", "no room").await;
        step(&mut broker, TransactionInfo::ROLLBACK).await
    };
    let (committed, _) = tokio::join!(session.commit(), broker);
    let error = committed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RolledBack);
    assert!(error.to_string().contains("no room") && error.broker_exception().is_some());
}

#[tokio::test]
async fn a_consumer_closed_in_its_transaction_is_removed_when_that_has_ended() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 10).await;
    broker.dispatch(&id, &[1]).await;
    let _ = next(&mut consumer).await;
    consumer.close().await.unwrap();
    begin(&mut broker).await;
    let broker = async {
        assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 1, 1));
        step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE).await;
        broker.expect("RemoveInfo").await
    };
    let (committed, removed) = tokio::join!(session.commit(), broker);
    committed.unwrap();
    let Command::RemoveInfo(RemoveInfo { object_id, .. }) = removed else { unreachable!() };
    assert_eq!(object_id, Some(Box::new(id.into())));
}

#[tokio::test]
async fn a_session_that_is_dropped_rolls_its_transaction_back() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let producer = producer(&session, &mut broker).await;
    producer.send("a").await.unwrap();
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    drop((session, producer));
    let mut names = Vec::new();
    for _ in 0..3 {
        let command = broker.command().await;
        names.push(command.name());
        if let Command::TransactionInfo(info) = command {
            assert_eq!(info.transaction_type, TransactionInfo::ROLLBACK);
        }
    }
    names.sort_unstable();
    assert_eq!(names, ["RemoveInfo", "RemoveInfo", "TransactionInfo"]);
}

async fn pulled(broker: &mut Client) -> i64 {
    let Command::MessagePull(pull) = broker.expect("MessagePull").await else { unreachable!() };
    pull.timeout
}

async fn nothing(broker: &mut Client, id: &ConsumerId) {
    broker
        .send(MessageDispatch { consumer_id: Some(id.clone()), ..MessageDispatch::default() })
        .await;
}

#[tokio::test]
async fn a_consumer_with_a_prefetch_of_zero_asks_for_each_message() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let open = async { session.consumer(&Queue::new("Q")).prefetch(0).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    let (mut consumer, id) = (consumer.unwrap(), info.consumer_id.unwrap());
    assert_eq!(info.prefetch_size, 0);
    let asked = async {
        for number in 1..=2 {
            assert_eq!(pulled(&mut broker).await, 0);
            broker.dispatch(&id, &[number]).await;
        }
        // A timed one that finds nothing, one that does not wait, one that finds something.
        assert_eq!(pulled(&mut broker).await, 2_000);
        nothing(&mut broker, &id).await;
        assert_eq!(pulled(&mut broker).await, -1);
        nothing(&mut broker, &id).await;
        assert_eq!(pulled(&mut broker).await, 2_000);
        broker.dispatch(&id, &[3]).await;
        broker
    };
    let receiving = async {
        let (first, second) = (next(&mut consumer).await, next(&mut consumer).await);
        assert_eq!((first.0, second.0), (1, 2));
        let time = Duration::from_secs(2);
        assert!(consumer.receive(time).await.unwrap().is_none());
        assert!(consumer.receive(Duration::ZERO).await.unwrap().is_none());
        assert!(consumer.receive(time).await.unwrap().is_some());
    };
    let both = async { tokio::join!(asked, receiving) };
    timeout(DEADLINE, both).await.unwrap();
}

#[tokio::test]
async fn the_answer_to_a_pull_that_was_given_up_is_not_taken_for_the_next_one() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let open = async { session.consumer(&Queue::new("Q")).prefetch(0).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    let (mut consumer, id) = (consumer.unwrap(), info.consumer_id.unwrap());
    tokio::select! {
        received = consumer.receive(DEADLINE) => panic!("{received:?}"),
        asked = pulled(&mut broker) => assert!(asked > 0),
    }
    let answering = async {
        nothing(&mut broker, &id).await;
        assert!(pulled(&mut broker).await > 0);
        broker.dispatch(&id, &[1]).await;
    };
    let (received, ()) = tokio::join!(consumer.receive(DEADLINE), answering);
    assert!(received.unwrap().is_some());
}

#[tokio::test]
async fn a_pull_goes_on_at_the_next_broker_after_all_else() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let open = async { session.consumer(&Queue::new("Q")).prefetch(0).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    let (mut consumer, id) = (consumer.unwrap(), info.consumer_id.unwrap());
    let dying = async {
        assert_eq!(pulled(&mut broker).await, 0);
        drop(broker);
        let mut broker = replay(&peer, "ConsumerInfo").await;
        assert_eq!(pulled(&mut broker).await, 0);
        broker.dispatch(&id, &[1]).await;
        broker
    };
    let ((number, _), _broker) = tokio::join!(next(&mut consumer), dying);
    assert_eq!(number, 1);
}

#[tokio::test]
async fn receiving_ends_in_time_when_nothing_comes() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    assert!(consumer.receive(Duration::from_millis(1)).await.unwrap().is_none());
    broker.dispatch(&id, &[1]).await;
    assert!(consumer.receive(DEADLINE).await.unwrap().is_some());
}
