//! `Connection`: one client at its brokers, shared by sessions.

mod builder;
mod ids;
pub(crate) mod router;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rewire_failover::RequestError;
use rewire_failover::core::{Completion, Event, LinkId, Stats, Topology};
use rewire_failover::transport::FailoverTransport;
use rewire_failover::uri::FailoverUri;
use rewire_protocol::{
    Command, ConnectionId, Destination, FlushCommand, RemoveInfo, RemoveSubscriptionInfo,
    SessionId, Str,
};
use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

pub use self::builder::ConnectionBuilder;
pub(crate) use self::ids::{after, chance, now_ms};

use self::router::RouteChange;
use crate::advisory::{Advisories, AdvisoryKind};
use crate::error::{Error, ErrorKind, Result};
use crate::options::ConnectionOptions;
use crate::session::SessionBuilder;
use crate::telemetry::Meter;
use crate::transaction::{TransactedSession, XaSession};

/// A connection to whichever broker is there. A clone is another handle to the same one.
///
/// Sessions, producers and consumers keep it open. When the last handle of any of them is gone it
/// closes without waiting; [`close`](Self::close) closes it in order.
///
/// ```no_run
/// # async fn example() -> rewire::Result<()> {
/// use rewire::Connection;
///
/// let connection = Connection::builder("failover:(tcp://a:61616,tcp://b:61616)")
///     .credentials("billing", std::env::var("BROKER_PASSWORD").unwrap_or_default())
///     .await?;
/// connection.close().await
/// # }
/// ```
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

/// What sessions, producers and consumers have of their connection.
pub(crate) struct Shared {
    pub(crate) id: ConnectionId,
    /// What the client chose to be called, if it did.
    pub(crate) client_id: Option<Str>,
    pub(crate) options: ConnectionOptions,
    pub(crate) transport: FailoverTransport,
    /// The link that is there, if one is.
    pub(crate) link: watch::Receiver<Option<LinkId>>,
    pub(crate) routes: mpsc::Sender<RouteChange>,
    pub(crate) meter: Arc<Meter>,
    /// Where the farewells of dropped handles are said.
    pub(crate) runtime: Handle,
    sessions: AtomicI64,
    temporary: AtomicI64,
    /// Errors that no request asked for, as many as flushes have told of.
    errors: AtomicU64,
    transactions: AtomicI64,
}

impl Connection {
    /// Begins to describe a connection; await the builder to make it.
    ///
    /// `uri` is a `failover:` URI or the address of one broker, `tcp://host:port`.
    pub fn builder(uri: &str) -> ConnectionBuilder {
        ConnectionBuilder::new(uri.parse())
    }

    /// The same for a URI that was read before, from a configuration file for example, or built.
    ///
    /// ```no_run
    /// use rewire::Connection;
    /// use rewire::uri::{BrokerUri, FailoverUri};
    ///
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let uri = FailoverUri::builder().broker(BrokerUri::parse("tcp://a:61616")?).backup(true);
    /// let connection = Connection::builder_for(uri.build()?).await?;
    /// # drop(connection); Ok(()) }
    /// ```
    pub fn builder_for(uri: FailoverUri) -> ConnectionBuilder {
        ConnectionBuilder::new(Ok(uri))
    }

    /// Begins to describe a session; await the builder to make it.
    pub fn session(&self) -> SessionBuilder {
        SessionBuilder::new(self.shared.clone())
    }

    /// Makes a session whose work is done together, by its [`commit`](TransactedSession::commit). Waits
    /// until a broker has accepted it.
    ///
    /// # Errors
    ///
    /// What the broker said, or that none was reached within what the options of the URI allow.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the session is removed again.
    pub async fn transacted_session(&self) -> Result<TransactedSession> {
        TransactedSession::open(self.shared.clone()).await
    }

