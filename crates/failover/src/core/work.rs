//! Work that a link was doing when it ended: commits in doubt, pulls, messages nobody was to answer.

use std::time::Instant;

use rewire_protocol::Command;

use super::FailoverCore;
use super::io::{Event, Incoming, LinkId, Output};
use crate::error::{GaveUp, RequestError};
use crate::tracker::{is_irrevocable, nothing};

impl FailoverCore {
    /// A one-phase commit that a broker may have done is not asked for again, and its transaction is
    /// over. Java says that it was rolled back, which nobody knows.
    ///
    /// Nor is a vote: a broker that has given it keeps the branch, and counts messages that are repeated to it
    /// twice. Java repeats all.
    pub(super) fn fail_commits_in_doubt(&mut self) {
        let doubtful: Vec<i32> = self
            .requests
            .iter()
            .filter(|entry| !entry.tried.is_empty() && is_irrevocable(&entry.command))
            .map(|entry| entry.command.command_id())
            .collect();
        for number in doubtful {
            if let Some(entry) = self.requests.take(number) {
                // The transaction is over, or it is the broker's.
                self.tracker.answered(&entry.command);
                let (id, error) = entry.fail(GaveUp::LinkGone);
                self.outputs.push_back(Output::Complete(id, Err(error)));
            }
        }
        let with_them: Vec<i32> = self
            .requests
            .iter()
            .filter(|entry| entry.tracked && entry.is_message())
            .filter(|entry| !self.tracker.tracks(&entry.command))
            .map(|entry| entry.command.command_id())
            .collect();
        self.fail_as(&GaveUp::LinkGone, with_them);
    }

    /// Whether a command is of a transaction whose beginning the link that is there has carried.
    pub(super) fn is_of_begun_transaction(&self, command: &Command) -> bool {
        self.tracker.began_with(command).is_some_and(|number| {
            let begin = self.requests.iter().find(|e| e.command.command_id() == number);
            begin.is_none_or(|begin| !begin.tried.is_empty())
        })
    }

    /// Says how many messages the lost link may have taken with it for want of room in the cache.
    pub(super) fn tell_what_the_cache_lost(&mut self) {
        match self.tracker.take_uncovered() {
            0 => {}
            messages => self.event(Event::CacheEvicted { messages }),
        }
    }

    /// A consumer asks again: what it asked for before is over, if it still waits for a link.
    pub(super) fn replace_pull(&mut self, command: &Command) {
        if let Command::MessagePull(pull) = command
            && let Some(consumer) = &pull.consumer_id
            && let Some(number) = self.tracker.open_pull(consumer)
        {
            self.end_pull(number);
        }
    }

    /// What waited for a link with a pull that is over is done.
    fn end_pull(&mut self, number: i32) {
        if let Some(entry) = self.requests.take(number) {
            self.answer_here(entry.id, number);
        }
    }

    /// When a pull is over that no broker can answer, there being none.
    pub(super) fn next_pull_expiry(&self) -> Option<Instant> {
        // A broker that is there keeps the time itself.
        self.state.link().is_none().then(|| self.tracker.next_pull_expiry())?
    }

    /// Answers the pulls that are over, as a broker would.
    pub(super) fn expire_pulls(&mut self, now: Instant) {
        for (number, nothing) in self.tracker.expire_pulls(now) {
            self.end_pull(number);
            self.deliver(Incoming::Command(LinkId(self.links), nothing.into()));
        }
    }

    /// Answers a pull that does not wait for ever when there is no broker to wait with.
    ///
    /// Java: `FailoverTransport.oneway` answers this locally.
    pub(super) fn answer_pull(&mut self, command: &Command) {
        if matches!(command, Command::MessagePull(_)) {
            let nothing = nothing(command).into();
            self.deliver(Incoming::Command(LinkId(self.links), nothing));
        }
    }

    /// A message of a transaction was given up: without it the rest must not be committed.
    pub(super) fn give_up_in_transaction(&mut self, number: i32, error: &RequestError) {
        self.tracker.unsendable(number, &error.to_string());
        self.fail_commits_of_broken();
    }

    /// A commit that waits already, behind the message without which its transaction must not be
    /// committed, is not sent. The transaction stays, to be rolled back.
    pub(super) fn fail_commits_of_broken(&mut self) {
        let why = |command: &Command| {
            is_irrevocable(command).then(|| self.tracker.refusal(command)).flatten()
        };
        let waiting = self.requests.iter().filter(|entry| entry.tried.is_empty());
        let broken: Vec<(i32, RequestError)> = waiting
            .filter_map(|entry| Some((entry.command.command_id(), why(&entry.command)?)))
            .collect();
        for (number, error) in broken {
            if let Some(entry) = self.requests.take(number) {
                if entry.tracked {
                    self.tracker.refused(&entry.command);
                }
                self.outputs.push_back(Output::Complete(entry.id, Err(error)));
            }
        }
    }
}
