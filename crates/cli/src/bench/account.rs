//! What became of messages, on the sender's side and on the receiver's; pure.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::ledger::Numbers;
use crate::tally::Outcome;

/// Pauses that are kept; of more, the longest is still known.
const PAUSES: usize = 10_000;
/// Longer ones count as this, in microseconds: an hour.
const LONGEST_LATENCY_US: u64 = 3_600_000_000;

/// A time in which nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

impl Pause {
    pub(crate) const fn ns(self) -> u64 {
        self.to_ns - self.from_ns
    }

    /// Whether it has a moment in common with that time.
    pub(crate) const fn overlaps(self, from_ns: u64, to_ns: u64) -> bool {
        self.from_ns <= to_ns && from_ns <= self.to_ns
    }
}

/// Things of one kind that happen one after the other: confirmations, or receptions.
#[derive(Debug)]
pub(crate) struct Series {
    /// Of what, by number.
    pub(crate) numbers: Numbers,
    /// How many, how fast and how late, after the warm-up.
    pub(crate) measured: u64,
    pub(crate) latency_us: Histogram<u64>,
    measured_from_ns: u64,
    last_ns: Option<u64>,
    shortest_pause_ns: u64,
    pub(crate) longest_pause_ns: u64,
    pub(crate) pauses: Vec<Pause>,
}

impl Series {
    pub(crate) fn new(measured_from_ns: u64, shortest_pause: Duration) -> Self {
        let latency_us = Histogram::new_with_bounds(1, LONGEST_LATENCY_US, 3);
        Self {
            numbers: Numbers::default(),
            measured: 0,
            latency_us: latency_us.expect("the bounds are in order"),
            measured_from_ns,
            last_ns: None,
            shortest_pause_ns: u64::try_from(shortest_pause.as_nanos()).unwrap_or(u64::MAX),
            longest_pause_ns: 0,
            pauses: Vec::new(),
        }
    }

    /// Notes that it happened to this number, which was begun with at `begun_ns`; false when it had
    /// happened before.
    pub(crate) fn note(&mut self, seq: u64, begun_ns: u64, now_ns: u64) -> bool {
        if let Some(last_ns) = self.last_ns.replace(now_ns) {
            let pause = Pause { from_ns: last_ns, to_ns: now_ns.max(last_ns) };
            self.longest_pause_ns = self.longest_pause_ns.max(pause.ns());
            if pause.ns() >= self.shortest_pause_ns && self.pauses.len() < PAUSES {
                self.pauses.push(pause);
            }
        }
        let is_new = self.numbers.insert(seq);
        if is_new && now_ns >= self.measured_from_ns {
            self.measured += 1;
            self.latency_us.saturating_record(now_ns.saturating_sub(begun_ns) / 1000);
        }
        is_new
    }

    /// The longest pause around that time.
    pub(crate) fn pause_around(&self, from_ns: u64, to_ns: u64) -> Option<Pause> {
        let around = self.pauses.iter().filter(|pause| pause.overlaps(from_ns, to_ns));
        around.max_by_key(|pause| pause.ns()).copied()
    }

    /// How many a second, after the warm-up.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn rate(&self) -> f64 {
        let ns = self.last_ns.map_or(0, |last| last.saturating_sub(self.measured_from_ns));
        if ns > 0 { self.measured as f64 / (ns as f64 / 1e9) } else { 0.0 }
    }
}

/// What became of what was sent.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    pub(crate) in_doubt: u64,
    pub(crate) confirmed: Series,
}

impl Sending {
    pub(crate) const fn new(confirmed: Series) -> Self {
        Self { sent: 0, failed: 0, in_doubt: 0, confirmed }
    }

    pub(crate) fn note(&mut self, seq: u64, begun_ns: u64, now_ns: u64, outcome: Outcome) {
        self.sent += 1;
        match outcome {
            Outcome::Confirmed => {
                self.confirmed.note(seq, begun_ns, now_ns);
            }
            Outcome::Failed => self.failed += 1,
            Outcome::InDoubt => self.in_doubt += 1,
        }
    }
}

/// What came.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) received: u64,
    pub(crate) duplicates: u64,
    /// Of those, how many were not marked as redelivered.
    pub(crate) unmarked: u64,
    pub(crate) redelivered: u64,
    /// Messages of other programs.
    pub(crate) foreign: u64,
    pub(crate) arrived: Series,
}

impl Receiving {
    pub(crate) const fn new(arrived: Series) -> Self {
        Self { received: 0, duplicates: 0, unmarked: 0, redelivered: 0, foreign: 0, arrived }
    }

    pub(crate) fn note(&mut self, seq: u64, begun_ns: u64, now_ns: u64, is_redelivered: bool) {
        self.received += 1;
        self.redelivered += u64::from(is_redelivered);
        if !self.arrived.note(seq, begun_ns, now_ns) {
            self.duplicates += 1;
            self.unmarked += u64::from(!is_redelivered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn series() -> Series {
        Series::new(100 * MS, Duration::from_millis(50))
    }

    #[test]
    fn what_happens_in_the_warm_up_is_known_and_not_measured() {
        let mut series = series();
        assert!(series.note(0, 90 * MS, 99 * MS));
        assert!(series.note(1, 98 * MS, 100 * MS));
        assert!(series.note(2, 200 * MS, 1100 * MS));
        assert_eq!((series.measured, series.numbers.len()), (2, 3));
        assert_eq!(series.latency_us.min(), 2000);
        assert!((series.rate() - 2.0).abs() < 1e-9, "two in a second: {}", series.rate());
    }

    #[test]
    fn a_pause_is_kept_when_it_is_long_and_found_by_its_time() {
        let mut series = series();
        for (seq, ms) in (0..).zip([0, 10, 200, 240, 900]) {
            series.note(seq, 0, ms * MS);
        }
        assert_eq!(series.pauses.len(), 2);
        assert_eq!(series.longest_pause_ns, 660 * MS);
        let around = series.pause_around(150 * MS, 160 * MS);
        assert_eq!(around, Some(Pause { from_ns: 10 * MS, to_ns: 200 * MS }));
        assert_eq!(series.pause_around(210 * MS, 220 * MS), None);
    }

    #[test]
    fn a_duplicate_counts_as_received_and_is_unmarked_unless_it_says_that_it_is_one() {
        let mut receiving = Receiving::new(series());
        for is_redelivered in [false, true, false] {
            receiving.note(7, 0, 1, is_redelivered);
        }
        let Receiving { received, duplicates, unmarked, redelivered, .. } = receiving;
        assert_eq!((received, duplicates, unmarked, redelivered), (3, 2, 1, 1));
        assert_eq!(receiving.arrived.numbers.len(), 1);
    }

    #[test]
    fn only_what_was_confirmed_can_be_lost() {
        let mut sending = Sending::new(series());
        sending.note(0, 0, 1, Outcome::Confirmed);
        sending.note(1, 0, 1, Outcome::InDoubt);
        sending.note(2, 0, 1, Outcome::Confirmed);
        sending.note(3, 0, 1, Outcome::Failed);
        assert_eq!((sending.sent, sending.failed, sending.in_doubt), (4, 1, 1));
        let mut receiving = Receiving::new(series());
        receiving.note(0, 0, 1, false);
        assert_eq!(sending.confirmed.numbers.absent_from(&receiving.arrived.numbers), 1);
    }
}
