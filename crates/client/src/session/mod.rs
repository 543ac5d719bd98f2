//! `Session`: where producers and consumers belong, and how consumers acknowledge.

mod acks;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rewire_protocol::{ConsumerId, ProducerId, SessionId, SessionInfo, Str};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::acks::Note;

use crate::connection::{NONE_DELIVERED, Shared};
use crate::consumer::ConsumerBuilder;
use crate::destination::ToDestination;
use crate::error::{Error, Result};
use crate::producer::{AnonymousProducer, Producer};
use crate::requester::Requester;
use crate::temporary::{TemporaryQueue, TemporaryTopic};
use crate::transaction::{self, Work};

/// When messages that a session's consumers hand out are acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AckMode {
    /// Each message when the next is asked for, and the last when the consumer ends.
    #[default]
    Auto,
    /// All that the session has handed out so far, when one [`Delivery`](crate::Delivery) is
    /// acknowledged. It is kept until then, to be handed out again by
    /// [`recover`](Session::recover). After 10,000 messages a consumer gets no more than its prefetch allows.
    Client,
    /// Each message when its [`Delivery`](crate::Delivery) is acknowledged. One that is dropped without
    /// comes again, as the [`RedeliveryPolicy`](crate::RedeliveryPolicy) says. The broker sends no more than
    /// the prefetch ahead.
    Individual,
    /// Late and many at once: at half the prefetch, when the first of them has waited for 300 ms
    /// (`optimizeAcknowledgeTimeOut`) and the next is asked for, when the next has been waited for and has not come
    /// in 2 ms, and when the consumer ends. After a failover more may come twice.
    DupsOk,
}

impl AckMode {
    /// Whether consumers acknowledge by themselves.
    pub(crate) const fn is_automatic(self) -> bool {
        matches!(self, Self::Auto | Self::DupsOk)
    }
}

/// Makes producers and consumers. From [`Connection::session`](crate::Connection::session).
///
/// A clone is another handle to the same session. It ends at the broker when all of them and all that was
/// made from it are dropped.
#[derive(Clone)]
pub struct Session {
    shared: Arc<SessionShared>,
}

/// What producers and consumers have of their session.
pub(crate) struct SessionShared {
    pub(crate) connection: Arc<Shared>,
    /// [`AckMode::Individual`] in a transacted session, where consumers acknowledge nothing by themselves.
    pub(crate) mode: AckMode,
    id: SessionId,
    /// Whether a broker knows of it, so that it is to be removed there.
    is_declared: AtomicBool,
    consumers: AtomicI64,
    producers: AtomicI64,
    /// To the task that acknowledges for all consumers together, in the mode that does so.
    notes: Option<mpsc::Sender<Note>>,
    /// To the task that owns the transactions, in a transacted session.
    work: Option<mpsc::Sender<Work>>,
}

impl Session {
    /// Makes a producer that sends to this destination. Waits until a broker has accepted it.
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the producer is removed again.
    pub async fn producer(&self, destination: &impl ToDestination) -> Result<Producer> {
        Producer::open(self.shared.clone(), destination.to_destination()).await
    }

    /// Makes a producer whose messages say where they go. Waits until a broker has accepted it.
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the producer is removed again.
    pub async fn anonymous_producer(&self) -> Result<AnonymousProducer> {
        AnonymousProducer::open(self.shared.clone()).await
    }

    /// Makes a queue that only this connection may consume from, and that ends when it is dropped.
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the queue is removed again.
    pub async fn temporary_queue(&self) -> Result<TemporaryQueue> {
        TemporaryQueue::open(self.shared.connection.clone()).await
    }

    /// Makes a topic that only this connection may consume from, and that ends when it is dropped.
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the topic is removed again.
    pub async fn temporary_topic(&self) -> Result<TemporaryTopic> {
        TemporaryTopic::open(self.shared.connection.clone()).await
    }

    /// Makes what is needed to send requests to a destination and receive the replies.
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, all that was made is removed again.
    pub async fn requester(&self, destination: &impl ToDestination) -> Result<Requester> {
        Requester::open(self, destination).await
    }

