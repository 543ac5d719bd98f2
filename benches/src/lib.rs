//! What the side-by-side measurements are made of: one room a measurement.

mod begin;
pub use self::begin::{Arguments, begin};
pub mod broker;
pub mod client;
pub mod codec;
mod probe;
mod proc;
pub use self::proc::load;
pub mod recovery;
mod spread;
pub mod storm;
