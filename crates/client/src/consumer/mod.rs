//! `Consumer`: messages from a destination, one after the other.

pub(crate) mod buffer;
mod builder;
pub(crate) mod core;
pub(crate) mod hands;
pub(crate) mod redelivery;
pub(crate) mod seen;
mod shared;
pub(crate) mod unacknowledged;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use rewire_protocol::{Destination, MessageId};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep_until};

pub use self::builder::ConsumerBuilder;
pub(crate) use self::shared::{ConsumerShared, Origin};

use self::buffer::{Batch, Dispatched, Next};
use self::core::{Ack, AckCore};
use self::seen::Seen;
use self::unacknowledged::poison_cause;
use crate::connection::router::RouteChange;
use crate::connection::{after, now_ms};
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::session::{AckMode, Note};
use crate::telemetry::{Begun, Operation};
use crate::transaction::{Gone, Work};

/// Receives messages. From [`Session::consumer`](crate::Session::consumer); also a `Stream`.
///
/// After a failover it goes on by itself. What the lost broker had sent and was not handed out yet is
/// dropped, because it comes again. What was handed out and whose acknowledgement did not arrive comes
/// again too: a message may come twice. The consumer that had it then marks it as redelivered, also where its
/// broker does not know that it gave it before; it remembers 2,048 messages.
///
/// Dropped, it is removed at the broker, which gives what was not acknowledged to others. In the modes
/// that acknowledge by themselves the message handed out last counts as done, unless the thread panics.
///
/// ```no_run
/// # async fn example(session: rewire::Session) -> rewire::Result<()> {
/// let mut consumer = session.consumer(&rewire::Queue::new("ORDERS")).prefetch(100).await?;
/// while let Some(delivery) = consumer.next().await.transpose()? {
///     println!("{:?}", delivery.message().body_text()?);
///     delivery.ack().await?;
/// }
/// # Ok(()) }
/// ```
pub struct Consumer {
    shared: Arc<ConsumerShared>,
    batch: Batch,
    acks: AckCore,
    /// Something on its way to the transport or the session, waiting for room.
    outgoing: Option<Outgoing>,
    /// When acknowledgements that are collected wait no longer for more.
    patience: Option<Pin<Box<Sleep>>>,
    /// The same, while there is nothing to hand out.
    idle: Option<Pin<Box<Sleep>>>,
    /// A message that is handed out once `outgoing` is done.
    held: Option<Delivery>,
    /// What was handed out.
    seen: Seen,
    /// What it ends with, to be told once `outgoing` is done.
    ending: Option<Option<Error>>,
    is_over: bool,
    /// Whether the broker was asked for a message since somebody began to wait for no longer than a time.
    has_asked: bool,
    /// Whether a broker knows of it, so that it is to be removed there.
    is_declared: bool,
}

impl Consumer {
    fn new(shared: Arc<ConsumerShared>, acks: AckCore) -> Self {
        Self {
            shared,
            batch: Batch::default(),
            acks,
            outgoing: None,
            patience: None,
            idle: None,
            held: None,
            seen: Seen::default(),
            ending: None,
            is_over: false,
            has_asked: false,
            is_declared: false,
        }
    }

    /// The next message; waits for it, through failovers too. `None` when there will be no more: a
    /// browser has seen all, or an error was given before.
    ///
    /// # Errors
    ///
    /// The connection has ended for good, the broker closed the consumer or refused it after a failover,
    /// or it sent more than the prefetch allows. That is the end of this consumer.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is lost: no message is taken before it is returned.
    pub async fn next(&mut self) -> Option<Result<Delivery>> {
        let mut begun = self.shared.meter.begin(Operation::Receive);
        let next = poll_fn(|cx| self.poll_delivery(cx)).await;
        if let Some(came) = &next {
            tell(&mut begun, came.as_ref());
        }
        next
    }

