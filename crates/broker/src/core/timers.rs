//! What is to be done at a time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::io::{Event, LinkId, Output};
use super::keys::{QueueKey, SubKey};
use super::subscription::{Until, Window};
use super::{BrokerCore, after};

/// What is to be done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A consumer that pulls has waited long enough.
    Pull(SubKey),
    /// A client that was refused has had time to hear why.
    HangUp(LinkId),
    /// A client has had time to introduce itself.
    Introduction(LinkId),
    /// Producers have waited for memory for a while: consumers that take nothing are looked for.
    Slow,
    /// Queues are searched for messages that have expired.
    /// So often.
    Sweep(Duration),
    /// The consumers of a queue have waited long enough for others.
    Start(QueueKey),
    /// Destinations are looked for that nobody uses.
    Idle,
}

/// All that is to be done, the earliest first. One that has become needless finds nothing to do.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    fn take_due(&mut self, now: Instant) -> Option<(Instant, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first()
    }

    pub(super) fn clear(&mut self, at: Instant, timer: Timer) {
        self.0.remove(&(at, timer));
    }
}

impl BrokerCore {
    pub(super) fn fire_timers(&mut self) {
        if self.cluster.poll_timeout().is_some_and(|due| due <= self.now.instant) {
            self.cluster.on_timeout(self.now.instant);
        }
        while let Some((at, timer)) = self.timers.take_due(self.now.instant) {
            match timer {
                Timer::Pull(key) => self.on_pull_timeout(key, at),
                Timer::HangUp(link) => {
                    if self.registry.links.contains_key(&link) {
                        self.outputs.push_back(Output::HangUp(link));
                    }
                }
                Timer::Introduction(link) => self.on_introduction_timeout(link),
                Timer::Slow => self.on_slow_timeout(),
                Timer::Idle => self.remove_idle(),
                Timer::Start(queue) => self.on_start_timeout(queue, at),
                Timer::Sweep(period) => {
                    self.sweep(period);
                    self.timers.set(after(self.now.instant, period), timer);
                }
            }
        }
    }

    /// Who has not introduced himself may be a client's standby (`backup=true`), which waits until its client
    /// needs it; so it stays for as long as nobody else needs its place.
    fn on_introduction_timeout(&mut self, link: LinkId) {
        let Some(entry) = self.registry.links.get(&link) else { return };
        if entry.connection.is_some() || entry.refused {
            return;
        }
        if self.registry.links.len() <= self.config.limits.connections {
            let due = after(self.now.instant, self.config.connect_attempt_timeout);
            self.timers.set(due, Timer::Introduction(link));
            return;
        }
        let peer = entry.peer.clone();
        let reason = "it did not introduce itself in time".to_owned();
        self.event(Event::Refused { peer, reason });
        self.outputs.push_back(Output::HangUp(link));
    }

    fn on_start_timeout(&mut self, key: QueueKey, at: Instant) {
        if let Some((queue, mut desk)) = self.at_queue(key)
            && queue.starts_at == Some(at)
        {
            queue.start_dispatch(&mut desk);
        }
    }

    fn on_pull_timeout(&mut self, key: SubKey, at: Instant) {
        let Some(sub) = self.subs.get_mut(&key) else { return };
        let due = Until::Deadline(at);
        if matches!(sub.window, Window::Pull { until, .. } if until == due) {
            sub.dispatch_nothing(&mut self.outputs);
        }
    }
}
