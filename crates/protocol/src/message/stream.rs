//! `StreamReader`: the typed reads of a stream message.

use bytes::Bytes;

use super::convert::ConversionError;
use super::decode::{Decoder, Rules};
use super::primitive::Primitive;
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::string::Str;

/// Reads the body of a stream message value by value, as JMS `StreamMessage` does.
///
/// A value reads as every type JMS converts it to, see [`ConversionError`]. A read that fails leaves the
/// place where it was, so that the value can be read as another type. Nothing is read ahead: a body of
/// many values costs no more than one of few.
///
/// ```
/// use rewire_protocol::{Body, Limits, Primitive, StreamReader};
///
/// let body = Body::Stream(vec![Primitive::Short(7), Primitive::from("seven")]);
/// let (content, _) = body.encode(false)?;
///
/// let mut reader = StreamReader::new(content.unwrap_or_default(), Limits::DEFAULT);
/// assert!(reader.read_byte().is_err());
/// assert_eq!(reader.read_long()?, 7);
/// assert_eq!(reader.read_string()?.unwrap(), "seven");
/// assert!(reader.is_at_end());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StreamReader {
    bytes: Bytes,
    at: usize,
    limits: Limits,
}

/// A value that cannot be read from a stream message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The body is at its end, or is no stream of values.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The value is of another type.
    #[error(transparent)]
    Conversion(#[from] ConversionError),
}

impl StreamReader {
    /// Reads from the start of a body that is not compressed.
    #[must_use]
    pub const fn new(body: Bytes, limits: Limits) -> Self {
        Self { bytes: body, at: 0, limits }
    }

    /// Whether every value was read.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Starts again from the beginning.
    pub const fn reset(&mut self) {
        self.at = 0;
    }

    /// Reads a value as it is.
    ///
    /// # Errors
    ///
    /// The body is at its end ([`UnexpectedEnd`](crate::DecodeErrorKind::UnexpectedEnd)) or no stream
    /// of values.
    pub fn read(&mut self) -> Result<Primitive, DecodeError> {
        let (value, at) = self.peek()?;
        self.at = at;
        Ok(value)
    }

    /// Reads a boolean.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_boolean(&mut self) -> Result<bool, StreamError> {
        self.read_as(Primitive::as_boolean)
    }

    /// Reads a byte.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_byte(&mut self) -> Result<i8, StreamError> {
        self.read_as(Primitive::as_byte)
    }

    /// Reads a short.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_short(&mut self) -> Result<i16, StreamError> {
        self.read_as(Primitive::as_short)
    }

    /// Reads a char, a UTF-16 unit.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_char(&mut self) -> Result<u16, StreamError> {
        self.read_as(Primitive::as_char)
    }

    /// Reads an int.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_int(&mut self) -> Result<i32, StreamError> {
        self.read_as(Primitive::as_int)
    }

    /// Reads a long.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_long(&mut self) -> Result<i64, StreamError> {
        self.read_as(Primitive::as_long)
    }

    /// Reads a float.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_float(&mut self) -> Result<f32, StreamError> {
        self.read_as(Primitive::as_float)
    }

    /// Reads a double.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_double(&mut self) -> Result<f64, StreamError> {
        self.read_as(Primitive::as_double)
    }

    /// Reads a string, none for null.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_string(&mut self) -> Result<Option<Str>, StreamError> {
        self.read_as(Primitive::as_string)
    }

    /// Reads a byte array, whole; none for null.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), or the value does not convert.
    pub fn read_bytes(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.read_as(Primitive::as_bytes)
    }

    fn read_as<T>(
        &mut self,
        convert: impl FnOnce(&Primitive) -> Result<T, ConversionError>,
    ) -> Result<T, StreamError> {
        let (value, at) = self.peek()?;
        let converted = convert(&value)?;
        self.at = at;
        Ok(converted)
    }

    fn peek(&self) -> Result<(Primitive, usize), DecodeError> {
        let mut decoder = Decoder::new(&self.bytes, self.at, Rules::stream(&self.limits));
        let value =
            decoder.value(0).map_err(|error| error.within("ActiveMQStreamMessage", "content"))?;
        Ok((value, decoder.at()))
    }
}