    /// The next message, if one is there before `timeout` is over; at once, if it is zero. `None` when
    /// none came, and when there will be no more.
    ///
    /// With a prefetch of 0 the broker keeps the time, and has 5 seconds more to say that there is none.
    /// While there is no broker, there is no message either (Java: `FailoverTransport` answers a timed pull
    /// locally).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is lost: no message is taken before it is returned.
    pub async fn receive(&mut self, timeout: Duration) -> Result<Option<Delivery>> {
        let mut begun = self.shared.meter.begin(Operation::Receive);
        let is_pulling = self.shared.buffer.prefetch() == 0;
        let limit = if is_pulling { timeout.saturating_add(ANSWER) } else { timeout };
        self.has_asked = false;
        let came = match poll_fn(|cx| Poll::Ready(self.poll_came(cx, pull_ms(timeout)))).await {
            // It is there already, and nothing needs to be timed.
            Poll::Ready(came) if self.has_asked || !matches!(came, Came::Nothing) => Ok(came),
            _ => tokio::time::timeout(limit, self.wait_for(timeout)).await,
        };
        let came = match came {
            Ok(Came::Message(delivery)) => Ok(delivery),
            Ok(Came::Over(Some(error))) => Err(error),
            Ok(Came::Nothing | Came::Over(None)) | Err(_) => return Ok(None),
        };
        tell(&mut begun, came.as_ref());
        came.map(Some)
    }

    /// What comes; nothing, when a broker that was asked for no longer than this has said so.
    async fn wait_for(&mut self, timeout: Duration) -> Came {
        let began = tokio::time::Instant::now();
        let mut left = timeout;
        loop {
            match poll_fn(|cx| self.poll_came(cx, pull_ms(left))).await {
                // The answer to a question that was asked before, and given up.
                Came::Nothing if !self.has_asked => {
                    left = timeout.saturating_sub(began.elapsed());
                }
                came => return came,
            }
        }
    }

    /// Ends the consumer and waits until the broker has heard of it, and of the acknowledgement of what
    /// was handed out last, in the modes that acknowledge by themselves.
    ///
    /// # Errors
    ///
    /// When no broker answered, within what the options of the URI allow.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on as if the consumer were dropped.
    pub async fn close(mut self) -> Result<()> {
        self.finish_outgoing().await;
        if let Some(ack) = self.acks.take_rest() {
            self.outgoing = self.shared.acknowledge_all(ack);
            self.finish_outgoing().await;
        }
        let connection = self.shared.session.connection.clone();
        let goodbye = connection.remove(self.shared.id.clone().into(), self.last_delivered());
        if let Some(work) = self.shared.session.work() {
            let (done, is_done) = oneshot::channel();
            let (consumer, unseen) = (self.shared.id.clone(), self.unseen());
            let gone = Gone { consumer, unseen, goodbye, done: Some(done), said: None };
            self.is_declared = work.send(Work::Gone(Box::new(gone))).await.is_err();
            return is_done.await.unwrap_or_else(|_| Err(Error::closed()));
        }
        let what = "closing the consumer";
        connection.remove_declared(what, goodbye, &mut self.is_declared).await
    }

