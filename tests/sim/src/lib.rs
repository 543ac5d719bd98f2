//! The cores of client and broker in a virtual world: networks and faults from a seed.
//!
//! A seed is a world: its brokers, each with a real [`BrokerCore`], its clients, each with a real
//! [`FailoverCore`], the network between them, and what goes wrong. Time is virtual, chance comes from the
//! seed, and so a world that breaks a rule breaks it again whenever it is run. Applications, disks and
//! networks are models, and so is what a broker says that ours does not: refusals for no reason, moves to
//! brokers that are not there.
//!
//! - `plan`: what a world consists of;
//! - `world`: what happens in it, in order;
//! - `client`, `broker`, `network`: who takes part;
//! - `faults`: what goes wrong;
//! - `seen`, `watch`: what can be seen of it;
//! - `invariants`: what must hold, a file each;
//! - `lessons.md`: what went wrong in other clients, and what holds it here.
//!
//! [`BrokerCore`]: rewire_broker::core::BrokerCore
//! [`FailoverCore`]: rewire_failover::core::FailoverCore

mod agenda;
mod broker;
mod client;
mod faults;
mod invariants;
mod network;
mod plan;
mod seen;
mod watch;
mod world;

pub use faults::{CLIENT_ID, Fault, SECURITY};
pub use network::Way;
pub use plan::{ClientPlan, NetworkPlan, Plan, Work};
pub use watch::Broken;

/// What was seen of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How many things happened.
    pub happenings: u64,
    /// A line for each, if they were to be kept.
    pub trace: Vec<String>,
    /// The rule that was broken, if one was.
    pub broken: Option<Broken>,
}

/// Runs the world of a seed.
#[must_use]
pub fn run_seed(seed: u64, with_trace: bool) -> Outcome {
    run(Plan::draw(seed), with_trace)
}

/// Runs a world.
#[must_use]
pub fn run(plan: Plan, with_trace: bool) -> Outcome {
    let watch = watch::Watch::new(&plan, with_trace);
    let (happenings, trace, broken) = world::World::new(plan, watch).run().into_parts();
    Outcome { happenings, trace, broken }
}

#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;
