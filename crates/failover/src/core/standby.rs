//! Links kept ready on other brokers, so that a lost link is replaced without a dial: `backup`.

use std::time::Instant;

use super::io::{LinkId, Output};
use super::state::{Active, State};
use super::{FailoverCore, after};
use crate::uri::BrokerUri;

/// A link that is ready to take over, or on its way to be.
#[derive(Debug)]
pub(crate) struct Standby {
    pub(crate) active: Active,
    ready: bool,
}

impl Standby {
    pub(super) const fn is_ready(&self) -> bool {
        self.ready
    }
}

impl FailoverCore {
    /// Dials as many standbys as are wanted and missing, on brokers that have none and are not in use.
    pub(super) fn keep_standbys(&mut self, now: Instant) {
        let State::Connected(current) = &self.state else { return };
        if !self.options.backup || self.standby_due.is_some_and(|due| due > now) {
            return;
        }
        self.standby_due = None;
        let wanted = usize::try_from(self.options.backup_pool_size).unwrap_or(usize::MAX);
        let current = current.broker.clone();
        for broker in self.pool.round(&mut self.rng) {
            if self.standbys.len() >= wanted {
                break;
            }
            let is_taken = |standby: &Standby| standby.active.broker == broker;
            if broker != current && !self.standbys.iter().any(is_taken) {
                self.dial_standby(broker);
            }
        }
    }

    fn dial_standby(&mut self, broker: BrokerUri) {
        let active = self.dial_link(broker);
        self.standbys.push(Standby { active, ready: false });
    }

    /// Whether the link is a standby's; then it is ready, and takes over at once if a link is looked for.
    pub(super) fn on_standby_dialed(&mut self, now: Instant, link: LinkId) -> bool {
        let Some(standby) = self.standbys.iter_mut().find(|standby| standby.active.link == link)
        else {
            return false;
        };
        standby.ready = true;
        match &self.state {
            State::Waiting(_) => self.begin_round(now),
            State::Dialing(attempt) => {
                self.outputs.push_back(Output::Hangup(attempt.active.link));
                self.begin_round(now);
            }
            State::Idle
            | State::Replaying(..)
            | State::Connected(_)
            | State::Failed(_)
            | State::Closed => {}
        }
        true
    }

    /// Whether the link was a standby's; then another is looked for, after a while.
    pub(super) fn on_standby_lost(&mut self, now: Instant, link: LinkId) -> bool {
        let before = self.standbys.len();
        self.standbys.retain(|standby| standby.active.link != link);
        if self.standbys.len() == before {
            return false;
        }
        self.standby_due = Some(after(now, self.standby_backoff.next()));
        true
    }

    /// The first standby that is ready.
    pub(super) fn take_standby(&mut self) -> Option<Active> {
        let ready = self.standbys.iter().position(|standby| standby.ready)?;
        Some(self.standbys.remove(ready).active)
    }

    /// Lets go of all standbys.
    pub(super) fn drop_standbys(&mut self) {
        for standby in self.standbys.drain(..) {
            self.outputs.push_back(Output::Hangup(standby.active.link));
        }
        self.standby_due = None;
    }

    /// Lets go of standbys on a broker that is in use from now on.
    pub(super) fn drop_standbys_on(&mut self, broker: &BrokerUri) {
        let is_on = |standby: &mut Standby| standby.active.broker == *broker;
        let links: Vec<_> =
            self.standbys.extract_if(.., is_on).map(|standby| standby.active.link).collect();
        self.outputs.extend(links.into_iter().map(Output::Hangup));
    }
}
