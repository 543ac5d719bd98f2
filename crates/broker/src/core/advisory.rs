//! What is told of connections, destinations, consumers and producers, and to late subscribers again.
//!
//! An advisory is made only if somebody listens. What it says is what ActiveMQ's `AdvisoryBroker` says.

use rewire_protocol::{
    BrokerInfo, Command, ConnectionId, ConsumerId, ConsumerInfo, Destination, DestinationInfo,
    DestinationKind, Message, Primitive, PrimitiveMap, ProducerInfo, RemoveInfo, Str,
};

use super::BrokerCore;
use super::destinations::Home;
use super::error::BrokerError;
use super::keys::{ConnectionKey, SubKey};
use super::names::{self, ADVISORY_PREFIX};
use super::persist::Work;

impl BrokerCore {
    /// Tells those who listen, or the one consumer that has come late.
    pub(super) fn advise(
        &mut self,
        topic: &str,
        data: Option<Command>,
        properties: &[(&str, Primitive)],
        target: Option<&ConsumerId>,
    ) {
        let topic = Destination::topic(format!("{ADVISORY_PREFIX}{topic}"));
        if !self.config.advisory_support || !self.is_listened_to(&topic) {
            return;
        }
        let Ok(home) = self.ensure(&topic, None) else { return };
        self.advisories += 1;
        let producer = ConnectionId::new(self.config.id.as_str()).session(0).producer(0);
        let text = |text: &str| Primitive::from(text);
        let origin = [
            ("originBrokerName", text(&self.config.name)),
            ("originBrokerId", text(&self.config.id)),
        ];
        let all: PrimitiveMap = origin.into_iter().chain(properties.iter().cloned()).collect();
        let mut message = Message {
            message_id: Some(producer.message(self.advisories)),
            producer_id: Some(producer),
            destination: Some(topic),
            message_type: Some(Str::from_static("Advisory")),
            data_structure: data.map(Box::new),
            target_consumer_id: target.cloned(),
            timestamp: self.now.unix_ms,
            broker_in_time: self.now.unix_ms,
            ..Message::default()
        };
        // A name too long for a property is left out with the others.
        let _ = message.set_properties(&all);
        let mut work = Work::default();
        self.route(message, home, &mut work);
        self.submit(work);
    }

    pub(super) fn is_listened_to(&self, topic: &Destination) -> bool {
        let found = self.destinations.find_topic(topic);
        found.is_some_and(|topic| !topic.consumers.is_empty() || !topic.durables.is_empty())
            || found.is_none()
                && self.destinations.patterns.iter().any(|(own, _)| names::matches(own, topic))
    }

    pub(super) fn advise_connection(&mut self, key: ConnectionKey) {
        self.tell_connection(key, None);
    }

    fn tell_connection(&mut self, key: ConnectionKey, target: Option<&ConsumerId>) {
        let Some(connection) = self.registry.connections.get(&key) else { return };
        let mut info = connection.info.clone();
        // Java: passwords are not told.
        info.password = Some(Str::EMPTY);
        let info = Command::ConnectionInfo(info);
        self.advise("Connection", Some(info), &[], target);
    }

    pub(super) fn advise_connection_removed(&mut self, id: &ConnectionId) {
        self.advise("Connection", Some(removal(id.clone())), &[], None);
    }

    /// A broker is linked to this one, by whom, or is not any more.
    pub(super) fn tell_bridge(
        &mut self,
        info: BrokerInfo,
        accepted: Option<bool>,
        target: Option<&ConsumerId>,
    ) {
        let mut properties = vec![("started", Primitive::Boolean(accepted.is_some()))];
        // Java: whether this end was asked for it.
        properties.extend(accepted.map(|by| ("createdByDuplex", Primitive::Boolean(by))));
        self.advise("NetworkBridge", Some(info.into()), &properties, target);
    }

    pub(super) fn advise_destination(
        &mut self,
        destination: &Destination,
        by: Option<&ConnectionId>,
        operation_type: i8,
    ) {
        self.tell_destination(destination, by, operation_type, None);
    }

