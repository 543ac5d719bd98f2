//! A small, real OpenWire broker to develop and test against.
//!
//! - [`selector`]: which messages a consumer wants.

pub mod selector;
