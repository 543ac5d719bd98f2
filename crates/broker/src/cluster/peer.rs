//! A broker as others hear of it: `BrokerInfo`, and what it carries between brokers of this kind.
//!
//! The properties of a bridge are the place where ActiveMQ's brokers tell each other how theirs is set up,
//! passwords included. Here they say how many clients there are and who is leaving; a password is never
//! among them.

use std::collections::BTreeMap;

use rewire_failover::uri::{BrokerUri, PushedBrokers};
use rewire_protocol::{BrokerId, BrokerInfo, Str};

/// Names a broker from its start to its end.
pub(crate) type Id = String;

/// Brokers that one tells another of.
const MAX_RELAYED: usize = 256;
/// Bytes of the properties of a bridge that are looked at.
const MAX_PROPERTIES: usize = 64 << 10;
/// Bytes of a name.
const MAX_NAME: usize = 1 << 10;
/// Addresses of one broker.
const MAX_ADDRESSES: usize = 16;

/// A broker, as it says itself or as another says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) id: Id,
    pub(crate) name: String,
    /// Where its clients reach it, each as it is told to clients. Maybe nowhere.
    pub(crate) addresses: Vec<Address>,
    /// None of a broker of another kind.
    pub(crate) status: Option<Status>,
}

/// An address as clients are told.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    uri: BrokerUri,
    pub(crate) text: String,
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.uri == other.uri
    }
}

impl Eq for Address {}

impl Address {
    /// Reads an address; what clients would not understand, or must not be told, is left out of it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Self::read_all(text).into_iter().next()
    }

    fn read_all(text: &str) -> Vec<Self> {
        let read = PushedBrokers::parse(text).brokers.into_iter().take(MAX_ADDRESSES);
        read.map(|uri| {
            let text = uri.to_string();
            let text = if text.contains("***") { uri.location() } else { text };
            Self { uri, text }
        })
        .collect()
    }

    fn scheme(&self) -> &'static str {
        self.uri.scheme().as_str()
    }
}

/// What brokers of this kind know of each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) clients: usize,
    /// How many of them were told to go where and are not gone yet.
    pub(crate) moving: BTreeMap<Id, usize>,
    /// Whether it is about to stop.
    pub(crate) leaving: bool,
}

impl Peer {
    /// What a `BrokerInfo` says; nothing if it does not say who it is of.
    pub(crate) fn read(info: &BrokerInfo) -> Option<Self> {
        let text = |text: &Option<Str>| text.as_ref().map(|text| text.to_str().into_owned());
        let id = text(&info.broker_id.as_ref()?.value)?;
        let name = text(&info.broker_name).unwrap_or_default();
        if id.is_empty() || id.len() > MAX_NAME || name.len() > MAX_NAME {
            return None;
        }
        let properties = info.network_properties.as_ref().map(|text| text.to_str());
        let (status, more) = read_properties(properties.as_deref().unwrap_or_default());
        let mut addresses = Address::read_all(&text(&info.broker_url).unwrap_or_default());
        for address in Address::read_all(more) {
            if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
                addresses.push(address);
            }
        }
        Some(Self { id, name, addresses, status })
    }

    /// The brokers that one of this kind tells of.
    pub(crate) fn relayed(info: &BrokerInfo) -> Vec<Self> {
        let infos = info.peer_broker_infos.iter().flatten().flatten();
        infos.take(MAX_RELAYED).filter_map(|info| Self::read(info)).collect()
    }

    pub(crate) fn write(&self) -> BrokerInfo {
        let first = self.addresses.first().map_or("", |address| address.text.as_str());
        BrokerInfo {
            broker_id: Some(BrokerId { value: Some(self.id.as_str().into()) }),
            broker_url: Some(first.into()),
            broker_name: Some(self.name.as_str().into()),
            ..BrokerInfo::default()
        }
    }

    /// The properties of its bridges: `started` of a configuration that Java understands, and ours.
    pub(crate) fn properties(&self, is_duplex: bool) -> String {
        let Some(status) = &self.status else { return String::new() };
        let addresses: Vec<&str> =
            self.addresses.iter().map(|address| address.text.as_str()).collect();
        let moving: Vec<String> =
            status.moving.iter().map(|(to, count)| format!("{count} {to}")).collect();
        format!(
            "name=rewire\nduplex={is_duplex}\n{CLIENTS}={}\n{MOVING}={}\n{LEAVING}={}\n{ADDRESSES}={}\n",
            status.clients,
            moving.join(","),
            status.leaving,
            addresses.join(",")
        )
    }

    /// Where clients reach it that came to an address of this scheme.
    pub(crate) fn address_for(&self, own: &Address) -> Option<&Address> {
        let same = self.addresses.iter().find(|address| address.scheme() == own.scheme());
        same.or_else(|| self.addresses.first())
    }
}

