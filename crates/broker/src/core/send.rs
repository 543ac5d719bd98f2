//! A message on its way in: who sent it, where it goes, what is answered.

use std::sync::Arc;

use rewire_protocol::{Command, ConnectionId, Destination, Message, ProducerId};

use super::BrokerCore;
use super::destinations::Home;
use super::error::{BrokerError, ErrorKind};
use super::io::LinkId;
use super::keys::{ConnectionKey, TopicKey};
use super::names;
use super::persist::{Route, Work};
use super::reference::{LEAST, Reference, is_expired, size};
use super::rights::Operation;
use super::subscription::Seen;
use crate::store::StoreWrite;

/// Advisories that may wait for one consumer; the oldest are dropped.
const MAX_PENDING_ADVISORIES: usize = 10_000;

impl BrokerCore {
    /// A client sends a message.
    pub(super) fn on_message(&mut self, link: LinkId, message: Box<Message>) {
        if message.transaction_id.is_none() {
            self.tell_if_full(link, &message);
        }
        let Some(entry) = self.registry.links.get(&link) else { return };
        // Those of a transaction go nowhere yet. Nothing overtakes what waits.
        let is_behind = !entry.held.is_empty();
        let is_full = message.transaction_id.is_none() && self.has_to_wait(&message);
        if is_full && self.fails_if_full(&message) {
            self.refuse_for_space(link, &message);
        } else if is_full || is_behind && message.transaction_id.is_none() {
            self.hold(link, message);
        } else {
            self.take_in(link, message);
        }
    }

    /// Takes a message in, whatever memory there is, and answers.
    pub(super) fn take_in(&mut self, link: LinkId, message: Box<Message>) {
        let (number, wants_answer) = (message.command_id, message.response_required);
        let transaction = message.transaction_id.clone().filter(|_| !wants_answer);
        if let Err(error) = self.send(link, *message) {
            if let Some(id) = transaction {
                self.break_transaction(&id, &error);
            }
            self.refuse(link, number, wants_answer, &error);
        }
    }

    fn send(&mut self, link: LinkId, mut message: Message) -> Result<(), BrokerError> {
        let connection = self.connected(link)?;
        let Some(destination) = message.destination.clone() else {
            let problem = format!("{} has no destination", super::shown(&message));
            return Err(BrokerError::new(ErrorKind::InvalidDestination, problem));
        };
        let by_id = || message.message_id.as_ref()?.producer_id.clone();
        let Some(producer) = message.producer_id.clone().or_else(by_id) else {
            return Err(BrokerError::jms("a message without a producer"));
        };
        if self.store_failed && message.persistent {
            let problem = "the store has failed";
            return Err(BrokerError::new(ErrorKind::ResourceAllocation, problem));
        }
        let mut work = Work { link: Some(link), ..Work::default() };
        if message.response_required {
            work.answer = Some(message.command_id);
        } else if self.has_window(connection, &producer) {
            work.producer_ack = Some((producer.clone(), size(&message)));
        }
        let own =
            message.message_id.as_ref().filter(|id| id.producer_id.as_ref() == Some(&producer));
        let sequence = own.map(|id| id.producer_sequence_id);
        if sequence.is_some_and(|sequence| self.is_known(connection, &producer, sequence)) {
            // It came before the client's last link broke: it is there, or about to be.
            work.waits = true;
            self.submit(work);
            return Ok(());
        }
        message.broker_in_time = self.now.unix_ms;
        let members = names::members(&destination, self.config.limits.composite)?;
        self.permit_all(connection, Operation::Write, &members)?;
        if message.transaction_id.is_some() {
            self.send_in_transaction(message, members, connection, producer, sequence)?;
            self.submit(work);
            return Ok(());
        }
        if let Some(sequence) = sequence {
            self.note_sent(producer, sequence, message.persistent, &mut work);
        }
        self.route_all(message, &members, connection, &mut work)?;
        self.submit(work);
        Ok(())
    }

    /// Notes that a message is taken in, here and in the store.
    pub(super) fn note_sent(
        &self,
        producer: ProducerId,
        sequence: i64,
        persistent: bool,
        work: &mut Work,
    ) {
        if self.config.persistent && persistent {
            work.writes.push(StoreWrite::Sent { producer: producer.clone(), sequence });
        }
        work.sent.push((producer, sequence));
    }

