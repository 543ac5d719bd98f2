//! The failover machine: one mutator, no clock, no socket.
//!
//! [`FailoverCore::handle`] takes what happened and says what to do. The rooms:
//! - [`io`]: what goes in and comes out;
//! - `state`: where the machine is, with its drawing;
//! - `pool`: the brokers there are, and the order of a round;
//! - `backoff`: how long to wait between rounds;
//! - `requests`: what waits for a broker or for its answer;
//! - `offline`: what is answered without a broker.

mod backoff;
mod io;
mod offline;
mod pool;
mod requests;
mod state;

use std::collections::{BTreeMap, VecDeque, vec_deque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rewire_protocol::{Command, Response, Throwable};

pub use self::io::{Completion, Event, Incoming, Input, LinkId, Output, Request, RequestId};

use self::backoff::Backoff;
use self::pool::BrokerPool;
use self::requests::{Entry, Requests};
use self::state::{Active, Attempt, Outage, Replay, State};
use crate::error::{DialError, GaveUp, LostReason, RequestError};
use crate::tracker::ConnectionStateTracker;
use crate::uri::{BrokerUri, FailoverOptions};

/// How much may wait for a broker or for its answer before the core wants no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Requests. Default 10,000.
    pub requests: usize,
    /// Bytes of their bodies and properties. Default 64 MiB.
    pub bytes: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { requests: 10_000, bytes: 64 << 20 }
    }
}

/// The failover machine. See the [module](self).
#[derive(Debug)]
pub struct FailoverCore {
    options: FailoverOptions,
    limits: QueueLimits,
    state: State,
    pool: BrokerPool,
    backoff: Backoff,
    rng: SmallRng,
    tracker: ConnectionStateTracker,
    requests: Requests,
    outputs: VecDeque<Output>,
    links: u64,
    /// Rounds that failed since there was a link.
    failed_rounds: u32,
    /// Whether there ever was a link.
    had_link: bool,
    /// Since when there is no link, and what was tried.
    outage: Option<Outage>,
}

/// What to do, in order. Borrows the core: nothing can happen before all is taken out.
#[derive(Debug)]
pub struct Outputs<'c>(vec_deque::Drain<'c, Output>);

impl Iterator for Outputs<'_> {
    type Item = Output;

    fn next(&mut self) -> Option<Output> {
        self.0.next()
    }
}

impl FailoverCore {
    /// A core for these brokers. `seed` decides what the option `randomize` makes random.
    #[must_use]
    pub fn new(
        brokers: Vec<BrokerUri>,
        options: FailoverOptions,
        limits: QueueLimits,
        seed: u64,
    ) -> Self {
        let multiplier =
            options.use_exponential_back_off.then_some(options.reconnect_delay_exponent);
        Self {
            pool: BrokerPool::new(brokers, options.randomize),
            backoff: Backoff::new(
                options.initial_reconnect_delay,
                options.max_reconnect_delay,
                multiplier,
            ),
            options,
            limits,
            state: State::Idle,
            rng: SmallRng::seed_from_u64(seed),
            tracker: ConnectionStateTracker::default(),
            requests: Requests::new(),
            outputs: VecDeque::new(),
            links: 0,
            failed_rounds: 0,
            had_link: false,
            outage: None,
        }
    }

