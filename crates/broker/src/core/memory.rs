//! `Memory`: how much messages take, and who waits until there is room.

use std::collections::VecDeque;

use rewire_protocol::Message;

use super::BrokerCore;
use super::io::{Event, LinkId, Output};
use super::reference::size;

/// The memory all messages take together, and the links whose messages wait for some.
#[derive(Debug)]
pub(super) struct Memory {
    used: usize,
    limit: usize,
    of_destination: usize,
    /// Links that hold messages back, in the order in which they began to.
    waiting: VecDeque<LinkId>,
    /// Whether some was freed since those that wait were last looked at.
    freed: bool,
}

impl Memory {
    pub(super) const fn new(limit: usize, of_destination: usize) -> Self {
        Self { used: 0, limit, of_destination, waiting: VecDeque::new(), freed: false }
    }

    #[cfg(feature = "testkit")]
    pub(super) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.freed = true;
    }

    pub(super) const fn used(&self) -> usize {
        self.used
    }

    pub(super) const fn take(&mut self, size: usize) {
        self.used = self.used.saturating_add(size);
    }

    /// Whether what need not be in memory should not be.
    pub(super) const fn is_pressed(&self) -> bool {
        self.used >= self.limit / 2
    }

    /// Lets those that wait be looked at.
    pub(super) const fn recheck(&mut self) {
        self.freed = true;
    }

    pub(super) const fn free(&mut self, size: usize) {
        self.used = self.used.saturating_sub(size);
        self.freed = true;
    }

    /// Whether a message for a destination that has so much has to wait. One message passes the limit, so
    /// that a limit below the size of a message does not hold it for ever.
    const fn is_full(&self, of_destination: usize, limit: usize) -> bool {
        self.used >= self.limit || of_destination >= limit
    }
}

impl BrokerCore {
    /// Whether a message has to wait for memory. Transactions are taken in and counted by themselves.
    pub(super) fn has_to_wait(&self, message: &Message) -> bool {
        let Some(destination) = &message.destination else { return false };
        if self.find_stored(message) {
            // The store takes it, and memory holds no more of its queue than a page.
            return self.memory.is_full(0, usize::MAX)
                || self.unstored.bytes() >= self.config.limits.unstored_memory;
        }
        let (bytes, policy) = match (
            self.destinations.find_queue(destination),
            self.destinations.find_topic(destination),
        ) {
            (Some(queue), _) => (queue.bytes, &queue.policy),
            (None, Some(topic)) => (topic.bytes, &topic.policy),
            (None, None) => return self.memory.is_full(0, usize::MAX),
        };
        let limit = if policy.producer_flow_control {
            policy.memory_limit.unwrap_or(self.memory.of_destination)
        } else {
            usize::MAX
        };
        self.memory.is_full(bytes, limit)
    }

    /// Whether the queue that a message goes to has it in the store.
    fn find_stored(&self, message: &Message) -> bool {
        let queue = message.destination.as_ref().and_then(|to| self.destinations.find_queue(to));
        queue.is_some_and(|queue| self.is_stored(queue.key, message))
    }

    /// Keeps a message until there is memory. The link goes on to be read, for what else it says, until
    /// too much is kept.
    pub(super) fn hold(&mut self, link: LinkId, message: Box<Message>) {
        let Some(entry) = self.registry.links.get_mut(&link) else { return };
        if entry.held.is_empty() {
            self.memory.waiting.push_back(link);
            let peer = entry.peer.clone();
            self.outputs.push_back(Output::Event(Event::MemoryFull { peer }));
        }
        entry.held_bytes += size(&message);
        entry.held.push_back(message);
        if entry.held_bytes > self.config.limits.held_bytes && !entry.paused {
            entry.paused = true;
            self.outputs.push_back(Output::Pause(link));
        }
    }

    /// Lets those go on for whom there is memory now.
    pub(super) fn release_held(&mut self) {
        if !std::mem::take(&mut self.memory.freed) || self.memory.waiting.is_empty() {
            return;
        }
        for _ in 0..self.memory.waiting.len() {
            let Some(link) = self.memory.waiting.pop_front() else { return };
            if !self.release(link, false) {
                self.memory.waiting.push_back(link);
            }
        }
    }

    /// Lets the messages go on that a link holds back, all of them when it is forced. Whether none is
    /// left.
    pub(super) fn release(&mut self, link: LinkId, force: bool) -> bool {
        while let Some(entry) = self.registry.links.get(&link) {
            let Some(message) = entry.held.front() else { break };
            if !force && self.has_to_wait(message) {
                return false;
            }
            let Some(entry) = self.registry.links.get_mut(&link) else { break };
            let Some(message) = entry.held.pop_front() else { break };
            entry.held_bytes = entry.held_bytes.saturating_sub(size(&message));
            self.take_in(link, message);
        }
        if let Some(entry) = self.registry.links.get_mut(&link)
            && std::mem::take(&mut entry.paused)
        {
            self.outputs.push_back(Output::Resume(link));
        }
        true
    }
}
