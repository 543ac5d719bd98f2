//! Connections, sessions and producers: how they begin, are told again, and end.

use std::collections::{BTreeMap, BTreeSet};

use rewire_protocol::{
    ConnectionInfo, ProducerId, ProducerInfo, RemoveInfo, SessionId, SessionInfo, Str,
};

use super::error::{BrokerError, ErrorKind};
use super::io::{Event, LinkId, Output};
use super::keys::{ConnectionKey, SubKey};
use super::names;
use super::registry::{Connection, Link, Producer};
use super::rights::Operation;
use super::timers::Timer;
use super::{BrokerCore, after};
use crate::cluster::{NewClient, Via};

/// Java: the session that a connection itself consumes advisories with.
pub(super) const OWN_SESSION: i64 = -1;
/// `RemoveInfo`: nothing is known of what was delivered.
const DELIVERED_UNKNOWN: i64 = -2;

impl BrokerCore {
    /// A link is open. Java: the broker introduces itself before it has heard anything.
    pub(super) fn on_opened(&mut self, link: LinkId, peer: String, url: &str) {
        self.registry.links.insert(link, Link::new(peer, url.to_owned()));
        let due = after(self.now.instant, self.config.connect_attempt_timeout);
        self.timers.set(due, Timer::Introduction(link));
        let info = self.cluster.greeting(url);
        self.transmit(link, info);
    }

    /// The connection of a link, if it is past its `ConnectionInfo`.
    pub(super) fn connected(&self, link: LinkId) -> Result<ConnectionKey, BrokerError> {
        self.registry.of_link(link).ok_or_else(|| {
            let problem = "nothing can be done before the connection has introduced itself";
            BrokerError::new(ErrorKind::IllegalState, problem)
        })
    }

    /// A client introduces itself. Java: if it is refused it has two seconds to hear why.
    pub(super) fn on_connection_info(
        &mut self,
        link: LinkId,
        info: Box<ConnectionInfo>,
    ) -> Result<(), BrokerError> {
        self.admit(link, info).inspect_err(|error| {
            let reason = error.to_string();
            let Some(entry) = self.registry.links.get_mut(&link) else { return };
            entry.refused = true;
            let peer = entry.peer.clone();
            self.outputs.push_back(Output::Event(Event::Refused { peer, reason }));
            let due = after(self.now.instant, self.config.refusal_delay);
            self.timers.set(due, Timer::HangUp(link));
        })
    }

    fn admit(&mut self, link: LinkId, info: Box<ConnectionInfo>) -> Result<(), BrokerError> {
        let Some(id) = info.connection_id.clone() else {
            return Err(BrokerError::jms("a connection without a name"));
        };
        self.authenticate(link, &info)?;
        #[cfg(feature = "testkit")]
        if self.drill.refuses_logins {
            let problem = "User name or password is invalid.";
            return Err(BrokerError::new(ErrorKind::Security, problem));
        }
        if let Some(old) = self.registry.find(&id) {
            if self.registry.connection(old).is_some_and(|old| old.link == link) {
                return Ok(());
            }
            let was = self.registry.connection(old).map(|old| old.info.user_name.clone());
            if was.is_some_and(|was| was != info.user_name) {
                let problem = format!("{id} is a connection of another user");
                return Err(BrokerError::new(ErrorKind::Security, problem));
            }
            // The client has come back before its old link was known to be broken.
            self.take_over(old);
        }
        let client_id = info.client_id.clone().unwrap_or(Str::EMPTY);
        if client_id.is_empty() {
            let problem = "No clientID specified for connection request";
            return Err(BrokerError::new(ErrorKind::InvalidClientId, problem));
        }
        if let Some(other) = self.registry.with_client_id(&client_id) {
            let peer = self.registry.links.get(&other.link).map_or("", |link| link.peer.as_str());
            let name = &self.config.name;
            let problem =
                format!("Broker: {name} - Client: {client_id} already connected from {peer}");
            return Err(BrokerError::new(ErrorKind::InvalidClientId, problem));
        }
        let limit = self.config.limits.connections;
        if self.registry.connections.len() >= limit {
            return Err(BrokerError::limit("connections", limit));
        }
        if self.registry.of_link(link).is_some() {
            let problem = "a second connection on one link";
            return Err(BrokerError::new(ErrorKind::IllegalState, problem));
        }
        let key = ConnectionKey(self.next_key());
        let connection = Connection {
            id,
            link,
            client_id: client_id.clone(),
            info,
            sessions: BTreeSet::from([OWN_SESSION]),
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            transactions: Vec::new(),
            temporary: Vec::new(),
        };
        self.registry.insert(key, connection);
        let peer = self.registry.links.get(&link).map(|link| link.peer.clone()).unwrap_or_default();
        self.event(Event::Connected { client_id: client_id.to_string(), peer });
        self.advise_connection(key);
        self.on_admitted(link);
        Ok(())
    }

