//! `Queue`: messages in order, and the consumers that get them.
//!
//! What waits for a durable subscription is a queue as well, with one consumer at most.
//!
//! A consumer is *ready* when it has room and there is nothing in the queue that it wants. A new message
//! goes to the first ready consumer that wants it, without a look at the others; a consumer that gets
//! room looks through the queue from where it left off. So each consumer looks at each message once. Where it
//! comes to a message that only the store has, it waits until that is read.

mod turns;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{ConnectionId, Destination, Message, Str, SubscriptionInfo};

use super::config::BrokerConfig;
use super::groups::Groups;
use super::idle::Idle;
use super::io::{Now, Output};
use super::keys::{Map, QueueKey, SubKey};
use super::loads::{Loader, Loads};
use super::memory::Memory;
use super::pages::{Account, Entry, Pages, Read};
use super::policies::DestinationPolicy;
use super::reference::{Reference, order};
use super::report::Counts;
use super::subscription::{Gaze, Seen, Subscription};
use crate::selector::Selector;
use crate::store::{Place, StoreWrite, StoredMessage, SubscriptionKey};
use turns::Tier;

pub(super) type Subscriptions = Map<SubKey, Subscription>;

/// Messages in order, with their consumers.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) key: QueueKey,
    /// The queue itself; of a durable subscription, the topic.
    pub(super) destination: Destination,
    pub(super) kind: QueueKind,
    pub(super) policy: Arc<DestinationPolicy>,
    prioritized: bool,
    pub(super) pages: Pages,
    /// The highest place any message has had.
    last_place: u64,
    /// In the order in which they came, those of a higher priority first.
    pub(super) consumers: Vec<SubKey>,
    ready: Vec<Tier>,
    /// The only consumer that gets messages, if one has asked for that.
    exclusive: Option<SubKey>,
    groups: Groups,
    /// Until when nobody gets anything, if there are not enough consumers before.
    pub(super) starts_at: Option<Instant>,
    /// Bytes of all messages that are in memory, at consumers too.
    pub(super) bytes: usize,
    pub(super) in_flight: usize,
    pub(super) counts: Counts,
    /// Since when nobody uses it, as far as it was looked at.
    pub(super) idle: Option<Idle>,
    /// How many producers have said that they send to it.
    pub(super) producers: usize,
    /// Of a durable subscription: what its subscriber has asked for.
    pub(super) subscription: Option<Box<SubscriptionInfo>>,
    /// Of a durable subscription: which messages it wants.
    pub(super) filter: Filter,
}

/// Which messages a durable subscription wants.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) selector: Option<Selector>,
    /// The connection whose messages are left out.
    pub(super) not_from: Option<Str>,
}

impl Filter {
    pub(super) fn passes(&self, message: &Message) -> bool {
        let producer = message.producer_id.as_ref();
        let from = producer.and_then(|producer| producer.connection_id.as_ref());
        (self.not_from.is_none() || self.not_from.as_ref() != from)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(message))
    }
}

#[derive(Debug)]
pub(super) enum QueueKind {
    Queue,
    /// A temporary queue, of this connection.
    Temporary(ConnectionId),
    Durable(SubscriptionKey),
}

/// What a consumer is sent once the store has it that it was.
#[derive(Debug)]
pub(super) struct Marked {
    pub(super) sub: SubKey,
    pub(super) write: Option<StoreWrite>,
    pub(super) dispatches: VecDeque<Output>,
}

/// What dispatching acts on.
pub(super) struct Desk<'c> {
    pub(super) subs: &'c mut Subscriptions,
    pub(super) outputs: &'c mut VecDeque<Output>,
    /// What was found to have expired, in this order.
    pub(super) expired: &'c mut VecDeque<(QueueKey, Reference)>,
    /// What is dispatched once the store has it that it was.
    pub(super) marked: &'c mut Vec<Marked>,
    pub(super) memory: &'c mut Memory,
    pub(super) loads: &'c mut Loads,
    pub(super) now: Now,
}

impl Queue {
    pub(super) fn new(
        key: QueueKey,
        destination: Destination,
        kind: QueueKind,
        config: &BrokerConfig,
    ) -> Self {
        let policy = config.policies.find(&destination);
        Self {
            key,
            destination,
            kind,
            groups: Groups::new(policy.message_group_map, config.limits.message_groups),
            starts_at: None,
            pages: Pages::new(config.limits.page_memory, policy.minimum_message_size),
            prioritized: policy.prioritized_messages.unwrap_or(config.prioritized_messages),
            policy,
            last_place: 0,
            consumers: Vec::new(),
            ready: Vec::new(),
            exclusive: None,
            bytes: 0,
            in_flight: 0,
            counts: Counts::default(),
            idle: None,
            producers: 0,
            subscription: None,
            filter: Filter::default(),
        }
    }

