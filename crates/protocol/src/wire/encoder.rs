//! The sending end of a connection: commands to frames, one pass into one buffer.

use crate::command::Command;
use crate::error::{EncodeError, EncodeErrorKind};
use crate::wire::cache::WriteCache;
use crate::wire::field::not_in_version;
use crate::wire::format::WireFormat;
use crate::wire::writer::{Refusal, Writer};

/// Turns commands into frames, byte for byte as Java would.
///
/// Holds the writer's half of the marshalling cache, so all commands of a connection go through one
/// encoder, in the order in which they are sent.
///
/// ```
/// use rewire_protocol::{Command, Encoder, KeepAliveInfo, WireFormat};
///
/// let mut encoder = Encoder::new(WireFormat::DEFAULT);
/// let mut out = Vec::new();
/// encoder.encode(&Command::from(KeepAliveInfo::default()), &mut out)?;
/// assert_eq!(out, [0, 0, 0, 7, 10, 1, 0, 0, 0, 0, 0]);
/// # Ok::<(), rewire_protocol::EncodeError>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    format: WireFormat,
    cache: Option<WriteCache>,
    /// Room for long boolean streams, kept from one command to the next.
    bits: Vec<u8>,
    /// How long the boolean stream of the last command of each type was: a guess at the next.
    streams: Box<[u8; 256]>,
}

impl Encoder {
    /// An encoder with an empty cache, for a connection that has just agreed on `format`.
    #[must_use]
    pub fn new(format: WireFormat) -> Self {
        let cache = format.cache_slots.map(WriteCache::new);
        Self { format, cache, bits: Vec::new(), streams: Box::new([1; 256]) }
    }

    /// The format in force.
    #[must_use]
    pub const fn format(&self) -> &WireFormat {
        &self.format
    }

    /// Appends the frame of a command to `out`.
    ///
    /// # Errors
    ///
    /// When the command cannot be written so that Java could read it: `out` and the cache are as they
    /// were, and the connection can go on.
    pub fn encode(&mut self, command: &Command, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        if let Some(cache) = &mut self.cache {
            cache.begin();
        }
        self.write(command, out).map_err(|refusal| {
            out.truncate(start);
            if let Some(cache) = &mut self.cache {
                cache.roll_back();
            }
            *refusal
        })
    }

    /// Appends the frame of Java's null command, type 0.
    pub fn encode_null(&mut self, out: &mut Vec<u8>) {
        if self.format.size_prefix {
            out.extend_from_slice(&1_u32.to_be_bytes());
        }
        out.push(0);
    }

    fn write(&mut self, command: &Command, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let code = command.code();
        if command.since() > self.format.version {
            return Err(not_in_version(code, command.since(), self.format.version));
        }
        let start = out.len();
        let body = start + if self.format.size_prefix { 4 } else { 0 };
        // The boolean stream is as long as that of the last such command, as a guess.
        let gap = match self.streams.get(usize::from(code)) {
            Some(guess) if self.format.tight => usize::from(*guess),
            _ => 0,
        };
        out.resize(body + 1 + gap, 0);
        if let Some(place) = out.get_mut(body) {
            *place = code;
        }
        let format = (self.format.version, self.format.tight, self.format.stack_trace);
        let cache = self.cache.as_mut();
        let mut writer = Writer::new(format, std::mem::take(out), &mut self.bits, cache);
        let written = match command.write(&mut writer) {
            Ok(()) if self.format.tight => writer.finish(body + 1, gap),
            Ok(()) => Ok(gap),
            Err(refusal) => Err(refusal),
        };
        *out = writer.into_out();
        let stream = written?;
        if let Some(guess) = self.streams.get_mut(usize::from(code)) {
            *guess = u8::try_from(stream).unwrap_or(1);
        }
        self.seal(start, body, out).map_err(|error| Box::new(error.within(command.name(), "")))
    }

    /// Checks the size of the frame and writes it in front.
    fn seal(&self, start: usize, body: usize, out: &mut [u8]) -> Result<(), EncodeError> {
        let len = out.len() - body;
        let limit = self.format.frame_limit();
        // Java compares with the limit in tight encoding only; its reader does so in both.
        let size = match i32::try_from(len) {
            Ok(size) if len <= limit => size,
            _ => return Err(EncodeError::new(EncodeErrorKind::FrameTooLarge { len, limit })),
        };
        if let Some(prefix) = out.get_mut(start..body).filter(|prefix| !prefix.is_empty()) {
            prefix.copy_from_slice(&size.to_be_bytes());
        }
        Ok(())
    }
}
