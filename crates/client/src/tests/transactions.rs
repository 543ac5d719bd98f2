//! Transacted sessions, as a broker sees them.

use rewire_protocol::{RemoveInfo, TransactionInfo};

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
pub(super) async fn step(broker: &mut Client, expected: i8) -> TransactionInfo {
    let Command::TransactionInfo(info) = broker.expect("TransactionInfo").await else {
        unreachable!()
    };
    assert_eq!(info.transaction_type, expected);
    info
}

pub(super) async fn begin(broker: &mut Client) -> TransactionInfo {
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
async fn a_commit_that_waited_too_long_for_a_broker_leaves_no_broker_with_its_transaction() {
    let peer = Peer::start().await;
    let uri = format!("{}?requestTimeout=200", peer.uri());
    let (connection, session, mut broker) = transacted_at(&peer, &uri).await;
    let mut events = connection.events();
    let producer = producer(&session, &mut broker).await;
    producer.send("a").await.unwrap();
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    drop(broker);
    while !matches!(events.next().await, Some(crate::Event::Interrupted { .. })) {}
    let error = timeout(DEADLINE, session.commit()).await.unwrap().unwrap_err();
    assert!(!matches!(error.kind(), ErrorKind::InDoubt | ErrorKind::RolledBack), "{error}");
    let mut broker = replay(&peer, "ProducerInfo").await;
    while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
    producer.send("b").await.unwrap();
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    let commit = step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE);
    let (committed, _) = tokio::join!(session.commit(), commit);
    committed.unwrap();
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
async fn a_message_too_large_for_the_next_broker_keeps_the_commit_that_waits_with_it_from_being_sent()
 {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = transacted(&peer).await;
    let mut events = connection.events();
    let producer = producer(&session, &mut broker).await;
    drop(broker);
    while !matches!(events.next().await, Some(crate::Event::Interrupted { .. })) {}
    // Both wait for the next link.
    let large = producer.enqueue(Message::bytes(vec![7; 100_000])).await.unwrap();
    let client = async { tokio::join!(large, session.commit()) };
    let broker = async {
        let mut broker = peer.accept_with_frames_of(50_000).await;
        let replay = ["ConnectionControl", "ConnectionInfo", "SessionInfo", "ProducerInfo"];
        broker.expect_all(&replay).await;
        begin(&mut broker).await;
        step(&mut broker, TransactionInfo::ROLLBACK).await;
    };
    let ((large, committed), ()) = tokio::join!(client, broker);
    let large = large.unwrap_err();
    assert_eq!(large.kind(), ErrorKind::Misuse);
    assert!(large.to_string().contains("50,000") || large.to_string().contains("50000"), "{large}");
    let rolled_back = committed.unwrap_err();
    assert_eq!(rolled_back.kind(), ErrorKind::RolledBack);
    assert!(rolled_back.to_string().contains("50000"), "{rolled_back}");
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

#[tokio::test]
async fn a_consumer_closed_in_its_transaction_is_removed_when_that_is_rolled_back() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 10).await;
    broker.dispatch(&id, &[1]).await;
    let _ = next(&mut consumer).await;
    consumer.close().await.unwrap();
    begin(&mut broker).await;
    let broker = async {
        step(&mut broker, TransactionInfo::ROLLBACK).await;
        broker.expect("RemoveInfo").await
    };
    let (rolled_back, _) = tokio::join!(session.rollback(), broker);
    rolled_back.unwrap();
}

#[tokio::test]
async fn a_broker_that_does_not_know_a_transaction_has_rolled_it_back_and_none_has_not() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = transacted(&peer).await;
    let producer = producer(&session, &mut broker).await;
    producer.send("a").await.unwrap();
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    let refusing = async {
        let asked = broker.command().await;
        broker.refuse(&asked, "javax.jms.JMSException", "no such transaction").await;
    };
    let (rolled_back, ()) = tokio::join!(session.rollback(), refusing);
    rolled_back.unwrap();
    producer.send("b").await.unwrap();
    begin(&mut broker).await;
    broker.expect("ActiveMQTextMessage").await;
    let (closed, _) = tokio::join!(connection.close(), broker.expect("RemoveInfo"));
    closed.unwrap();
    assert_eq!(session.rollback().await.unwrap_err().kind(), ErrorKind::Closed);
    session.rollback().await.unwrap(); // nothing is left to undo
}

