//! The inactivity monitor: when to give a sign of life, and when to give up on the peer.
//!
//! Java checks in intervals and notices silence after one to two durations. Here silence is noticed
//! when the duration is over, to the millisecond. A peer that follows Java sends its first keep-alive
//! only after the initial delay; until then it is asked for one, and silence counts against it only
//! once it has shown that it answers.

use std::time::{Duration, Instant};

use super::offer::{LinkConfig, WireFormatOffer};

/// Longer than any connection; what is agreed on beyond it makes no difference.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365);

#[derive(Debug)]
pub(super) struct Inactivity {
    /// How long the peer may be silent; `None` when either side switched it off.
    duration: Option<Duration>,
    /// How long we may be silent.
    keep_alive_after: Duration,
    /// Until then the peer need not send keep-alives of its own.
    peer_starts: Instant,
    last_read: Instant,
    last_written: Instant,
    /// When it was asked for a sign of life that has not come.
    probed: Option<Instant>,
    /// Whether it has ever given one when asked.
    answers_probes: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    KeepAlive { response_required: bool },
    Death { silence: Duration },
}

impl Inactivity {
    pub(super) fn new(now: Instant, config: &LinkConfig, peer: &WireFormatOffer) -> Self {
        let ours = &config.offer;
        let agreed = |ours: Option<i64>, theirs: Option<i64>| {
            let least = ours.unwrap_or(0).min(theirs.unwrap_or(0)).max(0);
            Duration::from_millis(least.cast_unsigned()).min(LONGEST)
        };
        let duration = agreed(ours.max_inactivity_duration, peer.max_inactivity_duration);
        let delay = agreed(
            ours.max_inactivity_duration_inital_delay,
            peer.max_inactivity_duration_inital_delay,
        );
        Self {
            duration: (config.use_inactivity_monitor && !duration.is_zero()).then_some(duration),
            keep_alive_after: duration / 3,
            peer_starts: now + delay,
            last_read: now,
            last_written: now,
            probed: None,
            answers_probes: false,
        }
    }

    pub(super) const fn on_read(&mut self, now: Instant) {
        self.last_read = now;
    }

    pub(super) const fn on_written(&mut self, now: Instant) {
        self.last_written = now;
    }

    pub(super) const fn on_keep_alive(&mut self, now: Instant) {
        self.last_read = now;
        if self.probed.take().is_some() {
            self.answers_probes = true;
        }
    }

    /// When the peer has been silent for too long.
    fn death(&self, duration: Duration) -> Instant {
        if self.answers_probes {
            self.last_read + duration
        } else {
            self.last_read.max(self.peer_starts) + duration
        }
    }

    /// When to ask it for a sign of life.
    fn probe(&self, duration: Duration) -> Option<Instant> {
        // Once for each silence: what was heard since the last probe makes it due again.
        let asked = self.probed.is_some_and(|probed| probed >= self.last_read);
        (!asked).then(|| self.last_read + duration * 2 / 3)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let duration = self.duration?;
        let keep_alive = self.last_written + self.keep_alive_after;
        let next = self.death(duration).min(keep_alive);
        Some(self.probe(duration).map_or(next, |probe| probe.min(next)))
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Due {
        let Some(duration) = self.duration else { return Due::Nothing };
        if self.death(duration) <= now {
            return Due::Death { silence: now - self.last_read };
        }
        if self.probe(duration).is_some_and(|probe| probe <= now) {
            self.probed = Some(now);
            self.last_written = now;
            return Due::KeepAlive { response_required: true };
        }
        if self.last_written + self.keep_alive_after <= now {
            self.last_written = now;
            return Due::KeepAlive { response_required: false };
        }
        Due::Nothing
    }
}
