//! Consumers: how they begin, what they take from, and what becomes of what they had.

use rewire_protocol::{ConsumerControl, ConsumerId, ConsumerInfo, Destination, RemoveInfo};

use super::BrokerCore;
use super::destinations::Home;
use super::durable::is_durable;
use super::error::{BrokerError, ErrorKind};
use super::io::LinkId;
use super::keys::{ConnectionKey, QueueKey, SubKey};
use super::names;
use super::queue::QueueKind;
use super::reference::Dispatched;
use super::rights::Operation;
use super::subscription::{Gaze, Seat, Seen, Stream, Subscription, Window};
use super::timers::Timer;
use super::topic::Topic;
use crate::selector::Selector;

/// `RemoveInfo`: nothing is known of what was delivered.
const DELIVERED_UNKNOWN: i64 = -2;

impl BrokerCore {
    /// A consumer begins. It is to be [started](Self::start) once its request is answered.
    pub(super) fn on_consumer_info(
        &mut self,
        link: LinkId,
        info: Box<ConsumerInfo>,
    ) -> Result<Option<SubKey>, BrokerError> {
        let connection = self.connected(link)?;
        let (Some(id), Some(destination)) = (info.consumer_id.clone(), info.destination.clone())
        else {
            return Err(BrokerError::jms("a consumer without a name or a destination"));
        };
        let limit = self.config.limits.per_connection;
        let Some(owner) = self.registry.connection(connection) else { return Ok(None) };
        if !owner.sessions.contains(&id.session_id) {
            let problem =
                format!("Cannot add a consumer to a session that had not been registered: {id}");
            return Err(BrokerError::new(ErrorKind::IllegalState, problem));
        }
        if owner.consumers.contains_key(&(id.session_id, id.value)) {
            // Told again, as after a failover.
            return Ok(None);
        }
        if owner.consumers.len() >= limit {
            return Err(BrokerError::limit("consumers of one connection", limit));
        }
        let selector = read_selector(&info)?;
        let members = names::members(&destination, self.config.limits.composite)?;
        self.check_owner(connection, &members)?;
        self.permit_all(connection, Operation::Read, &members)?;
        let durable = if is_durable(&info) {
            Some(self.durable_queue(connection, &info, selector.clone())?)
        } else {
            None
        };
        let mut homes = Vec::new();
        for member in members.iter().filter(|member| durable.is_none() && names::is_place(member)) {
            let by = self.registry.connection(connection).map(|owner| owner.id.clone());
            homes.push(self.ensure(member, by.as_ref())?);
        }
        let key = self.seat(link, connection, info, selector);
        if let Some(queue) = durable {
            self.attach(key, Home::Queue(queue));
        }
        for member in members.iter().filter(|member| durable.is_none() && names::is_pattern(member))
        {
            homes.extend(self.destinations.matching(member));
            self.destinations.patterns.push((member.clone(), key));
        }
        homes.sort_unstable();
        homes.dedup();
        for home in homes {
            self.attach(key, home);
        }
        self.advise_consumer_added(key, &destination);
        Ok(Some(key))
    }

    /// A consumer gets its place in the tables, and takes from nothing yet.
    fn seat(
        &mut self,
        link: LinkId,
        connection: ConnectionKey,
        mut info: Box<ConsumerInfo>,
        selector: Option<Selector>,
    ) -> SubKey {
        let policy = info.destination.as_ref().map(|own| self.config.policies.find(own));
        let policy = policy.unwrap_or_default();
        let prefetch = policy.prefetch_of(&info);
        let said = std::mem::replace(&mut info.prefetch_size, prefetch);
        let key = SubKey(self.next_key());
        let consumer_id = info.consumer_id.clone().unwrap_or_default();
        if let Some(owner) = self.registry.connection(connection) {
            owner.consumers.insert((consumer_id.session_id, consumer_id.value), key);
        }
        let sub = Subscription {
            key,
            connection,
            link,
            consumer_id,
            window: Window::of_prefetch(info.prefetch_size),
            stream: Stream {
                ends: info.browser,
                browses: info.browser.then(Vec::new),
                limit: policy.pending_limit(&info),
                eviction: policy.message_eviction_strategy,
                left: policy.max_browse_page_size.filter(|_| info.browser),
                ..Stream::default()
            },
            info,
            // What a durable subscription does not want is not put into its queue.
            selector,
            stalled: true,
            extends: policy.use_prefetch_extension,
            seats: Vec::new(),
            next_seat: 0,
            topics: Vec::new(),
            dispatched: std::collections::VecDeque::new(),
            deliveries: 0,
        };
        if said != 0 && sub.info.prefetch_size == 0 {
            // Java: the consumer has to know, so that it asks for each message.
            let consumer_id = Some(sub.consumer_id.clone());
            let destination = sub.info.destination.clone();
            self.transmit(
                link,
                ConsumerControl { consumer_id, destination, ..ConsumerControl::default() },
            );
        }
        self.subs.insert(key, sub);
        key
    }

