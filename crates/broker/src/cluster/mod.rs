//! The cluster: which brokers there are, what clients are told of them, and who is to move where. Pure.
//!
//! Brokers introduce themselves to each other by `BrokerInfo` over links that either side has made. Those of
//! this kind also say how many clients they have; from that each works out for itself which of its own
//! clients should be elsewhere. Nobody is in charge, and with a broker of another kind there is only its
//! name and address to go by.
//! - `config`: what is asked for; `peer`: what a broker says of itself;
//! - `members`: who is there; `clients`: what they are told; `moves`: who goes where, and when; `farewell`: where
//!   all go when this broker stops;
//! - `balance`: the arithmetic of it.

mod balance;
mod clients;
mod config;
mod farewell;
mod members;
mod moves;
mod peer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use rewire_protocol::{BrokerInfo, ConnectionControl};

pub use self::config::{ClusterConfig, ClusterConfigError, ClusterFilter, NetworkConnector};

pub(crate) use self::clients::NewClient;
pub(crate) use self::peer::Address;

use self::clients::Client;
use self::moves::Agenda;
use self::peer::{Id, Peer, Status};
use crate::core::LinkId;

/// Names a link to another broker that is dialled here: the links of all connectors, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeId(pub u32);

/// By which link a broker is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Via {
    /// It has come here.
    Accepted(LinkId),
    /// It was dialled.
    Dialed(BridgeId),
}

/// A broker of the cluster, to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterMember {
    /// Its name.
    pub name: String,
    /// Where clients reach it: the first of its addresses, or nothing.
    pub address: String,
    /// How many clients it has; none if it is of another kind, and does not say.
    pub clients: Option<usize>,
    /// Whether it is about to stop.
    pub is_leaving: bool,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Say {
    /// Tell a client.
    Control(LinkId, ConnectionControl),
    /// Introduce this broker, or say anew how it is.
    Info(Via, Box<BrokerInfo>),
    /// It leads back to this broker: make an end, and do not dial it again.
    Drop(Via),
    /// A broker is linked.
    Started(Via, Box<BrokerInfo>),
    /// Its link is over.
    Stopped(Box<BrokerInfo>),
    /// A broker has joined.
    Joined(Box<ClusterMember>),
    /// A broker is gone, or about to go.
    Left(Box<ClusterMember>),
    /// A broker is not taken in, and why.
    Refused(Via, String),
    /// This broker is stopping, and all clients are gone that were told to go, or had time enough.
    Emptied,
}

/// The cluster as this broker sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    config: ClusterConfig,
    me: Peer,
    now: Instant,
    /// Brokers by the links to them. One may be linked more than once.
    links: BTreeMap<Via, Link>,
    /// All other brokers that are known, linked or told of.
    members: BTreeMap<Id, Peer>,
    /// What brokers that are gone were called, and their addresses: clients go on trying them unless they
    /// are to be told.
    departed: VecDeque<Peer>,
    /// Brokers of another kind that were given their share of clients once.
    served: BTreeSet<Id>,
    clients: BTreeMap<u64, Client>,
    /// How many of them were told to go where, and are expected to.
    moving: BTreeMap<Id, usize>,
    agenda: Agenda,
    says: VecDeque<Say>,
}

/// A link to a broker.
#[derive(Debug)]
struct Link {
    peer: Peer,
    info: BrokerInfo,
    /// The brokers it tells of.
    relayed: Vec<Peer>,
}

/// How long after a change of who is there it is looked at who should move: what belongs together comes
/// together.
const SETTLE: Duration = Duration::from_millis(250);
/// How long after a broker is gone without a word: its clients are looking for another.
const MOURNING: Duration = Duration::from_secs(3);
/// How long clients may be spread unevenly before some are moved for it.
const UNEVEN: Duration = Duration::from_secs(3);
/// Numbers are not told more often.
const NEWS: Duration = Duration::from_millis(50);

