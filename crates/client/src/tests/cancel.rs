//! Futures that are dropped: at every await they have, before and after they are woken, and while they wait
//! for room. The connection goes on, and the broker is left with nothing.

mod asks;
mod branches;
mod settle;

use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use tokio::task::yield_now;

use super::ledger::Bookkeeper;
use super::*;
use crate::{Producer, Receipt};

/// No future of ours awaits more often.
const MOST_POLLS: usize = 32;

/// When a future is dropped.
#[derive(Clone, Copy, Debug)]
struct Cancel {
    /// After it was polled so often.
    polls: usize,
    /// Not before it is woken once more after that.
    is_late: bool,
    /// While there is no room for anything in the transport.
    is_clogged: bool,
}

impl Cancel {
    /// Polls a future, and drops it. What it came to, if that was sooner.
    async fn run<F: IntoFuture>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future.into_future());
        let mut left = self.polls;
        std::future::poll_fn(|cx| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match future.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if left == 0 && !self.is_late => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// Runs a case with its future dropped after no poll, one, two and so on, until it is ready before that;
/// then once more while it waits for room. The case says whether its future was ready.
async fn cancel_at_each_await(case: impl AsyncFn(Cancel) -> bool) {
    let mut polls = 0;
    loop {
        let early = Cancel { polls, is_late: false, is_clogged: false };
        if case(early).await {
            break;
        }
        if polls > 0 && case(Cancel { is_late: true, ..early }).await {
            break;
        }
        polls += 1;
        assert!(polls < MOST_POLLS, "it is never ready");
    }
    assert!(polls > 0, "it is ready before it is polled");
    let clogged = Cancel { polls: 1, is_late: false, is_clogged: true };
    assert!(!case(clogged).await, "it does not wait for room");
}

/// A client and its broker.
struct World {
    broker: Bookkeeper,
    connection: Connection,
    session: Session,
    /// What takes up all the room.
    clog: Option<(Producer, Vec<Receipt>)>,
}

impl World {
    async fn new(mode: AckMode) -> Self {
        let broker = Bookkeeper::start().await;
        let connection = Connection::builder(&broker.uri).await.unwrap();
        let session = connection.session().ack(mode).await.unwrap();
        Self { broker, connection, session, clog: None }
    }

    async fn producer(&self) -> Producer {
        self.session.producer(&Queue::new("Q")).await.unwrap()
    }

    async fn consumer(&self) -> Consumer {
        let at_once = crate::RedeliveryPolicy {
            initial_redelivery_delay: std::time::Duration::ZERO,
            ..crate::RedeliveryPolicy::default()
        };
        self.session.consumer(&Queue::new("Q")).prefetch(10).redelivery(at_once).await.unwrap()
    }

    /// Leaves no room for anything, if that is the case.
    async fn clog(&mut self, cancel: Cancel) {
        if !cancel.is_clogged {
            return;
        }
        let producer = self.producer().await;
        self.broker.read(false);
        let (body, mut receipts) = (Bytes::from(vec![0; 64 << 10]), Vec::new());
        'full: loop {
            let mut enqueue = pin!(producer.enqueue(Message::bytes(body.clone())));
            // Until nobody makes room any more.
            for _ in 0..100 {
                if let Some(receipt) = poll_once(enqueue.as_mut()).await {
                    receipts.push(receipt.unwrap());
                    yield_now().await;
                    continue 'full;
                }
                yield_now().await;
            }
            break;
        }
        self.clog = Some((producer, receipts));
    }

    async fn unclog(&mut self) {
        self.broker.read(true);
        if let Some((_producer, receipts)) = self.clog.take() {
            for receipt in receipts {
                timeout(DEADLINE, receipt).await.unwrap().unwrap();
            }
        }
    }

    /// The connection works, and the broker holds nothing but it and its session, and these.
    async fn works_and_holds(&mut self, others: &[&'static str]) {
        self.unclog().await;
        let producer = self.producer().await;
        timeout(DEADLINE, producer.send("a check")).await.unwrap().unwrap();
        drop(producer);
        let mut kinds = vec!["connection", "session"];
        kinds.extend(others);
        kinds.sort_unstable();
        let what = format!("the broker holds {kinds:?}");
        self.broker.until(&what, |ledger| ledger.kinds() == kinds).await;
    }
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_connection_that_is_not_waited_for_is_closed() {
    for polls in 0..MOST_POLLS {
        let broker = Bookkeeper::start().await;
        let mut is_done = false;
        for is_late in [false, true] {
            let cancel = Cancel { polls, is_late, is_clogged: false };
            is_done = cancel.run(Connection::builder(&broker.uri)).await.is_some();
            broker.until("no connection is left", |ledger| ledger.links == 0).await;
        }
        let connection = Connection::builder(&broker.uri).await.unwrap();
        broker.until("one is there", |ledger| ledger.kinds() == ["connection"]).await;
        drop(connection);
        if is_done {
            return;
        }
    }
    panic!("it is never ready");
}

#[tokio::test]
async fn a_session_that_is_not_waited_for_is_removed() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let is_done = cancel.run(world.connection.session()).await.is_some();
        world.works_and_holds(&[]).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn a_producer_that_is_not_waited_for_is_removed() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let is_done = cancel.run(world.session.producer(&Queue::new("Q"))).await.is_some();
        world.works_and_holds(&[]).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn a_consumer_that_is_not_waited_for_is_removed() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let is_done = cancel.run(world.session.consumer(&Queue::new("Q"))).await.is_some();
        world.works_and_holds(&[]).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn a_temporary_queue_that_is_not_waited_for_is_removed_and_so_is_one_whose_end_is_not() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        let made = world.session.temporary_queue().await.unwrap();
        world.clog(cancel).await;
        let is_made = cancel.run(world.session.temporary_queue()).await.is_some();
        let is_deleted = cancel.run(made.delete()).await.is_some();
        world.works_and_holds(&[]).await;
        is_made && is_deleted
    })
    .await;
}

