//! What is not consumed is handed out again as the policy says, and becomes a dead letter at its limit.

use std::time::Duration;

use rewire_protocol::{Message as WireMessage, MessageDispatch, MessageId, ProducerId};

use super::*;
use crate::RedeliveryPolicy;

fn policy(most: u32, delay_ms: u64) -> RedeliveryPolicy {
    RedeliveryPolicy {
        maximum_redeliveries: Some(most),
        initial_redelivery_delay: Duration::from_millis(delay_ms),
        redelivery_delay: Duration::from_millis(delay_ms),
        ..RedeliveryPolicy::default()
    }
}

async fn with_policy(
    session: &Session,
    broker: &mut Client,
    policy: RedeliveryPolicy,
    is_non_blocking: bool,
) -> (Consumer, ConsumerId) {
    let queue = Queue::new("Q");
    let builder = session.consumer(&queue).prefetch(10).redelivery(policy);
    let builder = builder.non_blocking_redelivery(is_non_blocking);
    let (consumer, declared) = tokio::join!(async { builder.await }, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    (consumer.unwrap(), info.consumer_id.unwrap())
}

async fn numbers(consumer: &mut Consumer, count: usize) -> Vec<(i64, i32)> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let (number, delivery) = next(consumer).await;
        numbers.push((number, delivery.redelivery_counter()));
        let _ = delivery.into_message();
    }
    numbers
}

/// The next acknowledgement of one message: its type, its number, and the cause of poison.
async fn ack_of_one(broker: &mut Client) -> (i8, i64, String) {
    let Command::MessageAck(ack) = broker.expect("MessageAck").await else { unreachable!() };
    assert_eq!((ack.message_count, &ack.transaction_id), (1, &None));
    assert_eq!(ack.first_message_id, ack.last_message_id);
    let cause = ack.poison_cause.and_then(|cause| cause.message);
    let number = ack.last_message_id.unwrap().producer_sequence_id;
    (ack.ack_type, number, cause.map(|cause| cause.to_string()).unwrap_or_default())
}

#[tokio::test]
async fn a_delivery_that_is_given_back_comes_again_after_its_delay_before_what_came_after_it() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let (mut consumer, id) = with_policy(&session, &mut broker, policy(6, 200), false).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let (_, first) = next(&mut consumer).await;
    let (_, second) = next(&mut consumer).await;
    let begin = tokio::time::Instant::now();
    assert_eq!(second.redeliver("no").await.unwrap(), AckOutcome::Sent);
    // One that is dropped is given back too, and in its place.
    drop(first);
    assert_eq!(numbers(&mut consumer, 3).await, [(1, 1), (2, 1), (3, 0)]);
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_redelivery_that_does_not_block_comes_after_what_was_there() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let (mut consumer, id) = with_policy(&session, &mut broker, policy(6, 50), true).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let (_, first) = next(&mut consumer).await;
    first.redeliver("no").await.unwrap();
    assert_eq!(numbers(&mut consumer, 3).await, [(2, 0), (3, 0), (1, 1)]);
}

#[tokio::test]
async fn at_the_limit_a_message_is_called_poison_with_the_cause_and_others_are_not() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let (mut consumer, id) = with_policy(&session, &mut broker, policy(2, 0), false).await;
    broker.dispatch(&id, &[1, 2]).await;
    for counter in 0..3 {
        let (number, delivery) = next(&mut consumer).await;
        assert_eq!((number, delivery.redelivery_counter()), (1, counter));
        delivery.redeliver(format!("reason {counter}")).await.unwrap();
    }
    // Java says nothing of the first time.
    assert_eq!(ack_of_one(&mut broker).await, (MessageAck::REDELIVERED, 1, String::new()));
    let (kind, number, cause) = ack_of_one(&mut broker).await;
    assert_eq!((kind, number), (MessageAck::POISON, 1));
    assert!(cause.contains("delivery 3") && cause.ends_with("reason 2"), "{cause}");
    let (number, second) = next(&mut consumer).await;
    assert_eq!(number, 2);
    assert_eq!(second.dead_letter("unreadable").await.unwrap(), AckOutcome::Sent);
    let expected = (MessageAck::POISON, 2, "unreadable".to_owned());
    assert_eq!(ack_of_one(&mut broker).await, expected);
}

#[tokio::test]
async fn what_is_given_back_to_a_broker_that_is_gone_is_not_handed_out_from_here() {
    let peer = Peer::start().await;
    let (connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let (mut consumer, id) = with_policy(&session, &mut broker, policy(6, 0), false).await;
    let mut events = connection.events();
    broker.dispatch(&id, &[1]).await;
    let (_, old) = next(&mut consumer).await;
    let (_, kept) = {
        broker.dispatch(&id, &[2]).await;
        next(&mut consumer).await
    };
    drop(broker);
    let mut broker = replay(&peer, "ConsumerInfo").await;
    while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
    assert_eq!(old.redeliver("no").await.unwrap(), AckOutcome::Stale);
    drop(kept);
    broker.dispatch(&id, &[1, 2]).await;
    // Once from each broker. This one does not know of the first, and the consumer does.
    assert_eq!(numbers(&mut consumer, 2).await, [(1, 1), (2, 1)]);
}

#[tokio::test]
async fn a_recovered_session_hands_out_again_in_order_what_was_not_acknowledged() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Client).await;
    let (mut consumer, id) = with_policy(&session, &mut broker, policy(1, 50), false).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let (_, first) = next(&mut consumer).await;
    assert_eq!(first.ack().await.unwrap(), AckOutcome::Sent);
    assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 1, 1));
    let _ = next(&mut consumer).await;
    session.recover().await.unwrap();
    assert_eq!(numbers(&mut consumer, 2).await, [(2, 1), (3, 0)]);
    session.recover().await.unwrap();
    assert_eq!(ack_of_one(&mut broker).await.0, MessageAck::POISON);
    let (number, third) = next(&mut consumer).await;
    assert_eq!((number, third.redelivery_counter()), (3, 1));
    third.ack().await.unwrap();
    assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 3, 3, 1));
}

