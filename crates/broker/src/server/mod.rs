//! The shell: listeners, a task for each link, and the one task that owns the core.
//!
//! ```text
//!   socket ── link (bytes, one task each) ──reports──▶ owner (BrokerCore, one task) ──writes──▶ store (a thread)
//!                        ◀──────batches of what to send──┘        ◀────────what is stored──┘
//! ```
//!
//! Both ways between a link and the owner are bounded. A link that does not take what is sent to it is
//! dispatched nothing more, and read no more when even answers pile up: it hurts only itself.

mod address;
mod bridge;
mod builder;
#[cfg(feature = "http")]
mod http;
mod link;
mod listener;
mod outbox;
mod owner;
mod passwords;
#[cfg(feature = "testkit")]
mod probe;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod writer;

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rewire_protocol::Destination;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

#[cfg(feature = "settings")]
pub(crate) use self::address::TlsWords;
pub use self::address::{ClientAuth, ListenerConfig, ListenerTls};
pub use self::builder::{BrokerBuilder, StartError};
#[cfg(feature = "testkit")]
pub(crate) use self::probe::Probe;

use crate::cluster::ClusterMember;
use crate::core::{BrokerReport, DestinationStats, Now};

/// A broker that runs.
///
/// Dropping it is like [`kill`](Self::kill), without waiting.
///
/// ```
/// use rewire_broker::Broker;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::builder().memory().listen("tcp://127.0.0.1:0").start().await?;
/// println!("connect to {}", broker.uri());
/// broker.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Broker {
    listeners: Vec<(SocketAddr, String)>,
    orders: mpsc::Sender<Order>,
    mode: watch::Sender<Mode>,
    failure: watch::Receiver<Option<String>>,
    owner: JoinHandle<()>,
    #[cfg(feature = "http")]
    http: Option<(SocketAddr, JoinHandle<()>)>,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Run,
    /// Tell everybody, and wait a moment for them.
    Stop,
    /// At once, as by a power cut.
    Kill,
}

/// What the holder of a broker wants of its core.
#[derive(Debug)]
enum Order {
    Stats(Destination, oneshot::Sender<Option<DestinationStats>>),
    Connections(oneshot::Sender<usize>),
    MemoryUsed(oneshot::Sender<usize>),
    Report(usize, oneshot::Sender<BrokerReport>),
    #[cfg(feature = "testkit")]
    Probe(probe::Question),
    Cluster(oneshot::Sender<Vec<ClusterMember>>),
}

impl Broker {
    /// A broker to be set up.
    #[must_use]
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// The URI of its first listener: `tcp://127.0.0.1:49152`.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.listeners.first().map_or("", |(_, uri)| uri)
    }

    /// The URIs of all listeners, in the order in which they were given.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().map(|(_, uri)| uri.as_str())
    }

    /// The addresses of all listeners, in the order in which they were given.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().map(|(address, _)| *address)
    }

    /// Where the window into the broker is, if it has one.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|(address, _)| *address)
    }

    /// What a queue or topic holds; none when there is no such destination, or the broker is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens when the future is dropped.
    pub async fn stats(&self, destination: &Destination) -> Option<DestinationStats> {
        self.ask(|reply| Order::Stats(destination.clone(), reply)).await.flatten()
    }

    /// How many clients are connected.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens when the future is dropped.
    pub async fn connections(&self) -> usize {
        self.ask(Order::Connections).await.unwrap_or(0)
    }

    /// Bytes of messages in memory, as they are counted against the limit.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens when the future is dropped.
    pub async fn memory_used(&self) -> usize {
        self.ask(Order::MemoryUsed).await.unwrap_or(0)
    }

    /// The brokers of the cluster as this one knows them, itself first; empty when the broker is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens when the future is dropped.
    pub async fn cluster(&self) -> Vec<ClusterMember> {
        self.ask(Order::Cluster).await.unwrap_or_default()
    }

    /// What the broker is doing, with no more than so many clients, destinations and durable subscriptions,
    /// each; none when it is gone.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens when the future is dropped.
    pub async fn report(&self, most: usize) -> Option<BrokerReport> {
        self.ask(|reply| Order::Report(most, reply)).await
    }

    /// Waits until the store has failed, and says why; for ever if it does not.
    ///
    /// Clients were hung up then without an answer to what waited for the store, so that they look for another broker.
    /// Those that come back are refused whatever is to be kept: better [`kill`](Self::kill) the broker.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens when the future is dropped.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        let problem = failure.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match problem {
            Some(problem) => problem,
            // The broker has ended, and fails no more.
            None => std::future::pending().await,
        }
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(order(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Stops in order: nobody new is let in, clients are told which other broker to go to, what is to be sent
    /// to them is, for at most five seconds, and what is to be stored is stored.
    ///
    /// # Cancel safety
    ///
    /// The broker stops all the same when the future is dropped.
    pub async fn stop(self) {
        self.end(Mode::Stop).await;
    }

    /// Ends at once: links break in the middle of whatever they carry, and what is not stored is lost.
    ///
    /// # Cancel safety
    ///
    /// The broker ends all the same when the future is dropped.
    pub async fn kill(self) {
        self.end(Mode::Kill).await;
    }

    async fn end(self, mode: Mode) {
        self.mode.send_replace(mode);
        // A panic of the owner has been shown already.
        let _ = self.owner.await;
        #[cfg(feature = "http")]
        if let Some((_, http)) = self.http {
            let _ = http.await;
        }
    }
}

/// The time, by the runtime's clock, which tests can stop; the calendar goes on from there.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start: Instant,
    unix_ms: i64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the shell is where the time comes from")]
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { start: now(), unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
    }

    /// When it was started, counted from 1970.
    #[cfg(feature = "http")]
    fn unix(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.unix_ms).unwrap_or(0))
    }

    fn now(&self) -> Now {
        let instant = now();
        let passed = instant.saturating_duration_since(self.start).as_millis();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        Now { instant, unix_ms: self.unix_ms.saturating_add(passed) }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until the broker is no more in a mode like this. One that nobody holds any more is killed.
async fn left(mode: &mut watch::Receiver<Mode>, stays: impl Fn(Mode) -> bool) {
    let _ = mode.wait_for(|mode| !stays(*mode)).await;
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
