//! What brokers keep: queues of messages, and the last number stored of each producer.

use std::collections::BTreeMap;

use rewire_protocol::Message;

use crate::seen::MessageKey;

/// A consumer, by the link it is on, its session and its number there.
pub(crate) type Consumer = (usize, i64, i64);

/// A producer, by its client, its session and its number there.
type Producer = (usize, i64, i64);

/// What one broker, or a master and its slaves, keep.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// The broker that works on it.
    pub(crate) owner: Option<usize>,
    pub(crate) queues: Vec<Vec<Held>>,
    last: BTreeMap<Producer, i64>,
    /// The number of the message stored last.
    stored: i64,
    /// How often something was given to a consumer.
    given: u64,
}

/// A copy of a message in a queue.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) key: MessageKey,
    pub(crate) message: Message,
    /// How often it was given to a consumer that then went away.
    pub(crate) redelivered: i32,
    /// Who has it now.
    pub(crate) given_to: Option<Consumer>,
    /// Its place among all that was given.
    given_as: u64,
}

/// What a broker is told that a consumer was handed out, when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandedOut {
    /// It may have been all. Java: `RemoveInfo.LAST_DELIVERED_UNKNOWN`.
    Unknown,
    /// What was given up to the message of this number, if the consumer has it still.
    UpTo(i64),
}

impl Store {
    /// Whether a persistent message of this number was stored before, as ActiveMQ judges after a
    /// failover: by the last number of its producer.
    pub(crate) fn knows(&self, key: MessageKey) -> bool {
        self.last.get(&producer(key)).is_some_and(|last| key.sequence <= *last)
    }

    pub(crate) fn put(&mut self, queue: usize, key: MessageKey, mut message: Message) {
        if message.persistent {
            let last = self.last.entry(producer(key)).or_default();
            *last = key.sequence.max(*last);
        }
        self.stored += 1;
        if let Some(id) = &mut message.message_id {
            id.broker_sequence_id = self.stored;
        }
        let held = Held { key, message, redelivered: 0, given_to: None, given_as: 0 };
        self.queue(queue).push(held);
    }

    pub(crate) fn queue(&mut self, queue: usize) -> &mut Vec<Held> {
        if self.queues.len() <= queue {
            self.queues.resize_with(queue + 1, Vec::new);
        }
        &mut self.queues[queue]
    }

    /// Takes out what a consumer was given and is done with.
    pub(crate) fn take(&mut self, queue: usize, key: MessageKey, consumer: Consumer) -> bool {
        let queue = self.queue(queue);
        let given =
            queue.iter().position(|held| held.key == key && held.given_to == Some(consumer));
        given.map(|place| queue.remove(place)).is_some()
    }

    /// Notes that a message of a queue was given to a consumer.
    pub(crate) fn give(&mut self, queue: usize, place: usize, consumer: Consumer) -> &Held {
        self.given += 1;
        let held = &mut self.queues[queue][place];
        held.given_to = Some(consumer);
        held.given_as = self.given;
        held
    }

    /// What these consumers were given is to be given again, marked as far as they have seen it.
    ///
    /// Java: `Queue.removeSubscription`. When the message handed out last is not among those that wait to
    /// be acknowledged, nothing is marked.
    pub(crate) fn give_back(&mut self, handed_out: HandedOut, from: impl Fn(Consumer) -> bool) {
        let mut last: BTreeMap<Consumer, u64> = BTreeMap::new();
        for held in self.queues.iter().flatten() {
            if let Some(consumer) = held.given_to
                && HandedOut::UpTo(held.sequence()) == handed_out
            {
                last.insert(consumer, held.given_as);
            }
        }
        for held in self.queues.iter_mut().flatten() {
            let Some(consumer) = held.given_to.filter(|consumer| from(*consumer)) else { continue };
            held.given_to = None;
            let is_seen = match handed_out {
                HandedOut::Unknown => true,
                HandedOut::UpTo(_) => {
                    last.get(&consumer).is_some_and(|last| held.given_as <= *last)
                }
            };
            held.redelivered += i32::from(is_seen);
        }
    }

    /// Loses what was only in memory.
    pub(crate) fn lose_memory(&mut self) -> Vec<MessageKey> {
        self.give_back(HandedOut::Unknown, |_| true);
        let mut lost = Vec::new();
        for queue in &mut self.queues {
            queue.retain(|held| {
                if !held.message.persistent {
                    lost.push(held.key);
                }
                held.message.persistent
            });
        }
        lost
    }
}

impl Held {
    /// The broker's number of the message.
    fn sequence(&self) -> i64 {
        self.message.message_id.as_ref().map_or(0, |id| id.broker_sequence_id)
    }
}

const fn producer(key: MessageKey) -> Producer {
    (key.client, key.session, key.producer)
}
