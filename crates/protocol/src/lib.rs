//! OpenWire, the wire protocol of ActiveMQ: commands, encodings and negotiation, without I/O.

mod error;
mod limits;
mod string;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use limits::{
    Limits, MAX_ARRAY, MAX_LOOSE_STRING, MAX_TIGHT_STRING, MAX_WIRE_FORMAT_ENTRIES,
    MAX_WIRE_FORMAT_VALUE,
};
pub use string::Str;
