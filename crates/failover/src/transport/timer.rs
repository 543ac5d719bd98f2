//! The one timer of a driver, which is set anew as seldom as can be.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

/// Waits for what is due next.
///
/// That moves on with each read and write, to nearly the same time as before. A timer that is over too early costs a
/// look at the clock every few seconds, and setting it each time would cost a lock.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Until then; for ever, if nothing is due.
    pub(super) fn until(&mut self, due: Option<Instant>) -> impl Future<Output = ()> {
        poll_fn(move |cx| match due {
            Some(due) => self.poll(due, cx),
            None => Poll::Pending,
        })
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
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_due_may_move_both_ways() {
        let mut timer = Timer::default();
        let begin = Instant::now();
        let at = |seconds: u64| Some((begin + Duration::from_secs(seconds)).into_std());
        let mut passed = Vec::new();
        for due in [5, 5, 3, 9, 7, 12] {
            timer.until(at(due)).await;
            passed.push(begin.elapsed().as_secs());
        }
        assert_eq!(passed, [5, 5, 5, 9, 9, 12], "what was due before is due at once");
        for due in [30, 20, 25] {
            // Looked at, and left for something else.
            let until = timer.until(at(due));
            assert!(tokio::time::timeout(Duration::ZERO, until).await.is_err());
        }
        timer.until(at(25)).await;
        assert_eq!(begin.elapsed().as_secs(), 25);
        let never = tokio::time::timeout(Duration::from_secs(1000), timer.until(None)).await;
        assert!(never.is_err());
    }
}
