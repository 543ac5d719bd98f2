//! A small, real OpenWire broker to develop and test against.
//!
//! - [`core`]: the machine that decides; no socket, no clock, no disk.
//! - [`selector`]: which messages a consumer wants.
//! - [`store`]: what survives a broker, and where it is kept.

pub mod core;
pub mod selector;
pub mod store;
