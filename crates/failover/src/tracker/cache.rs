//! Messages that no broker was to answer, kept until it is known that they arrived.
//!
//! A broker takes in what comes over a link in order, so an answer to anything says that all before it
//! arrived. Java never forgets what arrived, and sends it again after a failover.

use std::collections::VecDeque;
use std::sync::Arc;

use rewire_protocol::{Command, ProducerId};

use super::weight;

/// The cache behind the option `trackMessages`, bounded in bytes.
#[derive(Debug)]
pub(super) struct MessageCache {
    /// `None` when nothing is kept.
    budget: Option<usize>,
    messages: VecDeque<Arc<Command>>,
    bytes: usize,
    /// Not kept for want of room, and not known to have arrived: their numbers end here.
    uncovered: u64,
    last_uncovered: i32,
    /// As many as ever were not kept for want of room.
    evicted: u64,
}

impl MessageCache {
    pub(super) const fn new(budget: Option<usize>) -> Self {
        Self {
            budget,
            messages: VecDeque::new(),
            bytes: 0,
            uncovered: 0,
            last_uncovered: 0,
            evicted: 0,
        }
    }

    /// Whether a message of a producer is kept.
    pub(super) fn is_needed(&self, producer: &ProducerId) -> bool {
        self.messages.iter().any(|command| match &**command {
            Command::Message(message) => message.producer_id.as_ref() == Some(producer),
            _ => false,
        })
    }

    /// Keeps a message that was handed to a link; the oldest go when there is no room for it.
    pub(super) fn keep(&mut self, command: &Arc<Command>) {
        let Some(budget) = self.budget else { return };
        let bytes = weight(command);
        if bytes > budget {
            self.uncover(command.command_id());
            return;
        }
        self.messages.push_back(command.clone());
        self.bytes += bytes;
        while self.bytes > budget {
            let Some(oldest) = self.messages.pop_front() else { return };
            self.bytes -= weight(&oldest);
            self.uncover(oldest.command_id());
        }
    }

    fn uncover(&mut self, number: i32) {
        self.uncovered += 1;
        self.evicted += 1;
        self.last_uncovered = number;
    }

    /// Forgets what was sent before the command of this number: that was answered.
    pub(super) fn confirm_before(&mut self, number: i32) {
        while let Some(oldest) = self.messages.front()
            && is_before(oldest.command_id(), number)
        {
            self.bytes -= weight(oldest);
            self.messages.pop_front();
        }
        if is_before(self.last_uncovered, number) {
            self.uncovered = 0;
        }
    }

    pub(super) fn has_unconfirmed(&self) -> bool {
        self.uncovered > 0 || !self.messages.is_empty()
    }

    /// Forgets one that cannot be sent.
    pub(super) fn forget(&mut self, number: i32) {
        if let Some(at) = self.messages.iter().position(|kept| kept.command_id() == number)
            && let Some(kept) = self.messages.remove(at)
        {
            self.bytes -= weight(&kept);
        }
    }

    pub(super) fn replay(&self, replay: &mut Vec<Command>) {
        replay.extend(self.messages.iter().map(|kept| Command::clone(kept)));
    }

    /// How many messages the link that was lost may have taken with it, since this was asked last.
    pub(super) const fn take_uncovered(&mut self) -> u64 {
        std::mem::replace(&mut self.uncovered, 0)
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Whether one number came before another. Numbers rise, and may go around.
const fn is_before(number: i32, other: i32) -> bool {
    number.wrapping_sub(other) < 0
}