#[tokio::test]
async fn only_the_sessions_that_can_be_are_recovered_and_single_messages_given_back() {
    let peer = Peer::start().await;
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2]).await;
    assert_eq!(session.recover().await.unwrap_err().kind(), ErrorKind::Misuse);
    let (_, delivery) = next(&mut consumer).await;
    assert_eq!(delivery.redeliver("no").await.unwrap_err().kind(), ErrorKind::Misuse);
    let (_, delivery) = next(&mut consumer).await;
    assert_eq!(delivery.dead_letter("no").await.unwrap_err().kind(), ErrorKind::Misuse);
}

/// Dispatches a message of this number that expired a second ago, or that a broker counts so often.
async fn dispatch(broker: &mut Client, to: &ConsumerId, number: i64, expired: bool, counter: i32) {
    let producer = ProducerId { connection_id: Some("ID:p:1".into()), value: 1, session_id: 1 };
    let id = MessageId { broker_sequence_id: 100 + number, ..producer.message(number) };
    let expiration = if expired { crate::connection::now_ms() - 1000 } else { 0 };
    let message = WireMessage { message_id: Some(id), expiration, ..WireMessage::default() };
    broker
        .send(MessageDispatch {
            consumer_id: Some(to.clone()),
            message: Some(Box::new(message)),
            redelivery_counter: counter,
            ..MessageDispatch::default()
        })
        .await;
}

#[tokio::test]
async fn what_has_expired_is_not_handed_out_and_the_broker_is_told() {
    for mode in [AckMode::Auto, AckMode::Client, AckMode::Individual] {
        let peer = Peer::start().await;
        let (_connection, session, mut broker) = session(&peer, mode).await;
        let (mut consumer, id) = consumer(&session, &mut broker).await;
        dispatch(&mut broker, &id, 1, true, 0).await;
        broker.dispatch(&id, &[2]).await;
        assert_eq!(numbers(&mut consumer, 1).await, [(2, 0)]);
        assert_eq!(ack_of_one(&mut broker).await, (MessageAck::EXPIRED, 1, String::new()));
    }
}

#[tokio::test]
async fn expired_messages_are_handed_out_if_nobody_looks() {
    let peer = Peer::start().await;
    let uri = format!("{}?jms.consumerExpiryCheckEnabled=false", peer.uri());
    let (_connection, session, mut broker) = session_at(&peer, &uri, AckMode::Auto).await;
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    dispatch(&mut broker, &id, 1, true, 0).await;
    assert_eq!(numbers(&mut consumer, 1).await, [(1, 0)]);
}

async fn transacted(peer: &Peer, query: &str) -> (Connection, TransactedSession, Client) {
    transacted_at(peer, &format!("{}{query}", peer.uri())).await
}

#[tokio::test]
async fn a_transaction_does_not_hand_out_what_a_broker_has_delivered_too_often() {
    let peer = Peer::start().await;
    let query = "?jms.redeliveryPolicy.maximumRedeliveries=2";
    let (_connection, session, mut broker) = transacted(&peer, query).await;
    let open = async { session.consumer(&Queue::new("Q")).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    let (mut consumer, id) = (consumer.unwrap(), info.consumer_id.unwrap());
    dispatch(&mut broker, &id, 1, false, 3).await;
    dispatch(&mut broker, &id, 2, false, 2).await;
    assert_eq!(numbers(&mut consumer, 1).await, [(2, 2)]);
    let (kind, number, _) = ack_of_one(&mut broker).await;
    assert_eq!((kind, number), (MessageAck::POISON, 1));
}

#[tokio::test]
async fn what_a_transaction_rolled_back_too_often_is_poison_and_the_rest_comes_again() {
    let peer = Peer::start().await;
    let query = "?jms.redeliveryPolicy.maximumRedeliveries=1\
                 &jms.redeliveryPolicy.initialRedeliveryDelay=0";
    let (_connection, session, mut broker) = transacted(&peer, query).await;
    let open = async { session.consumer(&Queue::new("Q")).await };
    let (consumer, declared) = tokio::join!(open, broker.expect("ConsumerInfo"));
    let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
    let (mut consumer, id) = (consumer.unwrap(), info.consumer_id.unwrap());
    dispatch(&mut broker, &id, 1, false, 1).await;
    dispatch(&mut broker, &id, 2, false, 0).await;
    assert_eq!(numbers(&mut consumer, 2).await, [(1, 1), (2, 0)]);
    broker.expect("TransactionInfo").await;
    let (rolled_back, _) = tokio::join!(session.rollback(), broker.expect("TransactionInfo"));
    rolled_back.unwrap();
    let (kind, number, _) = ack_of_one(&mut broker).await;
    assert_eq!((kind, number), (MessageAck::POISON, 1));
    assert_eq!(numbers(&mut consumer, 1).await, [(2, 1)]);
}
