//! What looks at everything that happens: the invariants, and the trace.

use crate::agenda::Time;
use crate::invariants::{self, Invariant};
use crate::plan::Plan;
use crate::seen::{MessageKey, Seen, stamp};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The invariant.
    pub invariant: &'static str,
    /// When, as a trace shows it.
    pub at: String,
    /// What was seen.
    pub what: String,
}

/// The invariants of a world, and its trace.
#[derive(Debug)]
pub(crate) struct Watch {
    invariants: Vec<Box<dyn Invariant>>,
    trace: Option<Vec<String>>,
    broken: Option<Broken>,
    /// How much was seen.
    count: u64,
}

impl Watch {
    pub(crate) fn new(plan: &Plan, with_trace: bool) -> Self {
        Self {
            invariants: invariants::all(plan),
            trace: with_trace.then(Vec::new),
            broken: None,
            count: 0,
        }
    }

    pub(crate) fn see(&mut self, at: Time, seen: &Seen<'_>) {
        self.count += 1;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {seen}", stamp(at)));
        }
        for invariant in &mut self.invariants {
            if let Err(what) = invariant.see(at, seen)
                && self.broken.is_none()
            {
                self.broken = Some(Broken { invariant: invariant.name(), at: stamp(at), what });
            }
        }
    }

    /// A message is in a store at the end.
    pub(crate) fn is_kept(&mut self, key: MessageKey) {
        for invariant in &mut self.invariants {
            invariant.is_kept(key);
        }
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// What was seen, the trace if there is one, and what was broken.
    pub(crate) fn into_parts(self) -> (u64, Vec<String>, Option<Broken>) {
        (self.count, self.trace.unwrap_or_default(), self.broken)
    }
}