    /// A consumer's request is answered: it gets what waits for it.
    pub(super) fn start(&mut self, key: SubKey) {
        let Some(sub) = self.subs.get_mut(&key) else { return };
        sub.stalled = self.registry.links.get(&sub.link).is_some_and(|link| link.congested);
        for queue in sub.stream.browses.take().into_iter().flatten() {
            self.browse(key, queue);
        }
        self.pump(key);
    }

    /// Java: only the connection that made a temporary destination consumes from it.
    fn check_owner(
        &self,
        connection: ConnectionKey,
        members: &[Destination],
    ) -> Result<(), BrokerError> {
        let connection = self.registry.connections.get(&connection);
        for member in members.iter().filter(|member| member.kind.is_temporary()) {
            let owner = self.destinations.find_queue(member).and_then(|queue| match &queue.kind {
                QueueKind::Temporary(owner) => Some(owner),
                QueueKind::Queue | QueueKind::Durable(_) => None,
            });
            let owner = owner.or_else(|| self.destinations.find_topic(member)?.owner.as_ref());
            if owner.is_some() && owner != connection.map(|connection| &connection.id) {
                let problem = format!("{member} belongs to another connection");
                return Err(BrokerError::new(ErrorKind::InvalidDestination, problem));
            }
        }
        Ok(())
    }

    /// Lets a consumer take from a queue or a topic. A browser gets what is there when it begins: what its
    /// client sent before it is on its way until then.
    pub(super) fn attach(&mut self, key: SubKey, home: Home) {
        let Some(sub) = self.subs.get_mut(&key) else { return };
        match home {
            Home::Topic(topic) => {
                sub.topics.push(topic);
                let Some(found) = self.destinations.topic(topic) else { return };
                found.consumers.push(key);
                if !sub.info.retroactive && !found.policy.always_retroactive {
                    return;
                }
                let Topic { recent, policy, .. } = found;
                recent.forget_old(policy, self.now.unix_ms, &mut self.recent_bytes);
                for reference in &found.recent.messages {
                    if sub.selects(&reference.message) {
                        self.memory.take(reference.size());
                        found.bytes += reference.size();
                        let seen = Seen::Here(Some(topic), reference.clone());
                        sub.stream.pending.push_back(seen);
                    }
                }
            }
            Home::Queue(queue) if sub.info.browser => {
                sub.stream.browses.iter_mut().for_each(|browses| browses.push(queue));
            }
            Home::Queue(queue) => {
                sub.seats.push(Seat { queue, cursor: 0, gaze: Gaze::Looking });
                let Some((found, mut desk)) = self.at_queue(queue) else { return };
                found.add_consumer(key, &mut desk);
                if let Some(at) = found.starts_at {
                    self.timers.set(at, Timer::Start(queue));
                }
            }
        }
    }

    fn browse(&mut self, key: SubKey, queue: QueueKey) {
        let Some(queue) = self.destinations.peek(queue) else { return };
        let snapshot = queue.snapshot(&self.subs);
        let now = self.now.unix_ms;
        let Some(sub) = self.subs.get_mut(&key).filter(|sub| !sub.stream.has_seen_all()) else {
            return;
        };
        for seen in snapshot {
            let is_wanted = match &seen {
                Seen::Here(_, reference) => {
                    !reference.is_expired(now) && sub.selects(&reference.message)
                }
                // That is found out when it is read.
                Seen::There(..) => true,
            };
            if is_wanted {
                sub.stream.pending.push_back(seen);
            }
        }
    }

