//! `BrokerBuilder`: a broker as it is to be, until it starts.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::address::{ListenerConfig, NOT_TO_PUBLISH};
use super::listener::Listener;
use super::owner::Owner;
use super::tls::Tls;
use super::writer::Writer;
use super::{Broker, Clock, Mode};
use crate::cluster::{Address, ClusterFilter, NetworkConnector};
use crate::core::{BrokerConfig, BrokerCore, PasswordHash};
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
    #[cfg(feature = "http")]
    http: Option<String>,
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
    /// An address that the system does not give, now: another program has it, most likely.
    #[error("{uri}: {error}")]
    Listen {
        /// The address as it was given.
        uri: String,
        /// What the system says.
        error: std::io::Error,
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

    /// Lets this user in, whose password is known by its hash only. It is checked in threads of the
    /// runtime, beside all else, and each password that was right once.
    #[must_use]
    pub fn user_with_hash(mut self, name: impl Into<String>, hash: PasswordHash) -> Self {
        self.config.password_hashes.insert(name.into(), hash);
        self
    }

    /// Refuses frames of more than this many bytes. Default 100 MiB, as ActiveMQ's distributed
    /// configuration.
    #[must_use]
    pub const fn max_frame_size(mut self, bytes: usize) -> Self {
        self.max_frame_size = Some(bytes);
        self
    }

    /// Tells clients which other brokers there are (`updateClusterClients`), or does not, which is the
    /// default.
    #[must_use]
    pub const fn update_cluster_clients(mut self, update: bool) -> Self {
        self.config.cluster.update_clients = update;
        self
    }

    /// Spreads clients over the brokers of the cluster (`rebalanceClusterClients`), or does not, which is
    /// the default.
    #[must_use]
    pub const fn rebalance_cluster_clients(mut self, rebalance: bool) -> Self {
        self.config.cluster.rebalance_clients = rebalance;
        self
    }

    /// Tells clients to forget brokers that are gone (`updateClusterClientsOnRemove`), or does not, which is
    /// the default.
    #[must_use]
    pub const fn update_cluster_clients_on_remove(mut self, update: bool) -> Self {
        self.config.cluster.update_clients_on_remove = update;
        self
    }

    /// Tells clients only of brokers whose names match (`updateClusterFilter`).
    #[must_use]
    pub fn update_cluster_filter(mut self, filter: ClusterFilter) -> Self {
        self.config.cluster.filter = Some(filter);
        self
    }

    /// Dials other brokers, to be one cluster with them. May be called several times.
    #[must_use]
    pub fn network_connector(mut self, connector: NetworkConnector) -> Self {
        self.config.cluster.connectors.push(connector);
        self
    }

    /// Opens a window into the broker at this address, `127.0.0.1:8161`; port 0 for any that is free:
    /// `/health`, `/metrics` for Prometheus, and a page. Who can reach it sees the names of clients and
    /// destinations, and can change nothing. Default none.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http(mut self, address: impl Into<String>) -> Self {
        self.http = Some(address.into());
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

    /// Makes one cluster with the brokers at these addresses. Where brokers have users they log in as the first.
    #[cfg(feature = "testkit")]
    pub(crate) fn join(self, others: &[String]) -> Self {
        if others.is_empty() {
            return self;
        }
        // A test does not wait for a second until they have found each other again.
        let options = "initialReconnectDelay=5&maxReconnectDelay=50";
        let connector: Result<NetworkConnector, _> =
            format!("static:({})?{options}", others.join(",")).parse();
        let connector = connector.expect("the addresses of brokers");
        match self.config.users.iter().next() {
            Some((name, password)) => {
                let connector = connector.credentials(name.as_str(), password.as_str());
                self.network_connector(connector)
            }
            None => self.network_connector(connector),
        }
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
        if !self.config.has_users() && !self.config.rights.is_empty() {
            return Err(StartError::RightsWithoutUsers);
        }
        let (listeners, listening) = self.bind().await?;
        #[cfg(feature = "http")]
        let window = match self.http.take() {
            Some(address) => Some(bind_http(address).await?),
            None => None,
        };
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
        let outgoing = self.config.limits.outgoing_bytes;
        let config = self.config.clone();
        let clock = Clock::new();
        let core = BrokerCore::new(clock.now(), self.config, recovered);
        #[cfg_attr(not(feature = "testkit"), expect(unused_mut, reason = "nobody watches it"))]
        let mut owner = Owner::new(core, clock, reports, asked, follow, store, outgoing);
        #[cfg(feature = "testkit")]
        owner.watched_by(self.watch);
        let failure = owner.failure();
        let owner = tokio::spawn(async move { owner.run(listening, inbox, &config).await });
        #[cfg(feature = "http")]
        let http = window.map(|(listener, address)| {
            let serve =
                super::http::serve(listener, orders.clone(), mode.subscribe(), clock.unix());
            (address, tokio::spawn(serve))
        });
        Ok(Broker {
            listeners,
            orders,
            mode,
            failure,
            owner,
            #[cfg(feature = "http")]
            http,
        })
    }

    /// Listens on all addresses, and names them as clients are told.
    async fn bind(&mut self) -> Result<(Vec<(SocketAddr, String)>, Vec<Listener>), StartError> {
        let (mut listeners, mut listening) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for mut config in std::mem::take(&mut self.listen) {
            let place = config.resolve()?;
            let bound = place.bind().await;
            let (listener, address) = bound.map_err(|error| not_bound(&config.uri, error))?;
            let uri = config.published(&place, address);
            let refuse = |problem| StartError::Address { uri: config.uri.clone(), problem };
            let tls = config.tls.clone().map(Tls::new).transpose().map_err(refuse)?;
            if seen.insert(uri.clone()) {
                let told = self.told(&config, &uri, address).await?;
                self.config.cluster.addresses.push(told.clone());
                listeners.push((address, uri));
                listening.push(Listener {
                    listener,
                    uri: told,
                    config: config.link(self.max_frame_size),
                    maximum_connections: config.maximum_connections,
                    tls,
                });
            }
        }
        Ok((listeners, listening))
    }

    /// The address that clients are told: one that they can do with.
    async fn told(
        &self,
        listener: &ListenerConfig,
        uri: &str,
        address: SocketAddr,
    ) -> Result<String, StartError> {
        #[cfg(feature = "testkit")]
        if let Some(published) = &self.watch.published {
            return Ok(published.clone());
        }
        if listener.published.is_some() {
            let problem = NOT_TO_PUBLISH.to_owned();
            let refuse = || StartError::Address { uri: uri.to_owned(), problem };
            return Address::read(uri).map(|address| address.text).ok_or_else(refuse);
        }
        let cluster = &self.config.cluster;
        let is_told = cluster.tells_clients() || !cluster.connectors.is_empty();
        if address.ip().is_unspecified()
            && is_told
            && let Some(name) = name_of_this_machine().await
        {
            return Ok(uri.replacen("://localhost:", &format!("://{name}:"), 1));
        }
        Ok(uri.to_owned())
    }
}

/// The name of this machine, if it leads to an address. Java: the default of its
/// `PublishedAddressPolicy`, which does not look.
async fn name_of_this_machine() -> Option<String> {
    /// A broker does not wait for a name server.
    const PATIENCE: Duration = Duration::from_millis(200);
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok()?.to_owned();
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), 0))).await;
    let found = found.ok()?.ok()?.next().is_some();
    found.then_some(name)
}

fn not_bound(uri: &str, error: std::io::Error) -> StartError {
    let uri = uri.to_owned();
    match error.kind() {
        ErrorKind::InvalidInput => StartError::Address { uri, problem: error.to_string() },
        _ => StartError::Listen { uri, error },
    }
}

#[cfg(feature = "http")]
async fn bind_http(address: String) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let bound = async {
        let listener = tokio::net::TcpListener::bind(&address).await?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    bound.await.map_err(|error| not_bound(&format!("http://{address}"), error))
}

/// An id that no other broker has, nor this one when it starts again. Entropy enters here and nowhere
/// else.
fn unique_id(name: &str) -> String {
    format!("ID:{name}-{:016x}-1:1", RandomState::new().hash_one(name))
}
