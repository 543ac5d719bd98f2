//! `Body`: what a message says, and the `content` it travels as.

use bytes::Bytes;

use super::compress;
use super::cursor::Cursor;
use super::decode::{Decoder, Rules, check_size};
use super::encode;
use super::map::PrimitiveMap;
use super::primitive::Primitive;
use crate::error::{DecodeError, EncodeError, EncodeErrorKind};
use crate::limits::Limits;
use crate::string::{self, Str};

/// The body of a message, by the kind of message.
///
/// ```
/// use rewire_protocol::{Body, BodyKind, Limits};
///
/// let body = Body::text("hello");
/// let (content, compressed) = body.encode(false)?;
/// assert_eq!(content.as_deref(), Some(b"\0\0\0\x05hello".as_slice()));
///
/// let read = Body::decode(BodyKind::Text, content.as_ref(), compressed, &Limits::DEFAULT)?;
/// assert_eq!(read, body);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A plain message has no body.
    Message,
    /// Text; none is not the same as empty.
    Text(Option<Str>),
    /// Bytes. [`BytesReader`](super::BytesReader) and [`BytesWriter`](super::BytesWriter) put values
    /// in them.
    Bytes(Bytes),
    /// Named values.
    Map(PrimitiveMap),
    /// Values one after the other, no maps or lists among them.
    /// [`StreamReader`](super::StreamReader) reads them one by one.
    Stream(Vec<Primitive>),
    /// A Java serialization stream, which is passed on and never opened.
    Object(Option<Bytes>),
    /// A blob message has a URL among its fields and no body.
    Blob,
}

/// The kinds of message, by what their body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// `ActiveMQMessage`.
    Message,
    /// `ActiveMQTextMessage`.
    Text,
    /// `ActiveMQBytesMessage`.
    Bytes,
    /// `ActiveMQMapMessage`.
    Map,
    /// `ActiveMQStreamMessage`.
    Stream,
    /// `ActiveMQObjectMessage`.
    Object,
    /// `ActiveMQBlobMessage`.
    Blob,
}

impl Body {
    /// A text body.
    #[must_use]
    pub fn text(text: impl Into<Str>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// The kind of message that has such a body.
    #[must_use]
    pub const fn kind(&self) -> BodyKind {
        match self {
            Self::Message => BodyKind::Message,
            Self::Text(_) => BodyKind::Text,
            Self::Bytes(_) => BodyKind::Bytes,
            Self::Map(_) => BodyKind::Map,
            Self::Stream(_) => BodyKind::Stream,
            Self::Object(_) => BodyKind::Object,
            Self::Blob => BodyKind::Blob,
        }
    }

    /// Reads the content of a message; `compressed` is the flag beside it.
    ///
    /// Content that is not compressed is shared, not copied. Bytes after a text or a map are ignored, as
    /// Java ignores them, and so is the content of a message that has no body.
    ///
    /// # Errors
    ///
    /// The content is not what the kind says, does not inflate, or passes a limit:
    /// [`Limits::max_inflated_size`] for what comes out of a compressed body, [`Limits::max_string`],
    /// [`Limits::max_map_entries`] (for the values of a stream as well) and [`Limits::max_nesting`].
    pub fn decode(
        kind: BodyKind,
        content: Option<&Bytes>,
        compressed: bool,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        Self::read(kind, content, compressed, limits)
            .map_err(|error| error.within(kind.class(), "content"))
    }

    /// The content of a message and the flag that says whether it is compressed.
    ///
    /// Without compression the content is byte for byte what Java writes. There is none, and nothing to
    /// compress, for a null text or object, an empty map or stream, and messages without a body.
    ///
    /// # Errors
    ///
    /// Java could not read the content: a name in a map has more than 65,535 bytes, maps and lists are
    /// nested too deep, a stream has a map or list in it, or something has more than 2 GiB.
    pub fn encode(&self, compress: bool) -> Result<(Option<Bytes>, bool), EncodeError> {
        let content = self
            .plain_content()
            .and_then(|plain| match plain {
                Some(plain) if compress => deflate(self.kind(), &plain).map(Some),
                plain => Ok(plain),
            })
            .map_err(|error| error.within(self.kind().class(), "content"))?;
        let compressed = compress && content.is_some();
        Ok((content, compressed))
    }

    fn read(
        kind: BodyKind,
        content: Option<&Bytes>,
        compressed: bool,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let plain = || match content {
            Some(content) if compressed => inflate(kind, content, limits).map(Some),
            plain => Ok(plain.cloned()),
        };
        Ok(match kind {
            BodyKind::Message => Self::Message,
            BodyKind::Blob => Self::Blob,
            BodyKind::Bytes => Self::Bytes(plain()?.unwrap_or_default()),
            BodyKind::Object => Self::Object(plain()?),
            BodyKind::Text => match plain()? {
                Some(content) => Self::Text(decode_text(&content, limits.max_string)?),
                None => Self::Text(None),
            },
            BodyKind::Map => match plain()? {
                Some(content) => {
                    Self::Map(Decoder::new(&content, 0, Rules::map(limits)).top_map()?)
                }
                None => Self::Map(PrimitiveMap::new()),
            },
            BodyKind::Stream => match plain()? {
                Some(content) => {
                    Self::Stream(Decoder::new(&content, 0, Rules::stream(limits)).values()?)
                }
                None => Self::Stream(Vec::new()),
            },
        })
    }

    fn plain_content(&self) -> Result<Option<Bytes>, EncodeError> {
        Ok(match self {
            Self::Message | Self::Blob => None,
            Self::Text(text) => {
                let text = text.as_ref().map(|text| with_length(text.as_wire()));
                text.transpose()?
            }
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Object(stream) => stream.clone(),
            Self::Map(map) if map.is_empty() => None,
            Self::Map(map) => {
                let mut out = Vec::with_capacity(map.size_hint());
                encode::put_map(&mut out, map, 0)?;
                Some(out.into())
            }
            Self::Stream(values) if values.is_empty() => None,
            Self::Stream(values) => {
                let mut out = Vec::new();
                for value in values {
                    if let Primitive::Map(_) | Primitive::List(_) = value {
                        return Err(EncodeError::new(EncodeErrorKind::Unreadable(
                            "a stream message holds no maps or lists",
                        )));
                    }
                    encode::put_value(&mut out, value, 0)?;
                }
                Some(out.into())
            }
        })
    }
}

impl BodyKind {
    const fn class(self) -> &'static str {
        match self {
            Self::Message => "ActiveMQMessage",
            Self::Text => "ActiveMQTextMessage",
            Self::Bytes => "ActiveMQBytesMessage",
            Self::Map => "ActiveMQMapMessage",
            Self::Stream => "ActiveMQStreamMessage",
            Self::Object => "ActiveMQObjectMessage",
            Self::Blob => "ActiveMQBlobMessage",
        }
    }
}

