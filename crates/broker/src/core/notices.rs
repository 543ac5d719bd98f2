//! What is told of messages and of those who send and take them, mostly only where a policy asks for it.

use std::sync::Arc;

use rewire_protocol::{Command, Destination, DestinationKind, Message, Primitive};

use super::BrokerCore;
use super::advisory::destination_topic;
use super::destinations::Home;
use super::io::LinkId;
use super::keys::{QueueKey, SubKey};
use super::names::{self, ADVISORY_PREFIX};
use super::persist::Work;
use super::policies::{DestinationPolicy, Policies};
use super::queue::QueueKind;
use super::reference::Reference;

/// What some policy asks for: what none does need not be looked for, message by message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    taken_in: bool,
    consumed: bool,
    full: bool,
}

impl Asked {
    pub(super) fn of(policies: &Policies) -> Self {
        Self {
            taken_in: policies
                .any(|own| own.advisory_for_delivery || own.send_advisory_if_no_consumers),
            consumed: policies.any(|own| own.advisory_for_consumed),
            full: policies.any(|own| own.advisory_when_full || own.advisory_for_fast_producers),
        }
    }
}

impl BrokerCore {
    pub(super) fn advise_expired(
        &mut self,
        destination: &Destination,
        message: &Message,
        policy: &DestinationPolicy,
    ) {
        let properties = [("orignalMessageId", Primitive::from(super::shown(message)))];
        let topic = of_type("Expired", destination);
        self.advise(&topic, Some(told(message, policy)), &properties, None);
    }

    /// A message of this destination went to the dead letter queue.
    pub(super) fn advise_dead(
        &mut self,
        destination: &Destination,
        message: &Message,
        policy: &DestinationPolicy,
    ) {
        let topic = of_type("MessageDLQd", destination);
        self.advise(&topic, Some(told(message, policy)), &[], None);
    }

    /// A message was dropped for a subscriber of a topic, which has lost so many so far.
    pub(super) fn advise_discarded(
        &mut self,
        destination: &Destination,
        key: SubKey,
        message: &Message,
        count: usize,
        policy: &DestinationPolicy,
    ) {
        let Some(sub) = self.subs.get(&key) else { return };
        // The spelling is Java's.
        let properties = [
            ("discardedCount", Primitive::Int(i32::try_from(count).unwrap_or(i32::MAX))),
            ("orignalMessageId", Primitive::from(super::shown(message))),
            ("consumerId", Primitive::from(&*sub.consumer_id.to_string())),
            ("orignalDestination", Primitive::from(&*destination.to_string())),
        ];
        let topic = of_type("MessageDiscarded", destination);
        self.advise(&topic, Some(told(message, policy)), &properties, None);
    }

    /// A subscriber of a topic has become slow.
    pub(super) fn advise_slow(&mut self, destination: &Destination, key: SubKey) {
        let Some(sub) = self.subs.get(&key) else { return };
        let properties = [("consumerId", Primitive::from(&*sub.consumer_id.to_string()))];
        let info = Command::ConsumerInfo(sub.info.clone());
        self.advise(&of_type("SlowConsumer", destination), Some(info), &properties, None);
    }

    /// A message was taken in by a queue, and nobody was given it yet.
    pub(super) fn tell_queued(&mut self, key: QueueKey, reference: &Reference) {
        if !self.asked.taken_in || reference.is_expired(self.now.unix_ms) {
            return;
        }
        let Some(queue) = self.destinations.peek(key) else { return };
        if !matches!(queue.kind, QueueKind::Durable(_)) {
            let (policy, destination) = (Arc::clone(&queue.policy), queue.destination.clone());
            let has_consumer = !queue.consumers.is_empty();
            self.tell_taken_in(&destination, &reference.message, has_consumer, &policy);
        }
    }

    /// A message was taken in. Java: "delivered" means to the broker.
    pub(super) fn tell_taken_in(
        &mut self,
        destination: &Destination,
        message: &Message,
        has_consumer: bool,
        policy: &DestinationPolicy,
    ) {
        if policy.advisory_for_delivery {
            self.tell_message("MessageDelivered", destination, message, policy);
        }
        if policy.send_advisory_if_no_consumers && !has_consumer && !message.persistent {
            self.send_unheard(destination, message);
        }
    }

