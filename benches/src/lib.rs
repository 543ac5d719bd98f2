//! What the side-by-side measurements share: the Java half, the slices of both, and their table.

mod compare;
mod java;
mod table;

pub use compare::{Codec, Operation, Plan, Row, compare, repeat};
pub use java::{Case, Frames, JavaCodec, JavaSlice};
pub use table::table;
