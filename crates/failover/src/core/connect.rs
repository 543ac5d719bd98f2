//! From one broker to the next: rounds, dials, the replay, and what follows when it is accepted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rewire_protocol::Command;

use super::incident::IncidentEnd;
use super::io::{Completion, Event, Greeting, Incoming, LinkId, Output};
use super::state::{Active, Attempt, Replay, State};
use super::{FailoverCore, after};
use crate::error::{DialError, GaveUp};
use crate::tracker::weight;
use crate::uri::BrokerUri;

/// How long a broker may take for an answer to a part of a replay, and how much longer for each second's
/// worth of messages in it, on a slow network.
const PATIENCE: Duration = Duration::from_secs(30);
const SLOWEST: usize = 64 << 10;

/// What a broker may say during a replay besides what the consumers' windows let it dispatch.
const HELD_BESIDES_DISPATCHES: usize = 10_000;

impl FailoverCore {
    pub(super) fn on_start(&mut self, now: Instant) {
        if matches!(self.state, State::Idle) {
            self.begin_outage(now, None);
            self.begin_round(now);
        }
    }

    pub(super) fn begin_round(&mut self, now: Instant) {
        if let Some(active) = self.take_standby() {
            self.greet_first(now, active);
            return;
        }
        self.outputs.stats.rounds += 1;
        let mut rest: VecDeque<_> = self.pool.round(&mut self.rng).into();
        match rest.pop_front() {
            Some(broker) => self.dial(now, broker, rest, true),
            None => self.on_round_failed(now, false),
        }
    }

    pub(super) fn dial(
        &mut self,
        now: Instant,
        broker: BrokerUri,
        rest: VecDeque<BrokerUri>,
        all_refused: bool,
    ) {
        // Two links to one broker would be one too many.
        self.drop_standbys_on(&broker);
        let active = self.dial_link(broker);
        self.note_attempt(now, &active.name, false);
        self.state = State::Dialing(Attempt { active, rest, all_refused });
    }

    /// A link to a broker, on its way.
    pub(super) fn dial_link(&mut self, broker: BrokerUri) -> Active {
        self.links += 1;
        let link = LinkId(self.links);
        self.outputs.push_back(Output::Dial(link, broker.clone()));
        Active { link, name: broker.location().into(), broker, version: 0, credentials: None }
    }

