//! The shell: sockets, timers, and the one task that owns the core.
//!
//! - [`FailoverTransport`]: the handle that applications hold.
//! - `driver`: the task; what happens goes into the core, what the core says is done.
//! - `link`: a stream with its protocol machine.
//! - `dial`: from a broker's address to a link, name, addresses, TLS and handshake.
//! - `stream`: TCP, or TLS over it.
//! - `timer`: what is due next, set seldom.
//! - `tls`: whom to trust, behind the default feature `tls`.
//! - `updates`: the list of brokers that `updateURIsURL` names, read again and again.
//! - `web`: a list from the web, behind the default feature `http`.

mod dial;
mod driver;
mod link;
#[cfg(not(feature = "tls"))]
mod no_tls;
#[cfg(not(feature = "http"))]
mod no_web;
mod stream;
mod timer;
#[cfg(feature = "tls")]
mod tls;
mod tracer;
mod updates;
mod warnings;
#[cfg(feature = "http")]
mod web;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rewire_protocol::{Command, ConsumerId, Limits};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use self::driver::{Driver, Inputs, Views};
use self::link::now;
#[cfg(not(feature = "tls"))]
use self::no_tls as tls;
#[cfg(feature = "tls")]
pub use self::tls::{Pem, TlsOptions};
use crate::core::{Completion, Event, Incoming, LinkId, QueueLimits, Stats, Topology};
use crate::credentials::CredentialsProvider;
use crate::error::{GaveUp, RequestError};
use crate::uri::{FailoverUri, OptionValue};

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
    /// Events kept for a listener that is slow; it is told how many it missed. Default 32: each has its
    /// place in memory from the start, for every connection.
    pub events: usize,
    /// What decides the order of brokers under `randomize`. By default another in each process.
    pub seed: Option<u64>,
    /// Whom to trust behind `ssl:`. By default the authorities of this system. With the feature
    /// `tls`.
    #[cfg(feature = "tls")]
    pub tls: TlsOptions,
    /// Who is asked, on every attempt, who the client is. By default nobody: a `ConnectionInfo` is sent
    /// as it is.
    pub credentials: Option<Arc<dyn CredentialsProvider>>,
    /// How long that may take. Default 10 s.
    pub credentials_timeout: Duration,
    #[cfg(test)]
    pipes: Option<dial::Pipes>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            queue: QueueLimits::default(),
            limits: Limits::DEFAULT,
            deliveries: 1024,
            events: 32,
            seed: None,
            #[cfg(feature = "tls")]
            tls: TlsOptions::default(),
            credentials: None,
            credentials_timeout: Duration::from_secs(10),
            #[cfg(test)]
            pipes: None,
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
    views: Views,
    ended: watch::Receiver<bool>,
    closing: watch::Sender<bool>,
    close_timeout: Duration,
}

/// Something on its way to the driver.
#[derive(Debug)]
enum Submission {
    Request {
        command: Box<Command>,
        completion: Completion,
        link: Option<LinkId>,
        submitted: Instant,
        /// None where nobody wants to hear of it.
        promise: Option<Promise>,
    },
    /// See [`FailoverTransport::settled`].
    Settled { link: LinkId, consumer: ConsumerId, last_delivered_sequence_id: i64 },
}

