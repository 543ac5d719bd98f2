//! `Memory`: how much messages take, and who waits until there is room.

use std::collections::VecDeque;
use std::sync::Arc;

use rewire_protocol::{ConsumerControl, ConsumerId, Message};

use super::error::{BrokerError, ErrorKind};
use super::io::{Event, LinkId, Output};
use super::keys::SubKey;
use super::policies::DestinationPolicy;
use super::reference::size;
use super::subscription::{Seen, Subscription};
use super::timers::Timer;
use super::{BrokerCore, after};

/// `RemoveInfo`: nothing was delivered.
pub(super) const NOT_DELIVERED: i64 = -1;
/// The part of the limit that what cannot wait may go beyond it: messages of transactions, and of
/// connections that are over.
const SLACK: usize = 4;

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
    /// Whether consumers that take nothing are about to be looked for.
    watched: bool,
}

impl Memory {
    pub(super) const fn new(limit: usize, of_destination: usize) -> Self {
        Self {
            used: 0,
            limit,
            of_destination,
            waiting: VecDeque::new(),
            freed: false,
            watched: false,
        }
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

    /// Whether even what cannot wait is more than there is room for.
    pub(super) const fn is_exhausted(&self, of_destination: usize, limit: usize) -> bool {
        self.used >= self.limit.saturating_add(self.limit / SLACK)
            || of_destination >= limit.saturating_add(limit / SLACK)
    }
}

impl BrokerCore {
    /// Whether a message has to wait for memory. Transactions are taken in and counted by themselves.
    pub(super) fn has_to_wait(&self, message: &Message) -> bool {
        if message.destination.is_none() {
            return false;
        }
        let is_behind = || self.unstored.bytes() >= self.config.limits.unstored_memory;
        let (bytes, limit) = self.room(message);
        self.memory.is_full(bytes, limit) || self.find_stored(message) && is_behind()
    }

    /// What waits at a message's destination and counts, and how much may.
    fn room(&self, message: &Message) -> (usize, usize) {
        // What the store takes does not count: memory holds no more of its queue than a page.
        let counts = message.destination.as_ref().filter(|_| !self.find_stored(message));
        let Some(destination) = counts else { return (0, usize::MAX) };
        let (bytes, policy) = match (
            self.destinations.find_queue(destination),
            self.destinations.find_topic(destination),
        ) {
            (Some(queue), _) => (queue.bytes, &queue.policy),
            (None, Some(topic)) => (topic.bytes, &topic.policy),
            (None, None) => return (0, usize::MAX),
        };
        let limit = if policy.producer_flow_control {
            policy.memory_limit.unwrap_or(self.memory.of_destination)
        } else {
            usize::MAX
        };
        (bytes, limit)
    }

    /// What waits at a message's destination, if that is as much as may, and its policy.
    pub(super) fn fullness(&self, message: &Message) -> Option<(usize, Arc<DestinationPolicy>)> {
        let destination = message.destination.as_ref()?;
        let queue = self.destinations.find_queue(destination).map(|queue| &queue.policy);
        let topic = || self.destinations.find_topic(destination).map(|topic| &topic.policy);
        let policy = queue.or_else(topic)?;
        let (bytes, _) = self.room(message);
        let limit = policy.memory_limit.unwrap_or(self.memory.of_destination);
        self.memory.is_full(bytes, limit).then(|| (bytes, Arc::clone(policy)))
    }

    /// Whether a message whose destination is full is refused, instead of waiting.
    pub(super) fn fails_if_full(&self, message: &Message) -> bool {
        self.fullness(message).is_some_and(|(_, policy)| policy.send_fail_if_no_space)
    }

    pub(super) fn refuse_for_space(&mut self, link: LinkId, message: &Message) {
        let destination = message.destination.as_ref().map(ToString::to_string);
        let problem = format!(
            "no memory is left for messages of {}, and its producers do not wait",
            destination.unwrap_or_default()
        );
        let error = BrokerError::new(ErrorKind::ResourceAllocation, problem);
        self.refuse(link, message.command_id, message.response_required, &error);
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
        self.watch_slow_consumers();
    }

    /// Has a look at those for whom messages of topics wait, and another one when they had time to take
    /// some.
    fn watch_slow_consumers(&mut self) {
        if std::mem::replace(&mut self.memory.watched, true) {
            return;
        }
        for sub in self.subs.values_mut() {
            sub.stream.seen = sub.deliveries;
        }
        self.timers.set(after(self.now.instant, self.config.max_slow_duration), Timer::Slow);
    }

    /// Ends consumers of topics that have taken nothing since they were looked at while producers waited.
    pub(super) fn on_slow_timeout(&mut self) {
        self.memory.watched = false;
        if self.memory.waiting.is_empty() {
            return;
        }
        let is_slow = |sub: &&Subscription| {
            let is_of_topic = |seen: &Seen| matches!(seen, Seen::Here(Some(_), _));
            let holds = sub.stream.pending.iter().any(is_of_topic);
            holds && sub.deliveries == sub.stream.seen
        };
        let mut slow: Vec<(SubKey, LinkId, ConsumerId)> = self
            .subs
            .values()
            .filter(is_slow)
            .map(|sub| (sub.key, sub.link, sub.consumer_id.clone()))
            .collect();
        slow.sort_by_key(|(key, ..)| *key);
        for (key, link, consumer_id) in slow {
            let peer = self.registry.links.get(&link).map(|link| link.peer.clone());
            let reason = format!("{consumer_id} took nothing while producers waited for it");
            self.event(Event::Refused { peer: peer.unwrap_or_default(), reason });
            // Java: the client is told to end it, and hears no more of it in any case.
            let (consumer_id, close) = (Some(consumer_id), true);
            let control = ConsumerControl { consumer_id, close, ..ConsumerControl::default() };
            self.transmit(link, control);
            self.remove_consumer(key, NOT_DELIVERED);
        }
        if !self.memory.waiting.is_empty() {
            self.watch_slow_consumers();
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
            let waits = !force && self.has_to_wait(message);
            let fails = waits && self.fails_if_full(message);
            if waits && !fails {
                return false;
            }
            let Some(entry) = self.registry.links.get_mut(&link) else { break };
            let Some(message) = entry.held.pop_front() else { break };
            entry.held_bytes = entry.held_bytes.saturating_sub(size(&message));
            if fails {
                self.refuse_for_space(link, &message);
                continue;
            }
            let (bytes, limit) = self.room(&message);
            if force && self.memory.is_exhausted(bytes, limit) {
                // Java: "Connection closed, send aborted."
                continue;
            }
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
