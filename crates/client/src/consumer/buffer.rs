//! A bounded queue from the router to one consumer, which the router may empty.
//!
//! A channel would do, but for the emptying: what a dead link dispatched must go at once, or a consumer
//! that is not read would gather a window of messages with each failover. What does not come again, of
//! a topic without a durable subscription, is kept instead.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rewire_failover::core::LinkId;
use rewire_protocol::Message;

use super::hands::{Hands, Settled};
use crate::error::Error;

/// A message on its way to the application.
#[derive(Debug)]
pub(crate) struct Dispatched {
    pub(crate) link: LinkId,
    pub(crate) message: Box<Message>,
    pub(crate) redelivery_counter: i32,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Rises each time the queue is emptied; what was taken out before is stale then.
    generation: AtomicU64,
    pub(crate) hands: Hands,
    /// Whether a broker sends again what was not acknowledged.
    comes_again: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Dispatched>,
    /// The link that is being left, from which no more is taken.
    leaving: Option<LinkId>,
    prefetch: u32,
    limit: usize,
    reader: Option<Waker>,
    end: Option<End>,
}

/// No more comes; with an error, or all was there.
type End = Option<Error>;

/// What a consumer takes out at once.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    generation: u64,
    queue: VecDeque<Dispatched>,
}

/// What there is for a consumer.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Dispatched),
    End(Option<Error>),
}

impl Buffer {
    /// A buffer for a consumer with this prefetch. It has room for twice as many, because a broker counts
    /// what was acknowledged while it was on its way.
    pub(crate) fn new(prefetch: u32, comes_again: bool) -> Self {
        let state = State {
            queue: VecDeque::new(),
            leaving: None,
            prefetch,
            limit: limit(prefetch),
            reader: None,
            end: None,
        };
        let generation = AtomicU64::new(0);
        Self { generation, hands: Hands::default(), comes_again, state: Mutex::new(state) }
    }

    /// Adds a message; false when there is no room.
    pub(crate) fn push(&self, dispatched: Dispatched) -> bool {
        let mut state = self.lock();
        if state.leaving == Some(dispatched.link) && self.comes_again {
            return true;
        }
        if state.queue.len() >= state.limit {
            return false;
        }
        state.queue.push_back(dispatched);
        state.wake();
        true
    }

    /// The link is gone: drops all that was not handed out and comes again.
    pub(crate) fn empty(&self) {
        self.hands.clear();
        let mut state = self.lock();
        state.leaving = None;
        if self.comes_again {
            state.queue.clear();
            self.generation.fetch_add(1, Ordering::Release);
        } else {
            // What is kept has a place beside what the next broker sends.
            let window = state.prefetch as usize;
            let dropped = state.queue.len().saturating_sub(window);
            if dropped > 0 {
                tracing::warn!(dropped, "a topic's messages were not read in time, and are lost");
                state.queue.truncate(window);
            }
        }
    }

    /// The link is being left: takes no more from it, and drops what was not handed out and comes again.
    pub(crate) fn leave(&self, link: LinkId) -> Option<Settled> {
        let mut state = self.lock();
        state.leaving = Some(link);
        if self.comes_again {
            state.queue.clear();
            self.generation.fetch_add(1, Ordering::Release);
        }
        let settled = self.hands.leave(link);
        // Whoever waits for a message may have something to settle.
        state.wake();
        settled
    }

    /// No more comes. What is there still does, and the first end counts.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        state.wake();
    }

    /// The broker has changed the prefetch.
    pub(crate) fn set_prefetch(&self, prefetch: u32) {
        let mut state = self.lock();
        state.prefetch = prefetch;
        state.limit = state.limit.max(limit(prefetch));
    }

    pub(crate) fn prefetch(&self) -> u32 {
        self.lock().prefetch
    }

    /// The next message, out of the batch or a new one.
    pub(crate) fn poll_next(&self, batch: &mut Batch, cx: &Context<'_>) -> Poll<Next> {
        let generation = self.generation.load(Ordering::Acquire);
        if batch.generation != generation {
            batch.queue.clear();
        }
        if let Some(dispatched) = batch.queue.pop_front() {
            return Poll::Ready(Next::Message(dispatched));
        }
        let mut state = self.lock();
        // Under the lock, where it cannot change.
        batch.generation = self.generation.load(Ordering::Acquire);
        std::mem::swap(&mut batch.queue, &mut state.queue);
        if let Some(dispatched) = batch.queue.pop_front() {
            return Poll::Ready(Next::Message(dispatched));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(Next::End(end.clone()));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

const fn limit(prefetch: u32) -> usize {
    2 * prefetch as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(priority: i8) -> Dispatched {
        let message = Box::new(Message { priority, ..Message::default() });
        Dispatched { link: crate::tests::link(1), message, redelivery_counter: 0 }
    }

    fn take(buffer: &Buffer, batch: &mut Batch) -> Option<i8> {
        match buffer.poll_next(batch, &Context::from_waker(Waker::noop())) {
            Poll::Ready(Next::Message(dispatched)) => Some(dispatched.message.priority),
            Poll::Ready(Next::End(_)) | Poll::Pending => None,
        }
    }

    #[test]
    fn what_was_taken_out_but_not_handed_out_goes_when_the_buffer_is_emptied() {
        let (buffer, mut batch) = (Buffer::new(10, true), Batch::default());
        assert!(buffer.push(message(1)) && buffer.push(message(2)));
        assert_eq!(take(&buffer, &mut batch), Some(1));
        buffer.empty();
        assert!(buffer.push(message(3)));
        assert_eq!(take(&buffer, &mut batch), Some(3));
        assert_eq!(take(&buffer, &mut batch), None);
    }

    #[test]
    fn what_does_not_come_again_is_kept_when_the_link_is_gone() {
        let (buffer, mut batch) = (Buffer::new(2, false), Batch::default());
        for n in 0..3 {
            assert!(buffer.push(message(n)));
        }
        assert!(buffer.leave(crate::tests::link(1)).is_some());
        assert!(buffer.push(message(3)));
        buffer.empty();
        // Two windows are not kept, or a consumer that is not read would gather one with each failover.
        assert_eq!(take(&buffer, &mut batch), Some(0));
        assert_eq!(take(&buffer, &mut batch), Some(1));
        assert_eq!(take(&buffer, &mut batch), None);
    }

    #[test]
    fn nothing_more_is_taken_from_a_link_that_is_being_left() {
        let (buffer, mut batch) = (Buffer::new(10, true), Batch::default());
        assert!(buffer.push(message(1)));
        assert!(buffer.leave(crate::tests::link(1)).is_some());
        assert!(buffer.push(message(2)));
        assert_eq!(take(&buffer, &mut batch), None);
        buffer.empty();
        assert!(buffer.push(message(3)));
        assert_eq!(take(&buffer, &mut batch), Some(3));
    }

    #[test]
    fn there_is_room_for_two_windows_and_no_more() {
        let buffer = Buffer::new(1, true);
        for n in 0..3 {
            assert!(buffer.push(message(n)));
        }
        assert!(!buffer.push(message(3)));
    }

    #[test]
    fn an_end_comes_after_what_was_there() {
        let (buffer, mut batch) = (Buffer::new(1, true), Batch::default());
        buffer.push(message(1));
        buffer.end(None);
        assert_eq!(take(&buffer, &mut batch), Some(1));
        let end = buffer.poll_next(&mut batch, &Context::from_waker(Waker::noop()));
        assert!(matches!(end, Poll::Ready(Next::End(None))));
    }
}
