//! Links kept ready on other brokers, so that a lost link is replaced without a dial (`backup`), or to
//! move to (`priorityBackup`, and what brokers ask for).

use std::time::Instant;

use super::io::{Event, Greeting, LinkId, Output};
use super::state::{Active, State};
use super::{FailoverCore, after};
use crate::error::LostReason;
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
        if self.standby_due.is_some_and(|due| due > now) {
            return;
        }
        self.standby_due = None;
        let current = current.broker.clone();
        let seeks_priority = self.seeks_priority();
        let wanted = self.wanted_standbys();
        for broker in self.pool.standby_round(&mut self.rng) {
            let is_sought = seeks_priority && self.pool.is_priority(&broker);
            let is_taken = |standby: &Standby| self.pool.is_same(&standby.active.broker, &broker);
            // One with priority comes beside the pool: while it is away it would keep others out.
            let is_ordinary = |standby: &&Standby| {
                !(seeks_priority && self.pool.is_priority(&standby.active.broker))
            };
            let ordinary = self.standbys.iter().filter(is_ordinary).count();
            if (is_sought || ordinary < wanted)
                && !self.pool.is_same(&broker, &current)
                && !self.standbys.iter().any(is_taken)
            {
                self.dial_standby(broker);
            }
        }
    }

    /// How many standbys the option `backup` asks for.
    fn wanted_standbys(&self) -> usize {
        match self.options.backup {
            true => usize::try_from(self.options.backup_pool_size).unwrap_or(usize::MAX),
            false => 0,
        }
    }

    /// Whether a broker with priority is looked for, there being a link to one without.
    pub(super) fn seeks_priority(&self) -> bool {
        let State::Connected(current) = &self.state else { return false };
        self.options.priority_backup && !self.pool.is_priority(&current.broker)
    }

    pub(super) fn dial_standby(&mut self, broker: BrokerUri) -> LinkId {
        let active = self.dial_link(broker);
        let link = active.link;
        self.standbys.push(Standby { active, ready: false });
        link
    }

    /// Lets go of standbys that nobody wants any more: those of moves that are off, and of brokers with
    /// priority once there is a link to one.
    pub(super) fn trim_standbys(&mut self) {
        let wanted = self.wanted_standbys();
        let seeks_priority = self.seeks_priority();
        let Self { standbys, planned, pool, outputs, .. } = self;
        let mut kept = 0;
        standbys.retain(|standby| {
            let broker = &standby.active.broker;
            let is_target = planned.as_ref().is_some_and(|planned| planned.is_to(broker));
            let is_sought = seeks_priority && pool.is_priority(broker);
            let is_spare = !is_sought && kept < wanted;
            kept += usize::from(is_spare);
            let is_kept = is_target || is_sought || is_spare;
            if !is_kept {
                outputs.push_back(Output::Hangup(standby.active.link));
            }
            is_kept
        });
    }

    /// Whether the link is a standby's; then it is ready, and takes over at once if a link is looked for.
    pub(super) fn on_standby_dialed(
        &mut self,
        now: Instant,
        link: LinkId,
        greeting: &Greeting,
    ) -> bool {
        let Some(standby) = self.standbys.iter_mut().find(|standby| standby.active.link == link)
        else {
            return false;
        };
        standby.ready = true;
        standby.active.greeted(greeting.clone());
        let name = standby.active.name.clone();
        self.event(Event::StandbyReady { broker: name.to_string() });
        match &self.state {
            State::Waiting(_) => self.begin_round(now),
            State::Dialing(attempt) => {
                self.outputs.push_back(Output::Hangup(attempt.active.link));
                self.begin_round(now);
            }
            State::Idle
            | State::Replaying(..)
            | State::Leaving(..)
            | State::Failed(_)
            | State::Closed => {}
            State::Connected(_) => {
                self.plan_move_to_better(now);
                self.on_move_dialed(now, link);
            }
        }
        true
    }

    /// Whether the link was a standby's; then another is looked for, after a while. There is a reason
    /// if it was ready, and none if it could not be had.
    pub(super) fn on_standby_lost(
        &mut self,
        now: Instant,
        link: LinkId,
        reason: Option<&LostReason>,
    ) -> bool {
        let is_it = |standby: &Standby| standby.active.link == link;
        let Some(place) = self.standbys.iter().position(is_it) else { return false };
        let Active { name, broker, .. } = self.standbys.remove(place).active;
        self.forget_move_to(&broker);
        match reason {
            Some(cause) => {
                self.event(Event::StandbyLost { broker: name.to_string(), cause: cause.clone() });
            }
            // It never was ready. That is counted: while a broker is gone it comes again and again.
            None => {
                self.outputs.stats.standbys_failed += 1;
                self.pool.has_no_standby(&broker);
            }
        }
        self.plan_move_to_better(now);
        self.standby_due = Some(after(now, self.standby_backoff.next()));
        true
    }

    /// The broker with priority to which a standby is ready.
    pub(super) fn better_standby(&self) -> Option<BrokerUri> {
        let is_better = |standby: &&Standby| self.is_better(standby);
        self.standbys.iter().find(is_better).map(|standby| standby.active.broker.clone())
    }

    fn is_better(&self, standby: &Standby) -> bool {
        standby.ready
            && self.options.priority_backup
            && self.pool.is_priority(&standby.active.broker)
    }

    /// A standby that is ready: the first, or the first of those with priority.
    pub(super) fn take_standby(&mut self) -> Option<Active> {
        let better = self.standbys.iter().position(|standby| self.is_better(standby));
        let ready = better.or_else(|| self.standbys.iter().position(|standby| standby.ready))?;
        Some(self.standbys.remove(ready).active)
    }

    /// The standby on this broker, if it is ready.
    pub(super) fn take_standby_at(&mut self, broker: &BrokerUri) -> Option<Active> {
        let Self { standbys, pool, .. } = self;
        let is_on =
            |standby: &Standby| standby.ready && pool.is_same(&standby.active.broker, broker);
        let place = standbys.iter().position(is_on)?;
        Some(standbys.remove(place).active)
    }

    /// The standby with this link, if it is ready.
    pub(super) fn take_standby_on(&mut self, link: LinkId) -> Option<Active> {
        let is_it = |standby: &Standby| standby.active.link == link && standby.ready;
        let place = self.standbys.iter().position(is_it)?;
        Some(self.standbys.remove(place).active)
    }

    /// Lets go of all standbys.
    pub(super) fn drop_standbys(&mut self) {
        for standby in self.standbys.drain(..) {
            self.outputs.push_back(Output::Hangup(standby.active.link));
        }
        self.standby_due = None;
    }

    /// Lets go of standbys on a broker that is in use, or is dialled for that.
    pub(super) fn drop_standbys_on(&mut self, broker: &BrokerUri) {
        let Self { standbys, pool, outputs, .. } = self;
        let is_on = |standby: &mut Standby| pool.is_same(&standby.active.broker, broker);
        for standby in standbys.extract_if(.., is_on) {
            outputs.push_back(Output::Hangup(standby.active.link));
        }
    }
}
