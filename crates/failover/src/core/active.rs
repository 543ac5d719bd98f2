//! A link speaks, or ends.

use std::time::Instant;

use rewire_protocol::{Command, EncodeError, Throwable};

use super::incident::Cause;
use super::io::{Event, Incoming, LinkId, Output};
use super::standby::Standby;
use super::state::{Active, State};
use super::{FailoverCore, after, offline};
use crate::error::{DialError, GaveUp, LostReason, RequestError};
use crate::tracker::ends_transaction;

impl FailoverCore {
    pub(super) fn on_received(&mut self, now: Instant, link: LinkId, command: Command) {
        // A link that is not the active one has no say.
        if let Command::BrokerInfo(info) = &command {
            self.on_broker_info(now, link, info);
        }
        if self.state.link() != Some(link) {
            return;
        }
        let Some(number) = command.correlation_id() else {
            if let Command::ConsumerControl(control) = &command
                && control.close
                && let Some(id) = &control.consumer_id
            {
                self.tracker.forget(&id.clone().into());
            }
            if let Command::ConnectionControl(control) = &command {
                self.on_connection_control(now, control);
                self.keep_standbys(now);
            }
            self.deliver_or_hold(now, link, command);
            // A consumer that its broker has closed has nothing to settle.
            self.depart_if_settled(now);
            return;
        };
        let answer = match command {
            Command::ExceptionResponse(response) => Err(response.exception.unwrap_or_default()),
            answer => Ok(answer),
        };
        if matches!(self.state, State::Replaying(..)) {
            self.on_replay_answered(now, link, number, answer);
        } else if self.is_flushed(number) {
            self.tracker.confirmed_before(number);
            self.depart_if_settled(now);
        } else {
            let is_known = match answer {
                Ok(answer) => self.complete(number, Ok(answer)),
                Err(cause) => self.refuse(number, cause),
            };
            if is_known {
                self.tracker.confirmed_before(number);
            }
            self.depart_if_settled(now);
        }
    }

    /// Nothing is delivered over a link that the application has not been told of: the link may be
    /// refused yet, and then what came over it must not be acknowledged over the next one.
    fn deliver_or_hold(&mut self, now: Instant, link: LinkId, command: Command) {
        let State::Replaying(_, replay) = &mut self.state else {
            self.deliver(Incoming::Command(link, command));
            return;
        };
        if replay.held.len() < replay.max_held {
            replay.held.push_back(command);
            return;
        }
        let problem = "the broker sent more than the prefetch allows, and no answers";
        self.refuse_link(now, link, DialError::Handshake(problem.to_owned()));
    }

    /// A link that cannot be used after all fails its attempt.
    fn refuse_link(&mut self, now: Instant, link: LinkId, error: DialError) {
        self.outputs.push_back(Output::Hangup(link));
        self.finish_what_ended_with_the_link();
        self.fail_what_was_for(link);
        self.on_attempt_failed(now, link, error);
    }

    pub(super) fn on_replay_answered(
        &mut self,
        now: Instant,
        link: LinkId,
        number: i32,
        answer: Result<Command, Box<Throwable>>,
    ) {
        let State::Replaying(_, replay) = &mut self.state else { return };
        let Some(command) = replay.unanswered.remove(&number) else { return };
        replay.due = after(now, replay.patience);
        let finished = replay.unanswered.is_empty();
        match (answer, command) {
            (Ok(answer), _) => {
                self.complete(number, Ok(answer));
            }
            (Err(cause), Command::ConnectionInfo(_)) => {
                // If its owner still waits for the first answer, this is it.
                self.refuse(number, cause.clone());
                self.refuse_link(now, link, DialError::Refused(cause));
                return;
            }
            (Err(cause), command) => self.on_replay_refused(number, command, cause),
        }
        if finished {
            self.on_replayed(now);
        }
    }

    /// A broker refused one command of what it was told again.
    fn on_replay_refused(&mut self, number: i32, command: Command, cause: Box<Throwable>) {
        let waiting = self.requests.take(number);
        let was_sent = waiting.as_ref().is_some_and(|entry| !entry.tried.is_empty());
        self.tracker.refused(&command);
        match waiting {
            // An earlier link may have brought it about, and then it cannot be done again.
            Some(entry) if was_sent && ends_transaction(&command) => {
                let (id, in_doubt) = entry.fail(GaveUp::Refused(cause));
                self.outputs.push_back(Output::Complete(id, Err(in_doubt)));
            }
            // Its owner still waits for the first answer: this is it.
            Some(entry) => {
                let refused = Err(RequestError::Refused(cause));
                self.outputs.push_back(Output::Complete(entry.id, refused));
            }
            // It was answered before: what becomes of the transaction its end will say.
            None if matches!(command, Command::TransactionInfo(_)) => {}
            None => self.deliver(Incoming::Refused { command, cause }),
        }
    }

