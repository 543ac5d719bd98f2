//! `AnonymousProducer`: each message says where it goes.

use std::fmt;
use std::sync::Arc;

use rewire_protocol::MessageId;

use super::{Receipt, Sender, Transmission};
use crate::destination::ToDestination;
use crate::error::Result;
use crate::message::Message;
use crate::options::split_options;
use crate::session::SessionShared;

/// Sends messages to destinations that are named with each. From
/// [`Session::anonymous_producer`](crate::Session::anonymous_producer).
///
/// It sends in the ways of a [`Producer`](crate::Producer), whose documentation says more.
///
/// ```no_run
/// # async fn example(session: rewire::Session, request: rewire::Message) -> rewire::Result<()> {
/// let replies = session.anonymous_producer().await?;
/// if let Some(reply_to) = &request.headers().reply_to {
///     replies.send(reply_to, "12 anvils").await?;
/// }
/// # Ok(()) }
/// ```
pub struct AnonymousProducer {
    sender: Sender,
}

impl AnonymousProducer {
    pub(crate) async fn open(session: Arc<SessionShared>) -> Result<Self> {
        Ok(Self { sender: Sender::open(session, None).await? })
    }

    /// Sends a message there and waits until a broker has it.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`](crate::Producer::send).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing is sent. Dropped later, it is sent and the answer is lost.
    pub async fn send(
        &self,
        to: &impl ToDestination,
        message: impl Into<Message>,
    ) -> Result<MessageId> {
        let (to, _) = split_options(to.to_destination());
        self.sender.send(&to, message.into()).await
    }

    /// Queues a message that goes there and returns at once, with a receipt that says what became of it.
    ///
    /// # Errors
    ///
    /// As [`Producer::enqueue`](crate::Producer::enqueue).
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is sent.
    pub async fn enqueue(
        &self,
        to: &impl ToDestination,
        message: impl Into<Message>,
    ) -> Result<Receipt> {
        let (to, _) = split_options(to.to_destination());
        self.sender.enqueue(&to, message.into()).await
    }

    /// Queues a message that goes there and that no broker is to answer.
    ///
    /// # Errors
    ///
    /// As [`Producer::send_async`](crate::Producer::send_async).
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is sent.
    pub async fn send_async(
        &self,
        to: &impl ToDestination,
        message: impl Into<Message>,
    ) -> Result<Transmission> {
        let (to, _) = split_options(to.to_destination());
        self.sender.send_async(&to, message.into()).await
    }
}

impl fmt::Debug for AnonymousProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnonymousProducer")
            .field("id", &self.sender.id.to_string())
            .finish_non_exhaustive()
    }
}
