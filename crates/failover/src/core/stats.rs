//! What has happened since the start, in numbers: counted as it is said.

use std::collections::{VecDeque, vec_deque};
use std::time::{Duration, Instant};

use rewire_protocol::Command;

use super::FailoverCore;
use super::incident::{Cause, Incident};
use super::io::{Event, Incoming, Output};
use crate::error::{DialError, RequestError};

/// What has happened since the start, in numbers. A copy: it does not change by itself.
///
/// A request that is done counts in exactly one of `requests_confirmed`, `requests_transmitted`,
/// `requests_answered_here`, `requests_refused`, `requests_not_sent`, `requests_in_doubt` and
/// `requests_unsendable`; one that is not, in `requests_waiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Links that came to be used: the first, and one after each interruption.
    pub links: u64,
    /// Links that were lost.
    pub interruptions: u64,
    /// Times that the brokers were gone through, or begun to be.
    pub rounds: u64,
    /// Attempts at a link, a broker each, that were begun. Dials of standbys are none.
    pub attempts: u64,
    /// Those that failed, by what went wrong.
    pub attempts_failed: Failures,
    /// Commands that brokers which took over were told again.
    pub commands_replayed: u64,
    /// Requests that had been sent to an earlier broker and were sent again.
    pub requests_resent: u64,

    /// Requests taken in.
    pub requests_submitted: u64,
    /// Requests that a broker has answered with success.
    pub requests_confirmed: u64,
    /// Requests that want no answer and were handed to a link.
    pub requests_transmitted: u64,
    /// Requests that needed no broker, there being none: what is to end has ended with the link.
    pub requests_answered_here: u64,
    /// Requests that a broker has refused.
    pub requests_refused: u64,
    /// Requests that failed and never left.
    pub requests_not_sent: u64,
    /// Requests that were sent, and nobody knows what became of them.
    pub requests_in_doubt: u64,
    /// Requests that cannot be put on the wire.
    pub requests_unsendable: u64,
    /// Requests that wait for a broker or for its answer, now.
    pub requests_waiting: usize,
    /// What those weigh, in bytes, as [`QueueLimits::bytes`](super::QueueLimits::bytes) counts.
    pub bytes_waiting: usize,
    /// Messages that the cache had no room for, or none any more, and that would not be sent again after a
    /// failover.
    pub cache_evictions: u64,

    /// Messages that brokers have dispatched, and that were handed on.
    pub deliveries: u64,
    /// Times that the known cluster has changed.
    pub topology_changes: u64,
    /// Links that were left in order, for another broker.
    pub moves: u64,

    /// Standbys that became ready.
    pub standbys_made: u64,
    /// Standbys that were ready and were lost.
    pub standbys_lost: u64,
    /// Standbys that could not be had.
    pub standbys_failed: u64,
    /// Standbys that are ready, now.
    pub standbys_ready: usize,

    /// How long there was no link, over all interruptions and moves that are over.
    pub total_outage: Duration,
    /// The longest of them.
    pub longest_outage: Duration,
    /// Since when there is no link that can be used, if there is none now and one is looked for.
    pub no_link_since: Option<Instant>,
}

/// Failed attempts, by what went wrong: a number for each [`DialError`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failures {
    /// The name had no address.
    pub resolve: u64,
    /// No address took the connection.
    pub connect: u64,
    /// It took too long.
    pub timed_out: u64,
    /// TLS failed.
    pub tls: u64,
    /// There were no credentials to show.
    pub credentials: u64,
    /// The peer did not become a broker, or left before it had heard all.
    pub handshake: u64,
    /// The address could not be dialled at all.
    pub unsupported: u64,
    /// The broker refused the client.
    pub refused: u64,
}