    /// The broker has not answered any part of the replay for so long that it is not going to: the next one
    /// is tried. Java waits for ever, of which its inactivity monitor need not notice anything.
    pub(super) fn on_replay_unanswered(&mut self, now: Instant) {
        let State::Replaying(attempt, replay) = &self.state else { return };
        let (link, patience) = (attempt.active.link, replay.patience);
        let problem = format!("nothing of what it was told again was answered for {patience:?}");
        self.refuse_link(now, link, DialError::Handshake(problem));
    }

    /// The broker has accepted all it is going to accept.
    fn on_replayed(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Replaying(attempt, replay) => {
                self.on_connected(now, attempt.active, replay.commands, replay.held);
            }
            other => self.state = other,
        }
    }

    /// A command could not be put on the wire: no answer will come.
    pub(super) fn on_unsendable(
        &mut self,
        now: Instant,
        link: LinkId,
        number: i32,
        error: EncodeError,
    ) {
        if self.state.link() != Some(link) {
            return;
        }
        let State::Replaying(_, replay) = &mut self.state else {
            let reason = error.to_string();
            if !self.complete(number, Err(RequestError::Unsendable(error))) {
                self.tracker.unsendable(number, &reason);
                self.fail_commits_of_broken();
            }
            self.depart_if_settled(now);
            return;
        };
        let Some(command) = replay.unanswered.remove(&number) else {
            self.tracker.unsendable(number, &error.to_string());
            self.fail_commits_of_broken();
            return;
        };
        let finished = replay.unanswered.is_empty();
        if matches!(command, Command::ConnectionInfo(_)) {
            self.refuse_link(now, link, DialError::Handshake(error.to_string()));
            return;
        }
        self.tracker.refused(&command);
        match self.requests.take(number) {
            Some(entry) => {
                let unsendable = Err(RequestError::Unsendable(error));
                self.outputs.push_back(Output::Complete(entry.id, unsendable));
            }
            None => {
                let cause = Box::new(Throwable::new("java.io.IOException", error.to_string()));
                self.deliver(Incoming::Refused { command, cause });
            }
        }
        if finished {
            self.on_replayed(now);
        }
    }

    pub(super) fn on_lost(&mut self, now: Instant, link: LinkId, reason: LostReason) {
        if matches!(&self.state, State::Replaying(attempt, _) if attempt.active.link == link) {
            self.finish_what_ended_with_the_link();
            self.fail_what_was_for(link);
            self.on_attempt_failed(now, link, reason.into());
            return;
        }
        if self.on_standby_lost(now, link, Some(&reason)) {
            return;
        }
        let (State::Connected(active) | State::Leaving(active, _)) = &self.state else { return };
        if active.link != link {
            return;
        }
        let Active { broker, name, .. } = active.clone();
        self.pool.failed(&broker);
        self.planned = None;
        self.interrupt(link);
        self.event(Event::Interrupted { broker: name.to_string(), cause: reason.clone() });
        self.tell_what_the_cache_lost();
        self.begin_outage(now, Some(Cause::lost(&name, reason.clone())));
        self.finish_what_ended_with_the_link();
        self.fail_what_was_for(link);
        if !self.options.max_reconnect_attempts.is_reconnecting() {
            self.give_up(now, GaveUp::Lost(reason));
            return;
        }
        if self.standbys.iter().any(Standby::is_ready) {
            // Java: a ready backup is taken without the initial delay.
            self.begin_round(now);
            return;
        }
        let delay = self.backoff.first();
        self.wait(now, delay);
        self.fire_timers(now);
    }

    /// A removal that was under way is done: what it was to end has ended with the link. What was
    /// declared and removed since is not declared again.
    pub(super) fn finish_what_ended_with_the_link(&mut self) {
        let removals: Vec<i32> = self
            .requests
            .iter()
            .filter(|entry| offline::is_done_without_a_broker(&entry.command))
            .map(|entry| entry.command.command_id())
            .collect();
        for number in removals {
            if let Some(entry) = self.requests.take(number) {
                self.answer_here(entry.id, number);
            }
        }
        self.fail_commits_in_doubt();
        self.fail_what_was_removed();
    }

    /// What was removed before its declaration was answered is not sent for its own sake either.
    pub(super) fn fail_what_was_removed(&mut self) {
        let removed: Vec<i32> = self
            .requests
            .iter()
            .filter(|entry| entry.tracked && !self.tracker.tracks(&entry.command))
            .map(|entry| entry.command.command_id())
            .collect();
        self.fail_as(&GaveUp::Removed, removed);
    }

    /// What was bound to a link is not sent over another.
    pub(super) fn fail_what_was_for(&mut self, link: LinkId) {
        let bound: Vec<i32> = self
            .requests
            .iter()
            .filter(|entry| entry.link == Some(link))
            .map(|entry| entry.command.command_id())
            .collect();
        self.fail_as(&GaveUp::LinkGone, bound);
    }

    pub(super) fn fail_as(&mut self, reason: &GaveUp, numbers: Vec<i32>) {
        for number in numbers {
            if let Some(entry) = self.requests.take(number) {
                if entry.tracked {
                    self.tracker.refused(&entry.command);
                }
                let (id, error) = entry.fail(reason.clone());
                self.outputs.push_back(Output::Complete(id, Err(error)));
            }
        }
    }
}
