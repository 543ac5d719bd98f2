//! `Producer`: messages to a destination, each with an outcome.

mod anonymous;
pub(crate) mod window;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rewire_failover::core::{Completion, LinkId};
use rewire_failover::transport::Pending;
use rewire_protocol::{
    Destination, FlushCommand, Message as WireMessage, MessageId, ProducerId, ProducerInfo,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use self::anonymous::AnonymousProducer;
use self::window::Window;
use crate::connection::router::RouteChange;
use crate::connection::{NONE_DELIVERED, now_ms};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::options::split_options;
use crate::session::SessionShared;
use crate::telemetry::{Begun, Meter, Operation};
use crate::transaction::Work;

/// Sends messages to one destination. From [`Session::producer`](crate::Session::producer).
///
/// Messages leave in the order of the calls. Three ways to send, by how much is waited for:
///
/// | | returns when | a broker dies |
/// | --- | --- | --- |
/// | [`send`](Self::send) | a broker has it | sent again to the next, waits on |
/// | [`enqueue`](Self::enqueue) | it is queued; the receipt, when a broker has it | sent again to the next |
/// | [`send_async`](Self::send_async) | it is queued | lost, if it had left |
///
/// In a [`TransactedSession`](crate::TransactedSession) all three are `send_async`: a message is part of
/// the transaction as soon as it has a place in the queue, also when its future is dropped then, and
/// counts when the commit has succeeded.
///
/// Dropped, it is removed at the broker; what is queued is sent all the same.
///
/// ```no_run
/// # async fn example(session: rewire::Session) -> rewire::Result<()> {
/// let producer = session.producer(&rewire::Queue::new("ORDERS")).await?;
/// let id = producer.send("12 anvils").await?;
/// println!("a broker has {id}");
/// # Ok(()) }
/// ```
pub struct Producer {
    sender: Sender,
    destination: Destination,
}

/// What sends, whatever the destination is.
struct Sender {
    session: Arc<SessionShared>,
    id: ProducerId,
    /// The number of the last message, held while the next is queued: a broker that sees a number lower
    /// than the last takes it for a message sent twice.
    turn: Mutex<i64>,
    /// How far it may be ahead of the broker, if that is limited.
    window: Option<Arc<Window>>,
    /// Whether a broker knows of it, so that it is to be removed there.
    is_declared: bool,
    meter: Arc<Meter>,
}

/// A message that has a place in the queue.
struct Submitted {
    id: MessageId,
    pending: Pending,
    begun: Begun,
}

impl Producer {
    pub(crate) async fn open(
        session: Arc<SessionShared>,
        destination: Destination,
    ) -> Result<Self> {
        // Options for consumers may ride on the name.
        let (destination, _) = split_options(destination);
        let sender = Sender::open(session, Some(destination.clone())).await?;
        Ok(Self { sender, destination })
    }

    /// Sends a message and waits until a broker has it, through any number of failovers.
    ///
    /// # Errors
    ///
    /// [`Refused`](ErrorKind::Refused) and [`Security`](ErrorKind::Security) when the broker said no;
    /// [`Timeout`](ErrorKind::Timeout), [`Unreachable`](ErrorKind::Unreachable) and others when it never
    /// left; [`InDoubt`](ErrorKind::InDoubt) when it left and no answer will come;
    /// [`Misuse`](ErrorKind::Misuse) when the message cannot be sent as it is.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing is sent. Dropped later, it is sent and the answer is lost.
    ///
    /// The option `sendTimeout` limits the wait for the answer; the message is in doubt then. With
    /// `useAsyncSend` no answer is waited for: see [`ConnectionOptions`](crate::ConnectionOptions).
    pub async fn send(&self, message: impl Into<Message>) -> Result<MessageId> {
        self.sender.send(&self.destination, message.into()).await
    }

    /// Queues a message and returns at once, with a receipt that says what became of it. Waits only
    /// while 10,000 messages or 64 MiB are unanswered.
    ///
    /// ```no_run
    /// # async fn example(producer: rewire::Producer) -> rewire::Result<()> {
    /// let mut receipts = Vec::new();
    /// for n in 0..100 {
    ///     receipts.push(producer.enqueue(format!("order {n}")).await?);
    /// }
    /// for receipt in receipts {
    ///     receipt.await?; // a broker has it
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) when the message cannot be sent as it is. All else says the receipt.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is sent.
    pub async fn enqueue(&self, message: impl Into<Message>) -> Result<Receipt> {
        self.sender.enqueue(&self.destination, message.into()).await
    }

    /// Queues a message that no broker is to answer. The fastest way, and the one that can lose: what
    /// has left when a broker dies is not sent again. What is queued while there is no broker waits for
    /// the next.
    ///
    /// With the option `producerWindowSize` it waits while so many bytes have left that the broker has not
    /// said to have taken in (`ProducerAck`).
    ///
    /// The transmission says when it has left, and over which link;
    /// [`Connection::flush`](crate::Connection::flush) says what has arrived.
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) when the message cannot be sent as it is. All else says the
    /// transmission.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is sent.
    pub async fn send_async(&self, message: impl Into<Message>) -> Result<Transmission> {
        self.sender.send_async(&self.destination, message.into()).await
    }

    /// The destination it sends to.
    #[must_use]
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }
}

