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
}

impl Store {
    /// Whether a persistent message of this number was stored before, as ActiveMQ judges after a
    /// failover: by the last number of its producer.
    pub(crate) fn knows(&self, key: MessageKey) -> bool {
        self.last.get(&producer(key)).is_some_and(|last| key.sequence <= *last)
    }

    pub(crate) fn put(&mut self, queue: usize, key: MessageKey, message: Message) {
        if message.persistent {
            let last = self.last.entry(producer(key)).or_default();
            *last = key.sequence.max(*last);
        }
        let held = Held { key, message, redelivered: 0, given_to: None };
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

    /// What these consumers were given is to be given again.
    pub(crate) fn give_back(&mut self, from: impl Fn(Consumer) -> bool) {
        for held in self.queues.iter_mut().flatten() {
            if held.given_to.is_some_and(&from) {
                held.given_to = None;
                held.redelivered += 1;
            }
        }
    }

    /// Loses what was only in memory.
    pub(crate) fn lose_memory(&mut self) -> Vec<MessageKey> {
        self.give_back(|_| true);
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

const fn producer(key: MessageKey) -> Producer {
    (key.client, key.session, key.producer)
}
