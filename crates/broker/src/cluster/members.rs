//! Who is there: brokers with a link to this one, and those that they tell of.
//!
//! A broker tells only of those that it has links to itself, so that what one says is never said back.
//! Java's brokers tell their clients only of brokers that they have dialled, or that asked for both ways.

use std::collections::BTreeMap;

use rewire_protocol::BrokerInfo;

use super::moves::Cause;
use super::peer::{Id, Peer};
use super::{Cluster, ClusterMember, Link, MOURNING, SETTLE, Say, Via};

/// Brokers that are gone and may come back.
const MAX_DEPARTED: usize = 64;
/// Brokers that are known.
const MAX_MEMBERS: usize = 1024;

impl Cluster {
    /// A broker has introduced itself, or says anew how it is.
    pub(crate) fn on_peer(&mut self, now: std::time::Instant, via: Via, info: &BrokerInfo) {
        self.now = now;
        let Some(peer) = Peer::read(info) else {
            return self.refuse(via, "a broker that does not say who it is".to_owned());
        };
        if peer.id == self.me.id {
            // Its own address in a list that all brokers are given, most likely.
            self.says.push_back(Say::Drop(via));
            return;
        }
        if let Some(problem) = self.clash(via, &peer) {
            return self.refuse(via, problem);
        }
        // What it says to all who come is not what it says to a broker, and Java's is never told anew.
        let is_told = peer.status.is_some() && info.network_connection;
        let relayed = if is_told { Peer::relayed(info) } else { Vec::new() };
        // What a broker says to another is not told further: Java's has passwords in it.
        let info = BrokerInfo { network_properties: None, peer_broker_infos: None, ..info.clone() };
        let counts = peer.status.is_some();
        let link = Link { peer, info, relayed };
        let is_new = match self.links.insert(via, link) {
            None => true,
            Some(before) => before.peer.id != self.links[&via].peer.id,
        };
        if is_new {
            let told = Box::new(self.links[&via].info.clone());
            self.says.push_back(Say::Started(via, told));
            if matches!(via, Via::Dialed(_)) || counts {
                let info = self.introduction(via);
                self.says.push_back(Say::Info(via, Box::new(info)));
            }
        }
        self.on_members();
    }

    /// A link is over. Nothing comes of it if it was to no broker.
    pub(crate) fn on_peer_lost(&mut self, now: std::time::Instant, via: Via) {
        self.now = now;
        if let Some(link) = self.links.remove(&via) {
            self.says.push_back(Say::Stopped(Box::new(link.info)));
            self.on_members();
        }
    }

    fn refuse(&mut self, via: Via, problem: String) {
        self.says.push_back(Say::Refused(via, problem));
        if let Some(link) = self.links.remove(&via) {
            self.says.push_back(Say::Stopped(Box::new(link.info)));
            self.on_members();
        }
    }

    /// Why a broker cannot be taken in: another has its name. Java: the second one's client id is in use, and
    /// it tries for ever.
    fn clash(&mut self, via: Via, peer: &Peer) -> Option<String> {
        let name = &peer.name;
        if *name == self.me.name {
            return Some(format!(
                "it is called {name} like this broker: each needs a name of its own"
            ));
        }
        let same =
            self.members.values().find(|other| other.name == *name && other.id != peer.id)?;
        let is_same_place = same.addresses.first() == peer.addresses.first();
        if !is_same_place {
            let of =
                |peer: &Peer| peer.addresses.first().map_or_else(String::new, |at| at.text.clone());
            return Some(format!(
                "two brokers are called {name}, at {} and at {}: each needs a name of its own",
                of(same),
                of(peer)
            ));
        }
        // It has been started again, and the end of its old link is not noticed yet.
        let old = same.id.clone();
        self.links.retain(|other, link| *other == via || link.peer.id != old);
        for link in self.links.values_mut() {
            link.relayed.retain(|relayed| relayed.id != old);
        }
        None
    }

