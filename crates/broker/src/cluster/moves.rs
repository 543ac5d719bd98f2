//! Who goes where, and when: a few at a time, and nobody who has just come.
//!
//! A broker moves its own clients only. What it has told and is not done yet it tells the others, so that they
//! count with it.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::clients::Asked;
use super::peer::{Id, Status};
use super::{Cluster, UNEVEN, balance};

/// How long a client stays at least before it is sent elsewhere.
const LEAST_STAY: Duration = Duration::from_secs(2);
/// How long a client that was told to go is expected to.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long it is not told again, the first time; then twice as long, and so on.
const REST: Duration = Duration::from_secs(15);
/// How often clients are told to go.
const PACE: Duration = Duration::from_millis(20);
/// Brokers of another kind that are remembered.
const MAX_SERVED: usize = 1024;
/// In how many steps all are told that are to go.
const STEPS: usize = 50;

/// Why it is looked at who should move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// Some brokers have more clients than others.
    Uneven,
    /// A broker is gone.
    Leave,
    /// A broker has come.
    Join,
}

/// What is to be done at a time.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// When the others are told the numbers.
    pub(super) news: Option<Instant>,
    /// When it is looked at who should move, and why.
    pass: Option<(Instant, Cause)>,
    /// When the next clients are told.
    asking: Option<Instant>,
    /// Who is to be told.
    queue: VecDeque<u64>,
    /// How many at once.
    batch: usize,
    /// When this broker, which stops, has waited long enough for its clients to go.
    pub(super) end: Option<Instant>,
    /// When it tells those that go where they are told to.
    pub(super) escort: Option<Instant>,
    is_stopping: bool,
}

impl Asked {
    /// When the client may be told again.
    fn rested(&self) -> Option<Instant> {
        Some(self.at? + REST * 2_u32.pow(self.in_vain.min(6)))
    }
}

impl Agenda {
    /// Whatever was planned is off.
    pub(super) fn of_a_broker_that_stops() -> Self {
        Self { is_stopping: true, ..Self::default() }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let pass = self.pass.map(|(due, _)| due);
        [self.news, pass, self.asking, self.escort, self.end].into_iter().flatten().min()
    }

    /// Asks for a look. A broker that joins is not made to wait for one that left; else what changes last
    /// counts.
    pub(super) fn pass(&mut self, due: Instant, cause: Cause) {
        let earlier = self.pass.filter(|(_, planned)| *planned > cause);
        self.pass = Some(earlier.unwrap_or((due, cause)));
    }

    pub(super) fn take_due_news(&mut self, now: Instant) -> bool {
        self.news.take_if(|due| *due <= now).is_some()
    }

    pub(super) fn take_due_asking(&mut self, now: Instant) -> bool {
        self.asking.take_if(|due| *due <= now).is_some()
    }

    pub(super) fn take_due_pass(&mut self, now: Instant) -> Option<Cause> {
        self.pass.take_if(|(due, _)| *due <= now).map(|(_, cause)| cause)
    }

    pub(super) fn take_due_escort(&mut self, now: Instant) -> bool {
        self.escort.take_if(|due| *due <= now).is_some()
    }

    pub(super) fn take_due_end(&mut self, now: Instant) -> bool {
        self.end.take_if(|due| *due <= now).is_some()
    }
}

impl Cluster {
    /// How this broker is.
    pub(super) fn status(&self) -> Status {
        let (clients, moving) = (self.clients.len(), self.moving.clone());
        Status { clients, moving, leaving: self.agenda.is_stopping }
    }

    /// To be called when somebody was asked to go, or is not expected to any more.
    pub(super) fn count_moving(&mut self) {
        self.moving.clear();
        for asked in self.clients.values().filter_map(|client| client.asked.as_ref()) {
            if asked.is_expected {
                *self.moving.entry(asked.to.clone()).or_default() += 1;
            }
        }
    }

    /// Numbers have changed: if they are too far apart, and stay so, some clients are moved for it.
    pub(super) fn look_whether_even(&mut self) {
        if self.config.rebalance_clients
            && self.agenda.pass.is_none()
            && !self.agenda.is_stopping
            && !self.members.is_empty()
            && !balance::is_balanced(&self.counts())
        {
            self.agenda.pass(self.now + UNEVEN, Cause::Uneven);
        }
    }

    /// Works out which clients are to go where, and begins to tell them.
    pub(super) fn balance(&mut self, cause: Cause) {
        if !self.config.rebalance_clients || self.agenda.is_stopping {
            return;
        }
        self.give_up_waiting();
        self.serve_other_kinds();
        let counts = self.counts();
        // A broker that joins gets its share also where a little unevenness would be suffered.
        if cause == Cause::Join || !balance::is_balanced(&counts) {
            let moves = balance::moves(&counts, &self.me.id);
            let wanted: usize = moves.iter().map(|(_, count)| count).sum();
            if self.move_some(moves, cause) < wanted {
                self.look_again(cause);
            }
        }
        // Whoever has been told and stays is not counted with for ever.
        if !self.moving.is_empty() && self.agenda.pass.is_none() {
            self.agenda.pass(self.now + PATIENCE + PACE * (STEPS as u32), Cause::Uneven);
        }
        self.spread_news();
    }