    /// Where the store keeps its messages.
    pub(super) fn place(&self) -> Place {
        match &self.kind {
            QueueKind::Queue | QueueKind::Temporary(_) => Place::Queue(self.destination.clone()),
            QueueKind::Durable(key) => Place::Subscription(key.clone()),
        }
    }

    /// How many messages wait for a consumer.
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    /// A message comes in, for the first time or back from a consumer.
    pub(super) fn put(&mut self, reference: Reference, desk: &mut Desk<'_>) {
        let place = reference.order(self.prioritized);
        // It may have waited for the disk while others, which need not, were given away at once.
        let is_late = place < self.last_place;
        self.last_place = self.last_place.max(place);
        if let Some(reference) = self.offer(reference, desk) {
            if is_late {
                self.lower_cursors(place, desk.subs);
            }
            let account = Account { bytes: &mut self.bytes, memory: desk.memory };
            self.pages.insert(place, reference, account);
        }
    }

    /// Starts with what a store held.
    pub(super) fn recover(&mut self, stored: Vec<StoredMessage>, memory: &mut Memory) {
        let places = stored.into_iter().map(|stored| {
            let place = order(stored.priority, stored.sequence, self.prioritized);
            self.last_place = self.last_place.max(place);
            (place, stored)
        });
        self.pages.recover(places, &mut Account { bytes: &mut self.bytes, memory });
    }

    /// Gives a message to the ready consumer whose turn it is, or gives it back.
    fn offer(&mut self, reference: Reference, desk: &mut Desk<'_>) -> Option<Reference> {
        if reference.is_expired(desk.now.unix_ms) {
            desk.expired.push_back((self.key, reference));
            return None;
        }
        if self.starts_at.is_some() {
            return Some(reference);
        }
        let group = reference.message.group_id.as_ref();
        let begins_group = group.is_some_and(|group| self.groups.owner(group).is_none());
        for tier in 0..self.ready.len() {
            if begins_group {
                self.favour_few_groups(tier);
            }
            let mut turn = 0;
            while let Some(key) = self.ready.get(tier).and_then(|t| t.subs.get(turn)).copied() {
                let Some(sub) = desk.subs.get_mut(&key) else {
                    self.unready(tier, turn);
                    continue;
                };
                if !sub.has_room() {
                    self.unready(tier, turn);
                    let place = reference.order(self.prioritized);
                    if let Some(seat) = sub.seat(self.key) {
                        (seat.gaze, seat.cursor) = (Gaze::Looking, place);
                    }
                } else if self.may_have(sub, &reference) {
                    let rotates = !self.policy.strict_order_dispatch;
                    if let Some(tier) = self.ready.get_mut(tier).filter(|_| rotates) {
                        tier.subs.remove(turn);
                        tier.subs.push_back(key);
                    }
                    self.give(sub, reference, desk.outputs, desk.marked);
                    return None;
                } else {
                    turn += 1;
                }
            }
        }
        Some(reference)
    }

    /// Lets a consumer take what it wants, as long as it has room; then it is ready.
    pub(super) fn pull(&mut self, key: SubKey, desk: &mut Desk<'_>) {
        let Some(sub) = desk.subs.get_mut(&key) else { return };
        let skips = sub.is_choosy() || !self.groups.is_empty();
        let is_barred =
            self.starts_at.is_some() || self.exclusive.is_some_and(|exclusive| exclusive != key);
        let Some(seat) = sub.seat(self.key) else { return };
        if seat.gaze == Gaze::Ready {
            return;
        }
        let mut at = if skips { seat.cursor } else { 0 };
        let gaze = loop {
            if !sub.has_room() {
                break Gaze::Looking;
            }
            // Who may have nothing need not look: if that changes, everybody looks again.
            let Some((place, entry)) = self.pages.first(at).filter(|_| !is_barred) else {
                self.become_ready(key, self.priority_of(sub));
                break Gaze::Ready;
            };
            let Entry::Here(reference) = entry else {
                at = place;
                self.pages.want(place);
                break Gaze::Waiting;
            };
            at = place + 1;
            if reference.is_expired(desk.now.unix_ms) {
                if let Some(reference) = self.pages.take(place) {
                    desk.expired.push_back((self.key, reference));
                }
            } else if self.may_have(sub, reference)
                && let Some(reference) = self.pages.take(place)
            {
                self.give(sub, reference, desk.outputs, desk.marked);
            }
        };
        if let Some(seat) = sub.seat(self.key) {
            (seat.gaze, seat.cursor) = (gaze, at);
        }
        self.read(desk);
    }

    /// Has the next messages read that somebody waits for, unless others are being read.
    fn read(&mut self, desk: &mut Desk<'_>) {
        if let Some(sequences) = self.pages.poll_read() {
            let load = desk.loads.begin(Loader::Queue(self.key));
            desk.outputs.push_back(Output::Load(load, self.place(), sequences));
        }
    }

