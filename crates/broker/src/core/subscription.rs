//! `Subscription`: a consumer, what it may still be sent, and what it has not acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{ConsumerId, ConsumerInfo, Message};

use super::io::{Dispatch, LinkId, Outgoing, Output};
use super::keys::{ConnectionKey, QueueKey, SubKey, TopicKey};
use super::pages::Stub;
use super::policies::MessageEvictionStrategy;
use super::reference::{Dispatched, Reference};
use crate::selector::Selector;

/// A consumer.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) key: SubKey,
    pub(super) connection: ConnectionKey,
    pub(super) link: LinkId,
    pub(super) consumer_id: ConsumerId,
    pub(super) info: Box<ConsumerInfo>,
    pub(super) selector: Option<Selector>,
    pub(super) window: Window,
    /// Whether its link has enough to write, or its request is not answered yet.
    pub(super) stalled: bool,
    /// Whether it gets more when it has said that something was delivered.
    pub(super) extends: bool,
    /// The queues it takes from.
    pub(super) seats: Vec<Seat>,
    /// The queue that is asked first, next time.
    pub(super) next_seat: usize,
    pub(super) topics: Vec<TopicKey>,
    /// What it was sent from queues and has not acknowledged, in order.
    pub(super) dispatched: VecDeque<Dispatched>,
    pub(super) stream: Stream,
    /// How many messages it was ever sent.
    pub(super) deliveries: u64,
}

/// How many messages a consumer may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// So many may be unacknowledged, and so many more as it has said to have been delivered.
    Prefetch { size: usize, extension: usize },
    /// Those it has asked for, and how long it waits.
    Pull { wanted: usize, until: Until },
}

/// How long a consumer waits for a message that it has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// For ever.
    Endless,
    Deadline(Instant),
    /// Until what may be for it is read from the store.
    Read,
}

/// A consumer's place at a queue.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) queue: QueueKey,
    /// Before which place of the queue it has looked at everything.
    pub(super) cursor: u64,
    pub(super) gaze: Gaze,
}

/// How a consumer stands to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaze {
    /// There may be something for it.
    Looking,
    /// What it comes to next is being read from the store.
    Waiting,
    /// There is nothing for it: the queue has it in the list of those that wait for messages.
    Ready,
}

/// What a consumer gets from topics, or of a queue that it browses: it is sent once, and not kept.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) pending: VecDeque<Seen>,
    /// The queues that it is to browse when it begins.
    pub(super) browses: Option<Vec<QueueKey>>,
    /// How many of them, the first, are being read from the store.
    pub(super) reading: usize,
    pub(super) in_flight: usize,
    /// How many may wait, if that is limited, and which is dropped when there are more.
    pub(super) limit: Option<usize>,
    pub(super) eviction: MessageEvictionStrategy,
    /// How many were dropped.
    pub(super) discarded: usize,
    /// Whether more than it was sent ahead waits for it.
    pub(super) is_slow: bool,
    /// How many messages the consumer had been sent when it was last asked whether it takes any.
    pub(super) seen: u64,
    /// How many more a browser is shown, if that is limited.
    pub(super) left: Option<usize>,
    /// Whether its end is still to be told: that of browsing.
    pub(super) ends: bool,
}

/// A message that is to be sent once.
#[derive(Debug)]
pub(super) enum Seen {
    /// Of a topic; or of a queue, where it was seen.
    Here(Option<TopicKey>, Reference),
    /// Of a queue, at this place; only the store has it.
    There(QueueKey, u64, Stub),
}

impl Stream {
    /// Whether this is a browser that was shown as much as it may see.
    pub(super) fn has_seen_all(&self) -> bool {
        self.left == Some(0)
    }

    /// A browser was shown a message of a queue; it may have been the last that it may see.
    pub(super) fn note_browsed(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.has_seen_all() {
            self.pending.retain(|seen| matches!(seen, Seen::Here(Some(_), _)));
        }
    }

    /// Drops one of the messages that wait. Java: of the first thousand.
    pub(super) fn evict(&mut self) -> Option<Seen> {
        const LOOKED_AT: usize = 1000;
        let priority = |seen: &Seen| match seen {
            Seen::Here(_, reference) => reference.message.priority,
            Seen::There(..) => i8::MAX,
        };
        let first = self.pending.iter().take(LOOKED_AT).enumerate();
        let at = match self.eviction {
            MessageEvictionStrategy::OldestMessage => 0,
            MessageEvictionStrategy::OldestMessageWithLowestPriority => {
                first.min_by_key(|(at, seen)| (priority(seen), *at)).map_or(0, |(at, _)| at)
            }
        };
        self.discarded += 1;
        self.pending.remove(at)
    }
}

