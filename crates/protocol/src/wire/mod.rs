//! How values become bytes and bytes become values: one room an encoding rule.
//!
//! - [`format`]: what two peers agreed on.
//! - `writer` and `reader`: one command on its way; tight and loose side by side.
//! - `bits`: the boolean stream that leads a tightly encoded command.
//! - `cache`: the marshalling cache, both directions.
//! - `field`: the kinds of fields the wire language has, one `impl` each.
//! - `throwable`: exceptions, as data.
//! - [`encoder`] and [`decoder`]: the two ends of a connection, which keep the caches.

pub(crate) mod bits;
pub(crate) mod cache;
pub(crate) mod decoder;
pub(crate) mod encoder;
pub(crate) mod field;
pub(crate) mod format;
pub(crate) mod reader;
pub(crate) mod throwable;
pub(crate) mod writer;
