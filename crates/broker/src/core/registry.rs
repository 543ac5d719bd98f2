//! Who is connected: links, connections with their sessions, producers and transactions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rewire_protocol::{
    BrokerInfo, ConnectionId, ConnectionInfo, Destination, Message, ProducerInfo, Str,
    TransactionId,
};

use super::audit::ProducerAudit;
use super::io::LinkId;
use super::keys::{ConnectionKey, Map, SubKey};

/// One socket.
#[derive(Debug)]
pub(super) struct Link {
    /// Who is at the other end, for people.
    pub(super) peer: String,
    pub(super) connection: Option<ConnectionKey>,
    /// The user whose password who is there was found to have.
    pub(super) proven: Option<String>,
    /// What program it is that is at the other end is this broker's own client.
    pub(super) moves_in_order: bool,
    /// Where clients reach the broker that came to the same listener.
    pub(super) url: String,
    /// What a broker at the other end says of itself, before it is let in.
    pub(super) broker: Option<Box<BrokerInfo>>,
    pub(super) congested: bool,
    /// Whether it is not read for now.
    pub(super) paused: bool,
    /// Whether it is about to be hung up: nothing of it counts any more.
    pub(super) refused: bool,
    /// Messages that wait for memory, in order.
    pub(super) held: VecDeque<Box<Message>>,
    pub(super) held_bytes: usize,
    /// How many batches of its messages are not stored yet: what follows them waits too.
    pub(super) unstored: usize,
}

impl Link {
    pub(super) const fn new(peer: String, url: String) -> Self {
        Self {
            peer,
            connection: None,
            proven: None,
            moves_in_order: false,
            url,
            broker: None,
            congested: false,
            paused: false,
            refused: false,
            held: VecDeque::new(),
            held_bytes: 0,
            unstored: 0,
        }
    }
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) link: LinkId,
    pub(super) info: Box<ConnectionInfo>,
    pub(super) client_id: Str,
    pub(super) sessions: BTreeSet<i64>,
    /// By the numbers of session and producer.
    pub(super) producers: BTreeMap<(i64, i64), Producer>,
    /// By the numbers of session and consumer.
    pub(super) consumers: BTreeMap<(i64, i64), SubKey>,
    pub(super) transactions: Vec<TransactionId>,
    /// The temporary destinations it has made.
    pub(super) temporary: Vec<Destination>,
}

/// A producer of a connection.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) info: ProducerInfo,
    pub(super) audit: ProducerAudit,
}

/// All links and connections.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) links: Map<LinkId, Link>,
    pub(super) connections: BTreeMap<ConnectionKey, Connection>,
    by_id: Map<ConnectionId, ConnectionKey>,
    by_client_id: Map<Str, ConnectionKey>,
}

impl Registry {
    pub(super) fn find(&self, id: &ConnectionId) -> Option<ConnectionKey> {
        self.by_id.get(id).copied()
    }

    pub(super) fn with_client_id(&self, client_id: &Str) -> Option<&Connection> {
        self.connections.get(self.by_client_id.get(client_id)?)
    }

    pub(super) fn insert(&mut self, key: ConnectionKey, connection: Connection) {
        self.by_id.insert(connection.id.clone(), key);
        self.by_client_id.insert(connection.client_id.clone(), key);
        if let Some(link) = self.links.get_mut(&connection.link) {
            link.connection = Some(key);
        }
        self.connections.insert(key, connection);
    }

    pub(super) fn remove(&mut self, key: ConnectionKey) -> Option<Connection> {
        let connection = self.connections.remove(&key)?;
        self.by_id.remove(&connection.id);
        self.by_client_id.remove(&connection.client_id);
        if let Some(link) = self.links.get_mut(&connection.link) {
            link.connection = None;
        }
        Some(connection)
    }

    /// The connection a link carries.
    pub(super) fn of_link(&self, link: LinkId) -> Option<ConnectionKey> {
        self.links.get(&link)?.connection
    }

    pub(super) fn connection(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        self.connections.get_mut(&key)
    }
}
