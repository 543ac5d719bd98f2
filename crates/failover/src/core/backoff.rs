//! How long to wait before the next round of attempts.

use std::time::Duration;

/// The delays between rounds, by the options `initialReconnectDelay`, `maxReconnectDelay`,
/// `useExponentialBackOff` and `reconnectDelayExponent`.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    /// What each delay is multiplied by; `None` keeps them all the same.
    multiplier: Option<f64>,
    current: Duration,
}

impl Backoff {
    /// `start` is the delay before the second round of the first connection, where it is not the
    /// initial one.
    pub(crate) const fn new(
        initial: Duration,
        max: Duration,
        multiplier: Option<f64>,
        start: Option<Duration>,
    ) -> Self {
        let current = match start {
            Some(start) => start,
            None => initial,
        };
        Self { initial, max, multiplier, current }
    }

    /// Starts over, after a link was there.
    pub(crate) const fn reset(&mut self) {
        self.current = self.initial;
    }

    /// The delay after a link was lost, before the first round. Java: not capped by the maximum.
    pub(crate) const fn first(&self) -> Duration {
        self.initial
    }

    /// The delay after a round failed.
    ///
    /// Java: the initial delay first, whatever the maximum; then each time the product, cut to whole
    /// milliseconds and to the maximum.
    ///
    /// One of nothing at all would be a loop that never rests, as it is in Java: it is 10 ms then.
    pub(crate) fn next(&mut self) -> Duration {
        const LEAST: Duration = Duration::from_millis(10);
        if self.current.is_zero() {
            self.current = LEAST;
        }
        let delay = self.current;
        if let Some(multiplier) = self.multiplier {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                clippy::cast_sign_loss,
                reason = "delays are far below 2^53 ms; the fraction is meant to go"
            )]
            // In whole milliseconds throughout: by way of seconds, 1001 would come back as 1000.
            let millis = (self.current.as_millis() as f64 * multiplier) as u64;
            let millis = u128::from(millis).min(self.max.as_millis());
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            self.current = Duration::from_millis(millis);
        }
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn delays(mut backoff: Backoff, n: usize) -> Vec<u128> {
        (0..n).map(|_| backoff.next().as_millis()).collect()
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let backoff = Backoff::new(ms(10), ms(100), Some(2.0), None);
        assert_eq!(backoff.first(), ms(10));
        assert_eq!(delays(backoff, 6), [10, 20, 40, 80, 100, 100]);
    }

    #[test]
    fn without_exponential_back_off_all_delays_are_the_initial_one_even_over_the_maximum() {
        assert_eq!(delays(Backoff::new(ms(1000), ms(300), None, None), 3), [1000, 1000, 1000]);
    }

    #[test]
    fn an_initial_delay_over_the_maximum_is_waited_once() {
        let backoff = Backoff::new(ms(1000), ms(300), Some(2.0), None);
        assert_eq!(backoff.first(), ms(1000));
        assert_eq!(delays(backoff, 3), [1000, 300, 300]);
    }

    #[test]
    fn a_fraction_of_a_millisecond_is_cut_off_each_time() {
        assert_eq!(delays(Backoff::new(ms(5), ms(100), Some(1.5), None), 4), [5, 7, 10, 15]);
    }

    #[test]
    fn the_option_reconnect_delay_counts_until_there_was_a_link() {
        let mut backoff = Backoff::new(ms(10), ms(100), Some(2.0), Some(ms(30)));
        assert_eq!(backoff.next(), ms(30));
        assert_eq!(backoff.next(), ms(60));
        backoff.reset();
        assert_eq!(backoff.next(), ms(10));
    }

    #[test]
    fn after_a_failed_round_there_is_always_some_rest() {
        let backoff = Backoff::new(ms(0), ms(100), Some(2.0), None);
        assert_eq!(backoff.first(), ms(0));
        assert_eq!(delays(backoff, 3), [10, 20, 40]);
        assert_eq!(delays(Backoff::new(ms(0), ms(0), None, None), 3), [10, 10, 10]);
        assert_eq!(delays(Backoff::new(ms(10), ms(100), Some(0.1), None), 4), [10, 1, 10, 1]);
    }

    #[test]
    fn it_starts_over_after_a_reset() {
        let mut backoff = Backoff::new(ms(10), ms(100), Some(2.0), None);
        backoff.next();
        backoff.next();
        backoff.reset();
        assert_eq!(backoff.next(), ms(10));
    }
}
