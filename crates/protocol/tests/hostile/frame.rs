//! Frames put together by hand, and the settings to decode them with.

use bytes::Bytes;
use rewire_protocol::{Command, DecodeError, DecodeErrorKind, Decoder, Limits, WireFormat};

/// Version 12, loose, no cache.
pub(crate) const LOOSE: WireFormat =
    WireFormat { tight: false, cache_slots: None, ..WireFormat::DEFAULT };
/// Version 12, tight, no cache.
pub(crate) const TIGHT: WireFormat = WireFormat { cache_slots: None, ..WireFormat::DEFAULT };

/// A frame without its size prefix.
#[derive(Clone)]
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    /// A frame of this type, nothing else in it yet.
    pub(crate) fn of(code: u8) -> Self {
        Self(vec![code])
    }

    /// What every command starts with in loose encoding: its number, and no response required.
    pub(crate) fn command(code: u8) -> Self {
        Self::of(code).int(7).byte(0)
    }

    /// What every response starts with in loose encoding.
    pub(crate) fn response(code: u8) -> Self {
        Self::command(code).int(6)
    }

    pub(crate) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(crate) fn short(mut self, short: i16) -> Self {
        self.0.extend(short.to_be_bytes());
        self
    }

    pub(crate) fn int(mut self, int: i32) -> Self {
        self.0.extend(int.to_be_bytes());
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A string that is there, in loose encoding.
    pub(crate) fn string(self, bytes: &[u8]) -> Self {
        let len = i16::try_from(bytes.len()).unwrap();
        self.byte(1).short(len).raw(bytes)
    }

    pub(crate) fn decode(&self, format: WireFormat) -> Result<Option<Command>, DecodeError> {
        self.decode_within(format, Limits::DEFAULT)
    }

    pub(crate) fn decode_within(
        &self,
        format: WireFormat,
        limits: Limits,
    ) -> Result<Option<Command>, DecodeError> {
        Decoder::new(format, limits).decode(&self.bytes())
    }

    /// The command in it.
    pub(crate) fn accepted(&self, format: WireFormat) -> Command {
        self.decode(format).unwrap().unwrap()
    }

    /// Why it is refused.
    pub(crate) fn refused(&self, format: WireFormat) -> DecodeErrorKind {
        self.decode(format).unwrap_err().kind
    }

    pub(crate) fn refused_within(&self, format: WireFormat, limits: Limits) -> DecodeErrorKind {
        self.decode_within(format, limits).unwrap_err().kind
    }

    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }
}

/// Type codes used by hand.
pub(crate) mod code {
    pub(crate) const CONSUMER_INFO: u8 = 5;
    pub(crate) const KEEP_ALIVE_INFO: u8 = 10;
    pub(crate) const REMOVE_INFO: u8 = 12;
    pub(crate) const CONTROL_COMMAND: u8 = 14;
    pub(crate) const PRODUCER_ACK: u8 = 19;
    pub(crate) const EXCEPTION_RESPONSE: u8 = 31;
    pub(crate) const DATA_RESPONSE: u8 = 32;
    pub(crate) const DATA_ARRAY_RESPONSE: u8 = 33;
    pub(crate) const PARTIAL_COMMAND: u8 = 60;
    pub(crate) const CONNECTION_ID: u8 = 120;
}
