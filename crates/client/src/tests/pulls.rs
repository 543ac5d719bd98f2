//! Pulls, as a broker sees them.

use std::time::Duration;

use rewire_protocol::MessageDispatch;

use super::*;

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
