//! `Delivery`: a message that came, to be acknowledged once.

use std::fmt;
use std::sync::Arc;

use rewire_failover::core::LinkId;
use tokio::sync::oneshot;

use crate::consumer::ConsumerShared;
use crate::consumer::core::Ack;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::session::{AckMode, Note};

/// A message from a [`Consumer`](crate::Consumer), with the right to acknowledge it.
#[must_use = "a delivery that is dropped is not acknowledged, unless the session does so by itself"]
pub struct Delivery {
    message: Message,
    redelivery_counter: i32,
    link: LinkId,
    consumer: Arc<ConsumerShared>,
    in_hand: Option<InHand>,
}

/// A message that is acknowledged for itself, or not at all.
struct InHand {
    link: LinkId,
    consumer: Arc<ConsumerShared>,
}

impl Drop for InHand {
    fn drop(&mut self) {
        if let Some(settled) = self.consumer.buffer.hands.put_down(self.link) {
            let consumer = self.consumer.clone();
            let runtime = consumer.session.connection.runtime.clone();
            drop(runtime.spawn(async move { consumer.settled(settled).await }));
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
        link: LinkId,
        consumer: Arc<ConsumerShared>,
    ) -> Self {
        // What is received in a transaction is in hand until that ends.
        let is_individual =
            consumer.session.mode == AckMode::Individual && consumer.session.work().is_none();
        let in_hand = is_individual.then(|| InHand { link, consumer: consumer.clone() });
        Self { message, redelivery_counter, link, consumer, in_hand }
    }

    /// The message.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Takes the message and leaves it unacknowledged, unless the session does so by itself.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }

    /// Whether the broker knows that it was delivered before.
    #[must_use]
    pub const fn is_redelivered(&self) -> bool {
        self.redelivery_counter > 0
    }

    /// How often it was delivered before, as far as the broker knows.
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
    /// Dropped while it waits for room, nothing is acknowledged.
    pub async fn ack(self) -> Result<AckOutcome> {
        match self.consumer.session.mode {
            AckMode::Auto | AckMode::DupsOk => Ok(AckOutcome::Automatic),
            _ if !self.consumer.is_current(self.link) => Ok(AckOutcome::Stale),
            AckMode::Individual if self.consumer.session.work().is_some() => {
                Ok(AckOutcome::WithCommit)
            }
            AckMode::Individual => {
                if let Some(id) = self.message.headers().message_id.clone() {
                    let number = id.broker_sequence_id;
                    self.consumer.send(Ack::individual(self.link, id)).await;
                    self.consumer.buffer.hands.acknowledge(self.link, number);
                }
                drop(self.in_hand);
                Ok(AckOutcome::Sent)
            }
            AckMode::Client => {
                let (done, is_done) = oneshot::channel();
                self.consumer.session.note(Note::Acknowledge { done }).await;
                is_done.await.map_err(|_| Error::closed())?;
                Ok(AckOutcome::Sent)
            }
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
