//! The record of one time without a link: why it began, what was tried, how it ended.

mod record;
mod text;

use std::time::{Duration, Instant};

pub(super) use self::record::Record;
use super::moves::MoveReason;
use crate::error::{DialError, GaveUp, LostReason, Noticed};

/// One time without a link, from the loss of one to the next, or to the end. The time before the first
/// link is one too.
///
/// Shown with `Display` it is a text of some lines, for whoever wants to know what took so long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incident {
    /// What it began with; `None` for the first link.
    pub cause: Option<Cause>,
    /// When it began.
    pub began: Instant,
    /// How long there was no link.
    pub outage: Duration,
    /// How it ended.
    pub end: IncidentEnd,
    /// What was tried, in order: the first [`FIRST_ATTEMPTS`](Self::FIRST_ATTEMPTS) and the last
    /// [`LAST_ATTEMPTS`](Self::LAST_ATTEMPTS).
    pub attempts: Vec<AttemptRecord>,
    /// How many attempts between those are not kept.
    pub attempts_left_out: u64,
    /// How often the brokers were gone through, or begun to be.
    pub rounds: u32,
    /// How much of the outage was spent waiting for the next round, or for a broker to dial.
    pub waited: Duration,
    /// What the broker that was tried last was told of the past.
    pub replayed: Replayed,
    /// How many requests were sent again that an earlier broker had been sent.
    pub requests_resent: usize,
    /// How many requests ended meanwhile without anyone knowing what became of them.
    pub requests_in_doubt: u64,
    /// How many requests ended meanwhile without having been sent.
    pub requests_not_sent: u64,
    /// How many requests brokers refused meanwhile.
    pub requests_refused: u64,
}

/// What ended a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It was lost.
    Lost {
        /// The broker at its end.
        broker: String,
        /// How.
        reason: LostReason,
        /// What noticed it first.
        noticed: Noticed,
    },
    /// It was left in order, for another broker.
    Left {
        /// The broker at its end.
        broker: String,
        /// Why.
        reason: MoveReason,
    },
}

impl Cause {
    pub(super) fn lost(broker: &str, reason: LostReason) -> Self {
        Self::Lost { broker: broker.to_owned(), noticed: reason.noticed(), reason }
    }

    pub(super) fn left(broker: &str, reason: MoveReason) -> Self {
        Self::Left { broker: broker.to_owned(), reason }
    }

    /// The broker at the end of that link.
    #[must_use]
    pub fn broker(&self) -> &str {
        match self {
            Self::Lost { broker, .. } | Self::Left { broker, .. } => broker,
        }
    }
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncidentEnd {
    /// With a link.
    Resumed {
        /// The broker at its end.
        broker: String,
    },
    /// No more was tried.
    GaveUp(GaveUp),
    /// It was closed, as asked.
    Closed,
}

/// One attempt at a link with one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// The broker.
    pub broker: String,
    /// The number of the round over all brokers, from 1.
    pub round: u32,
    /// When it began, counted from the beginning of the incident.
    pub after: Duration,
    /// How long nothing was tried before it: the wait between rounds, or zero.
    pub waited: Duration,
    /// How long it took, from the dial to its end.
    pub took: Duration,
    /// Whether the link was a standby's that was ready, so that nothing had to be dialled.
    pub is_standby: bool,
    /// How long the parts of the dial took. A dial that was begun for a standby may have taken longer
    /// than the attempt.
    pub dial: DialTimes,
    /// How long the broker took to answer the replay, or had taken when it failed; `None` when nothing
    /// was replayed.
    pub replay: Option<Duration>,
    /// How it ended.
    pub end: AttemptEnd,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// The link is used from now on.
    Succeeded,
    /// It failed.
    Failed(DialError),
    /// It was given up for a link that was there sooner, or because of the end.
    Abandoned,
}

/// How long the parts of a dial took; `None` for what was not come to. What failed last has the time
/// until it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialTimes {
    /// Looking up the name.
    pub resolve: Option<Duration>,
    /// Connecting, over all addresses that were tried.
    pub connect: Option<Duration>,
    /// Reading what TLS needs, and its handshake.
    pub tls: Option<Duration>,
    /// OpenWire's handshake.
    pub handshake: Option<Duration>,
}

/// How many commands a replay had, by what they declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// The connection itself, in two commands.
    pub connection: usize,
    /// Temporary destinations.
    pub temporary_destinations: usize,
    /// Sessions.
    pub sessions: usize,
    /// Producers.
    pub producers: usize,
    /// Consumers.
    pub consumers: usize,
    /// Steps of transactions.
    pub transactions: usize,
    /// Messages, of transactions or from the cache.
    pub messages: usize,
    /// Anything else.
    pub others: usize,
}

impl Incident {
    /// How many of the first attempts are kept.
    pub const FIRST_ATTEMPTS: usize = 16;
    /// How many of the last attempts are kept.
    pub const LAST_ATTEMPTS: usize = 48;

    /// How many attempts there were, kept or not.
    #[must_use]
    pub fn attempts_made(&self) -> u64 {
        self.attempts.len() as u64 + self.attempts_left_out
    }

    /// Whether a standby took over.
    #[must_use]
    pub fn has_taken_standby(&self) -> bool {
        let last = self.attempts.last();
        last.is_some_and(|last| last.is_standby && last.end == AttemptEnd::Succeeded)
    }
}

impl Replayed {
    /// All commands.
    #[must_use]
    pub const fn total(&self) -> usize {
        let Self { connection, temporary_destinations, sessions, producers, .. } = self;
        let Self { consumers, transactions, messages, others, .. } = self;
        *connection
            + *temporary_destinations
            + *sessions
            + *producers
            + *consumers
            + *transactions
            + *messages
            + *others
    }
}
