//! `BrokerBuilder`: a broker as it is to be, until it starts.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use rewire_protocol::{LinkConfig, Peer, WireFormatOffer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::listener::Listener;
use super::owner::Owner;
use super::writer::Writer;
use super::{Broker, Clock, Mode};
use crate::core::{BrokerConfig, BrokerCore};
use crate::store::{Recovered, Store, StoreError};

/// Reports of all links that may wait for the owner.
const INBOX: usize = 1024;
/// Orders that may wait for the owner.
const ORDERS: usize = 16;

/// A broker to be set up.
#[derive(Default)]
pub struct BrokerBuilder {
    config: BrokerConfig,
    listen: Vec<String>,
    store: Option<Box<dyn Store>>,
    max_frame_size: Option<usize>,
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address that cannot be listened on.
    #[error("{uri}: {problem}")]
    Address {
        /// The address as it was given.
        uri: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system does not give a thread to the store.
    #[error("no thread for the store: {0}")]
    Thread(std::io::Error),
}

impl std::fmt::Debug for BrokerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerBuilder")
            .field("config", &self.config)
            .field("listen", &self.listen)
            .field("max_frame_size", &self.max_frame_size)
            .finish_non_exhaustive()
    }
}

impl BrokerBuilder {
    /// Sets the name. Default `localhost`, as Java's.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Keeps everything in memory, and nothing over a restart. The default.
    #[must_use]
    pub fn memory(mut self) -> Self {
        self.store = None;
        self
    }

    /// Keeps persistent messages and durable subscriptions in this store.
    #[must_use]
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Listens on this address: `tcp://127.0.0.1:61616`; port 0 for any that is free. May be called
    /// several times.
    #[must_use]
    pub fn listen(mut self, uri: impl Into<String>) -> Self {
        self.listen.push(uri.into());
        self
    }

    /// Lets this user in. Anybody may connect while there is none.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.config.users.insert(name.into(), password.into());
        self
    }

    /// Refuses frames of more than this many bytes. Default 100 MiB, as ActiveMQ's distributed
    /// configuration.
    #[must_use]
    pub const fn max_frame_size(mut self, bytes: usize) -> Self {
        self.max_frame_size = Some(bytes);
        self
    }

    /// Changes anything of the configuration.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut BrokerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Starts the broker. It accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on, or the store cannot be read.
    ///
    /// # Cancel safety
    ///
    /// No broker runs when the future is dropped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn start(mut self) -> Result<Broker, StartError> {
        let mut bound = Vec::new();
        let mut seen = BTreeSet::new();
        for uri in &self.listen {
            let (listener, address) = bind(uri).await?;
            let uri = published(uri, address);
            if seen.insert(uri.clone()) {
                bound.push((listener, address, uri));
            }
        }
        self.config.id = unique_id(&self.config.name);
        let (writer, stored, recovered) = match self.store.take() {
            None => (None, None, Recovered::default()),
            Some(mut store) => {
                self.config.persistent = true;
                // Reading it may take a while, and belongs to no runtime's thread.
                let read = tokio::task::spawn_blocking(move || (store.recover(), store)).await;
                let (recovered, store) = read.map_err(|error| StoreError(error.to_string()))?;
                let recovered = recovered?;
                let (writer, stored) = Writer::start(store).map_err(StartError::Thread)?;
                (Some(writer), Some(stored), recovered)
            }
        };
        let (mode, follow) = watch::channel(Mode::Run);
        let (inbox, reports) = mpsc::channel(INBOX);
        let (orders, asked) = mpsc::channel(ORDERS);
        let link_config = self.link_config();
        let limit = self.config.limits.connections;
        let listeners = bound.iter().map(|(_, address, uri)| (*address, uri.clone())).collect();
        let clock = Clock::new();
        let core = BrokerCore::new(clock.now(), self.config, recovered);
        let listening: Vec<Listener> = bound
            .into_iter()
            .map(|(listener, _, uri)| Listener { listener, uri, config: link_config.clone() })
            .collect();
        let owner = Owner::new(core, clock, reports, asked, follow, writer, stored);
        let owner = tokio::spawn(owner.run(listening, inbox, limit));
        Ok(Broker { listeners, orders, mode, owner })
    }

    fn link_config(&self) -> (LinkConfig, rewire_protocol::Limits) {
        let mut limits = rewire_protocol::Limits::DEFAULT;
        if let Some(bytes) = self.max_frame_size {
            limits.max_frame_size = bytes;
        }
        let max_frame_size = i64::try_from(limits.max_frame_size).ok();
        let offer = WireFormatOffer { max_frame_size, ..WireFormatOffer::default() };
        (LinkConfig { offer, peer: Peer::Client, ..LinkConfig::default() }, limits)
    }
}

async fn bind(uri: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let refuse = |problem: String| StartError::Address { uri: uri.to_owned(), problem };
    let Some(address) = uri.strip_prefix("tcp://") else {
        return Err(refuse("only tcp://host:port can be listened on".to_owned()));
    };
    if let Some((_, options)) = address.split_once('?') {
        return Err(refuse(format!("there is no option {options} of a listener")));
    }
    let listener = TcpListener::bind(address).await.map_err(|error| refuse(error.to_string()))?;
    let address = listener.local_addr().map_err(|error| refuse(error.to_string()))?;
    Ok((listener, address))
}

/// The address that clients are told: the host as it was given, and the port as it came out.
fn published(uri: &str, address: SocketAddr) -> String {
    let given = uri.trim_start_matches("tcp://");
    let host = given.rsplit_once(':').map_or(given, |(host, _)| host);
    let host = if address.ip().is_unspecified() { "localhost" } else { host };
    format!("tcp://{host}:{}", address.port())
}

/// An id that no other broker has, nor this one when it starts again. Entropy enters here and nowhere
/// else.
fn unique_id(name: &str) -> String {
    format!("ID:{name}-{:016x}-1:1", RandomState::new().hash_one(name))
}
