//! Any structure as names and values: for tools that show, compare or build commands by their fields.

use bytes::Bytes;

use crate::command::Command;
use crate::string::Str;
use crate::wire::throwable::Throwable;

/// The value of a field, whatever its type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing there.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A byte, an int or a long.
    Integer(i64),
    /// A string.
    String(Str),
    /// Bytes.
    Bytes(Bytes),
    /// An object.
    Object(Box<Command>),
    /// An array of objects and nulls.
    Array(Vec<Self>),
    /// An exception.
    Throwable(Box<Throwable>),
}

/// A value that a field cannot hold, or a field that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct ValueError {
    problem: &'static str,
}

impl ValueError {
    pub(crate) const fn new(problem: &'static str) -> Self {
        Self { problem }
    }
}
