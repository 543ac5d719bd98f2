//! A broker that stops tells its clients first where to go.
//!
//! Java's clients go to any broker they know of, whatever they are told. So they go first, and the others, which
//! go where they are told to, make it even again: nobody has to move once more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Cluster;
use super::clients::{Asked, Client};
use super::moves::Agenda;
use super::peer::Id;

/// How long clients that go by chance have at most before the others are told.
const HEAD_START: Duration = Duration::from_millis(500);
/// How long after the last of them it is told by its new broker that it is there.
const ARRIVAL: Duration = Duration::from_millis(200);
/// How long clients have to go. Those of this kind take up to three seconds and a half.
const FAREWELL: Duration = Duration::from_millis(4500);

fn goes_by_chance(client: &Client) -> bool {
    client.new.is_movable && !client.new.moves_in_order
}

impl Cluster {
    /// This broker is to stop. True if its clients are told where to go first: then
    /// [`Emptied`](super::Say::Emptied) follows.
    pub(crate) fn on_stop(&mut self, now: Instant) -> bool {
        self.now = now;
        self.agenda = Agenda::of_a_broker_that_stops();
        let has_clients = self.clients.values().any(|client| client.new.is_movable);
        if !has_clients || !self.config.tells_clients() || self.places().is_empty() {
            self.spread_news();
            return false;
        }
        self.agenda.end = Some(now + FAREWELL);
        if self.clients.values().any(goes_by_chance) {
            self.send_away(goes_by_chance);
            self.agenda.escort = Some(now + HEAD_START);
        } else {
            self.escort();
        }
        true
    }

    /// Tells those that go where they are told to.
    pub(super) fn escort(&mut self) {
        self.send_away(|client| client.new.moves_in_order);
    }

    /// Where clients can go, and how many are there, or on the way.
    fn places(&self) -> BTreeMap<Id, usize> {
        let mut counts = self.counts();
        counts.remove(&self.me.id);
        let known = counts.values().sum::<usize>() / counts.len().max(1);
        for peer in self.members.values().filter(|peer| self.is_place(peer)) {
            counts.entry(peer.id.clone()).or_insert(known);
        }
        counts
    }

    /// Tells those of a kind to go where the fewest are.
    fn send_away(&mut self, is_meant: impl Fn(&Client) -> bool) {
        let mut counts = self.places();
        let now = self.now;
        let clients = self.clients.iter().filter(|(_, client)| client.new.is_movable);
        let meant: Vec<u64> =
            clients.filter(|(_, client)| is_meant(client)).map(|(key, _)| *key).collect();
        for key in meant {
            let Some((to, count)) = counts.iter_mut().min_by_key(|(_, count)| **count) else {
                break;
            };
            *count += 1;
            let to = to.clone();
            if let Some(client) = self.clients.get_mut(&key) {
                let to = to.clone();
                client.asked = Some(Asked { to, at: Some(now), in_vain: 0, is_expected: true });
            }
            self.send_to(key, &to);
        }
        self.count_moving();
        self.spread_news();
    }

    /// A client is gone. When this broker stops and it was the last, it need not wait; when it was the last that
    /// goes by chance, the others are next.
    pub(super) fn on_farewell(&mut self) {
        if self.agenda.end.is_some() && !self.clients.values().any(|client| client.new.is_movable) {
            self.agenda.end = Some(self.now);
        }
        if !self.clients.values().any(goes_by_chance) {
            let soon = self.now + ARRIVAL;
            self.agenda.escort = self.agenda.escort.map(|due| due.min(soon));
        }
    }
}
