//! The failover machine: one mutator, no clock, no socket.
//!
//! [`FailoverCore::handle`] takes what happened and says what to do. The rooms:
//! - `io`: what goes in and comes out;
//! - `connect`, `active`, `submit`, `end`: what it does, by what happened;
//! - `state`: where the machine is, with its drawing;
//! - `pool`: the brokers there are, and the order of a round;
//! - `backoff`: how long to wait between rounds;
//! - `standby`: links kept ready on other brokers;
//! - `moves`: to another broker in order, though the link is well;
//! - `clearing`: consumers that stay closed until the application has dealt with the lost link;
//! - `topology`: the cluster as it is known;
//! - `requests`: what waits for a broker or for its answer;
//! - `work`: what a link was doing when it ended;
//! - `offline`: what is answered without a broker;
//! - `incident`: the record of each time without a link;
//! - `stats`: what has happened, in numbers.

mod active;
mod backoff;
mod burst;
mod clearing;
mod connect;
mod end;
mod incident;
mod io;
mod moves;
mod offline;
mod pool;
mod requests;
mod standby;
mod state;
mod stats;
mod submit;
mod topology;
mod work;

use std::collections::vec_deque;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rewire_protocol::{Command, Response};

pub use self::incident::{
    AttemptEnd, AttemptRecord, Cause, DialTimes, Incident, IncidentEnd, Replayed,
};
pub use self::io::{
    Completion, Event, Greeting, Incoming, Input, LinkId, Output, Request, RequestId,
};
pub use self::moves::MoveReason;
pub use self::stats::{Failures, Stats};
pub use self::topology::{BrokerSource, KnownBroker, Topology};

