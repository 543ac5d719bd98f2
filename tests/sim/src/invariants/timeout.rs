//! With the option `timeout`, a message that waits without a link fails when the time is over, to the
//! moment: not before, and not later because something hangs.
//!
//! Catches: the timer not set while a dial hangs; the time counted from the wrong moment; a time-out
//! before its time; one for what is no message.

use std::collections::BTreeMap;
use std::time::Duration;

use rewire_failover::core::Incoming;
use rewire_failover::{GaveUp, RequestError};
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::plan::Plan;
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct Timeouts {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    timeout: Option<Duration>,
    /// Since when there is no link.
    since: Option<Time>,
    /// When each message that waits was submitted.
    open: BTreeMap<u64, Time>,
}

impl Timeouts {
    pub(super) fn new(plan: &Plan) -> Self {
        let clients = plan.clients.iter().map(|client| Client {
            timeout: client.timeout,
            since: Some(Time::ZERO),
            open: BTreeMap::new(),
        });
        Self { clients: clients.collect() }
    }
}

impl Invariant for Timeouts {
    fn name(&self) -> &'static str {
        "timeout"
    }

    fn see(&mut self, now: Time, seen: &Seen<'_>) -> Verdict {
        for (number, client) in self.clients.iter().enumerate() {
            if let (Some(since), Some(timeout), Some((request, submitted))) =
                (client.since, client.timeout, client.open.first_key_value())
            {
                let due = (*submitted).max(since) + timeout;
                ensure!(now <= due, "request {request} of c{number} waits since {since:?}");
            }
        }
        let Seen::Client(client, at) = seen else { return Ok(()) };
        self.clients[*client].see(now, at)
    }
}

impl Client {
    fn see(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Submitted { request, command: Command::Message(_), .. } => {
                self.open.insert(*request, now);
            }
            AtClient::Completed { request, outcome } => {
                let submitted = self.open.remove(request);
                if let Err(
                    RequestError::NotSent(GaveUp::TimedOut(limit))
                    | RequestError::InDoubt { reason: GaveUp::TimedOut(limit), .. },
                ) = outcome
                {
                    ensure!(Some(*limit) == self.timeout, "a limit of {limit:?}");
                    let (Some(submitted), Some(since)) = (submitted, self.since) else {
                        return Err(format!("request {request} is no message without a link"));
                    };
                    let due = submitted.max(since) + *limit;
                    ensure!(now == due, "request {request} was to wait until {due:?}");
                }
            }
            AtClient::Delivered(Incoming::Resumed(_) | Incoming::Ended(_)) => self.since = None,
            AtClient::Delivered(Incoming::Interrupted(_)) => self.since = Some(now),
            _ => {}
        }
        Ok(())
    }
}
