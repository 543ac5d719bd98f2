//! Rewire against a real ActiveMQ: one module a scenario.

#![allow(clippy::unwrap_used, reason = "a scenario that cannot go on fails")]

mod broker;
mod cli;
mod client;
mod cluster;
mod deadlines;
mod farewells;
mod jms;
mod messages;
mod outcomes;
mod partner;
mod reference;
mod secure;
mod silence;
mod topology;
mod transactions;

use std::time::Duration;

use rewire_test_support::Java;

/// Long enough for a JVM to start and finish small work on a busy machine.
const JAVA: Duration = Duration::from_secs(60);

/// One of our Java programs, pointed at a broker.
fn java(program: &str, uri: &str) -> Java {
    Java::program(program).arg("--uri").arg(uri)
}
