//! Waiting for a condition, with a deadline, and the clock that all our logs share.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Waits until `condition` holds, and panics naming `what` when it does not within `deadline`.
///
/// # Panics
///
/// At the deadline.
pub fn eventually(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(deadline, what, || condition().then_some(()));
}

/// Waits until `look` finds something, and panics naming `what` when it does not within `deadline`.
///
/// The condition is looked at once more when the deadline has passed, so that a machine that slept
/// through it is not taken for a failure.
///
/// # Panics
///
/// At the deadline.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where tests poll: what they wait for is another process's doing"
)]
pub fn eventually_some<T>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> T {
    const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
    let deadline_at = Deadline::after(deadline);
    loop {
        let last = deadline_at.is_past();
        if let Some(found) = look() {
            return found;
        }
        assert!(!last, "not within {deadline:?}: {what}");
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`, which every process of a machine reads alike: the `t_ns` of
/// the program's logs and `System.nanoTime()` of a JVM.
#[must_use]
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).expect("the monotonic clock is never negative");
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("nanoseconds are never negative")
}

/// A moment by which something has to have happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at_ns: u64,
}

impl Deadline {
    pub(crate) fn after(wait: Duration) -> Self {
        let wait_ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        Self { at_ns: monotonic_ns().saturating_add(wait_ns) }
    }

    pub(crate) fn left(self) -> Duration {
        Duration::from_nanos(self.at_ns.saturating_sub(monotonic_ns()))
    }

    fn is_past(self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{eventually, eventually_some, monotonic_ns};

    #[test]
    fn a_condition_is_looked_at_until_it_holds() {
        let mut looks = 0;
        eventually(Duration::from_secs(10), "the third look", || {
            looks += 1;
            looks == 3
        });
        assert_eq!(looks, 3);
    }

    #[test]
    #[should_panic(expected = "not within 1ms: what never comes")]
    fn a_condition_that_never_holds_is_named_at_its_deadline() {
        eventually(Duration::from_millis(1), "what never comes", || false);
    }

    #[test]
    fn a_condition_is_looked_at_even_when_the_deadline_is_now() {
        assert_eq!(eventually_some(Duration::ZERO, "at once", || Some(5)), 5);
    }

    #[test]
    fn the_clock_goes_forward() {
        let before = monotonic_ns();
        eventually(Duration::from_secs(10), "a later time", || monotonic_ns() > before);
    }
}