    fn give_up_waiting(&mut self) {
        let now = self.now;
        for asked in self.clients.values_mut().filter_map(|client| client.asked.as_mut()) {
            asked.is_expected &= asked.at.is_none_or(|at| at + PATIENCE > now);
        }
        self.count_moving();
    }

    /// A broker of another kind does not say how many clients it has: when it joins it gets the share of each
    /// of the others, once.
    fn serve_other_kinds(&mut self) {
        let is_new = |id: &Id| !self.served.contains(id);
        let places = 1 + self.members.values().filter(|peer| self.is_place(peer)).count();
        let others =
            self.members.values().filter(|peer| peer.status.is_none() && self.is_place(peer));
        let new: Vec<Id> = others.map(|peer| peer.id.clone()).filter(is_new).collect();
        // Its id is another when it is started again: this one has only lost its link meanwhile.
        if self.served.len() > MAX_SERVED {
            self.served.clear();
        }
        for id in new {
            let share = self.clients.len() / places;
            if self.move_some(vec![(id.clone(), share)], Cause::Join) == share {
                self.served.insert(id);
            } else {
                self.look_again(Cause::Join);
            }
        }
    }

    /// Too few could be moved: others can be when they have been here for a while, or were left alone for long
    /// enough.
    fn look_again(&mut self, cause: Cause) {
        let now = self.now;
        let movable = || self.clients.values().filter(|client| client.new.is_movable);
        let fresh = movable().map(|client| client.since + LEAST_STAY).filter(|due| *due > now);
        if let Some(due) = fresh.max() {
            self.agenda.pass(due, cause);
            return;
        }
        let asked = movable().filter_map(|client| client.asked.as_ref());
        let rested = asked.filter_map(Asked::rested).filter(|due| *due > now);
        if let Some(due) = rested.min() {
            self.agenda.pass(due, Cause::Uneven);
        }
    }

    /// Chooses who goes, and says how many were found.
    fn move_some(&mut self, moves: Vec<(Id, usize)>, cause: Cause) -> usize {
        let now = self.now;
        let mut able: Vec<(bool, Reverse<Duration>, u64)> = Vec::new();
        let (mut in_order, mut by_chance) =
            (0, moves.iter().map(|(_, count)| count).sum::<usize>());
        for (key, client) in &self.clients {
            let is_rested = client.asked.as_ref().is_none_or(|asked| {
                !asked.is_expected && asked.rested().is_some_and(|due| due <= now)
            });
            let stay = now.saturating_duration_since(client.since);
            if !client.new.is_movable || !is_rested {
                continue;
            }
            if client.new.moves_in_order {
                by_chance = by_chance.saturating_sub(1);
            }
            if stay >= LEAST_STAY {
                // Those first that lose nothing by it.
                able.push((!client.new.moves_in_order, Reverse(stay), *key));
                in_order += usize::from(client.new.moves_in_order);
            }
        }
        able.sort_unstable();
        if cause != Cause::Join {
            // Whoever came last has come from where there is a broker less, most likely.
            able.sort_by_key(|(other_kind, Reverse(stay), _)| (*other_kind, *stay));
        }
        // Those that go by chance are not moved instead of others that are soon here for long enough.
        able.truncate(in_order + by_chance);
        let mut able = able.into_iter();
        let mut found = 0;
        for (to, count) in moves {
            for (_, _, key) in able.by_ref().take(count) {
                self.plan_to_ask(key, to.clone());
                found += 1;
            }
        }
        found
    }

    fn plan_to_ask(&mut self, key: u64, to: Id) {
        let Some(client) = self.clients.get_mut(&key) else { return };
        let in_vain = client.asked.as_ref().map_or(0, |asked| asked.in_vain + 1);
        *self.moving.entry(to.clone()).or_default() += 1;
        client.asked = Some(Asked { to, at: None, in_vain, is_expected: true });
        let agenda = &mut self.agenda;
        agenda.queue.push_back(key);
        agenda.batch = agenda.batch.max(agenda.queue.len().div_ceil(STEPS));
        agenda.asking.get_or_insert(self.now);
    }

    /// Tells the next clients where to go.
    pub(super) fn ask_some(&mut self) {
        for _ in 0..self.agenda.batch.max(1) {
            let Some(key) = self.agenda.queue.pop_front() else { break };
            let Some(client) = self.clients.get_mut(&key) else { continue };
            let Some(asked) = client.asked.as_mut().filter(|asked| asked.at.is_none()) else {
                continue;
            };
            asked.at = Some(self.now);
            let to = asked.to.clone();
            if self.members.get(&to).is_some_and(|peer| self.is_place(peer)) {
                self.send_to(key, &to);
            }
        }
        if self.agenda.queue.is_empty() {
            self.agenda.batch = 0;
        } else {
            self.agenda.asking = Some(self.now + PACE);
        }
    }

    /// A broker is gone: nobody is on the way there any more.
    pub(super) fn forget_moves_to(&mut self, gone: &Id) {
        for client in self.clients.values_mut() {
            client.asked.take_if(|asked| asked.to == *gone);
        }
        self.moving.remove(gone);
    }
}
