//! Orderly moves: to another broker though the link is well, because a broker asks for it, or because a
//! preferred broker is back.
//!
//! A move first gets a link to its target, the old one serving all the while. Then the old one is *left*:
//! nothing new is sent over it, the application says consumer by consumer that it has settled what it
//! held, what was sent is answered. Only then the broker is told goodbye and the target is greeted as
//! after any failover. If the target cannot be reached, the connection stays where it is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rewire_protocol::{Command, ConsumerId, FlushCommand, RemoveInfo, ShutdownInfo};

use super::incident::Cause;
use super::io::{Event, Incoming, LinkId, Output};
use super::standby::Standby;
use super::state::{Active, Attempt, Departure, State};
use super::{FailoverCore, after};
use crate::uri::BrokerUri;

/// How long a connection stays at a broker at least before it is moved away in order.
const LEAST_STAY: Duration = Duration::from_secs(1);
/// Moves begin within this time at random, because many clients are told at once.
const SPREAD: Duration = Duration::from_millis(500);
/// How long the application has to settle what it holds, and the broker to answer.
const SETTLE: Duration = Duration::from_secs(2);

/// Why a connection moves to another broker though its own is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MoveReason {
    /// The cluster changed, and a broker or `updateURIsURL` named another broker first
    /// (`rebalanceClusterClients`, `rebalanceUpdateURIs`).
    Rebalance,
    /// The broker named this one to go to (`reconnectTo`).
    Asked,
    /// A broker with priority is back (`priorityBackup`).
    Priority,
}

/// A move that is going to happen.
#[derive(Debug)]
pub(crate) struct PlannedMove {
    target: BrokerUri,
    reason: MoveReason,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Not before this moment.
    Waiting(Instant),
    /// Its link is on its way.
    Dialing(LinkId),
}

impl fmt::Display for MoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rebalance => "the cluster is balanced anew",
            Self::Asked => "the broker asks for it",
            Self::Priority => "a preferred broker is back",
        })
    }
}

impl PlannedMove {
    pub(super) const fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting(due) => Some(due),
            Stage::Dialing(_) => None,
        }
    }

    pub(super) fn is_to(&self, broker: &BrokerUri) -> bool {
        self.target == *broker
    }
}

impl FailoverCore {
    /// Plans to go to a broker, in place of what was planned before.
    ///
    /// Java drops the link at once, and all clients do so together. Here a connection has been where it is
    /// for a while first, and the moves of many are spread by chance.
    pub(super) fn plan_move(&mut self, now: Instant, target: BrokerUri, reason: MoveReason) {
        let State::Connected(current) = &self.state else { return };
        self.planned = None;
        let stays = self.pool.is_same(&current.broker, &target);
        // Java: a client that has the broker it prefers is not moved away by others.
        let is_preferred = self.options.priority_backup && self.pool.is_priority(&current.broker);
        if !stays && !is_preferred {
            let earliest = self.since.map_or(now, |since| now.max(after(since, LEAST_STAY)));
            let spread = SPREAD.mul_f64(self.rng.random::<f64>());
            let stage = Stage::Waiting(after(earliest, spread));
            self.planned = Some(PlannedMove { target, reason, stage });
        }
        self.trim_standbys();
        self.plan_move_to_better(now);
    }

    /// Plans to go to a preferred broker whose link is there, unless another move is planned.
    pub(super) fn plan_move_to_better(&mut self, now: Instant) {
        if self.planned.is_none()
            && self.seeks_priority()
            && let Some(target) = self.better_standby()
        {
            self.plan_move(now, target, MoveReason::Priority);
        }
    }

    /// It is time for the planned move: its link is made, if it is not there.
    pub(super) fn begin_move(&mut self, now: Instant) {
        let (State::Connected(current), Some(mut planned)) = (&self.state, self.planned.take())
        else {
            return;
        };
        // Since it was planned, other names of brokers may have become known, or doubtful.
        let is_better =
            self.pool.is_priority(&planned.target) && !self.pool.is_priority(&current.broker);
        let is_off = planned.reason == MoveReason::Priority && !is_better;
        if self.pool.is_same(&current.broker, &planned.target) || is_off {
            self.plan_move_to_better(now);
            return;
        }
        let is_target =
            |standby: &&Standby| self.pool.is_same(&standby.active.broker, &planned.target);
        let (link, is_ready) = match self.standbys.iter().find(is_target) {
            Some(standby) => {
                planned.target = standby.active.broker.clone();
                (standby.active.link, standby.is_ready())
            }
            None => (self.dial_standby(planned.target.clone()), false),
        };
        self.planned = Some(PlannedMove { stage: Stage::Dialing(link), ..planned });
        if is_ready {
            self.leave(now, link);
        }
    }

    /// A standby is ready: the one a planned move waits for?
    pub(super) fn on_move_dialed(&mut self, now: Instant, link: LinkId) {
        let is_awaited = |planned: &PlannedMove| matches!(planned.stage, Stage::Dialing(awaited) if awaited == link);
        if self.planned.as_ref().is_some_and(is_awaited) {
            self.leave(now, link);
        }
    }

