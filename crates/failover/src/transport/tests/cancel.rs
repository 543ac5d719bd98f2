//! Futures of the transport that are dropped: at every await they have, before and after they are woken, and
//! while they wait for room. What was not asked for is not done, and the transport goes on.

use std::pin::pin;

use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};

use super::*;

/// No future of ours awaits more often.
const MOST_POLLS: usize = 16;

/// When a future is dropped.
#[derive(Clone, Copy, Debug)]
struct Cancel {
    /// After it was polled so often.
    polls: usize,
    /// Not before it is woken once more after that.
    is_late: bool,
}

impl Cancel {
    /// Polls a future, and drops it. What it came to, if that was sooner.
    async fn run<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
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

/// Runs a case with its future dropped after no poll, one, two and so on, until it is ready before that. The
/// case says whether it was.
async fn cancel_at_each_await(case: impl AsyncFn(Cancel) -> bool) {
    for polls in 0..MOST_POLLS {
        let early = Cancel { polls, is_late: false };
        if case(early).await || (polls > 0 && case(Cancel { is_late: true, ..early }).await) {
            assert!(polls > 0, "it is ready before it is polled");
            return;
        }
    }
    panic!("it is never ready");
}

/// A transport and its broker, which answers whatever comes.
struct World {
    transport: FailoverTransport,
    deliveries: Deliveries,
    /// The numbers of the messages that came, as their senders counted them.
    came: watch::Receiver<Vec<i32>>,
    is_answering: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        let mut net = Pipes::new();
        net.config.queue.requests = 1;
        let (transport, mut deliveries) = net.start("");
        let mut client = net.connected(&transport, &mut deliveries).await;
        let (numbers, came) = watch::channel(Vec::new());
        let (is_answering, mut answering) = watch::channel(true);
        let serving = tokio::spawn(async move {
            for command_id in 1..=5 {
                client.send(MessageDispatch { command_id, ..MessageDispatch::default() }).await;
            }
            while let Some(LinkEvent::Command(command)) = client.event().await {
                if let Command::Message(message) = &command {
                    numbers.send_modify(|numbers| numbers.push(message.group_sequence));
                }
                let _ = answering.wait_for(|is_answering| *is_answering).await;
                if command.is_response_required() {
                    client.answer(&command).await;
                }
            }
        });
        Self { transport, deliveries, came, is_answering, serving }
    }

    /// Fills the queue and the channel before it.
    async fn clog(&self) -> Vec<Pending> {
        self.is_answering.send_replace(false);
        let mut waiting = Vec::new();
        loop {
            let mut submit = pin!(self.submit(0));
            let once = Cancel { polls: 1, is_late: false };
            match once.run(submit.as_mut()).await {
                Some(pending) => waiting.push(pending),
                None => return waiting,
            }
            // The driver takes what it wants.
            yield_now().await;
        }
    }

    async fn unclog(&self, waiting: Vec<Pending>) {
        self.is_answering.send_replace(true);
        for pending in waiting {
            within(pending).await.unwrap();
        }
    }

    async fn submit(&self, number: i32) -> Pending {
        self.transport.submit(message(number), Completion::Answered, None).await
    }

    /// The transport works, and nobody waits for anything any more. What came, but for what was in the way.
    async fn works(&self) -> Vec<i32> {
        within(self.transport.request(message(99))).await.unwrap();
        assert_eq!(self.transport.stats().requests_waiting, 0);
        self.came.borrow().iter().copied().filter(|number| *number > 0).collect()
    }
}

fn message(number: i32) -> Command {
    Message { group_sequence: number, ..Message::default() }.into()
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_waited_for_is_made_once_or_not_at_all() {
    cancel_at_each_await(async |cancel| {
        let world = World::new().await;
        let answer = cancel.run(world.transport.request(message(1))).await;
        let came = world.works().await;
        // Polled once, it is on its way.
        assert_eq!(came, if cancel.polls == 0 { vec![99] } else { vec![1, 99] });
        answer.is_some()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_and_is_dropped_is_not_sent() {
    for is_late in [false, true] {
        let world = World::new().await;
        let waiting = world.clog().await;
        let cancel = Cancel { polls: 1, is_late };
        // Woken, it has its place, and gives it up.
        let (request, ()) = tokio::join!(cancel.run(world.transport.request(message(1))), async {
            yield_now().await;
            if is_late {
                world.is_answering.send_replace(true);
            }
        });
        assert!(request.is_none());
        let submit = Cancel { polls: 1, is_late: false };
        if !is_late {
            assert!(submit.run(world.submit(2)).await.is_none());
        }
        world.unclog(waiting).await;
        assert_eq!(world.works().await, [99]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_waited_for_is_dropped() {
    cancel_at_each_await(async |cancel| {
        let world = World::new().await;
        let pending = world.submit(1).await;
        let answer = cancel.run(pending).await;
        assert_eq!(world.works().await, [1, 99]);
        answer.is_some()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_not_waited_for_is_not_lost() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new().await;
        let mut numbers = Vec::new();
        let mut take = |incoming: Option<Incoming>| match incoming {
            Some(Incoming::Command(_, command)) => numbers.push(command.command_id()),
            other => panic!("a dispatch is expected: {other:?}"),
        };
        let next = cancel.run(world.deliveries.next()).await;
        let is_done = next.is_some();
        let mut left = 5;
        if let Some(next) = next {
            take(next);
            left -= 1;
        }
        for _ in 0..left {
            take(within(world.deliveries.next()).await);
        }
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        world.works().await;
        is_done
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_consumer_and_not_waited_for_is_said_or_not() {
    cancel_at_each_await(async |cancel| {
        let world = World::new().await;
        let consumer = ConnectionId::new("ID:test:1").session(1).consumer(1);
        let link = LinkId(1);
        let said = cancel.run(world.transport.settled(link, consumer.clone(), -1)).await;
        let also = cancel.run(world.deliveries.settled(link, consumer, -1)).await;
        world.works().await;
        said.is_some() && also.is_some()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_closing_that_is_not_waited_for_goes_on_once_it_has_begun() {
    cancel_at_each_await(async |cancel| {
        let mut world = World::new().await;
        let closed = cancel.run(world.transport.close(DEADLINE)).await;
        if cancel.polls == 0 {
            world.works().await;
        } else {
            // The broker sees the end of the link.
            within(&mut world.serving).await.unwrap();
            let late = within(world.transport.request(message(1))).await;
            assert_eq!(late.unwrap_err(), RequestError::NotSent(GaveUp::Closed));
        }
        closed.is_some()
    })
    .await;
}
