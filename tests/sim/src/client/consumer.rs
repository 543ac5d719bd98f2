//! A consumer of an application: what waits for it, what is in its hands, and whether the link that sent it
//! is being left. It does what the client crate does.

use std::collections::VecDeque;

use rewire_failover::core::LinkId;
use rewire_protocol::{ConsumerId, Destination, MessageId};

use crate::seen::MessageKey;

/// A message that a consumer was sent.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) link: LinkId,
    pub(crate) consumer: ConsumerId,
    pub(crate) destination: Option<Destination>,
    pub(crate) message: MessageId,
    pub(crate) key: MessageKey,
    pub(crate) redelivered: i32,
    /// Whether the application was told that the link is gone.
    pub(crate) is_gone: bool,
}

/// A consumer has done with all it got over a link.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) link: LinkId,
    pub(crate) last_delivered: i64,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) is_there: bool,
    /// What was not handed out yet.
    queue: VecDeque<Delivery>,
    /// How many messages it has in its hands at a time.
    hands: u32,
    held: u32,
    /// The link that sent what is held.
    link: Option<LinkId>,
    last_delivered: i64,
    /// The link that is being left, from which no more is taken.
    left: Option<LinkId>,
    /// The link that is being left and was not settled yet.
    unsettled: Option<LinkId>,
}

/// Java: `RemoveInfo.LAST_DELIVERED_UNSET`.
pub(crate) const NONE_DELIVERED: i64 = -1;

impl Consumer {
    pub(crate) const fn new(hands: u32) -> Self {
        Self {
            is_there: false,
            queue: VecDeque::new(),
            hands,
            held: 0,
            link: None,
            last_delivered: NONE_DELIVERED,
            left: None,
            unsettled: None,
        }
    }

    pub(crate) fn push(&mut self, delivery: Delivery) {
        if self.left != Some(delivery.link) {
            self.queue.push_back(delivery);
        }
    }

    /// Hands out the next message, if there is one and a hand is free.
    pub(crate) fn take(&mut self) -> Option<Delivery> {
        let next = self.queue.front()?;
        if self.link.replace(next.link) != Some(next.link) {
            self.held = 0;
        }
        if self.held >= self.hands {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.held += 1;
        self.last_delivered = next.message.broker_sequence_id;
        Some(next)
    }

    /// A message that came over this link is done.
    pub(crate) fn put_down(&mut self, link: LinkId) -> Option<Settled> {
        if self.link != Some(link) {
            return None;
        }
        self.held = self.held.saturating_sub(1);
        self.settle()
    }

    /// The link is being left: drops what was not handed out.
    pub(crate) fn leave(&mut self, link: LinkId) -> Option<Settled> {
        self.queue.clear();
        self.left = Some(link);
        self.unsettled = Some(link);
        self.settle()
    }

    /// The link is gone, and what it sent comes again.
    pub(crate) fn clear(&mut self) {
        *self = Self { is_there: self.is_there, ..Self::new(self.hands) };
    }

    /// The broker's number of the message handed out last.
    pub(crate) const fn last_delivered(&self) -> i64 {
        self.last_delivered
    }

    fn settle(&mut self) -> Option<Settled> {
        if self.held > 0 {
            return None;
        }
        let link = self.unsettled.take()?;
        Some(Settled { link, last_delivered: self.last_delivered })
    }
}
