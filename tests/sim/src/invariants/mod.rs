//! What must hold in every world. A file each, and each names the mutation of the core it catches.

mod acks;
mod active_link;
mod bounds;
mod clearing;
mod dead_link;
mod dispatch;
mod duplicates;
mod healing;
mod incidents;
mod left;
mod moves;
mod names;
mod no_loss;
mod numbers;
mod once;
mod registrations;
mod replay;
mod schedule;
mod settled;
mod stored;
mod timeout;
mod transactions;
mod truth;
mod wishes;

use std::fmt;

use crate::agenda::Time;
use crate::plan::Plan;
use crate::seen::{MessageKey, Seen};

pub(crate) use self::transactions::number_of;

/// Whether what was seen may be; if not, what is wrong with it.
pub(crate) type Verdict = Result<(), String>;

/// Something that must hold.
pub(crate) trait Invariant: fmt::Debug {
    fn name(&self) -> &'static str;

    /// Looks at what happened.
    fn see(&mut self, at: Time, seen: &Seen<'_>) -> Verdict;

    /// A message is in a store at the end.
    fn is_kept(&mut self, _: MessageKey) {}
}

/// All of them, for a world that is about to begin.
pub(crate) fn all(plan: &Plan) -> Vec<Box<dyn Invariant>> {
    let clients = plan.clients.len();
    vec![
        Box::new(once::Once::new(clients)),
        Box::new(truth::Truth::new(clients)),
        Box::new(replay::Replays::new(clients)),
        Box::new(active_link::ActiveLinks::new(clients)),
        Box::new(dead_link::DeadLinks),
        Box::new(no_loss::NoLoss::default()),
        Box::new(duplicates::Duplicates::default()),
        Box::new(schedule::Schedules::new(plan)),
        Box::new(timeout::Timeouts::new(plan)),
        Box::new(bounds::Bounds::new(plan)),
        Box::new(healing::Healing::new(clients)),
        Box::new(registrations::Registrations),
        Box::new(acks::Acks),
        Box::new(incidents::Incidents::new(clients)),
        Box::new(numbers::Numbers::new(clients)),
        Box::new(moves::Moves::new(plan)),
        Box::new(clearing::Clearing::new(clients)),
        Box::new(transactions::Transactions::default()),
        Box::new(dispatch::Dispatches::default()),
        Box::new(stored::Stores::default()),
        Box::new(settled::Settled::default()),
        Box::new(left::Left),
    ]
}

macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(format!($($what)+));
        }
    };
}
use ensure;