    /// Finds where a message goes. A name that is several gets a copy each.
    pub(super) fn route_all(
        &mut self,
        mut message: Message,
        members: &[Destination],
        connection: ConnectionKey,
        work: &mut Work,
    ) -> Result<(), BrokerError> {
        let id = self.registry.connection(connection).map(|connection| connection.id.clone());
        let mut homes = Vec::with_capacity(members.len());
        for member in members {
            homes.push(self.ensure(member, id.as_ref())?);
        }
        if let ([_], [home]) = (members, homes.as_slice()) {
            self.route(message, *home, work);
            return Ok(());
        }
        // Java: a composite is remembered as the destination it was sent to.
        message.original_destination = message.destination.take();
        for (member, home) in members.iter().zip(homes) {
            let copy = Message { destination: Some(member.clone()), ..message.clone() };
            self.route(copy, home, work);
        }
        Ok(())
    }

    pub(super) fn route(&mut self, message: Message, home: Home, work: &mut Work) {
        match home {
            Home::Queue(key) => {
                let (message, sequence) = self.number(message);
                self.route_to_queue(key, message, sequence, work);
            }
            Home::Topic(key) => self.route_to_topic(key, message, work),
        }
    }

    fn number(&mut self, mut message: Message) -> (Arc<Message>, u64) {
        self.sequence += 1;
        if let Some(id) = &mut message.message_id {
            id.broker_sequence_id = i64::try_from(self.sequence).unwrap_or(i64::MAX);
        }
        (Arc::new(message), self.sequence)
    }

    pub(super) fn route_to_queue(
        &mut self,
        key: super::QueueKey,
        message: Arc<Message>,
        sequence: u64,
        work: &mut Work,
    ) {
        let stored = self.is_stored(key, &message);
        if let (true, Some(queue)) = (stored, self.destinations.peek(key)) {
            let (place, message) = (queue.place(), Arc::clone(&message));
            work.writes.push(StoreWrite::Add { place, sequence, message });
        }
        let reference = Reference::new(message, sequence, stored).at_least(self.least_at(key));
        self.account(key, &reference);
        if let Some(queue) = self.destinations.queue(key) {
            queue.counts.enqueued += 1;
        }
        work.routes.push(Route::Queue(key, reference));
    }

    fn route_to_topic(&mut self, key: TopicKey, message: Message, work: &mut Work) {
        let Some(topic) = self.destinations.topic(key) else { return };
        let (durables, queues) = (topic.durables.clone(), topic.virtual_queues.clone());
        let least = topic.policy.minimum_message_size;
        for queue in queues {
            let Some(found) = self.destinations.peek(queue) else { continue };
            if self.config.selector_aware_virtual_topics && !self.is_selected(found, &message) {
                continue;
            }
            let destination = found.destination.clone();
            let copy = Message {
                original_destination: message.destination.clone(),
                destination: Some(destination),
                ..message.clone()
            };
            let (copy, sequence) = self.number(copy);
            self.route_to_queue(queue, copy, sequence, work);
        }
        if is_expired(&message, self.now.unix_ms) {
            if let Some(topic) = self.destinations.topic(key) {
                topic.counts.expired += 1;
            }
            return;
        }
        let (message, sequence) = self.number(message);
        for durable in durables {
            let wants = |queue: &super::queue::Queue| queue.filter.passes(&message);
            if self.destinations.peek(durable).is_some_and(wants) {
                self.route_to_queue(durable, Arc::clone(&message), sequence, work);
            }
        }
        let reference = Reference::new(message, sequence, false).at_least(least);
        work.routes.push(Route::Topic(key, reference));
    }

    /// What each message of a queue counts beside its body and properties.
    pub(super) fn least_at(&self, queue: super::QueueKey) -> u16 {
        let found = self.destinations.peek(queue);
        found.map_or(LEAST, |queue| queue.policy.minimum_message_size)
    }

    /// Whether a consumer of a queue wants a message, whoever else there is.
    fn is_selected(&self, queue: &super::queue::Queue, message: &Message) -> bool {
        let mut consumers = queue.consumers.iter().filter_map(|key| self.subs.get(key));
        consumers.any(|sub| sub.selects(message))
    }

