//! Each time without a link has one record, told right after what ended it, and the record says what was
//! seen: how long it was, which attempts failed, what became of requests meanwhile.
//!
//! Catches: an interruption without a record, or with two; a record that begins with the round instead
//! of the loss; an attempt that is forgotten or kept twice; requests that failed and are not in it.

use std::collections::VecDeque;

use rewire_failover::RequestError;
use rewire_failover::core::{AttemptEnd, AttemptRecord, Event, Incident, IncidentEnd, Incoming};

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct Incidents {
    clients: Vec<Client>,
}

#[derive(Debug, Default)]
struct Client {
    /// The time without a link, if it is one.
    outage: Option<Outage>,
    /// What ended it, and was the last that was told of.
    ended: Option<IncidentEnd>,
    /// The broker that is being left.
    leaves: Option<String>,
}

/// What was seen of a time without a link.
#[derive(Debug)]
struct Outage {
    since: Time,
    /// The broker that was lost.
    lost: Option<String>,
    /// The brokers whose attempts failed, the last ones.
    failed: VecDeque<String>,
    failures: u64,
    in_doubt: u64,
    not_sent: u64,
    refused: u64,
}

impl Outage {
    const fn new(since: Time, lost: Option<String>) -> Self {
        let failed = VecDeque::new();
        Self { since, lost, failed, failures: 0, in_doubt: 0, not_sent: 0, refused: 0 }
    }
}

impl Incidents {
    pub(super) fn new(clients: usize) -> Self {
        // There is no link at first.
        let client = || Client { outage: Some(Outage::new(Time::ZERO, None)), ..Client::default() };
        Self { clients: (0..clients).map(|_| client()).collect() }
    }
}

impl Invariant for Incidents {
    fn name(&self) -> &'static str {
        "incidents"
    }

    fn see(&mut self, now: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, at) => self.clients[*client].see(now, at),
            Seen::End => {
                for (number, client) in self.clients.iter().enumerate() {
                    ensure!(client.outage.is_none(), "c{number} never told of {:?}", client.outage);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Client {
    fn see(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Told(event) => return self.on_told(now, event),
            AtClient::Delivered(Incoming::Interrupted(_)) => {
                ensure!(self.outage.is_none(), "gone twice");
                self.outage = Some(Outage::new(now, self.leaves.take()));
            }
            AtClient::Completed { outcome: Err(error), .. } => {
                if let Some(outage) = &mut self.outage {
                    match error {
                        RequestError::InDoubt { .. } => outage.in_doubt += 1,
                        RequestError::NotSent(_)
                        | RequestError::TransactionFull { .. }
                        | RequestError::TransactionBroken(_) => outage.not_sent += 1,
                        RequestError::Refused(_) => outage.refused += 1,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn on_told(&mut self, now: Time, event: &Event) -> Verdict {
        if let Some(end) = self.ended.take() {
            let Event::Incident(incident) = event else {
                return Err(format!("{end:?} is followed by {event:?} and not by its record"));
            };
            let outage = self.outage.take();
            return outage.map_or_else(
                || Err("there was a link".to_owned()),
                |outage| outage.judge(now, &end, incident),
            );
        }
        match event {
            Event::Rebalancing { from, .. } => self.leaves = Some(from.clone()),
            Event::Interrupted { broker, .. } => match &mut self.outage {
                Some(outage) => outage.lost = Some(broker.clone()),
                None => return Err(format!("{broker} is lost, and the link is not gone")),
            },
            Event::AttemptFailed { broker, .. } => {
                let Some(outage) = &mut self.outage else {
                    return Err(format!("an attempt at {broker} failed, and there was a link"));
                };
                outage.failures += 1;
                outage.failed.push_back(broker.clone());
                if outage.failed.len() > Incident::FIRST_ATTEMPTS {
                    outage.failed.pop_front();
                }
            }
            Event::Connected { broker } | Event::Resumed { broker, .. } => {
                self.ended = Some(IncidentEnd::Resumed { broker: broker.clone() });
            }
            Event::GaveUp(reason) => self.ended = Some(IncidentEnd::GaveUp((**reason).clone())),
            Event::Closed if self.outage.is_some() => self.ended = Some(IncidentEnd::Closed),
            Event::Incident(incident) => return Err(format!("nothing ended, and {incident}")),
            _ => {}
        }
        Ok(())
    }
}

impl Outage {
    fn judge(self, now: Time, end: &IncidentEnd, incident: &Incident) -> Verdict {
        let outage = now - self.since;
        ensure!(incident.outage == outage, "{outage:?} without a link, and {incident}");
        ensure!(incident.end == *end, "it ended with {end:?}, and {incident}");
        let lost = incident.cause.as_ref().map(|cause| cause.broker().to_owned());
        ensure!(lost == self.lost, "{:?} was lost, and {incident}", self.lost);

        let ended = |attempt: &&AttemptRecord, how: fn(&AttemptEnd) -> bool| how(&attempt.end);
        let was_left = |end: &AttemptEnd| matches!(end, AttemptEnd::Abandoned);
        let has_failed = |end: &AttemptEnd| matches!(end, AttemptEnd::Failed(_));
        let left = incident.attempts.iter().filter(|attempt| ended(attempt, was_left)).count();
        let succeeded = u64::from(matches!(end, IncidentEnd::Resumed { .. }));
        let made = incident.attempts_made();
        // Attempts that were left may be among those that are not kept.
        let is_exact = incident.attempts_left_out == 0;
        let seen = self.failures + succeeded + left as u64;
        let is_right = if is_exact { made == seen } else { made >= seen };
        ensure!(is_right, "{seen} attempts, and {incident}");
        let failed = incident.attempts.iter().rev().filter(|attempt| ended(attempt, has_failed));
        let failed = failed.map(|attempt| &attempt.broker).take(self.failed.len());
        ensure!(
            failed.eq(self.failed.iter().rev()),
            "{:?} failed last, and {incident}",
            self.failed
        );

        let Incident { requests_in_doubt, requests_not_sent, requests_refused, .. } = incident;
        let told = (*requests_in_doubt, *requests_not_sent, *requests_refused);
        let seen = (self.in_doubt, self.not_sent, self.refused);
        ensure!(told == seen, "{seen:?} requests in doubt, not sent, refused, and {incident}");
        Ok(())
    }
}