const CLIENTS: &str = "rewire.clients";
const MOVING: &str = "rewire.moving";
const LEAVING: &str = "rewire.leaving";
const ADDRESSES: &str = "rewire.addresses";

/// What the properties say, if a broker of this kind wrote them, and its addresses.
fn read_properties(text: &str) -> (Option<Status>, &str) {
    let (mut status, mut addresses) = (None::<Status>, "");
    if text.len() > MAX_PROPERTIES {
        return (None, "");
    }
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match name {
            CLIENTS => {
                let clients = value.parse::<u32>().ok().and_then(|count| count.try_into().ok());
                status.get_or_insert_default().clients = clients.unwrap_or(0);
            }
            MOVING => status.get_or_insert_default().moving = read_moving(value),
            LEAVING => status.get_or_insert_default().leaving = value == "true",
            ADDRESSES => addresses = value,
            _ => {}
        }
    }
    (status, addresses)
}

fn read_moving(text: &str) -> BTreeMap<Id, usize> {
    let entry = |entry: &str| {
        let (count, to) = entry.split_once(' ')?;
        Some((to.to_owned(), count.parse::<u32>().ok()?.try_into().ok()?))
    };
    text.split(',').take(MAX_RELAYED).filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_says_of_itself_is_read_as_it_was_written() {
        let peer = Peer {
            id: "ID:b-1".into(),
            name: "b".into(),
            addresses: ["tcp://b:1", "ssl://b:2"].map(|uri| Address::read(uri).unwrap()).to_vec(),
            status: Some(Status {
                clients: 17,
                moving: [("ID:c-1".to_owned(), 3), ("ID:d:1".to_owned(), 2)].into(),
                leaving: true,
            }),
        };
        let mut info = peer.write();
        info.network_properties = Some(peer.properties(false).as_str().into());
        assert_eq!(Peer::read(&info), Some(peer));
    }

    #[test]
    fn a_broker_of_another_kind_has_no_status_and_nothing_is_taken_on_trust() {
        let java = BrokerInfo {
            broker_id: Some(BrokerId { value: Some("ID:java".into()) }),
            broker_url: Some("nio://java:1?wireFormat.maxInactivityDuration=5000".into()),
            network_properties: Some("#\n#Fri\nname=NC\npassword=x\nduplex=false".into()),
            ..BrokerInfo::default()
        };
        let peer = Peer::read(&java).unwrap();
        assert_eq!((peer.name.as_str(), &peer.status), ("", &None));
        let addresses: Vec<_> = peer.addresses.iter().map(|address| &address.text).collect();
        assert_eq!(addresses, ["nio://java:1?wireFormat.maxInactivityDuration=5000"]);
        assert_eq!(Peer::read(&BrokerInfo { broker_id: None, ..java.clone() }), None);
        let lost = BrokerInfo { broker_url: Some("null".into()), ..java.clone() };
        assert!(Peer::read(&lost).unwrap().addresses.is_empty());
        let long = "x".repeat(MAX_PROPERTIES + 1) + "\nrewire.clients=1";
        let long = BrokerInfo { network_properties: Some(long.as_str().into()), ..java };
        assert_eq!(Peer::read(&long).unwrap().status, None);
    }

    #[test]
    fn a_client_is_told_the_address_of_the_kind_it_came_by() {
        let read = |uri: &str| Address::read(uri).unwrap();
        let addresses = vec![read("tcp://b:1"), read("ssl://b:2")];
        let peer = Peer { id: "b".into(), name: "b".into(), addresses, status: None };
        for (own, told) in
            [("ssl://a:9", "ssl://b:2"), ("tcp://a:9", "tcp://b:1"), ("nio://a:9", "tcp://b:1")]
        {
            assert_eq!(peer.address_for(&read(own)).unwrap().text, told);
        }
    }
}
