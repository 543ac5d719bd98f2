//! What a message carries: its body, its properties and the primitive values both are made of.
//!
//! A message travels with its body (`content`) and its properties (`marshalledProperties`) as opaque
//! bytes. Here they become values, and values become those bytes, on demand: a broker that only
//! forwards never opens them, and [`PrimitiveMap::find`] reads one property without building the map.

mod access;
mod body;
mod compress;
mod convert;
mod cursor;
mod data;
mod decode;
mod encode;
mod map;
mod primitive;
mod stream;

pub use body::{Body, BodyKind, encode_text};
pub use convert::ConversionError;
pub use data::{BytesReader, BytesWriter};
pub use map::{PrimitiveMap, validate_property};
pub use primitive::Primitive;
pub use stream::{StreamError, StreamReader};
