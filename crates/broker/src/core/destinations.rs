//! `Destinations`: every queue and topic there is, and how they come and go.

use std::collections::BTreeMap;

use rewire_protocol::{ConnectionId, Destination, DestinationInfo};

use super::BrokerCore;
use super::error::{BrokerError, ErrorKind};
use super::io::LinkId;
use super::keys::{ConnectionKey, Map, QueueKey, SubKey, TopicKey};
use super::names;
use super::queue::{Queue, QueueKind};
use super::rights::Operation;
use super::topic::Topic;
use crate::store::StoreWrite;

/// Where messages for a destination go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    Queue(QueueKey),
    Topic(TopicKey),
}

/// Every queue and topic, those of durable subscriptions too.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    by_name: Map<Destination, Home>,
    queues: Map<QueueKey, Queue>,
    topics: Map<TopicKey, Topic>,
    /// All that have a name, in the order in which they came.
    listed: BTreeMap<u64, (Destination, Option<ConnectionId>)>,
    /// Consumers of destinations that are still to come.
    pub(super) patterns: Vec<(Destination, SubKey)>,
    /// Durable subscriptions to topics that are still to come.
    pub(super) durable_patterns: Vec<(Destination, QueueKey)>,
    /// Queues that get what is sent to virtual topics, also those that are still to come.
    virtual_patterns: Vec<(Destination, QueueKey)>,
}

impl Destinations {
    pub(super) fn home(&self, destination: &Destination) -> Option<Home> {
        self.by_name.get(destination).copied()
    }

    pub(super) fn queue(&mut self, key: QueueKey) -> Option<&mut Queue> {
        self.queues.get_mut(&key)
    }

    pub(super) fn peek_topic(&self, key: TopicKey) -> Option<&Topic> {
        self.topics.get(&key)
    }

    pub(super) fn topic(&mut self, key: TopicKey) -> Option<&mut Topic> {
        self.topics.get_mut(&key)
    }

    pub(super) fn find_queue(&self, destination: &Destination) -> Option<&Queue> {
        let Home::Queue(key) = self.home(destination)? else { return None };
        self.queues.get(&key)
    }

    pub(super) fn find_topic(&self, destination: &Destination) -> Option<&Topic> {
        let Home::Topic(key) = self.home(destination)? else { return None };
        self.topics.get(&key)
    }

    /// All queues, those of durable subscriptions too, in no order.
    pub(super) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// All that have a name, in the order in which they came, with the connections they belong to.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(Destination, Option<ConnectionId>)> {
        self.listed.values()
    }

    /// All that a consumer of a pattern takes from.
    pub(super) fn matching(&self, pattern: &Destination) -> Vec<Home> {
        let named = self.listed.values().filter(|(name, _)| names::takes(pattern, name));
        named.filter_map(|(name, _)| self.home(name)).collect()
    }

    /// Does something with a topic, or with all that a pattern stands for.
    fn each_topic(&mut self, name: &Destination, mut act: impl FnMut(&mut Topic)) {
        let topics = if names::is_pattern(name) {
            self.matching(name)
        } else {
            self.home(name).into_iter().collect()
        };
        for home in topics {
            let Home::Topic(key) = home else { continue };
            if let Some(topic) = self.topics.get_mut(&key) {
                act(topic);
            }
        }
    }

    /// All queues, those of durable subscriptions too, the oldest first.
    pub(super) fn queue_keys(&self) -> Vec<QueueKey> {
        let mut keys: Vec<QueueKey> = self.queues.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// A queue without a name: that of a durable subscription.
    pub(super) fn insert_unnamed(&mut self, queue: Queue) {
        self.queues.insert(queue.key, queue);
    }

    pub(super) fn remove_unnamed(&mut self, key: QueueKey) -> Option<Queue> {
        self.queues.remove(&key)
    }

    /// The queue of any key, to be looked at.
    pub(super) fn peek(&self, key: QueueKey) -> Option<&Queue> {
        self.queues.get(&key)
    }
}

impl BrokerCore {
    /// Where messages for a destination go. Queues and topics come into being when they are named;
    /// temporary ones do not.
    pub(super) fn ensure(
        &mut self,
        destination: &Destination,
        by: Option<&ConnectionId>,
    ) -> Result<Home, BrokerError> {
        if let Some(home) = self.destinations.home(destination) {
            return Ok(home);
        }
        if destination.kind.is_temporary() {
            let problem = format!("The destination {destination} does not exist.");
            return Err(BrokerError::new(ErrorKind::DestinationDoesNotExist, problem));
        }
        if !names::is_place(destination) {
            let problem = format!("{destination} stands for others: nothing can be sent to it");
            return Err(BrokerError::new(ErrorKind::InvalidDestination, problem));
        }
        self.create(destination, by, None)
    }

