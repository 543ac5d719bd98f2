//! Futures that ask for something, and are dropped: requests, advisories, browsers, pulls, the end of a
//! connection that is drained.

use std::time::Duration;

use super::*;
use crate::{AdvisoryKind, AnonymousProducer};

#[tokio::test]
async fn a_session_of_any_kind_that_is_not_waited_for_is_removed() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let is_transacted = cancel.run(world.connection.transacted_session()).await.is_some();
        let is_xa = cancel.run(world.connection.xa_session()).await.is_some();
        world.works_and_holds(&[]).await;
        is_transacted && is_xa
    })
    .await;
}

#[tokio::test]
async fn what_an_anonymous_producer_does_is_done_once_or_not_at_all_when_it_is_not_waited_for() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        let made: AnonymousProducer = world.session.anonymous_producer().await.unwrap();
        world.clog(cancel).await;
        let queue = Queue::new("Q");
        let is_made = cancel.run(world.session.anonymous_producer()).await.is_some();
        let is_sent = cancel.run(made.send(&queue, "a")).await.is_some();
        let is_queued = cancel.run(made.enqueue(&queue, "b")).await.is_some();
        let is_transmitted = cancel.run(made.send_async(&queue, "c")).await.is_some();
        world.unclog().await;
        made.send(&queue, "d").await.unwrap();
        world.works_and_holds(&["producer"]).await;
        is_made && is_sent && is_queued && is_transmitted
    })
    .await;
}

#[tokio::test]
async fn a_requester_that_is_not_waited_for_leaves_nothing() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let is_done = cancel.run(world.session.requester(&Queue::new("Q"))).await.is_some();
        world.works_and_holds(&[]).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn the_reply_to_a_request_that_is_not_waited_for_is_not_taken_for_that_to_the_next() {
    for mode in [AckMode::Auto, AckMode::Client, AckMode::Individual, AckMode::DupsOk] {
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(mode).await;
            let mut requester = world.session.requester(&Queue::new("Q")).await.unwrap();
            world.clog(cancel).await;
            let replied = cancel.run(requester.request("one", DEADLINE)).await;
            let is_done = replied.is_some();
            if let Some(reply) = replied {
                assert_eq!(reply.unwrap().body_text().unwrap().unwrap(), "one");
            }
            world.unclog().await;
            // Two, because one may be there already.
            for body in ["two", "three"] {
                let reply = requester.request(body, DEADLINE).await.unwrap();
                assert_eq!(reply.body_text().unwrap().unwrap(), body);
            }
            world.works_and_holds(&["consumer", "producer", "temporary"]).await;
            drop(requester);
            world.works_and_holds(&[]).await;
            is_done
        })
        .await;
    }
}

#[tokio::test]
async fn a_temporary_queue_is_removed_after_the_consumers_that_were_dropped_before_it() {
    for (is_transacted, is_deleted) in [(false, false), (false, true), (true, false), (true, true)]
    {
        let mut world = World::new(AckMode::Auto).await;
        let transacted = world.connection.transacted_session().await.unwrap();
        let queue = world.session.temporary_queue().await.unwrap();
        let open = match is_transacted {
            true => transacted.consumer(&queue),
            false => world.session.consumer(&queue),
        };
        drop(open.await.unwrap());
        if is_deleted {
            timeout(DEADLINE, queue.delete()).await.unwrap().unwrap();
        } else {
            drop(queue);
        }
        drop(transacted);
        world.works_and_holds(&[]).await;
    }
}

#[tokio::test]
async fn advisories_that_are_not_waited_for_are_not_asked_for_any_longer() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let kinds = [AdvisoryKind::Consumers, AdvisoryKind::Producers];
        let is_done = cancel.run(world.connection.advisories(&kinds)).await.is_some();
        world.works_and_holds(&[]).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn no_advisory_is_lost_when_the_next_is_not_waited_for() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        let kinds = [AdvisoryKind::Connections];
        let mut advisories = world.connection.advisories(&kinds).await.unwrap();
        let mut numbers = Vec::new();
        let mut take = |advisory: Option<Result<crate::Advisory, Error>>| {
            let advisory = advisory.unwrap().unwrap();
            let id = advisory.message().headers().message_id.clone().unwrap();
            numbers.push(id.producer_sequence_id);
            numbers.len()
        };
        take(timeout(DEADLINE, advisories.next()).await.unwrap());
        world.clog(cancel).await;
        let taken = cancel.run(advisories.next()).await;
        let is_done = taken.is_some();
        if let Some(advisory) = taken {
            take(advisory);
        }
        world.unclog().await;
        while take(timeout(DEADLINE, advisories.next()).await.unwrap()) < 5 {}
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        drop(advisories);
        world.works_and_holds(&[]).await;
        // What is told needs no room: half of the prefetch is not reached.
        is_done && !cancel.is_clogged
    })
    .await;
}

