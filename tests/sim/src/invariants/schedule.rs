//! Attempts and delays obey the options: who is dialled, in which order, and exactly when; and giving up
//! comes with the last attempt that is allowed.
//!
//! Catches: no back-off; a wrong product or a wrong maximum; a round that leaves a broker out, or does
//! not try last what failed last; attempts off by one; a limit never reached, or a limit forgotten.

use std::time::Duration;

use rewire_failover::DialError;
use rewire_failover::core::{Event, Incoming, LinkId};

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::plan::{ClientPlan, Plan, address};
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct Schedules {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    plan: ClientPlan,
    brokers: Vec<String>,
    state: State,
    had_link: bool,
    failed_rounds: u32,
    /// The next delay between rounds, in milliseconds.
    delay: u64,
    last_failed: Option<String>,
    /// Brokers tried in this round, and whether each so far did not want the client for who it is.
    tried: Vec<String>,
    all_refused: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A dial is due then.
    Waiting(Time),
    /// A broker is being tried, over this link.
    Trying(LinkId, String),
    /// It failed then, which has to be told at once.
    Failing(Time, String),
    /// Another has to be tried now.
    Next(Time),
    /// Nothing is left but to give up, now.
    Giving(Time),
    Connected(LinkId, String),
    Over,
}

impl Schedules {
    pub(super) fn new(plan: &Plan) -> Self {
        let brokers: Vec<String> = (0..plan.brokers.len()).map(address).collect();
        let client = |client: &ClientPlan| Client {
            delay: millis(client.initial_delay),
            plan: client.clone(),
            brokers: brokers.clone(),
            state: State::Waiting(Time::ZERO),
            had_link: false,
            failed_rounds: 0,
            last_failed: None,
            tried: Vec::new(),
            all_refused: true,
        };
        Self { clients: plan.clients.iter().map(client).collect() }
    }
}

impl Invariant for Schedules {
    fn name(&self) -> &'static str {
        "schedule"
    }

    fn see(&mut self, now: Time, seen: &Seen<'_>) -> Verdict {
        for (number, client) in self.clients.iter().enumerate() {
            let (State::Waiting(due)
            | State::Failing(due, _)
            | State::Next(due)
            | State::Giving(due)) = &client.state
            else {
                continue;
            };
            ensure!(now <= *due, "c{number} was to act at {due:?}: {:?}", client.state);
        }
        let Seen::Client(client, at) = seen else { return Ok(()) };
        self.clients[*client].see(now, at)
    }
}

impl Client {
    fn see(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Dialing { link, broker } => return self.on_dialing(now, *link, broker),
            AtClient::Dialed { result: Ok(()), .. } => self.had_link = true,
            AtClient::Dialed { link, result: Err(_) } | AtClient::Lost { link, .. } => {
                self.on_gone(now, *link);
            }
            AtClient::HungUp { link } => {
                if matches!(&self.state, State::Trying(trying, _) if trying == link) {
                    self.on_gone(now, *link);
                }
            }
            AtClient::Delivered(Incoming::Resumed(link)) => {
                let State::Trying(trying, broker) = &self.state else {
                    return Err(format!("{link} is there, and {:?}", self.state));
                };
                ensure!(trying == link, "{link} is there, and {trying} was tried");
                self.state = State::Connected(*link, broker.clone());
                self.last_failed = None;
                self.failed_rounds = 0;
                self.delay = millis(self.plan.initial_delay);
            }
            AtClient::Told(Event::AttemptFailed { broker, error, round }) => {
                return self.on_attempt_failed(now, broker, error, *round);
            }
            AtClient::Told(Event::GaveUp(_)) => {
                let may = matches!(self.state, State::Giving(_));
                ensure!(may, "it gives up, and {:?}", self.state);
                self.state = State::Over;
            }
            AtClient::Closing => self.state = State::Over,
            _ => {}
        }
        Ok(())
    }

    fn on_dialing(&mut self, now: Time, link: LinkId, broker: &str) -> Verdict {
        match &self.state {
            State::Waiting(due) => {
                ensure!(now == *due, "{broker} is dialled, and it was to wait until {due:?}");
                self.tried.clear();
                self.all_refused = true;
            }
            State::Next(_) => {}
            state => return Err(format!("{broker} is dialled, and {state:?}")),
        }
        let mut order: Vec<&String> = self.brokers.iter().collect();
        // What failed last comes last. Within a round, that is what had failed before it.
        if let Some(last) = &self.last_failed {
            order.retain(|broker| *broker != last);
            order.push(last);
        }
        ensure!(!self.tried.iter().any(|tried| tried == broker), "{broker} was tried already");
        let place = self.tried.len();
        if self.plan.randomize {
            let is_last = self.last_failed.as_deref() == Some(broker);
            let may = !is_last || place + 1 == self.brokers.len();
            ensure!(may, "{broker} failed last and is dialled too early");
        } else {
            ensure!(order.get(place).is_some_and(|next| *next == broker), "{broker} is dialled");
        }
        self.tried.push(broker.to_owned());
        self.state = State::Trying(link, broker.to_owned());
        Ok(())
    }

    fn on_gone(&mut self, now: Time, link: LinkId) {
        match &self.state {
            State::Trying(trying, broker) if *trying == link => {
                self.state = State::Failing(now, broker.clone());
            }
            State::Connected(there, broker) if *there == link => {
                self.last_failed = Some(broker.clone());
                self.state = match self.plan.attempts {
                    Some(0) => State::Giving(now),
                    _ => State::Waiting(now + self.plan.initial_delay),
                };
            }
            _ => {}
        }
    }

    fn on_attempt_failed(
        &mut self,
        now: Time,
        broker: &str,
        error: &DialError,
        round: u32,
    ) -> Verdict {
        let is_told = matches!(&self.state, State::Failing(_, failed) if failed == broker);
        ensure!(is_told, "{broker} is called failed, and {:?}", self.state);
        let expected = self.failed_rounds + 1;
        ensure!(round == expected, "round {expected} is called round {round}");
        let is_refused = matches!(
            error,
            DialError::Refused(cause) if cause.class.to_str().contains("Security")
        );
        self.all_refused &= is_refused;
        if self.tried.len() < self.brokers.len() {
            self.state = State::Next(now);
            return Ok(());
        }
        self.last_failed = self.tried.last().cloned();
        self.failed_rounds += 1;
        let limit = self.plan.limit(self.had_link);
        let is_spent = limit.is_some_and(|limit| self.failed_rounds >= limit);
        if is_spent || self.all_refused {
            self.state = State::Giving(now);
            return Ok(());
        }
        self.state = State::Waiting(now + Duration::from_millis(self.delay));
        if let Some(multiplier) = self.plan.multiplier {
            self.delay = next_delay(self.delay, multiplier, millis(self.plan.max_delay));
        }
        Ok(())
    }
}

/// Java: `reconnectDelay *= backOffMultiplier`, a long by a double, then no more than the maximum.
fn next_delay(delay: u64, multiplier: f64, max: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "as Java does it, with delays of seconds"
    )]
    let product = (delay as f64 * multiplier) as u64;
    product.min(max)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
