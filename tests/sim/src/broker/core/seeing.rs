//! What can be seen of a broker's core: what it has stored, whom it knows, what is left of it.

use std::collections::{BTreeMap, BTreeSet};

use rewire_protocol::{ConsumerId, Message};

use super::{Core, slot, wire};
use crate::broker::Store;
use crate::seen::{AtBroker, MessageKey, Registered, Seen};
use crate::world::Ctx;

impl Core {
    /// Tells what has come and gone.
    pub(super) fn look(&mut self, ctx: &mut Ctx) {
        let store = self.store;
        let mut new = Vec::new();
        let mut count = 0;
        let is_kept = |number: u64| self.is_kept.get(slot(number)).is_some_and(|kept| *kept);
        for (number, message) in self.core.messages() {
            count += 1;
            if !is_kept(number)
                && let Some(entry) = self.entry(number, message)
            {
                new.push((number, entry));
            }
        }
        // Those that came at once, in the order in which they did.
        new.sort();
        for (number, entry) in &new {
            self.keep(*number, *entry);
        }
        let new: Vec<_> = new.into_iter().map(|(_, entry)| entry).collect();
        self.see_stored(ctx, &new, store, true);
        if self.kept.len() == count {
            return;
        }
        let there: BTreeSet<u64> = self.core.messages().map(|(number, _)| number).collect();
        let gone = self.kept.extract_if(.., |number, _| !there.contains(number));
        for (number, (key, _)) in gone.collect::<Vec<_>>() {
            self.gone.insert(number);
            self.is_kept[slot(number)] = false;
            match self.acknowledged.get(&key) {
                Some(by) => self.see(ctx, AtBroker::Consumed { key, by: *by, store }),
                None => self.see(ctx, AtBroker::Vanished { key }),
            }
        }
    }

    /// Tells of messages that came at once, and of the transactions that brought them.
    pub(super) fn see_stored(
        &self,
        ctx: &mut Ctx,
        new: &[(MessageKey, bool)],
        store: usize,
        is_alive: bool,
    ) {
        let mut committed: BTreeMap<(usize, i64), Vec<MessageKey>> = BTreeMap::new();
        for (key, _) in new {
            if let Some(transaction) = self.transactions.get(key) {
                committed.entry(*transaction).or_default().push(*key);
            }
        }
        for ((client, transaction), mut messages) in committed {
            messages.sort();
            let messages = &messages;
            self.see(ctx, AtBroker::Committed { client, transaction, messages, is_alive });
        }
        for (key, persistent) in new.iter().copied() {
            self.see(ctx, AtBroker::Stored { key, persistent, store });
        }
    }

    /// The links over which a client has said who it is.
    pub(in crate::broker) fn clients(&self) -> Vec<usize> {
        self.links.iter().filter(|(_, link)| link.is_named).map(|(wire, _)| *wire).collect()
    }

    pub(in crate::broker) fn knows(&self, on: usize) -> Option<Registered> {
        let census = self.core.census();
        let known = census.connections.into_iter().find(|known| wire(known.link) == on)?;
        let prefetch = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
        let consumers = known.consumers.iter();
        let temporary = known.temporary.iter();
        Some(Registered {
            sessions: known.sessions,
            producers: known.producers,
            consumers: consumers.map(|it| (it.0, it.1, prefetch(it.2))).collect(),
            temporary: temporary.map(|known| known.physical_name.to_string()).collect(),
        })
    }

    /// The first consumer of each client.
    pub(in crate::broker) fn first_consumers(&self) -> Vec<(usize, ConsumerId)> {
        let clients = self.core.census().connections.into_iter();
        let first = |known: &rewire_broker::core::ConnectionCensus| {
            let (session, value, _) = known.consumers.first()?;
            Some((wire(known.link), known.id.session(*session).consumer(*value)))
        };
        clients.filter_map(|known| first(&known)).collect()
    }

    pub(in crate::broker) fn see_what_is_left(&mut self, ctx: &mut Ctx, store: &Store) {
        for wire in self.links.keys().copied().collect::<Vec<_>>() {
            self.end(ctx, wire);
        }
        while !(self.writes.is_empty() && self.loads.is_empty()) {
            self.written(ctx, store);
        }
        let census = &self.core.census();
        let on_disk = store.kept().len();
        let persistent = self.kept.values().filter(|(_, persistent)| *persistent).count();
        self.see(ctx, AtBroker::IsLeft { census, on_disk, persistent });
    }

    pub(super) fn see(&self, ctx: &mut Ctx, at: AtBroker<'_>) {
        ctx.see(&Seen::Broker(self.broker, at));
    }

    /// A message that it was not seen to have.
    pub(super) fn entry(
        &self,
        number: u64,
        message: Option<&Message>,
    ) -> Option<(MessageKey, bool)> {
        match message {
            Some(message) => {
                Some((MessageKey::of(message.message_id.as_ref()?)?, message.persistent))
            }
            // What is only on the disk was written.
            None => self.added.get(&number).copied(),
        }
    }

    pub(super) fn keep(&mut self, number: u64, entry: (MessageKey, bool)) {
        let slot = slot(number);
        if self.is_kept.len() <= slot {
            self.is_kept.resize(slot + 1, false);
        }
        self.is_kept[slot] = true;
        self.kept.insert(number, entry);
        self.had.insert(entry.0);
    }
}