    /// Messages that were asked for are read: all who wait go on. Whether all were there.
    pub(super) fn on_read(
        &mut self,
        messages: Vec<Option<Arc<Message>>>,
        desk: &mut Desk<'_>,
    ) -> bool {
        let mut account = Account { bytes: &mut self.bytes, memory: desk.memory };
        let Read { expired, found_all } = self.pages.on_read(messages, &mut account);
        desk.expired.extend(expired.into_iter().map(|reference| (self.key, reference)));
        let mut waiting = self.consumers.clone();
        waiting.retain(|key| {
            let seat = desk.subs.get_mut(key).and_then(|sub| sub.seat(self.key));
            seat.is_some_and(|seat| {
                let was = std::mem::replace(&mut seat.gaze, Gaze::Looking);
                if was != Gaze::Waiting {
                    seat.gaze = was;
                }
                was == Gaze::Waiting
            })
        });
        for key in waiting {
            self.pull(key, desk);
            if let Some(sub) = desk.subs.get_mut(&key) {
                sub.end_pull_if_none(desk.outputs);
            }
        }
        self.read(desk);
        found_all
    }

    /// Whether this consumer may have this message now.
    fn may_have(&self, sub: &Subscription, reference: &Reference) -> bool {
        if self.exclusive.is_some_and(|exclusive| exclusive != sub.key) {
            return false;
        }
        let group = reference.message.group_id.as_ref();
        let owner = group.and_then(|group| self.groups.owner(group));
        owner.is_none_or(|owner| owner == sub.key) && sub.selects(&reference.message)
    }

    fn give(
        &mut self,
        sub: &mut Subscription,
        mut reference: Reference,
        outputs: &mut VecDeque<Output>,
        marked: &mut Vec<Marked>,
    ) {
        if let Some(group) = reference.message.group_id.clone() {
            if reference.message.group_sequence < 0 {
                // Java: a negative number ends the group.
                self.groups.end(&group);
            } else if self.groups.give(&group, sub.key) {
                Arc::make_mut(&mut reference.message).jmsx_group_first_for_consumer = true;
            }
        }
        self.in_flight += 1;
        if !self.policy.persist_jms_redelivered {
            return sub.dispatch(self.key, reference, outputs);
        }
        let is_first = reference.stored && reference.redeliveries == 0;
        let write = is_first.then(|| StoreWrite::Add {
            place: self.place(),
            sequence: reference.sequence,
            message: Arc::new(Message { redelivery_counter: 1, ..(*reference.message).clone() }),
        });
        let mut dispatches = VecDeque::new();
        sub.dispatch(self.key, reference, &mut dispatches);
        marked.push(Marked { sub: sub.key, write, dispatches });
    }

    /// A message has come in before others: who has looked at what is behind it looks again.
    fn lower_cursors(&self, place: u64, subs: &mut Subscriptions) {
        for key in &self.consumers {
            if let Some(seat) = subs.get_mut(key).and_then(|sub| sub.seat(self.key)) {
                seat.cursor = seat.cursor.min(place);
            }
        }
    }

    /// Takes out what has expired and is at no consumer. What only the store has is read first, and found
    /// to have expired then.
    pub(super) fn take_expired(&mut self, desk: &mut Desk<'_>) {
        let expired = self.pages.take_expired(desk.now.unix_ms);
        desk.expired.extend(expired.into_iter().map(|reference| (self.key, reference)));
        self.read(desk);
    }

    /// Takes a stored message out for a branch that may yet give it back: it counts as being at a
    /// consumer.
    pub(super) fn claim(
        &mut self,
        sequence: u64,
        message: Arc<Message>,
        memory: &mut Memory,
    ) -> Option<Reference> {
        let place = order(message.priority, sequence, self.prioritized);
        let account = Account { bytes: &mut self.bytes, memory };
        let reference = self.pages.claim(place, message, account)?;
        self.in_flight += 1;
        Some(reference)
    }

    /// All messages in order, those at consumers too: what a browser sees.
    pub(super) fn snapshot(&self, subs: &Subscriptions) -> Vec<Seen> {
        let at_consumers = self.consumers.iter().filter_map(|key| subs.get(key)).flat_map(|sub| {
            let own = sub.dispatched.iter().filter(|dispatched| dispatched.queue == self.key);
            own.map(|dispatched| &dispatched.reference)
        });
        let mut all: Vec<(u64, Seen)> = at_consumers
            .map(|reference| {
                (reference.order(self.prioritized), Seen::Here(None, reference.clone()))
            })
            .chain(self.pages.iter().map(|(place, entry)| {
                let seen = match entry {
                    Entry::Here(reference) => Seen::Here(None, reference.clone()),
                    Entry::There(stub) => Seen::There(self.key, place, stub),
                };
                (place, seen)
            }))
            .collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, seen)| seen).collect()
    }
}

#[cfg(test)]
impl Queue {
    pub(super) fn pending_bytes(&self) -> usize {
        self.pages.check().0
    }

    pub(super) fn stored_count(&self) -> usize {
        self.pages.check().1
    }
}