    pub(super) fn on_dialed(&mut self, now: Instant, link: LinkId, greeting: Greeting) {
        if self.on_standby_dialed(now, link, &greeting) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Dialing(mut attempt) if attempt.active.link == link => {
                attempt.active.greeted(greeting);
                self.greet(now, attempt);
            }
            other => self.state = other,
        }
    }

    /// A link is there: what the last broker knew is said again.
    pub(super) fn greet(&mut self, now: Instant, attempt: Attempt) {
        self.expire_pulls(now);
        self.keep_what_is_needed();
        let commands = if self.had_link { self.tracker.replay(now) } else { Vec::new() };
        self.had_link = true;
        if commands.is_empty() {
            self.on_connected(now, attempt.active, 0, VecDeque::new());
        } else {
            self.replay(now, attempt, commands);
        }
    }

    pub(super) fn replay(&mut self, now: Instant, attempt: Attempt, mut commands: Vec<Command>) {
        self.note_replay(now, &commands);
        let total = commands.len();
        let patience = patience(&commands);
        if !attempt.active.is_old() {
            self.clearing.close_consumers(&mut commands);
        }
        let mut unanswered = BTreeMap::new();
        let mut waiting = BTreeMap::new();
        for entry in self.requests.iter_mut().filter(|entry| entry.tracked) {
            entry.try_on(&attempt.active.name);
            if entry.completion == Completion::Transmitted {
                waiting.insert(entry.command.command_id(), entry.id);
            }
        }
        for command in commands {
            let completes = waiting.get(&command.command_id()).copied();
            if command.is_response_required() {
                unanswered.insert(command.command_id(), command.clone());
            }
            let command = attempt.active.complete(Arc::new(command));
            self.outputs.push_back(Output::Transmit(attempt.active.link, command, completes));
        }
        for number in waiting.into_keys() {
            self.requests.take(number);
        }
        let max_held = self.tracker.window().saturating_add(HELD_BESIDES_DISPATCHES);
        let (held, due) = (VecDeque::new(), after(now, patience));
        let replay = Replay { unanswered, commands: total, held, max_held, patience, due };
        self.state = State::Replaying(attempt, replay);
    }

    pub(super) fn on_attempt_failed(&mut self, now: Instant, link: LinkId, error: DialError) {
        if self.on_standby_lost(now, link, None) {
            return;
        }
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
        // A provider may say something else the next time.
        let all_refused = all_refused && is_hopeless(&error) && active.credentials.is_none();
        self.pool.failed(&active.broker);
        self.note_failure(now, &active.name, &error);
        self.event(Event::AttemptFailed {
            broker: active.name.to_string(),
            error,
            round: self.failed_rounds + 1,
        });
        match rest.pop_front() {
            Some(broker) => self.try_next(now, broker, rest, all_refused),
            None => self.on_round_failed(now, all_refused),
        }
    }

    /// The next broker of a round: over the standby that is ready there, or a new link.
    fn try_next(
        &mut self,
        now: Instant,
        broker: BrokerUri,
        rest: VecDeque<BrokerUri>,
        all_refused: bool,
    ) {
        match self.take_standby_at(&broker) {
            Some(active) => {
                self.note_attempt(now, &active.name, true);
                self.greet(now, Attempt { active, rest, all_refused });
            }
            None => self.dial(now, broker, rest, all_refused),
        }
    }

    pub(super) fn on_round_failed(&mut self, now: Instant, all_refused: bool) {
        self.failed_rounds += 1;
        let spent = self.options.attempts(self.had_link).is_exhausted(self.failed_rounds);
        if spent || all_refused {
            let last = self.outage.as_ref().and_then(|outage| outage.last_error.clone());
            let reason = last.map_or(GaveUp::NoBrokers, |(broker, error)| GaveUp::Exhausted {
                attempts: self.failed_rounds,
                broker: broker.to_string(),
                error,
            });
            self.give_up(now, reason);
        } else {
            let delay = self.backoff.next();
            self.wait(now, delay);
        }
    }

    /// Waits before the next round, the part of the delay that `reconnectJitter` leaves to chance drawn
    /// anew each time.
    pub(super) fn wait(&mut self, now: Instant, delay: Duration) {
        let jitter = self.options.reconnect_jitter;
        let delay = if jitter > 0.0 {
            delay.mul_f64(1.0 - jitter * self.rng.random::<f64>())
        } else {
            delay
        };
        self.state = State::Waiting(after(now, delay));
    }

    pub(super) fn on_connected(
        &mut self,
        now: Instant,
        active: Active,
        replayed: usize,
        held: VecDeque<Command>,
    ) {
        self.pool.succeeded();
        self.backoff.reset();
        self.failed_rounds = 0;
        let ended = self.outage.take();
        let outage = ended.as_ref().map_or(Duration::ZERO, |ended| now - ended.since);
        let link = active.link;
        let broker = active.name.to_string();
        self.state = State::Connected(active.clone());
        self.since = Some(now);
        self.deliver(Incoming::Resumed(link));
        for command in held {
            self.deliver(Incoming::Command(link, command));
        }
        let resent = self.begin_burst(now, &active);
        let end = IncidentEnd::Resumed { broker: broker.clone() };
        self.event(if replayed == 0 {
            Event::Connected { broker }
        } else {
            Event::Resumed { broker, outage, replayed, resent }
        });
        self.report(now, ended, end, resent);
        self.standby_backoff.reset();
        self.trim_standbys();
        self.keep_standbys(now);
        // The link to a preferred broker may have been ready all along.
        self.plan_move_to_better(now);
    }
}

/// How long a broker that is sent all this may take for any answer.
fn patience(replay: &[Command]) -> Duration {
    let bytes = replay.iter().filter(|command| matches!(command, Command::Message(_))).map(weight);
    let seconds = bytes.fold(0, usize::saturating_add) / SLOWEST;
    PATIENCE.saturating_add(Duration::from_secs(seconds as u64))
}

/// Whether asking again cannot help: the broker knows the client, and does not want it.
fn is_hopeless(error: &DialError) -> bool {
    match error {
        DialError::Refused(cause) => cause.class.to_str().contains("Security"),
        DialError::Unsupported(_) => true,
        DialError::Resolve(_)
        | DialError::Connect(_)
        | DialError::TimedOut(_)
        // A certificate may be renewed, on either side.
        | DialError::Tls(_)
        | DialError::Credentials(_)
        | DialError::Handshake(_) => false,
    }
}
