//! Attempts and delays obey the options: who is dialled, in which order, and exactly when; and giving up
//! comes with the last attempt that is allowed.
//!
//! Catches: no back-off; a wrong product or a wrong maximum; a round that leaves a broker out, or does
//! not try last what failed last, or first what is preferred; attempts off by one; a limit never reached,
//! or a limit forgotten; a ready standby that is not taken, or one too many; a move that goes elsewhere.

use std::time::Duration;

use rewire_failover::DialError;
use rewire_failover::core::{Event, Incoming, LinkId};
use rewire_protocol::{Command, ConnectionControl};

use super::wishes::Wishes;
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
    configured: Vec<String>,
    pushed: Vec<String>,
    state: State,
    had_link: bool,
    failed_rounds: u32,
    /// The next delay between rounds, in milliseconds.
    delay: u64,
    last_failed: Option<String>,
    /// What is left of this round.
    round: Vec<(Rank, String)>,
    /// Whether each broker of this round so far did not want the client for who it is.
    all_refused: bool,
    standbys: Vec<Standby>,
    /// The link last heard to be there, standbys apart.
    greeted: Option<LinkId>,
    /// Whether a standby became ready while another broker was being dialled.
    has_late_standby: bool,
    wishes: Wishes,
    /// The broker that a move goes to, from when the old link is left until the new one is spoken over.
    move_to: Option<String>,
}

#[derive(Debug)]
struct Standby {
    link: LinkId,
    broker: String,
    is_ready: bool,
}

/// The place of a broker in a round, in which chance may order those of one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Preferred,
    Ordinary,
    /// Another name of one that comes before.
    Other,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A dial is due: not before the first moment, and not after the second.
    Waiting(Time, Time),
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
        let client = |client: &ClientPlan| Client {
            delay: millis(client.initial_delay),
            plan: client.clone(),
            configured: (0..client.configured).map(address).collect(),
            pushed: Vec::new(),
            state: State::Waiting(Time::ZERO, Time::ZERO),
            had_link: false,
            failed_rounds: 0,
            last_failed: None,
            round: Vec::new(),
            all_refused: true,
            standbys: Vec::new(),
            greeted: None,
            has_late_standby: false,
            wishes: Wishes::new(client),
            move_to: None,
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
            let (State::Waiting(_, due)
            | State::Failing(due, _)
            | State::Next(due)
            | State::Giving(due)) = &client.state
            else {
                continue;
            };
            ensure!(now <= *due, "c{number} was to act by {due:?}: {:?}", client.state);
        }
        let Seen::Client(client, at) = seen else { return Ok(()) };
        self.clients[*client].see(now, at)
    }
}

impl Client {
    fn see(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        let seen = self.judge(now, at);
        self.wishes.see(now, at);
        seen
    }

