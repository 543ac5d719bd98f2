//! When nothing goes wrong any more, every client that has not given up is connected within the stated
//! time, and all that was asked for is done.
//!
//! Catches: a core that waits for what never comes, such as the answer to a command that was not sent; a
//! wait without an alarm; a queue that never has room again.

use std::collections::BTreeMap;

use rewire_failover::RequestError;
use rewire_failover::core::Incoming;
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct Healing {
    clients: Vec<Client>,
    must_be_well: bool,
}

#[derive(Debug, Default)]
struct Client {
    /// What waits for its end and is no acknowledgement.
    open: BTreeMap<u64, &'static str>,
    is_connected: bool,
    is_over: bool,
}

impl Healing {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Client::default()).collect(), must_be_well: false }
    }
}

impl Invariant for Healing {
    fn name(&self) -> &'static str {
        "healing"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::MustBeWell => {
                self.must_be_well = true;
                for (number, client) in self.clients.iter().enumerate() {
                    ensure!(client.is_connected || client.is_over, "c{number} is not connected");
                }
                Ok(())
            }
            Seen::Client(client, at) => self.clients[*client].see(at, self.must_be_well),
            _ => Ok(()),
        }
    }
}

impl Client {
    fn see(&mut self, at: &AtClient<'_>, must_be_well: bool) -> Verdict {
        match at {
            AtClient::Submitted { command: Command::MessageAck(_), .. } => {}
            AtClient::Submitted { request, command, .. } => {
                self.open.insert(*request, command.name());
            }
            AtClient::Completed { request, outcome } => {
                let what = self.open.remove(request);
                if let Some(what) = what
                    && must_be_well
                    && !self.is_over
                {
                    let is_done = matches!(outcome, Ok(_) | Err(RequestError::Refused(_)));
                    ensure!(is_done, "{what} in good times, and {outcome:?}");
                }
            }
            AtClient::Closing => {
                ensure!(
                    !must_be_well || self.is_over || self.open.is_empty(),
                    "in good times, and not done: {:?}",
                    self.open
                );
                self.is_over = true;
            }
            AtClient::Delivered(Incoming::Resumed(_)) => self.is_connected = true,
            AtClient::Delivered(Incoming::Interrupted(_)) => self.is_connected = false,
            AtClient::Delivered(Incoming::Ended(_)) => self.is_over = true,
            _ => {}
        }
        Ok(())
    }
}
