//! `ProducerAudit`: which messages of a producer were taken in, so that one that comes again is known.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use rewire_protocol::ProducerId;

/// How far back single messages are told apart; what is older counts as taken in.
const WINDOW: i64 = 1024;
const WORDS: usize = 16;

/// The numbers of the messages of one producer that were taken in: a window behind the highest.
///
/// One that was refused and is followed by one that was not is still told from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProducerAudit {
    highest: i64,
    /// A bit for each number of the window, at its remainder.
    seen: [u64; WORDS],
}

impl ProducerAudit {
    /// Whether the message with this number was taken in.
    #[must_use]
    pub fn knows(&self, sequence: i64) -> bool {
        if sequence > self.highest {
            return false;
        }
        if self.highest.saturating_sub(sequence) >= WINDOW {
            return true;
        }
        let (word, bit) = place(sequence);
        self.seen.get(word).is_some_and(|seen| seen & bit != 0)
    }

    /// The message with this number is taken in.
    pub fn record(&mut self, sequence: i64) {
        if sequence > self.highest {
            if sequence.saturating_sub(self.highest) >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.highest.saturating_add(1)..sequence {
                    self.set(skipped, false);
                }
            }
            self.highest = sequence;
        }
        if self.highest.saturating_sub(sequence) < WINDOW {
            self.set(sequence, true);
        }
    }

    /// The audit as a store keeps it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = self.seen.iter().flat_map(|word| word.to_be_bytes());
        self.highest.to_be_bytes().into_iter().chain(words).collect()
    }

    /// The audit that a store has kept; none when it is not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (highest, words) = bytes.split_first_chunk()?;
        let (words, rest) = words.as_chunks();
        let seen: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
        let seen = seen.try_into().ok().filter(|_| rest.is_empty())?;
        Some(Self { highest: i64::from_be_bytes(*highest), seen })
    }

    fn set(&mut self, sequence: i64, known: bool) {
        let (word, bit) = place(sequence);
        if let Some(seen) = self.seen.get_mut(word) {
            *seen = if known { *seen | bit } else { *seen & !bit };
        }
    }
}

/// The word and the bit of a number.
fn place(sequence: i64) -> (usize, u64) {
    let index = sequence.rem_euclid(WINDOW).unsigned_abs();
    (usize::try_from(index / 64).unwrap_or(0), 1 << (index % 64))
}

/// The audits of producers that are gone: the oldest is forgotten first.
#[derive(Debug)]
pub(super) struct Departed {
    audits: HashMap<ProducerId, (u64, ProducerAudit), RandomState>,
    /// In the order in which they went; some have come back since.
    order: VecDeque<(u64, ProducerId)>,
    next: u64,
    limit: usize,
}

impl Departed {
    pub(super) fn new(limit: usize) -> Self {
        Self { audits: HashMap::default(), order: VecDeque::new(), next: 0, limit }
    }

    pub(super) fn insert(&mut self, producer: ProducerId, audit: ProducerAudit) {
        if audit == ProducerAudit::default() {
            return;
        }
        self.next += 1;
        self.order.push_back((self.next, producer.clone()));
        self.audits.insert(producer, (self.next, audit));
        while self.audits.len() > self.limit || self.order.len() > self.limit * 2 {
            let Some((number, oldest)) = self.order.pop_front() else { break };
            if self.audits.get(&oldest).is_some_and(|(current, _)| *current == number) {
                self.audits.remove(&oldest);
            }
        }
    }

    pub(super) fn knows(&self, producer: &ProducerId, sequence: i64) -> bool {
        self.audits.get(producer).is_some_and(|(_, audit)| audit.knows(sequence))
    }

    pub(super) fn take(&mut self, producer: &ProducerId) -> ProducerAudit {
        self.audits.remove(producer).map(|(_, audit)| audit).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rewire_protocol::ConnectionId;

    use super::*;

    #[test]
    fn a_message_that_was_refused_is_told_from_one_behind_it_that_was_not() {
        let mut audit = ProducerAudit::default();
        for sequence in [1, 2, 4] {
            audit.record(sequence);
        }
        let known: Vec<bool> = (1..=5).map(|sequence| audit.knows(sequence)).collect();
        assert_eq!(known, [true, true, false, true, false]);
        audit.record(3);
        assert!(audit.knows(3));
    }

    #[test]
    fn what_is_older_than_the_window_counts_as_known() {
        let mut audit = ProducerAudit::default();
        audit.record(2000);
        assert!(audit.knows(2000 - WINDOW) && !audit.knows(2001 - WINDOW));
        audit.record(2001);
        assert!(audit.knows(2001 - WINDOW) && !audit.knows(2002 - WINDOW));
    }

    #[test]
    fn any_number_can_be_recorded() {
        for sequence in [i64::MIN, -1, 0, i64::MAX] {
            let mut audit = ProducerAudit::default();
            audit.record(sequence);
            assert!(audit.knows(sequence));
        }
    }

    #[test]
    fn the_producer_that_went_first_is_forgotten_first() {
        let id = |number| ConnectionId::new("c").session(1).producer(number);
        let mut departed = Departed::new(2);
        let mut audit = ProducerAudit::default();
        audit.record(1);
        for number in [1, 2, 1, 3] {
            let known = departed.take(&id(number));
            departed.insert(id(number), if known.knows(1) { known } else { audit.clone() });
        }
        assert!(!departed.take(&id(2)).knows(1));
        assert!(departed.take(&id(1)).knows(1) && departed.take(&id(3)).knows(1));
    }
}
