//! The store's side: what is to be written, what waits until it is, and what was there at the start.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rewire_protocol::{Command, Message, ProducerAck, ProducerId};

use super::BrokerCore;
use super::io::{Event, LinkId, Output, Ticket};
use super::keys::{QueueKey, SubKey, TopicKey};
use super::memory::NOT_DELIVERED;
use super::queue::{Marked, QueueKind};
use super::reference::Reference;
use super::transactions::Settled;
use crate::store::{Place, Recovered, StoreWrite, StoredMessage};

/// Something that happens as a whole, once what is to be stored of it is.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Where messages go.
    pub(super) routes: Vec<Route>,
    pub(super) writes: Vec<StoreWrite>,
    /// The link it came over: what follows on it waits for this.
    pub(super) link: Option<LinkId>,
    /// The command that is answered when it is done.
    pub(super) answer: Option<i32>,
    /// What it is answered with instead, when it is done.
    pub(super) reply: Option<Box<Command>>,
    /// The consumer that begins then.
    pub(super) start: Option<SubKey>,
    /// The producer that is told that it has room again, and how much.
    pub(super) producer_ack: Option<(ProducerId, usize)>,
    /// What is taken in of which producer.
    pub(super) sent: Vec<(ProducerId, i64)>,
    /// Whether it is done only when all that was to be written before is.
    pub(super) waits: bool,
    /// What consumers are sent.
    pub(super) dispatches: Vec<(SubKey, Output)>,
    /// What consumers are done with.
    pub(super) settled: Vec<Settled>,
}

#[derive(Debug)]
pub(super) enum Route {
    Queue(QueueKey, Reference),
    Topic(TopicKey, Reference),
}

/// What waits for the store, in order.
#[derive(Debug, Default)]
pub(super) struct Unstored {
    /// The last batch that was to be written, and the last that is.
    last: u64,
    stored: u64,
    waiting: VecDeque<(Ticket, Work)>,
    /// Bytes of the messages among it.
    bytes: usize,
}

impl Unstored {
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many batches there were.
    pub(super) const fn batches(&self) -> u64 {
        self.last
    }

    fn push(&mut self, work: Work) {
        self.bytes += work.bytes();
        self.waiting.push_back((Ticket(self.last), work));
    }

    fn pop(&mut self, up_to: Ticket) -> Option<Work> {
        let (_, work) = self.waiting.pop_front_if(|(due, _)| *due <= up_to)?;
        self.bytes = self.bytes.saturating_sub(work.bytes());
        Some(work)
    }
}

impl Work {
    /// Bytes of the messages that go to queues.
    fn bytes(&self) -> usize {
        let sizes = self.routes.iter().map(|route| match route {
            Route::Queue(_, reference) => reference.size(),
            Route::Topic(..) => 0,
        });
        sizes.sum()
    }
}

impl BrokerCore {
    /// Does it, at once if there is nothing to be stored and nothing of the same link waits for that.
    pub(super) fn submit(&mut self, mut work: Work) {
        // Known from now on: its producer may come again, over another link, before it is stored.
        for (producer, sequence) in std::mem::take(&mut work.sent) {
            self.record(producer, sequence);
        }
        let unstored = work.link.and_then(|link| Some(self.registry.links.get(&link)?.unstored));
        let waits = unstored.is_some_and(|count| count > 0)
            || work.waits && self.unstored.stored < self.unstored.last;
        if work.writes.is_empty() && !waits {
            self.perform(work);
            return;
        }
        let writes = std::mem::take(&mut work.writes);
        if !writes.is_empty() {
            self.write(writes);
        }
        if let Some(link) = work.link.and_then(|link| self.registry.links.get_mut(&link)) {
            link.unstored += 1;
        }
        self.unstored.push(work);
    }

    /// Consumers are sent what they have, once the store has it that they do; in order.
    pub(super) fn dispatch_marked(&mut self) {
        if self.marked.is_empty() {
            return;
        }
        let mut work = Work { waits: true, ..Work::default() };
        for Marked { sub, write, dispatches } in std::mem::take(&mut self.marked) {
            work.writes.extend(write);
            work.dispatches.extend(dispatches.into_iter().map(|dispatch| (sub, dispatch)));
        }
        self.submit(work);
    }

    /// Has something written that nobody waits for.
    pub(super) fn write(&mut self, writes: Vec<StoreWrite>) {
        self.unstored.last += 1;
        self.outputs.push_back(Output::Store(Ticket(self.unstored.last), writes));
    }

