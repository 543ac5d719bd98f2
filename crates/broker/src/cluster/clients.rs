//! What clients are told: which brokers there are, their own first.
//!
//! The rest of the list is in an order that is each client's own and stays as it is: when a broker dies, its
//! clients do not all go to the same one.

use std::time::Instant;

use rewire_protocol::{ConnectionControl, Str};

use super::peer::{Address, Id};
use super::{Cluster, Say};
use crate::core::LinkId;

/// A client as it comes.
#[derive(Clone, Debug)]
pub(crate) struct NewClient {
    pub(crate) link: LinkId,
    /// The address it came to, as it is told to clients.
    pub(crate) address: String,
    pub(crate) client_id: String,
    /// Whether it survives being moved: it is a failover client.
    pub(crate) is_movable: bool,
    /// Whether it goes where `reconnectTo` says, keeps what it knows otherwise, and stays if nobody is there.
    pub(crate) moves_in_order: bool,
}

/// A client that is here.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) new: NewClient,
    pub(super) since: Instant,
    pub(super) own: Option<Address>,
    /// What it was told last, sorted.
    told: Vec<String>,
    pub(super) asked: Option<Asked>,
}

/// A client was told to go elsewhere, or is about to be.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) to: Id,
    /// When; none before it is.
    pub(super) at: Option<Instant>,
    /// How often it was told before, and stayed.
    pub(super) in_vain: u32,
    /// Whether it is still expected to go.
    pub(super) is_expected: bool,
}

impl Cluster {
    /// A client has come, and may be told what there is to know. Nobody who has just come is sent away. Java
    /// says so to all, and two of three that come to three brokers leave at once.
    pub(crate) fn on_client(
        &mut self,
        now: Instant,
        key: u64,
        new: NewClient,
    ) -> ConnectionControl {
        self.now = now;
        let own = Address::read(&new.address);
        let client = Client { new, since: now, own, told: Vec::new(), asked: None };
        self.clients.insert(key, client);
        self.on_numbers();
        if !self.config.tells_clients() {
            return control(Str::EMPTY);
        }
        let list = self.list_for(key, None);
        if let Some(client) = self.clients.get_mut(&key) {
            client.told = sorted(&list);
        }
        control(list.join(",").as_str().into())
    }

    pub(crate) fn on_client_gone(&mut self, now: Instant, key: u64) {
        self.now = now;
        if let Some(client) = self.clients.remove(&key) {
            if client.asked.is_some() {
                self.count_moving();
            }
            self.on_numbers();
            self.on_farewell();
        }
    }

    /// A client says that it survives being moved.
    pub(crate) fn on_movable(&mut self, key: u64) {
        if let Some(client) = self.clients.get_mut(&key)
            && !std::mem::replace(&mut client.new.is_movable, true)
        {
            self.update_clients();
        }
    }

    /// Tells all that know something else which brokers there are. Nobody moves because of it.
    pub(super) fn update_clients(&mut self) {
        if !self.config.tells_clients() || self.status().leaving {
            return;
        }
        let keys: Vec<u64> =
            self.clients.iter().filter(|(_, c)| c.new.is_movable).map(|(key, _)| *key).collect();
        for key in keys {
            let list = self.list_for(key, None);
            let told = sorted(&list);
            let Some(client) = self.clients.get_mut(&key) else { continue };
            if client.told != told {
                client.told = told;
                let list = list.join(",").as_str().into();
                self.says.push_back(Say::Control(client.new.link, control(list)));
            }
        }
    }

    /// All brokers for a client: the one it is to be at first.
    pub(super) fn list_for(&self, key: u64, first: Option<&Id>) -> Vec<String> {
        let Some(client) = self.clients.get(&key) else { return Vec::new() };
        let mut others: Vec<(u64, &Address)> = Vec::new();
        let departed = self.departed.iter().filter(|_| !self.config.update_clients_on_remove);
        let told = self.members.values().filter(|peer| self.is_place(peer));
        for peer in told.chain(departed.filter(|peer| self.config.tells_of(&peer.name))) {
            let address = match &client.own {
                Some(own) => peer.address_for(own),
                None => peer.addresses.first(),
            };
            let is_first = first == Some(&peer.id);
            let place = if is_first { 0 } else { place(&client.new.client_id, &peer.name).max(1) };
            others.extend(address.map(|address| (place, address)));
        }
        others.sort_by_key(|(place, _)| *place);
        let mut list: Vec<&Address> = Vec::new();
        let own = client.own.as_ref().filter(|_| !self.status().leaving);
        let others = others.into_iter().map(|(_, address)| address);
        let all: Vec<&Address> = match (own, first) {
            (None, _) => others.collect(),
            (Some(own), None) => std::iter::once(own).chain(others).collect(),
            (Some(own), Some(_)) => {
                let mut all: Vec<&Address> = others.collect();
                all.insert(all.len().min(1), own);
                all
            }
        };
        for address in all {
            if !list.contains(&address) {
                list.push(address);
            }
        }
        list.into_iter().map(|address| address.text.clone()).collect()
    }

    /// Tells a client to go to another broker.
    pub(super) fn send_to(&mut self, key: u64, to: &Id) {
        let list = self.list_for(key, Some(to));
        let Some(client) = self.clients.get_mut(&key) else { return };
        let Some(target) = list.first().cloned() else { return };
        let link = client.new.link;
        client.told = sorted(&list);
        let all = list.join(",");
        let mut order =
            ConnectionControl { rebalance_connection: true, ..control(all.as_str().into()) };
        if client.new.moves_in_order {
            order.reconnect_to = Some(target.as_str().into());
        } else {
            // Java: moves only if the list has changed. `reconnectTo` would make it forget all others.
            self.says.push_back(Say::Control(link, control(target.as_str().into())));
        }
        self.says.push_back(Say::Control(link, order));
    }
}

fn control(connected_brokers: Str) -> ConnectionControl {
    ConnectionControl {
        connected_brokers: Some(connected_brokers),
        reconnect_to: Some(Str::EMPTY),
        ..ConnectionControl::default()
    }
}

fn sorted(list: &[String]) -> Vec<String> {
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Where a broker stands in the list of a client: as good as by chance, and the same for ever.
fn place(client_id: &str, broker: &str) -> u64 {
    let bytes = client_id.bytes().chain([0]).chain(broker.bytes());
    // FNV-1a, and a step that lets its last bytes count in all of it.
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}