    /// A consumer takes from this no more: it has ended.
    pub(super) fn detach(&mut self, key: SubKey, home: Home) {
        let Some(mut sub) = self.subs.remove(&key) else { return };
        match home {
            Home::Topic(topic) => {
                sub.topics.retain(|own| *own != topic);
                if let Some(topic) = self.destinations.topic(topic) {
                    topic.consumers.retain(|own| *own != key);
                }
            }
            Home::Queue(queue) => {
                sub.seats.retain(|seat| seat.queue != queue);
                sub.dispatched.retain(|dispatched| dispatched.queue != queue);
                if let Some((queue, mut desk)) = self.at_queue(queue) {
                    queue.remove_consumer(&sub, &mut desk);
                }
            }
        }
        self.subs.insert(key, sub);
    }

    /// The consumer of this name, of the connection that a link carries.
    pub(super) fn consumer(&self, link: LinkId, id: Option<&ConsumerId>) -> Option<SubKey> {
        let id = id?;
        let connection = self.registry.connections.get(&self.registry.of_link(link)?)?;
        connection.consumers.get(&(id.session_id, id.value)).copied()
    }

    /// A consumer ends. What it had goes back to where it came from.
    pub(super) fn remove_consumer(&mut self, key: SubKey, last_delivered: i64) {
        let Some(sub) = self.subs.remove(&key) else { return };
        if let Some(owner) = self.registry.connection(sub.connection) {
            owner.consumers.remove(&(sub.consumer_id.session_id, sub.consumer_id.value));
        }
        self.destinations.patterns.retain(|(_, own)| *own != key);
        for topic in &sub.topics {
            if let Some(topic) = self.destinations.topic(*topic) {
                topic.consumers.retain(|own| *own != key);
            }
        }
        for seen in &sub.stream.pending {
            // What a browser had not looked at yet is still in its queue.
            let Seen::Here(Some(topic), reference) = seen else { continue };
            self.memory.free(reference.size());
            if let Some(topic) = self.destinations.topic(*topic) {
                topic.bytes = topic.bytes.saturating_sub(reference.size());
            }
        }
        for seat in &sub.seats {
            if let Some((queue, mut desk)) = self.at_queue(seat.queue) {
                queue.remove_consumer(&sub, &mut desk);
            }
        }
        let Subscription { dispatched, info, consumer_id, .. } = sub;
        let delivered = delivered_count(&dispatched, last_delivered);
        for (at, dispatched) in dispatched.into_iter().enumerate() {
            self.put_back(dispatched, at < delivered);
        }
        self.advise_consumer_removed(&info, consumer_id);
    }

    /// Nothing more is given to these: they are about to end.
    pub(super) fn stall(&mut self, keys: &[SubKey]) {
        for key in keys {
            if let Some(sub) = self.subs.get_mut(key) {
                sub.stalled = true;
            }
        }
    }

    /// Consumers end at once: none of them is given what another had, which would count as a delivery.
    pub(super) fn remove_consumers(&mut self, keys: &[SubKey], last_delivered: i64) {
        self.stall(keys);
        for key in keys {
            self.remove_consumer(*key, last_delivered);
        }
    }

    /// A client ends one of its consumers.
    pub(super) fn on_remove_consumer(&mut self, link: LinkId, id: &ConsumerId, info: &RemoveInfo) {
        if let Some(key) = self.consumer(link, Some(id)) {
            self.remove_consumer(key, info.last_delivered_sequence_id);
        }
    }
}

fn read_selector(info: &ConsumerInfo) -> Result<Option<Selector>, BrokerError> {
    let Some(text) = info.selector.as_ref().map(|text| text.to_str()) else { return Ok(None) };
    if text.trim().is_empty() {
        return Ok(None);
    }
    let read: Result<Selector, _> = text.parse();
    read.map(Some)
        .map_err(|error| BrokerError::new(ErrorKind::InvalidSelector, format!("{error}: {text}")))
}

/// How many of the messages a consumer had may have been seen by the application. Java: all, when it is
/// not known; else those up to the one that was delivered last, if that is among them.
fn delivered_count(
    dispatched: &std::collections::VecDeque<Dispatched>,
    last_delivered: i64,
) -> usize {
    if last_delivered == DELIVERED_UNKNOWN {
        return dispatched.len();
    }
    let sequence = u64::try_from(last_delivered).ok();
    let last = dispatched.iter().position(|own| Some(own.reference.sequence) == sequence);
    last.map_or(0, |at| at + 1)
}
