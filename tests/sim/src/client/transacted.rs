//! An application's local transactions: one at a time, in a session of their own.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use rewire_failover::RequestError;
use rewire_failover::core::Completion;
use rewire_protocol::{
    Command, ConnectionId, LocalTransactionId, Message, TransactionId, TransactionInfo,
};

use super::Submission;
use super::app::Purpose;
use crate::broker::queue_name;
use crate::world::Ctx;

/// The session of all that is sent in transactions.
pub(crate) const SESSION: i64 = 0;
/// Its only producer.
pub(crate) const PRODUCER: i64 = 1;

/// The transactions of an application.
#[derive(Debug)]
pub(crate) struct Transacted {
    connection: ConnectionId,
    /// The time between two steps, on average; zero without transactions.
    pub(crate) pace: Duration,
    /// The share of messages that are larger than some brokers take.
    large: f64,
    /// The one that is open, or ending.
    open: Option<Open>,
    last: i64,
    next_message: i64,
}

#[derive(Debug)]
struct Open {
    number: i64,
    /// How many messages are still to be sent.
    left: u32,
    /// Messages that are not answered.
    unanswered: BTreeSet<i64>,
    /// Whether a message of it was not sent, so that it is rolled back.
    has_failed: bool,
    is_ending: bool,
}

impl Transacted {
    pub(crate) const fn new(connection: ConnectionId, pace: Duration, large: f64) -> Self {
        Self { connection, pace, large, open: None, last: 0, next_message: 1 }
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The next step, if there is one to take. Without a session only what was begun is ended.
    pub(crate) fn step(&mut self, ctx: &mut Ctx, has_session: bool) -> Option<Submission> {
        let completion =
            if ctx.rng.random_bool(0.5) { Completion::Transmitted } else { Completion::Answered };
        let Some(open) = &mut self.open else {
            if !has_session {
                return None;
            }
            self.last += 1;
            self.open = Some(Open {
                number: self.last,
                left: ctx.rng.random_range(1..5),
                unanswered: BTreeSet::new(),
                has_failed: false,
                is_ending: false,
            });
            return Some(self.request(TransactionInfo::BEGIN, completion));
        };
        if open.is_ending {
            return None;
        }
        open.has_failed |= !has_session;
        if open.left > 0 && !open.has_failed {
            open.left -= 1;
            let number = self.next_message;
            self.next_message += 1;
            if completion == Completion::Answered {
                open.unanswered.insert(number);
            }
            let purpose = Purpose::InTransaction(open.number, number);
            let command = self.message(ctx, number);
            return Some(Submission::Request { command, completion, link: None, purpose });
        }
        // Whoever waits for answers has them before it commits.
        if !open.unanswered.is_empty() && !open.has_failed {
            return None;
        }
        open.is_ending = true;
        let rolls_back = open.has_failed || ctx.rng.random_bool(0.2);
        let step =
            if rolls_back { TransactionInfo::ROLLBACK } else { TransactionInfo::COMMIT_ONE_PHASE };
        Some(self.request(step, Completion::Answered))
    }

    fn message(&self, ctx: &mut Ctx, number: i64) -> Box<Command> {
        let id = self.connection.session(SESSION).producer(PRODUCER);
        let is_large = self.large > 0.0 && ctx.rng.random_bool(self.large);
        let message = Message {
            message_id: Some(id.message(number)),
            producer_id: Some(id),
            destination: Some(queue_name(ctx.rng.random_range(0..super::app::QUEUES))),
            persistent: ctx.rng.random_bool(0.8),
            transaction_id: Some(self.id()),
            content: is_large.then(|| Bytes::from_static(&[0; 2000])),
            ..Message::default()
        };
        Box::new(message.into())
    }

    fn id(&self) -> TransactionId {
        let connection_id = Some(self.connection.clone());
        TransactionId::Local(LocalTransactionId { value: self.last, connection_id })
    }

    fn request(&self, transaction_type: i8, completion: Completion) -> Submission {
        let info = TransactionInfo {
            connection_id: Some(self.connection.clone()),
            transaction_id: Some(self.id()),
            transaction_type,
            ..TransactionInfo::default()
        };
        let purpose = if transaction_type == TransactionInfo::BEGIN {
            Purpose::InTransaction(self.last, 0)
        } else {
            Purpose::EndOfTransaction(self.last)
        };
        Submission::Request { command: Box::new(info.into()), completion, link: None, purpose }
    }

    /// A part of it was answered, or will not be.
    pub(crate) fn on_part(&mut self, number: i64, part: i64, failed: bool) {
        if let Some(open) = self.open.as_mut().filter(|open| open.number == number) {
            open.unanswered.remove(&part);
            open.has_failed |= failed;
        }
    }

    /// It is over, unless its commit was not sent or not wanted: then it is rolled back.
    pub(crate) fn on_end(&mut self, number: i64, error: Option<&RequestError>) {
        let is_open =
            matches!(error, Some(RequestError::NotSent(_) | RequestError::TransactionBroken(_)));
        if let Some(open) = self.open.as_mut().filter(|open| open.number == number) {
            if is_open && !open.has_failed {
                open.is_ending = false;
                open.has_failed = true;
            } else {
                self.open = None;
            }
        }
    }
}
