//! Work that is done together, or not at all: in one call, and in the branches of a transaction manager.

use std::time::Duration;

use rewire::{
    AckMode, AdvisoryEvent, AdvisoryKind, Connection, Destination, Error, ErrorKind, Message,
    Queue, RedeliveryPolicy, Vote, Xid,
};
use rewire_broker::Broker;

use crate::{SOON, connect, eventually, receive, start, text};

fn at_once(most: u32) -> RedeliveryPolicy {
    RedeliveryPolicy {
        maximum_redeliveries: Some(most),
        initial_redelivery_delay: Duration::ZERO,
        redelivery_delay: Duration::ZERO,
        ..RedeliveryPolicy::default()
    }
}

async fn pending(broker: &Broker, queue: &str) -> usize {
    broker.stats(&Destination::queue(queue)).await.map_or(0, |stats| stats.pending)
}

#[tokio::test]
async fn a_transaction_in_one_call_is_committed_or_rolled_back() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let queue = Queue::new("Q");
    // It can be moved to a task of its own.
    let (other, to) = (connection.clone(), queue.clone());
    let sending = tokio::spawn(async move {
        other
            .transaction(async |tx| {
                let producer = tx.producer(&to).await?;
                producer.send("one").await?;
                producer.send("two").await?;
                Ok::<_, Error>(2)
            })
            .await
    });
    assert_eq!(sending.await.unwrap().unwrap(), 2);
    assert_eq!(pending(&broker, "Q").await, 2);
    let failed = connection
        .transaction(async |tx| {
            tx.producer(&queue).await?.send("three").await?;
            Err::<(), _>(tx.consumer(&queue).prefetch(99_999).await.unwrap_err())
        })
        .await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(pending(&broker, "Q").await, 2);
}

#[tokio::test]
async fn a_message_of_a_transaction_that_is_over_is_sent_on_outside_of_it() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let (from, to) = (Queue::new("FROM"), Queue::new("TO"));
    connection.transaction(async |tx| tx.producer(&from).await?.send("far").await).await.unwrap();
    let session = connection.session().await.unwrap();
    let came = receive(&mut session.consumer(&from).await.unwrap()).await.into_message();
    session.producer(&to).await.unwrap().send(came).await.unwrap();
    assert_eq!(text(&mut session.consumer(&to).await.unwrap()).await, "far");
}

#[tokio::test]
async fn work_that_is_dropped_is_rolled_back_before_the_next() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.transacted_session().await.unwrap();
    let producer = session.producer(&Queue::new("Q")).await.unwrap();
    let dropped = session.transaction(async || {
        producer.send("never").await?;
        std::future::pending::<Result<(), Error>>().await
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), dropped).await.is_err());
    let kept = session.transaction(async || producer.send("kept").await.map(drop));
    tokio::time::timeout(SOON, kept).await.unwrap().unwrap();
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(&Queue::new("Q")).await.unwrap();
    assert_eq!(text(&mut consumer).await, "kept");
    assert_eq!(pending(&broker, "Q").await, 0);
}

fn branch(number: u8) -> Xid {
    Xid::new(7, [number], b"branch").unwrap()
}

#[tokio::test]
async fn a_branch_is_done_when_it_is_committed_in_two_phases_or_one() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.xa_session().await.unwrap();
    let queue = Queue::new("Q");
    let producer = session.producer(&queue).await.unwrap();
    for (number, one_phase) in [(1, false), (2, true)] {
        let xid = branch(number);
        session.start(&xid).await.unwrap();
        assert_eq!(session.start(&branch(9)).await.unwrap_err().kind(), ErrorKind::Misuse);
        producer.send(Message::text(format!("{number}"))).await.unwrap();
        session.end(&xid).await.unwrap();
        assert_eq!(pending(&broker, "Q").await, usize::from(number) - 1);
        if !one_phase {
            assert_eq!(session.prepare(&xid).await.unwrap(), Vote::Commit);
            assert_eq!(session.recover().await.unwrap(), std::slice::from_ref(&xid));
        }
        session.commit(&xid, one_phase).await.unwrap();
        assert_eq!(session.recover().await.unwrap(), []);
        assert_eq!(pending(&broker, "Q").await, usize::from(number));
        assert_eq!(session.commit(&xid, one_phase).await.unwrap_err().kind(), ErrorKind::Refused);
    }
}

#[tokio::test]
async fn what_a_branch_received_comes_again_when_it_is_rolled_back_and_not_when_it_is_committed() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let queue = Queue::new("Q");
    let plain = connection.session().await.unwrap();
    plain.producer(&queue).await.unwrap().send("once").await.unwrap();
    let session = connection.xa_session().await.unwrap();
    let mut consumer = session.consumer(&queue).redelivery(at_once(6)).await.unwrap();
    for (number, commits) in [(1, false), (2, true)] {
        let xid = branch(number);
        session.start(&xid).await.unwrap();
        let delivery = receive(&mut consumer).await;
        assert_eq!(delivery.redelivery_counter(), i32::from(number) - 1);
        session.end(&xid).await.unwrap();
        // What it received is kept until it is decided.
        assert_eq!(session.start(&branch(9)).await.unwrap_err().kind(), ErrorKind::Misuse);
        session.prepare(&xid).await.unwrap();
        if commits {
            session.commit(&xid, false).await.unwrap();
        } else {
            session.rollback(&xid).await.unwrap();
        }
    }
    let stats = broker.stats(&Destination::queue("Q")).await.unwrap();
    assert_eq!((stats.pending, stats.in_flight), (0, 0));
}

