//! Requests: taken in, sent or kept waiting, completed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{Command, RemoveInfo, Throwable};

use super::io::{Completion, LinkId, Output, Request};
use super::requests::Entry;
use super::state::State;
use super::{FailoverCore, after, offline};
use crate::error::{GaveUp, RequestError};
use crate::tracker::{ends_transaction, is_vote};

impl FailoverCore {
    pub(super) fn on_submit(&mut self, now: Instant, request: Request) {
        let Request { id, mut command, mut completion, link, submitted } = request;
        let submitted = submitted.map_or(now, |submitted| submitted.min(now));
        self.outputs.stats.requests_submitted += 1;
        let hopeless = self.why_hopeless(now, link, submitted);
        let refused =
            hopeless.map(RequestError::NotSent).or_else(|| self.tracker.refusal(&command));
        if let Some(error) = refused {
            if completion == Completion::Transmitted {
                self.tracker.not_sent(&command, &error.to_string());
            }
            self.outputs.push_back(Output::Complete(id, Err(error)));
            return;
        }
        if ends_transaction(&command) {
            // What became of it decides what is repeated.
            completion = Completion::Answered;
        }
        self.replace_pull(&command);
        let number = self.requests.next_number();
        command.set_command_id(number);
        command.set_response_required(completion == Completion::Answered);
        let command = Arc::new(command);
        let needs_broker =
            self.state.link().is_some() || !offline::is_done_without_a_broker(&command);
        // A pull that is over is not open.
        let is_over = !needs_broker && matches!(*command, Command::MessagePull(_));
        let tracked = !is_over && self.tracker.track(now, &command);
        if matches!(*command, Command::RemoveInfo(_)) {
            self.keep_what_is_needed();
        }
        match &self.state {
            State::Connected(active) | State::Leaving(active, _)
                if self.is_sent_now(link, &command) =>
            {
                let is_done = completion == Completion::Transmitted;
                let completes = is_done.then_some(id);
                let completed = active.complete(command.clone());
                self.outputs.push_back(Output::Transmit(active.link, completed, completes));
                if is_done {
                    self.tracker.transmitted(&command);
                    self.requests.push(None);
                    // A consumer that was removed has nothing to settle.
                    self.depart_if_settled(now);
                } else {
                    let mut entry =
                        Entry::new(id, command, completion, tracked, submitted).on_link(link);
                    entry.try_on(&active.name);
                    self.requests.push(Some(entry));
                }
            }
            // During a replay: the broker has heard of what is removed, if it was replayed, and has to
            // hear this too.
            State::Replaying(..) | State::Connected(_) | State::Leaving(..) => {
                let entry = Entry::new(id, command, completion, tracked, submitted).on_link(link);
                self.requests.push(Some(entry));
            }
            State::Idle
            | State::Dialing(_)
            | State::Waiting(_)
            | State::Failed(_)
            | State::Closed => {
                if !needs_broker {
                    self.answer_pull(&command);
                    self.requests.push(None);
                    self.answer_here(id, number);
                    self.fail_what_was_removed();
                } else {
                    let entry =
                        Entry::new(id, command, completion, tracked, submitted).on_link(link);
                    self.requests.push(Some(entry));
                }
            }
        }
    }

    /// Why a request need not even wait.
    fn why_hopeless(
        &self,
        now: Instant,
        link: Option<LinkId>,
        submitted: Instant,
    ) -> Option<GaveUp> {
        let expired =
            || self.options.request_timeout.filter(|limit| after(submitted, *limit) <= now);
        match &self.state {
            State::Failed(reason) => Some(reason.clone()),
            State::Closed => Some(GaveUp::Closed),
            _ if link.is_some() && link != self.state.link() => Some(GaveUp::LinkGone),
            State::Idle
            | State::Dialing(_)
            | State::Replaying(..)
            | State::Connected(_)
            | State::Leaving(..)
            | State::Waiting(_) => expired().map(GaveUp::NoAnswer),
        }
    }