    /// Takes what happened. What is due at `now` happens first.
    pub fn handle(&mut self, now: Instant, input: Input) -> Outputs<'_> {
        self.fire_timers(now);
        match input {
            Input::Start => self.on_start(now),
            Input::Submit(request) => self.on_submit(now, request),
            Input::Dialed(link, Ok(())) => self.on_dialed(now, link),
            Input::Dialed(link, Err(error)) => self.on_attempt_failed(now, link, error),
            Input::Received(link, command) => self.on_received(now, link, command),
            Input::Lost(link, reason) => self.on_lost(now, link, reason),
            Input::Unsendable(link, number, error) => {
                if self.state.link() == Some(link) {
                    self.complete(number, Err(RequestError::Unsendable(error)));
                }
            }
            Input::Timeout => {}
            Input::Close => self.on_close(),
        }
        Outputs(self.outputs.drain(..))
    }

    /// When the core wants to be called with [`Input::Timeout`], if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let round = match &self.state {
            State::Waiting(until) => Some(*until),
            State::Idle
            | State::Dialing(_)
            | State::Replaying(..)
            | State::Connected(_)
            | State::Failed(_)
            | State::Closed => None,
        };
        [round, self.next_message_timeout()].into_iter().flatten().min()
    }

    /// Whether there is room for more requests. When there is not, submitters are to wait.
    #[must_use]
    pub const fn wants_submit(&self) -> bool {
        self.requests.len() < self.limits.requests && self.requests.bytes() < self.limits.bytes
    }

    /// Whether it is over: closed, or given up.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Closed | State::Failed(_))
    }

    fn next_message_timeout(&self) -> Option<Instant> {
        let since = self.outage.as_ref()?.since;
        self.requests.next_timeout(since, self.options.timeout?)
    }

    fn fire_timers(&mut self, now: Instant) {
        if self.next_message_timeout().is_some_and(|due| due <= now) {
            self.time_out_messages(now);
        }
        if matches!(self.state, State::Waiting(until) if until <= now) {
            self.begin_round(now);
        }
    }

    // ---- connecting ----------------------------------------------------------------------------

    fn on_start(&mut self, now: Instant) {
        if matches!(self.state, State::Idle) {
            self.outage = Some(Outage { since: now, last_error: None });
            self.begin_round(now);
        }
    }

    fn begin_round(&mut self, now: Instant) {
        let mut rest: VecDeque<_> = self.pool.round(&mut self.rng).into();
        match rest.pop_front() {
            Some(broker) => self.dial(broker, rest, true),
            None => self.on_round_failed(now, false),
        }
    }

    fn dial(&mut self, broker: BrokerUri, rest: VecDeque<BrokerUri>, all_refused: bool) {
        self.links += 1;
        let link = LinkId(self.links);
        self.outputs.push_back(Output::Dial(link, broker.clone()));
        let name = broker.to_string().into();
        let active = Active { link, broker, name };
        self.state = State::Dialing(Attempt { active, rest, all_refused });
    }

    fn on_dialed(&mut self, now: Instant, link: LinkId) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Dialing(attempt) if attempt.active.link == link => {
                let commands = if self.had_link { self.tracker.replay() } else { Vec::new() };
                self.had_link = true;
                if commands.is_empty() {
                    self.on_connected(now, attempt.active, 0);
                } else {
                    self.replay(attempt, commands);
                }
            }
            other => self.state = other,
        }
    }

    fn replay(&mut self, attempt: Attempt, commands: Vec<Command>) {
        let total = commands.len();
        let mut unanswered = BTreeMap::new();
        for command in commands {
            if command.is_response_required() {
                unanswered.insert(command.command_id(), command.clone());
            }
            self.outputs.push_back(Output::Transmit(attempt.active.link, Arc::new(command)));
        }
        self.state = State::Replaying(attempt, Replay { unanswered, commands: total });
    }

    fn on_attempt_failed(&mut self, now: Instant, link: LinkId, error: DialError) {
        let attempt = match std::mem::replace(&mut self.state, State::Idle) {
            State::Dialing(attempt) | State::Replaying(attempt, _)
                if attempt.active.link == link =>
            {
                attempt
            }
            other => {
                self.state = other;
                return;
            }
        };
        let Attempt { active, mut rest, all_refused } = attempt;
        let all_refused = all_refused && is_hopeless(&error);
        self.pool.failed(&active.broker);
        if let Some(outage) = &mut self.outage {
            outage.last_error = Some((active.name.clone(), error.clone()));
        }
        self.event(Event::AttemptFailed {
            broker: active.name.to_string(),
            error,
            round: self.failed_rounds + 1,
        });
        match rest.pop_front() {
            Some(broker) => self.dial(broker, rest, all_refused),
            None => self.on_round_failed(now, all_refused),
        }
    }

    fn on_round_failed(&mut self, now: Instant, all_refused: bool) {
        self.failed_rounds += 1;
        let limit = if self.had_link {
            self.options.max_reconnect_attempts.limit_after_connect()
        } else {
            self.options.limit_before_connect()
        };
        let spent = limit.is_some_and(|limit| self.failed_rounds >= limit);
        if spent || all_refused {
            let last = self.outage.as_ref().and_then(|outage| outage.last_error.clone());
            let reason = last.map_or(GaveUp::NoBrokers, |(broker, error)| GaveUp::Exhausted {
                attempts: self.failed_rounds,
                broker: broker.to_string(),
                error,
            });
            self.give_up(reason);
        } else {
            self.state = State::Waiting(now + self.backoff.next());
        }
    }

    fn on_connected(&mut self, now: Instant, active: Active, replayed: usize) {
        self.pool.succeeded();
        self.backoff.reset();
        self.failed_rounds = 0;
        let outage = self.outage.take().map_or(Duration::ZERO, |outage| now - outage.since);
        let link = active.link;
        let broker = active.name.to_string();
        self.state = State::Connected(active.clone());
        self.deliver(Incoming::Resumed(link));
        let resent = self.transmit_waiting(&active);
        self.event(if replayed == 0 {
            Event::Connected { broker }
        } else {
            Event::Resumed { broker, outage, replayed, resent }
        });
    }

    /// Sends what waited for a link, in order. Returns how much of it had been sent before.
    fn transmit_waiting(&mut self, active: &Active) -> usize {
        let mut resent = 0;
        let mut done = Vec::new();
        for entry in self.requests.iter_mut() {
            // What a replay brought back was answered already; on the first link there was none.
            if entry.tracked && !entry.tried.is_empty() {
                continue;
            }
            resent += usize::from(!entry.tried.is_empty());
            entry.try_on(&active.name);
            self.outputs.push_back(Output::Transmit(active.link, entry.command.clone()));
            if entry.completion == Completion::Transmitted {
                done.push(entry.command.command_id());
            }
        }
        for number in done {
            self.complete(number, Ok(done_response(number)));
        }
        resent
    }

    // ---- requests ------------------------------------------------------------------------------

    fn on_submit(&mut self, now: Instant, request: Request) {
        let Request { id, mut command, completion, link } = request;
        let refused = match &self.state {
            State::Failed(reason) => Some(reason.clone()),
            State::Closed => Some(GaveUp::Closed),
            _ if link.is_some() && link != self.state.link() => Some(GaveUp::LinkGone),
            State::Idle
            | State::Dialing(_)
            | State::Replaying(..)
            | State::Connected(_)
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
            State::Connected(active) => {
                self.outputs.push_back(Output::Transmit(active.link, command.clone()));
                if completion == Completion::Transmitted {
                    self.requests.push(None);
                    self.outputs.push_back(Output::Complete(id, Ok(done_response(number))));
                } else {
                    let mut entry = Entry::new(id, command, completion, tracked, now).on_link(link);
                    entry.try_on(&active.name);
                    self.requests.push(Some(entry));
                }
            }
            State::Idle
            | State::Dialing(_)
            | State::Replaying(..)
            | State::Waiting(_)
            | State::Failed(_)
            | State::Closed => {
                if offline::is_done_without_a_broker(&command) {
                    self.requests.push(None);
                    self.outputs.push_back(Output::Complete(id, Ok(done_response(number))));
                } else {
                    let entry = Entry::new(id, command, completion, tracked, now).on_link(link);
                    self.requests.push(Some(entry));
                }
            }
        }
    }

    fn complete(&mut self, number: i32, result: Result<Command, RequestError>) {
        if let Some(entry) = self.requests.take(number) {
            if result.is_err() && entry.tracked {
                self.tracker.refused(&entry.command);
            }
            self.outputs.push_back(Output::Complete(entry.id, result));
        }
    }

    fn time_out_messages(&mut self, now: Instant) {
        let (Some(outage), Some(timeout)) = (&self.outage, self.options.timeout) else { return };
        for number in self.requests.timed_out(outage.since, timeout, now) {
            if let Some(entry) = self.requests.take(number) {
                let (id, error) = entry.fail(GaveUp::TimedOut(timeout));
                self.outputs.push_back(Output::Complete(id, Err(error)));
            }
        }
    }

    // ---- a link speaks, or ends ----------------------------------------------------------------

    fn on_received(&mut self, now: Instant, link: LinkId, command: Command) {
        // A link that is not the active one has no say.
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
            self.deliver(Incoming::Command(link, command));
            return;
        };
        let answer = match command {
            Command::ExceptionResponse(response) => Err(response.exception.unwrap_or_default()),
            answer => Ok(answer),
        };
        if matches!(self.state, State::Replaying(..)) {
            self.on_replay_answered(now, link, number, answer);
        } else {
            self.complete(number, answer.map_err(RequestError::Refused));
        }
    }

    fn on_replay_answered(
        &mut self,
        now: Instant,
        link: LinkId,
        number: i32,
        answer: Result<Command, Box<Throwable>>,
    ) {
        let State::Replaying(_, replay) = &mut self.state else { return };
        let Some(command) = replay.unanswered.remove(&number) else { return };
        let finished = replay.unanswered.is_empty();
        match (answer, command) {
            (Ok(answer), _) => self.complete(number, Ok(answer)),
            (Err(cause), Command::ConnectionInfo(_)) => {
                self.outputs.push_back(Output::Hangup(link));
                self.fail_what_was_for(link);
                self.on_attempt_failed(now, link, DialError::Refused(cause));
                return;
            }
            (Err(cause), command) => {
                self.tracker.refused(&command);
                match self.requests.take(number) {
                    // Its owner still waits for the first answer: this is it.
                    Some(entry) => {
                        let refused = Err(RequestError::Refused(cause));
                        self.outputs.push_back(Output::Complete(entry.id, refused));
                    }
                    None => self.deliver(Incoming::Refused { command, cause }),
                }
            }
        }
        if finished
            && let State::Replaying(attempt, replay) =
                std::mem::replace(&mut self.state, State::Idle)
        {
            self.on_connected(now, attempt.active, replay.commands);
        }
    }

    fn on_lost(&mut self, now: Instant, link: LinkId, reason: LostReason) {
        if matches!(&self.state, State::Replaying(attempt, _) if attempt.active.link == link) {
            self.fail_what_was_for(link);
            self.on_attempt_failed(now, link, DialError::Handshake(reason.to_string()));
            return;
        }
        let State::Connected(active) = &self.state else { return };
        if active.link != link {
            return;
        }
        let Active { broker, name, .. } = active.clone();
        self.pool.failed(&broker);
        self.deliver(Incoming::Interrupted(link));
        let cause = reason.clone();
        self.event(Event::Interrupted { broker: name.to_string(), cause });
        self.outage = Some(Outage { since: now, last_error: None });
        self.finish_what_ended_with_the_link();
        self.fail_what_was_for(link);
        if self.options.max_reconnect_attempts.limit_after_connect() == Some(0) {
            self.give_up(GaveUp::Lost(reason));
            return;
        }
        self.state = State::Waiting(now + self.backoff.first());
        self.fire_timers(now);
    }

    /// A removal that was under way is done: what it was to end has ended with the link.
    fn finish_what_ended_with_the_link(&mut self) {
        let removals: Vec<i32> = self
            .requests
            .iter()
            .filter(|entry| offline::is_done_without_a_broker(&entry.command))
            .map(|entry| entry.command.command_id())
            .collect();
        for number in removals {
            self.complete(number, Ok(done_response(number)));
        }
    }

    /// What was bound to a link is not sent over another.
    fn fail_what_was_for(&mut self, link: LinkId) {
        let bound: Vec<i32> = self
            .requests
            .iter()
            .filter(|entry| entry.link == Some(link))
            .map(|entry| entry.command.command_id())
            .collect();
        for number in bound {
            if let Some(entry) = self.requests.take(number) {
                let (id, error) = entry.fail(GaveUp::LinkGone);
                self.outputs.push_back(Output::Complete(id, Err(error)));
            }
        }
    }

    // ---- the end -------------------------------------------------------------------------------

    fn give_up(&mut self, reason: GaveUp) {
        self.fail_requests(&reason);
        self.event(Event::GaveUp(Arc::new(reason.clone())));
        self.deliver(Incoming::Ended(reason.clone()));
        self.state = State::Failed(reason);
    }

    fn on_close(&mut self) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Connected(active) => {
                let goodbye = Command::from(rewire_protocol::ShutdownInfo::default());
                self.outputs.push_back(Output::Transmit(active.link, Arc::new(goodbye)));
                self.outputs.push_back(Output::Hangup(active.link));
            }
            State::Dialing(attempt) | State::Replaying(attempt, _) => {
                self.outputs.push_back(Output::Hangup(attempt.active.link));
            }
            State::Idle | State::Waiting(_) => {}
            over @ (State::Failed(_) | State::Closed) => {
                self.state = over;
                return;
            }
        }
        self.fail_requests(&GaveUp::Closed);
        self.event(Event::Closed);
        self.deliver(Incoming::Ended(GaveUp::Closed));
    }

    fn fail_requests(&mut self, reason: &GaveUp) {
        for entry in self.requests.drain() {
            let (id, error) = entry.fail(reason.clone());
            self.outputs.push_back(Output::Complete(id, Err(error)));
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn deliver(&mut self, incoming: Incoming) {
        self.outputs.push_back(Output::Deliver(incoming));
    }
}

/// The answer to what needs none.
fn done_response(number: i32) -> Command {
    Response { correlation_id: number, ..Response::default() }.into()
}

/// Whether asking again cannot help: the broker knows the client, and does not want it.
fn is_hopeless(error: &DialError) -> bool {
    match error {
        DialError::Refused(cause) => cause.class.to_str().contains("Security"),
        DialError::Unsupported(_) => true,
        DialError::Resolve(_)
        | DialError::Connect(_)
        | DialError::TimedOut(_)
        | DialError::Handshake(_) => false,
    }
}

#[cfg(test)]
mod tests;
