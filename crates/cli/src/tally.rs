//! What became of the messages of a run, how fast, and how long it stood still; pure.

use std::fmt;

use hdrhistogram::Histogram;
use rewire::ErrorKind;
use serde_json::json;

use crate::clock::seconds;

/// What became of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A broker has it.
    Confirmed,
    /// It was refused, or never left.
    Failed,
    /// It left, and nobody knows.
    InDoubt,
}

impl Outcome {
    pub(crate) fn of(kind: ErrorKind) -> Self {
        if kind == ErrorKind::InDoubt { Self::InDoubt } else { Self::Failed }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirmed => "confirmed",
            Self::Failed => "failed",
            Self::InDoubt => "in_doubt",
        })
    }
}

/// The account of a run of sending.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) confirmed: u64,
    pub(crate) failed: u64,
    pub(crate) in_doubt: u64,
    latency_us: Histogram<u64>,
    started_ns: u64,
    ended_ns: u64,
    last_confirmed_ns: Option<u64>,
    longest_gap_ns: u64,
}

/// Longer ones count as this, in microseconds: an hour.
const LONGEST_LATENCY_US: u64 = 3_600_000_000;

impl Tally {
    pub(crate) fn new(started_ns: u64) -> Self {
        let latency_us = Histogram::new_with_bounds(1, LONGEST_LATENCY_US, 3);
        Self {
            sent: 0,
            confirmed: 0,
            failed: 0,
            in_doubt: 0,
            latency_us: latency_us.expect("the bounds are in order"),
            started_ns,
            ended_ns: started_ns,
            last_confirmed_ns: None,
            longest_gap_ns: 0,
        }
    }

    /// Notes what became of a message that was submitted at `submitted_ns`.
    pub(crate) fn note(&mut self, outcome: Outcome, submitted_ns: u64, now_ns: u64) {
        self.sent += 1;
        self.ended_ns = now_ns;
        match outcome {
            Outcome::Confirmed => {
                self.confirmed += 1;
                self.latency_us.saturating_record(now_ns.saturating_sub(submitted_ns) / 1000);
                if let Some(last) = self.last_confirmed_ns.replace(now_ns) {
                    self.longest_gap_ns = self.longest_gap_ns.max(now_ns.saturating_sub(last));
                }
            }
            Outcome::Failed => self.failed += 1,
            Outcome::InDoubt => self.in_doubt += 1,
        }
    }

    /// Whether a broker has every message.
    pub(crate) const fn is_complete(&self) -> bool {
        self.failed == 0 && self.in_doubt == 0
    }

    fn seconds(&self) -> f64 {
        seconds(self.ended_ns - self.started_ns)
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    fn rate(&self) -> f64 {
        let seconds = self.seconds();
        if seconds > 0.0 { self.confirmed as f64 / seconds } else { 0.0 }
    }

    /// The summary as one line of JSON.
    pub(crate) fn json(&self, interruptions: u64) -> String {
        let latency = &self.latency_us;
        json!({
            "sent": self.sent,
            "confirmed": self.confirmed,
            "failed": self.failed,
            "in_doubt": self.in_doubt,
            "seconds": self.seconds(),
            "msgs_per_s": self.rate(),
            "latency_us": {
                "p50": latency.value_at_quantile(0.5),
                "p99": latency.value_at_quantile(0.99),
                "max": latency.max(),
            },
            "interruptions": interruptions,
            "longest_gap_ms": self.longest_gap_ns / 1_000_000,
        })
        .to_string()
    }

    /// The summary for people.
    pub(crate) fn text(&self, interruptions: u64) -> String {
        let Self { sent, confirmed, failed, in_doubt, .. } = self;
        let mut text = format!("{confirmed} of {sent} confirmed");
        if *failed > 0 {
            text += &format!(", {failed} failed");
        }
        if *in_doubt > 0 {
            text += &format!(", {in_doubt} in doubt");
        }
        text += &format!(" in {:.2} s", self.seconds());
        if *confirmed > 1 {
            let latency = &self.latency_us;
            text += &format!(
                ": {:.0} a second, latency {} µs in the middle and {} at most",
                self.rate(),
                latency.value_at_quantile(0.5),
                latency.max()
            );
        }
        if interruptions > 0 {
            let gap_ms = self.longest_gap_ns / 1_000_000;
            text += &format!("; interrupted {interruptions} times, longest pause {gap_ms} ms");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_between_two_confirmations_and_not_before_the_first() {
        let mut tally = Tally::new(0);
        for ms in [500, 510, 710, 720] {
            tally.note(Outcome::Confirmed, 0, ms * 1_000_000);
        }
        tally.note(Outcome::Failed, 0, 9_000_000_000);
        let json: serde_json::Value = serde_json::from_str(&tally.json(1)).unwrap();
        assert_eq!(json["longest_gap_ms"], 200);
        assert_eq!(
            (&json["sent"], &json["confirmed"], &json["failed"]),
            (&5.into(), &4.into(), &1.into())
        );
        assert!(!tally.is_complete());
    }

    #[test]
    fn a_run_of_nothing_has_no_rate() {
        let json: serde_json::Value = serde_json::from_str(&Tally::new(7).json(0)).unwrap();
        assert_eq!(json["msgs_per_s"], 0.0);
    }
}
