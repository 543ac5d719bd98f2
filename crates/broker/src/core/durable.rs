//! Durable subscriptions: what waits for a subscriber of a topic while it is away.

use rewire_protocol::{
    ConsumerInfo, Destination, DestinationKind, RemoveSubscriptionInfo, Str, SubscriptionInfo,
};

use super::BrokerCore;
use super::destinations::Home;
use super::error::{BrokerError, ErrorKind};
use super::io::LinkId;
use super::keys::{ConnectionKey, QueueKey};
use super::names;
use super::persist::Work;
use super::queue::{Filter, Queue, QueueKind};
use super::reference::Reference;
use crate::selector::Selector;
use crate::store::{StoreWrite, SubscriptionKey};

/// Whether a consumer is a durable subscriber.
pub(super) fn is_durable(info: &ConsumerInfo) -> bool {
    let is_topic = info.destination.as_ref().is_some_and(|d| d.kind == DestinationKind::Topic);
    is_topic && info.subscription_name.as_ref().is_some_and(|name| !name.is_empty())
}

impl BrokerCore {
    /// The queue of a durable subscription, which is made, or made anew when the subscriber asks for
    /// something else than before. Java: a new selector or topic drops what waited.
    pub(super) fn durable_queue(
        &mut self,
        connection: ConnectionKey,
        info: &ConsumerInfo,
        selector: Option<Selector>,
    ) -> Result<QueueKey, BrokerError> {
        let client_id = self.registry.connection(connection).map(|c| c.client_id.clone());
        let (Some(client_id), Some(name), Some(destination)) =
            (client_id, info.subscription_name.clone(), info.destination.clone())
        else {
            return Err(BrokerError::jms("a durable subscription needs a client id and a name"));
        };
        let key = SubscriptionKey { client_id: client_id.clone(), name: name.clone() };
        let wanted = SubscriptionInfo {
            client_id: Some(client_id),
            destination: Some(destination.clone()),
            selector: info.selector.clone(),
            subscription_name: Some(name),
            subscribed_destination: Some(destination.clone()),
            no_local: info.no_local,
        };
        let local = info.consumer_id.as_ref().and_then(|id| id.connection_id.clone());
        let filter = Filter { selector, not_from: local.filter(|_| info.no_local) };
        if let Some(queue) = self.durables.get(&key).copied() {
            let Some(found) = self.destinations.queue(queue) else {
                return Err(BrokerError::jms("the durable subscription is gone"));
            };
            if !found.consumers.is_empty() {
                return Err(in_use(&key));
            }
            if found.subscription.as_deref() == Some(&wanted) {
                found.filter = filter;
                return Ok(queue);
            }
            self.drop_durable(&key, queue);
        }
        let limit = self.config.limits.durable_subscriptions;
        if self.durables.len() >= limit {
            return Err(BrokerError::limit("durable subscriptions", limit));
        }
        if !names::is_pattern(&destination) {
            for member in names::members(&destination, self.config.limits.composite)? {
                self.ensure(&member, None)?;
            }
        }
        if self.config.persistent {
            let info = Box::new(wanted.clone());
            self.write(vec![StoreWrite::Subscribe(key.clone(), info)]);
        }
        let queue = self.add_durable(key, wanted, filter)?;
        if info.retroactive {
            self.recall(queue, &destination)?;
        }
        Ok(queue)
    }

    /// A new subscription gets what was sent before.
    fn recall(&mut self, queue: QueueKey, destination: &Destination) -> Result<(), BrokerError> {
        let mut work = Work::default();
        for member in names::members(destination, self.config.limits.composite)? {
            for home in self.destinations.matching(&member) {
                let Home::Topic(topic) = home else { continue };
                let Some(topic) = self.destinations.topic(topic) else { continue };
                topic.recent.forget_old(&topic.policy, self.now.unix_ms, &mut self.recent_bytes);
                let recent: Vec<Reference> = topic.recent.messages.iter().cloned().collect();
                for Reference { message, sequence, .. } in recent {
                    let wants = |queue: &Queue| queue.filter.passes(&message);
                    if self.destinations.peek(queue).is_some_and(wants) {
                        self.route_to_queue(queue, message, sequence, &mut work);
                    }
                }
            }
        }
        self.submit(work);
        Ok(())
    }

