//! `TransactedSession`: what is sent and received is done together, or not at all.

mod branch;
mod core;
mod task;
mod xa;

use std::fmt;
use std::sync::Arc;

use rewire_protocol::Str;
use tokio::sync::mpsc::OwnedPermit;
use tokio::sync::oneshot;
use tracing::Instrument;

use self::task::End;
pub(crate) use self::task::{Gone, Work, start};
pub use self::xa::{Vote, XaSession, Xid};
use crate::connection::Shared;
use crate::consumer::ConsumerBuilder;
use crate::destination::ToDestination;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::{AnonymousProducer, Producer};
use crate::session::Session;
use crate::telemetry::Operation;

/// A session whose work is done together. From
/// [`Connection::transacted_session`](crate::Connection::transacted_session).
///
/// A transaction begins with the first message that a producer sends or a consumer hands out, and ends
/// with [`commit`](Self::commit) or [`rollback`](Self::rollback); then the next begins. What is sent is
/// not to be seen before the commit, what is received is acknowledged with it.
///
/// A transaction that has only sent goes on through a failover: it is repeated on the next broker, and
/// has room for 10,000 messages or 64 MiB together with the other open transactions of its connection; a
/// message beyond that is refused, and the commit rolls back. A transaction that has received cannot go
/// on: its acknowledgements belong to the broker that is gone. Its commit
/// rolls back, says [`RolledBack`](crate::ErrorKind::RolledBack), and its messages come again.
///
/// What a transaction has received is kept until it ends. After 10,000 messages a consumer gets no more
/// than its prefetch allows.
///
/// A clone is another handle to the same session. Dropped with all that was made from it, the open transaction is rolled back.
///
/// ```no_run
/// # async fn example(connection: rewire::Connection) -> rewire::Result<()> {
/// use rewire::{ErrorKind, Queue};
///
/// let session = connection.transacted_session().await?;
/// let mut orders = session.consumer(&Queue::new("ORDERS")).await?;
/// let invoices = session.producer(&Queue::new("INVOICES")).await?;
/// while let Some(order) = orders.next().await.transpose()? {
///     invoices.send(format!("for {:?}", order.message().body_text()?)).await?;
///     match session.commit().await {
///         Ok(()) => {}
///         Err(error) if error.kind() == ErrorKind::RolledBack => {} // the order comes again
///         Err(error) => return Err(error), // in doubt: one broker may have done it
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TransactedSession {
    session: Session,
}

impl TransactedSession {
    pub(crate) async fn open(connection: Arc<Shared>) -> Result<Self> {
        Ok(Self { session: Session::open_transacted(connection, false).await? })
    }

