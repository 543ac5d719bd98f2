//! An incident while it lasts, and the moments at which the core notes something in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::Command;

use super::{AttemptEnd, AttemptRecord, Cause, DialTimes, Incident, IncidentEnd, Replayed};
use crate::core::FailoverCore;
use crate::core::io::{Event, LinkId};
use crate::core::state::{Outage, State};
use crate::core::stats::Stats;
use crate::error::DialError;

/// An incident that is not over.
#[derive(Debug)]
pub(crate) struct Record {
    incident: Incident,
    /// The attempt under way.
    current: Option<Current>,
    /// Since when nothing is tried, if no attempt is under way.
    idle_since: Instant,
    /// The numbers when it began.
    before: Stats,
}

#[derive(Debug)]
struct Current {
    attempt: AttemptRecord,
    began: Instant,
    replay_began: Option<Instant>,
}

impl Record {
    fn new(now: Instant, cause: Option<Cause>, before: Stats) -> Self {
        let incident = Incident {
            cause,
            began: now,
            outage: Duration::ZERO,
            end: IncidentEnd::Closed,
            attempts: Vec::new(),
            attempts_left_out: 0,
            rounds: 0,
            waited: Duration::ZERO,
            replayed: Replayed::default(),
            requests_resent: 0,
            requests_in_doubt: 0,
            requests_not_sent: 0,
            requests_refused: 0,
        };
        Self { incident, current: None, idle_since: now, before }
    }

    fn begin_attempt(&mut self, now: Instant, broker: &str, round: u32, is_standby: bool) {
        self.end_attempt(now, AttemptEnd::Abandoned);
        let waited = now - self.idle_since;
        self.incident.rounds = round;
        self.incident.waited += waited;
        let attempt = AttemptRecord {
            broker: broker.to_owned(),
            round,
            after: now - self.incident.began,
            waited,
            took: Duration::ZERO,
            is_standby,
            dial: DialTimes::default(),
            replay: None,
            end: AttemptEnd::Abandoned,
        };
        self.current = Some(Current { attempt, began: now, replay_began: None });
    }

    fn begin_replay(&mut self, now: Instant, replayed: Replayed) {
        self.incident.replayed = replayed;
        if let Some(current) = &mut self.current {
            current.replay_began = Some(now);
        }
    }

    fn end_attempt(&mut self, now: Instant, end: AttemptEnd) {
        let Some(Current { mut attempt, began, replay_began }) = self.current.take() else {
            return;
        };
        attempt.took = now - began;
        attempt.replay = replay_began.map(|began| now - began);
        attempt.end = end;
        self.idle_since = now;
        let kept = &mut self.incident.attempts;
        kept.push(attempt);
        if kept.len() > Incident::FIRST_ATTEMPTS + Incident::LAST_ATTEMPTS {
            kept.remove(Incident::FIRST_ATTEMPTS);
            self.incident.attempts_left_out += 1;
        }
    }

    fn finish(mut self, now: Instant, end: IncidentEnd, resent: usize, after: &Stats) -> Incident {
        let has_link = matches!(end, IncidentEnd::Resumed { .. });
        if self.current.is_none() {
            self.incident.waited += now - self.idle_since;
        }
        let ending = if has_link { AttemptEnd::Succeeded } else { AttemptEnd::Abandoned };
        self.end_attempt(now, ending);
        let Self { incident, before, .. } = self;
        Incident {
            outage: now - incident.began,
            end,
            requests_resent: resent,
            requests_in_doubt: after.requests_in_doubt - before.requests_in_doubt,
            requests_not_sent: after.requests_not_sent - before.requests_not_sent,
            requests_refused: after.requests_refused - before.requests_refused,
            ..incident
        }
    }
}

impl FailoverCore {
    /// From now on there is no link.
    pub(in crate::core) fn begin_outage(&mut self, now: Instant, cause: Option<Cause>) {
        let record = Record::new(now, cause, self.outputs.stats);
        self.outage = Some(Outage { since: now, last_error: None, record });
    }

    /// A broker is tried.
    pub(in crate::core) fn note_attempt(&mut self, now: Instant, broker: &str, is_standby: bool) {
        self.outputs.stats.attempts += 1;
        let round = self.failed_rounds + 1;
        if let Some(outage) = &mut self.outage {
            outage.record.begin_attempt(now, broker, round, is_standby);
        }
    }

    /// A dial ended, well or not.
    pub(in crate::core) fn note_dial(&mut self, link: LinkId, times: DialTimes) {
        if let (State::Dialing(attempt), Some(outage)) = (&self.state, &mut self.outage)
            && attempt.active.link == link
            && let Some(current) = &mut outage.record.current
        {
            current.attempt.dial = times;
        }
    }

    /// A broker is told of the past.
    pub(in crate::core) fn note_replay(&mut self, now: Instant, commands: &[Command]) {
        if let Some(outage) = &mut self.outage {
            outage.record.begin_replay(now, Replayed::of(commands));
        }
    }

    /// The attempt under way has failed.
    pub(in crate::core) fn note_failure(
        &mut self,
        now: Instant,
        broker: &Arc<str>,
        error: &DialError,
    ) {
        if let Some(outage) = &mut self.outage {
            outage.last_error = Some((broker.clone(), error.clone()));
            outage.record.end_attempt(now, AttemptEnd::Failed(error.clone()));
        }
    }

    /// The time without a link is over: tells of it.
    pub(in crate::core) fn report(
        &mut self,
        now: Instant,
        outage: Option<Outage>,
        end: IncidentEnd,
        resent: usize,
    ) {
        if let Some(Outage { record, .. }) = outage {
            let incident = record.finish(now, end, resent, &self.outputs.stats);
            self.event(Event::Incident(Arc::new(incident)));
        }
    }
}

impl Replayed {
    fn of(commands: &[Command]) -> Self {
        let mut replayed = Self::default();
        for command in commands {
            *match command {
                Command::ConnectionControl(_) | Command::ConnectionInfo(_) => {
                    &mut replayed.connection
                }
                Command::DestinationInfo(_) => &mut replayed.temporary_destinations,
                Command::SessionInfo(_) => &mut replayed.sessions,
                Command::ProducerInfo(_) => &mut replayed.producers,
                Command::ConsumerInfo(_) => &mut replayed.consumers,
                Command::TransactionInfo(_) => &mut replayed.transactions,
                Command::Message(_) => &mut replayed.messages,
                _ => &mut replayed.others,
            } += 1;
        }
        replayed
    }
}