#[tokio::test]
async fn a_prepared_branch_is_decided_by_whoever_recovers_it() {
    let broker = start().await;
    let first = connect(&broker).await;
    let session = first.xa_session().await.unwrap();
    let xid = branch(1);
    session.start(&xid).await.unwrap();
    session.producer(&Queue::new("Q")).await.unwrap().send("kept").await.unwrap();
    session.end(&xid).await.unwrap();
    session.prepare(&xid).await.unwrap();
    first.close().await.unwrap();
    let session = connect(&broker).await.xa_session().await.unwrap();
    let found = session.recover().await.unwrap();
    assert_eq!(found, std::slice::from_ref(&xid));
    session.commit(&found[0], false).await.unwrap();
    assert_eq!(pending(&broker, "Q").await, 1);
}

#[tokio::test]
async fn what_is_given_back_too_often_is_a_dead_letter_and_so_is_what_is_called_poison() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let queue = Queue::new("Q");
    let producer = session.producer(&queue).await.unwrap();
    for number in 1..=3 {
        producer.send(number.to_string()).await.unwrap();
    }
    let mut consumer = session.consumer(&queue).redelivery(at_once(2)).await.unwrap();
    for counter in 0..3 {
        let delivery = receive(&mut consumer).await;
        assert_eq!(delivery.redelivery_counter(), counter);
        delivery.redeliver("no").await.unwrap();
    }
    receive(&mut consumer).await.dead_letter("unreadable").await.unwrap();
    assert_eq!(text(&mut consumer).await, "3");
    let mut dead = session.consumer(&Queue::new("ActiveMQ.DLQ")).await.unwrap();
    assert_eq!([text(&mut dead).await, text(&mut dead).await], ["1", "2"]);
    eventually("nothing is left", async || {
        let stats = broker.stats(&Destination::queue("Q")).await.unwrap();
        (stats.pending, stats.in_flight) == (0, 0)
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_closes_leaves_marked_what_was_seen_and_nothing_else() {
    let broker = start().await;
    let first = connect(&broker).await;
    let session = first.session().ack(AckMode::Individual).await.unwrap();
    let queue = Queue::new("Q");
    let producer = session.producer(&queue).await.unwrap();
    for number in 1..=3 {
        producer.send(number.to_string()).await.unwrap();
    }
    let mut consumer = session.consumer(&queue).await.unwrap();
    let seen = receive(&mut consumer).await;
    first.close().await.unwrap();
    let session = connect(&broker).await.session().await.unwrap();
    let mut consumer = session.consumer(&queue).await.unwrap();
    for counter in [1, 0, 0] {
        assert_eq!(receive(&mut consumer).await.redelivery_counter(), counter);
    }
    drop(seen);
}

#[tokio::test]
async fn advisories_tell_of_consumers_destinations_and_connections() {
    let broker = start().await;
    let connection = connect(&broker).await;
    let kinds = [AdvisoryKind::Consumers, AdvisoryKind::Destinations, AdvisoryKind::Connections];
    let mut advisories = connection.advisories(&kinds).await.unwrap();
    let other = Connection::builder(&format!("failover:({})", broker.uri()))
        .client_id("other")
        .await
        .unwrap();
    let session = other.session().await.unwrap();
    let consumer = session.consumer(&Queue::new("NEW")).selector("a = 1").await.unwrap();
    let (mut names, mut left) = (Vec::new(), 3);
    while left > 0 {
        let next = tokio::time::timeout(SOON, advisories.next()).await.expect("an advisory");
        match next.unwrap().unwrap().event {
            AdvisoryEvent::ConnectionStarted { client_id, .. }
                if client_id.as_deref() == Some("other") =>
            {
                left -= 1
            }
            AdvisoryEvent::DestinationAdded(added) if added == Destination::queue("NEW") => {
                left -= 1
            }
            AdvisoryEvent::ConsumerStarted { consumer, destination, selector }
                if destination == Some(Destination::queue("NEW")) =>
            {
                assert_eq!(selector.as_deref(), Some("a = 1"));
                names.push(consumer);
                left -= 1;
            }
            _ => {}
        }
    }
    consumer.close().await.unwrap();
    loop {
        let next = tokio::time::timeout(SOON, advisories.next()).await.expect("an advisory");
        if let AdvisoryEvent::ConsumerStopped { consumer } = next.unwrap().unwrap().event {
            assert_eq!([consumer], names[..]);
            break;
        }
    }
}