    /// A consumer is done with a message.
    pub(super) fn tell_consumed(&mut self, key: QueueKey, message: &Message) {
        let Some(queue) = self.destinations.peek(key).filter(|_| self.asked.consumed) else {
            return;
        };
        if !queue.policy.advisory_for_consumed {
            return;
        }
        let policy = Arc::clone(&queue.policy);
        let topic = message.destination.as_ref();
        let destination = match &queue.kind {
            QueueKind::Durable(_) => topic.unwrap_or(&queue.destination).clone(),
            QueueKind::Queue | QueueKind::Temporary(_) => queue.destination.clone(),
        };
        self.tell_message("MessageConsumed", &destination, message, &policy);
    }

    fn tell_message(
        &mut self,
        what: &str,
        destination: &Destination,
        message: &Message,
        policy: &DestinationPolicy,
    ) {
        // The spelling is Java's.
        let properties = [
            ("orignalMessageId", Primitive::from(super::shown(message))),
            ("orignalDestination", Primitive::from(&*destination.to_string())),
        ];
        let topic = of_type(what, destination);
        self.advise(&topic, Some(told(message, policy)), &properties, None);
    }

    /// A message that nobody gets is sent to those who listen for such.
    fn send_unheard(&mut self, destination: &Destination, message: &Message) {
        let kind = if destination.kind.is_queue() { "Queue" } else { "Topic" };
        let name = &destination.physical_name;
        let topic = Destination::topic(format!("{ADVISORY_PREFIX}NoConsumer.{kind}.{name}"));
        if names::is_advisory(destination) || !self.is_listened_to(&topic) {
            return;
        }
        let Ok(home @ Home::Topic(_)) = self.ensure(&topic, None) else { return };
        let copy = Message {
            // Java: only if it had come from somewhere else before.
            original_destination: message
                .original_destination
                .as_ref()
                .map(|_| destination.clone()),
            destination: Some(topic),
            ..message.clone()
        };
        let mut work = Work::default();
        self.route(copy, home, &mut work);
        self.submit(work);
    }

    /// A message has come in. If its destination is full, that is told, and who sent it. Java: whether or
    /// not its producer has to wait.
    pub(super) fn tell_if_full(&mut self, link: LinkId, message: &Message) {
        if !self.asked.full {
            return;
        }
        let Some(destination) = message.destination.clone() else { return };
        if names::is_advisory(&destination) {
            return;
        }
        let Some((used, policy)) = self.fullness(message) else { return };
        if policy.advisory_when_full {
            let properties = [
                ("usageName", Primitive::from(&*format!("Main:memory:{destination}:memory"))),
                ("usageCount", Primitive::Long(i64::try_from(used).unwrap_or(i64::MAX))),
            ];
            self.advise(&of_type("FULL", &destination), None, &properties, None);
        }
        if policy.advisory_for_fast_producers {
            self.tell_fast_producer(link, &destination, message);
        }
    }

    fn tell_fast_producer(&mut self, link: LinkId, destination: &Destination, message: &Message) {
        let connection = self.registry.of_link(link);
        let connection = connection.and_then(|key| self.registry.connections.get(&key));
        let (Some(connection), Some(id)) = (connection, &message.producer_id) else { return };
        let Some(producer) = connection.producers.get(&(id.session_id, id.value)) else { return };
        let info: Command = producer.info.clone().into();
        let properties = [("producerId", Primitive::from(&*id.to_string()))];
        self.advise(&of_type("FastProducer", destination), Some(info), &properties, None);
    }
}

/// A message as an advisory tells of it.
fn told(message: &Message, policy: &DestinationPolicy) -> Command {
    let content = message.content.as_ref().filter(|_| policy.include_body_for_advisory).cloned();
    Message { content, ..message.clone() }.into()
}

/// The topic on which is told of what goes on at a destination. Java: names say whether it is temporary,
/// but for those of what has expired.
fn of_type(what: &str, destination: &Destination) -> String {
    let kind = match (what, destination.kind) {
        ("Expired", DestinationKind::TempQueue) => "Queue",
        ("Expired", DestinationKind::TempTopic) => "Topic",
        _ => destination_topic(destination),
    };
    format!("{what}.{kind}.{}", destination.physical_name)
}
