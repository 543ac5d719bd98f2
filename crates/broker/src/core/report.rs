//! `BrokerReport`: what a broker is doing, for people and for what watches it.

use std::time::Duration;

use rewire_protocol::Destination;

use super::BrokerCore;
use super::destinations::Home;
use super::keys::QueueKey;
use super::names;
use crate::cluster::ClusterMember;
use crate::store::SubscriptionKey;

/// What a broker is doing at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerReport {
    /// The broker's name.
    pub name: String,
    /// Its id, another at each start.
    pub id: String,
    /// Clients, those that have come first; not more than were asked for.
    pub connections: Vec<ConnectionReport>,
    /// How many there are.
    pub connection_count: usize,
    /// Queues and topics but for advisories, those that have come first, and temporary ones last; not
    /// more than were asked for.
    pub destinations: Vec<DestinationReport>,
    /// How many there are.
    pub destination_count: usize,
    /// Durable subscriptions, by client id and name; not more than were asked for.
    pub subscriptions: Vec<SubscriptionReport>,
    /// How many there are.
    pub subscription_count: usize,
    /// The brokers of the cluster, this one first; not more than were asked for.
    pub cluster: Vec<ClusterMember>,
    /// Bytes of messages in memory.
    pub memory_used: usize,
    /// How many there may be.
    pub memory_limit: usize,
    /// Whether the store has failed: nothing persistent is taken in any more.
    pub store_failed: bool,
    /// What the store has done; none if there is no store, or it has failed. A core by itself knows of none.
    pub store: Option<StoreReport>,
}

/// A client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionReport {
    /// Its JMS client id.
    pub client_id: String,
    /// The user it is, if it has said.
    pub user: Option<String>,
    /// Where it is.
    pub peer: String,
    /// How many consumers it has.
    pub consumers: usize,
    /// How many producers it has.
    pub producers: usize,
}

/// A queue or a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationReport {
    /// Which.
    pub destination: Destination,
    /// Messages that wait for a consumer.
    pub pending: usize,
    /// Messages that are at a consumer and not acknowledged.
    pub in_flight: usize,
    /// Consumers.
    pub consumers: usize,
    /// Producers that have said that they send to it.
    pub producers: usize,
    /// Bytes of its messages in memory.
    pub bytes: usize,
    /// What became of messages since the broker started.
    pub counts: Counts,
}

/// A durable subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionReport {
    /// The client id of its subscriber.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// The topic, or the pattern of topics.
    pub destination: Destination,
    /// Whether its subscriber is there.
    pub is_active: bool,
    /// Messages that wait for it.
    pub pending: usize,
    /// Messages that it was sent and has not acknowledged.
    pub in_flight: usize,
    /// What became of messages since the broker started.
    pub counts: Counts,
}

/// What became of messages since the broker started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Taken in.
    pub enqueued: u64,
    /// Consumed; of a topic, sent to a consumer, each copy for itself.
    pub dequeued: u64,
    /// Expired.
    pub expired: u64,
    /// Gone to a queue for dead letters.
    pub dead: u64,
    /// Dropped because too many waited for a slow consumer of a topic.
    pub discarded: u64,
}

/// What a store has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreReport {
    /// Commits, each of all that had come together.
    pub commits: u64,
    /// The time they took, added up.
    pub time: Duration,
    /// How many of them took no longer than the [bound](Self::BOUNDS) at the same place.
    pub within: [u64; Self::BOUNDS.len()],
}

impl StoreReport {
    /// Times that commits are compared with.
    pub const BOUNDS: [Duration; 10] = [
        Duration::from_micros(100),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_millis(2),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(100),
        Duration::from_millis(500),
        Duration::from_secs(2),
    ];

    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "a shell has the store"))]
    pub(crate) fn on_commit(&mut self, took: Duration) {
        self.commits += 1;
        self.time = self.time.saturating_add(took);
        for (bound, count) in Self::BOUNDS.iter().zip(&mut self.within) {
            *count += u64::from(took <= *bound);
        }
    }
}

impl BrokerCore {
    /// What the broker is doing, with no more than so many clients, destinations and durable
    /// subscriptions, each.
    #[must_use]
    pub fn report(&self, most: usize) -> BrokerReport {
        let connections = self.registry.connections.values().take(most).map(|connection| {
            let link = self.registry.links.get(&connection.link);
            ConnectionReport {
                client_id: connection.client_id.to_string(),
                user: connection.info.user_name.as_ref().map(ToString::to_string),
                peer: link.map(|link| link.peer.clone()).unwrap_or_default(),
                consumers: connection.consumers.len(),
                producers: connection.producers.len(),
            }
        });
        let named = || {
            self.destinations.iter().map(|(name, _)| name).filter(|name| !names::is_advisory(name))
        };
        let lasting = named().filter(|name| !name.kind.is_temporary());
        let destinations = lasting.chain(named().filter(|name| name.kind.is_temporary()));
        let subscriptions = self.durables.iter().take(most);
        BrokerReport {
            name: self.config.name.clone(),
            id: self.config.id.clone(),
            connections: connections.collect(),
            connection_count: self.registry.connections.len(),
            destinations: destinations.take(most).filter_map(|name| self.report_of(name)).collect(),
            destination_count: named().count(),
            subscriptions: subscriptions
                .filter_map(|(key, queue)| self.report_of_subscription(key, *queue))
                .collect(),
            subscription_count: self.durables.len(),
            cluster: self.cluster().take(most).collect(),
            memory_used: self.memory.used(),
            memory_limit: self.config.limits.memory,
            store_failed: self.store_failed,
            store: None,
        }
    }

    fn report_of(&self, destination: &Destination) -> Option<DestinationReport> {
        let stats = self.stats(destination)?;
        let (bytes, counts) = match self.destinations.home(destination)? {
            Home::Queue(key) => self.destinations.peek(key).map(|own| (own.bytes, own.counts))?,
            Home::Topic(_) => {
                self.destinations.find_topic(destination).map(|own| (own.bytes, own.counts))?
            }
        };
        Some(DestinationReport {
            destination: destination.clone(),
            pending: stats.pending,
            in_flight: stats.in_flight,
            consumers: stats.consumers,
            producers: stats.producers,
            bytes,
            counts,
        })
    }

    fn report_of_subscription(
        &self,
        key: &SubscriptionKey,
        queue: QueueKey,
    ) -> Option<SubscriptionReport> {
        let queue = self.destinations.peek(queue)?;
        Some(SubscriptionReport {
            client_id: key.client_id.to_string(),
            name: key.name.to_string(),
            destination: queue.destination.clone(),
            is_active: !queue.consumers.is_empty(),
            pending: queue.len(),
            in_flight: queue.in_flight,
            counts: queue.counts,
        })
    }
}