    /// Does `work` in a transaction and commits it. When the commit says that nothing of it was done, because
    /// of a failover or because the broker refused it, `work` is done again, four times more at most: it must
    /// not have effects elsewhere that may not happen twice. What `work` fails with rolls back, and is returned.
    ///
    /// ```no_run
    /// # async fn example(connection: rewire::Connection) -> rewire::Result<()> {
    /// use rewire::Queue;
    ///
    /// let session = connection.transacted_session().await?;
    /// let invoices = session.producer(&Queue::new("INVOICES")).await?;
    /// session
    ///     .transaction(async || {
    ///         invoices.send("one").await?;
    ///         invoices.send("two").await
    ///     })
    ///     .await?; // both, or none
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// What `work` failed with, and what [`commit`](Self::commit) says: an
    /// [`InDoubt`](crate::ErrorKind::InDoubt) is never tried again.
    ///
    /// # Cancel safety
    ///
    /// Dropped during `work`, it is rolled back. Dropped during the commit, as [`commit`](Self::commit).
    pub async fn transaction<T, E, F>(&self, work: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        const RETRIES: u32 = 4;
        let Some(queue) = self.session.work() else { return Err(Error::closed().into()) };
        let mut retries = 0;
        loop {
            let place = queue.clone().reserve_owned().await.map_err(|_| Error::closed())?;
            let mut undo = Undo { place: Some(place) };
            let done = work().await;
            undo.place = None;
            let value = match done {
                Ok(value) => value,
                Err(error) => {
                    if let Err(cause) = self.rollback().await {
                        tracing::debug!(%cause, "the rollback was not answered");
                    }
                    return Err(error);
                }
            };
            match self.commit().await {
                Ok(()) => return Ok(value),
                Err(error) if error.kind() == ErrorKind::RolledBack && retries < RETRIES => {
                    retries += 1;
                    tracing::debug!(%error, retries, "the transaction is tried again");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Makes a producer that sends to this destination, in the session's transactions.
    ///
    /// Its messages have left when a `send` returns; whether a broker has them says the commit. One that
    /// a broker did not take, or that was lost here, makes the commit roll back.
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the producer is removed again.
    pub async fn producer(&self, destination: &impl ToDestination) -> Result<Producer> {
        self.session.producer(destination).await
    }

    /// Makes a producer whose messages say where they go, in the session's transactions.
    ///
    /// # Errors
    ///
    /// What the broker said, such as a right that is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the producer is removed again.
    pub async fn anonymous_producer(&self) -> Result<AnonymousProducer> {
        self.session.anonymous_producer().await
    }

    /// Ends a durable subscription, in no transaction: see [`Session::unsubscribe`](crate::Session::unsubscribe).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn unsubscribe(&self, name: impl Into<Str>) -> Result<()> {
        self.session.unsubscribe(name).await
    }

    /// Begins to describe a consumer; await the builder to make it. What it hands out is acknowledged by
    /// the commit. Dropped in an open transaction in which it handed out messages, it stays at the broker
    /// until the transaction ends.
    pub fn consumer(&self, destination: &impl ToDestination) -> ConsumerBuilder {
        self.session.consumer(destination)
    }

    /// Does all that was sent and received since the last end. Nothing to do is done at once.
    ///
    /// # Errors
    ///
    /// - [`RolledBack`](crate::ErrorKind::RolledBack): nothing of it was done. It can be tried again.
    ///   What was received comes again.
    /// - [`InDoubt`](crate::ErrorKind::InDoubt): the broker died over it and may have done it all, or
    ///   nothing. It is not asked for again, because that could do it twice. Java reports such a commit
    ///   as rolled back, which it may not be.
    /// - Others: the connection has ended, or no broker was there for as long as the URI allows; nothing was done,
    ///   and the transaction is over.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing happens. Dropped later, it is committed all the same, and
    /// the outcome is lost.
    pub async fn commit(&self) -> Result<()> {
        self.end(End::Commit).await
    }

    /// Undoes all that was sent and received since the last end. What was received is handed out again, in
    /// the same order, with a higher [`redelivery_counter`](crate::Delivery::redelivery_counter), after the
    /// delay of the [`RedeliveryPolicy`](crate::RedeliveryPolicy): a second by default, while which its
    /// consumer hands out nothing. What was rolled back too often becomes a dead letter.
    ///
    /// # Errors
    ///
    /// When the connection has ended, which rolls back too.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing happens. Dropped later, it is rolled back all the same.
    pub async fn rollback(&self) -> Result<()> {
        self.end(End::Rollback).await
    }

    async fn end(&self, how: End) -> Result<()> {
        let Some(work) = self.session.work() else { return Err(Error::closed()) };
        let what = match how {
            End::Commit => Operation::Commit,
            End::Rollback => Operation::Rollback,
        };
        let mut begun = self.session.connection().meter.begin(what);
        let (done, is_done) = oneshot::channel();
        let end = async {
            // The task lives as long as the session.
            work.send(Work::End { how, done }).await.map_err(|_| Error::closed())?;
            is_done.await.map_err(|_| Error::closed())?
        };
        let ended = end.instrument(begun.span().clone()).await;
        begun.end(ended.as_ref());
        ended
    }
}

/// Rolls back what was not ended when this is dropped. Its place in the queue of the session's work is kept
/// from the beginning, so that the rollback comes before whatever is done next.
struct Undo {
    place: Option<OwnedPermit<Work>>,
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let (done, _) = oneshot::channel();
            drop(place.send(Work::End { how: End::Rollback, done }));
        }
    }
}

impl fmt::Debug for TransactedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransactedSession").field(&self.session).finish()
    }
}
