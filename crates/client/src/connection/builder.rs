//! `ConnectionBuilder`: who connects, to where; awaitable.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use rewire_failover::CredentialsProvider;
use rewire_failover::core::Event;
use rewire_failover::transport::{FailoverTransport, TransportConfig};
use rewire_failover::uri::{FailoverUri, UriError};
use rewire_protocol::{ConnectionId, ConnectionInfo, Str};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::Instrument;

use super::router::Router;
use super::{Connection, Events, Shared, ids};
use crate::error::{Error, ErrorKind, Result};
use crate::options::ConnectionOptions;
use crate::telemetry::{self, Meter, Operation};

/// Routes that may wait for the router to take them in.
const ROUTE_CHANGES: usize = 64;

type Listener = Box<dyn FnMut(Event) + Send>;

/// Describes a connection. From [`Connection::builder`]; await it.
#[must_use = "a builder does nothing until it is awaited"]
pub struct ConnectionBuilder {
    uri: Result<FailoverUri, UriError>,
    client_id: Option<String>,
    credentials: Option<(String, String)>,
    listener: Option<Listener>,
    options: ConnectionOptions,
    config: TransportConfig,
}

impl ConnectionBuilder {
    pub(super) fn new(uri: Result<FailoverUri, UriError>) -> Self {
        Self {
            uri,
            client_id: None,
            credentials: None,
            listener: None,
            options: ConnectionOptions::default(),
            config: TransportConfig::default(),
        }
    }

    /// Sets JMS's client id. One connection at a time may have it; a durable subscription needs it. By
    /// default it is that of the URI (`jms.clientID`), or else one is made up.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Sets the user and the password. By default those of the URI (`jms.userName`, `jms.password`), if
    /// it has them.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Asks `provider` on every attempt at a broker who the client is, for passwords and tokens that do not
    /// last. It is given the broker's address, has 10 seconds, and may fail: then the attempt has failed,
    /// and the next broker is tried. By default nobody is asked.
    ///
    /// ```no_run
    /// use rewire::{Connection, Credentials};
    ///
    /// # async fn token() -> std::io::Result<String> { Ok(String::new()) }
    /// # async fn example() -> rewire::Result<()> {
    /// let connection = Connection::builder("failover:(tcp://a:61616,tcp://b:61616)")
    ///     .credentials_provider(|_broker: String| async {
    ///         Ok::<_, std::io::Error>(Credentials::new("billing", token().await?))
    ///     })
    ///     .await?;
    /// # drop(connection); Ok(()) }
    /// ```
    pub fn credentials_provider(mut self, provider: impl CredentialsProvider) -> Self {
        self.config.credentials = Some(Arc::new(provider));
        self
    }

    /// Sets how sessions, producers and consumers behave where they do not say so themselves. What the URI
    /// says (`jms.*`) counts over it.
    ///
    /// ```no_run
    /// use rewire::{Connection, ConnectionOptions};
    ///
    /// # async fn example() -> rewire::Result<()> {
    /// let mut options = ConnectionOptions::default();
    /// options.prefetch_policy.queue_prefetch = 10;
    /// let connection = Connection::builder("failover:(tcp://a:61616)").options(options).await?;
    /// # drop(connection); Ok(()) }
    /// ```
    pub fn options(mut self, options: ConnectionOptions) -> Self {
        self.options = options;
        self
    }

    /// Calls `listener` with what happens to the connection, from the first attempt on, while the other
    /// way to hear of it, [`Connection::events`], begins when it is made. It must not block.
    pub fn listener(mut self, listener: impl FnMut(Event) + Send + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Says whom to trust and how to show who we are, on links to `ssl:` brokers. By default the
    /// platform's authorities are trusted, and nothing is shown.
    ///
    /// ```no_run
    /// use rewire::{Connection, Pem, TlsOptions};
    ///
    /// # async fn example() -> rewire::Result<()> {
    /// let connection = Connection::builder("failover:(ssl://a:61617,ssl://b:61617)")
    ///     .tls(TlsOptions::default().only_trust(Pem::file("ca.pem")))
    ///     .await?;
    /// # drop(connection); Ok(()) }
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: rewire_failover::transport::TlsOptions) -> Self {
        self.config.tls = tls;
        self
    }

