//! `Census`: all that the core holds of its clients and of messages, to be looked at from outside.

use rewire_protocol::{ConnectionId, Destination, Message};

use super::BrokerCore;
use super::connect::OWN_SESSION;
use super::io::LinkId;
use super::pages::{Entry, STUB};
use super::reference::SEQUENCES;
use super::subscription::Window;

/// What a broker holds.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Census {
    /// Links that are open.
    pub links: usize,
    /// Clients, in the order in which they came.
    pub connections: Vec<ConnectionCensus>,
    /// Consumers of all clients.
    pub consumers: usize,
    /// Transactions that are not over.
    pub transactions: usize,
    /// Temporary destinations.
    pub temporary: usize,
    /// Messages of queues, those at consumers too, counted as the limit of memory counts them.
    pub message_bytes: usize,
    /// What is counted against the limit of memory.
    pub memory_used: usize,
}

/// What a broker holds of one client. What is in a session has its number first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionCensus {
    /// Its name.
    pub id: ConnectionId,
    /// Its link.
    pub link: LinkId,
    /// Its sessions, without the one that every connection has.
    pub sessions: Vec<i64>,
    /// Its producers.
    pub producers: Vec<(i64, i64)>,
    /// Its consumers, with their prefetch: 0 for one that asks for each message.
    pub consumers: Vec<(i64, i64, usize)>,
    /// Its temporary destinations.
    pub temporary: Vec<Destination>,
}

impl BrokerCore {
    /// All messages of queues and durable subscriptions by their numbers at the broker, in no order, those at
    /// consumers too; without the message itself where only the store has it.
    pub fn messages(&self) -> impl Iterator<Item = (u64, Option<&Message>)> {
        let waiting = self.destinations.queues().flat_map(|queue| queue.pages.iter());
        let waiting = waiting.map(|(place, entry)| match entry {
            Entry::Here(reference) => (reference.sequence, Some(&*reference.message)),
            Entry::There(_) => (place & SEQUENCES, None),
        });
        let given = self.subs.values().flat_map(|sub| &sub.dispatched);
        let given = given.map(|given| (given.reference.sequence, Some(&*given.reference.message)));
        waiting.chain(given)
    }

    /// What the broker holds.
    #[must_use]
    pub fn census(&self) -> Census {
        Census {
            links: self.registry.links.len(),
            connections: self
                .registry
                .connections
                .values()
                .map(|known| self.count(known))
                .collect(),
            consumers: self.subs.len(),
            transactions: self.transactions.len(),
            temporary: self
                .destinations
                .iter()
                .filter(|(name, _)| name.kind.is_temporary())
                .count(),
            message_bytes: self
                .messages()
                .map(|(_, message)| message.map_or(STUB, super::reference::size))
                .sum(),
            memory_used: self.memory.used(),
        }
    }

    fn count(&self, known: &super::registry::Connection) -> ConnectionCensus {
        let prefetch = |key| match self.subs.get(key).map(|sub| sub.window) {
            Some(Window::Prefetch { size, .. }) => size,
            Some(Window::Pull { .. }) | None => 0,
        };
        let consumers = known.consumers.iter();
        ConnectionCensus {
            id: known.id.clone(),
            link: known.link,
            sessions: known.sessions.iter().copied().filter(|id| *id != OWN_SESSION).collect(),
            producers: known.producers.keys().copied().collect(),
            consumers: consumers.map(|((s, c), key)| (*s, *c, prefetch(key))).collect(),
            temporary: known.temporary.clone(),
        }
    }
}