use self::backoff::Backoff;
use self::burst::Stopped;
use self::clearing::Clearing;
use self::moves::PlannedMove;
use self::pool::BrokerPool;
use self::requests::Requests;
use self::standby::Standby;
use self::state::{Outage, State};
use self::stats::Outbox;
use crate::tracker::{ConnectionStateTracker, TrackerLimits};
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
    outputs: Outbox,
    /// Links kept ready on other brokers.
    standbys: Vec<Standby>,
    /// When more of them are looked for, after one was lost.
    standby_due: Option<Instant>,
    standby_backoff: Backoff,
    links: u64,
    /// Rounds that failed since there was a link.
    failed_rounds: u32,
    /// Whether there ever was a link.
    had_link: bool,
    /// Since when there is no link, and what was tried.
    outage: Option<Outage>,
    /// Since when there is one.
    since: Option<Instant>,
    /// A move that is going to happen, while connected.
    planned: Option<PlannedMove>,
    clearing: Clearing,
    /// What waited for a link and is not all sent.
    stopped: Option<Stopped>,
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
        let backoff = Backoff::new(
            options.initial_reconnect_delay,
            options.max_reconnect_delay,
            multiplier,
            // Java: `reconnectDelay` counts only where it differs from its default.
            Some(options.reconnect_delay).filter(|delay| *delay != Duration::from_millis(10)),
        );
        let tracked = TrackerLimits {
            commands: limits.requests,
            bytes: limits.bytes,
            transaction_producers: options.track_transaction_producers,
            cache: options.track_messages.then_some(options.max_cache_size as usize),
        };
        Self {
            pool: BrokerPool::new(brokers, &options),
            backoff: backoff.clone(),
            options,
            limits,
            state: State::Idle,
            rng: SmallRng::seed_from_u64(seed),
            tracker: ConnectionStateTracker::new(tracked),
            requests: Requests::new(),
            outputs: Outbox::default(),
            standbys: Vec::new(),
            standby_due: None,
            standby_backoff: backoff,
            links: 0,
            failed_rounds: 0,
            had_link: false,
            outage: None,
            since: None,
            planned: None,
            clearing: Clearing::default(),
            stopped: None,
        }
    }

    /// Takes what happened. What is due at `now` happens first.
    pub fn handle(&mut self, now: Instant, input: Input) -> Outputs<'_> {
        self.fire_timers(now);
        // What is in doubt over a link that is gone need not become so.
        if !matches!(input, Input::Unsendable(..) | Input::Lost(..)) {
            self.go_on_with_burst(now);
        }
        match input {
            Input::Start => self.on_start(now),
            Input::Submit(request) => self.on_submit(now, request),
            Input::Dialed(link, result, times) => {
                self.note_dial(link, times);
                match result {
                    Ok(greeting) => self.on_dialed(now, link, greeting),
                    Err(error) => self.on_attempt_failed(now, link, error),
                }
            }
            Input::Received(link, command) => self.on_received(now, link, command),
            Input::Lost(link, reason) => self.on_lost(now, link, reason),
            Input::Unsendable(link, number, error) => {
                self.on_unsendable(now, link, number, error);
            }
            Input::Cleared(link) => self.on_cleared(link),
            Input::Settled { link, consumer, last_delivered_sequence_id } => {
                self.on_settled(now, link, consumer, last_delivered_sequence_id);
            }
            Input::Discovered { brokers, rebalance } => {
                self.on_discovered(now, brokers, rebalance);
            }
            Input::Timeout => {}
            Input::Close => self.on_close(now),
        }
        Outputs(self.outputs.drain())
    }

    /// When the core wants to be called with [`Input::Timeout`], if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let round = match &self.state {
            State::Waiting(until) => Some(*until),
            State::Leaving(_, departure) => Some(departure.until),
            State::Replaying(_, replay) => Some(replay.due),
            State::Connected(_) => self.planned.as_ref().and_then(PlannedMove::due),
            State::Idle | State::Dialing(_) | State::Failed(_) | State::Closed => None,
        };
        let of_requests = [self.next_message_timeout(), self.next_request_timeout()];
        let others = [round, self.next_pull_expiry(), self.standby_due, self.stopped_since()];
        of_requests.into_iter().chain(others).flatten().min()
    }

    /// The link whose word counts, once a broker was reached over it.
    #[must_use]
    pub const fn link(&self) -> Option<LinkId> {
        self.state.link()
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

    /// How many rounds over all brokers have failed since there was a link.
    #[must_use]
    pub const fn failed_rounds(&self) -> u32 {
        self.failed_rounds
    }

    fn next_message_timeout(&self) -> Option<Instant> {
        let since = self.outage.as_ref()?.since;
        self.requests.next_timeout(since, self.options.timeout?)
    }

    fn next_request_timeout(&self) -> Option<Instant> {
        self.requests.next_expiry(self.options.request_timeout?)
    }

    fn fire_timers(&mut self, now: Instant) {
        if self.next_message_timeout().is_some_and(|due| due <= now) {
            self.time_out_messages(now);
        }
        if self.next_request_timeout().is_some_and(|due| due <= now) {
            self.time_out_requests(now);
        }
        if self.next_pull_expiry().is_some_and(|due| due <= now) {
            self.expire_pulls(now);
        }
        match &self.state {
            State::Waiting(until) if *until <= now => self.begin_round(now),
            State::Leaving(_, departure) if departure.until <= now => self.depart_if_settled(now),
            State::Replaying(_, replay) if replay.due <= now => self.on_replay_unanswered(now),
            State::Connected(_) => {
                let due = self.planned.as_ref().and_then(PlannedMove::due);
                if due.is_some_and(|due| due <= now) {
                    self.begin_move(now);
                }
            }
            _ => {}
        }
        if self.standby_due.is_some_and(|due| due <= now) {
            self.standby_due = None;
            self.keep_standbys(now);
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn deliver(&mut self, incoming: Incoming) {
        if let Incoming::Command(_, Command::MessageDispatch(dispatch)) = &incoming
            && let Some(id) = &dispatch.consumer_id
        {
            self.tracker.dispatched(id);
        }
        self.outputs.push_back(Output::Deliver(incoming));
    }
}

/// The time `delay` after `now`, or so late that it makes no difference.
pub(crate) fn after(now: Instant, delay: Duration) -> Instant {
    const AGES: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    now + delay.min(AGES)
}

/// The answer to what needs none.
pub(crate) fn done_response(number: i32) -> Command {
    Response { correlation_id: number, ..Response::default() }.into()
}

#[cfg(test)]
mod tests;