/// What became of a request, and over which link.
#[derive(Debug)]
struct Outcome {
    result: Result<Command, RequestError>,
    link: Option<LinkId>,
    /// How many errors brokers had reported by then that no request asked for.
    errors: u64,
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
        let (transport, deliveries, _) = Self::start_listening(uri, config);
        (transport, deliveries)
    }

    /// Like [`start`](Self::start), with all that happens from the first attempt on: whoever asks for
    /// [`events`](Self::events) afterwards may have missed it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start_listening(
        uri: &FailoverUri,
        config: TransportConfig,
    ) -> (Self, Deliveries, broadcast::Receiver<Event>) {
        let (submissions, submitted) = mpsc::channel(SUBMISSIONS);
        let (deliveries, delivered) = mpsc::channel(config.deliveries.max(1));
        let (events, listener) = broadcast::channel(config.events.max(1));
        let (end, ended) = watch::channel(false);
        let (closing, close) = watch::channel(false);
        let (clearing, cleared) = watch::channel(None);
        let inputs = Inputs { submissions: submitted, close, cleared };
        let (driver, views) = Driver::new(uri.clone(), config, inputs, deliveries, events.clone());
        tokio::spawn(driver.run(end));
        let settling = submissions.downgrade();
        let deliveries = Deliveries { incoming: delivered, interrupted: None, clearing, settling };
        let close_timeout = close_timeout(uri);
        let shared = Shared { submissions, events, views, ended, closing, close_timeout };
        (Self { shared: Arc::new(shared) }, deliveries, listener)
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
        let (promise, pending) = Pending::promised();
        self.submit_promised(command, completion, link, promise).await;
        pending
    }

    /// Like [`submit`](Self::submit), for whoever holds the future of this promise.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing was submitted, and the promise is broken.
    pub async fn submit_promised(
        &self,
        command: Command,
        completion: Completion,
        link: Option<LinkId>,
        promise: Promise,
    ) {
        let submission = request(command, completion, link, Some(promise));
        // When the driver has ended the promise is dropped with the submission: `Pending` says so.
        let _ = self.shared.submissions.send(submission).await;
    }

    /// Submits a command that is done when it was handed to the link, and of which nobody wants to hear;
    /// waits only for room in the queue.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing was submitted.
    pub async fn say(&self, command: Command, link: Option<LinkId>) {
        let submission = request(command, Completion::Transmitted, link, None);
        // When the driver has ended nobody is told.
        let _ = self.shared.submissions.send(submission).await;
    }

    /// Like [`say`](Self::say), without waiting.
    ///
    /// # Errors
    ///
    /// Gives the command back when there is no room now.
    pub fn try_say(&self, command: Command, link: Option<LinkId>) -> Result<(), Command> {
        // Made once there is room.
        match self.shared.submissions.try_reserve() {
            Ok(room) => room.send(request(command, Completion::Transmitted, link, None)),
            // When the driver has ended nobody is told.
            Err(TrySendError::Closed(())) => {}
            Err(TrySendError::Full(())) => return Err(command),
        }
        Ok(())
    }

    /// Says that a consumer has done with all it got over a link that is
    /// [being left](Incoming::Leaving), everything submitted before included.
    ///
    /// `last_delivered_sequence_id` is the broker's number of the last message that the application has
    /// seen, or -1. What came after it goes to others without the mark that it was delivered before.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing was said; the link is left after two seconds all the same.
    pub async fn settled(
        &self,
        link: LinkId,
        consumer: ConsumerId,
        last_delivered_sequence_id: i64,
    ) {
        let settled = Submission::Settled { link, consumer, last_delivered_sequence_id };
        // When the driver has ended there is nothing to leave.
        let _ = self.shared.submissions.send(settled).await;
    }

    /// The cluster as it is known.
    #[must_use]
    pub fn topology(&self) -> watch::Receiver<Arc<Topology>> {
        self.shared.views.topology.clone()
    }

    /// What has happened since the start, in numbers: a copy, a moment old at most while the task runs.
    ///
    /// Cheap: nothing is asked of the task, and it does not wait for whoever looks.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *self.shared.views.stats.borrow()
    }

    /// What happens to the link, from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// How long closing may take: the option `closeTimeout`, or `jms.closeTimeout`, or else 15 seconds, as in
    /// Java.
    #[must_use]
    pub fn close_timeout(&self) -> Duration {
        self.shared.close_timeout
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

fn request(
    command: Command,
    completion: Completion,
    link: Option<LinkId>,
    promise: Option<Promise>,
) -> Submission {
    let command = Box::new(command);
    Submission::Request { command, completion, link, submitted: now(), promise }
}

/// See [`FailoverTransport::close_timeout`].
fn close_timeout(uri: &FailoverUri) -> Duration {
    const JAVAS: Duration = Duration::from_secs(15);
    let millis = uri.jms().get("closeTimeout").and_then(OptionValue::as_integer);
    let of_jms = millis.and_then(|millis| u64::try_from(millis).ok()).filter(|millis| *millis > 0);
    let given = uri.options().close_timeout;
    given.or_else(|| of_jms.map(Duration::from_millis)).unwrap_or(JAVAS)
}

/// What became of a submitted command, when it is known.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<Outcome>,
    link: Option<LinkId>,
    errors: u64,
}

