//! `Topic`: who gets a copy of each message, and what was sent last.

use std::collections::VecDeque;

use rewire_protocol::{ConnectionId, Destination};

use super::config::BrokerLimits;
use super::io::body_bytes;
use super::keys::{QueueKey, SubKey};
use super::reference::Reference;

/// A topic and its subscribers.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) destination: Destination,
    /// The connection it belongs to, if it is temporary.
    pub(super) owner: Option<ConnectionId>,
    pub(super) consumers: Vec<SubKey>,
    pub(super) durables: Vec<QueueKey>,
    /// Queues that are subscriptions to this virtual topic.
    pub(super) virtual_queues: Vec<QueueKey>,
    /// How many producers have said that they send to it.
    pub(super) producers: usize,
    /// Bytes of what waits for its consumers.
    pub(super) bytes: usize,
    pub(super) recent: Recent,
}

/// The last messages of a topic, for retroactive consumers.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) messages: VecDeque<Reference>,
    pub(super) bytes: usize,
}

impl Recent {
    /// Remembers a message, and forgets older ones for it. `all` is what all topics remember together.
    pub(super) fn add(&mut self, reference: &Reference, limits: &BrokerLimits, all: &mut usize) {
        let bytes = body_bytes(&reference.message);
        while let Some(oldest) = self.messages.front()
            && (self.messages.len() >= limits.recent_messages
                || self.bytes + bytes > limits.recent_bytes
                || *all + bytes > limits.all_recent_bytes)
        {
            let bytes = body_bytes(&oldest.message);
            self.bytes = self.bytes.saturating_sub(bytes);
            *all = all.saturating_sub(bytes);
            self.messages.pop_front();
        }
        let has_room = limits.recent_messages > 0
            && self.bytes + bytes <= limits.recent_bytes
            && *all + bytes <= limits.all_recent_bytes;
        if has_room {
            self.bytes += bytes;
            *all += bytes;
            self.messages.push_back(reference.clone());
        }
    }
}

impl Topic {
    pub(super) fn new(destination: Destination, owner: Option<ConnectionId>) -> Self {
        Self {
            destination,
            owner,
            consumers: Vec::new(),
            durables: Vec::new(),
            virtual_queues: Vec::new(),
            producers: 0,
            bytes: 0,
            recent: Recent::default(),
        }
    }
}
