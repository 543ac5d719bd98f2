//! What the side-by-side measurements are made of: one room a measurement.

pub mod codec;
pub mod recovery;
