//! What was received: what came twice, what is missing, what came late; pure.

use std::collections::{BTreeMap, HashMap};

/// The account of a run of receiving.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) received: u64,
    pub(crate) distinct: u64,
    pub(crate) duplicates: u64,
    pub(crate) redelivered: u64,
    pub(crate) out_of_order: u64,
    producers: HashMap<String, Numbers>,
}

/// Numbers seen, as ranges: from the first to the last of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    ranges: BTreeMap<u64, u64>,
    count: u64,
}

impl Ledger {
    /// Notes a message; one without a number counts as distinct.
    pub(crate) fn note(&mut self, number: Option<(&str, u64)>, is_redelivered: bool) {
        self.received += 1;
        self.redelivered += u64::from(is_redelivered);
        let Some((pid, seq)) = number else {
            self.distinct += 1;
            return;
        };
        if !self.producers.contains_key(pid) {
            self.producers.insert(pid.to_owned(), Numbers::default());
        }
        let Some(numbers) = self.producers.get_mut(pid) else { return };
        let highest = numbers.highest();
        if numbers.insert(seq) {
            self.distinct += 1;
            self.out_of_order += u64::from(highest.is_some_and(|highest| seq < highest));
        } else {
            self.duplicates += 1;
        }
    }

    /// How many numbers below the highest of each producer did not come.
    pub(crate) fn missing(&self) -> u64 {
        let holes = |numbers: &Numbers| {
            numbers.highest().map_or(0, |highest| highest.saturating_add(1) - numbers.count)
        };
        self.producers.values().map(holes).sum()
    }
}

impl Numbers {
    /// How many there are.
    pub(crate) const fn len(&self) -> u64 {
        self.count
    }

    /// How many of these are not among the others.
    pub(crate) fn absent_from(&self, others: &Self) -> u64 {
        let shared = |(&first, &last): (&u64, &u64)| {
            // Only the range that begins before the first can reach into it.
            let from = others.ranges.range(..=first).next_back().map_or(first, |(from, _)| *from);
            let near = others.ranges.range(from..=last);
            near.map(|(&from, &to)| {
                let (from, to) = (from.max(first), to.min(last));
                if from <= to { to - from + 1 } else { 0 }
            })
            .sum::<u64>()
        };
        self.count - self.ranges.iter().map(shared).sum::<u64>()
    }

    fn highest(&self) -> Option<u64> {
        self.ranges.last_key_value().map(|(_, last)| *last)
    }

    /// Adds a number; false when it was there.
    pub(crate) fn insert(&mut self, seq: u64) -> bool {
        let before = self.ranges.range(..=seq).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| seq <= last) {
            return false;
        }
        self.count += 1;
        let first = match before {
            Some((first, last)) if last + 1 == seq => first,
            Some(_) | None => seq,
        };
        let after = seq.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, after.unwrap_or(seq));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(numbers: &[u64]) -> Ledger {
        let mut ledger = Ledger::default();
        for seq in numbers {
            ledger.note(Some(("p", *seq)), false);
        }
        ledger
    }

    #[test]
    fn what_comes_twice_is_received_twice_and_distinct_once() {
        let ledger = ledger(&[0, 1, 1, 0, 2]);
        assert_eq!((ledger.received, ledger.distinct, ledger.duplicates), (5, 3, 2));
        assert_eq!((ledger.missing(), ledger.out_of_order), (0, 0));
    }

    #[test]
    fn a_hole_is_missing_until_it_is_filled_and_then_out_of_order() {
        let mut ledger = ledger(&[0, 1, 3, 4]);
        assert_eq!(ledger.missing(), 1);
        ledger.note(Some(("p", 2)), false);
        assert_eq!((ledger.missing(), ledger.out_of_order), (0, 1));
    }

    #[test]
    fn numbers_begin_at_zero() {
        assert_eq!(ledger(&[2]).missing(), 2);
        assert_eq!(ledger(&[u64::MAX]).distinct, 1);
    }

    #[test]
    fn each_producer_has_its_own_numbers() {
        let mut ledger = ledger(&[0, 1]);
        ledger.note(Some(("q", 0)), true);
        assert_eq!((ledger.distinct, ledger.duplicates, ledger.redelivered), (3, 0, 1));
    }

    #[test]
    fn what_is_absent_is_counted_over_ranges_that_overlap_in_any_way() {
        let numbers = |these: &[u64]| {
            let mut numbers = Numbers::default();
            these.iter().for_each(|seq| assert!(numbers.insert(*seq)));
            numbers
        };
        let wanted = numbers(&[1, 2, 3, 4, 7, 9, 10]);
        for (found, absent) in [
            (vec![], 7),
            (vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 0),
            (vec![0, 1], 6),
            (vec![2, 3], 5),
            (vec![4, 5, 6, 7, 8, 9], 4),
            (vec![5, 6, 8, 11], 7),
        ] {
            assert_eq!(wanted.absent_from(&numbers(&found)), absent, "{found:?}");
        }
    }

    #[test]
    fn a_message_without_a_number_is_distinct() {
        let mut ledger = Ledger::default();
        ledger.note(None, false);
        ledger.note(None, false);
        assert_eq!((ledger.received, ledger.distinct, ledger.missing()), (2, 2, 0));
    }
}