#[tokio::test]
async fn a_consumer_closed_in_a_transaction_that_nobody_ends_is_removed_when_that_is_rolled_back() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 10).await;
    broker.dispatch(&id, &[1]).await;
    let _ = next(&mut consumer).await;
    consumer.close().await.unwrap();
    begin(&mut broker).await;
    drop(session);
    let mut removed = Vec::new();
    while removed.len() < 2 {
        match broker.command().await {
            Command::TransactionInfo(info) => {
                assert_eq!(info.transaction_type, TransactionInfo::ROLLBACK);
            }
            Command::RemoveInfo(info) => removed.push(info.object_id.unwrap().name()),
            other => panic!("{other:?}"),
        }
    }
    removed.sort_unstable();
    assert_eq!(removed, ["ConsumerId", "SessionId"]);
}

#[tokio::test]
async fn what_does_not_come_again_is_announced_to_no_other_broker_and_binds_no_commit() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = transacted(&peer).await;
    let mut events = connection.events();
    let open = async { session.consumer(&crate::Topic::new("T")).prefetch(2).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    let (mut consumer, id) = (consumer.unwrap(), info.consumer_id.unwrap());
    broker.dispatch(&id, &[1]).await;
    connection_is_read(&connection, &mut broker).await;
    drop(broker);
    let mut broker = replay(&peer, "ConsumerInfo").await;
    while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
    assert_eq!(next(&mut consumer).await.0, 1);
    begin(&mut broker).await;
    let commit = step(&mut broker, TransactionInfo::COMMIT_ONE_PHASE);
    let (committed, _) = tokio::join!(session.commit(), commit);
    committed.unwrap();
}

/// The client has read all that was sent to it.
async fn connection_is_read(connection: &Connection, broker: &mut Client) {
    let (flushed, _) = tokio::join!(connection.flush(), broker.expect("FlushCommand"));
    flushed.unwrap();
}

#[tokio::test]
async fn what_expired_in_a_transaction_makes_room_for_what_comes_next() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 4).await;
    broker.dispatch(&id, &[1, 2]).await;
    let _ = (next(&mut consumer).await, next(&mut consumer).await);
    begin(&mut broker).await;
    assert_eq!(ack(&mut broker).await, (MessageAck::DELIVERED, 1, 2, 2));
    broker.dispatch_expired(&id, 3).await;
    broker.dispatch(&id, &[4]).await;
    assert_eq!(next(&mut consumer).await.0, 4);
    assert_eq!(ack(&mut broker).await, (MessageAck::EXPIRED, 3, 3, 1));
    assert_eq!(ack(&mut broker).await, (MessageAck::DELIVERED, 2, 4, 2));
}

#[tokio::test]
async fn a_commit_that_waits_for_room_goes_over_no_other_link_than_that_of_what_was_received() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = transacted(&peer).await;
    let (mut consumer, id) = transacted_consumer(&session, &mut broker, 10).await;
    broker.dispatch(&id, &[1]).await;
    let _ = next(&mut consumer).await;
    begin(&mut broker).await;
    let plain = async {
        let plain = connection.session().await?;
        let producer = plain.producer(&Queue::new("Q")).await?;
        Ok::<_, Error>((plain, producer))
    };
    let (made, ()) = tokio::join!(plain, broker.expect_all(&["SessionInfo", "ProducerInfo"]));
    let (_plain, producer) = made.unwrap();
    // Nobody reads, until there is no more room.
    let mut receipts = Vec::new();
    let short = std::time::Duration::from_millis(200);
    while let Ok(receipt) = timeout(short, producer.enqueue(Message::bytes(vec![0; 1 << 16]))).await
    {
        receipts.push(receipt.unwrap());
    }
    let mut commit = std::pin::pin!(session.commit());
    assert!(timeout(short, commit.as_mut()).await.is_err(), "there is no room");
    drop(broker);
    let broker = async {
        let mut broker = peer.accept().await;
        let mut steps = Vec::new();
        while steps.last() != Some(&TransactionInfo::ROLLBACK) {
            let command = broker.command().await;
            if let Command::TransactionInfo(step) = &command {
                steps.push(step.transaction_type);
            }
            if command.is_response_required() {
                broker.answer(&command).await;
            }
        }
        assert_eq!(steps, [TransactionInfo::BEGIN, TransactionInfo::ROLLBACK]);
        broker
    };
    let (committed, _broker) = tokio::join!(commit, broker);
    assert_eq!(committed.unwrap_err().kind(), ErrorKind::RolledBack);
}
