//! Whose turn it is: the consumers of a queue in their order, those that are ready, and the one that may have
//! the queue to itself.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Desk, Queue, QueueKind, Subscriptions};
use crate::core::keys::SubKey;
use crate::core::subscription::{Gaze, Subscription};

/// The ready consumers of one priority; the first is served next.
#[derive(Debug)]
pub(super) struct Tier {
    pub(super) priority: i8,
    pub(super) subs: VecDeque<SubKey>,
}

impl Queue {
    /// A consumer takes its seat. It gets messages once it is [pulled](Self::pull).
    pub(in crate::core) fn add_consumer(&mut self, key: SubKey, desk: &mut Desk<'_>) {
        let priority_of = |subs: &Subscriptions, key: &SubKey| {
            subs.get(key).map_or(0, |sub| self.priority_of(sub))
        };
        let priority = priority_of(desk.subs, &key);
        let place = self.consumers.iter().position(|k| priority_of(desk.subs, k) < priority);
        self.consumers.insert(place.unwrap_or(self.consumers.len()), key);
        if self.consumers.len() == 1 {
            self.starts_at = self.start(desk.now.instant);
        }
        if self.starts_at.is_some()
            && self.consumers.len() >= self.policy.consumers_before_dispatch_starts.max(1)
            && self.policy.consumers_before_dispatch_starts > 0
        {
            self.start_dispatch(desk);
        }
        if desk.subs.get(&key).is_some_and(|sub| self.asks_for_all(sub)) || self.exclusive.is_some()
        {
            self.elect(desk);
        }
    }

    /// When the first consumer gets something, if not at once. Java: a second when only a number of
    /// consumers is waited for.
    fn start(&self, now: Instant) -> Option<Instant> {
        const FOR_CONSUMERS: Duration = Duration::from_secs(1);
        let (count, time) =
            (self.policy.consumers_before_dispatch_starts, self.policy.time_before_dispatch_starts);
        let waits = !matches!(self.kind, QueueKind::Durable(_)) && (count > 0 || !time.is_zero());
        let time = if time.is_zero() { FOR_CONSUMERS } else { time };
        waits.then(|| crate::core::after(now, time))
    }

    /// Enough consumers are there, or were waited for.
    pub(in crate::core) fn start_dispatch(&mut self, desk: &mut Desk<'_>) {
        self.starts_at = None;
        self.reconsider(desk);
    }

    /// A consumer leaves. What it was sent is to be [put](Self::put) back by the caller.
    pub(in crate::core) fn remove_consumer(&mut self, sub: &Subscription, desk: &mut Desk<'_>) {
        self.consumers.retain(|key| *key != sub.key);
        for tier in &mut self.ready {
            tier.subs.retain(|key| *key != sub.key);
        }
        self.ready.retain(|tier| !tier.subs.is_empty());
        if self.groups.remove_consumer(sub.key) {
            self.reconsider(desk);
        }
        if self.exclusive == Some(sub.key) {
            self.elect(desk);
        }
    }

    /// Whether a consumer wants to be the only one that gets messages, or the policy says so.
    fn asks_for_all(&self, sub: &Subscription) -> bool {
        sub.info.exclusive || self.policy.all_consumers_exclusive_by_default
    }

    /// Java: of those that ask for it, the one with the highest priority, and of these the first.
    fn elect(&mut self, desk: &mut Desk<'_>) {
        let asks = |key: &&SubKey| desk.subs.get(key).is_some_and(|sub| self.asks_for_all(sub));
        let rank = |key: &&SubKey| Reverse(desk.subs.get(key).map(|sub| sub.info.priority));
        let elected = self.consumers.iter().filter(asks).min_by_key(rank).copied();
        if elected != self.exclusive {
            // One that has the queue keeps it unless another has a higher priority.
            let priority =
                |key: Option<SubKey>| key.and_then(|key| Some(desk.subs.get(&key)?.info.priority));
            let stays = self.exclusive.is_some_and(|key| self.consumers.contains(&key))
                && priority(self.exclusive) >= priority(elected);
            if !stays {
                self.exclusive = elected;
                self.reconsider(desk);
            }
        }
    }

    /// Whose turn it is has changed: everybody looks through the queue again.
    fn reconsider(&mut self, desk: &mut Desk<'_>) {
        self.ready.clear();
        for key in &self.consumers {
            if let Some(seat) = desk.subs.get_mut(key).and_then(|sub| sub.seat(self.key)) {
                (seat.gaze, seat.cursor) = (Gaze::Looking, 0);
            }
        }
        for key in self.consumers.clone() {
            self.pull(key, desk);
        }
    }

    pub(super) fn become_ready(&mut self, key: SubKey, priority: i8) {
        let place = self.ready.iter().position(|tier| tier.priority <= priority);
        let place = place.unwrap_or(self.ready.len());
        if self.ready.get(place).is_none_or(|tier| tier.priority != priority) {
            self.ready.insert(place, Tier { priority, subs: VecDeque::new() });
        }
        let rank = |own: &SubKey| self.consumers.iter().position(|other| other == own);
        if let Some(tier) = self.ready.get_mut(place) {
            let at = if self.policy.strict_order_dispatch {
                tier.subs.iter().position(|other| rank(other) > rank(&key))
            } else {
                None
            };
            tier.subs.insert(at.unwrap_or(tier.subs.len()), key);
        }
    }

    pub(super) fn unready(&mut self, tier: usize, turn: usize) {
        if let Some(tier) = self.ready.get_mut(tier) {
            tier.subs.remove(turn);
        }
    }

    /// Java: it is the turn of those with the fewest groups, so that those who come late get some.
    pub(super) fn favour_few_groups(&mut self, tier: usize) {
        let groups = &self.groups;
        if let Some(tier) = self.ready.get_mut(tier).filter(|_| !self.policy.strict_order_dispatch)
        {
            let subs = tier.subs.make_contiguous();
            subs.sort_by_key(|key| groups.count(*key));
        }
    }

    pub(super) fn priority_of(&self, sub: &Subscription) -> i8 {
        if self.policy.use_consumer_priority { sub.info.priority } else { 0 }
    }
}
