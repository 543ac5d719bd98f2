//! Futures that settle what was received and sent, and are dropped: it is done once, or not at all.

use rewire_protocol::TransactionInfo;

use super::*;

/// The numbers of the next messages, and how often each was delivered before; they are acknowledged.
async fn take(consumer: &mut Consumer, count: usize) -> Vec<(i64, i32)> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let (number, delivery) = next(consumer).await;
        numbers.push((number, delivery.redelivery_counter()));
        assert_eq!(delivery.ack().await.unwrap(), AckOutcome::Sent);
    }
    numbers
}

#[tokio::test]
async fn what_is_given_back_comes_again_whether_or_not_that_is_waited_for() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Individual).await;
        let mut consumer = world.consumer().await;
        let (_, first) = next(&mut consumer).await;
        world.clog(cancel).await;
        let is_done = cancel.run(first.redeliver("no")).await.is_some();
        world.unclog().await;
        assert_eq!(take(&mut consumer, 2).await, [(1, 1), (2, 0)]);
        drop(consumer);
        world.works_and_holds(&[]).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn a_message_is_called_poison_or_comes_again_when_that_is_not_waited_for() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Individual).await;
        let mut consumer = world.consumer().await;
        let (_, first) = next(&mut consumer).await;
        world.clog(cancel).await;
        let is_done = cancel.run(first.dead_letter("no")).await.is_some();
        world.unclog().await;
        let expected: &[_] = if is_done { &[(2, 0)] } else { &[(1, 1), (2, 0)] };
        assert_eq!(take(&mut consumer, expected.len()).await, expected);
        drop(consumer);
        world.works_and_holds(&[]).await;
        let are_settled = |ledger: &ledger::Ledger| ledger.acknowledged.keys().eq(&[1, 2]);
        world.broker.until("both are settled", are_settled).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn a_session_is_recovered_or_not_when_that_is_not_waited_for() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Client).await;
        let mut consumer = world.consumer().await;
        let _kept = (next(&mut consumer).await, next(&mut consumer).await);
        world.clog(cancel).await;
        let is_done = cancel.run(world.session.recover()).await.is_some();
        world.unclog().await;
        // Once it is begun it goes on.
        let is_begun = cancel.polls > 0;
        let expected: &[_] = if is_begun { &[(1, 1), (2, 1), (3, 0)] } else { &[(3, 0)] };
        // What comes after them may be asked for before they are back.
        let mut taken = take(&mut consumer, expected.len()).await;
        taken.sort_unstable();
        assert_eq!(taken, expected);
        drop(consumer);
        world.works_and_holds(&[]).await;
        let are_settled = |ledger: &ledger::Ledger| ledger.acknowledged.keys().eq(&[1, 2, 3]);
        world.broker.until("all three are settled", are_settled).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn a_transaction_is_ended_once_though_its_end_is_not_waited_for() {
    for how in [TransactionInfo::COMMIT_ONE_PHASE, TransactionInfo::ROLLBACK] {
        let is_commit = how == TransactionInfo::COMMIT_ONE_PHASE;
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(AckMode::Auto).await;
            let transacted = world.connection.transacted_session().await.unwrap();
            let producer = transacted.producer(&Queue::new("Q")).await.unwrap();
            producer.send("in it").await.unwrap();
            world.clog(cancel).await;
            let end = async || match is_commit {
                true => transacted.commit().await,
                false => transacted.rollback().await,
            };
            let is_done = cancel.run(end()).await.is_some();
            world.unclog().await;
            // If it was not begun, this does it; if it was, there is nothing left to do.
            timeout(DEADLINE, end()).await.unwrap().unwrap();
            drop((producer, transacted));
            world.works_and_holds(&[]).await;
            let is_ended = |ledger: &ledger::Ledger| ledger.ended == [how];
            world.broker.until("it is ended once, and so", is_ended).await;
            is_done
        })
        .await;
    }
}

#[tokio::test]
async fn a_subscription_is_ended_once_or_not_at_all_when_that_is_not_waited_for() {
    cancel_at_each_await(async |cancel| {
        let broker = Bookkeeper::start().await;
        let connection = Connection::builder(&broker.uri).client_id("c").await.unwrap();
        let session = connection.session().await.unwrap();
        let mut world = World { broker, connection, session, clog: None };
        world.clog(cancel).await;
        let is_done = cancel.run(world.session.unsubscribe("s")).await.is_some();
        world.works_and_holds(&[]).await;
        // It is asked for as soon as there is room.
        let expected = usize::from(cancel.polls > 0 && !cancel.is_clogged);
        let is_so = |ledger: &ledger::Ledger| ledger.unsubscribed == expected;
        world.broker.until(&format!("{expected} are ended"), is_so).await;
        is_done
    })
    .await;
}