    /// Whether a command goes over the link that is there. When it is being left, only what belongs to it,
    /// goes on with what was begun on it or ends something does; new work waits for the next broker.
    fn is_sent_now(&self, link: Option<LinkId>, command: &Command) -> bool {
        match &self.state {
            State::Leaving(..) => {
                link.is_some()
                    || matches!(command, Command::RemoveInfo(_))
                    || self.is_of_begun_transaction(command)
            }
            _ => !self.has_stopped(),
        }
    }

    /// Says what became of a request; false when there is none of this number.
    pub(super) fn complete(&mut self, number: i32, result: Result<Command, RequestError>) -> bool {
        let Some(entry) = self.requests.take(number) else { return false };
        match &result {
            Ok(_) => self.tracker.answered(&entry.command),
            Err(_) if entry.tracked || ends_transaction(&entry.command) => {
                self.tracker.refused(&entry.command);
            }
            Err(_) => {}
        }
        self.outputs.push_back(Output::Complete(entry.id, result));
        true
    }

    /// Says that a broker refused a request; false when there is none of this number.
    pub(super) fn refuse(&mut self, number: i32, cause: Box<Throwable>) -> bool {
        let Some(entry) = self.requests.take(number) else { return false };
        if entry.tracked || ends_transaction(&entry.command) {
            self.tracker.refused(&entry.command);
        }
        let (id, error) = entry.refuse(cause);
        self.outputs.push_back(Output::Complete(id, Err(error)));
        true
    }

    /// Java leaves a request that has timed out among those that are sent again. Here it has ended.
    pub(super) fn time_out_requests(&mut self, now: Instant) {
        let Some(timeout) = self.options.request_timeout else { return };
        for number in self.requests.expired(timeout, now) {
            let Some(entry) = self.requests.take(number) else { continue };
            // A commit that was sent may have been done: its transaction is over. One that was not leaves it
            // to be committed yet, or rolled back.
            let is_sent = !entry.tried.is_empty();
            if is_sent && is_vote(&entry.command) {
                self.tracker.answered(&entry.command);
            } else if is_sent && ends_transaction(&entry.command)
                || entry.tracked && !entry.is_message()
            {
                self.tracker.refused(&entry.command);
            }
            let (id, error) = entry.fail(GaveUp::NoAnswer(timeout));
            self.give_up_in_transaction(number, &error);
            self.outputs.push_back(Output::Complete(id, Err(error)));
        }
    }

    /// Forgets producers that were removed, but for those of which messages are still on their way.
    pub(super) fn keep_what_is_needed(&mut self) {
        // What a broker is hearing of is removed there when the replay is over.
        if !self.tracker.has_closed() || matches!(self.state, State::Replaying(..)) {
            return;
        }
        let Self { tracker, requests, .. } = self;
        let of_message = |entry: &Entry| match &*entry.command {
            Command::Message(message) => message.producer_id.clone(),
            _ => None,
        };
        let needed: HashSet<_> = requests.iter().filter_map(of_message).collect();
        tracker.keep_closed(|producer| needed.contains(producer));
    }

    /// Tells a broker to remove what was declared to it only for the sake of what was on its way.
    pub(super) fn remove_again(&mut self, link: LinkId) {
        for id in self.tracker.closed() {
            let object_id = Some(Box::new(id));
            let command_id = self.requests.next_number();
            self.requests.push(None);
            self.transmit(link, RemoveInfo { command_id, object_id, ..RemoveInfo::default() });
        }
    }

    pub(super) fn time_out_messages(&mut self, now: Instant) {
        let (Some(outage), Some(timeout)) = (&self.outage, self.options.timeout) else { return };
        for number in self.requests.timed_out(outage.since, timeout, now) {
            if let Some(entry) = self.requests.take(number) {
                let (id, error) = entry.fail(GaveUp::TimedOut(timeout));
                self.give_up_in_transaction(number, &error);
                self.outputs.push_back(Output::Complete(id, Err(error)));
            }
        }
    }
}