    pub(super) fn on_stored(&mut self, ticket: Ticket) {
        self.unstored.stored = self.unstored.stored.max(ticket.0);
        while let Some(work) = self.unstored.pop(ticket) {
            self.finish(&work);
            self.perform(work);
        }
        self.memory.recheck();
    }

    /// Everybody is hung up, without an answer to what waits: nobody knows whether that is stored, and to refuse it
    /// would be to say that it is not.
    pub(super) fn on_store_failed(&mut self, problem: String) {
        let has_failed_before = std::mem::replace(&mut self.store_failed, true);
        self.unstored.stored = self.unstored.last;
        while let Some(work) = self.unstored.pop(Ticket(u64::MAX)) {
            self.finish(&work);
            for route in &work.routes {
                if let Route::Queue(queue, reference) = route {
                    self.forget(*queue, reference);
                }
            }
            if let Some(consumer) = work.start {
                self.remove_consumer(consumer, NOT_DELIVERED);
            }
        }
        if !has_failed_before {
            self.hang_all_up();
            self.event(Event::StoreFailed(problem));
        }
    }

    fn finish(&mut self, work: &Work) {
        if let Some(link) = work.link.and_then(|link| self.registry.links.get_mut(&link)) {
            link.unstored = link.unstored.saturating_sub(1);
        }
    }

    pub(super) fn perform(&mut self, work: Work) {
        if let (Some(link), Some(number)) = (work.link, work.answer) {
            self.respond(link, number);
        }
        if let (Some(link), Some(reply)) = (work.link, work.reply) {
            self.transmit(link, *reply);
        }
        if let Some(consumer) = work.start {
            self.start(consumer);
        }
        if let (Some(link), Some((producer, size))) = (work.link, work.producer_ack) {
            let size = i32::try_from(size).unwrap_or(i32::MAX);
            let ack = ProducerAck { producer_id: Some(producer), size, ..ProducerAck::default() };
            self.transmit(link, ack);
        }
        for (sub, dispatch) in work.dispatches {
            // It may have left by now, and what it had is in its queue again.
            if self.subs.contains_key(&sub) {
                self.outputs.push_back(dispatch);
            }
        }
        for settled in work.settled {
            self.settle(settled);
        }
        for route in work.routes {
            match route {
                Route::Queue(queue, reference) => {
                    self.tell_queued(queue, &reference);
                    self.put(queue, reference);
                }
                Route::Topic(topic, reference) => self.publish(topic, reference),
            }
        }
    }

    /// Whether a message that goes there is to be stored.
    pub(super) fn is_stored(&self, queue: QueueKey, message: &Message) -> bool {
        self.config.persistent
            && message.persistent
            && self
                .destinations
                .peek(queue)
                .is_some_and(|queue| !matches!(queue.kind, QueueKind::Temporary(_)))
    }

    /// Starts with what the store held.
    pub(super) fn recover(&mut self, recovered: Recovered) {
        let Recovered { queues, subscriptions, producers, prepared, taken, sequence: _ } =
            recovered;
        for (destination, messages) in queues {
            let Some(key) = self.recover_queue(&destination) else { continue };
            self.recover_messages(key, messages);
        }
        for (key, info, messages) in subscriptions {
            let Some(queue) = self.recover_durable(key, info) else { continue };
            self.recover_messages(queue, messages);
        }
        for (producer, audit) in producers {
            self.departed.insert(producer, audit);
        }
        let mut taken: HashMap<(Place, u64), Arc<Message>> =
            taken.into_iter().map(|(place, number, message)| ((place, number), message)).collect();
        for (id, writes) in prepared {
            self.recover_transaction(id, writes, &mut taken);
        }
        // What was there is written already, and nobody is connected who could be told.
        self.outputs.clear();
        self.unstored = Unstored::default();
    }

    fn recover_messages(&mut self, key: QueueKey, messages: Vec<StoredMessage>) {
        if let Some(queue) = self.destinations.queue(key) {
            queue.recover(messages, &mut self.memory);
        }
    }

    /// A message counts from now on.
    pub(super) fn account(&mut self, key: QueueKey, reference: &Reference) {
        let size = reference.size();
        if let Some(queue) = self.destinations.queue(key) {
            queue.bytes += size;
            self.memory.take(size);
        }
    }

    /// The write that takes a stored message out of its place.
    pub(super) fn removal(&self, key: QueueKey, reference: &Reference) -> Option<StoreWrite> {
        let place: Place = self.destinations.peek(key).filter(|_| reference.stored)?.place();
        Some(StoreWrite::Remove { place, sequence: reference.sequence })
    }
}
