//! An outcome is true: what was not sent was heard by nobody, what is in doubt was sent, what is refused
//! was refused by a broker, what is answered was answered by one.
//!
//! Catches: a tried broker that is not noted, so that what was sent is called not sent; an answer taken
//! for that of another request; success for what never left.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::RequestError;
use rewire_failover::core::Completion;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, AtClient, Seen, Subject};

#[derive(Debug)]
pub(super) struct Truth {
    clients: Vec<Client>,
}

#[derive(Debug, Default)]
struct Client {
    open: BTreeMap<u64, (Subject, Completion)>,
    numbers: BTreeMap<i32, Subject>,
    sent: BTreeSet<Subject>,
    heard: BTreeSet<Subject>,
    refused: BTreeSet<Subject>,
    unsendable: BTreeSet<Subject>,
}

impl Truth {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Client::default()).collect() }
    }
}

impl Invariant for Truth {
    fn name(&self) -> &'static str {
        "truth"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, at) => self.clients[*client].see(at),
            Seen::Broker(_, AtBroker::Heard { client, command, .. }) => {
                self.clients[*client].heard.extend(Subject::of(command));
                Ok(())
            }
            Seen::Broker(_, AtBroker::Refused { client, number, .. }) => {
                let client = &mut self.clients[*client];
                client.refused.extend(client.numbers.get(number).cloned());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Client {
    fn see(&mut self, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Submitted { request, command, completion, .. } => {
                if let Some(subject) = Subject::of(command) {
                    self.open.insert(*request, (subject, *completion));
                }
            }
            AtClient::Transmitted { command, .. } => {
                if let Some(subject) = Subject::of(command) {
                    self.sent.insert(subject.clone());
                    self.numbers.insert(command.command_id(), subject);
                }
            }
            AtClient::Unsendable { number, .. } => {
                self.unsendable.extend(self.numbers.get(number).cloned());
            }
            AtClient::Completed { request, outcome } => {
                if let Some((subject, completion)) = self.open.remove(request) {
                    let error = outcome.as_ref().err();
                    return self.judge(&subject, completion, error);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn judge(
        &self,
        subject: &Subject,
        completion: Completion,
        error: Option<&RequestError>,
    ) -> Verdict {
        let was_sent = self.sent.contains(subject);
        match error {
            None if completion == Completion::Transmitted => {
                ensure!(was_sent, "{subject:?} is called done and was never sent");
            }
            None => {
                let heard = self.heard.contains(subject);
                ensure!(heard, "{subject:?} is called answered and no broker has heard it");
            }
            Some(RequestError::NotSent(_)) => {
                ensure!(!was_sent, "{subject:?} is called not sent and was sent");
            }
            Some(RequestError::InDoubt { .. }) => {
                ensure!(was_sent, "{subject:?} is called in doubt and was never sent");
            }
            Some(RequestError::Refused(_)) => {
                let refused = self.refused.contains(subject);
                ensure!(refused, "{subject:?} is called refused and no broker has refused it");
            }
            Some(RequestError::Unsendable(_)) => {
                let unsendable = self.unsendable.contains(subject);
                ensure!(unsendable, "{subject:?} is called unsendable and is not");
            }
            Some(_) => {}
        }
        Ok(())
    }
}