    fn tell_destination(
        &mut self,
        destination: &Destination,
        by: Option<&ConnectionId>,
        operation_type: i8,
        target: Option<&ConsumerId>,
    ) {
        if names::is_advisory(destination) {
            return;
        }
        let info = DestinationInfo {
            connection_id: by.cloned(),
            destination: Some(destination.clone()),
            operation_type,
            ..DestinationInfo::default()
        };
        self.advise(destination_topic(destination), Some(info.into()), &[], target);
    }

    /// A consumer has come. One of advisories is told what there is already.
    pub(super) fn advise_consumer_added(&mut self, key: SubKey, destination: &Destination) {
        let Ok(members) = names::members(destination, usize::MAX) else { return };
        let Some(sub) = self.subs.get(&key) else { return };
        let info = sub.info.clone();
        if members.iter().any(names::is_advisory) {
            let id = sub.consumer_id.clone();
            self.replay(&id, &members);
            return;
        }
        for member in &members {
            self.tell_consumer(&info, member, None);
        }
    }

    fn tell_consumer(
        &mut self,
        info: &ConsumerInfo,
        destination: &Destination,
        target: Option<&ConsumerId>,
    ) {
        let count = self.consumer_count(destination);
        let topic = of_kind("Consumer", destination);
        let info = Some(Command::ConsumerInfo(Box::new(info.clone())));
        self.advise(&topic, info, &[("consumerCount", Primitive::Int(count))], target);
    }

    pub(super) fn advise_consumer_removed(&mut self, info: &ConsumerInfo, id: ConsumerId) {
        let Some(destination) = &info.destination else { return };
        let Ok(members) = names::members(destination, usize::MAX) else { return };
        for member in members.iter().filter(|member| !names::is_advisory(member)) {
            let count = self.consumer_count(member);
            let properties = [("consumerCount", Primitive::Int(count))];
            let gone = Some(removal(id.clone()));
            self.advise(&of_kind("Consumer", member), gone, &properties, None);
        }
    }

    pub(super) fn advise_producer_added(&mut self, info: &ProducerInfo) {
        self.tell_producer(info, None);
    }

    fn tell_producer(&mut self, info: &ProducerInfo, target: Option<&ConsumerId>) {
        let told: Command = info.clone().into();
        self.tell_of_producer(info.destination.as_ref(), &told, target);
    }

    /// Tells of a producer to those who listen to its destination. Java: of one without any on a topic of
    /// their own, if that is wanted.
    fn tell_of_producer(
        &mut self,
        destination: Option<&Destination>,
        told: &Command,
        target: Option<&ConsumerId>,
    ) {
        let Some(destination) = destination else {
            if self.config.anonymous_producer_advisory_support {
                let properties = [("producerCount", Primitive::Int(0))];
                self.advise("Producer.Anonymous", Some(told.clone()), &properties, target);
            }
            return;
        };
        let Ok(members) = names::members(destination, usize::MAX) else { return };
        for member in members.iter().filter(|member| !names::is_advisory(member)) {
            let count = self.producer_count(member);
            let properties = [("producerCount", Primitive::Int(count))];
            self.advise(&of_kind("Producer", member), Some(told.clone()), &properties, target);
        }
    }

    pub(super) fn advise_producer_removed(&mut self, info: &ProducerInfo) {
        let Some(id) = &info.producer_id else { return };
        self.tell_of_producer(info.destination.as_ref(), &removal(id.clone()), None);
    }