/// The content of a text message that is not compressed: one look over the text, one allocation, one
/// copy. Equal to [`Body::encode`] of [`Body::text`], which copies twice.
///
/// # Errors
///
/// The text has more than 2 GiB.
pub fn encode_text(text: &str) -> Result<Bytes, EncodeError> {
    if string::is_wire_as_it_stands(text) {
        with_length(text.as_bytes())
    } else {
        with_length(&string::encode(text))
    }
    .map_err(|error| error.within(BodyKind::Text.class(), "content"))
}

fn with_length(wire: &[u8]) -> Result<Bytes, EncodeError> {
    let length = encode::length(wire.len())?;
    let mut out = Vec::with_capacity(length.len() + wire.len());
    out.extend_from_slice(&length);
    out.extend_from_slice(wire);
    Ok(out.into())
}

fn decode_text(content: &Bytes, max_string: usize) -> Result<Option<Str>, DecodeError> {
    let mut cursor = Cursor::new(content, 0);
    let Some(len) = cursor.length_or_null()? else {
        return Ok(None);
    };
    check_size("a text", len, max_string, 0)?;
    cursor.string(len).map(Some)
}

fn inflate(kind: BodyKind, content: &Bytes, limits: &Limits) -> Result<Bytes, DecodeError> {
    // Java: `ActiveMQBytesMessage` takes nothing at all for an empty body, though it is no zlib stream.
    if content.is_empty() {
        return Ok(Bytes::new());
    }
    match kind {
        BodyKind::Bytes => inflate_announced(content, limits.max_inflated_size),
        BodyKind::Message
        | BodyKind::Text
        | BodyKind::Map
        | BodyKind::Stream
        | BodyKind::Object
        | BodyKind::Blob => compress::inflate(content, limits.max_inflated_size),
    }
}

/// A bytes message says its size before the zlib stream.
fn inflate_announced(content: &Bytes, limit: usize) -> Result<Bytes, DecodeError> {
    let mut cursor = Cursor::new(content, 0);
    let len = cursor.length()?;
    check_size("an inflated body", len, limit, 0)?;
    let start = cursor.at();
    let zlib = cursor.take(cursor.remaining())?;
    compress::inflate_exactly(zlib, len)
        .map_err(|error| DecodeError { offset: error.offset + start, ..error })
}

fn deflate(kind: BodyKind, plain: &[u8]) -> Result<Bytes, EncodeError> {
    let mut out = Vec::new();
    if kind == BodyKind::Bytes {
        encode::put_length(&mut out, plain.len())?;
    }
    compress::deflate(plain, &mut out)?;
    Ok(out.into())
}
