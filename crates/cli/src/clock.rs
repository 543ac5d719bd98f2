//! The clock of logs: monotonic, in nanoseconds, the same for all processes of a machine.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` now.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (s, ns) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    s * 1_000_000_000 + ns
}

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "a duration for people")]
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