    /// Does `work` in a transaction of its own, with a session of its own, and commits it: see
    /// [`TransactedSession::transaction`] for what is tried again.
    ///
    /// ```no_run
    /// # async fn example(connection: rewire::Connection) -> rewire::Result<()> {
    /// use rewire::Queue;
    ///
    /// connection
    ///     .transaction(async |tx| {
    ///         let invoices = tx.producer(&Queue::new("INVOICES")).await?;
    ///         invoices.send("one").await?;
    ///         invoices.send("two").await
    ///     })
    ///     .await?; // both, or none
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// What `work` failed with, and what [`TransactedSession::commit`] says.
    ///
    /// # Cancel safety
    ///
    /// Dropped during `work`, it is rolled back. Dropped during the commit, it is committed all the same.
    pub async fn transaction<T, E, F>(&self, work: impl Fn(TransactedSession) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let session = self.transacted_session().await?;
        session.transaction(|| work(session.clone())).await
    }

    /// Makes a session that works in the branches of a transaction manager. Waits until a broker has accepted
    /// it.
    ///
    /// # Errors
    ///
    /// What the broker said, or that none was reached within what the options of the URI allow.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the session is removed again.
    pub async fn xa_session(&self) -> Result<XaSession> {
        XaSession::open(self.shared.clone()).await
    }

    /// Asks brokers to tell of what happens with them. Waits until one has agreed.
    ///
    /// ```no_run
    /// # async fn example(connection: rewire::Connection) -> rewire::Result<()> {
    /// use rewire::{AdvisoryEvent, AdvisoryKind};
    ///
    /// let mut advisories = connection.advisories(&[AdvisoryKind::Consumers]).await?;
    /// while let Some(advisory) = advisories.next().await.transpose()? {
    ///     if let AdvisoryEvent::ConsumerStarted { consumer, .. } = advisory.event {
    ///         println!("{consumer} is here");
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is told.
    pub async fn advisories(&self, kinds: &[AdvisoryKind]) -> Result<Advisories> {
        Advisories::open(self, kinds).await
    }

