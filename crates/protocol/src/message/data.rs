//! `BytesReader` and `BytesWriter`: the typed reads and writes of a bytes message.

use bytes::Bytes;

use super::cursor::Cursor;
use super::encode::put_short_string;
use crate::error::{DecodeError, EncodeError};
use crate::string::{self, Str};

/// Reads the body of a bytes message value by value, as JMS `BytesMessage` and Java's `DataInput` do.
///
/// The reader must know what the writer wrote: there are no types on the wire. A read past the end
/// fails with [`UnexpectedEnd`](crate::DecodeErrorKind::UnexpectedEnd); a read that fails leaves the
/// place where it was.
///
/// ```
/// use rewire_protocol::{BytesReader, BytesWriter};
///
/// let mut writer = BytesWriter::new();
/// writer.write_int(7);
/// writer.write_utf("seven")?;
///
/// let mut reader = BytesReader::new(writer.finish());
/// assert_eq!(reader.read_int()?, 7);
/// assert_eq!(reader.read_utf()?, "seven");
/// assert!(reader.read_byte().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BytesReader {
    bytes: Bytes,
    at: usize,
}

impl BytesReader {
    /// Reads from the start of a body that is not compressed.
    #[must_use]
    pub const fn new(body: Bytes) -> Self {
        Self { bytes: body, at: 0 }
    }

    /// Bytes that were not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Starts again from the beginning.
    pub const fn reset(&mut self) {
        self.at = 0;
    }

    /// Reads a boolean: any byte but zero is true.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_boolean(&mut self) -> Result<bool, DecodeError> {
        self.read(Cursor::bool)
    }

    /// Reads a signed byte.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_byte(&mut self) -> Result<i8, DecodeError> {
        self.read(Cursor::i8)
    }

    /// Reads an unsigned byte.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_unsigned_byte(&mut self) -> Result<u8, DecodeError> {
        self.read(Cursor::u8)
    }

    /// Reads a signed 16-bit integer.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_short(&mut self) -> Result<i16, DecodeError> {
        self.read(Cursor::i16)
    }

    /// Reads an unsigned 16-bit integer.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_unsigned_short(&mut self) -> Result<u16, DecodeError> {
        self.read(Cursor::u16)
    }

    /// Reads a char, a UTF-16 unit.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_char(&mut self) -> Result<u16, DecodeError> {
        self.read(Cursor::u16)
    }

    /// Reads a 32-bit integer.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_int(&mut self) -> Result<i32, DecodeError> {
        self.read(Cursor::i32)
    }

    /// Reads a 64-bit integer.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_long(&mut self) -> Result<i64, DecodeError> {
        self.read(Cursor::i64)
    }

    /// Reads a 32-bit floating point number.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_float(&mut self) -> Result<f32, DecodeError> {
        self.read(Cursor::f32)
    }

    /// Reads a 64-bit floating point number.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_double(&mut self) -> Result<f64, DecodeError> {
        self.read(Cursor::f64)
    }

    /// Reads a string: a length of two bytes, then modified UTF-8.
    ///
    /// # Errors
    ///
    /// The body ends early, or the bytes are not modified UTF-8.
    pub fn read_utf(&mut self) -> Result<Str, DecodeError> {
        self.read(|cursor| {
            let len = cursor.u16()?;
            cursor.string(len.into())
        })
    }

    /// Reads exactly `len` bytes, which share the body.
    ///
    /// # Errors
    ///
    /// The body ends early.
    pub fn read_bytes(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        self.read(|cursor| cursor.shared(len))
    }

    fn read<'a, T>(
        &'a mut self,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let mut cursor = Cursor::new(&self.bytes, self.at);
        let value =
            read(&mut cursor).map_err(|error| error.within("ActiveMQBytesMessage", "content"))?;
        self.at = cursor.at();
        Ok(value)
    }
}

/// Writes the body of a bytes message value by value, as JMS `BytesMessage` and Java's `DataOutput` do.
///
/// See [`BytesReader`] for an example.
#[derive(Clone, Debug, Default)]
pub struct BytesWriter {
    out: Vec<u8>,
}

impl BytesWriter {
    /// An empty body.
    #[must_use]
    pub const fn new() -> Self {
        Self { out: Vec::new() }
    }

    /// The body.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.out.into()
    }

    /// Writes a boolean, one byte.
    pub fn write_boolean(&mut self, value: bool) {
        self.out.push(value.into());
    }

    /// Writes a byte.
    pub fn write_byte(&mut self, value: i8) {
        self.write_bytes(&value.to_be_bytes());
    }

    /// Writes a 16-bit integer.
    pub fn write_short(&mut self, value: i16) {
        self.write_bytes(&value.to_be_bytes());
    }

    /// Writes a char, a UTF-16 unit.
    pub fn write_char(&mut self, unit: u16) {
        self.write_bytes(&unit.to_be_bytes());
    }

    /// Writes a 32-bit integer.
    pub fn write_int(&mut self, value: i32) {
        self.write_bytes(&value.to_be_bytes());
    }

    /// Writes a 64-bit integer.
    pub fn write_long(&mut self, value: i64) {
        self.write_bytes(&value.to_be_bytes());
    }

    /// Writes a 32-bit floating point number.
    pub fn write_float(&mut self, value: f32) {
        self.write_bytes(&value.to_be_bytes());
    }

    /// Writes a 64-bit floating point number.
    pub fn write_double(&mut self, value: f64) {
        self.write_bytes(&value.to_be_bytes());
    }

    /// Writes a string: a length of two bytes, then modified UTF-8.
    ///
    /// # Errors
    ///
    /// The string has more than 65,535 bytes. Nothing is written then.
    pub fn write_utf(&mut self, text: &str) -> Result<(), EncodeError> {
        let written = if string::is_wire_as_it_stands(text) {
            put_short_string(&mut self.out, text.as_bytes())
        } else {
            put_short_string(&mut self.out, &string::encode(text))
        };
        written.map_err(|error| error.within("ActiveMQBytesMessage", "content"))
    }

    /// Writes bytes as they are, without their length.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}
