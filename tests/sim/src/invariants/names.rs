//! Brokers by the addresses they are dialled at, and by those that they publish: what invariants know of it
//! that speak of brokers.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::core::{Incoming, LinkId};
use rewire_protocol::Command;

use crate::seen::AtClient;

/// What a client can know of its brokers' names.
#[derive(Debug, Default)]
pub(super) struct Names {
    addresses: BTreeMap<LinkId, String>,
    published: BTreeMap<String, String>,
    /// Links dialled while there was one, and whether there is one.
    standbys: BTreeSet<LinkId>,
    is_connected: bool,
}

impl Names {
    pub(super) fn see(&mut self, at: &AtClient<'_>) {
        match at {
            AtClient::Dialing { link, broker } => {
                self.addresses.insert(*link, broker.clone());
                if self.is_connected {
                    self.standbys.insert(*link);
                }
            }
            // An address that leads nowhere is no name of a broker.
            AtClient::Dialed { link, result: Err(_) } if self.standbys.contains(link) => {
                let nowhere = self.addresses.get(link);
                let is_it = |address: &String| nowhere.is_some_and(|nowhere| nowhere == address);
                self.published.retain(|dialled, called| !is_it(dialled) && !is_it(called));
            }
            AtClient::Delivered(Incoming::Resumed(_)) => self.is_connected = true,
            AtClient::Delivered(Incoming::Interrupted(_)) => self.is_connected = false,
            AtClient::Received { link, command: Command::BrokerInfo(info) } => {
                if let (Some(dialled), Some(url)) = (self.addresses.get(link), &info.broker_url) {
                    self.published.insert(dialled.clone(), url.to_str().into_owned());
                }
            }
            _ => {}
        }
    }

    /// Where a link was dialled to.
    pub(super) fn address(&self, link: LinkId) -> &str {
        self.addresses.get(&link).map_or("", String::as_str)
    }

    /// Whether two addresses are known to lead to one broker.
    pub(super) fn is_same(&self, one: &str, other: &str) -> bool {
        self.published(one) == self.published(other)
    }

    fn published<'n>(&'n self, address: &'n str) -> &'n str {
        self.published.get(address).map_or(address, String::as_str)
    }
}
