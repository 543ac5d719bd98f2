//! `RedeliveryPolicy`: how often, and how late, a message that was not consumed is handed out again.

use std::time::Duration;

/// What becomes of messages that were handed out and not consumed: rolled back, recovered, or dropped without
/// an acknowledgement. They are handed out again by the client itself, after a delay, and so often; then the
/// broker is told that they are poison, and moves them to its dead letter queue.
///
/// The names and defaults are those of ActiveMQ's `RedeliveryPolicy`, and so are the URI's options:
/// `jms.redeliveryPolicy.maximumRedeliveries=3`.
///
/// What a broker that dies had not heard to be consumed comes again from the next one; no policy delays it.
///
/// ```
/// use std::time::Duration;
/// use rewire::RedeliveryPolicy;
///
/// let policy = RedeliveryPolicy {
///     maximum_redeliveries: Some(3),
///     use_exponential_back_off: true,
///     ..RedeliveryPolicy::default()
/// };
/// assert_eq!(policy.delay(0, 0.0), Duration::from_secs(1));
/// assert_eq!(policy.delay(2, 0.0), Duration::from_secs(25));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "camelCase", deny_unknown_fields))]
pub struct RedeliveryPolicy {
    /// How often a message is delivered again before it is poison; `None`, written with -1, is for ever.
    /// Default 6.
    #[cfg_attr(feature = "serde", serde(with = "super::files::count_or_ever"))]
    pub maximum_redeliveries: Option<u32>,
    /// The delay of the first redelivery. Default 1 s.
    #[cfg_attr(feature = "serde", serde(with = "super::files::millis"))]
    pub initial_redelivery_delay: Duration,
    /// The delay of those that follow, if it does not grow. Default 1 s.
    #[cfg_attr(feature = "serde", serde(with = "super::files::millis"))]
    pub redelivery_delay: Duration,
    /// Whether the delay grows with each redelivery. Default false.
    pub use_exponential_back_off: bool,
    /// What it grows by; 1 or less is no growth. Default 5.
    pub back_off_multiplier: f64,
    /// The most it grows to; `None`, written with -1, is without end. Default `None`.
    #[cfg_attr(feature = "serde", serde(with = "super::files::millis_or_ever"))]
    pub maximum_redelivery_delay: Option<Duration>,
    /// Whether part of each delay but the first is left to chance. Default false.
    pub use_collision_avoidance: bool,
    /// How much of it, in percent, up or down. Default 15.
    pub collision_avoidance_percent: u16,
    /// Whether a message that a broker says to have been delivered too often is called poison before it
    /// is handed out, in a transacted session. Default true.
    pub pre_dispatch_check: bool,
}

impl Default for RedeliveryPolicy {
    fn default() -> Self {
        Self {
            maximum_redeliveries: Some(6),
            initial_redelivery_delay: Duration::from_secs(1),
            redelivery_delay: Duration::from_secs(1),
            use_exponential_back_off: false,
            back_off_multiplier: 5.0,
            maximum_redelivery_delay: None,
            use_collision_avoidance: false,
            collision_avoidance_percent: 15,
            pre_dispatch_check: true,
        }
    }
}

/// No delay grows more often than this. What grows reaches any limit long before.
const MOST_STEPS: u32 = 64;

impl RedeliveryPolicy {
    /// How long a message waits that was delivered again so often before. `chance`, from -1 to 1, is what
    /// collision avoidance leaves to chance.
    ///
    /// Java lets the delay grow with each rollback of a consumer, whatever messages it is about; here it
    /// grows with those of the message.
    #[must_use]
    pub fn delay(&self, redeliveries: u32, chance: f64) -> Duration {
        let mut delay = self.initial_redelivery_delay;
        for _ in 0..redeliveries.min(MOST_STEPS) {
            delay = self.next(delay);
        }
        if redeliveries == 0 || !self.use_collision_avoidance {
            return delay;
        }
        let part = f64::from(self.collision_avoidance_percent.min(100)) / 100.0;
        stretched(delay, 1.0 + part * chance.clamp(-1.0, 1.0))
    }

    // Java: RedeliveryPolicy.getNextRedeliveryDelay.
    fn next(&self, previous: Duration) -> Duration {
        let grows = self.use_exponential_back_off && self.back_off_multiplier > 1.0;
        if !grows || previous.is_zero() {
            return self.redelivery_delay;
        }
        let next = stretched(previous, self.back_off_multiplier);
        match self.maximum_redelivery_delay {
            Some(most) if next > most => most.max(self.redelivery_delay),
            Some(_) | None => next,
        }
    }

    /// Whether a message that was delivered again so often may not be once more.
    pub(crate) fn is_exceeded_by(&self, redeliveries: i32) -> bool {
        self.maximum_redeliveries.is_some_and(|most| i64::from(redeliveries) > i64::from(most))
    }
}

fn stretched(delay: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(delay.as_secs_f64() * by.max(0.0)).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: &RedeliveryPolicy) -> Vec<u128> {
        (0..5).map(|redeliveries| policy.delay(redeliveries, 0.0).as_millis()).collect()
    }

    #[test]
    fn the_first_delay_is_the_initial_one_and_the_rest_are_the_other() {
        let policy = RedeliveryPolicy {
            initial_redelivery_delay: Duration::from_millis(100),
            redelivery_delay: Duration::from_millis(300),
            ..RedeliveryPolicy::default()
        };
        assert_eq!(delays(&policy), [100, 300, 300, 300, 300]);
    }

    #[test]
    fn a_growing_delay_ends_at_its_maximum_and_starts_from_the_delay_if_the_first_is_none() {
        let growing = RedeliveryPolicy {
            initial_redelivery_delay: Duration::from_millis(100),
            use_exponential_back_off: true,
            back_off_multiplier: 3.0,
            maximum_redelivery_delay: Some(Duration::from_millis(2000)),
            ..RedeliveryPolicy::default()
        };
        assert_eq!(delays(&growing), [100, 300, 900, 2000, 2000]);
        let from_zero = RedeliveryPolicy { initial_redelivery_delay: Duration::ZERO, ..growing };
        assert_eq!(delays(&from_zero), [0, 1000, 2000, 2000, 2000]);
        let odd = RedeliveryPolicy { back_off_multiplier: f64::NAN, ..growing };
        assert_eq!(delays(&odd), [100, 1000, 1000, 1000, 1000]);
    }

    #[test]
    fn chance_moves_all_delays_but_the_first_by_the_percentage_at_most() {
        let policy =
            RedeliveryPolicy { use_collision_avoidance: true, ..RedeliveryPolicy::default() };
        assert_eq!(policy.delay(0, 1.0), Duration::from_millis(1000));
        assert_eq!(policy.delay(1, 1.0), Duration::from_millis(1150));
        assert_eq!(policy.delay(1, -7.0), Duration::from_millis(850));
    }

    #[test]
    fn no_number_makes_a_delay_that_cannot_be() {
        let huge = RedeliveryPolicy {
            use_exponential_back_off: true,
            back_off_multiplier: f64::MAX,
            ..RedeliveryPolicy::default()
        };
        assert_eq!(huge.delay(u32::MAX, 1.0), Duration::MAX);
    }

    #[test]
    fn the_limit_is_how_often_it_comes_again() {
        let policy = RedeliveryPolicy::default();
        assert!(!policy.is_exceeded_by(6) && policy.is_exceeded_by(7));
        let for_ever = RedeliveryPolicy { maximum_redeliveries: None, ..policy };
        assert!(!for_ever.is_exceeded_by(i32::MAX));
    }
}
