//! A bounded queue from the router to one consumer, which the router may empty.
//!
//! A channel would do, but for the emptying: what a dead link dispatched must go at once, or a consumer
//! that is not read would gather a window of messages with each failover. What does not come again, of
//! a topic without a durable subscription, is kept instead.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rewire_failover::core::LinkId;
use rewire_protocol::{Destination, Message};

use super::hands::{Hands, Settled};
use crate::error::Error;

/// A message on its way to the application.
#[derive(Clone, Debug)]
pub(crate) struct Dispatched {
    pub(crate) link: LinkId,
    pub(crate) message: Box<Message>,
    pub(crate) redelivery_counter: i32,
    /// Its place in the order of dispatch; given by the buffer.
    pub(crate) number: u64,
    /// Whether it was handed out before, from here.
    pub(crate) is_again: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Rises each time the queue is emptied; what was taken out before is stale then.
    generation: AtomicU64,
    pub(crate) hands: Hands,
    /// What it is from.
    destination: Destination,
    /// Whether a broker sends again what was not acknowledged.
    comes_again: bool,
    /// Whether what is handed out again holds nothing up, and comes last.
    redelivers_as_last: bool,
    /// Whether something was put back, which comes before what was taken out in one batch with it.
    has_returned: AtomicBool,
    /// How many redeliveries hold up what comes after them. Changes under the lock.
    holds: AtomicU32,
    /// Whether the consumer is gone, so that nothing is handed out again.
    is_abandoned: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Dispatched>,
    /// The number of the next message.
    next: u64,
    /// Put back, to come first; in the order of dispatch.
    returned: VecDeque<Dispatched>,
    pull: Pull,
    /// The link that is being left, from which no more is taken.
    leaving: Option<LinkId>,
    prefetch: u32,
    limit: usize,
    reader: Option<Waker>,
    end: Option<End>,
}

/// Of a consumer with a prefetch of zero: whether it has asked the broker for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pull {
    /// The broker sends without being asked.
    Never,
    Closed,
    Open,
    /// The broker said that there is none.
    Empty,
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
    /// What was asked for is not there.
    Nothing,
    End(Option<Error>),
}

