//! `XaSession`: branches of transactions that a transaction manager decides.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use rewire_protocol::{Command, TransactionId, TransactionInfo, XaTransactionId};
use tokio::sync::oneshot;

use super::task::Work;
use crate::connection::Shared;
use crate::consumer::ConsumerBuilder;
use crate::destination::ToDestination;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::{AnonymousProducer, Producer};
use crate::session::Session;
use crate::telemetry::Operation;

/// The name of a branch, which a transaction manager gives it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Xid(XaTransactionId);

/// What a broker votes in the first phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vote {
    /// It can commit, and waits for the decision, also beyond its own end.
    Commit,
    /// There is nothing to decide: it has forgotten the branch.
    ReadOnly,
}

/// A session that works in the branches of a transaction manager, which decides them in two phases. From
/// [`Connection::xa_session`](crate::Connection::xa_session).
///
/// One branch at a time is worked in, between [`start`](Self::start) and [`end`](Self::end). What is sent
/// outside of a branch is sent at once. A branch with what it received has to be decided here before the next
/// is started; any session may decide a branch that only sent, or that was prepared before.
///
/// Through a failover a branch that has only sent goes on. One that has received, and is not prepared, is
/// rolled back. What a broker was asked and did not answer before it died is
/// [in doubt](ErrorKind::InDoubt): [`recover`](Self::recover) tells whether the branch is still prepared.
///
/// ```no_run
/// use rewire::{Connection, Queue, Vote, Xid};
///
/// # async fn example(connection: Connection) -> rewire::Result<()> {
/// let session = connection.xa_session().await?;
/// let invoices = session.producer(&Queue::new("INVOICES")).await?;
/// let branch = Xid::new(1, *b"order 12", *b"messages")?;
/// session.start(&branch).await?;
/// invoices.send("for 12 anvils").await?;
/// session.end(&branch).await?;
/// if session.prepare(&branch).await? == Vote::Commit {
///     session.commit(&branch, false).await?; // when all others have voted so too
/// }
/// # Ok(()) }
/// ```
pub struct XaSession {
    session: Session,
    connection: Arc<Shared>,
}

/// A step of a branch, for the task that owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    End,
    Prepare,
    Commit { one_phase: bool },
    Rollback,
}

impl Xid {
    /// Names a branch: whose names these are, the transaction, and the branch of it.
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) when the transaction's name is empty, or one of both is longer than 64
    /// bytes, which is all XA allows.
    pub fn new(
        format_id: i32,
        global_transaction_id: impl AsRef<[u8]>,
        branch_qualifier: impl AsRef<[u8]>,
    ) -> Result<Self> {
        const MOST: usize = 64;
        let (global, branch) = (global_transaction_id.as_ref(), branch_qualifier.as_ref());
        if global.is_empty() || global.len() > MOST || branch.len() > MOST {
            let problem = "a branch's names have 64 bytes at most, and the transaction's has one";
            return Err(Error::misuse(problem));
        }
        Ok(Self(XaTransactionId {
            format_id,
            global_transaction_id: Some(Bytes::copy_from_slice(global)),
            branch_qualifier: Some(Bytes::copy_from_slice(branch)),
        }))
    }

    /// Whose names these are.
    #[must_use]
    pub const fn format_id(&self) -> i32 {
        self.0.format_id
    }

    /// The transaction.
    #[must_use]
    pub fn global_transaction_id(&self) -> &[u8] {
        self.0.global_transaction_id.as_deref().unwrap_or_default()
    }

    /// The branch of it.
    #[must_use]
    pub fn branch_qualifier(&self) -> &[u8] {
        self.0.branch_qualifier.as_deref().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> TransactionId {
        TransactionId::Xa(Box::new(self.0.clone()))
    }
}

impl fmt::Debug for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (global, branch) = (self.global_transaction_id(), self.branch_qualifier());
        write!(f, "Xid({}:{}:{})", self.0.format_id, global.escape_ascii(), branch.escape_ascii())
    }
}

impl XaSession {
    pub(crate) async fn open(connection: Arc<Shared>) -> Result<Self> {
        let session = Session::open_transacted(connection.clone(), true).await?;
        Ok(Self { session, connection })
    }

    /// Makes a producer that sends to this destination, in the branch that is worked in.
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

    /// Makes a producer whose messages say where they go, in the branch that is worked in.
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

    /// Begins to describe a consumer; await the builder to make it. What it hands out is acknowledged in
    /// the branch that is worked in, or in the next.
    pub fn consumer(&self, destination: &impl ToDestination) -> ConsumerBuilder {
        self.session.consumer(destination)
    }

    /// Begins to work in a branch.
    ///
    /// # Errors
    ///
    /// [`Misuse`](ErrorKind::Misuse) while another is worked in, or has received and is not decided; and what
    /// the broker said.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is polled, or while the session has too much to do, nothing happens. Dropped later, it goes
    /// on, and comes before whatever the session is asked for next: the branch is there, to be
    /// [ended](Self::end) or [rolled back](Self::rollback).
    pub async fn start(&self, xid: &Xid) -> Result<()> {
        self.step(xid, Step::Start).await.map(drop)
    }

