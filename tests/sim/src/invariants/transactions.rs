//! A transaction is done once or not at all: as a whole, if its commit is called done; not at all, if it
//! is called not sent, refused or rolled back; one of the two, if it is in doubt. What was committed is
//! there, or was consumed.
//!
//! Catches: a commit that is sent again; one that waits and is sent to a broker that has not heard its
//! messages; a message that is missing from a repeated transaction, or in it twice; a commit that is
//! called not sent and was.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::RequestError;
use rewire_protocol::{Command, TransactionId, TransactionInfo};

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, AtClient, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct Transactions {
    all: BTreeMap<(usize, i64), Transaction>,
    /// Commits and rollbacks that wait, by client and request.
    ends: BTreeMap<(usize, u64), (i64, i8)>,
    stored: BTreeMap<MessageKey, u32>,
    is_safe: BTreeSet<MessageKey>,
}

#[derive(Debug, Default)]
struct Transaction {
    messages: Vec<MessageKey>,
    persistent: BTreeSet<MessageKey>,
    /// Whether a commit was asked for.
    may_commit: bool,
    is_committed: bool,
    /// Why it must not be committed any more.
    is_out: Option<&'static str>,
    /// Whether its commit is called done.
    is_confirmed: bool,
}

/// The number of a local transaction.
pub(crate) fn number_of(id: Option<&TransactionId>) -> Option<i64> {
    match id? {
        TransactionId::Local(local) => Some(local.value),
        TransactionId::Xa(_) => None,
    }
}

impl Invariant for Transactions {
    fn name(&self) -> &'static str {
        "transactions"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, AtClient::Submitted { request, command, .. }) => {
                self.on_submitted(*client, *request, command);
                Ok(())
            }
            Seen::Client(client, AtClient::Completed { request, outcome }) => {
                let Some((number, step)) = self.ends.remove(&(*client, *request)) else {
                    return Ok(());
                };
                let error = outcome.as_ref().err();
                self.all.entry((*client, number)).or_default().judge(number, step, error)
            }
            Seen::Broker(_, AtBroker::Committed { client, transaction, messages, is_alive }) => {
                let known = self.all.entry((*client, *transaction)).or_default();
                known.commit(*transaction, messages, *is_alive)
            }
            Seen::Broker(_, AtBroker::Stored { key, .. }) => {
                *self.stored.entry(*key).or_default() += 1;
                Ok(())
            }
            Seen::Broker(_, AtBroker::Consumed { key, .. }) => {
                self.is_safe.insert(*key);
                Ok(())
            }
            Seen::End => self.at_the_end(),
            _ => Ok(()),
        }
    }

    fn is_kept(&mut self, key: MessageKey) {
        self.is_safe.insert(key);
    }
}

impl Transactions {
    fn on_submitted(&mut self, client: usize, request: u64, command: &Command) {
        match command {
            Command::Message(message) => {
                let number = number_of(message.transaction_id.as_ref());
                if let (Some(number), Some(key)) = (number, MessageKey::of_command(command)) {
                    let known = self.all.entry((client, number)).or_default();
                    known.messages.push(key);
                    if message.persistent {
                        known.persistent.insert(key);
                    }
                }
            }
            Command::TransactionInfo(info) => {
                let Some(number) = number_of(info.transaction_id.as_ref()) else { return };
                let step = info.transaction_type;
                if step != TransactionInfo::BEGIN {
                    self.ends.insert((client, request), (number, step));
                }
                let known = self.all.entry((client, number)).or_default();
                known.may_commit |= step == TransactionInfo::COMMIT_ONE_PHASE;
            }
            _ => {}
        }
    }

    fn at_the_end(&self) -> Verdict {
        for ((client, number), known) in &self.all {
            if !known.is_committed {
                continue;
            }
            for key in &known.messages {
                let copies = self.stored.get(key).copied().unwrap_or_default();
                ensure!(copies == 1, "{key} of {number} of c{client} was stored {copies} times");
            }
            let mut lost = known.persistent.difference(&self.is_safe);
            if let Some(lost) = lost.next().filter(|_| known.is_confirmed) {
                return Err(format!("{lost} of {number} of c{client} was committed and is lost"));
            }
        }
        Ok(())
    }
}

impl Transaction {
    fn judge(&mut self, number: i64, step: i8, error: Option<&RequestError>) -> Verdict {
        if step == TransactionInfo::ROLLBACK {
            // One that is in doubt ends with its link.
            if error.is_none() {
                self.is_out.get_or_insert("rolled back");
            }
        } else {
            match error {
                None => {
                    ensure!(self.is_committed, "the commit of {number} is called done, and is not");
                    self.is_confirmed = true;
                }
                Some(RequestError::InDoubt { .. }) => {}
                Some(RequestError::NotSent(_)) => self.is_out = Some("not sent"),
                Some(_) => self.is_out = Some("refused"),
            }
        }
        let out = self.is_out.filter(|_| self.is_committed);
        ensure!(out.is_none(), "{number} is called {}, and was committed", out.unwrap_or_default());
        Ok(())
    }

    fn commit(&mut self, number: i64, messages: &[MessageKey], is_alive: bool) -> Verdict {
        ensure!(self.may_commit, "{number} is committed, and nobody asked for that");
        ensure!(!self.is_committed, "{number} is committed again");
        let out = self.is_out;
        ensure!(out.is_none(), "{number} is committed, and was {}", out.unwrap_or_default());
        self.is_committed = true;
        if !is_alive {
            self.messages.retain(|key| self.persistent.contains(key));
        }
        let all = &self.messages;
        ensure!(messages == all, "{number} is committed with {messages:?} of {all:?}");
        Ok(())
    }
}
