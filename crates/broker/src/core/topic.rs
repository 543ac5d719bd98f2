//! `Topic`: who gets a copy of each message.

use rewire_protocol::{ConnectionId, Destination};

use super::keys::{QueueKey, SubKey};

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
}

impl Topic {
    pub(super) const fn new(destination: Destination, owner: Option<ConnectionId>) -> Self {
        Self {
            destination,
            owner,
            consumers: Vec::new(),
            durables: Vec::new(),
            virtual_queues: Vec::new(),
            producers: 0,
            bytes: 0,
        }
    }
}
