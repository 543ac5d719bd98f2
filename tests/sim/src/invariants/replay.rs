//! What a new broker hears, and in which order: who the client is, its temporary destinations, its
//! sessions with producers and then consumers, each with its first number, all there is and nothing that
//! was removed; and only then requests, in the order in which they were submitted.
//!
//! Catches: requests sent before the replay is accepted, or out of order; a declaration missing from the
//! replay; a removed one in it; one with a new number.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::core::{Incoming, LinkId};
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen, Subject};

#[derive(Debug)]
pub(super) struct Replays {
    clients: Vec<Client>,
}

#[derive(Debug, Default)]
struct Client {
    links: BTreeMap<LinkId, Link>,
    open: BTreeMap<u64, Subject>,
    /// What brokers have accepted and nobody has removed.
    has: BTreeSet<Subject>,
    removed: BTreeSet<Subject>,
    numbers: BTreeMap<Subject, i32>,
    had_link: bool,
}

#[derive(Debug, Default)]
struct Link {
    /// What it was told before it counted as there.
    replayed: Vec<Subject>,
    commands: usize,
    /// Numbers of what it was told then and has not answered.
    unanswered: BTreeSet<i32>,
    /// Whether transactions are being repeated: what is declared comes before them.
    has_transactions: bool,
    is_resumed: bool,
    /// The number of the last request.
    last: i32,
}

impl Replays {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Client::default()).collect() }
    }
}

impl Invariant for Replays {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, at) => self.clients[*client].see(at),
            _ => Ok(()),
        }
    }
}