impl Buffer {
    /// A buffer for a consumer with this prefetch. It has room for twice as many, because a broker counts
    /// what was acknowledged while it was on its way.
    pub(crate) fn new(destination: Destination, prefetch: u32, comes_again: bool) -> Self {
        let state = State {
            queue: VecDeque::new(),
            next: 0,
            returned: VecDeque::new(),
            pull: if prefetch == 0 { Pull::Closed } else { Pull::Never },
            leaving: None,
            prefetch,
            limit: limit(prefetch),
            reader: None,
            end: None,
        };
        Self {
            generation: AtomicU64::new(0),
            hands: Hands::default(),
            destination,
            comes_again,
            redelivers_as_last: false,
            has_returned: AtomicBool::new(false),
            holds: AtomicU32::new(0),
            is_abandoned: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// The same, whose redeliveries hold nothing up if this is so.
    pub(crate) const fn redelivering_as_last(mut self, as_last: bool) -> Self {
        self.redelivers_as_last = as_last;
        self
    }

    /// Adds a message; false when there is no room.
    pub(crate) fn push(&self, mut dispatched: Dispatched) -> bool {
        let mut state = self.lock();
        // What comes after the end is nobody's.
        let is_unwanted = state.leaving == Some(dispatched.link) && self.comes_again;
        if is_unwanted || state.end.is_some() {
            return true;
        }
        if state.queue.len() >= state.limit {
            return false;
        }
        dispatched.number = state.next;
        state.next += 1;
        state.queue.push_back(dispatched);
        if state.pull != Pull::Never {
            state.pull = Pull::Closed;
        }
        state.wake();
        true
    }

    /// Whether a broker sends again what was not acknowledged.
    pub(crate) const fn comes_again(&self) -> bool {
        self.comes_again
    }

    /// Whether what is handed out again holds nothing up, and comes last.
    pub(crate) const fn redelivers_as_last(&self) -> bool {
        self.redelivers_as_last
    }

    /// The destination it is from.
    pub(crate) const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Puts back what was taken out in this generation, to be handed out again: before what was dispatched
    /// after it, or as the last. It goes if the buffer was emptied since.
    pub(crate) fn put_back(&self, generation: u64, messages: Vec<Dispatched>, as_last: bool) {
        let mut state = self.lock();
        if self.generation.load(Ordering::Acquire) != generation {
            return;
        }
        if as_last {
            state.queue.extend(messages);
        } else {
            insert_by_number(&mut state.returned, messages);
            self.has_returned.store(true, Ordering::Release);
        }
        state.wake();
    }

    /// Hands nothing out until it is [let go](Self::let_go) as often as it was held.
    pub(crate) fn hold(&self) {
        let _state = self.lock();
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    /// See [`hold`](Self::hold).
    pub(crate) fn let_go(&self) {
        let mut state = self.lock();
        self.holds.fetch_sub(1, Ordering::Relaxed);
        state.wake();
    }

    /// The consumer is gone.
    pub(crate) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Relaxed);
    }

    /// Whether the consumer is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    /// Whether a message is to be asked for now; then it is taken to be.
    pub(crate) fn begin_pull(&self) -> bool {
        let mut state = self.lock();
        let is_wanted = state.pull == Pull::Closed
            && state.queue.is_empty()
            && state.returned.is_empty()
            && self.holds.load(Ordering::Relaxed) == 0
            && state.end.is_none();
        if is_wanted {
            state.pull = Pull::Open;
        }
        is_wanted
    }

    /// The broker sent a dispatch without a message: a pull found none, or a browser has seen all.
    pub(crate) fn on_empty_dispatch(&self) {
        let mut state = self.lock();
        match state.pull {
            Pull::Never => {
                state.end.get_or_insert(None);
            }
            Pull::Open => state.pull = Pull::Empty,
            Pull::Closed | Pull::Empty => return,
        }
        state.wake();
    }

    /// The link is gone: drops all that was not handed out and comes again.
    pub(crate) fn empty(&self) {
        self.hands.clear();
        let mut state = self.lock();
        state.leaving = None;
        if self.comes_again {
            state.queue.clear();
            state.returned.clear();
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
            state.returned.clear();
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

    /// Hands out nothing more, also nothing of what is there: the broker has it again when all is closed.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        state.queue.clear();
        state.returned.clear();
        self.generation.fetch_add(1, Ordering::Release);
        state.end.get_or_insert(None);
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
        if self.holds.load(Ordering::Relaxed) > 0 {
            let mut state = self.lock();
            // When all has ended nothing is waited for.
            if self.holds.load(Ordering::Relaxed) > 0 && state.end.is_none() {
                state.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        if self.has_returned.load(Ordering::Acquire) {
            self.take_returned(batch);
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
        if state.pull == Pull::Empty {
            state.pull = Pull::Closed;
            return Poll::Ready(Next::Nothing);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes what was put back, before what the batch has.
    fn take_returned(&self, batch: &mut Batch) {
        let mut state = self.lock();
        let generation = self.generation.load(Ordering::Acquire);
        if batch.generation != generation {
            batch.queue.clear();
            batch.generation = generation;
        }
        self.has_returned.store(false, Ordering::Release);
        insert_by_number(&mut batch.queue, std::mem::take(&mut state.returned));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts messages, which are in the order of their numbers, each before the first with a higher one.
fn insert_by_number(
    queue: &mut VecDeque<Dispatched>,
    messages: impl IntoIterator<Item = Dispatched, IntoIter: DoubleEndedIterator>,
) {
    for message in messages.into_iter().rev() {
        let later = queue.iter().position(|other| other.number > message.number);
        queue.insert(later.unwrap_or(queue.len()), message);
    }
}

impl Batch {
    /// Of the buffer when what is in it was taken out.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
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
    // A pull may be answered twice when one was given up.
    2 * if prefetch == 0 { 1 } else { prefetch as usize } + 1
}

#[cfg(test)]
mod tests;
