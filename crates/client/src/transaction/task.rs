//! The task that owns a session's transactions: all their work goes through it, in order.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_failover::core::Completion;
use rewire_failover::transport::Promise;
use rewire_failover::{GaveUp, RequestError};
use rewire_protocol::{Command, ConsumerId, Message, MessageId, TransactionId, TransactionInfo};
use tokio::sync::{mpsc, oneshot};

use super::branch::Ended;
use super::core::{Standing, TransactionCore};
use super::xa::{Step, Vote};
use crate::connection::{Shared, chance};
use crate::consumer::buffer::Buffer;
use crate::consumer::core::Ack;
use crate::consumer::hands::{Hands, Settled};
use crate::consumer::redelivery;
use crate::consumer::unacknowledged::Delivered;
use crate::error::{Error, ErrorKind, Result};

/// Work that may wait; whoever has more waits.
const WORK: usize = 256;

/// What producers, consumers and the session want of the transaction.
pub(crate) enum Work {
    /// A message is to be sent in it.
    Send { message: Box<Message>, promise: Promise },
    /// A message is about to be handed out.
    Delivered { delivered: Box<Delivered>, buffer: Arc<Buffer> },
    /// A message is not handed out, and the broker is told why.
    Refused { consumer: ConsumerId, ack: Box<Ack>, buffer: Arc<Buffer> },
    /// A consumer is gone.
    Gone(Box<Gone>),
    /// A step of a transaction manager's branch.
    Xa { id: Box<TransactionId>, step: Step, done: oneshot::Sender<Result<Vote>> },
    /// It ends.
    End { how: End, done: oneshot::Sender<Result<()>> },
}

/// A consumer that is gone.
pub(crate) struct Gone {
    pub(crate) consumer: ConsumerId,
    /// What was noted to be handed out, and was not.
    pub(crate) unseen: Option<MessageId>,
    /// What is to be said of it.
    pub(crate) goodbye: Command,
    /// Whoever waits for that to be said, or to be put off.
    pub(crate) done: Option<oneshot::Sender<Result<()>>>,
    /// Dropped when that is on its way, or put off.
    pub(crate) said: Option<oneshot::Sender<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Rollback,
}

/// Starts the task. It ends with the sender that is returned.
///
/// Where a transaction manager decides (`is_xa`), transactions do not begin by themselves.
pub(crate) fn start(connection: Arc<Shared>, is_xa: bool) -> mpsc::Sender<Work> {
    let (sender, work) = mpsc::channel(WORK);
    let core = TransactionCore::new(connection.id.clone());
    let transactor = Transactor { connection, core, is_xa, ended: None, buffers: HashMap::new() };
    tokio::spawn(transactor.run(work));
    sender
}

pub(super) struct Transactor {
    pub(super) connection: Arc<Shared>,
    pub(super) core: TransactionCore,
    /// Whether a transaction manager decides.
    is_xa: bool,
    /// The branch that was ended last and is not decided.
    pub(super) ended: Option<Ended>,
    /// Of consumers that handed out messages.
    buffers: HashMap<ConsumerId, Arc<Buffer>>,
}

impl Transactor {
    async fn run(mut self, mut work: mpsc::Receiver<Work>) {
        while let Some(work) = work.recv().await {
            match work {
                Work::Send { message, promise } => self.send(message, promise).await,
                Work::Delivered { delivered, buffer } => {
                    self.on_delivered(*delivered, buffer).await
                }
                Work::Refused { consumer, ack, buffer } => {
                    self.core.on_expired(&consumer, ack.link);
                    let link = ack.link;
                    let ack = ack.into_command(consumer, buffer.destination().clone());
                    self.connection.say(ack.into(), Some(link)).await;
                }
                Work::Gone(gone) => self.on_gone(*gone).await,
                Work::Xa { id, step, done } => {
                    let _ = done.send(self.take_step(*id, step).await);
                }
                Work::End { how, done } => {
                    let ended = match how {
                        End::Commit => self.commit().await,
                        End::Rollback => self.roll_back().await,
                    };
                    // Whoever asked may have gone.
                    let _ = done.send(ended);
                }
            }
        }
        // Nobody is left to end it, or to wait for that.
        if let Some(rollback) = self.core.step(TransactionInfo::ROLLBACK) {
            self.connection.say(rollback.into(), None).await;
        }
        for goodbye in self.core.ended() {
            self.connection.say(goodbye, None).await;
        }
    }

    async fn begin(&mut self) {
        if self.is_xa {
            return;
        }
        let connection = &self.connection;
        if let Some(begin) = self.core.begin(|| connection.next_transaction()) {
            self.connection.say(begin.into(), None).await;
        }
    }

    async fn send(&mut self, mut message: Box<Message>, promise: Promise) {
        self.begin().await;
        message.transaction_id = self.core.id().cloned();
        let transport = &self.connection.transport;
        let how = Completion::Transmitted;
        transport.submit_promised(message.into(), how, None, promise).await;
    }