    /// Waits for what is on its way, which stays here as long as it is.
    async fn finish_outgoing(&mut self) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.await;
            self.outgoing = None;
        }
    }

    /// The destination it consumes from.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.shared.destination
    }

    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delivery>>> {
        loop {
            match ready!(self.poll_came(cx, WAIT_FOR_EVER)) {
                Came::Message(delivery) => return Poll::Ready(Some(Ok(delivery))),
                Came::Over(end) => return Poll::Ready(end.map(Err)),
                // Somebody asked for no longer than this: here it is asked again.
                Came::Nothing => {}
            }
        }
    }

    /// What comes next. `pull_ms` is how long a broker that has to be asked may take.
    fn poll_came(&mut self, cx: &mut Context<'_>, pull_ms: i64) -> Poll<Came> {
        loop {
            if let Some(outgoing) = &mut self.outgoing {
                ready!(outgoing.as_mut().poll(cx));
                self.outgoing = None;
            }
            if let Some(mut delivery) = self.held.take() {
                delivery.mark(&mut self.seen);
                return Poll::Ready(Came::Message(delivery));
            }
            if let Some(end) = self.ending.take() {
                self.is_over = true;
                return Poll::Ready(Came::Over(end));
            }
            if self.is_over {
                return Poll::Ready(Came::Over(None));
            }
            // To ask for the next message is to be done with the one before.
            if self.shared.session.mode.is_automatic()
                && let Some(ack) = self.take_done(cx)
            {
                self.outgoing = self.shared.acknowledge_all(ack);
                continue;
            }
            match self.shared.buffer.poll_next(&mut self.batch, cx) {
                Poll::Ready(Next::Message(dispatched)) => match self.refusal(&dispatched) {
                    Some(ack) => self.refuse(ack),
                    None => self.hold(dispatched),
                },
                Poll::Ready(Next::End(end)) => {
                    self.ending = Some(end);
                    // There is nothing more to collect acknowledgements for.
                    let rest = self.acks.take_rest();
                    self.outgoing = rest.and_then(|ack| self.shared.acknowledge_all(ack));
                }
                Poll::Ready(Next::Nothing) => return Poll::Ready(Came::Nothing),
                Poll::Pending if self.shared.buffer.begin_pull() => {
                    self.has_asked = true;
                    self.outgoing = Some(Box::pin(self.shared.clone().pull(pull_ms)));
                }
                Poll::Pending => match self.take_idle(cx) {
                    Some(ack) => self.outgoing = self.shared.acknowledge_all(ack),
                    None => return Poll::Pending,
                },
            }
        }
    }

    /// What is to be acknowledged now that the application has done with what it was handed: all of it, if
    /// the link is being left or it has waited for long enough.
    fn take_done(&mut self, cx: &mut Context<'_>) -> Option<Ack> {
        let buffer = &self.shared.buffer;
        if buffer.hands.is_leaving() {
            return self.acks.take_rest();
        }
        if let Some(ack) = self.acks.take_due(buffer.prefetch()) {
            self.patience = None;
            return Some(ack);
        }
        if !self.acks.is_collecting() {
            return None;
        }
        let limit = self.shared.session.connection.options.optimize_acknowledge_time_out;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep_until(after(limit))));
        // Whoever waits for the next message is woken when it is over.
        if patience.as_mut().poll(cx).is_pending() {
            return None;
        }
        self.patience = None;
        self.acks.take_rest()
    }

    /// What is collected, once nothing more has come for a moment: ActiveMQ reads up to 200 messages of a queue at
    /// a time, and may read the next only when it hears of these.
    fn take_idle(&mut self, cx: &mut Context<'_>) -> Option<Ack> {
        if !self.acks.is_collecting() {
            return None;
        }
        let idle = self.idle.get_or_insert_with(|| Box::pin(sleep_until(after(IDLE))));
        if idle.as_mut().poll(cx).is_pending() {
            return None;
        }
        (self.idle, self.patience) = (None, None);
        self.acks.take_rest()
    }

    /// Why a message is not handed out, if it is not: it has expired, or a broker says that it was delivered
    /// too often.
    fn refusal(&self, dispatched: &Dispatched) -> Option<Ack> {
        let Dispatched { link, message, redelivery_counter, is_again, .. } = dispatched;
        let id = message.message_id.as_ref()?;
        let options = &self.shared.session.connection.options;
        let is_expired = options.consumer_expiry_check_enabled
            && message.expiration > 0
            && message.expiration < now_ms();
        if is_expired {
            tracing::debug!(message = %id, "expired before it was handed out");
            return Some(Ack::expired(*link, id.clone()));
        }
        let policy = &self.shared.redelivery;
        // Java: ActiveMQMessageConsumer.redeliveryExceeded. What was put back here was judged already.
        let is_poison = !is_again
            && self.shared.session.work().is_some()
            && policy.pre_dispatch_check
            && policy.is_exceeded_by(*redelivery_counter);
        is_poison.then(|| {
            let cause = poison_cause(*redelivery_counter, policy, "as the broker counts");
            Ack::poison(*link, id.clone(), cause)
        })
    }

    /// Tells the broker that a message is not handed out.
    fn refuse(&mut self, ack: Ack) {
        let shared = self.shared.clone();
        self.outgoing = Some(Box::pin(async move {
            if shared.session.work().is_some() {
                let (consumer, buffer) = (shared.id.clone(), shared.buffer.clone());
                shared.work(Work::Refused { consumer, ack: Box::new(ack), buffer }).await;
            } else if shared.session.mode == AckMode::Client {
                let consumer = shared.clone();
                shared.session.note(Note::Refused { consumer, ack: Box::new(ack) }).await;
            } else {
                shared.send(ack).await;
            }
        }));
    }

    fn last_delivered(&self) -> i64 {
        self.shared.buffer.hands.last_delivered()
    }

    /// What the session was told to be handed out, and was not.
    fn unseen(&self) -> Option<MessageId> {
        self.held.as_ref()?.message().headers().message_id.clone()
    }

    /// Prepares to hand a message out: the session is told first where it acknowledges together.
    fn hold(&mut self, dispatched: Dispatched) {
        self.idle = None;
        let shared = &self.shared;
        let (link, counter) = (dispatched.link, dispatched.redelivery_counter);
        let generation = self.batch.generation();
        if let Some(id) = &dispatched.message.message_id {
            if dispatched.is_again {
                shared.buffer.hands.take_again(link);
            } else {
                shared.buffer.hands.take(link, id.broker_sequence_id);
            }
            let session = &shared.session;
            if session.work().is_some() {
                let delivered = shared.delivered(generation, &dispatched);
                let work = Work::Delivered { delivered, buffer: shared.buffer.clone() };
                let shared = shared.clone();
                self.outgoing = Some(Box::pin(async move { shared.work(work).await }));
            } else if session.mode == AckMode::Client {
                let delivered = shared.delivered(generation, &dispatched);
                let consumer = shared.clone();
                self.outgoing = Some(Box::pin(async move {
                    let session = consumer.session.clone();
                    session.note(Note::Delivered { consumer, delivered }).await;
                }));
            } else {
                self.acks.on_delivered(link, id);
            }
        }
        let number = dispatched.number;
        let message = Message::received(dispatched.message);
        let origin = Origin { link, generation, number };
        self.held = Some(Delivery::new(message, counter, origin, shared.clone()));
    }
}

