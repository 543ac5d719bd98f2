//! `Delivery`: a message that came, to be acknowledged once.

use std::fmt;
use std::sync::Arc;

use rewire_protocol::Throwable;
use tokio::sync::oneshot;

use crate::consumer::buffer::Dispatched;
use crate::consumer::core::Ack;
use crate::consumer::seen::Seen;
use crate::consumer::{ConsumerShared, Origin};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::session::{AckMode, Note};
use crate::telemetry::{Begun, Operation};

/// A message from a [`Consumer`](crate::Consumer), with the right to acknowledge it.
///
/// In an [`Individual`](AckMode::Individual) session one that is dropped, and was neither acknowledged nor
/// taken apart, is [handed out again](Self::redeliver): a handler that fails and returns gives its message
/// back.
#[must_use = "a delivery that is dropped is not acknowledged, unless the session does so by itself"]
pub struct Delivery {
    message: Message,
    redelivery_counter: i32,
    origin: Origin,
    consumer: Arc<ConsumerShared>,
    in_hand: Option<InHand>,
}

/// A message that is acknowledged for itself, or not at all.
struct InHand {
    origin: Origin,
    consumer: Arc<ConsumerShared>,
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(settled) = self.consumer.buffer.hands.put_down(self.origin.link) {
            let consumer = self.consumer.clone();
            let runtime = consumer.session.connection.runtime.clone();
            drop(runtime.spawn(async move { consumer.settled(settled).await }));
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let Some(in_hand) = self.in_hand.take() else { return };
        if self.consumer.buffer.is_abandoned() || !self.consumer.is_current(self.origin.link) {
            return;
        }
        let (consumer, origin) = (self.consumer.clone(), self.origin);
        let again = self.take_again();
        let acks = consumer.redeliver(origin, again, "it was dropped");
        drop(in_hand);
        if !acks.is_empty() {
            let runtime = consumer.session.connection.runtime.clone();
            drop(runtime.spawn(async move { consumer.say_all(acks, origin.link).await }));
        }
    }
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckOutcome {
    /// It is on its way to the broker that sent the message. If that broker dies before it arrives, the
    /// message comes again.
    Sent,
    /// The broker that sent the message is gone, and with it the right to acknowledge. The message comes
    /// again, from the next broker.
    Stale,
    /// The session acknowledges by itself: [`AckMode::Auto`] and [`AckMode::DupsOk`].
    Automatic,
    /// The session acknowledges with the commit: [`TransactedSession`](crate::TransactedSession).
    WithCommit,
}

impl Delivery {
    pub(crate) fn new(
        message: Message,
        redelivery_counter: i32,
        origin: Origin,
        consumer: Arc<ConsumerShared>,
    ) -> Self {
        // What is received in a transaction is in hand until that ends.
        let is_individual =
            consumer.session.mode == AckMode::Individual && consumer.session.work().is_none();
        let in_hand = is_individual.then(|| InHand { origin, consumer: consumer.clone() });
        Self { message, redelivery_counter, origin, consumer, in_hand }
    }

    /// Marks it as redelivered when its consumer had it before.
    pub(crate) fn mark(&mut self, seen: &mut Seen) {
        let headers = self.message.headers();
        let id = headers.message_id.as_ref();
        if id.is_some_and(|id| seen.hand_out(headers.destination.as_ref(), id)) {
            self.redelivery_counter = self.redelivery_counter.max(1);
        }
    }

    /// The message.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Takes the message and leaves it unacknowledged, unless the session does so by itself: it comes again
    /// when its consumer is gone.
    #[must_use]
    pub fn into_message(mut self) -> Message {
        self.in_hand = None;
        std::mem::replace(&mut self.message, Message::text(""))
    }

    /// Whether it was delivered before, as far as the broker and this consumer know.
    #[must_use]
    pub const fn is_redelivered(&self) -> bool {
        self.redelivery_counter > 0
    }

    /// How often it was delivered before, as far as the broker knows; 1 where only this consumer knows.
    #[must_use]
    pub const fn redelivery_counter(&self) -> i32 {
        self.redelivery_counter
    }

