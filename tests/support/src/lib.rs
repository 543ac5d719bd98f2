//! What tests share: real brokers, Java programs, the program `rewire`, a network that fails, conditions with
//! deadlines.

mod activemq;
mod java;
mod message;
mod process;
mod program;
mod wait;

pub use activemq::{ActiveMq, ActiveMqOptions, DestinationStats, Slave};
pub use java::{Java, java_requirements};
pub use message::{Body, JmsMessage, Received, Typed};
pub use process::{Finished, Running};
pub use program::Program;
pub use rewire_broker::testkit::{Direction, FaultProxy};
pub use wait::{eventually, eventually_some, monotonic_ns};