    /// Who is there has changed, or how they are.
    fn on_members(&mut self) {
        let members = self.all_members();
        let before = std::mem::replace(&mut self.members, members);
        let is_there = |peer: &Peer| !peer.status.as_ref().is_some_and(|status| status.leaving);
        let was = |id: &Id| before.get(id).is_some_and(is_there);
        let is = |id: &Id| self.members.get(id).is_some_and(is_there);
        let joined: Vec<Peer> = self
            .members
            .values()
            .filter(|peer| is_there(peer) && !was(&peer.id))
            .cloned()
            .collect();
        let left: Vec<Peer> =
            before.values().filter(|peer| is_there(peer) && !is(&peer.id)).cloned().collect();
        let new_addresses = self
            .members
            .values()
            .any(|peer| before.get(&peer.id).is_some_and(|old| old.addresses != peer.addresses));
        let changed = !joined.is_empty() || !left.is_empty();
        for peer in &joined {
            self.departed.retain(|gone| gone.name != peer.name && gone.addresses != peer.addresses);
            self.says.push_back(Say::Joined(Box::new(ClusterMember::from(peer))));
            self.agenda.pass(self.now + SETTLE, Cause::Join);
        }
        for peer in left {
            self.says.push_back(Say::Left(Box::new(ClusterMember::from(&peer))));
            self.forget_moves_to(&peer.id);
            self.agenda.pass(self.now + MOURNING, Cause::Leave);
            if self.departed.len() == MAX_DEPARTED {
                self.departed.pop_front();
            }
            self.departed.push_back(peer);
        }
        let is_other = before.keys().ne(self.members.keys()) || new_addresses;
        if is_other {
            self.spread_news();
        }
        if is_other || changed {
            self.update_clients();
        }
        self.look_whether_even();
    }

    /// Those with a link say best themselves how they are.
    fn all_members(&self) -> BTreeMap<Id, Peer> {
        let mut members = BTreeMap::new();
        for link in self.links.values() {
            members.insert(link.peer.id.clone(), link.peer.clone());
        }
        for relayed in self.links.values().flat_map(|link| &link.relayed) {
            let clashes = relayed.id == self.me.id
                || relayed.name == self.me.name
                || members.values().any(|peer| peer.name == relayed.name);
            if !clashes && members.len() < MAX_MEMBERS {
                members.insert(relayed.id.clone(), relayed.clone());
            }
        }
        members
    }

    /// What this broker says of itself over a link to another.
    pub(super) fn introduction(&self, via: Via) -> BrokerInfo {
        let link = self.links.get(&via);
        let is_same_kind = link.is_some_and(|link| link.peer.status.is_some());
        // Java tells its clients of a broker that has dialled it only if the bridge is to go both ways.
        let is_duplex =
            !is_same_kind && matches!(via, Via::Dialed(bridge) if !self.has_credentials(bridge));
        let me = self.me();
        let told = link.map(|link| &link.peer.id);
        let peers = self.links.values().filter(|link| Some(&link.peer.id) != told && is_same_kind);
        let relay = |peer: &Peer| {
            let properties = Some(peer.properties(false).as_str().into());
            Some(Box::new(BrokerInfo { network_properties: properties, ..peer.write() }))
        };
        BrokerInfo {
            network_connection: true,
            duplex_connection: is_duplex,
            network_properties: Some(me.properties(is_duplex).as_str().into()),
            peer_broker_infos: Some(peers.map(|link| relay(&link.peer)).collect()),
            ..me.write()
        }
    }

    /// What everybody who comes is told first. Java: peers are there only if clients are told of them.
    pub(crate) fn greeting(&self, url: &str) -> BrokerInfo {
        let peers = self.members.values().filter(|peer| self.is_place(peer));
        let peers = self.config.tells_clients().then(|| {
            let info = |peer: &Peer| Some(Box::new(peer.write()));
            peers.map(info).collect()
        });
        BrokerInfo {
            broker_url: Some(url.into()),
            // So that one of this kind knows one of its own. Java's clients and bridges do not look at it.
            network_properties: Some(self.me().properties(false).as_str().into()),
            peer_broker_infos: peers,
            ..self.me.write()
        }
    }

    /// Java takes the name and the password for a bridge that goes both ways from what it is sent in the
    /// clear. They are not sent: with them it goes one way.
    fn has_credentials(&self, bridge: super::BridgeId) -> bool {
        self.config.connector(bridge).is_some_and(|connector| connector.user.is_some())
    }

    /// The brokers with a link to this one, and whether they have made it.
    pub(crate) fn linked(&self) -> Vec<(BrokerInfo, bool)> {
        let links = self.links.iter();
        links.map(|(via, link)| (link.info.clone(), matches!(via, Via::Accepted(_)))).collect()
    }
}