impl Client {
    fn see(&mut self, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Submitted { request, command, .. } => {
                if let Some(subject) = Subject::of(command) {
                    self.open.insert(*request, subject);
                }
                if let Some(ended) = Subject::removed_by(command) {
                    self.forget(&ended);
                }
            }
            AtClient::Completed { request, outcome } => {
                let subject = self.open.remove(request);
                let is_message = matches!(subject, Some(Subject::Message(_)));
                if let Some(subject) = subject.filter(|_| outcome.is_ok() && !is_message)
                    && !self.removed.iter().any(|removed| subject.ends_with(removed))
                {
                    self.has.insert(subject);
                }
            }
            AtClient::Received { link, command } => {
                if let Some(number) = command.correlation_id() {
                    self.links.entry(*link).or_default().unanswered.remove(&number);
                }
            }
            AtClient::Unsendable { link, number } => {
                self.links.entry(*link).or_default().unanswered.remove(number);
            }
            AtClient::Transmitted { link, command } => return self.on_transmitted(*link, command),
            AtClient::Delivered(incoming) => return self.on_delivered(incoming),
            _ => {}
        }
        Ok(())
    }

    fn forget(&mut self, ended: &Subject) {
        self.has.retain(|subject| !subject.ends_with(ended));
        self.removed.insert(ended.clone());
    }

    fn on_delivered(&mut self, incoming: &Incoming) -> Verdict {
        match incoming {
            Incoming::Resumed(link) => {
                let entry = self.links.entry(*link).or_default();
                entry.is_resumed = true;
                let open = &entry.unanswered;
                ensure!(open.is_empty(), "{link} is there, and has not answered {open:?}");
                let missing: Vec<_> =
                    self.has.iter().filter(|has| !entry.replayed.contains(has)).collect();
                let is_first = !self.had_link;
                self.had_link = true;
                ensure!(is_first || missing.is_empty(), "{link} was not told {missing:?}");
            }
            Incoming::Refused { command, .. } => {
                if let Some(subject) = Subject::of(command) {
                    self.forget(&subject);
                }
            }
            Incoming::Command(_, Command::ConsumerControl(control)) if control.close => {
                if let Some(id) = &control.consumer_id {
                    self.forget(&Subject::Consumer(id.session_id, id.value));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a message is still on its way that a broker would not take without this.
    fn is_needed(&self, subject: &Subject) -> bool {
        self.open.values().any(|open| match (open, subject) {
            (Subject::Message(key), Subject::Session(session)) => key.session == *session,
            (Subject::Message(key), Subject::Producer(session, producer)) => {
                key.session == *session && key.producer == *producer
            }
            _ => false,
        })
    }

    fn on_transmitted(&mut self, link: LinkId, command: &Command) -> Verdict {
        let subject = Subject::of(command);
        let is_needed = subject.as_ref().is_some_and(|subject| self.is_needed(subject));
        let entry = self.links.entry(link).or_default();
        entry.commands += 1;
        let number = command.command_id();
        if let Some(subject) = &subject {
            let first = *self.numbers.entry(subject.clone()).or_insert(number);
            ensure!(first == number, "{subject:?} was #{first} and is #{number} now");
        }
        if entry.is_resumed {
            if number != 0 {
                let last = std::mem::replace(&mut entry.last, number);
                ensure!(last < number, "{link}: #{number} is sent after #{last}");
            }
            return Ok(());
        }
        match (entry.commands, command) {
            (1, Command::ConnectionControl(control)) => {
                ensure!(control.fault_tolerant && number == 0, "{link}: {control:?}");
                return Ok(());
            }
            (2, Command::ConnectionInfo(info)) => {
                ensure!(info.failover_reconnect, "{link}: a connection that is not a reconnect");
            }
            (place, command) if place > 2 && is_of_transaction(command) => {
                entry.has_transactions = true;
                if command.is_response_required() {
                    entry.unanswered.insert(number);
                }
                return Ok(());
            }
            (place, command) => {
                let is_early = !entry.has_transactions;
                ensure!(is_early, "{link}: {} after transactions", command.name());
                let is_late = place > 2 && command.is_response_required();
                ensure!(is_late, "{link}: {} comes too early", command.name());
            }
        }
        let Some(subject) = subject else {
            return Err(format!("{link}: {} before the replay is accepted", command.name()));
        };
        let removed = self.removed.iter().find(|removed| subject.ends_with(removed));
        let is_due = removed.is_none() || is_needed;
        ensure!(is_due, "{link}: {subject:?} was removed and is replayed");
        let before = entry.replayed.last();
        ensure!(may_follow(before, &subject), "{link}: {subject:?} is replayed after {before:?}");
        entry.replayed.push(subject);
        entry.unanswered.insert(number);
        Ok(())
    }
}

/// Whether a command is repeated with its transaction.
fn is_of_transaction(command: &Command) -> bool {
    match command {
        Command::TransactionInfo(_) => true,
        Command::Message(message) => message.transaction_id.is_some(),
        _ => false,
    }
}

/// Whether the order of a replay allows it.
fn may_follow(before: Option<&Subject>, next: &Subject) -> bool {
    let Some(before) = before else { return *next == Subject::Connection };
    /// The session, and the place in it.
    const fn place(subject: &Subject) -> Option<(i64, u8)> {
        match subject {
            Subject::Session(session) => Some((*session, 0)),
            Subject::Producer(session, _) => Some((*session, 1)),
            Subject::Consumer(session, _) => Some((*session, 2)),
            Subject::Connection | Subject::Temporary(_) | Subject::Message(_) => None,
        }
    }
    match (before, next) {
        (_, Subject::Connection | Subject::Message(_)) => false,
        (Subject::Connection | Subject::Temporary(_), Subject::Temporary(_)) => true,
        (_, Subject::Temporary(_)) => false,
        (Subject::Connection | Subject::Temporary(_), Subject::Session(_)) => true,
        (before, next) => match (place(before), place(next)) {
            // A session comes before what is in it, and sessions in the order of their making.
            (Some((session, _)), Some((next, 0))) => session < next,
            (Some((session, stage)), Some((next, next_stage))) => {
                session == next && stage <= next_stage
            }
            _ => false,
        },
    }
}
