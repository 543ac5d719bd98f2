//! OpenWire, the wire protocol of ActiveMQ: commands, encodings and negotiation, without I/O.

mod command;
mod error;
mod frame;
mod limits;
mod link;
mod macros;
mod message;
mod schema;
mod string;
mod value;
mod wire;

pub use command::*;
pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use frame::FrameReader;
pub use limits::{
    Limits, MAX_ARRAY, MAX_LOOSE_STRING, MAX_TIGHT_STRING, MAX_WIRE_FORMAT_ENTRIES,
    MAX_WIRE_FORMAT_VALUE,
};
pub use link::{LinkConfig, LinkCore, LinkError, LinkEvent, WireFormatOffer};
pub use message::{
    Body, BodyKind, BytesReader, BytesWriter, ConversionError, Primitive, PrimitiveMap,
    StreamError, StreamReader, encode_text, validate_property,
};
pub use schema::{FieldRow, Kind, StructureRow};
pub use string::Str;
pub use value::{Value, ValueError};
pub use wire::decoder::Decoder;
pub use wire::encoder::Encoder;
pub use wire::format::{DEFAULT_CACHE_SLOTS, MAX_VERSION, WireFormat, cache_slots};
pub use wire::throwable::{StackElement, Throwable};
