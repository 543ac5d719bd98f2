//! The codec beside Java's: the Java half, the slices of both, and their table.

mod compare;
mod java;
mod rewire;
mod table;

pub use self::compare::{Codec, Operation, Plan, Row, compare, repeat};
pub use self::java::{Case, Frames, JavaCodec, JavaSlice};
pub use self::rewire::Rewire;
pub use self::table::table;