    /// Acknowledges: this one message in a session that is [`Individual`](AckMode::Individual), all
    /// that its session has handed out so far in one that is [`Client`](AckMode::Client), nothing in the
    /// others, which do it by themselves, and in a transacted one, whose commit does it.
    ///
    /// Returns when the acknowledgement is queued for the link; it is not waited for. After a failover
    /// there may be nothing left to acknowledge, which is no error: see [`AckOutcome::Stale`].
    ///
    /// # Errors
    ///
    /// When the session is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing is acknowledged, as if the delivery were dropped.
    pub async fn ack(mut self) -> Result<AckOutcome> {
        match self.consumer.session.mode {
            AckMode::Auto | AckMode::DupsOk => Ok(AckOutcome::Automatic),
            _ if !self.consumer.is_current(self.origin.link) => Ok(AckOutcome::Stale),
            AckMode::Individual if self.consumer.session.work().is_some() => {
                Ok(AckOutcome::WithCommit)
            }
            AckMode::Individual => {
                let mut begun = self.begin(Operation::Ack);
                if let Some(id) = self.message.headers().message_id.clone() {
                    let (link, number) = (self.origin.link, id.broker_sequence_id);
                    self.consumer.send(Ack::individual(link, id)).await;
                    self.consumer.buffer.hands.acknowledge(link, number);
                }
                self.in_hand = None;
                begun.end(Ok(&()));
                Ok(AckOutcome::Sent)
            }
            AckMode::Client => {
                let mut begun = self.begin(Operation::Ack);
                let (done, is_done) = oneshot::channel();
                self.consumer.session.note(Note::Acknowledge { done }).await;
                let acknowledged = is_done.await.map_err(|_| Error::closed());
                begun.end(acknowledged.as_ref());
                acknowledged.map(|()| AckOutcome::Sent)
            }
        }
    }
}

impl Delivery {
    /// Has this one message handed out again, by its consumer and after the delay of the
    /// [`RedeliveryPolicy`](crate::RedeliveryPolicy), with a higher
    /// [`redelivery_counter`](Self::redelivery_counter). Where the policy's limit is reached the broker is told
    /// that it is poison, with the cause, and moves it to its dead letter queue.
    ///
    /// Until the delay is over the consumer hands out nothing else, so that the order is kept, unless its
    /// redeliveries [do not block](crate::ConsumerBuilder::non_blocking_redelivery).
    ///
    /// ```no_run
    /// # async fn handle(message: &rewire::Message) -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn example(mut consumer: rewire::Consumer) -> rewire::Result<()> {
    /// while let Some(delivery) = consumer.next().await.transpose()? {
    ///     match handle(delivery.message()).await {
    ///         Ok(()) => drop(delivery.ack().await?),
    ///         Err(error) => drop(delivery.redeliver(error).await?),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Misuse`](crate::ErrorKind::Misuse) in a session that is not [`Individual`](AckMode::Individual):
    /// [`Session::recover`](crate::Session::recover) and
    /// [`TransactedSession::rollback`](crate::TransactedSession::rollback) are for all that was handed out.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is handed out again all the same.
    pub async fn redeliver(mut self, cause: impl fmt::Display) -> Result<AckOutcome> {
        self.check_individual("handed out again")?;
        if !self.consumer.is_current(self.origin.link) {
            return Ok(AckOutcome::Stale);
        }
        let cause = cause.to_string();
        let (consumer, origin, in_hand) = (self.consumer.clone(), self.origin, self.in_hand.take());
        let again = self.take_again();
        let acks = consumer.redeliver(origin, again, &cause);
        let runtime = consumer.session.connection.runtime.clone();
        let redelivering = runtime.spawn(async move {
            consumer.say_all(acks, origin.link).await;
            drop(in_hand);
        });
        // It is only cut short when the runtime ends.
        let _ = redelivering.await;
        Ok(AckOutcome::Sent)
    }

    /// Tells the broker that this one message is poison, whatever the policy says: it moves it to its dead
    /// letter queue and keeps the cause with it.
    ///
    /// # Errors
    ///
    /// [`Misuse`](crate::ErrorKind::Misuse) in a session that is not [`Individual`](AckMode::Individual).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, the delivery counts as dropped.
    pub async fn dead_letter(mut self, cause: impl fmt::Display) -> Result<AckOutcome> {
        self.check_individual("called poison")?;
        let link = self.origin.link;
        if !self.consumer.is_current(link) {
            return Ok(AckOutcome::Stale);
        }
        if let Some(id) = self.message.headers().message_id.clone() {
            let number = id.broker_sequence_id;
            let cause = Throwable::new("java.lang.Throwable", cause.to_string());
            self.consumer.send(Ack::poison(link, id, Box::new(cause))).await;
            self.consumer.buffer.hands.acknowledge(link, number);
        }
        self.in_hand = None;
        Ok(AckOutcome::Sent)
    }

    /// Something begins that is told of as being about this message.
    fn begin(&self, what: Operation) -> Begun {
        let begun = self.consumer.meter.begin(what);
        self.message.headers().message_id.iter().for_each(|id| begun.about(id));
        begun
    }

    fn check_individual(&self, what: &str) -> Result<()> {
        let session = &self.consumer.session;
        if session.mode == AckMode::Individual && session.work().is_none() {
            return Ok(());
        }
        let problem = format!("one message can only be {what} in a session in individual mode");
        Err(Error::misuse(problem))
    }

    /// The message as it came, to be handed out again.
    fn take_again(&mut self) -> Dispatched {
        let message = std::mem::replace(&mut self.message, Message::text(""));
        Dispatched {
            link: self.origin.link,
            message: message.into_received(),
            redelivery_counter: self.redelivery_counter,
            number: self.origin.number,
            is_again: true,
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.message.headers().message_id.as_ref().map(ToString::to_string);
        f.debug_struct("Delivery")
            .field("message_id", &id)
            .field("redelivery_counter", &self.redelivery_counter)
            .finish_non_exhaustive()
    }
}