impl Window {
    pub(super) fn of_prefetch(prefetch: i32) -> Self {
        match usize::try_from(prefetch) {
            Ok(0) => Self::Pull { wanted: 0, until: Until::Endless },
            Ok(size) => Self::Prefetch { size, extension: 0 },
            // Java: a prefetch below 0 is none.
            Err(_) => Self::Prefetch { size: 0, extension: 0 },
        }
    }
}

impl Subscription {
    pub(super) fn has_room(&self) -> bool {
        let in_flight = self.dispatched.len() + self.stream.in_flight;
        !self.stalled
            && match self.window {
                Window::Prefetch { size, extension } => in_flight < size.saturating_add(extension),
                Window::Pull { wanted, .. } => wanted > 0,
            }
    }

    /// Whether the message is one of those it wants, leaving out whose turn it is.
    pub(super) fn selects(&self, message: &Message) -> bool {
        if message.target_consumer_id.as_ref().is_some_and(|target| *target != self.consumer_id) {
            return false;
        }
        if self.info.no_local && self.is_local(message) {
            return false;
        }
        self.selector.as_ref().is_none_or(|selector| selector.matches(message))
    }

    fn is_local(&self, message: &Message) -> bool {
        let producer = message.producer_id.as_ref();
        producer.is_some_and(|producer| producer.connection_id == self.consumer_id.connection_id)
    }

    /// Whether there are messages it does not want.
    pub(super) const fn is_choosy(&self) -> bool {
        self.selector.is_some() || self.info.no_local
    }

    pub(super) fn seat(&mut self, queue: QueueKey) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.queue == queue)
    }

    /// It is sent a message of a queue, and has it until it says what became of it.
    pub(super) fn dispatch(
        &mut self,
        queue: QueueKey,
        reference: Reference,
        outputs: &mut VecDeque<Output>,
    ) {
        self.send(&reference, outputs);
        let delivery = self.deliveries;
        self.dispatched.push_back(Dispatched { queue, reference, delivery });
    }

    /// It is sent a message that is not kept for it.
    pub(super) fn dispatch_once(&mut self, reference: &Reference, outputs: &mut VecDeque<Output>) {
        self.send(reference, outputs);
        self.stream.in_flight += 1;
    }

    fn send(&mut self, reference: &Reference, outputs: &mut VecDeque<Output>) {
        self.deliveries += 1;
        if let Window::Pull { wanted, until } = &mut self.window {
            *wanted = wanted.saturating_sub(1);
            *until = Until::Endless;
        }
        let dispatch = Dispatch {
            consumer_id: self.consumer_id.clone(),
            destination: reference.message.destination.clone(),
            message: Some(Arc::clone(&reference.message)),
            redelivery_counter: reference.redeliveries,
        };
        outputs.push_back(Output::Send(self.link, Outgoing::Dispatch(dispatch)));
    }

    /// It is told that there is nothing: the end of browsing, or that a pull found no message.
    pub(super) fn dispatch_nothing(&mut self, outputs: &mut VecDeque<Output>) {
        if let Window::Pull { wanted, until } = &mut self.window {
            (*wanted, *until) = (0, Until::Endless);
        }
        let dispatch = Dispatch {
            consumer_id: self.consumer_id.clone(),
            destination: None,
            message: None,
            redelivery_counter: 0,
        };
        outputs.push_back(Output::Send(self.link, Outgoing::Dispatch(dispatch)));
    }

    /// Whether something that may be for it is being read from the store.
    pub(super) fn is_waiting(&self) -> bool {
        self.seats.iter().any(|seat| seat.gaze == Gaze::Waiting)
    }

    /// It has asked for a message that is there, and all that was there was looked at.
    pub(super) fn end_pull_if_none(&mut self, outputs: &mut VecDeque<Output>) {
        if matches!(self.window, Window::Pull { until: Until::Read, .. }) && !self.is_waiting() {
            self.dispatch_nothing(outputs);
        }
    }

    /// So many messages count no more against its prefetch, though it has not acknowledged them.
    pub(super) const fn extend_window(&mut self, count: usize) {
        if let Window::Prefetch { extension, .. } = &mut self.window
            && self.extends
        {
            *extension = extension.saturating_add(count);
        }
    }

    /// So many messages are acknowledged, and what they extended the window by is over.
    pub(super) const fn contract_window(&mut self, count: usize) {
        if let Window::Prefetch { extension, .. } = &mut self.window {
            *extension = extension.saturating_sub(count);
        }
    }
}