impl Cluster {
    pub(crate) fn new(now: Instant, config: ClusterConfig, id: &str, name: &str) -> Self {
        let status = Some(Status::default());
        let me = Peer { id: id.to_owned(), name: name.to_owned(), addresses: Vec::new(), status };
        let mut cluster = Self {
            config,
            me,
            now,
            links: BTreeMap::new(),
            members: BTreeMap::new(),
            departed: VecDeque::new(),
            served: BTreeSet::new(),
            clients: BTreeMap::new(),
            moving: BTreeMap::new(),
            agenda: Agenda::default(),
            says: VecDeque::new(),
        };
        for address in cluster.config.addresses.iter().filter_map(|address| Address::read(address))
        {
            if !cluster.me.addresses.contains(&address) {
                cluster.me.addresses.push(address);
            }
        }
        cluster
    }

    pub(crate) fn take(&mut self) -> Option<Say> {
        self.says.pop_front()
    }

    /// All brokers, this one first.
    pub(crate) fn view(&self) -> impl Iterator<Item = ClusterMember> + '_ {
        std::iter::once(ClusterMember::from(&self.me()))
            .chain(self.members.values().map(ClusterMember::from))
    }

    /// This broker as it is now.
    fn me(&self) -> Peer {
        Peer { status: Some(self.status()), ..self.me.clone() }
    }

    /// When [`on_timeout`](Self::on_timeout) is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.agenda.take_due_news(now) {
            self.spread_news();
        }
        if self.agenda.take_due_asking(now) {
            self.ask_some();
        }
        if let Some(cause) = self.agenda.take_due_pass(now) {
            self.balance(cause);
        }
        if self.agenda.take_due_escort(now) {
            self.escort();
        }
        if self.agenda.take_due_end(now) {
            self.says.push_back(Say::Emptied);
        }
    }

    /// Tells linked brokers how this one is, at once.
    fn spread_news(&mut self) {
        self.agenda.news = None;
        let listeners: Vec<Via> = self
            .links
            .iter()
            .filter(|(_, link)| link.peer.status.is_some())
            .map(|(via, _)| *via)
            .collect();
        for via in listeners {
            let info = self.introduction(via);
            self.says.push_back(Say::Info(via, Box::new(info)));
        }
    }

    /// The numbers have changed.
    fn on_numbers(&mut self) {
        if !self.links.is_empty() {
            let due = self.now + NEWS;
            self.agenda.news.get_or_insert(due);
        }
        self.look_whether_even();
    }

    /// The numbers of all brokers that count theirs, as they will be when all that was said is done.
    fn counts(&self) -> BTreeMap<Id, usize> {
        let mut counts = BTreeMap::new();
        let me = self.status();
        let others = self.members.values().filter(|peer| self.is_place(peer));
        let all = std::iter::once((&self.me.id, &me))
            .filter(|(_, status)| !status.leaving)
            .chain(others.filter_map(|peer| Some((&peer.id, peer.status.as_ref()?))));
        let (mut coming, mut going) = (BTreeMap::<&Id, usize>::new(), Vec::new());
        for (id, status) in all {
            counts.insert(id.clone(), status.clients);
            going.push((id, status));
        }
        let leaving = self.members.values().filter(|peer| !counts.contains_key(&peer.id));
        going.extend(leaving.filter_map(|peer| Some((&peer.id, peer.status.as_ref()?))));
        for (id, status) in going {
            for (to, count) in &status.moving {
                *coming.entry(to).or_default() += count;
                if let Some(own) = counts.get_mut(id) {
                    *own = own.saturating_sub(*count);
                }
            }
        }
        for (to, count) in coming {
            if let Some(own) = counts.get_mut(to) {
                *own = own.saturating_add(count);
            }
        }
        counts
    }

    /// Whether clients can be sent there.
    fn is_place(&self, peer: &Peer) -> bool {
        let leaves = peer.status.as_ref().is_some_and(|status| status.leaving);
        !leaves && !peer.addresses.is_empty() && self.config.tells_of(&peer.name)
    }
}

impl From<&Peer> for ClusterMember {
    fn from(peer: &Peer) -> Self {
        Self {
            name: peer.name.clone(),
            address: peer.addresses.first().map(|address| address.text.clone()).unwrap_or_default(),
            clients: peer.status.as_ref().map(|status| status.clients),
            is_leaving: peer.status.as_ref().is_some_and(|status| status.leaving),
        }
    }
}