    /// Where dead letters go, whose queue may be named after a pattern's.
    pub(super) fn ensure_dead_letters(&mut self, queue: &Destination) -> Result<Home, BrokerError> {
        match self.destinations.home(queue) {
            Some(home) => Ok(home),
            None => self.create(queue, None, None),
        }
    }

    fn create(
        &mut self,
        destination: &Destination,
        by: Option<&ConnectionId>,
        owner: Option<ConnectionId>,
    ) -> Result<Home, BrokerError> {
        let limits = &self.config.limits;
        if self.destinations.len() >= limits.destinations && !names::is_advisory(destination) {
            return Err(BrokerError::limit("destinations", limits.destinations));
        }
        if destination.physical_name.is_empty() {
            let problem = "a destination needs a name";
            return Err(BrokerError::new(ErrorKind::InvalidDestination, problem));
        }
        let key = self.next_key();
        let home = if destination.kind.is_queue() {
            let kind = owner.clone().map_or(QueueKind::Queue, QueueKind::Temporary);
            let key = QueueKey(key);
            let queue = Queue::new(key, destination.clone(), kind, &self.config);
            self.destinations.queues.insert(key, queue);
            if self.config.persistent && owner.is_none() {
                self.write(vec![StoreWrite::CreateQueue(destination.clone())]);
            }
            Home::Queue(key)
        } else {
            let key = TopicKey(key);
            let topic =
                Topic::new(destination.clone(), owner, self.config.policies.find(destination));
            self.destinations.topics.insert(key, topic);
            Home::Topic(key)
        };
        self.destinations.by_name.insert(destination.clone(), home);
        self.destinations.listed.insert(key, (destination.clone(), by.cloned()));
        self.join(destination, home)?;
        self.advise_destination(destination, by, DestinationInfo::ADD);
        Ok(home)
    }

    /// Brings a new destination together with those who wait for its like.
    fn join(&mut self, destination: &Destination, home: Home) -> Result<(), BrokerError> {
        let waiting = self.destinations.patterns.iter();
        let subs: Vec<SubKey> = waiting
            .filter(|(pattern, _)| names::takes(pattern, destination))
            .map(|(_, key)| *key)
            .collect();
        for key in subs {
            self.attach(key, home);
            self.pump(key);
        }
        match home {
            Home::Topic(key) => {
                let waiting = self.destinations.durable_patterns.iter();
                let durables: Vec<QueueKey> = waiting
                    .filter(|(pattern, _)| names::matches(pattern, destination))
                    .map(|(_, key)| *key)
                    .collect();
                let waiting = self.destinations.virtual_patterns.iter();
                let queues: Vec<QueueKey> = waiting
                    .filter(|(pattern, _)| names::matches(pattern, destination))
                    .map(|(_, key)| *key)
                    .collect();
                if let Some(topic) = self.destinations.topic(key) {
                    topic.durables.extend(durables);
                    topic.virtual_queues.extend(queues);
                }
            }
            Home::Queue(queue) => {
                let Some(virtual_topic) = names::virtual_topic(destination) else { return Ok(()) };
                if names::is_pattern(&virtual_topic) {
                    self.destinations.virtual_patterns.push((virtual_topic.clone(), queue));
                } else {
                    self.ensure(&virtual_topic, None)?;
                }
                self.destinations
                    .each_topic(&virtual_topic, |topic| topic.virtual_queues.push(queue));
            }
        }
        Ok(())
    }

    /// A client makes or removes a destination.
    pub(super) fn on_destination_info(
        &mut self,
        link: LinkId,
        info: &DestinationInfo,
    ) -> Result<(), BrokerError> {
        let key = self.connected(link)?;
        let Some(destination) = &info.destination else {
            return Err(BrokerError::jms("a DestinationInfo without a destination"));
        };
        self.permit_change(key, destination, info.operation_type)?;
        match info.operation_type {
            DestinationInfo::ADD if destination.kind.is_temporary() => {
                self.add_temporary(key, destination)
            }
            DestinationInfo::ADD => {
                let id = self.registry.connection(key).map(|connection| connection.id.clone());
                self.ensure(destination, id.as_ref()).map(|_| ())
            }
            DestinationInfo::REMOVE => {
                if let Some(connection) = self.registry.connection(key) {
                    connection.temporary.retain(|own| own != destination);
                }
                self.remove_destination(destination)
            }
            other => Err(BrokerError::jms(format!("a DestinationInfo cannot ask for {other}"))),
        }
    }