    /// What a client hears once it is let in. Java: whoever says that it can be managed.
    pub(super) fn greet(&mut self, link: LinkId) {
        let Some(key) = self.registry.of_link(link) else { return };
        let Some(connection) = self.registry.connections.get(&key) else { return };
        let Some(entry) = self.registry.links.get(&link) else { return };
        if connection.info.manageable {
            let client = NewClient {
                link,
                address: entry.url.clone(),
                client_id: connection.client_id.to_string(),
                is_movable: connection.info.fault_tolerant,
                moves_in_order: entry.moves_in_order,
            };
            let control = self.cluster.on_client(self.now.instant, key.0, client);
            self.transmit(link, control);
        }
    }

    /// A connection comes again over another link: the old one ends, and with it what it had.
    fn take_over(&mut self, old: ConnectionKey) {
        let link = self.registry.connection(old).map(|connection| connection.link);
        self.end_connection(old, DELIVERED_UNKNOWN);
        if let Some(link) = link {
            if let Some(entry) = self.registry.links.get_mut(&link) {
                entry.refused = true;
            }
            self.outputs.push_back(Output::HangUp(link));
        }
    }

    /// A link is gone, whatever was said before.
    pub(super) fn on_closed(&mut self, link: LinkId) {
        if let Some(key) = self.registry.of_link(link) {
            self.end_connection(key, DELIVERED_UNKNOWN);
        }
        self.registry.links.remove(&link);
        self.cluster.on_peer_lost(self.now.instant, Via::Accepted(link));
    }

    /// Everything of a connection ends: what is undone comes first, then what goes back to queues.
    pub(super) fn end_connection(&mut self, key: ConnectionKey, last_delivered: i64) {
        let Some(connection) = self.registry.connection(key) else { return };
        let link = connection.link;
        let transactions = std::mem::take(&mut connection.transactions);
        let consumers: Vec<SubKey> = connection.consumers.values().copied().collect();
        self.stall(&consumers);
        self.end_transactions(transactions);
        // What it has sent and nobody has refused is sent.
        self.release(link, true);
        let Some(connection) = self.registry.connection(key) else { return };
        let producers: Vec<(i64, i64)> = connection.producers.keys().copied().collect();
        let temporary = std::mem::take(&mut connection.temporary);
        self.remove_consumers(&consumers, last_delivered);
        for producer in producers {
            self.remove_producer(key, producer);
        }
        self.drop_temporary(temporary);
        self.cluster.on_client_gone(self.now.instant, key.0);
        if let Some(connection) = self.registry.remove(key) {
            self.event(Event::Disconnected { client_id: connection.client_id.to_string() });
            self.advise_connection_removed(&connection.id);
        }
    }

