//! The cluster as this client knows it: which brokers there are, and who said so.

use std::sync::Arc;

use rewire_protocol::ConnectionControl;

use super::FailoverCore;
use super::io::Event;
use crate::uri::PushedBrokers;

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

impl FailoverCore {
    /// The cluster as it is known now.
    #[must_use]
    pub fn topology(&self) -> Topology {
        self.pool.topology()
    }

    /// A broker says what the cluster looks like. Java: `FailoverTransport.handleConnectionControl`.
    pub(super) fn on_connection_control(&mut self, control: &ConnectionControl) {
        if !self.options.update_uris_supported {
            return;
        }
        // An empty list says nothing: a broker that does not update its clients sends one.
        let Some(list) = control.connected_brokers.as_ref().filter(|list| !list.is_empty()) else {
            return;
        };
        let pushed = PushedBrokers::parse(&list.to_str());
        if !pushed.brokers.is_empty() && self.pool.set_pushed(pushed.brokers) {
            let topology = Arc::new(self.topology());
            self.event(Event::TopologyChanged(topology));
        }
    }
}
