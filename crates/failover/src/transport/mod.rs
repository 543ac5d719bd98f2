//! The shell: sockets, timers, and the one task that owns the core.
//!
//! - [`FailoverTransport`]: the handle that applications hold.
//! - `driver`: the task; what happens goes into the core, what the core says is done.
//! - `link`: a socket with its protocol machine.
//! - `dial`: from a broker's address to a link, name, addresses and handshake.

mod dial;
mod driver;
mod link;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rewire_protocol::{Command, Limits};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use self::driver::Driver;
use crate::core::{Completion, Event, Incoming, LinkId, QueueLimits, Topology};
use crate::error::{GaveUp, RequestError};
use crate::uri::FailoverUri;

/// What a transport is given besides its URI.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// How much may wait for a broker or its answer.
    pub queue: QueueLimits,
    /// What is accepted from brokers.
    pub limits: Limits,
    /// How many commands may wait for the application before no more is read from the broker.
    /// Default 1,024.
    pub deliveries: usize,
    /// Events kept for a listener that is slow; it is told how many it missed. Default 256.
    pub events: usize,
    /// What decides the order of brokers under `randomize`. By default another in each process.
    pub seed: Option<u64>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            queue: QueueLimits::default(),
            limits: Limits::DEFAULT,
            deliveries: 1024,
            events: 256,
            seed: None,
        }
    }
}

/// A link to whichever broker is there. A clone is another handle to the same link.
///
/// The work is done in a task of its own; dropping a future of this type only stops listening. When
/// the last handle is dropped the transport closes.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use rewire_failover::transport::{FailoverTransport, TransportConfig};
/// use rewire_failover::uri::FailoverUri;
/// use rewire_protocol::{ConnectionId, ConnectionInfo};
///
/// let uri: FailoverUri = "failover:(tcp://a:61616,tcp://b:61616)".parse()?;
/// let (transport, mut deliveries) = FailoverTransport::start(&uri, TransportConfig::default());
/// let id = Some(ConnectionId::new("ID:example-1"));
/// let info = ConnectionInfo { connection_id: id, ..ConnectionInfo::default() };
/// transport.request(info.into()).await?; // waits for a broker, and for its answer
/// # drop(deliveries.next().await);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct FailoverTransport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    submissions: mpsc::Sender<Submission>,
    events: broadcast::Sender<Event>,
    topology: watch::Receiver<Arc<Topology>>,
    ended: watch::Receiver<bool>,
    closing: watch::Sender<bool>,
}

/// A request on its way to the driver.
#[derive(Debug)]
struct Submission {
    command: Command,
    completion: Completion,
    link: Option<LinkId>,
    reply: oneshot::Sender<Outcome>,
}

/// What became of a request, and over which link.
#[derive(Debug)]
struct Outcome {
    result: Result<Command, RequestError>,
    link: Option<LinkId>,
}

/// How many submissions may wait for the driver; more wait in the core's queue.
const SUBMISSIONS: usize = 256;

impl FailoverTransport {
    /// Starts to connect, in a task of the current runtime. Returns at once; requests wait for the
    /// first broker.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(uri: &FailoverUri, config: TransportConfig) -> (Self, Deliveries) {
        let (submissions, submitted) = mpsc::channel(SUBMISSIONS);
        let (deliveries, delivered) = mpsc::channel(config.deliveries.max(1));
        let (events, _) = broadcast::channel(config.events.max(1));
        let (end, ended) = watch::channel(false);
        let (closing, close) = watch::channel(false);
        warn_of_what_has_no_effect(uri);
        let (driver, topology) =
            Driver::new(uri.clone(), config, submitted, deliveries, events.clone(), close);
        tokio::spawn(driver.run(end));
        let shared = Shared { submissions, events, topology, ended, closing };
        (Self { shared: Arc::new(shared) }, Deliveries { incoming: delivered })
    }

    /// Sends a command and waits for the answer, through any number of failovers.
    ///
    /// # Errors
    ///
    /// [`RequestError`] says what became of it.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing was submitted. Dropped later, it is sent all the same.
    pub async fn request(&self, command: Command) -> Result<Command, RequestError> {
        self.submit(command, Completion::Answered, None).await.await
    }

    /// Submits a command; waits only for room in the queue. What becomes of it says the future that
    /// is returned.
    ///
    /// A `link` binds the command to that link: it is not sent over another.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing was submitted.
    pub async fn submit(
        &self,
        command: Command,
        completion: Completion,
        link: Option<LinkId>,
    ) -> Pending {
        let (reply, answer) = oneshot::channel();
        let submission = Submission { command, completion, link, reply };
        // When the driver has ended the reply is dropped with the submission: `Pending` says so.
        let _ = self.shared.submissions.send(submission).await;
        Pending { answer, link: None }
    }

    /// The cluster as it is known.
    #[must_use]
    pub fn topology(&self) -> watch::Receiver<Arc<Topology>> {
        self.shared.topology.clone()
    }

    /// What happens to the link, from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Closes: what waits fails, the broker is told, the task ends.
    ///
    /// Returns when all is over, or after `deadline`; the closing goes on then.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the closing goes on.
    pub async fn close(&self, deadline: Duration) {
        self.shared.closing.send_replace(true);
        let mut ended = self.shared.ended.clone();
        // An error means that the task is gone: ended too.
        let _ = tokio::time::timeout(deadline, ended.wait_for(|ended| *ended)).await;
    }
}

/// Options that are read and checked, and not obeyed yet.
const NOT_OBEYED_YET: [&str; 12] = [
    "priorityBackup",
    "priorityURIs",
    "trackMessages",
    "maxCacheSize",
    "trackTransactionProducers",
    "updateURIsURL",
    "rebalanceUpdateURIs",
    "reconnectSupported",
    "warnAfterReconnectAttempts",
    "detectTimeout",
    "requestTimeout",
    "closeTimeout",
];

fn warn_of_what_has_no_effect(uri: &FailoverUri) {
    for option in uri.explain().given {
        if NOT_OBEYED_YET.contains(&option.as_str()) {
            tracing::warn!(option, "this option has no effect yet");
        }
    }
}

/// What became of a submitted command, when it is known.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<Outcome>,
    link: Option<LinkId>,
}

impl Pending {
    /// The link that was there when it became known: over it went what was transmitted, and over it
    /// came the answer. `None` before, and when there was no link.
    #[must_use]
    pub const fn link(&self) -> Option<LinkId> {
        self.link
    }
}

impl Future for Pending {
    type Output = Result<Command, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|answer| match answer {
            Ok(outcome) => {
                self.link = outcome.link;
                outcome.result
            }
            Err(_) => Err(RequestError::NotSent(GaveUp::Closed)),
        })
    }
}

/// What comes from the broker, in order.
///
/// When it is not read, no more is read from the broker: the broker's windows fill and it waits.
#[derive(Debug)]
pub struct Deliveries {
    incoming: mpsc::Receiver<Incoming>,
}

impl Deliveries {
    /// The next thing that comes; `None` after [`Incoming::Ended`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is lost.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// The next thing that is there already.
    pub fn try_next(&mut self) -> Option<Incoming> {
        self.incoming.try_recv().ok()
    }
}

#[cfg(test)]
mod tests;