    fn judge(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Dialing { link, broker } => return self.on_dialing(now, *link, broker),
            AtClient::Dialed { link, result: Ok(()) } => self.on_dialed(now, *link),
            AtClient::Dialed { link, result: Err(_) } | AtClient::Lost { link, .. } => {
                self.on_gone(now, *link);
            }
            AtClient::HungUp { link } => {
                self.standbys.retain(|standby| standby.link != *link);
                if matches!(&self.state, State::Trying(trying, _) if trying == link) {
                    if self.has_late_standby {
                        self.state = State::Waiting(now, now);
                    } else {
                        self.on_gone(now, *link);
                    }
                }
                // It is left for another broker, where it goes at once.
                if matches!(&self.state, State::Connected(there, _) if there == link) {
                    self.state = State::Waiting(now, now);
                }
            }
            AtClient::Told(Event::Rebalancing { to, .. }) => self.move_to = Some(to.clone()),
            AtClient::Transmitted { link, .. } => return self.on_spoken(now, *link),
            AtClient::Received { link, command: Command::ConnectionControl(control) } => {
                self.on_control(*link, control);
            }
            AtClient::Delivered(Incoming::Resumed(link)) => {
                self.on_spoken(now, *link)?;
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

    /// All brokers, those that a broker has named first.
    fn brokers(&self) -> Vec<String> {
        let configured = self.configured.iter().filter(|broker| !self.pushed.contains(broker));
        self.pushed.iter().chain(configured).cloned().collect()
    }

    fn on_control(&mut self, link: LinkId, control: &ConnectionControl) {
        let may = match &self.state {
            State::Connected(there, _) | State::Trying(there, _) => *there == link,
            _ => false,
        };
        let list = control.connected_brokers.as_ref().map(|list| list.to_str().into_owned());
        let Some(list) = list.filter(|list| may && !list.is_empty()) else { return };
        let pushed: Vec<String> = list.split(',').map(str::to_owned).collect();
        let is_news = pushed.len() != self.pushed.len()
            || pushed.iter().any(|broker| !self.pushed.contains(broker));
        // A broker that is named again is there again.
        self.last_failed.take_if(|failed| is_news && pushed.contains(failed));
        self.pushed = pushed;
    }

    /// Every broker comes once; then others of their names; and last what failed last.
    fn begin_round(&mut self) {
        let mut round: Vec<(Rank, String)> = Vec::new();
        for broker in self.brokers() {
            let is_same = |other: &str| self.wishes.names.is_same(other, &broker);
            let rank = if self.last_failed.as_deref().is_some_and(is_same) {
                Rank::Failed
            } else if round.iter().any(|(_, other)| is_same(other)) {
                Rank::Other
            } else if self.wishes.is_preferred(&broker) {
                Rank::Preferred
            } else {
                Rank::Ordinary
            };
            round.push((rank, broker));
        }
        round.sort_by_key(|(rank, _)| *rank);
        self.round = round;
        self.all_refused = true;
    }

    fn on_dialing(&mut self, now: Time, link: LinkId, broker: &str) -> Verdict {
        if let State::Connected(_, current) = &self.state {
            let Wishes { names, is_leaving, .. } = &self.wishes;
            ensure!(!is_leaving, "{broker} is dialled, and {current} is being left");
            ensure!(!names.is_same(current, broker), "{broker} is dialled beside itself");
            let mut standbys = self.standbys.iter();
            let is_known = standbys.any(|standby| names.is_same(&standby.broker, broker));
            ensure!(!is_known, "{broker} is kept ready twice");
            ensure!(self.wants_standby(now, broker), "{broker} is one standby too many");
            self.standbys.push(Standby { link, broker: broker.to_owned(), is_ready: false });
            return Ok(());
        }
        match &self.state {
            State::Waiting(from, until) => {
                let may = *from <= now && now <= *until;
                ensure!(may, "{broker} is dialled, and it was to wait until {from:?}");
                let is_ready = self.standbys.iter().any(|standby| standby.is_ready);
                ensure!(!is_ready, "{broker} is dialled, and a standby is ready");
                self.begin_round();
            }
            State::Next(_) => {
                let names = &self.wishes.names;
                let mut ready = self.standbys.iter().filter(|standby| standby.is_ready);
                let is_ready = ready.any(|standby| names.is_same(&standby.broker, broker));
                ensure!(!is_ready, "{broker} is dialled, and a standby is ready there");
            }
            state => return Err(format!("{broker} is dialled, and {state:?}")),
        }
        let place = self.round.iter().position(|(_, next)| next == broker);
        self.take_from_round(broker, place)?;
        self.state = State::Trying(link, broker.to_owned());
        Ok(())
    }

    /// A broker is tried, which has this place among those that are left.
    fn take_from_round(&mut self, broker: &str, place: Option<usize>) -> Verdict {
        let Some(place) = place else {
            return Err(format!("{broker} is tried, and {:?} were left", self.round));
        };
        if self.plan.randomize {
            let first = self.round[0].0;
            let (rank, _) = self.round[place];
            ensure!(rank == first, "{broker} is tried too early: {:?}", self.round);
        } else {
            ensure!(place == 0, "{broker} is tried, and {:?} were left", self.round);
        }
        self.round.remove(place);
        Ok(())
    }

    /// Whether there is a use for a standby: one of the pool, one with priority, or to move to.
    fn wants_standby(&self, now: Time, broker: &str) -> bool {
        let seeks =
            |broker: &str| self.wishes.seeks_preferred() && self.wishes.is_preferred(broker);
        let wanted = self.plan.standbys.unwrap_or(0) as usize;
        let ordinary = self.standbys.iter().filter(|standby| !seeks(&standby.broker)).count();
        ordinary < wanted || seeks(broker) || self.wishes.may_begin(now, broker)
    }

    /// The standby that is to be taken when a link is needed.
    fn next_standby(&self) -> Option<usize> {
        let is_target = |standby: &Standby| self.move_to.as_ref() == Some(&standby.broker);
        let is_preferred = |standby: &Standby| self.wishes.is_preferred(&standby.broker);
        let first = |is_it: &dyn Fn(&Standby) -> bool| {
            self.standbys.iter().position(|standby| standby.is_ready && is_it(standby))
        };
        first(&is_target).or_else(|| first(&is_preferred)).or_else(|| first(&|_| true))
    }

    fn on_dialed(&mut self, now: Time, link: LinkId) {
        let Some(standby) = self.standbys.iter_mut().find(|standby| standby.link == link) else {
            self.had_link = true;
            self.greeted = Some(link);
            return;
        };
        standby.is_ready = true;
        match &self.state {
            // It takes over there and then.
            State::Waiting(..) => self.state = State::Waiting(now, now),
            State::Trying(trying, _) => self.has_late_standby = self.greeted != Some(*trying),
            _ => {}
        }
    }

    /// Something is said over a link: if it is a standby's, then that is being tried now.
    fn on_spoken(&mut self, now: Time, link: LinkId) -> Verdict {
        if matches!(self.state, State::Next(_)) {
            return self.on_next_spoken(link);
        }
        let ready = self.next_standby();
        let Some(place) = ready.filter(|place| self.standbys[*place].link == link) else {
            return Ok(());
        };
        let State::Waiting(from, until) = &self.state else {
            return Err(format!("a standby is spoken over, and {:?}", self.state));
        };
        let may = *from <= now && now <= *until;
        ensure!(may, "a standby is taken, and it was to wait until {from:?}");
        let standby = self.standbys.remove(place);
        self.has_late_standby = false;
        self.greeted = Some(link);
        self.begin_round();
        self.move_to = None;
        self.round.retain(|(_, broker)| !self.wishes.names.is_same(broker, &standby.broker));
        self.state = State::Trying(link, standby.broker);
        Ok(())
    }

    /// The next broker of the round is spoken to: over the standby that is ready there.
    fn on_next_spoken(&mut self, link: LinkId) -> Verdict {
        let is_it = |standby: &Standby| standby.link == link && standby.is_ready;
        let Some(place) = self.standbys.iter().position(is_it) else { return Ok(()) };
        let broker = self.standbys.remove(place).broker;
        let is_same = |(_, next): &(Rank, String)| self.wishes.names.is_same(next, &broker);
        let place = self.round.iter().position(is_same);
        self.take_from_round(&broker, place)?;
        self.greeted = Some(link);
        self.state = State::Trying(link, broker);
        Ok(())
    }

    fn on_gone(&mut self, now: Time, link: LinkId) {
        self.standbys.retain(|standby| standby.link != link);
        match &self.state {
            State::Trying(trying, broker) if *trying == link => {
                self.state = State::Failing(now, broker.clone());
            }
            State::Connected(there, broker) if *there == link => {
                self.last_failed = Some(broker.clone());
                self.move_to = None;
                let is_ready = self.standbys.iter().any(|standby| standby.is_ready);
                self.state = match self.plan.attempts {
                    Some(0) => State::Giving(now),
                    // Java: a ready backup is taken without the initial delay.
                    _ if is_ready => State::Waiting(now, now),
                    _ => self.wait(now, self.plan.initial_delay),
                };
            }
            _ => {}
        }
    }

    /// Waits for a delay, of which the option may leave a part to chance.
    fn wait(&self, now: Time, delay: Duration) -> State {
        State::Waiting(now + delay.mul_f64(1.0 - self.plan.jitter), now + delay)
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
        self.last_failed = Some(broker.to_owned());
        if !self.round.is_empty() {
            self.state = State::Next(now);
            return Ok(());
        }
        self.failed_rounds += 1;
        let limit = self.plan.limit(self.had_link);
        let is_spent = limit.is_some_and(|limit| self.failed_rounds >= limit);
        if is_spent || self.all_refused {
            self.state = State::Giving(now);
            return Ok(());
        }
        // There is always some rest.
        self.delay = if self.delay == 0 { 10 } else { self.delay };
        self.state = self.wait(now, Duration::from_millis(self.delay));
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