    /// Tells a consumer of advisories what there is already.
    fn replay(&mut self, target: &ConsumerId, members: &[Destination]) {
        let covers = |topic: &str| {
            let topic = Destination::topic(format!("{ADVISORY_PREFIX}{topic}"));
            members.iter().any(|member| names::matches(member, &topic))
        };
        if covers("Connection") {
            let keys: Vec<ConnectionKey> = self.registry.connections.keys().copied().collect();
            for key in keys {
                self.tell_connection(key, Some(target));
            }
        }
        let kinds = ["Queue", "Topic", "TempQueue", "TempTopic"];
        if kinds.iter().any(|kind| covers(kind)) {
            let known: Vec<_> = self.destinations.iter().cloned().collect();
            for (destination, by) in known {
                if covers(destination_topic(&destination)) {
                    let add = DestinationInfo::ADD;
                    self.tell_destination(&destination, by.as_ref(), add, Some(target));
                }
            }
        }
        if covers("NetworkBridge") {
            for (info, is_accepted) in self.cluster.linked() {
                self.tell_bridge(info, Some(is_accepted), Some(target));
            }
        }
        let prefix = |kind: &str| format!("{ADVISORY_PREFIX}{kind}.");
        let starts = |prefix: &str| {
            let begins = |name: &[u8]| name.starts_with(prefix.as_bytes());
            members
                .iter()
                .any(|member| begins(member.physical_name.as_wire()) || names::is_pattern(member))
        };
        if starts(&prefix("Consumer")) {
            self.replay_consumers(target);
        }
        if starts(&prefix("Producer")) {
            let producers: Vec<ProducerInfo> = self
                .registry
                .connections
                .values()
                .flat_map(|connection| connection.producers.values())
                .map(|producer| producer.info.clone())
                .collect();
            for info in producers {
                self.tell_producer(&info, Some(target));
            }
        }
    }

    fn replay_consumers(&mut self, target: &ConsumerId) {
        let keys: Vec<SubKey> = self
            .registry
            .connections
            .values()
            .flat_map(|connection| connection.consumers.values().copied())
            .collect();
        for key in keys {
            let Some(info) = self.subs.get(&key).map(|sub| sub.info.clone()) else { continue };
            let Some(destination) = &info.destination else { continue };
            let Ok(members) = names::members(destination, usize::MAX) else { continue };
            for member in members.iter().filter(|member| !names::is_advisory(member)) {
                self.tell_consumer(&info, member, Some(target));
            }
        }
    }

    fn consumer_count(&self, destination: &Destination) -> i32 {
        let queue = self.destinations.find_queue(destination).map(|queue| queue.consumers.len());
        let topic = || self.destinations.find_topic(destination);
        let count = queue.or_else(|| topic().map(|topic| topic.consumers.len()));
        i32::try_from(count.unwrap_or(0)).unwrap_or(i32::MAX)
    }

    fn producer_count(&self, destination: &Destination) -> i32 {
        let queue = self.destinations.find_queue(destination).map(|queue| queue.producers);
        let topic = || self.destinations.find_topic(destination).map(|topic| topic.producers);
        i32::try_from(queue.or_else(topic).unwrap_or(0)).unwrap_or(i32::MAX)
    }

    /// A producer says that it sends there, or ends.
    pub(super) fn count_producer(
        &mut self,
        destination: &Destination,
        by: Option<&ConnectionId>,
        begins: bool,
    ) -> Result<(), BrokerError> {
        for member in names::members(destination, self.config.limits.composite)? {
            let home = if begins && !names::is_pattern(&member) {
                self.ensure(&member, by).ok()
            } else {
                self.destinations.home(&member)
            };
            let count = match home {
                Some(Home::Queue(key)) => self.destinations.queue(key).map(|q| &mut q.producers),
                Some(Home::Topic(key)) => self.destinations.topic(key).map(|t| &mut t.producers),
                None => None,
            };
            if let Some(count) = count {
                *count = if begins { *count + 1 } else { count.saturating_sub(1) };
            }
        }
        Ok(())
    }
}

fn removal(object: impl Into<Command>) -> Command {
    let object_id = Some(Box::new(object.into()));
    RemoveInfo { object_id, ..RemoveInfo::default() }.into()
}

/// The topic on which is told of destinations of this kind.
pub(super) const fn destination_topic(destination: &Destination) -> &'static str {
    match destination.kind {
        DestinationKind::Queue => "Queue",
        DestinationKind::Topic => "Topic",
        DestinationKind::TempQueue => "TempQueue",
        DestinationKind::TempTopic => "TempTopic",
    }
}

/// The topic on which is told of what goes on at a destination.
fn of_kind(what: &str, destination: &Destination) -> String {
    let kind = if destination.kind.is_queue() { "Queue" } else { "Topic" };
    format!("{what}.{kind}.{}", destination.physical_name)
}
