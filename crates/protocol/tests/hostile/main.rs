//! Bytes from a peer that is broken or means harm, and values that must not be sent: every limit at the
//! limit and one past it.
//!
//! | the checklist's point | here |
//! |---|---|
//! | 1. before negotiation | `before_negotiation` |
//! | 2. lengths and counts against what remains, full consumption | `lengths` |
//! | 3. arrays of nulls, one bit each | `arrays` |
//! | 4. nesting | `nesting` |
//! | 5. classes and versions | `types` |
//! | 6. the boolean stream and the cache | `booleans_and_cache` |
//! | 7. inflating | with the message bodies, not in the codec |
//! | 8. strings and secrets | `strings` |
//! | 9. what an error leaves behind | `errors` |
//!
//! `encoder` is the other direction, `memory` counts what decoding allocates.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../examples/vectors/bodies.rs"]
mod bodies;
#[path = "../../examples/vectors/check.rs"]
#[allow(dead_code, reason = "only its way of reading records is used")]
mod check;
#[path = "../../examples/vectors/fields.rs"]
#[allow(dead_code, reason = "a part of `check`")]
mod fields;

mod arrays;
mod before_negotiation;
mod booleans_and_cache;
mod encoder;
mod errors;
mod frame;
mod lengths;
mod memory;
mod nesting;
mod strings;
mod types;