    /// Ends the durable subscription of this name, and with it the messages that the broker keeps for it. Its
    /// consumer has to be closed before.
    ///
    /// ```no_run
    /// # async fn example(session: rewire::Session) -> rewire::Result<()> {
    /// let prices = session.consumer(&rewire::Topic::new("PRICES")).durable("prices").await?;
    /// prices.close().await?; // the broker goes on to keep what comes
    /// session.unsubscribe("prices").await // and now no more
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Misuse`](crate::ErrorKind::Misuse) on a connection without a client id, and what the broker said: a
    /// subscription that is in use, or that there is none. After a failover that there is none counts as
    /// success, because the broker that was lost may have ended it.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing happens. Dropped later, the answer is lost.
    pub async fn unsubscribe(&self, name: impl Into<Str>) -> Result<()> {
        self.shared.connection.unsubscribe(name.into()).await
    }

    /// Hands out again what was handed out and not acknowledged, in the same order and with a higher
    /// [`redelivery_counter`](crate::Delivery::redelivery_counter), after the delay of the
    /// [`RedeliveryPolicy`](crate::RedeliveryPolicy). What was recovered too often becomes a dead letter.
    ///
    /// Deliveries from before are of no more use: to acknowledge one acknowledges what was handed out since.
    ///
    /// # Errors
    ///
    /// [`Misuse`](crate::ErrorKind::Misuse) in a session that is not [`Client`](AckMode::Client): in
    /// [`Individual`](AckMode::Individual) each delivery is
    /// [handed out again](crate::Delivery::redeliver) for itself, and the others acknowledge by themselves.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing happens. Dropped later, it goes on.
    pub async fn recover(&self) -> Result<()> {
        let Some(notes) = &self.shared.notes else {
            let problem = "only a session that acknowledges all together can be recovered";
            return Err(Error::misuse(problem));
        };
        let (done, is_done) = oneshot::channel();
        notes.send(Note::Recover { done }).await.map_err(|_| Error::closed())?;
        is_done.await.map_err(|_| Error::closed())
    }

    /// Begins to describe a consumer; await the builder to make it.
    pub fn consumer(&self, destination: &impl ToDestination) -> ConsumerBuilder {
        ConsumerBuilder::new(self.shared.clone(), destination.to_destination())
    }
}

impl Session {
    pub(crate) async fn open_transacted(connection: Arc<Shared>, is_xa: bool) -> Result<Self> {
        let work = transaction::start(connection.clone(), is_xa);
        Self::open(connection, AckMode::Individual, None, Some(work)).await
    }

    async fn open(
        connection: Arc<Shared>,
        mode: AckMode,
        notes: Option<mpsc::Sender<Note>>,
        work: Option<mpsc::Sender<Work>>,
    ) -> Result<Self> {
        let id = connection.next_session_id();
        let shared = Arc::new(SessionShared {
            connection,
            mode,
            id: id.clone(),
            is_declared: AtomicBool::new(false),
            consumers: AtomicI64::new(1),
            producers: AtomicI64::new(1),
            notes,
            work,
        });
        let info = SessionInfo { session_id: Some(id), ..SessionInfo::default() };
        let mut declaring = Declaring { session: shared.clone(), is_declared: false };
        shared.connection.declare("the session", info, &mut declaring.is_declared).await?;
        drop(declaring);
        Ok(Self { shared })
    }

    pub(crate) fn work(&self) -> Option<&mpsc::Sender<Work>> {
        self.shared.work()
    }

    pub(crate) fn connection(&self) -> &Shared {
        &self.shared.connection
    }
}

impl SessionShared {
    /// Where the work of a transacted session goes; `None` in others.
    pub(crate) const fn work(&self) -> Option<&mpsc::Sender<Work>> {
        self.work.as_ref()
    }

    pub(crate) fn next_consumer_id(&self) -> ConsumerId {
        self.id.consumer(self.consumers.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_producer_id(&self) -> ProducerId {
        self.id.producer(self.producers.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn note(&self, note: Note) {
        if let Some(notes) = &self.notes {
            // The task lives as long as the session.
            let _ = notes.send(note).await;
        }
    }

    pub(crate) async fn forget(&self, consumer: &ConsumerId) {
        self.note(Note::Gone(consumer.clone())).await;
    }
}

impl Drop for SessionShared {
    fn drop(&mut self) {
        if !*self.is_declared.get_mut() {
            return;
        }
        let connection = self.connection.clone();
        let goodbye = connection.remove(self.id.clone().into(), NONE_DELIVERED);
        let runtime = connection.runtime.clone();
        drop(runtime.spawn(async move { connection.say(goodbye, None).await }));
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

impl fmt::Debug for SessionShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id.to_string())
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// Describes a session. From [`Connection::session`](crate::Connection::session); await it.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is awaited"]
pub struct SessionBuilder {
    connection: Arc<Shared>,
    mode: AckMode,
}

impl SessionBuilder {
    pub(crate) fn new(connection: Arc<Shared>) -> Self {
        Self { connection, mode: AckMode::default() }
    }

    /// Sets when messages are acknowledged. [`AckMode::Auto`] by default.
    pub const fn ack(mut self, mode: AckMode) -> Self {
        self.mode = mode;
        self
    }

    async fn open(self) -> Result<Session> {
        let Self { connection, mode } = self;
        let notes = (mode == AckMode::Client).then(acks::start);
        Session::open(connection, mode, notes, None).await
    }
}

/// Tells a session whether a broker may know of it, whenever that is not waited for any longer.
struct Declaring {
    session: Arc<SessionShared>,
    is_declared: bool,
}

impl Drop for Declaring {
    fn drop(&mut self) {
        self.session.is_declared.store(self.is_declared, Ordering::Relaxed);
    }
}

impl IntoFuture for SessionBuilder {
    type Output = Result<Session>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Waits until a broker has accepted the session. Dropped, the session is removed again.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
