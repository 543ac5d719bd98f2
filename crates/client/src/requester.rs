//! `Requester`: a message out, its reply back.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::consumer::Consumer;
use crate::destination::ToDestination;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::producer::Producer;
use crate::session::Session;
use crate::temporary::TemporaryQueue;

/// Asks whoever consumes from a destination, and waits for the answers. From
/// [`Session::requester`](crate::Session::requester).
///
/// Each request says where the reply is to go, a temporary queue of its own, and has a correlation id,
/// which the one who replies puts on the reply.
///
/// ```no_run
/// # async fn example(session: rewire::Session) -> rewire::Result<()> {
/// use std::time::Duration;
/// use rewire::Queue;
///
/// let mut prices = session.requester(&Queue::new("PRICES")).await?;
/// let reply = prices.request("12 anvils", Duration::from_secs(5)).await?;
/// println!("{:?}", reply.body_text()?);
/// # Ok(()) }
/// ```
pub struct Requester {
    producer: Producer,
    /// Dropped before its queue: a broker keeps a queue that something consumes from.
    replies: Consumer,
    queue: TemporaryQueue,
    requests: u64,
}

impl Requester {
    pub(crate) async fn open(session: &Session, destination: &impl ToDestination) -> Result<Self> {
        let queue = session.temporary_queue().await?;
        let replies = session.consumer(&queue).await?;
        let producer = session.producer(destination).await?;
        Ok(Self { producer, replies, queue, requests: 0 })
    }

    /// Sends a request and waits for its reply, `timeout` at most. Replies to earlier requests, which
    /// nobody waits for any more, are dropped.
    ///
    /// A broker that dies takes the replies with it that it had: then the time runs out, and whether the
    /// request was acted on is not known.
    ///
    /// # Errors
    ///
    /// Those of [`Producer::send`]; [`ErrorKind::Timeout`] when no reply came in time.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the request may be on its way; its reply is dropped when it comes.
    pub async fn request(
        &mut self,
        message: impl Into<Message>,
        timeout: Duration,
    ) -> Result<Message> {
        self.requests += 1;
        let deadline = Instant::now() + timeout;
        let id = self.requests.to_string();
        let reply_to = self.queue.to_destination();
        let message = message.into().correlation_id(id.clone()).reply_to(reply_to);
        let exchange = async {
            self.producer.send(message).await?;
            loop {
                let Some(delivery) = self.replies.next().await.transpose()? else {
                    return Err(Error::closed());
                };
                let reply = delivery.message();
                let is_ours = reply.headers().correlation_id.as_ref().is_some_and(|of| *of == *id);
                let message = is_ours.then(|| reply.clone());
                delivery.ack().await?;
                if let Some(message) = message {
                    return Ok(message);
                }
            }
        };
        let late = |_| Error::new(ErrorKind::Timeout, "no reply came in time");
        timeout_at(deadline, exchange).await.map_err(late)?
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester")
            .field("destination", &self.producer.destination().to_string())
            .finish_non_exhaustive()
    }
}