impl Sender {
    async fn open(session: Arc<SessionShared>, destination: Option<Destination>) -> Result<Self> {
        let id = session.next_producer_id();
        let connection = session.connection.clone();
        let meter = Meter::new(destination.clone());
        let size = connection.options.producer_window_size;
        let info = ProducerInfo {
            producer_id: Some(id.clone()),
            destination,
            window_size: i32::try_from(size).unwrap_or(i32::MAX),
            ..ProducerInfo::default()
        };
        let window = (size > 0).then(|| Arc::new(Window::new(size)));
        if let Some(window) = &window {
            let add = RouteChange::AddProducer(id.clone(), window.clone());
            connection.routes.send(add).await.map_err(|_| Error::closed())?;
        }
        // Made first, it is also removed if this future is dropped.
        let turn = Mutex::new(0);
        let mut sender = Self { session, id, turn, window, is_declared: false, meter };
        connection.declare("the producer", info, &mut sender.is_declared).await?;
        Ok(sender)
    }

    async fn send(&self, destination: &Destination, message: Message) -> Result<MessageId> {
        let options = &self.session.connection.options;
        let how = match options.use_async_send {
            true => Completion::Transmitted,
            false => Completion::Answered,
        };
        let submitted = self.submit(Operation::Send, destination, message, how).await?;
        let mut receipt = Receipt::from(submitted);
        let Some(limit) = options.send_timeout else { return receipt.await };
        match timeout(limit, &mut receipt).await {
            Ok(answer) => answer,
            Err(_) => {
                let error = unanswered(limit);
                receipt.begun.end::<()>(Err(&error));
                Err(error)
            }
        }
    }

    async fn enqueue(&self, destination: &Destination, message: Message) -> Result<Receipt> {
        let how = Completion::Answered;
        self.submit(Operation::Enqueue, destination, message, how).await.map(Receipt::from)
    }

    async fn send_async(
        &self,
        destination: &Destination,
        message: Message,
    ) -> Result<Transmission> {
        let how = match self.session.connection.options.always_sync_send {
            true => Completion::Answered,
            false => Completion::Transmitted,
        };
        let submitted = self.submit(Operation::SendAsync, destination, message, how).await?;
        let Submitted { pending, begun, .. } = submitted;
        Ok(Transmission { pending, begun })
    }

    async fn submit(
        &self,
        what: Operation,
        destination: &Destination,
        message: Message,
        how: Completion,
    ) -> Result<Submitted> {
        let mut begun = self.meter.begin(what);
        match self.queue(destination, message, how).await {
            Ok((id, pending)) => {
                begun.about(&id);
                begun.left();
                Ok(Submitted { id, pending, begun })
            }
            Err(error) => {
                begun.end::<()>(Err(&error));
                Err(error)
            }
        }
    }

    async fn queue(
        &self,
        destination: &Destination,
        message: Message,
        how: Completion,
    ) -> Result<(MessageId, Pending)> {
        let options = &self.session.connection.options;
        let message = if options.use_compression { message.compressed(true) } else { message };
        let (mut wire, time_to_live) = message.into_wire()?;
        let mut last = self.turn.lock().await;
        let is_answered = how == Completion::Answered && self.session.work().is_none();
        let window = self.window.as_deref().filter(|_| !is_answered);
        if let Some(window) = window {
            self.wait_for_room(window).await;
        }
        let id = self.id.message(*last + 1);
        wire.producer_id = Some(self.id.clone());
        wire.message_id = Some(id.clone());
        wire.destination = Some(destination.clone());
        // Of a message that was received: it is no part of that transaction, and has been nowhere yet.
        (wire.transaction_id, wire.broker_path) = (None, None);
        stamp(&mut wire, time_to_live, options.disable_time_stamps_by_default);
        let size = window::size(&wire);
        let Some(work) = self.session.work() else {
            let transport = &self.session.connection.transport;
            let pending = transport.submit(wire.into(), how, None).await;
            *last += 1;
            window.inspect(|window| window.sent(size));
            return Ok((id, pending));
        };
        // The task lives as long as the session.
        let room = work.reserve().await.map_err(|_| Error::closed())?;
        let (promise, pending) = Pending::promised();
        room.send(Work::Send { message: wire, promise });
        *last += 1;
        window.inspect(|window| window.sent(size));
        Ok((id, pending))
    }

