//! What brokers have asked of a client, and what it prefers itself: what invariants know of it that speak of
//! moves.

use std::time::Duration;

use rewire_failover::core::{Incoming, LinkId, MoveReason};
use rewire_protocol::{Command, ConnectionControl};

use super::names::Names;
use crate::agenda::Time;
use crate::plan::{ClientPlan, address};
use crate::seen::AtClient;

/// How long a connection is at a broker before it is moved away.
pub(super) const LEAST_STAY: Duration = Duration::from_secs(1);
/// Within which time a move begins then.
pub(super) const SPREAD: Duration = Duration::from_millis(500);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) names: Names,
    preferred: Option<Vec<String>>,
    pushed: Vec<String>,
    /// The link that is there.
    pub(super) link: Option<LinkId>,
    /// Since when.
    pub(super) since: Time,
    /// Whether it is being left.
    pub(super) is_leaving: bool,
    /// The link that is there or hears a replay.
    speaking: Option<LinkId>,
    pub(super) wish: Option<Wish>,
}

/// What a broker asked last.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) target: String,
    pub(super) reason: MoveReason,
    /// When the move begins, at the earliest.
    pub(super) from: Time,
    /// Whether it may be off: a link that it may have waited for is gone.
    pub(super) is_off: bool,
}

impl Wishes {
    pub(super) fn new(plan: &ClientPlan) -> Self {
        let preferred = plan.priority.as_ref().map(|names| {
            let names = if names.is_empty() { &[0][..] } else { names };
            names.iter().map(|name| address(*name)).collect()
        });
        Self {
            names: Names::default(),
            preferred,
            pushed: Vec::new(),
            link: None,
            since: Time::ZERO,
            is_leaving: false,
            speaking: None,
            wish: None,
        }
    }

    pub(super) fn see(&mut self, now: Time, at: &AtClient<'_>) {
        // Before what was known of its names is forgotten.
        self.doubt(now, at);
        self.names.see(at);
        match at {
            AtClient::Dialed { link, result: Err(_) } | AtClient::Lost { link, .. } => {
                self.speaking.take_if(|speaking| speaking == link);
                if self.link == Some(*link) {
                    self.wish = None;
                }
            }
            AtClient::Transmitted { link, .. } => self.speaking = Some(*link),
            AtClient::Closing => self.wish = None,
            AtClient::Received { link, command: Command::ConnectionControl(control) }
                if self.speaking == Some(*link) || self.link == Some(*link) =>
            {
                self.on_control(now, control);
            }
            AtClient::Delivered(incoming) => match incoming {
                Incoming::Resumed(link) => {
                    self.link = Some(*link);
                    self.since = now;
                    self.is_leaving = false;
                }
                Incoming::Leaving(_) => {
                    self.is_leaving = true;
                    self.wish = None;
                }
                Incoming::Interrupted(_) | Incoming::Ended(_) => {
                    self.link = None;
                    self.is_leaving = false;
                    self.wish = None;
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// A move that may have waited for a link that is gone may be off.
    fn doubt(&mut self, now: Time, at: &AtClient<'_>) {
        if let AtClient::Dialed { link, result: Err(_) } | AtClient::Lost { link, .. } = at
            && let Some(wish) = &mut self.wish
        {
            let is_target = self.names.is_same(self.names.address(*link), &wish.target);
            wish.is_off |= wish.from <= now && is_target;
        }
    }

    fn on_control(&mut self, now: Time, control: &ConnectionControl) {
        if let Some(target) = &control.reconnect_to {
            self.wishes(now, &target.to_str(), MoveReason::Asked);
        }
        let list = control.connected_brokers.as_ref().map(|list| list.to_str().into_owned());
        let Some(list) = list.filter(|list| !list.is_empty()) else { return };
        let list: Vec<String> = list.split(',').map(str::to_owned).collect();
        let is_news = list.len() != self.pushed.len()
            || list.iter().any(|broker| !self.pushed.contains(broker));
        if is_news && control.rebalance_connection {
            self.wishes(now, &list[0], MoveReason::Rebalance);
        }
        self.pushed = list;
    }

    fn wishes(&mut self, now: Time, target: &str, reason: MoveReason) {
        let Some(link) = self.link.filter(|_| !self.is_leaving) else { return };
        let current = self.names.address(link);
        let stays = self.names.is_same(current, target) || self.is_preferred(current);
        let from = now.max(self.since + LEAST_STAY);
        let target = target.to_owned();
        self.wish = (!stays).then_some(Wish { target, reason, from, is_off: false });
    }

    /// Whether a broker is one of those with priority.
    pub(super) fn is_preferred(&self, broker: &str) -> bool {
        let preferred = self.preferred.iter().flatten();
        preferred.into_iter().any(|known| self.names.is_same(known, broker))
    }

    /// Whether an address is named as one of those with priority.
    pub(super) fn prefers(&self, address: &String) -> bool {
        self.preferred.as_ref().is_some_and(|preferred| preferred.contains(address))
    }

    /// Whether one with priority is looked for.
    pub(super) fn seeks_preferred(&self) -> bool {
        self.preferred.is_some()
            && self.link.is_some_and(|link| !self.is_preferred(self.names.address(link)))
            && !self.is_leaving
    }

    /// Whether a broker wanted the client to go to this one, and it is time.
    pub(super) fn may_begin(&self, now: Time, broker: &str) -> bool {
        let may =
            |wish: &Wish| wish.target == broker && wish.from <= now && now <= wish.from + SPREAD;
        self.wish.as_ref().is_some_and(may)
    }
}
