//! One command on its way out: booleans to one side, everything else into the buffer.
//!
//! A tight command starts with a boolean stream whose length is known only at its end. The writer
//! leaves a gap as long as the stream of the previous command of that type was, which is nearly always
//! right, and moves the little that follows when it was not. Large byte fields are put in last, so
//! they are copied once whatever happens.

use crate::error::{EncodeError, EncodeErrorKind};
use crate::limits::{Limits, MAX_ARRAY, MAX_LOOSE_STRING, MAX_TIGHT_STRING};
use crate::string::Str;
use crate::wire::bits::BitWriter;
use crate::wire::cache::{Cached, WriteCache};
use crate::wire::field::Nested;

/// An encode error on its way up; boxed, so that the results of small writes stay small.
pub(crate) type Refusal = Box<EncodeError>;

/// Whether a value stands in the cache.
pub(crate) enum Found {
    /// It does, and its number is written.
    Written,
    /// It does not; this is its hash.
    New(u64),
}

/// A byte field this long is not worth moving.
const LARGE: usize = 512;

pub(crate) struct Writer<'w, 'c> {
    pub(crate) version: u8,
    pub(crate) tight: bool,
    pub(crate) stack_trace: bool,
    /// The output, held by value so that its length can stay in a register while fields are written.
    out: Vec<u8>,
    bits: BitWriter<'w>,
    cache: Option<&'w mut WriteCache>,
    depth: usize,
    /// Large byte fields, and where in `out` they belong.
    large: [(usize, &'c [u8]); 2],
    large_len: usize,
}

impl<'w, 'c> Writer<'w, 'c> {
    pub(crate) fn new(
        (version, tight, stack_trace): (u8, bool, bool),
        out: Vec<u8>,
        bits: &'w mut Vec<u8>,
        cache: Option<&'w mut WriteCache>,
    ) -> Self {
        let large = [(0, &[] as &[u8]); 2];
        let bits = BitWriter::new(bits);
        Self { version, tight, stack_trace, out, bits, cache, depth: 0, large, large_len: 0 }
    }

    /// A boolean, or the flag that says whether something is there.
    #[inline(always)]
    pub(crate) fn boolean(&mut self, value: bool) {
        if self.tight { self.bits.push(value) } else { self.out.push(u8::from(value)) }
    }

    /// A boolean that loose encoding does not have.
    #[inline(always)]
    pub(crate) fn tight_boolean(&mut self, value: bool) {
        if self.tight {
            self.bits.push(value);
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, value: u8) {
        self.out.push(value);
    }

    #[inline(always)]
    pub(crate) fn short(&mut self, value: i16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline(always)]
    pub(crate) fn int(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline(always)]
    pub(crate) fn long(&mut self, value: i64) {
        let bytes = value.to_be_bytes();
        let [_, _, _, _, low @ ..] = bytes;
        let [_, _, lowest @ ..] = low;
        if !self.tight {
            self.out.extend_from_slice(&bytes);
            return;
        }
        // Java compares unsigned: a negative long takes all eight bytes.
        let (wide, odd) = match value.cast_unsigned() {
            0 => (false, false),
            1..=0xFFFF => (false, true),
            0x1_0000..=0xFFFF_FFFF => (true, false),
            0x1_0000_0000.. => (true, true),
        };
        self.bits.push(wide);
        self.bits.push(odd);
        match (wide, odd) {
            (false, false) => {}
            (false, true) => self.out.extend_from_slice(&lowest),
            (true, false) => self.out.extend_from_slice(&low),
            (true, true) => self.out.extend_from_slice(&bytes),
        }
    }

    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline(always)]
    pub(crate) fn string(&mut self, value: Option<&Str>) -> Result<(), Refusal> {
        self.boolean(value.is_some());
        match value {
            Some(value) => self.present_string(value),
            None => Ok(()),
        }
    }

    fn present_string(&mut self, value: &Str) -> Result<(), Refusal> {
        let bytes = value.as_wire();
        let limit = if self.tight { MAX_TIGHT_STRING } else { MAX_LOOSE_STRING };
        let len = match u16::try_from(bytes.len()) {
            Ok(len) if usize::from(len) <= limit => len,
            _ => return Err(refusal(EncodeErrorKind::StringTooLong { len: bytes.len(), limit })),
        };
        if self.tight {
            self.bits.push(value.is_plain_ascii());
        }
        self.out.reserve(2 + bytes.len());
        self.out.extend_from_slice(&len.to_be_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn bytes(&mut self, value: Option<&'c [u8]>) -> Result<(), Refusal> {
        self.boolean(value.is_some());
        match value {
            Some(value) => self.present_bytes(value),
            None => Ok(()),
        }
    }

    fn present_bytes(&mut self, bytes: &'c [u8]) -> Result<(), Refusal> {
        let Ok(len) = i32::try_from(bytes.len()) else {
            let limit = i32::MAX.unsigned_abs() as usize;
            return Err(refusal(EncodeErrorKind::FrameTooLarge { len: bytes.len(), limit }));
        };
        self.int(len);
        match self.large.get_mut(self.large_len) {
            Some(entry) if self.tight && bytes.len() >= LARGE => {
                *entry = (self.out.len(), bytes);
                self.large_len += 1;
            }
            _ => self.out.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// The length of an array or a stack trace.
    pub(crate) fn count(&mut self, len: usize) -> Result<(), Refusal> {
        match i16::try_from(len) {
            Ok(count) => {
                self.short(count);
                Ok(())
            }
            Err(_) => Err(refusal(EncodeErrorKind::TooManyElements { len, limit: MAX_ARRAY })),
        }
    }

    /// Into an object inside the one being written.
    #[inline(always)]
    pub(crate) fn descend(&mut self) -> Result<(), Refusal> {
        let limit = Limits::DEFAULT.max_nesting;
        self.depth += 1;
        if self.depth > limit {
            return Err(refusal(EncodeErrorKind::TooDeep { limit }));
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) const fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Whether cached fields go through a cache on this connection.
    #[inline(always)]
    pub(crate) const fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    /// Writes the number of a value that the peer has.
    #[inline]
    pub(crate) fn reference_to<T: Nested>(&mut self, object: &T) -> Found {
        let slot = match &mut self.cache {
            Some(cache) => cache.find(object),
            None => Err(0),
        };
        self.reference(slot)
    }

    /// Writes the number of null, when the peer has it.
    #[inline]
    pub(crate) fn reference_to_null(&mut self) -> Found {
        let slot = self.cache.as_ref().and_then(|cache| cache.find_null());
        self.reference(slot.ok_or(0))
    }

    #[inline]
    fn reference(&mut self, slot: Result<u16, u64>) -> Found {
        self.boolean(slot.is_err());
        match slot {
            Ok(slot) => {
                self.out.extend_from_slice(&slot.to_be_bytes());
                Found::Written
            }
            Err(hash) => Found::New(hash),
        }
    }

    /// Writes a value the peer has not got, with the number it is to have.
    ///
    /// Loose encoding gives out the number first, tight encoding after what is inside has got its own.
    #[cold]
    pub(crate) fn introduce(
        &mut self,
        hash: u64,
        cached: Cached,
        write: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Some(cache) = &mut self.cache else { return write(self) };
        if !self.tight {
            let index = cache.insert(hash, cached);
            self.short(index);
            return write(self);
        }
        let place = self.out.len();
        self.short(0);
        write(self)?;
        if let Some(cache) = &mut self.cache {
            let index = cache.insert(hash, cached).to_be_bytes();
            if let Some(gap) = self.out.get_mut(place..place + index.len()) {
                gap.copy_from_slice(&index);
            }
        }
        Ok(())
    }

    /// Puts the boolean stream where it belongs, `gap` bytes having been left for it at `start`, and
    /// the large fields after it. Returns the length of the stream.
    pub(crate) fn finish(&mut self, start: usize, gap: usize) -> Result<usize, Refusal> {
        let Self { out, bits, large, large_len, .. } = self;
        let stream = bits.encoded_len();
        if stream > MAX_STREAM {
            return Err(refusal(EncodeErrorKind::Unreadable("too many booleans for one command")));
        }
        if stream != gap {
            let end = out.len();
            out.resize(end.max(end + stream - gap), 0);
            out.copy_within(start + gap..end, start + stream);
            out.truncate(end + stream - gap);
        }
        if let Some(head) = out.get_mut(start..start + stream) {
            bits.write_to(head);
        }
        let mut added = 0;
        for (place, bytes) in large.iter().take(*large_len) {
            let at = place + stream - gap + added;
            insert(out, at, bytes);
            added += bytes.len();
        }
        Ok(stream)
    }

    /// Gives the output back.
    pub(crate) fn into_out(self) -> Vec<u8> {
        self.out
    }
}

/// The longest boolean stream with its header: Java reads its length as a signed short.
const MAX_STREAM: usize = 3 + MAX_ARRAY;

#[cold]
fn refusal(kind: EncodeErrorKind) -> Refusal {
    Box::new(EncodeError::new(kind))
}

/// Inserts bytes with one copy of them; only what comes after is moved.
fn insert(out: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let mut tail = [0; 256];
    let after = out.len().saturating_sub(at);
    match (tail.get_mut(..after), out.get(at..)) {
        (Some(tail), Some(rest)) => {
            tail.copy_from_slice(rest);
            out.truncate(at);
            out.reserve(bytes.len() + after);
            out.extend_from_slice(bytes);
            out.extend_from_slice(tail);
        }
        _ => {
            let tail = out.split_off(at.min(out.len()));
            out.extend_from_slice(bytes);
            out.extend_from_slice(&tail);
        }
    }
}
