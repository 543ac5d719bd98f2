//! What is said of rounds that fail, so that a log shows an outage and is not filled by it.

use std::num::NonZeroU32;

use crate::error::DialError;

#[derive(Debug)]
pub(super) struct Warnings {
    /// Of so many rounds one is told of, and the first.
    every: Option<NonZeroU32>,
    told: u32,
    last_error: String,
}

impl Warnings {
    pub(super) const fn every(every: Option<NonZeroU32>) -> Self {
        Self { every, told: 0, last_error: String::new() }
    }

    /// An attempt has failed.
    pub(super) fn on_failure(&mut self, broker: &str, error: &DialError) {
        self.last_error = format!("{broker}: {error}");
    }

    /// So many rounds have failed, one after the other.
    ///
    /// Java: `warnAfterReconnectAttempts` (`FailoverTransport.doReconnect`).
    pub(super) fn on_rounds(&mut self, failed: u32) {
        if failed == self.told {
            return;
        }
        self.told = failed;
        let is_due = |every: NonZeroU32| failed == 1 || failed % every == 0;
        if failed > 0 && self.every.is_some_and(is_due) {
            let last_error = &self.last_error;
            tracing::warn!(rounds = failed, last_error, "no broker could be reached, trying on");
        }
    }
}