    /// A standby is gone: a planned move to it is off.
    pub(super) fn forget_move_to(&mut self, broker: &BrokerUri) {
        self.planned.take_if(|planned| {
            planned.is_to(broker)
                && (planned.reason == MoveReason::Priority
                    || matches!(planned.stage, Stage::Dialing(_)))
        });
    }

    /// Begins to leave the broker for the one at the other end of a standby.
    fn leave(&mut self, now: Instant, target: LinkId) {
        let Some(planned) = self.planned.take() else { return };
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Connected(active) => {
                self.event(Event::Rebalancing {
                    from: active.name.to_string(),
                    to: planned.target.location(),
                    reason: planned.reason,
                });
                self.deliver(Incoming::Leaving(active.link));
                let flush = self.flush(active.link);
                let departure = Departure {
                    target,
                    flush,
                    reason: planned.reason,
                    until: after(now, SETTLE),
                    unsettled: self.tracker.consumers().cloned().collect(),
                    farewells: Vec::new(),
                };
                self.state = State::Leaving(active, departure);
                self.depart_if_settled(now);
            }
            other => self.state = other,
        }
    }

    /// Asks a broker that is going to be left whether it has what is in the message cache: an answer says
    /// that it has all that was sent before.
    fn flush(&mut self, link: LinkId) -> Option<i32> {
        if !self.tracker.has_unconfirmed() {
            return None;
        }
        let command_id = self.requests.next_number();
        self.requests.push(None);
        self.transmit(link, FlushCommand { command_id, response_required: true });
        Some(command_id)
    }

    /// Whether this is the answer to that.
    pub(super) fn is_flushed(&mut self, number: i32) -> bool {
        let State::Leaving(_, departure) = &mut self.state else { return false };
        departure.flush.take_if(|flush| *flush == number).is_some()
    }

    /// The application has done with all that a consumer got over a link that is being left.
    pub(super) fn on_settled(
        &mut self,
        now: Instant,
        link: LinkId,
        consumer: ConsumerId,
        last_delivered_sequence_id: i64,
    ) {
        let State::Leaving(active, departure) = &mut self.state else { return };
        let place = departure.unsettled.iter().position(|unsettled| *unsettled == consumer);
        if let Some(place) = place.filter(|_| active.link == link) {
            departure.unsettled.swap_remove(place);
            let object_id = Some(Box::new(consumer.into()));
            departure.farewells.push(RemoveInfo {
                object_id,
                last_delivered_sequence_id,
                ..RemoveInfo::default()
            });
            self.depart_if_settled(now);
        }
    }

    /// Goes, if nothing is left to wait for.
    pub(super) fn depart_if_settled(&mut self, now: Instant) {
        let Self { state: State::Leaving(_, departure), tracker, requests, .. } = self else {
            return;
        };
        departure.unsettled.retain(|consumer| tracker.has_consumer(consumer));
        let is_settled = departure.unsettled.is_empty()
            && departure.flush.is_none()
            && !requests.iter().any(|entry| !entry.tried.is_empty());
        if is_settled || departure.until <= now {
            self.depart(now);
        }
    }

    /// Says goodbye to the old broker and greets the new one.
    ///
    /// A consumer that was settled is removed in so many words, so that the broker knows what the
    /// application has seen and marks nothing else as redelivered. Of one that was not, all counts as
    /// seen.
    fn depart(&mut self, now: Instant) {
        let (active, departure) = match std::mem::replace(&mut self.state, State::Idle) {
            State::Leaving(active, departure) => (active, departure),
            other => {
                self.state = other;
                return;
            }
        };
        let link = active.link;
        for mut farewell in departure.farewells {
            farewell.command_id = self.requests.next_number();
            self.requests.push(None);
            self.transmit(link, farewell);
        }
        self.transmit(link, ShutdownInfo::default());
        self.outputs.push_back(Output::Hangup(link));
        self.interrupt(link);
        self.begin_outage(now, Some(Cause::left(&active.name, departure.reason)));
        self.finish_what_ended_with_the_link();
        self.fail_what_was_for(link);
        match self.take_standby_on(departure.target) {
            Some(target) => self.greet_first(now, target),
            // It was lost meanwhile: any broker is better than none.
            None => self.begin_round(now),
        }
    }

    /// Greets a broker whose link is there, with a whole round to follow if it does not want us.
    pub(super) fn greet_first(&mut self, now: Instant, active: Active) {
        self.outputs.stats.rounds += 1;
        self.note_attempt(now, &active.name, true);
        let others = self.pool.round(&mut self.rng).into_iter();
        // What a provider said for a standby may be out of date: it is asked again then.
        let may_heal = active.credentials.is_some();
        let is_left = |broker: &BrokerUri| may_heal || !self.pool.is_same(broker, &active.broker);
        let rest = others.filter(is_left).collect();
        self.greet(now, Attempt { active, rest, all_refused: true });
    }

    pub(super) fn transmit(&mut self, link: LinkId, command: impl Into<Command>) {
        self.outputs.push_back(Output::Transmit(link, Arc::new(command.into()), None));
    }
}
