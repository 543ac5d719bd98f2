//! Requests: taken in, sent or kept waiting, completed.

use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{Command, Throwable};

use super::io::{Completion, LinkId, Output, Request};
use super::requests::Entry;
use super::state::State;
use super::{FailoverCore, after, done_response, offline};
use crate::error::{GaveUp, RequestError};

impl FailoverCore {
    pub(super) fn on_submit(&mut self, now: Instant, request: Request) {
        let Request { id, mut command, completion, link, submitted } = request;
        let submitted = submitted.map_or(now, |submitted| submitted.min(now));
        let limit = self.options.request_timeout;
        let expired = limit.filter(|limit| after(submitted, *limit) <= now);
        let refused = match &self.state {
            State::Failed(reason) => Some(reason.clone()),
            State::Closed => Some(GaveUp::Closed),
            _ if link.is_some() && link != self.state.link() => Some(GaveUp::LinkGone),
            _ if expired.is_some() => expired.map(GaveUp::NoAnswer),
            State::Idle
            | State::Dialing(_)
            | State::Replaying(..)
            | State::Connected(_)
            | State::Leaving(..)
            | State::Waiting(_) => None,
        };
        if let Some(reason) = refused {
            self.outputs.push_back(Output::Complete(id, Err(RequestError::NotSent(reason))));
            return;
        }
        let number = self.requests.next_number();
        command.set_command_id(number);
        command.set_response_required(completion == Completion::Answered);
        let tracked = self.tracker.track(&command);
        let command = Arc::new(command);
        match &self.state {
            State::Connected(active) | State::Leaving(active, _)
                if self.is_sent_now(link, &command) =>
            {
                let is_done = completion == Completion::Transmitted;
                let completes = is_done.then_some(id);
                let completed = active.complete(command.clone());
                self.outputs.push_back(Output::Transmit(active.link, completed, completes));
                if is_done {
                    self.requests.push(None);
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
                if offline::is_done_without_a_broker(&command) {
                    self.requests.push(None);
                    self.outputs.push_back(Output::Complete(id, Ok(done_response(number))));
                    self.fail_what_was_removed();
                } else {
                    let entry =
                        Entry::new(id, command, completion, tracked, submitted).on_link(link);
                    self.requests.push(Some(entry));
                }
            }
        }
    }

    /// Whether a command goes over the link that is there. When it is being left, only what belongs to it
    /// or ends something on it does; new work waits for the next broker.
    fn is_sent_now(&self, link: Option<LinkId>, command: &Command) -> bool {
        match &self.state {
            State::Leaving(..) => link.is_some() || matches!(command, Command::RemoveInfo(_)),
            _ => true,
        }
    }

    pub(super) fn complete(&mut self, number: i32, result: Result<Command, RequestError>) {
        if let Some(entry) = self.requests.take(number) {
            if result.is_err() && entry.tracked {
                self.tracker.refused(&entry.command);
            }
            self.outputs.push_back(Output::Complete(entry.id, result));
        }
    }

    pub(super) fn refuse(&mut self, number: i32, cause: Box<Throwable>) {
        if let Some(entry) = self.requests.take(number) {
            if entry.tracked {
                self.tracker.refused(&entry.command);
            }
            let (id, error) = entry.refuse(cause);
            self.outputs.push_back(Output::Complete(id, Err(error)));
        }
    }

    /// Java leaves a request that has timed out among those that are sent again. Here it has ended.
    pub(super) fn time_out_requests(&mut self, now: Instant) {
        let Some(timeout) = self.options.request_timeout else { return };
        let expired = self.requests.expired(timeout, now);
        self.fail_as(&GaveUp::NoAnswer(timeout), expired);
    }

    pub(super) fn time_out_messages(&mut self, now: Instant) {
        let (Some(outage), Some(timeout)) = (&self.outage, self.options.timeout) else { return };
        for number in self.requests.timed_out(outage.since, timeout, now) {
            if let Some(entry) = self.requests.take(number) {
                let (id, error) = entry.fail(GaveUp::TimedOut(timeout));
                self.outputs.push_back(Output::Complete(id, Err(error)));
            }
        }
    }
}