    /// Waits while the broker has too much of it to take in. A broker says nothing of a message that it
    /// refuses: after a while it is asked whether it has taken in all.
    async fn wait_for_room(&self, window: &Window) {
        const PATIENCE: Duration = Duration::from_secs(1);
        if timeout(PATIENCE, window.room()).await.is_ok() {
            return;
        }
        let asked = self.session.connection.transport.request(FlushCommand::default().into());
        tokio::select! {
            () = window.room() => {}
            // Nothing was sent since: all is taken in, or the connection has ended.
            _ = asked => window.clear(),
        }
    }
}

/// The time of sending, and that of expiring.
fn stamp(wire: &mut WireMessage, time_to_live: Option<Duration>, is_disabled: bool) {
    wire.redelivery_counter = 0;
    if is_disabled {
        // Java: ActiveMQSession.send.
        (wire.timestamp, wire.expiration) = (0, 0);
        return;
    }
    wire.timestamp = now_ms();
    wire.expiration = time_to_live.map_or(0, |time_to_live| {
        let lives_ms = i64::try_from(time_to_live.as_millis()).unwrap_or(i64::MAX);
        wire.timestamp.saturating_add(lives_ms.max(1))
    });
}

fn unanswered(limit: Duration) -> Error {
    let problem =
        format!("the message: no answer within the sendTimeout of {} ms", limit.as_millis());
    Error::new(ErrorKind::InDoubt, problem)
}

impl Drop for Sender {
    fn drop(&mut self) {
        let session = self.session.clone();
        let has_window = self.window.is_some();
        if !self.is_declared && !has_window {
            return;
        }
        let (id, is_declared) = (self.id.clone(), self.is_declared);
        let goodbye = session.connection.remove(id.clone().into(), NONE_DELIVERED);
        let runtime = session.connection.runtime.clone();
        drop(runtime.spawn(async move {
            if is_declared {
                session.connection.say(goodbye, None).await;
            }
            if has_window {
                // When the router has ended there is nothing to route.
                let _ = session.connection.routes.send(RouteChange::RemoveProducer(id)).await;
            }
        }));
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("id", &self.sender.id.to_string())
            .field("destination", &self.destination.to_string())
            .finish_non_exhaustive()
    }
}

/// Says what became of a message, when it is known. From [`Producer::enqueue`].
///
/// Resolves to the message's id when a broker has it, else to an error whose kind is
/// [`InDoubt`](ErrorKind::InDoubt), or says that it was not done. Dropped, the message is sent all the
/// same.
#[derive(Debug)]
#[must_use = "the receipt says whether a broker has the message"]
pub struct Receipt {
    id: Option<MessageId>,
    pending: Pending,
    begun: Begun,
}

impl From<Submitted> for Receipt {
    fn from(Submitted { id, pending, begun }: Submitted) -> Self {
        Self { id: Some(id), pending, begun }
    }
}

impl Future for Receipt {
    type Output = Result<MessageId>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.pending).poll(cx));
        let outcome = match (answer, self.id.take()) {
            (Ok(_), Some(id)) => Ok(id),
            (Ok(_), None) => Err(Error::misuse("the receipt was asked again after its answer")),
            (Err(error), _) => Err(Error::request("the message", error)),
        };
        self.begun.end(outcome.as_ref());
        Poll::Ready(outcome)
    }
}

/// Says when a message has left, and over which link. From [`Producer::send_async`].
///
/// Dropped, the message is sent all the same.
#[derive(Debug)]
pub struct Transmission {
    pending: Pending,
    begun: Begun,
}

impl Future for Transmission {
    type Output = Result<LinkId>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sent = ready!(Pin::new(&mut self.pending).poll(cx));
        let link = self.pending.link();
        let outcome = sent.map_err(|error| Error::request("the message", error)).and_then(|_| {
            link.ok_or_else(|| Error::new(ErrorKind::InDoubt, "the message: the link was lost"))
        });
        self.begun.end(outcome.as_ref());
        Poll::Ready(outcome)
    }
}
