//! How slow a peer was to answer lately, and how long it has to answer for that.
//!
//! A broker that shares its processors with others, or whose JVM collects garbage, answers a little later each
//! time before it answers too late once. One that was stopped has answered as fast as ever before.

use std::time::{Duration, Instant};

/// A peer may be so many times as slow as it was lately.
const PATIENCE: u32 = 3;
/// But it has no longer than so many times what one has that is not slow.
const MOST_PATIENCE: u32 = 5;
/// What was longer ago than two of these is forgotten.
const PERIOD: Duration = Duration::from_secs(10);

/// The slowest answers of this period and of the one before.
#[derive(Debug)]
pub(super) struct Slowness {
    since: Instant,
    slowest: Duration,
    slowest_before: Duration,
}

impl Slowness {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, slowest: Duration::ZERO, slowest_before: Duration::ZERO }
    }

    /// The peer has said something, so long after it was asked.
    pub(super) fn on_answer(&mut self, now: Instant, took: Duration) {
        self.forget(now);
        self.slowest = self.slowest.max(took);
    }

    /// Forgets what was too long ago.
    pub(super) fn forget(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < PERIOD {
            return;
        }
        self.slowest_before = if age < PERIOD * 2 { self.slowest } else { Duration::ZERO };
        (self.since, self.slowest) = (now, Duration::ZERO);
    }

    /// How long the peer has to answer, which is `least` for one that is not slow.
    pub(super) fn time_to_answer(&self, least: Duration) -> Duration {
        let slowest = self.slowest.max(self.slowest_before);
        let most = least.saturating_mul(MOST_PATIENCE);
        slowest.saturating_mul(PATIENCE).clamp(least, most)
    }
}
