//! The cluster as this client knows it: which brokers there are, and who said so.

use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{BrokerInfo, ConnectionControl};

use super::FailoverCore;
use super::io::{Event, LinkId};
use super::moves::MoveReason;
use super::state::State;
use crate::uri::{BrokerUri, MAX_BROKERS, PushedBrokers};

/// The brokers of the cluster, in the order in which a round tries them when nothing is left to chance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    brokers: Vec<KnownBroker>,
}

/// A broker, and how it came to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBroker {
    /// Its address, `scheme://host:port`.
    pub location: String,
    /// Who named it.
    pub source: BrokerSource,
}

/// Who named a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BrokerSource {
    /// The application. Such a broker is never forgotten.
    Configured,
    /// Another broker, which takes it back when the broker leaves the cluster.
    Pushed,
    /// The list that the option `updateURIsURL` names, as it stands now.
    Discovered,
}

impl Topology {
    pub(crate) const fn new(brokers: Vec<KnownBroker>) -> Self {
        Self { brokers }
    }

    /// The brokers, each once.
    #[must_use]
    pub fn brokers(&self) -> &[KnownBroker] {
        &self.brokers
    }
}

/// The address that a broker publishes.
fn address_of(info: &BrokerInfo) -> Option<BrokerUri> {
    PushedBrokers::parse(&info.broker_url.as_ref()?.to_str()).brokers.into_iter().next()
}

impl FailoverCore {
    /// The cluster as it is known now.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.pool.topology()
    }

    /// A broker says what the cluster looks like. Java: `FailoverTransport.handleConnectionControl`.
    ///
    /// What it asks for is done in order, see `moves`.
    pub(super) fn on_connection_control(&mut self, now: Instant, control: &ConnectionControl) {
        let asked = control.reconnect_to.as_ref().map(|uri| uri.to_str().trim().to_owned());
        if let Some(uri) = asked.filter(|uri| !uri.is_empty() && self.options.reconnect_supported)
            && let Some(target) = PushedBrokers::parse(&uri).brokers.into_iter().next()
        {
            self.plan_move(now, target, MoveReason::Asked);
        }
        if !self.options.update_uris_supported {
            return;
        }
        // An empty list says nothing: a broker that does not update its clients sends one.
        let Some(list) = control.connected_brokers.as_ref().filter(|list| !list.is_empty()) else {
            return;
        };
        let pushed = PushedBrokers::parse(&list.to_str());
        let Some(first) = pushed.brokers.first().cloned() else { return };
        // Java: the same brokers in another order are no news.
        if self.pool.set_pushed(pushed.brokers) {
            self.on_topology_changed();
            if control.rebalance_connection {
                // A broker that balances its clients names another first to each of them. Java looks at
                // the first of the list as it has shuffled it.
                self.plan_move(now, first, MoveReason::Rebalance);
            }
        }
    }

    /// A broker says who it is, by the address that it publishes: it may be known by two names now.
    ///
    /// Then a standby may be on the broker in use, and is of no use; and others may be wanted.
    pub(super) fn on_broker_info(&mut self, now: Instant, link: LinkId, info: &BrokerInfo) {
        let standby = self.standbys.iter().find(|standby| standby.active.link == link);
        let dialed = match &self.state {
            State::Connected(active) | State::Leaving(active, _) if active.link == link => active,
            State::Replaying(attempt, _) if attempt.active.link == link => &attempt.active,
            _ => match standby {
                Some(standby) => &standby.active,
                None => return,
            },
        };
        let tells_of_cluster = dialed.is_old() && self.state.link() == Some(link);
        let called = address_of(info);
        if let Some(called) = called.clone() {
            let dialed = dialed.broker.clone();
            self.pool.is_called(dialed, called);
        }
        if tells_of_cluster && self.options.update_uris_supported {
            self.on_peers(called, info);
        }
        if let State::Connected(current) = &self.state {
            let current = current.broker.clone();
            self.drop_standbys_on(&current);
            self.plan_move_to_better(now);
            self.keep_standbys(now);
        }
    }

    /// An old broker, which has no other way to do so, names its peers.
    ///
    /// Of a newer one they are not taken, as in Java: they are the brokers it has bridges to, by the names
    /// that the bridges use. Those that clients are to know it sends with the next command, chosen by
    /// `updateClusterFilter`.
    fn on_peers(&mut self, called: Option<BrokerUri>, info: &BrokerInfo) {
        let peers = info.peer_broker_infos.iter().flatten().flatten();
        let peers: Vec<_> = peers.filter_map(|peer| address_of(peer)).take(MAX_BROKERS).collect();
        if peers.is_empty() {
            return;
        }
        let mut brokers: Vec<BrokerUri> = Vec::new();
        for broker in called.into_iter().chain(peers) {
            if !brokers.contains(&broker) {
                brokers.push(broker);
            }
        }
        if self.pool.set_pushed(brokers) {
            self.on_topology_changed();
        }
    }

    /// The list that `updateURIsURL` names was read.
    pub(super) fn on_discovered(&mut self, now: Instant, brokers: Vec<BrokerUri>, rebalance: bool) {
        let Some(first) = brokers.first().cloned() else { return };
        if !self.options.update_uris_supported {
            return;
        }
        let was_empty = self.pool.is_empty();
        if self.pool.set_discovered(brokers) {
            self.on_topology_changed();
            if was_empty && matches!(self.state, State::Waiting(_)) {
                self.begin_round(now);
            }
            self.keep_standbys(now);
        }
        if rebalance {
            self.plan_move(now, first, MoveReason::Rebalance);
        }
    }

    fn on_topology_changed(&mut self) {
        let topology = Arc::new(self.topology());
        self.event(Event::TopologyChanged(topology));
    }
}
