//! What waited for a link, sent in order once one is there: in one burst, but for commits.
//!
//! A message that does not fit on the wire is found out when it is put there, after the core has said all that
//! it had to say. A commit in the same breath would be one without that message. So the burst stops before a
//! commit whose messages are in it, and goes on when the shell has said what could not be sent.

use std::collections::HashSet;
use std::time::Instant;

use rewire_protocol::{Command, TransactionId, TransactionInfo};

use super::FailoverCore;
use super::io::{Completion, LinkId, Output};
use super::state::{Active, State};
use crate::tracker::is_irrevocable;

/// A burst that has stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopped {
    link: LinkId,
    since: Instant,
    /// The number of the commit that it stopped before.
    before: i32,
}

impl FailoverCore {
    /// Begins to send what waited for a link. Returns how much of it had been sent before.
    pub(super) fn begin_burst(&mut self, now: Instant, active: &Active) -> usize {
        // What a replay brought back was answered by now, and is not among these.
        let resent = self.requests.iter().filter(|entry| !entry.tried.is_empty()).count();
        self.burst(now, active, None);
        resent
    }

    /// Goes on with a burst that has stopped, unless its link is no longer there.
    pub(super) fn go_on_with_burst(&mut self, now: Instant) {
        let Some(stopped) = self.stopped.take() else { return };
        if let State::Connected(active) = &self.state
            && active.link == stopped.link
        {
            self.burst(now, &active.clone(), Some(stopped.before));
        }
    }

    /// Whether what is submitted has to wait behind a burst that has stopped.
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped_since().is_some()
    }

    /// Since when a burst has stopped on the link that is there.
    pub(super) fn stopped_since(&self) -> Option<Instant> {
        let State::Connected(active) = &self.state else { return None };
        self.stopped.filter(|stopped| stopped.link == active.link).map(|stopped| stopped.since)
    }

    /// Sends what waits, beginning with this request, up to a commit of what it sends.
    fn burst(&mut self, now: Instant, active: &Active, from: Option<i32>) {
        let link = active.link;
        let mut done = Vec::new();
        let mut transactions = HashSet::new();
        for entry in self.requests.iter_mut_from(from) {
            let number = entry.command.command_id();
            if commits(&entry.command).is_some_and(|id| transactions.contains(id)) {
                self.stopped = Some(Stopped { link, since: now, before: number });
                break;
            }
            if let Command::Message(message) = &*entry.command {
                transactions.extend(message.transaction_id.clone());
            }
            entry.try_on(&active.name);
            let is_done = entry.completion == Completion::Transmitted;
            let completes = is_done.then_some(entry.id);
            let command = active.complete(entry.command.clone());
            self.outputs.push_back(Output::Transmit(link, command, completes));
            if is_done {
                self.tracker.transmitted(&entry.command);
                done.push(number);
            }
        }
        for number in done {
            self.requests.take(number);
        }
        if self.stopped.is_none() {
            self.remove_again(link);
            self.open_consumers(link);
        }
    }
}

/// The transaction that a command makes final.
fn commits(command: &Command) -> Option<&TransactionId> {
    match command {
        Command::TransactionInfo(TransactionInfo { transaction_id, .. })
            if is_irrevocable(command) =>
        {
            transaction_id.as_ref()
        }
        _ => None,
    }
}