#[tokio::test]
async fn a_send_that_is_not_waited_for_leaves_no_gap() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        let producer = world.producer().await;
        world.clog(cancel).await;
        let is_done = cancel.run(producer.send("a")).await.is_some();
        world.unclog().await;
        producer.send("b").await.unwrap();
        world.works_and_holds(&["producer"]).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn what_is_not_queued_because_it_is_not_waited_for_leaves_no_gap() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        let producer = world.producer().await;
        world.clog(cancel).await;
        let queued = cancel.run(producer.enqueue("a")).await;
        let transmitted = cancel.run(producer.send_async("b")).await;
        world.unclog().await;
        producer.send("c").await.unwrap();
        world.works_and_holds(&["producer"]).await;
        queued.is_some() && transmitted.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_flush_that_is_not_waited_for_is_nothing() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let is_done = cancel.run(world.connection.flush()).await.is_some();
        world.works_and_holds(&[]).await;
        timeout(DEADLINE, world.connection.flush()).await.unwrap().unwrap();
        is_done
    })
    .await;
}

#[tokio::test]
async fn no_message_is_lost_or_acknowledged_twice_when_the_next_is_not_waited_for() {
    for mode in [AckMode::Auto, AckMode::DupsOk] {
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(mode).await;
            let mut consumer = world.consumer().await;
            assert_eq!(next(&mut consumer).await.0, 1);
            world.clog(cancel).await;
            let mut numbers = vec![1];
            let taken = cancel.run(consumer.next()).await;
            let is_done = taken.is_some();
            if let Some(delivery) = taken {
                let delivery = delivery.unwrap().unwrap();
                let id = delivery.message().headers().message_id.clone().unwrap();
                numbers.push(id.producer_sequence_id);
            }
            world.unclog().await;
            while numbers.len() < 5 {
                numbers.push(next(&mut consumer).await.0);
            }
            assert_eq!(numbers, [1, 2, 3, 4, 5]);
            drop(consumer);
            world.works_and_holds(&[]).await;
            let all = |ledger: &ledger::Ledger| ledger.acknowledged.keys().eq(&[1, 2, 3, 4, 5]);
            world.broker.until("all is acknowledged", all).await;
            // In this mode there is nothing to send before half of the prefetch is handed out.
            is_done && !(cancel.is_clogged && mode == AckMode::DupsOk)
        })
        .await;
    }
}

#[tokio::test]
async fn an_acknowledgement_that_is_not_waited_for_is_made_once_or_not_at_all() {
    for mode in [AckMode::Individual, AckMode::Client] {
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(mode).await;
            let mut consumer = world.consumer().await;
            let (_, first) = next(&mut consumer).await;
            world.clog(cancel).await;
            let is_done = cancel.run(first.ack()).await.is_some();
            world.unclog().await;
            // Who drops the delivery gives it back.
            let is_again = mode == AckMode::Individual && !is_done;
            let mut numbers = Vec::new();
            for _ in 0..if is_again { 2 } else { 1 } {
                let (number, delivery) = next(&mut consumer).await;
                numbers.push((number, delivery.redelivery_counter()));
                assert_eq!(delivery.ack().await.unwrap(), AckOutcome::Sent);
            }
            assert_eq!(numbers, if is_again { vec![(1, 1), (2, 0)] } else { vec![(2, 0)] });
            drop(consumer);
            world.works_and_holds(&[]).await;
            let is_acknowledged = |ledger: &ledger::Ledger| ledger.acknowledged.keys().eq(&[1, 2]);
            world.broker.until("the second is acknowledged", is_acknowledged).await;
            is_done
        })
        .await;
    }
}

#[tokio::test]
async fn a_consumer_whose_closing_is_not_waited_for_is_removed_and_its_last_message_acknowledged() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        let mut consumer = world.consumer().await;
        assert_eq!(next(&mut consumer).await.0, 1);
        world.clog(cancel).await;
        let is_done = cancel.run(consumer.close()).await.is_some();
        world.works_and_holds(&[]).await;
        let is_acknowledged = |ledger: &ledger::Ledger| ledger.acknowledged.keys().eq(&[1]);
        world.broker.until("the message is acknowledged", is_acknowledged).await;
        is_done
    })
    .await;
}

#[tokio::test]
async fn a_closing_that_is_not_waited_for_goes_on_once_it_has_begun() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new(AckMode::Auto).await;
        world.clog(cancel).await;
        let is_done = cancel.run(world.connection.close()).await.is_some();
        if cancel.polls == 0 {
            world.works_and_holds(&[]).await;
            return is_done;
        }
        world.broker.read(true);
        world.broker.until("no connection is left", |ledger| ledger.links == 0).await;
        assert_eq!(world.connection.flush().await.unwrap_err().kind(), ErrorKind::Closed);
        is_done
    })
    .await;
}