/// What is on its way.
type Outgoing = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// What there is for whoever asked.
enum Came {
    Message(Delivery),
    Nothing,
    Over(Option<Error>),
}

/// How long a broker waits with a pull: in milliseconds, or this.
const WAIT_FOR_EVER: i64 = 0;
const NO_WAIT: i64 = -1;

/// How long a broker is to wait with a pull.
fn pull_ms(left: Duration) -> i64 {
    match left.as_millis() {
        0 => NO_WAIT,
        millis => i64::try_from(millis).unwrap_or(i64::MAX),
    }
}

/// How long acknowledgements are collected while there is nothing to hand out.
const IDLE: Duration = Duration::from_millis(2);

/// How long a broker may take to say that it has no message.
const ANSWER: Duration = Duration::from_secs(5);

impl Stream for Consumer {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.poll_delivery(cx));
        if let Some(Ok(delivery)) = &next {
            self.shared.meter.handed_out(delivery.message().headers().message_id.as_ref());
        }
        Poll::Ready(next)
    }
}

/// What became of waiting for a message.
fn tell(begun: &mut Begun, came: Result<&Delivery, &Error>) {
    let id = came.ok().and_then(|delivery| delivery.message().headers().message_id.as_ref());
    id.into_iter().for_each(|id| begun.about(id));
    begun.end(came);
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let shared = self.shared.clone();
        let outgoing = self.outgoing.take();
        shared.buffer.abandon();
        let rest = if std::thread::panicking() { None } else { self.acks.take_rest() };
        let last_delivered = self.last_delivered();
        let is_declared = self.is_declared;
        let unseen = self.unseen();
        let runtime = shared.session.connection.runtime.clone();
        drop(runtime.spawn(async move {
            if let Some(outgoing) = outgoing {
                outgoing.await;
            }
            if let Some(ack) = rest {
                shared.send(ack).await;
            }
            let connection = &shared.session.connection;
            if is_declared {
                let goodbye = connection.remove(shared.id.clone().into(), last_delivered);
                if shared.session.work().is_some() {
                    let consumer = shared.id.clone();
                    let (said, is_said) = oneshot::channel();
                    let gone = Gone { consumer, unseen, goodbye, done: None, said: Some(said) };
                    shared.work(Work::Gone(Box::new(gone))).await;
                    // Nothing comes over it.
                    let _ = is_said.await;
                } else {
                    connection.say(goodbye, None).await;
                }
            }
            // Whoever waits for what it had in hand waits no longer.
            shared.buffer.hands.clear();
            shared.session.forget(&shared.id).await;
            // When the router has ended there is nothing to route.
            let _ = connection.routes.send(RouteChange::Remove(shared.id.clone())).await;
        }));
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("id", &self.shared.id.to_string())
            .field("destination", &self.shared.destination.to_string())
            .finish_non_exhaustive()
    }
}
