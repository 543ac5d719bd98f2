//! The one timer of a driver, which is set anew as seldom as can be.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_timer::Delay;
use tokio::time::{Sleep, sleep_until};

use super::link::now;

/// How late tokio's timer may be, and a little more: it counts whole milliseconds, and rounds up twice.
const LATENESS: Duration = Duration::from_millis(3);

/// Waits for what is due next.
///
/// That moves on with each read and write, to nearly the same time as before. A timer that is over too early costs a
/// look at the clock every few seconds, and setting it each time would cost a lock.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The last of a wait that is to end on time, and when it ends.
    rest: Option<(Instant, Delay)>,
}

/// How well a wait is to end when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    /// Within two milliseconds.
    Millis,
    /// Within a tenth of one: by a thread that waits for nothing else, which costs a switch to it and back.
    OnTime,
}

impl Timer {
    /// Until then; for ever, if nothing is due.
    pub(super) fn until(
        &mut self,
        due: Option<Instant>,
        precision: Precision,
    ) -> impl Future<Output = ()> {
        poll_fn(move |cx| match (due, precision) {
            (Some(due), Precision::Millis) => self.poll(due, cx),
            (Some(due), Precision::OnTime) => self.poll_on_time(due, cx),
            (None, _) => Poll::Pending,
        })
    }

    fn poll_on_time(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(early) = due.checked_sub(LATENESS) {
            ready!(self.poll(early, cx));
        }
        loop {
            let left = due.saturating_duration_since(now());
            if left.is_zero() {
                self.rest = None;
                return Poll::Ready(());
            }
            let (end, rest) = self.rest.get_or_insert_with(|| (due, Delay::new(left)));
            if *end != due {
                *end = due;
                rest.reset(left);
            }
            ready!(Pin::new(rest).poll(cx));
            self.rest = None;
        }
    }

    fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let due = due.into();
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_due_may_move_both_ways() {
        let mut timer = Timer::default();
        let begin = Instant::now();
        let at = |seconds: u64| Some((begin + Duration::from_secs(seconds)).into_std());
        let mut passed = Vec::new();
        for due in [5, 5, 3, 9, 7, 12] {
            timer.until(at(due), Precision::Millis).await;
            passed.push(begin.elapsed().as_secs());
        }
        assert_eq!(passed, [5, 5, 5, 9, 9, 12], "what was due before is due at once");
        for due in [30, 20, 25] {
            // Looked at, and left for something else.
            let until = timer.until(at(due), Precision::Millis);
            assert!(tokio::time::timeout(Duration::ZERO, until).await.is_err());
        }
        timer.until(at(25), Precision::Millis).await;
        assert_eq!(begin.elapsed().as_secs(), 25);
        let never =
            tokio::time::timeout(Duration::from_secs(1000), timer.until(None, Precision::Millis))
                .await;
        assert!(never.is_err());
    }
    #[tokio::test]
    async fn what_is_to_end_on_time_is_never_early_and_not_left_to_a_timer_that_is_late() {
        let mut timer = Timer::default();
        for micros in [0, 300, 1_300, 2_300, 3_300, 4_300, 7_300, 10_300, 12_000] {
            let due = now() + Duration::from_micros(micros);
            let mut last_of_it = false;
            poll_fn(|cx| {
                let ended = timer.poll_on_time(due, cx);
                last_of_it |= timer.rest.is_some();
                ended
            })
            .await;
            assert!(now() >= due, "{micros}");
            // A thread that does not run for long enough has nothing left to wait for.
            assert!(
                last_of_it || micros == 0 || now() > due + Duration::from_millis(1),
                "{micros}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_to_end_on_time_may_move_both_ways_too() {
        let mut timer = Timer::default();
        let begin = now();
        for millis in [2, 1, 9, 5, 8] {
            let due = begin + Duration::from_millis(millis);
            let until = timer.until(Some(due), Precision::OnTime);
            // Looked at, and left for something else.
            let is_over = tokio::time::timeout(Duration::ZERO, until).await.is_ok();
            assert!(!is_over || now() >= due, "{millis}");
        }
        let due = begin + Duration::from_millis(12);
        timer.until(Some(due), Precision::OnTime).await;
        assert!(now() >= due);
        // What was due before is due at once.
        let again = timer.until(Some(begin), Precision::OnTime);
        assert!(tokio::time::timeout(Duration::ZERO, again).await.is_ok());
    }
}
