//! The receiving end of a connection: frames to commands.

use bytes::{Bytes, BytesMut};

use crate::command::Command;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::Limits;
use crate::wire::cache::ReadCache;
use crate::wire::format::WireFormat;
use crate::wire::reader::{Fault, Reader};

/// Turns frames into commands.
///
/// Holds the reader's half of the marshalling cache, so all frames of a connection go through one
/// decoder, in order. Message content and other byte fields are slices of the frame, not copies.
///
/// **An error is fatal to the connection**: the cache may be half filled.
#[derive(Debug)]
pub struct Decoder {
    format: WireFormat,
    limits: Limits,
    /// What is let in for now, if that is less.
    for_now: usize,
    cache: Option<ReadCache>,
}

impl Decoder {
    /// A decoder with an empty cache, for a connection that has just agreed on `format`.
    #[must_use]
    pub fn new(format: WireFormat, limits: Limits) -> Self {
        let cache = format.cache_slots.map(ReadCache::new);
        Self { format, limits, for_now: usize::MAX, cache }
    }

    /// The format in force.
    #[must_use]
    pub const fn format(&self) -> &WireFormat {
        &self.format
    }

    /// The largest frame that is let in: the lower of the limit and what was negotiated, and of what is
    /// [allowed for now](Self::allow_frames).
    #[must_use]
    pub fn max_frame_size(&self) -> usize {
        self.limits.max_frame_size.min(self.format.frame_limit()).min(self.for_now)
    }

    /// Lets in frames of no more than so many bytes from here on, until it is said again. `usize::MAX`
    /// leaves it to the limit and to what was negotiated.
    pub const fn allow_frames(&mut self, bytes: usize) {
        self.for_now = bytes;
    }

    /// Reads one frame, given without its size prefix. `None` is Java's null command.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one command of the version in force.
    pub fn decode(&mut self, frame: &Bytes) -> Result<Option<Command>, DecodeError> {
        if let Err(fault) = self.check_size(frame.len()) {
            return Err(*fault);
        }
        let mut reader = self.reader(frame, true);
        match reader.begin() {
            Ok(0) => match reader.end_of_frame("null") {
                Ok(()) => Ok(None),
                Err(fault) => Err(*fault),
            },
            Ok(code) => Command::read_frame(code, &mut reader),
            Err(fault) => Err(*fault),
        }
    }

    /// Takes the next command off a stream whose frames have no size prefix; the outer `None` asks
    /// for more bytes.
    ///
    /// # Errors
    ///
    /// When what is there cannot become a command however much follows, or is too large.
    pub fn decode_unprefixed(
        &mut self,
        buffer: &mut BytesMut,
    ) -> Result<Option<Option<Command>>, DecodeError> {
        if buffer.is_empty() {
            return Ok(None);
        }
        let frame = buffer.split().freeze();
        if let Some(cache) = &mut self.cache {
            cache.begin();
        }
        let mut reader = self.reader(&frame, false);
        let decoded = match reader.begin() {
            Ok(0) => Ok(None),
            Ok(code) => Command::read_frame(code, &mut reader),
            Err(fault) => Err(*fault),
        };
        let len = frame.len() - reader.remaining();
        match decoded {
            Ok(command) => {
                if let Some(cache) = &mut self.cache {
                    cache.commit();
                }
                self.check_size(len).map_err(|fault| *fault)?;
                *buffer = BytesMut::from(frame.slice(len..));
                Ok(Some(command))
            }
            Err(error) if matches!(error.kind, DecodeErrorKind::UnexpectedEnd { .. }) => {
                // The rest may still come, unless it would be too much already.
                if let Some(cache) = &mut self.cache {
                    cache.roll_back();
                }
                self.check_size(frame.len()).map_err(|fault| *fault)?;
                *buffer = BytesMut::from(frame);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A reader at the start of a frame, which must or need not end with the command.
    #[inline]
    fn reader<'f>(&'f mut self, frame: &'f Bytes, whole: bool) -> Reader<'f> {
        let format = (self.format.version, self.format.tight, self.format.stack_trace);
        let limits = (&self.limits, self.max_frame_size(), whole);
        Reader::new(format, frame, self.cache.as_mut(), limits)
    }

    fn check_size(&self, size: usize) -> Result<(), Fault> {
        let limit = self.max_frame_size();
        if size <= limit {
            return Ok(());
        }
        let (size, limit) = (size as u64, limit as u64);
        let kind = DecodeErrorKind::TooLarge { what: "frame", size, limit };
        Err(Box::new(DecodeError::new(kind, 0)))
    }
}