/// Of a command that is still to be [submitted](FailoverTransport::submit_promised): what became of it will be
/// said to the [`Pending`] it was made with. Dropped, that says that the command was not sent.
#[derive(Debug)]
pub struct Promise(oneshot::Sender<Outcome>);

impl Pending {
    /// The future of a command that is submitted later, or by somebody else.
    #[must_use]
    pub fn promised() -> (Promise, Self) {
        let (reply, answer) = oneshot::channel();
        (Promise(reply), Self { answer, link: None, errors: 0 })
    }

    /// The link that was there when it became known: over it went what was transmitted, and over it
    /// came the answer. `None` before, and when there was no link.
    #[must_use]
    pub const fn link(&self) -> Option<LinkId> {
        self.link
    }

    /// How many errors brokers had reported when it became known that no request asked for
    /// (`ConnectionError`): what is sent without waiting for an answer is refused so. 0 before.
    #[must_use]
    pub const fn errors(&self) -> u64 {
        self.errors
    }
}

impl Future for Pending {
    type Output = Result<Command, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|answer| match answer {
            Ok(outcome) => {
                self.link = outcome.link;
                self.errors = outcome.errors;
                outcome.result
            }
            Err(_) => Err(RequestError::NotSent(GaveUp::Closed)),
        })
    }
}

/// What comes from the broker, in order.
///
/// When it is not read, no more is read from the broker: the broker's windows fill and it waits.
///
/// To ask for what comes after [`Incoming::Interrupted`] is to have dealt with it: only then the
/// consumers are opened again, so that what they had been sent does not come while old copies of it are
/// still handed out.
#[derive(Debug)]
pub struct Deliveries {
    incoming: mpsc::Receiver<Box<Incoming>>,
    /// The link whose end was handed out last.
    interrupted: Option<LinkId>,
    /// The last link whose end was dealt with.
    clearing: watch::Sender<Option<LinkId>>,
    /// To the driver; does not keep it.
    settling: mpsc::WeakSender<Submission>,
}

impl Deliveries {
    /// The next thing that comes; `None` after [`Incoming::Ended`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is lost.
    pub async fn next(&mut self) -> Option<Incoming> {
        self.clear();
        let incoming = self.incoming.recv().await.map(|incoming| *incoming);
        self.note(incoming.as_ref());
        incoming
    }

    /// The next thing that is there already.
    pub fn try_next(&mut self) -> Option<Incoming> {
        self.clear();
        let incoming = self.incoming.try_recv().ok().map(|incoming| *incoming);
        self.note(incoming.as_ref());
        incoming
    }

    /// Says what [`FailoverTransport::settled`] says, for whoever only has the deliveries. The future does
    /// not borrow them.
    pub fn settled(
        &self,
        link: LinkId,
        consumer: ConsumerId,
        last_delivered_sequence_id: i64,
    ) -> impl Future<Output = ()> + Send + use<> {
        let settling = self.settling.clone();
        async move {
            let settled = Submission::Settled { link, consumer, last_delivered_sequence_id };
            if let Some(submissions) = settling.upgrade() {
                // When the driver has ended there is nothing to leave.
                let _ = submissions.send(settled).await;
            }
        }
    }

    fn clear(&mut self) {
        if let Some(link) = self.interrupted.take() {
            self.clearing.send_replace(Some(link));
        }
    }

    const fn note(&mut self, incoming: Option<&Incoming>) {
        if let Some(Incoming::Interrupted(link)) = incoming {
            self.interrupted = Some(*link);
        }
    }
}

#[cfg(test)]
mod tests;
