//! `BrokerBuilder`: a broker as it is to be, until it starts.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use tokio::sync::{mpsc, watch};

use super::address::ListenerConfig;
use super::listener::Listener;
use super::owner::Owner;
use super::tls::Tls;
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
    listen: Vec<ListenerConfig>,
    store: Option<Box<dyn Store>>,
    max_frame_size: Option<usize>,
    #[cfg(feature = "testkit")]
    watch: super::probe::Watch,
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
    /// Rights are given to users, and there is none: anybody could take any name.
    #[error("rights need users: without them a client may give itself any name")]
    RightsWithoutUsers,
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
    pub fn listen(self, uri: impl Into<String>) -> Self {
        self.listener(ListenerConfig::new(uri))
    }

    /// Listens on this address, with limits of its own.
    #[must_use]
    pub fn listener(mut self, listener: ListenerConfig) -> Self {
        self.listen.push(listener);
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

    /// Counts what it hears, and tells all clients that it is found at this address.
    #[cfg(feature = "testkit")]
    pub(crate) fn watch(mut self, published: &str) -> Self {
        self.watch = super::probe::Watch::new(published);
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
        if self.config.users.is_empty() && !self.config.rights.is_empty() {
            return Err(StartError::RightsWithoutUsers);
        }
        let (listeners, listening) = self.bind().await?;
        self.config.id = unique_id(&self.config.name);
        let (store, recovered) = match self.store.take() {
            None => (None, Recovered::default()),
            Some(mut store) => {
                self.config.persistent = true;
                // Reading it may take a while, and belongs to no runtime's thread.
                let read = tokio::task::spawn_blocking(move || (store.recover(), store)).await;
                let (recovered, store) = read.map_err(|error| StoreError(error.to_string()))?;
                let recovered = recovered?;
                (Some(Writer::start(store).map_err(StartError::Thread)?), recovered)
            }
        };
        let (mode, follow) = watch::channel(Mode::Run);
        let (inbox, reports) = mpsc::channel(INBOX);
        let (orders, asked) = mpsc::channel(ORDERS);
        let (limit, outgoing) = (self.config.limits.connections, self.config.limits.outgoing_bytes);
        let clock = Clock::new();
        let core = BrokerCore::new(clock.now(), self.config, recovered);
        #[cfg_attr(not(feature = "testkit"), expect(unused_mut, reason = "nobody watches it"))]
        let mut owner = Owner::new(core, clock, reports, asked, follow, store, outgoing);
        #[cfg(feature = "testkit")]
        owner.watched_by(self.watch);
        let owner = tokio::spawn(owner.run(listening, inbox, limit));
        Ok(Broker { listeners, orders, mode, owner })
    }

    /// Listens on all addresses, and names them as clients are told.
    async fn bind(&mut self) -> Result<(Vec<(SocketAddr, String)>, Vec<Listener>), StartError> {
        let (mut listeners, mut listening) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for mut config in std::mem::take(&mut self.listen) {
            let place = config.resolve()?;
            let (listener, address) = place.bind().await.map_err(|error| StartError::Address {
                uri: config.uri.clone(),
                problem: error.to_string(),
            })?;
            let uri = config.published(&place, address);
            let refuse = |problem| StartError::Address { uri: config.uri.clone(), problem };
            let tls = config.tls.clone().map(Tls::new).transpose().map_err(refuse)?;
            if seen.insert(uri.clone()) {
                listeners.push((address, uri.clone()));
                listening.push(Listener {
                    listener,
                    uri,
                    config: config.link(self.max_frame_size),
                    maximum_connections: config.maximum_connections,
                    tls,
                });
            }
        }
        Ok((listeners, listening))
    }
}

/// An id that no other broker has, nor this one when it starts again. Entropy enters here and nowhere
/// else.
fn unique_id(name: &str) -> String {
    format!("ID:{name}-{:016x}-1:1", RandomState::new().hash_one(name))
}