    /// Whether a client may make or remove a destination. Its own temporary ones it may always remove.
    fn permit_change(
        &self,
        key: ConnectionKey,
        destination: &Destination,
        operation: i8,
    ) -> Result<(), BrokerError> {
        let owner = self.registry.connections.get(&key);
        let is_own = owner.is_some_and(|owner| owner.temporary.contains(destination));
        let exists = self.destinations.home(destination).is_some();
        match operation {
            DestinationInfo::REMOVE if !is_own => self.permit(key, Operation::Remove, destination),
            DestinationInfo::ADD if !exists => self.permit(key, Operation::Create, destination),
            _ => Ok(()),
        }
    }

    /// A temporary destination begins, or is told again after a failover.
    fn add_temporary(
        &mut self,
        key: ConnectionKey,
        destination: &Destination,
    ) -> Result<(), BrokerError> {
        if self.destinations.home(destination).is_some() {
            return Ok(());
        }
        let limit = self.config.limits.per_connection;
        let Some(connection) = self.registry.connection(key) else { return Ok(()) };
        if connection.temporary.len() >= limit {
            return Err(BrokerError::limit("temporary destinations of one connection", limit));
        }
        let id = connection.id.clone();
        connection.temporary.push(destination.clone());
        // Java: whose it is its name says. A bridge makes those of other brokers' clients.
        let owner = names::owner(destination).unwrap_or_else(|| id.clone());
        self.create(destination, Some(&id), Some(owner)).map(|_| ())
    }

    /// A destination ends, with all its messages. Java: not while it has consumers.
    pub(super) fn remove_destination(
        &mut self,
        destination: &Destination,
    ) -> Result<(), BrokerError> {
        let Some(home) = self.destinations.home(destination) else { return Ok(()) };
        let is_in_use = match home {
            Home::Queue(key) => {
                self.destinations.queue(key).is_some_and(|queue| !queue.consumers.is_empty())
            }
            Home::Topic(key) => self
                .destinations
                .topic(key)
                .is_some_and(|topic| !topic.consumers.is_empty() || !topic.durables.is_empty()),
        };
        if is_in_use {
            let problem = format!("Destination: {destination} still has an active subscription");
            return Err(BrokerError::jms(problem));
        }
        self.drop_destination(destination, home);
        Ok(())
    }

    fn drop_destination(&mut self, destination: &Destination, home: Home) {
        match home {
            Home::Queue(key) => {
                if let Some(queue) = self.destinations.queues.remove(&key) {
                    self.memory.free(queue.bytes + queue.pages.stub_bytes());
                    if self.config.persistent && matches!(queue.kind, QueueKind::Queue) {
                        self.write(vec![StoreWrite::DeleteQueue(destination.clone())]);
                    }
                }
                if let Some(virtual_topic) = names::virtual_topic(destination) {
                    self.destinations.virtual_patterns.retain(|(_, queue)| *queue != key);
                    self.destinations.each_topic(&virtual_topic, |topic| {
                        topic.virtual_queues.retain(|queue| *queue != key);
                    });
                }
            }
            Home::Topic(key) => {
                if let Some(topic) = self.destinations.topics.remove(&key) {
                    self.recent_bytes = self.recent_bytes.saturating_sub(topic.recent.bytes);
                }
            }
        }
        self.destinations.by_name.remove(destination);
        let number = match home {
            Home::Queue(QueueKey(number)) | Home::Topic(TopicKey(number)) => number,
        };
        let by = self.destinations.listed.remove(&number).and_then(|(_, by)| by);
        if !names::is_advisory(destination) {
            self.advise_destination(destination, by.as_ref(), DestinationInfo::REMOVE);
        }
    }

    /// The temporary destinations of a connection that is over end with it.
    pub(super) fn drop_temporary(&mut self, temporary: Vec<Destination>) {
        for destination in temporary {
            let Some(home) = self.destinations.home(&destination) else { continue };
            // Whoever else listened to a temporary topic hears nothing more.
            let consumers = match home {
                Home::Queue(key) => self.destinations.queue(key).map(|q| q.consumers.clone()),
                Home::Topic(key) => self.destinations.topic(key).map(|t| t.consumers.clone()),
            };
            for key in consumers.unwrap_or_default() {
                self.detach(key, home);
            }
            self.drop_destination(&destination, home);
        }
    }

    /// A queue of this name, as the store had it.
    pub(super) fn recover_queue(&mut self, destination: &Destination) -> Option<QueueKey> {
        match self.create(destination, None, None) {
            Ok(Home::Queue(key)) => Some(key),
            Ok(Home::Topic(_)) | Err(_) => None,
        }
    }
}
