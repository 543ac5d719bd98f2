//! Every request ends exactly once, and what has ended is not sent again.
//!
//! Catches: a request completed twice; one dropped without an outcome; a request that stays in the queue
//! after it was answered and is sent again over the next link.

use std::collections::{BTreeMap, BTreeSet};

use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen, Subject};

#[derive(Debug)]
pub(super) struct Once {
    clients: Vec<Client>,
}

#[derive(Debug, Default)]
struct Client {
    open: BTreeMap<u64, Option<Subject>>,
    /// Messages that nothing more is to be done for.
    done: BTreeSet<Subject>,
}

impl Once {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Client::default()).collect() }
    }
}

impl Invariant for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, at) => self.clients[*client].see(at),
            Seen::End => {
                for (number, client) in self.clients.iter().enumerate() {
                    let open: Vec<_> = client.open.keys().collect();
                    ensure!(open.is_empty(), "requests {open:?} of c{number} never ended");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Client {
    fn see(&mut self, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Submitted { request, command, .. } => {
                // What is in a transaction that is open is repeated with it.
                let is_repeated =
                    matches!(command, Command::Message(it) if it.transaction_id.is_some());
                self.open.insert(*request, Subject::of(command).filter(|_| !is_repeated));
            }
            AtClient::Completed { request, .. } => match self.open.remove(request) {
                Some(Some(subject @ Subject::Message(_))) => {
                    self.done.insert(subject);
                }
                Some(_) => {}
                None => return Err(format!("request {request} ended again, or never began")),
            },
            AtClient::Transmitted { command, .. } => {
                let again = Subject::of(command).filter(|subject| self.done.contains(subject));
                // One that needs no answer is done as it is sent, not before.
                ensure!(again.is_none(), "{again:?} was done, and is sent again");
            }
            _ => {}
        }
        Ok(())
    }
}