    async fn on_delivered(&mut self, delivered: Delivered, buffer: Arc<Buffer>) {
        self.begin().await;
        let link = delivered.dispatched.link;
        self.buffers.insert(delivered.consumer.clone(), buffer);
        if let Some(ack) = self.core.on_delivered(delivered) {
            self.connection.say(ack.into(), Some(link)).await;
        }
    }

    async fn on_gone(&mut self, gone: Gone) {
        let Gone { consumer, unseen, goodbye, done, said: _said } = gone;
        self.buffers.remove(&consumer);
        match (self.core.on_gone(&consumer, unseen.as_ref(), goodbye), done) {
            (Some(goodbye), Some(done)) => {
                let connection = self.connection.clone();
                // A broker that does not answer is not to hold the others up.
                tokio::spawn(async move {
                    let _ = done.send(connection.request("closing the consumer", goodbye).await);
                });
            }
            (Some(goodbye), None) => self.connection.say(goodbye, None).await,
            // It is said when the transaction has ended.
            (None, Some(done)) => {
                let _ = done.send(Ok(()));
            }
            (None, None) => {}
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let Some(commit) = self.core.step(TransactionInfo::COMMIT_ONE_PHASE) else {
            return Ok(());
        };
        let current = *self.connection.link.borrow();
        let link = match self.core.standing(current) {
            Standing::Free => None,
            Standing::Bound(link) => Some(link),
            Standing::Doomed => {
                self.roll_back().await?;
                return Err(rolled_back(&"the link that its messages came over is gone"));
            }
        };
        for ack in link.map(|link| self.core.acks(link)).unwrap_or_default() {
            self.connection.say(ack.into(), link).await;
        }
        let transport = &self.connection.transport;
        match transport.submit(commit.into(), Completion::Answered, link).await.await {
            Ok(_) => {
                self.settle().await;
                Ok(())
            }
            Err(error @ RequestError::InDoubt { .. }) => {
                self.settle().await;
                Err(Error::request("the commit", error))
            }
            // Bound to its link, or refused by the broker or for a message that was lost.
            Err(
                error @ (RequestError::NotSent(GaveUp::LinkGone)
                | RequestError::Refused(_)
                | RequestError::TransactionBroken(_)),
            ) => {
                self.roll_back().await?;
                Err(match error {
                    RequestError::Refused(cause) => Error::rolled_back_by(cause),
                    other => rolled_back(&other),
                })
            }
            // It waited for too long, or there will be no broker: nobody is left with it.
            Err(error @ RequestError::NotSent(_)) => Err(match self.roll_back().await {
                Ok(()) => rolled_back(&error),
                Err(_) => Error::request("the commit", error),
            }),
            Err(error) => {
                self.settle().await;
                Err(Error::request("the commit", error))
            }
        }
    }

    /// Asks the broker to undo it, and hands out again what it received. A broker that does not know it
    /// has undone it.
    async fn roll_back(&mut self) -> Result<()> {
        let Some(rollback) = self.core.step(TransactionInfo::ROLLBACK) else { return Ok(()) };
        let outcome = self.connection.transport.request(rollback.into()).await;
        self.hand_out_again().await;
        match outcome {
            Ok(_) | Err(RequestError::Refused(_)) => Ok(()),
            Err(error) => Err(Error::request("the rollback", error)),
        }
    }

    /// What was received is handed out again, or is poison, or comes again from the broker.
    pub(super) async fn hand_out_again(&mut self) {
        let current = *self.connection.link.borrow();
        let all = self.core.rolled_back(current, chance());
        for goodbye in self.core.take_goodbyes() {
            self.connection.say(goodbye, None).await;
        }
        for (consumer, rolled_back) in all {
            if let Some(buffer) = self.buffers.get(&consumer) {
                redelivery::carry_out(&self.connection, buffer, rolled_back).await;
            }
        }
        self.put_down(Hands::put_down_for_later).await;
    }

    /// It is over, one way or the other, and what it received is not handed out again from here.
    pub(super) async fn settle(&mut self) {
        for goodbye in self.core.ended() {
            self.connection.say(goodbye, None).await;
        }
        self.put_down(Hands::put_down_all).await;
    }

    /// What was in the application's hands is done: a link that is being left may be left.
    async fn put_down(&self, how: fn(&Hands) -> Option<Settled>) {
        for (consumer, buffer) in &self.buffers {
            if let Some(Settled { link, last_delivered }) = how(&buffer.hands) {
                let transport = &self.connection.transport;
                transport.settled(link, consumer.clone(), last_delivered).await;
            }
        }
    }
}

pub(super) fn rolled_back(reason: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::RolledBack, format!("the transaction was rolled back: {reason}"))
}
