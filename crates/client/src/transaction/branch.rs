//! The steps of a branch, in the task that owns what the session received.

use rewire_failover::core::{Completion, LinkId};
use rewire_failover::{GaveUp, RequestError};
use rewire_protocol::{Command, TransactionId, TransactionInfo};

use super::core::Standing;
use super::task::{Transactor, rolled_back};
use super::xa::{Step, Vote, info};
use crate::error::{Error, ErrorKind, Result};

/// A branch that was ended and is not decided.
#[derive(Debug)]
pub(super) struct Ended {
    id: TransactionId,
    /// The link whose messages it received.
    link: Option<LinkId>,
    /// Whether it is the broker's, which keeps it in its store: prepared, or perhaps.
    is_brokers: bool,
}

/// Java: `XAResource.XA_RDONLY`.
const READ_ONLY: i32 = 3;

impl Transactor {
    pub(super) async fn take_step(&mut self, id: TransactionId, step: Step) -> Result<Vote> {
        match step {
            Step::Start => self.start(id).await.map(|()| Vote::Commit),
            Step::End => self.end_branch(id).await.map(|()| Vote::Commit),
            Step::Prepare => self.prepare(id).await,
            Step::Commit { one_phase } => self.decide(id, one_phase).await.map(|()| Vote::Commit),
            Step::Rollback => self.undo(id).await.map(|()| Vote::Commit),
        }
    }

    async fn start(&mut self, id: TransactionId) -> Result<()> {
        if self.core.id().is_some() {
            return Err(Error::misuse("another branch is worked in, and is to be ended first"));
        }
        if self.ended.as_ref().is_some_and(|ended| ended.link.is_some()) {
            let problem = "a branch that has received is to be committed or rolled back first";
            return Err(Error::misuse(problem));
        }
        self.ended = None;
        let begin = info(&self.connection, Some(id.clone()), TransactionInfo::BEGIN);
        self.connection.request("the start of the branch", begin).await?;
        self.core.open(id);
        Ok(())
    }

    async fn end_branch(&mut self, id: TransactionId) -> Result<()> {
        if self.core.id() != Some(&id) {
            return Err(Error::misuse("this branch is not worked in"));
        }
        let current = *self.connection.link.borrow();
        let link = match self.core.standing(current) {
            Standing::Free => None,
            Standing::Bound(link) => Some(link),
            Standing::Doomed => {
                self.undo(id).await?;
                return Err(rolled_back(&"the link that its messages came over is gone"));
            }
        };
        for ack in link.map(|link| self.core.acks(link)).unwrap_or_default() {
            self.connection.say(ack.into(), link).await;
        }
        self.core.close();
        self.ended = Some(Ended { id: id.clone(), link, is_brokers: false });
        self.ask("the end of the branch", id, TransactionInfo::END).await.map(drop)
    }

    async fn prepare(&mut self, id: TransactionId) -> Result<Vote> {
        let answer = self.ask("the vote", id.clone(), TransactionInfo::PREPARE).await;
        let is_read_only = matches!(
            &answer,
            Ok(Command::IntegerResponse(vote)) if vote.result == READ_ONLY
        );
        if is_read_only {
            self.settle_branch(&id).await;
            return Ok(Vote::ReadOnly);
        }
        let may_be_prepared = match &answer {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::InDoubt,
        };
        if may_be_prepared && let Some(ended) = self.ended.as_mut().filter(|ended| ended.id == id) {
            ended.is_brokers = true;
        }
        answer.map(|_| Vote::Commit)
    }

    async fn decide(&mut self, id: TransactionId, one_phase: bool) -> Result<()> {
        let kind = match one_phase {
            true => TransactionInfo::COMMIT_ONE_PHASE,
            false => TransactionInfo::COMMIT_TWO_PHASE,
        };
        let answer = self.ask("the commit", id.clone(), kind).await;
        let is_over = match &answer {
            Ok(_) => true,
            // Two phases can be asked for again; what was received is the broker's to send.
            Err(error) => error.kind() == ErrorKind::InDoubt,
        };
        if is_over {
            self.settle_branch(&id).await;
        }
        answer.map(drop)
    }

    async fn undo(&mut self, id: TransactionId) -> Result<()> {
        let is_open = self.core.id() == Some(&id);
        let is_ours = is_open || self.ended.as_ref().is_some_and(|ended| ended.id == id);
        let rollback = info(&self.connection, Some(id), TransactionInfo::ROLLBACK);
        let outcome = self.connection.transport.request(rollback.into()).await;
        if is_ours {
            self.ended = None;
            self.hand_out_again().await;
        }
        match outcome {
            // A broker that does not know a branch that was not prepared has undone it.
            Err(RequestError::Refused(_)) if is_open => Ok(()),
            other => other.map(drop).map_err(|error| Error::request("the rollback", error)),
        }
    }

    /// Asks for a step, over the link alone whose messages the branch received, until it is prepared.
    async fn ask(&mut self, what: &str, id: TransactionId, kind: i8) -> Result<Command> {
        let ours = self.ended.as_ref().filter(|ended| ended.id == id && !ended.is_brokers);
        let link = ours.and_then(|ended| ended.link);
        let step = info(&self.connection, Some(id.clone()), kind);
        let transport = &self.connection.transport;
        match transport.submit(step.into(), Completion::Answered, link).await.await {
            Err(RequestError::NotSent(GaveUp::LinkGone)) => {
                self.undo(id).await?;
                Err(rolled_back(&"the link that its messages came over is gone"))
            }
            // A message of it was lost here.
            Err(broken @ RequestError::TransactionBroken(_)) => {
                self.undo(id).await?;
                Err(rolled_back(&broken))
            }
            answer => answer.map_err(|error| Error::request(what, error)),
        }
    }

    /// A branch is decided, and what it received is not handed out again from here.
    async fn settle_branch(&mut self, id: &TransactionId) {
        if self.ended.as_ref().is_some_and(|ended| ended.id == *id) {
            self.ended = None;
            self.settle().await;
        }
    }
}
