//! `Known`: what was taken in of each producer, the latest of them.

use std::collections::{BTreeSet, HashMap};

use rewire_protocol::ProducerId;

use crate::core::ProducerAudit;

/// Producers that are kept; those whose last message is the longest ago are forgotten.
pub(super) const MAX_PRODUCERS: usize = 10_000;

/// The audits of producers, with the number of the last change of each.
#[derive(Debug, Default)]
pub(super) struct Known {
    producers: HashMap<ProducerId, (u64, ProducerAudit)>,
    changes: u64,
}

impl Known {
    pub(super) fn insert(&mut self, producer: ProducerId, change: u64, audit: ProducerAudit) {
        self.changes = self.changes.max(change);
        self.producers.insert(producer, (change, audit));
    }

    pub(super) fn record(&mut self, producer: &ProducerId, sequence: i64) {
        self.changes += 1;
        let known = match self.producers.get_mut(producer) {
            Some(known) => known,
            None => self.producers.entry(producer.clone()).or_default(),
        };
        known.0 = self.changes;
        known.1.record(sequence);
    }

    pub(super) fn get(&self, producer: &ProducerId) -> Option<(u64, &ProducerAudit)> {
        self.producers.get(producer).map(|(change, audit)| (*change, audit))
    }

    /// All of them, those that changed last at the end.
    pub(super) fn by_age(&self) -> Vec<(ProducerId, ProducerAudit)> {
        let mut by_age: Vec<_> = self.producers.iter().collect();
        by_age.sort_by_key(|(_, (change, _))| *change);
        by_age.into_iter().map(|(id, (_, audit))| (id.clone(), audit.clone())).collect()
    }

    /// Lets go of the oldest if there are far too many.
    pub(super) fn forget(&mut self) -> Vec<ProducerId> {
        if self.producers.len() <= MAX_PRODUCERS * 2 {
            return Vec::new();
        }
        let changes: BTreeSet<u64> = self.producers.values().map(|(at, _)| *at).collect();
        let oldest = changes.iter().rev().nth(MAX_PRODUCERS - 1).copied().unwrap_or(0);
        let gone = self.producers.extract_if(|_, (change, _)| *change < oldest);
        gone.map(|(producer, _)| producer).collect()
    }
}
