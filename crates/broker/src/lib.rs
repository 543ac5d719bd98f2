//! A small, real OpenWire broker to develop and test against.
//!
//! It behaves on the wire as ActiveMQ does, starts in milliseconds, and several run in one process.
//!
//! - [`core`]: the machine that decides; no socket, no clock, no disk.
//! - [`cluster`]: other brokers, and what clients are told of them; the same.
//! - [`selector`]: which messages a consumer wants.
//! - [`store`]: what survives a broker, and where it is kept.
//! - `settings`: the broker as a TOML file describes it, behind the feature of that name.
//! - `server`: the shell with the sockets, behind the default feature `tokio`: [`Broker`].
//! - `testkit`: what tests of applications need, behind the feature `testkit`.

pub mod cluster;
pub mod core;
#[doc(hidden)]
pub mod fuzzing;
pub mod selector;
#[cfg(feature = "tokio")]
mod server;
#[cfg(feature = "settings")]
pub mod settings;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use crate::core::PasswordHash;
#[cfg(feature = "tokio")]
pub use server::{Broker, BrokerBuilder, ClientAuth, ListenerConfig, ListenerTls, StartError};
#[cfg(feature = "redb")]
pub use store::DiskStore;
pub use store::MemoryStore;