    pub(super) fn on_session_info(
        &mut self,
        link: LinkId,
        info: &SessionInfo,
    ) -> Result<(), BrokerError> {
        let key = self.connected(link)?;
        let limit = self.config.limits.per_connection;
        let Some(id) = &info.session_id else {
            return Err(BrokerError::jms("a session without a name"));
        };
        if let Some(connection) = self.registry.connection(key) {
            if connection.sessions.len() >= limit && !connection.sessions.contains(&id.value) {
                return Err(BrokerError::limit("sessions of one connection", limit));
            }
            connection.sessions.insert(id.value);
        }
        Ok(())
    }

    pub(super) fn on_remove_session(&mut self, link: LinkId, id: &SessionId, info: &RemoveInfo) {
        let Some(key) = self.registry.of_link(link) else { return };
        let Some(connection) = self.registry.connection(key) else { return };
        let of_session = (id.value, i64::MIN)..=(id.value, i64::MAX);
        let consumers: Vec<SubKey> =
            connection.consumers.range(of_session.clone()).map(|(_, key)| *key).collect();
        let producers: Vec<(i64, i64)> =
            connection.producers.range(of_session).map(|(place, _)| *place).collect();
        connection.sessions.remove(&id.value);
        self.remove_consumers(&consumers, info.last_delivered_sequence_id);
        for producer in producers {
            self.remove_producer(key, producer);
        }
    }

    pub(super) fn on_producer_info(
        &mut self,
        link: LinkId,
        info: ProducerInfo,
    ) -> Result<(), BrokerError> {
        let key = self.connected(link)?;
        let limit = self.config.limits.per_connection;
        let Some(id) = info.producer_id.clone() else {
            return Err(BrokerError::jms("a producer without a name"));
        };
        let Some(connection) = self.registry.connection(key) else { return Ok(()) };
        if !connection.sessions.contains(&id.session_id) {
            let problem =
                format!("Cannot add a producer to a session that had not been registered: {id}");
            return Err(BrokerError::new(ErrorKind::IllegalState, problem));
        }
        let place = (id.session_id, id.value);
        if connection.producers.contains_key(&place) {
            return Ok(());
        }
        if connection.producers.len() >= limit {
            return Err(BrokerError::limit("producers of one connection", limit));
        }
        let by = connection.id.clone();
        if let Some(destination) = info.destination.clone() {
            let members = names::members(&destination, self.config.limits.composite)?;
            self.permit_all(key, Operation::Write, &members)?;
            self.count_producer(&destination, Some(&by), true)?;
        }
        let audit = self.departed.take(&id);
        if let Some(connection) = self.registry.connection(key) {
            connection.producers.insert(place, Producer { info: info.clone(), audit });
        }
        self.advise_producer_added(&info);
        Ok(())
    }

    pub(super) fn on_remove_producer(&mut self, link: LinkId, id: &ProducerId) {
        if let Some(key) = self.registry.of_link(link) {
            self.remove_producer(key, (id.session_id, id.value));
        }
    }

    fn remove_producer(&mut self, key: ConnectionKey, place: (i64, i64)) {
        let connection = self.registry.connection(key);
        let Some(producer) = connection.and_then(|connection| connection.producers.remove(&place))
        else {
            return;
        };
        if let Some(id) = producer.info.producer_id.clone() {
            self.departed.insert(id, producer.audit);
        }
        if let Some(destination) = producer.info.destination.clone() {
            let _ = self.count_producer(&destination, None, false);
        }
        self.advise_producer_removed(&producer.info);
    }

    /// The broker stops: everybody is hung up, when clients that can be told where to go had time to.
    pub(super) fn on_stop(&mut self) {
        if !self.cluster.on_stop(self.now.instant) {
            self.hang_all_up();
        }
    }

    /// Hangs up every client.
    pub(super) fn hang_all_up(&mut self) {
        let mut links: Vec<LinkId> = self.registry.links.keys().copied().collect();
        links.sort_unstable();
        for link in links {
            self.outputs.push_back(Output::HangUp(link));
        }
    }
}