    /// The cluster as it is known: a value to look at, and to wait for changes of.
    ///
    /// ```no_run
    /// # async fn example(connection: rewire::Connection) {
    /// let mut topology = connection.topology();
    /// while topology.changed().await.is_ok() {
    ///     println!("{:?}", topology.borrow_and_update().brokers());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn topology(&self) -> watch::Receiver<Arc<Topology>> {
        self.shared.transport.topology()
    }

    /// What has happened to the connection since it was begun, in numbers. A copy, and cheap to take.
    ///
    /// ```no_run
    /// # async fn example(connection: rewire::Connection) {
    /// let stats = connection.stats();
    /// println!("{} interruptions, {:?} at most", stats.interruptions, stats.longest_outage);
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.transport.stats()
    }

    /// What happens to the connection, from now on: it is lost, made again, given up.
    #[must_use]
    pub fn events(&self) -> Events {
        Events { receiver: self.shared.transport.events() }
    }

    /// The name brokers know the connection by.
    #[must_use]
    pub fn id(&self) -> &ConnectionId {
        &self.shared.id
    }

    /// Waits until a broker has taken in all that was sent before, and says over which link it said so.
    ///
    /// What [`send_async`](crate::Producer::send_async) transmitted over that link has arrived then;
    /// what it transmitted over an earlier one may not have.
    ///
    /// # Errors
    ///
    /// When no broker answered, within what the options of the URI allow; and
    /// [`InDoubt`](ErrorKind::InDoubt) when a broker has reported an error since the last flush that no
    /// request asked for: it may have refused some of what was sent without waiting. The log says which
    /// error.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing but the answer is lost.
    pub async fn flush(&self) -> Result<LinkId> {
        let flush = FlushCommand::default().into();
        let mut pending = self.shared.transport.submit(flush, Completion::Answered, None).await;
        (&mut pending).await.map_err(|error| Error::request("flushing", error))?;
        let before = self.shared.errors.fetch_max(pending.errors(), Ordering::Relaxed);
        if pending.errors() > before {
            let problem = "a broker reported an error for something that nobody waited for";
            return Err(Error::new(ErrorKind::InDoubt, problem));
        }
        pending.link().ok_or_else(|| Error::new(ErrorKind::NotSent, "the connection was lost"))
    }

    /// Ends the connection in order: consumers hand out nothing more and end with `None`, what they have handed
    /// out may still be acknowledged, or committed, what was queued is sent and answered; then it is closed, as by
    /// [`close`](Self::close). What was sent ahead and not handed out goes to others.
    ///
    /// A message counts as settled when it is acknowledged or dropped; in a session that acknowledges by itself
    /// when the next is asked for, or the consumer is dropped.
    ///
    /// ```no_run
    /// # async fn handle(message: &rewire::Message) {}
    /// # async fn example(connection: rewire::Connection, mut orders: rewire::Consumer) -> rewire::Result<()> {
    /// use std::time::Duration;
    ///
    /// let working = tokio::spawn(async move {
    ///     while let Some(order) = orders.next().await.transpose()? {
    ///         handle(order.message()).await;
    ///     }
    ///     Ok::<_, rewire::Error>(())
    /// });
    /// // When it is time to go:
    /// connection.drain(Duration::from_secs(20)).await?;
    /// # drop(working); Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Timeout`](ErrorKind::Timeout) when not all was settled and answered within `limit`, and what
    /// [`flush`](Self::flush) says. The connection is closed all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped, consumers hand out nothing more, and the connection is not closed unless that had begun. It can be
    /// drained again, and closed.
    pub async fn drain(&self, limit: Duration) -> Result<()> {
        let settle = async {
            let (answer, answered) = oneshot::channel();
            // A router that has ended has no consumers.
            let _ = self.shared.routes.send(RouteChange::Drain(answer)).await;
            for buffer in answered.await.unwrap_or_default() {
                buffer.hands.emptied().await;
            }
            self.flush().await.map(drop)
        };
        let settled = timeout(limit, settle).await.unwrap_or_else(|_| {
            let problem = format!("not all was settled within {} ms", limit.as_millis());
            Err(Error::new(ErrorKind::Timeout, problem))
        });
        self.close().await?;
        settled
    }

    /// Closes the connection, for all its handles: what waits fails, the broker is told.
    ///
    /// Takes as long as `closeTimeout` says at most, whatever else is under way: 15 seconds by default.
    /// The broker has three quarters of it to answer, and the rest is for the link to close, which goes
    /// on after that.
    ///
    /// # Errors
    ///
    /// None today; what the broker cannot be told it finds out.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the closing goes on, once it has begun.
    pub async fn close(&self) -> Result<()> {
        let shared = self.shared.clone();
        let closing = self.shared.runtime.spawn(async move {
            let goodbye = shared.remove(shared.id.clone().into(), NONE_DELIVERED);
            let transport = &shared.transport;
            let limit = transport.close_timeout();
            let begin = Instant::now();
            // A broker that does not answer notices when the link closes.
            let _ = timeout(limit * 3 / 4, async {
                shared.dismiss_consumers().await;
                transport.request(goodbye).await
            })
            .await;
            transport.close(limit.saturating_sub(begin.elapsed())).await;
        });
        // It is only cut short when the runtime ends.
        let _ = closing.await;
        Ok(())
    }
}

/// No message was handed to the application.
pub(crate) const NONE_DELIVERED: i64 = -1;