impl Failures {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { resolve, connect, timed_out, tls, credentials, .. } = self;
        let Self { handshake, unsupported, refused, .. } = self;
        let before = *resolve + *connect + *timed_out + *tls + *credentials;
        before + *handshake + *unsupported + *refused
    }

    const fn count(&mut self, error: &DialError) {
        *match error {
            DialError::Resolve(_) => &mut self.resolve,
            DialError::Connect(_) => &mut self.connect,
            DialError::TimedOut(_) => &mut self.timed_out,
            DialError::Tls(_) => &mut self.tls,
            DialError::Credentials(_) => &mut self.credentials,
            DialError::Handshake(_) => &mut self.handshake,
            DialError::Unsupported(_) => &mut self.unsupported,
            DialError::Refused(_) => &mut self.refused,
        } += 1;
    }
}

impl Stats {
    fn count(&mut self, output: &Output) {
        match output {
            Output::Deliver(Incoming::Command(_, Command::MessageDispatch(dispatch))) => {
                self.deliveries += u64::from(dispatch.message.is_some());
            }
            Output::Complete(_, Ok(_)) => self.requests_confirmed += 1,
            Output::Complete(_, Err(error)) => match error {
                RequestError::Refused(_) => self.requests_refused += 1,
                RequestError::NotSent(_)
                | RequestError::TransactionFull { .. }
                | RequestError::TransactionBroken(_) => self.requests_not_sent += 1,
                RequestError::InDoubt { .. } => self.requests_in_doubt += 1,
                RequestError::Unsendable(_) => self.requests_unsendable += 1,
            },
            Output::Event(event) => self.count_event(event),
            Output::Transmit(_, _, Some(_)) => self.requests_transmitted += 1,
            Output::Dial(..)
            | Output::Transmit(_, _, None)
            | Output::Hangup(_)
            | Output::Deliver(_) => {}
        }
    }

    fn count_event(&mut self, event: &Event) {
        match event {
            Event::Connected { .. } => self.links += 1,
            Event::Interrupted { .. } => self.interruptions += 1,
            Event::AttemptFailed { error, .. } => self.attempts_failed.count(error),
            Event::Resumed { replayed, resent, .. } => {
                self.links += 1;
                self.commands_replayed += *replayed as u64;
                self.requests_resent += *resent as u64;
            }
            Event::Incident(incident) => self.count_incident(incident),
            Event::TopologyChanged(_) => self.topology_changes += 1,
            Event::StandbyReady { .. } => self.standbys_made += 1,
            Event::StandbyLost { .. } => self.standbys_lost += 1,
            Event::Rebalancing { .. }
            | Event::CacheEvicted { .. }
            | Event::GaveUp(_)
            | Event::Closed => {}
        }
    }

    fn count_incident(&mut self, incident: &Incident) {
        // Before the first link there was nothing that could be out.
        let Some(cause) = &incident.cause else { return };
        self.total_outage += incident.outage;
        self.longest_outage = self.longest_outage.max(incident.outage);
        self.moves += u64::from(matches!(cause, Cause::Left { .. }));
    }
}

/// What the core says and nobody has taken out yet; each output is counted when it is put in.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    outputs: VecDeque<Output>,
    /// What is counted; what nobody is told of is counted where it happens.
    pub(super) stats: Stats,
}

impl Outbox {
    pub(super) fn push_back(&mut self, output: Output) {
        self.stats.count(&output);
        self.outputs.push_back(output);
    }

    /// Puts in what is counted elsewhere.
    pub(super) fn push_uncounted(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn drain(&mut self) -> vec_deque::Drain<'_, Output> {
        self.outputs.drain(..)
    }
}

impl FailoverCore {
    /// What has happened until now, in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            requests_waiting: self.requests.len(),
            bytes_waiting: self.requests.bytes(),
            standbys_ready: self.standbys.iter().filter(|standby| standby.is_ready()).count(),
            cache_evictions: self.tracker.evicted(),
            no_link_since: self.outage.as_ref().map(|outage| outage.since),
            ..self.outputs.stats
        }
    }
}
