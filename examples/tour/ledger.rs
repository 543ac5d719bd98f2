//! The ledger: what was sent, what a broker confirmed, what came out, and how often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One order, by who sent it and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) producer: usize,
    pub(crate) number: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    sent: u64,
    confirmed: BTreeSet<Order>,
    received: BTreeMap<Order, u64>,
    failed: u64,
    /// What the first that failed was told.
    first_failure: Option<String>,
    longest_gap: Duration,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn on_sent(&self) {
        self.entries().sent += 1;
    }

    /// A broker has it, and its producer waited so long to hear so.
    pub(crate) fn on_confirmed(&self, order: Order, waited: Duration) {
        let mut entries = self.entries();
        entries.confirmed.insert(order);
        entries.longest_gap = entries.longest_gap.max(waited);
    }

    pub(crate) fn on_failed(&self, problem: &str) {
        let mut entries = self.entries();
        entries.failed += 1;
        entries.first_failure.get_or_insert_with(|| problem.to_owned());
    }

    pub(crate) fn on_received(&self, order: Order) {
        *self.entries().received.entry(order).or_default() += 1;
    }

    /// How many orders were confirmed and have not come out.
    pub(crate) fn lost(&self) -> usize {
        let entries = self.entries();
        entries.confirmed.iter().filter(|order| !entries.received.contains_key(order)).count()
    }

    /// How far it is by now.
    pub(crate) fn brief(&self) -> String {
        let entries = self.entries();
        let (sent, confirmed) = (entries.sent, entries.confirmed.len());
        format!("{sent} sent, {confirmed} confirmed, {} received", entries.received.len())
    }

    /// The account at the end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lost = self.lost();
        let entries = self.entries();
        let deliveries: u64 = entries.received.values().sum();
        let duplicates = deliveries - entries.received.len() as u64;
        let mut lines = vec![
            format!("sent         {:>6}", entries.sent),
            format!("confirmed    {:>6}", entries.confirmed.len()),
            format!("received     {:>6}", entries.received.len()),
            format!("duplicates   {duplicates:>6}  acknowledged or confirmed as their broker died"),
            format!("lost         {lost:>6}"),
            format!(
                "longest gap  {:>6} ms to the answer to one order",
                entries.longest_gap.as_millis()
            ),
        ];
        if let Some(problem) = &entries.first_failure {
            lines.push(format!("not confirmed {:>5}  {problem}", entries.failed));
        }
        lines
    }
}
