//! OpenWire, the wire protocol of ActiveMQ: commands, encodings and negotiation, without I/O.
//!
//! Bytes go in and commands come out, or the other way round; sockets, clocks and tasks are the caller's.
//! All versions from 1 to 12, tight and loose encoding, with the marshalling cache or without: byte for byte
//! what the Java implementation writes.
//!
//! # One frame, by hand
//!
//! A session begins. In version 12, tightly encoded and with a cache, the client sends 19 bytes:
//!
//! ```text
//! 0000000f  04  01 5e  00000000  0000  79 0001 63 0001
//! │         │   │  │   │         │     │  │    │  └ the session's number, in two bytes
//! │         │   │  │   │         │     │  │    └ "c", the connection's name
//! │         │   │  │   │         │     │  └ the length of the name
//! │         │   │  │   │         │     └ type 121, SessionId: what the cache has not got yet
//! │         │   │  │   │         └ its number in the cache from now on
//! │         │   │  │   └ command_id
//! │         │   │  └ the booleans, least significant first: response_required 0, new to the cache 1,
//! │         │   │    not null 1, name not null 1, name is ASCII 1, the session's number has two bytes 0 1
//! │         │   └ how many bytes of booleans
//! │         └ type 4, SessionInfo
//! └ the bytes that follow
//! ```
//!
//! Loose encoding is the same without the boolean stream: each boolean is a byte where it is needed, and a
//! long takes eight bytes. The second command with this session says only: known, number 0.
//!
//! ```
//! use rewire_protocol::{
//!     Command, ConnectionId, Decoder, Encoder, FrameReader, Limits, SessionInfo, WireFormat,
//! };
//!
//! let session_id = Some(ConnectionId::new("c").session(1));
//! let command = Command::from(SessionInfo { session_id, ..SessionInfo::default() });
//!
//! let mut bytes = Vec::new();
//! let mut encoder = Encoder::new(WireFormat::DEFAULT);
//! encoder.encode(&command, &mut bytes)?;
//! assert_eq!(bytes[..7], [0, 0, 0, 15, 4, 1, 0x5E]);
//! encoder.encode(&command, &mut bytes)?;
//! assert_eq!(bytes[19..], [0, 0, 0, 9, 4, 1, 0, 0, 0, 0, 0, 0, 0]);
//!
//! let mut frames = FrameReader::new(Limits::DEFAULT.max_frame_size);
//! let mut decoder = Decoder::new(WireFormat::DEFAULT, Limits::DEFAULT);
//! frames.extend(&bytes);
//! while let Some(frame) = frames.next_frame()? {
//!     assert_eq!(decoder.decode(&frame)?, Some(command.clone()));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rooms
//!
//! - `command/`: everything that can stand in a frame, a file a subject. A structure is declared once, in
//!   wire order; `macros.rs` turns a declaration into code and, as `schema.rs`, into data.
//! - `wire/`: how values become bytes, a file an encoding rule. [`Encoder`] and [`Decoder`] are the two ends
//!   of a connection; [`WireFormat`] is what the peers agreed on.
//! - `frame.rs`: [`FrameReader`], from a stream to frames.
//! - `string.rs`: [`Str`], a string as Java has it, which a Rust string cannot always hold.
//! - `value.rs`: any structure as names and [`Value`]s, for tools.
//! - `limits.rs` and `error.rs`: what is refused, and how that is said.
//!
//! # What a peer cannot do
//!
//! Whatever bytes arrive, the answer is a command or a [`DecodeError`] that names the field and the byte.
//! Nothing is allocated for a length before the bytes are there, nesting and arrays have [`Limits`], and a
//! frame takes up no more than a small multiple of the memory the largest frame is long. There is no unsafe
//! code, and no class name is ever looked up.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod command;
mod error;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
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
pub use link::{
    LinkConfig, LinkCore, LinkError, LinkEvent, Peer, QUESTION_ID, SilenceLimit, WireFormatOffer,
};
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