    fn add_durable(
        &mut self,
        key: SubscriptionKey,
        info: SubscriptionInfo,
        filter: Filter,
    ) -> Result<QueueKey, BrokerError> {
        let Some(destination) = info.destination.clone() else {
            return Err(BrokerError::jms("a durable subscription without a topic"));
        };
        let queue = QueueKey(self.next_key());
        let kind = QueueKind::Durable(key.clone());
        let mut made = Queue::new(queue, destination.clone(), kind, &self.config);
        made.filter = filter;
        made.subscription = Some(Box::new(info));
        self.destinations.insert_unnamed(made);
        self.durables.insert(key, queue);
        for member in names::members(&destination, self.config.limits.composite)? {
            let topics = if names::is_pattern(&member) {
                self.destinations.durable_patterns.push((member.clone(), queue));
                self.destinations.matching(&member)
            } else {
                vec![self.ensure(&member, None)?]
            };
            for home in topics {
                if let Home::Topic(topic) = home
                    && let Some(topic) = self.destinations.topic(topic)
                {
                    topic.durables.push(queue);
                }
            }
        }
        Ok(queue)
    }

    pub(super) fn recover_durable(
        &mut self,
        key: SubscriptionKey,
        info: SubscriptionInfo,
    ) -> Option<QueueKey> {
        let selector = info.selector.as_ref().and_then(|text| text.to_str().parse().ok());
        self.add_durable(key, info, Filter { selector, not_from: None }).ok()
    }

    /// Ends a durable subscription, with all that waits for it.
    fn drop_durable(&mut self, key: &SubscriptionKey, queue: QueueKey) {
        self.durables.remove(key);
        self.destinations.durable_patterns.retain(|(_, own)| *own != queue);
        let names: Vec<Destination> =
            self.destinations.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            if let Some(Home::Topic(topic)) = self.destinations.home(&name)
                && let Some(topic) = self.destinations.topic(topic)
            {
                topic.durables.retain(|own| *own != queue);
            }
        }
        if let Some(queue) = self.destinations.remove_unnamed(queue) {
            self.memory.free(queue.bytes + queue.pages.stub_bytes());
        }
        if self.config.persistent {
            self.write(vec![StoreWrite::Unsubscribe(key.clone())]);
        }
    }

    pub(super) fn on_remove_subscription(
        &mut self,
        link: LinkId,
        info: &RemoveSubscriptionInfo,
    ) -> Result<(), BrokerError> {
        let connection = self.connected(link)?;
        let own = self.registry.connection(connection).map(|c| c.client_id.clone());
        let client_id = info.client_id.clone().or(own).unwrap_or(Str::EMPTY);
        let name = info.subscription_name.clone().unwrap_or(Str::EMPTY);
        let key = SubscriptionKey { client_id, name };
        let Some(queue) = self.durables.get(&key).copied() else {
            let SubscriptionKey { client_id, name } = &key;
            let problem = format!(
                "No durable subscription exists for clientID: {client_id} and subscriptionName: {name}"
            );
            return Err(BrokerError::new(ErrorKind::InvalidDestination, problem));
        };
        if self.destinations.peek(queue).is_some_and(|queue| !queue.consumers.is_empty()) {
            return Err(in_use(&key));
        }
        self.drop_durable(&key, queue);
        Ok(())
    }
}

fn in_use(key: &SubscriptionKey) -> BrokerError {
    let SubscriptionKey { client_id, name } = key;
    BrokerError::jms(format!(
        "Durable consumer is in use for client: {client_id} and subscriptionName: {name}"
    ))
}