    async fn connect(self) -> Result<Connection> {
        telemetry::describe();
        let meter = Meter::new(None);
        let mut begun = meter.begin(Operation::Connect);
        let connected = self.open(meter).instrument(begun.span().clone()).await;
        begun.end(connected.as_ref());
        connected
    }

    async fn open(self, meter: Arc<Meter>) -> Result<Connection> {
        let uri = self.uri.map_err(|error| Error::config(&error))?;
        let (options, notes) = self.options.with(uri.jms())?;
        for note in notes {
            tracing::warn!("{note}");
        }
        let (transport, deliveries, receiver) =
            FailoverTransport::start_listening(&uri, self.config);
        if let Some(mut listener) = self.listener {
            let mut events = Events { receiver };
            tokio::spawn(async move {
                while let Some(event) = events.next().await {
                    listener(event);
                }
            });
        }
        telemetry::count_events(&transport);
        let (routes, route_changes) = mpsc::channel(ROUTE_CHANGES);
        let (link_is, link) = watch::channel(None);
        tokio::spawn(Router::new(deliveries, route_changes, link_is).run());

        let id = ids::connection_id(options.connection_id_prefix.as_deref());
        let jms = uri.jms();
        let client_id =
            self.client_id.or_else(|| jms.client_id().map(str::to_owned)).map(Str::from);
        let made_up = || match &options.client_id_prefix {
            Some(prefix) => Some(Str::from(ids::unique(prefix))),
            None => id.value.clone(),
        };
        let introduced_as = client_id.clone().or_else(made_up);
        let of_uri = || {
            let user = jms.user_name()?.to_owned();
            Some((user, jms.password().unwrap_or_default().to_owned()))
        };
        let (user, password) = self.credentials.or_else(of_uri).unzip();
        let info = info(id.clone(), introduced_as, user, password);
        let consent = transport.request(info.into());
        let answer = match options.connect_response_timeout {
            Some(limit) => timeout(limit, consent).await.map_err(|_| late(limit)),
            None => Ok(consent.await),
        };
        let answer = answer
            .and_then(|answer| answer.map_err(|error| Error::request("the connection", error)));
        if let Err(error) = answer {
            transport.close(transport.close_timeout()).await;
            return Err(error);
        }
        let runtime = Handle::current();
        let shared = Shared {
            id,
            client_id,
            options,
            transport,
            link,
            routes,
            meter,
            runtime,
            sessions: AtomicI64::new(1),
            temporary: AtomicI64::new(1),
            errors: AtomicU64::new(0),
            transactions: AtomicI64::new(1),
        };
        Ok(Connection { shared: Arc::new(shared) })
    }
}

fn info(
    id: ConnectionId,
    client_id: Option<Str>,
    user: Option<String>,
    password: Option<String>,
) -> ConnectionInfo {
    ConnectionInfo {
        connection_id: Some(id),
        client_id,
        user_name: user.map(Str::from),
        password: password.map(Str::from),
        manageable: true,
        client_master: true,
        fault_tolerant: true,
        ..ConnectionInfo::default()
    }
}

fn late(limit: Duration) -> Error {
    let problem = format!(
        "no broker has taken the connection within the connectResponseTimeout of {} ms",
        limit.as_millis()
    );
    Error::new(ErrorKind::Timeout, problem)
}

impl IntoFuture for ConnectionBuilder {
    type Output = Result<Connection>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Connects: waits for a broker and for its consent, for as long as the options of the URI allow.
    /// `failover:` tries for ever by default; `startupMaxReconnectAttempts` and `timeout` end it.
    ///
    /// Fails with [`ErrorKind::Config`] for a URI that cannot be used, [`ErrorKind::Security`] or
    /// [`ErrorKind::Refused`] when the broker said no, [`ErrorKind::Unreachable`] when none was reached.
    /// Dropped, the attempt is given up and its sockets are closed.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.connect())
    }
}

impl fmt::Debug for ConnectionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the password nor a URI, which may have one in it.
        f.debug_struct("ConnectionBuilder")
            .field("client_id", &self.client_id)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .finish_non_exhaustive()
    }
}