impl Shared {
    pub(crate) fn next_session_id(&self) -> SessionId {
        self.id.session(self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// The name of a temporary destination, as Java makes it: a broker lets only the connection it
    /// begins with consume from it.
    pub(crate) fn next_temporary(&self) -> String {
        format!("{}:{}", self.id, self.temporary.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_transaction(&self) -> i64 {
        self.transactions.fetch_add(1, Ordering::Relaxed)
    }

    /// The end of what an id names.
    #[expect(clippy::unused_self, reason = "reads as what the connection says")]
    pub(crate) fn remove(&self, id: Command, last_delivered_sequence_id: i64) -> Command {
        let object_id = Some(Box::new(id));
        RemoveInfo { object_id, last_delivered_sequence_id, ..RemoveInfo::default() }.into()
    }

    /// Says goodbye for each consumer that has handed out something, so that the broker marks as redelivered
    /// what was seen and nothing else. Java tells it one number for all consumers, that of the message
    /// handed out last by any of them.
    async fn dismiss_consumers(&self) {
        let (answer, answered) = oneshot::channel();
        // A router that has ended has no consumers.
        let _ = self.routes.send(RouteChange::LastDelivered(answer)).await;
        for (consumer, last_delivered) in answered.await.unwrap_or_default() {
            self.say(self.remove(consumer.into(), last_delivered), None).await;
        }
    }

    /// Waits until the end of each consumer of this destination that was dropped is on its way: as long as a
    /// broker knows of one it keeps a temporary destination.
    pub(crate) async fn until_dropped_are_gone(&self, from: &Destination) {
        let (done, are_gone) = oneshot::channel();
        // A router that has ended has no consumers.
        let _ = self.routes.send(RouteChange::Dropped(from.clone(), done)).await;
        let _ = are_gone.await;
    }

    /// Asks a broker for something and waits for the answer.
    pub(crate) async fn request(&self, what: &str, command: impl Into<Command>) -> Result<()> {
        let answer = self.transport.request(command.into()).await;
        answer.map(drop).map_err(|error| Error::request(what, error))
    }

    /// Declares something to a broker. `is_declared` says at every moment, also when this future is dropped,
    /// whether a broker may have heard of it, so that it is to be removed there.
    pub(crate) async fn declare(
        &self,
        what: &str,
        command: impl Into<Command>,
        is_declared: &mut bool,
    ) -> Result<()> {
        let pending = self.transport.submit(command.into(), Completion::Answered, None).await;
        *is_declared = true;
        let answer = pending.await;
        *is_declared = answer.as_ref().err().is_none_or(RequestError::is_in_doubt);
        answer.map(drop).map_err(|error| Error::request(what, error))
    }

    /// Says that something declared is no more, and waits for the answer.
    pub(crate) async fn remove_declared(
        &self,
        what: &str,
        goodbye: Command,
        is_declared: &mut bool,
    ) -> Result<()> {
        let pending = self.transport.submit(goodbye, Completion::Answered, None).await;
        *is_declared = false;
        pending.await.map(drop).map_err(|error| Error::request(what, error))
    }

    /// Ends a durable subscription.
    pub(crate) async fn unsubscribe(&self, name: Str) -> Result<()> {
        let Some(client_id) = self.client_id.clone() else {
            return Err(Error::misuse("a durable subscription needs a client id"));
        };
        let end = RemoveSubscriptionInfo {
            connection_id: Some(self.id.clone()),
            client_id: Some(client_id),
            subscription_name: Some(name),
            ..RemoveSubscriptionInfo::default()
        };
        match self.request("the end of the subscription", end).await {
            // A broker before may have done it, and the next one says that there is none.
            Err(error) if error.kind() == ErrorKind::InDoubt && error.says_there_is_none() => {
                Ok(())
            }
            ended => ended,
        }
    }

    /// Hands a command to the link, if one is there; nobody waits for more.
    pub(crate) async fn say(&self, command: Command, link: Option<LinkId>) {
        self.transport.say(command, link).await;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.shared.id.to_string()).finish()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("id", &self.id.to_string()).finish_non_exhaustive()
    }
}

/// What happens to a connection. From [`Connection::events`].
#[derive(Debug)]
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

impl Events {
    /// The next event; `None` when the connection is gone. A listener more than 32 events behind misses
    /// the oldest.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is lost.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.receiver.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "a listener is slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event that is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            match self.receiver.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(
                    broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed,
                ) => return None,
            }
        }
    }
}
