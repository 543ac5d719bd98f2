//! `Reference`: one place where a message waits; the message itself is shared.

use std::sync::Arc;

use rewire_protocol::{Message, MessageId};

use super::io::body_bytes;
use super::keys::QueueKey;

/// What a message counts beside its body and properties, unless a policy says otherwise. Java: the same.
pub(super) const LEAST: u16 = 1024;
pub(super) const MESSAGE_OVERHEAD: usize = LEAST as usize;
/// The part of a place in a queue that is the number of the message; above it stands its priority.
pub(super) const SEQUENCES: u64 = (1 << 60) - 1;

/// A message in a queue, or for a subscriber.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) message: Arc<Message>,
    /// Its number at the broker.
    pub(super) sequence: u64,
    /// How often it was delivered before.
    pub(super) redeliveries: i32,
    /// What it counts beside its body and properties.
    pub(super) least: u16,
    /// Whether the store has it in this place.
    pub(super) stored: bool,
}

impl Reference {
    pub(super) fn new(message: Arc<Message>, sequence: u64, stored: bool) -> Self {
        let redeliveries = message.redelivery_counter;
        Self { message, sequence, redeliveries, least: LEAST, stored }
    }

    /// The same, which counts so much beside its body and properties.
    pub(super) fn at_least(self, least: u16) -> Self {
        Self { least, ..self }
    }

    /// Where it stands in a queue: the lowest goes first.
    pub(super) fn order(&self, prioritized: bool) -> u64 {
        order(self.message.priority, self.sequence, prioritized)
    }

    pub(super) fn size(&self) -> usize {
        usize::from(self.least) + body_bytes(&self.message)
    }

    pub(super) fn is_expired(&self, unix_ms: i64) -> bool {
        is_expired(&self.message, unix_ms)
    }

    pub(super) fn is(&self, id: &MessageId) -> bool {
        self.message.message_id.as_ref().is_some_and(|own| is_same(own, id))
    }
}

/// Where a message stands in a queue: the lowest goes first.
pub(super) fn order(priority: i8, sequence: u64, prioritized: bool) -> u64 {
    let priority = if prioritized { priority.clamp(0, 9) } else { 0 };
    (u64::from((9 - priority).unsigned_abs()) << 60) | sequence
}

/// What a message counts against the limits of memory.
pub(super) fn size(message: &Message) -> usize {
    MESSAGE_OVERHEAD + body_bytes(message)
}

pub(super) const fn is_expired(message: &Message, unix_ms: i64) -> bool {
    message.expiration > 0 && message.expiration <= unix_ms
}

/// Java: messages are the same when producer and number are, whatever the broker has numbered them.
pub(super) fn is_same(a: &MessageId, b: &MessageId) -> bool {
    a.producer_sequence_id == b.producer_sequence_id
        && a.producer_id == b.producer_id
        && a.text_view == b.text_view
}

/// A message of a queue that is at a consumer.
#[derive(Debug)]
pub(super) struct Dispatched {
    pub(super) queue: QueueKey,
    pub(super) reference: Reference,
    /// In which order the consumer got them.
    pub(super) delivery: u64,
}