    /// A message goes to all who have subscribed now.
    pub(super) fn publish(&mut self, key: TopicKey, reference: Reference) {
        let Self { destinations, subs, outputs, memory, config, recent_bytes, .. } = self;
        let Some(topic) = destinations.topic(key) else { return };
        let is_advisory = names::is_advisory(&topic.destination);
        topic.counts.enqueued += 1;
        if !is_advisory && topic.owner.is_none() {
            topic.recent.add(&reference, &topic.policy, &config.limits, recent_bytes);
        }
        let (mut slow, mut dropped) = (Vec::new(), Vec::new());
        let mut is_wanted = false;
        for sub in &topic.consumers {
            let Some(sub) = subs.get_mut(sub) else { continue };
            if !sub.selects(&reference.message) {
                continue;
            }
            is_wanted = true;
            if sub.stream.pending.is_empty() && sub.has_room() {
                sub.stream.is_slow = false;
                sub.dispatch_once(&reference, outputs);
                topic.counts.dequeued += 1;
                continue;
            }
            // Java: who has twice its prefetch to do.
            let prefetch = usize::try_from(sub.info.prefetch_size).unwrap_or(0);
            let is_slow = prefetch > 1 && sub.stream.pending.len() > prefetch;
            if is_slow && !std::mem::replace(&mut sub.stream.is_slow, true) {
                slow.push(sub.key);
            }
            sub.stream.pending.push_back(Seen::Here(Some(key), reference.clone()));
            memory.take(reference.size());
            topic.bytes += reference.size();
            let most = if is_advisory { MAX_PENDING_ADVISORIES } else { usize::MAX };
            let limit = sub.stream.limit.unwrap_or(most);
            while sub.stream.pending.len() > limit
                && let Some(Seen::Here(of, reference)) = sub.stream.evict()
            {
                memory.free(reference.size());
                dropped.push((sub.key, of, reference, sub.stream.discarded));
            }
        }
        let (policy, destination) = (Arc::clone(&topic.policy), topic.destination.clone());
        for (_, of, reference, _) in &dropped {
            // A subscriber of several topics may have lost a message of another.
            if let Some(topic) = of.and_then(|of| self.destinations.topic(of)) {
                topic.bytes = topic.bytes.saturating_sub(reference.size());
                topic.counts.discarded += 1;
            }
        }
        if is_advisory {
            return;
        }
        if policy.advisory_for_slow_consumers {
            slow.into_iter().for_each(|sub| self.advise_slow(&destination, sub));
        }
        if policy.advisory_for_discarding_messages {
            for (sub, _, reference, count) in dropped {
                self.advise_discarded(&destination, sub, &reference.message, count, &policy);
            }
        }
        if policy.send_advisory_if_no_consumers && !is_wanted {
            is_wanted = self.is_wanted_later(key, &reference.message);
        }
        self.tell_taken_in(&destination, &reference.message, is_wanted, &policy);
    }

    /// Whether a durable subscriber of a topic gets a message, now or when it is back.
    fn is_wanted_later(&self, topic: TopicKey, message: &Message) -> bool {
        let durables = self.destinations.peek_topic(topic).map(|topic| topic.durables.iter());
        let mut queues =
            durables.into_iter().flatten().filter_map(|key| self.destinations.peek(*key));
        queues.any(|queue| queue.filter.passes(message))
    }

    fn has_window(&mut self, connection: ConnectionKey, producer: &ProducerId) -> bool {
        let place = (producer.session_id, producer.value);
        self.registry
            .connection(connection)
            .and_then(|connection| connection.producers.get(&place))
            .is_some_and(|producer| producer.info.window_size > 0)
    }

    /// Whether a message was taken in before. Java: asked only of clients that come from a failover.
    fn is_known(&mut self, key: ConnectionKey, producer: &ProducerId, sequence: i64) -> bool {
        let place = (producer.session_id, producer.value);
        let Some(connection) = self.registry.connection(key) else { return false };
        if !connection.info.failover_reconnect {
            return false;
        }
        match connection.producers.get(&place) {
            Some(producer) => producer.audit.knows(sequence),
            // Not told of again, and known all the same.
            None => self.departed.knows(producer, sequence),
        }
    }

    pub(super) fn record(&mut self, producer: ProducerId, sequence: i64) {
        let place = (producer.session_id, producer.value);
        let name = ConnectionId { value: producer.connection_id.clone() };
        let key = self.registry.find(&name);
        let connection = key.and_then(|key| self.registry.connection(key));
        if let Some(known) = connection.and_then(|c| c.producers.get_mut(&place)) {
            known.audit.record(sequence);
        } else {
            // Its producer has gone, and may be back any moment.
            let mut audit = self.departed.take(&producer);
            audit.record(sequence);
            self.departed.insert(producer, audit);
        }
    }

    pub(super) fn transmit(&mut self, link: LinkId, command: impl Into<Command>) {
        let command = super::Outgoing::Command(command.into());
        self.outputs.push_back(super::Output::Send(link, command));
    }
}
