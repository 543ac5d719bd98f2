//! The numbers that a core gives of itself are those of what was seen.
//!
//! Catches: an outcome that is not counted, or counted twice; a delivery counted that was held back and
//! dropped; an outage that is left out of the sum.

use std::time::Duration;

use rewire_failover::RequestError;
use rewire_failover::core::{Event, Incoming, Stats};
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct Numbers {
    clients: Vec<Client>,
}

/// What was seen.
#[derive(Debug, Default, PartialEq, Eq)]
struct Client {
    submitted: u64,
    /// Done, or found to be unsendable: the shell finds that of what wants no answer.
    done: u64,
    refused: u64,
    not_sent: u64,
    in_doubt: u64,
    deliveries: u64,
    links: u64,
    interruptions: u64,
    failed: u64,
    total_outage: Duration,
    is_out_since: Option<Time>,
}

impl Numbers {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Client::default()).collect() }
    }
}

impl Invariant for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn see(&mut self, now: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, at) => self.clients[*client].see(now, at),
            _ => Ok(()),
        }
    }
}

impl Client {
    fn see(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Submitted { .. } => self.submitted += 1,
            AtClient::Completed { outcome, .. } => match outcome {
                Ok(_) | Err(RequestError::Unsendable(_)) => self.done += 1,
                Err(RequestError::Refused(_)) => self.refused += 1,
                Err(
                    RequestError::NotSent(_)
                    | RequestError::TransactionFull { .. }
                    | RequestError::TransactionBroken(_),
                ) => self.not_sent += 1,
                Err(RequestError::InDoubt { .. }) => self.in_doubt += 1,
                Err(other) => return Err(format!("an outcome that has no number: {other}")),
            },
            AtClient::Delivered(Incoming::Command(_, Command::MessageDispatch(dispatch))) => {
                self.deliveries += u64::from(dispatch.message.is_some());
            }
            AtClient::Delivered(Incoming::Resumed(_)) => self.links += 1,
            AtClient::Delivered(Incoming::Interrupted(_)) => self.is_out_since = Some(now),
            AtClient::Told(Event::Interrupted { .. }) => self.interruptions += 1,
            AtClient::Told(Event::AttemptFailed { .. }) => self.failed += 1,
            AtClient::Told(Event::Incident(_)) => {
                let since = self.is_out_since.take();
                self.total_outage += since.map_or(Duration::ZERO, |since| now - since);
            }
            AtClient::Waiting { open, stats } => return self.judge(*open, stats),
            _ => {}
        }
        Ok(())
    }

    fn judge(&self, open: usize, stats: &Stats) -> Verdict {
        ensure!(stats.requests_waiting == open, "{open} wait, and {stats:?}");
        let done = stats.requests_confirmed
            + stats.requests_transmitted
            + stats.requests_answered_here
            + stats.requests_unsendable;
        let told = Self {
            submitted: stats.requests_submitted,
            done,
            refused: stats.requests_refused,
            not_sent: stats.requests_not_sent,
            in_doubt: stats.requests_in_doubt,
            deliveries: stats.deliveries,
            links: stats.links,
            interruptions: stats.interruptions,
            failed: stats.attempts_failed.total(),
            total_outage: stats.total_outage,
            is_out_since: self.is_out_since,
        };
        ensure!(told == *self, "{self:?} was seen, and {stats:?}");
        Ok(())
    }
}