    /// Ends the work in a branch: what it received is acknowledged in it.
    ///
    /// # Errors
    ///
    /// [`RolledBack`](ErrorKind::RolledBack) when the broker is gone whose messages it received; and what the
    /// broker said.
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start): once begun the branch is ended, and can be prepared.
    pub async fn end(&self, xid: &Xid) -> Result<()> {
        self.step(xid, Step::End).await.map(drop)
    }

    /// The first phase: asks the broker whether it can commit.
    ///
    /// # Errors
    ///
    /// [`RolledBack`](ErrorKind::RolledBack) when the broker is gone whose messages it received,
    /// [`InDoubt`](ErrorKind::InDoubt) when no answer came, and what the broker said: then it is to be rolled
    /// back. A branch in doubt is not repeated: the broker that was asked may have prepared it, and then
    /// [`recover`](Self::recover) finds it there.
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start): once begun it is asked for, and only the vote is lost. The branch can be committed
    /// or rolled back; [`recover`](Self::recover) tells whether it is prepared.
    pub async fn prepare(&self, xid: &Xid) -> Result<Vote> {
        self.step(xid, Step::Prepare).await
    }

    /// Commits: in the second phase, or in one where this is the only branch and was not prepared.
    ///
    /// # Errors
    ///
    /// [`InDoubt`](ErrorKind::InDoubt) when no answer came; a second phase can be asked for again, one phase
    /// cannot. [`Refused`](ErrorKind::Refused) when the broker does not know the branch, among others because
    /// it has committed it before.
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start): once begun it is committed, and only the outcome is lost.
    pub async fn commit(&self, xid: &Xid, one_phase: bool) -> Result<()> {
        self.step(xid, Step::Commit { one_phase }).await.map(drop)
    }

    /// Undoes a branch, prepared or not. What it received here is handed out again, as after
    /// [`TransactedSession::rollback`](crate::TransactedSession::rollback).
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    ///
    /// # Cancel safety
    ///
    /// As [`start`](Self::start): once begun it is rolled back, and only the outcome is lost.
    pub async fn rollback(&self, xid: &Xid) -> Result<()> {
        self.step(xid, Step::Rollback).await.map(drop)
    }

    /// The branches that are prepared at the broker and not decided.
    ///
    /// # Errors
    ///
    /// When no broker answered, within what the options of the URI allow.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing but the answer is lost.
    pub async fn recover(&self) -> Result<Vec<Xid>> {
        let recover = info(&self.connection, None, TransactionInfo::RECOVER);
        let answer = self.connection.transport.request(recover.into()).await;
        match answer.map_err(|error| Error::request("recovering", error))? {
            Command::DataArrayResponse(answer) => {
                let data = answer.data.unwrap_or_default().into_iter().flatten();
                Ok(data
                    .filter_map(|command| match *command {
                        Command::XaTransactionId(id) => Some(Xid(*id)),
                        _ => None,
                    })
                    .collect())
            }
            Command::Response(_) => Ok(Vec::new()),
            other => {
                let problem = format!("recovering was answered with {}", other.name());
                Err(Error::new(ErrorKind::Protocol, problem))
            }
        }
    }

    /// Has the broker forget a branch that was decided without the transaction manager.
    ///
    /// # Errors
    ///
    /// What the broker said.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for room, nothing happens. Dropped later, it goes on.
    pub async fn forget(&self, xid: &Xid) -> Result<()> {
        let forget = info(&self.connection, Some(xid.id()), TransactionInfo::FORGET);
        self.connection.request("forgetting the branch", forget).await
    }

    async fn step(&self, xid: &Xid, step: Step) -> Result<Vote> {
        let Some(work) = self.session.work() else { return Err(Error::closed()) };
        let mut begun = match step {
            Step::Commit { .. } => Some(self.connection.meter.begin(Operation::Commit)),
            Step::Rollback => Some(self.connection.meter.begin(Operation::Rollback)),
            Step::Start | Step::End | Step::Prepare => None,
        };
        let (done, is_done) = oneshot::channel();
        let id = Box::new(xid.id());
        let take = async {
            // The task lives as long as the session.
            work.send(Work::Xa { id, step, done }).await.map_err(|_| Error::closed())?;
            is_done.await.map_err(|_| Error::closed())?
        };
        let taken = take.await;
        begun.iter_mut().for_each(|begun| begun.end(taken.as_ref()));
        taken
    }
}

impl fmt::Debug for XaSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("XaSession").field(&self.session).finish()
    }
}

/// A step of a branch, or a question about all.
pub(super) fn info(
    connection: &Shared,
    transaction_id: Option<TransactionId>,
    transaction_type: i8,
) -> TransactionInfo {
    TransactionInfo {
        connection_id: Some(connection.id.clone()),
        transaction_id,
        transaction_type,
        ..TransactionInfo::default()
    }
}
