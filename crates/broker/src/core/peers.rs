//! Other brokers: what the cluster hears of this broker's links, and what it says to them.

use rewire_protocol::BrokerInfo;

use super::BrokerCore;
use super::error::{BrokerError, ErrorKind};
use super::io::{Event, LinkId, Output};
use crate::cluster::{BridgeId, Say, Via};

/// The name of this project's client in its handshake.
const OURS: &str = "Rewire";

impl BrokerCore {
    pub(super) fn on_introduced(&mut self, link: LinkId, provider: &str) {
        if let Some(entry) = self.registry.links.get_mut(&link) {
            entry.moves_in_order = provider == OURS;
        }
    }

    /// A bridge introduces itself. It counts when it is let in: whoever is told of, clients go to.
    pub(super) fn on_broker_info(
        &mut self,
        link: LinkId,
        info: Box<BrokerInfo>,
    ) -> Result<(), BrokerError> {
        if info.slave_broker {
            let problem = "a slave does not attach to its master";
            return Err(BrokerError::new(ErrorKind::IllegalState, problem));
        }
        let is_in = self.registry.of_link(link).is_some();
        let Some(entry) = self.registry.links.get_mut(&link) else { return Ok(()) };
        if !info.network_connection {
            return Ok(());
        }
        if is_in {
            self.cluster.on_peer(self.now.instant, Via::Accepted(link), &info);
        } else {
            entry.broker = Some(info);
        }
        Ok(())
    }

    pub(super) fn on_admitted(&mut self, link: LinkId) {
        let broker = self.registry.links.get_mut(&link).and_then(|entry| entry.broker.take());
        if let Some(info) = broker {
            self.cluster.on_peer(self.now.instant, Via::Accepted(link), &info);
        }
    }

    pub(super) fn on_dialed_peer(&mut self, bridge: BridgeId, info: &BrokerInfo) {
        self.cluster.on_peer(self.now.instant, Via::Dialed(bridge), info);
    }

    pub(super) fn on_dialed_peer_lost(&mut self, bridge: BridgeId) {
        self.cluster.on_peer_lost(self.now.instant, Via::Dialed(bridge));
    }

    /// Does what the cluster says.
    pub(super) fn say_to_cluster(&mut self) {
        while let Some(say) = self.cluster.take() {
            match say {
                Say::Control(link, control) => self.transmit(link, control),
                Say::Info(Via::Accepted(link), info) => self.transmit(link, *info),
                Say::Info(Via::Dialed(bridge), info) => {
                    self.outputs.push_back(Output::Introduce(bridge, info));
                }
                Say::Drop(via) => {
                    self.event(Event::Loop { peer: self.other_end(via) });
                    self.outputs.push_back(match via {
                        Via::Accepted(link) => Output::HangUp(link),
                        Via::Dialed(bridge) => Output::Unbridge(bridge),
                    });
                }
                Say::Started(via, info) => {
                    self.tell_bridge(*info, Some(matches!(via, Via::Accepted(_))), None);
                }
                Say::Stopped(info) => self.tell_bridge(*info, None, None),
                Say::Joined(member) => {
                    let (name, address) = (member.name, member.address);
                    self.event(Event::Joined { name, address });
                }
                Say::Left(member) => self.event(Event::Left { name: member.name }),
                Say::Refused(via, reason) => self.refuse_peer(via, reason),
                Say::Emptied => self.hang_all_up(),
            }
        }
    }

    /// Both ends are told: neither knows what is written in the other's configuration.
    fn refuse_peer(&mut self, via: Via, reason: String) {
        if let Via::Accepted(link) = via {
            let problem = format!("{}: {reason}", self.config.name);
            let error = BrokerError::new(ErrorKind::IllegalState, problem);
            self.refuse(link, 0, false, &error);
        }
        self.event(Event::PeerRefused { peer: self.other_end(via), reason });
    }

    fn other_end(&self, via: Via) -> String {
        match via {
            Via::Accepted(link) => {
                self.registry.links.get(&link).map(|entry| entry.peer.clone()).unwrap_or_default()
            }
            Via::Dialed(bridge) => {
                let mut bridges = self.config.cluster.bridges();
                let uri = bridges.find(|(id, ..)| *id == bridge).map(|(.., uri)| uri);
                let broker = uri.and_then(|uri| uri.brokers().first());
                broker.map(|broker| broker.location()).unwrap_or_default()
            }
        }
    }
}
