//! `Cursor`: reads forward through shared bytes and never past their end.

use bytes::Bytes;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::string::Str;

/// A place in shared bytes; what it reads out of them is sliced, not copied.
pub(super) struct Cursor<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a Bytes, at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place it has been at.
    pub(super) const fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.remaining() == 0
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.rest().get(..len).ok_or_else(|| self.too_short(len))?;
        self.at += len;
        Ok(taken)
    }

    pub(super) fn shared(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        let start = self.at;
        self.take(len)?;
        Ok(self.bytes.slice(start..self.at))
    }

    pub(super) fn string(&mut self, len: usize) -> Result<Str, DecodeError> {
        let start = self.at;
        let wire = self.shared(len)?;
        Str::from_wire_or_utf8(wire).map_err(|error| DecodeError::new(error.kind, start))
    }

    pub(super) fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.u8()? != 0)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    pub(super) fn f32(&mut self) -> Result<f32, DecodeError> {
        self.array().map(f32::from_be_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, DecodeError> {
        self.array().map(f64::from_be_bytes)
    }

    /// A length or count of four bytes.
    pub(super) fn length(&mut self) -> Result<usize, DecodeError> {
        let at = self.at;
        let length = self.i32()?;
        usize::try_from(length)
            .map_err(|_| DecodeError::new(DecodeErrorKind::NegativeLength(length.into()), at))
    }

    /// A length or count of four bytes, where -1 stands for null.
    pub(super) fn length_or_null(&mut self) -> Result<Option<usize>, DecodeError> {
        let mut ahead = Cursor::new(self.bytes, self.at);
        if ahead.i32()? == -1 {
            self.at = ahead.at;
            return Ok(None);
        }
        self.length().map(Some)
    }

    /// The error of having fewer bytes left than something needs.
    #[cold]
    pub(super) fn too_short(&self, needed: usize) -> DecodeError {
        let remaining = self.remaining();
        DecodeError::new(DecodeErrorKind::UnexpectedEnd { needed, remaining }, self.at)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let taken = *self.rest().first_chunk().ok_or_else(|| self.too_short(N))?;
        self.at += N;
        Ok(taken)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}