#[tokio::test]
async fn a_browser_shows_each_message_once_though_it_is_not_waited_for() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let open = || world.session.consumer(&Queue::new("Q")).browse();
        let is_made = cancel.run(open()).await.is_some();
        world.unclog().await;
        let mut browser = world.session.consumer(&Queue::new("Q")).browse().await.unwrap();
        let mut numbers = Vec::new();
        let mut is_over = false;
        let mut were_ready = true;
        while !is_over {
            let came = match cancel.run(browser.next()).await {
                Some(came) => came,
                None => {
                    were_ready = false;
                    timeout(DEADLINE, browser.next()).await.unwrap()
                }
            };
            is_over = came.is_none();
            let delivery = came.transpose().unwrap();
            let id = delivery.and_then(|d| d.message().headers().message_id.clone());
            numbers.extend(id.map(|id| id.producer_sequence_id));
        }
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        drop(browser);
        world.works_and_holds(&[]).await;
        is_made && were_ready
    })
    .await;
}

#[tokio::test]
async fn no_message_is_lost_when_a_pull_or_a_wait_with_a_limit_is_given_up() {
    for (prefetch, is_limited) in [(0, false), (0, true), (10, true)] {
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(AckMode::Individual).await;
            let open = world.session.consumer(&Queue::new("Q")).prefetch(prefetch);
            let mut consumer = open.await.unwrap();
            world.clog(cancel).await;
            let taken = match is_limited {
                true => cancel.run(consumer.receive(DEADLINE)).await.map(Result::unwrap),
                false => cancel.run(consumer.next()).await.map(|d| d.transpose().unwrap()),
            };
            let is_done = taken.is_some();
            world.unclog().await;
            let mut numbers = Vec::new();
            if let Some(delivery) = taken {
                let delivery = delivery.unwrap();
                let id = delivery.message().headers().message_id.clone().unwrap();
                numbers.push(id.producer_sequence_id);
                delivery.ack().await.unwrap();
            }
            while numbers.len() < 3 {
                let (number, delivery) = next(&mut consumer).await;
                numbers.push(number);
                delivery.ack().await.unwrap();
            }
            assert_eq!(numbers, [1, 2, 3]);
            drop(consumer);
            world.works_and_holds(&[]).await;
            // What is there already needs no room.
            is_done && !cancel.is_clogged
        })
        .await;
    }
}

#[tokio::test]
async fn a_connection_whose_draining_is_not_waited_for_hands_out_nothing_more_and_can_be_drained() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Individual).await;
        let mut consumer = world.consumer().await;
        let (_, first) = next(&mut consumer).await;
        first.ack().await.unwrap();
        world.clog(cancel).await;
        let is_done = cancel.run(world.connection.drain(DEADLINE)).await.is_some();
        if cancel.polls == 0 {
            let (number, second) = next(&mut consumer).await;
            assert_eq!(number, 2);
            second.ack().await.unwrap();
        } else {
            // As soon as the router has heard of it.
            yield_now().await;
            assert!(timeout(DEADLINE, consumer.next()).await.unwrap().is_none());
        }
        world.broker.read(true);
        world.clog = None;
        match world.connection.drain(DEADLINE).await {
            Ok(()) => assert!(!is_done),
            // The closing that had begun goes on.
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::InDoubt), "{error}");
            }
        }
        world.broker.until("no connection is left", |ledger| ledger.links == 0).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn what_is_in_hand_is_settled_though_draining_was_given_up_while_it_waited_for_that() {
    let world = World::new(AckMode::Individual).await;
    let mut consumer = world.consumer().await;
    let (_, first) = next(&mut consumer).await;
    for polls in 1..4 {
        for is_late in [false, true] {
            let cancel = Cancel { polls, is_late, is_clogged: false };
            let draining =
                timeout(Duration::from_millis(20), cancel.run(world.connection.drain(DEADLINE)));
            assert!(!matches!(draining.await, Ok(Some(_))), "it is not drained");
        }
    }
    assert_eq!(first.ack().await.unwrap(), AckOutcome::Sent);
    world.connection.drain(DEADLINE).await.unwrap();
    let is_acknowledged = |ledger: &ledger::Ledger| ledger.acknowledged.keys().eq(&[1]);
    world.broker.until("what was in hand is acknowledged", is_acknowledged).await;
}
