//! OpenWire, the wire protocol of ActiveMQ: commands, encodings and negotiation, without I/O.

mod error;
mod limits;
mod message;
mod string;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use limits::{
    Limits, MAX_ARRAY, MAX_LOOSE_STRING, MAX_TIGHT_STRING, MAX_WIRE_FORMAT_ENTRIES,
    MAX_WIRE_FORMAT_VALUE,
};
pub use message::{
    Body, BodyKind, BytesReader, BytesWriter, ConversionError, Primitive, PrimitiveMap,
    StreamError, StreamReader, encode_text, validate_property,
};
pub use string::Str;
