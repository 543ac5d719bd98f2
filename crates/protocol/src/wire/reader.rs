//! One frame on its way in. Every read is checked; nothing is allocated for a length that the frame
//! cannot hold.

use bytes::Bytes;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::{LEAST_FRAME_MEMORY, Limits, MAX_AMPLIFICATION, MAX_ARRAY};
use crate::string::{Str, is_plain_ascii};
use crate::wire::bits::BitReader;
use crate::wire::cache::{Cached, ReadCache};

/// A decode error on its way up; boxed, so that the results of small reads stay small.
pub(crate) type Fault = Box<DecodeError>;

/// Elements that an array has room for at first.
const FIRST_ELEMENTS: usize = 16;
pub(crate) struct Reader<'f> {
    pub(crate) version: u8,
    pub(crate) tight: bool,
    pub(crate) stack_trace: bool,
    frame: &'f Bytes,
    rest: &'f [u8],
    bits: BitReader<'f>,
    cache: Option<&'f mut ReadCache>,
    limits: &'f Limits,
    depth: usize,
    elements: usize,
    /// Bytes of memory this frame may still take up.
    budget: usize,
    /// Bytes of memory it has taken up, but for what the cache keeps.
    content: usize,
    /// Whether the frame must end where its command does.
    whole: bool,
    /// Copy bytes instead of slicing the frame: what is cached would keep whole frames alive.
    detach: bool,
}

impl<'f> Reader<'f> {
    pub(crate) fn new(
        (version, tight, stack_trace): (u8, bool, bool),
        frame: &'f Bytes,
        cache: Option<&'f mut ReadCache>,
        (limits, max_frame_size, whole): (&'f Limits, usize, bool),
    ) -> Self {
        Self {
            version,
            tight,
            stack_trace,
            frame,
            rest: frame,
            bits: BitReader::EMPTY,
            cache,
            limits,
            depth: 0,
            elements: 0,
            budget: max_frame_size.saturating_mul(MAX_AMPLIFICATION).max(LEAST_FRAME_MEMORY),
            content: 0,
            whole,
            detach: false,
        }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.frame.len() - self.rest.len()
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[cold]
    pub(crate) fn fault(&self, kind: DecodeErrorKind) -> Fault {
        Box::new(DecodeError::new(kind, self.offset()))
    }

    #[cold]
    pub(crate) fn unknown_type(&self, code: u8) -> Fault {
        self.fault(DecodeErrorKind::UnknownType { code, version: self.version })
    }

    /// Finds the end of the frame, if it must be here.
    #[inline]
    pub(crate) fn end_of_frame(&self, structure: &'static str) -> Result<(), Fault> {
        if self.rest.is_empty() || !self.whole {
            return Ok(());
        }
        let kind = DecodeErrorKind::TrailingBytes(self.rest.len());
        Err(Box::new(DecodeError::new(kind, self.offset()).within(structure, "")))
    }

    #[cold]
    fn end(&self, needed: usize) -> Fault {
        self.fault(DecodeErrorKind::UnexpectedEnd { needed, remaining: self.rest.len() })
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'f [u8], Fault> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.end(len)),
        }
    }

    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.end(N)),
        }
    }

    /// Reads the type code of the command and, in tight encoding, the boolean stream. 0 is null.
    #[inline]
    pub(crate) fn begin(&mut self) -> Result<u8, Fault> {
        let code = self.byte()?;
        if self.tight && code != 0 {
            self.boolean_stream()?;
        }
        Ok(code)
    }

    /// Reads the boolean stream that leads a tight command.
    fn boolean_stream(&mut self) -> Result<(), Fault> {
        let [first] = self.array()?;
        // Java: any other first byte, 64 to 255 included, is the length itself.
        let len = match first {
            0xC0 => usize::from(u8::from_be_bytes(self.array()?)),
            0x80 => {
                let len = i16::from_be_bytes(self.array()?);
                usize::try_from(len)
                    .map_err(|_| self.fault(DecodeErrorKind::NegativeLength(len.into())))?
            }
            len => usize::from(len),
        };
        self.bits = BitReader::new(self.take(len)?);
        Ok(())
    }

    /// A boolean, or the flag that says whether something is there.
    #[inline(always)]
    pub(crate) fn boolean(&mut self) -> Result<bool, Fault> {
        if self.tight {
            match self.bits.next() {
                Some(bit) => Ok(bit),
                None => Err(self.fault(DecodeErrorKind::BooleansExhausted)),
            }
        } else {
            let [byte] = self.array()?;
            Ok(byte != 0)
        }
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn short(&mut self) -> Result<i16, Fault> {
        self.array().map(i16::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn int(&mut self) -> Result<i32, Fault> {
        self.array().map(i32::from_be_bytes)
    }

    #[inline(always)]
    pub(crate) fn long(&mut self) -> Result<i64, Fault> {
        if !self.tight {
            return self.array().map(i64::from_be_bytes);
        }
        match (self.boolean()?, self.boolean()?) {
            (false, false) => Ok(0),
            (false, true) => self.array().map(u16::from_be_bytes).map(i64::from),
            (true, false) => self.array().map(u32::from_be_bytes).map(i64::from),
            (true, true) => self.array().map(i64::from_be_bytes),
        }
    }

    /// A string that may be null, into its place.
    #[inline(always)]
    pub(crate) fn string(&mut self, place: &mut Option<Str>) -> Result<(), Fault> {
        if self.boolean()? { self.present_string(place) } else { Ok(()) }
    }

    /// A string that Java cannot do without.
    pub(crate) fn required_string(&mut self) -> Result<Str, Fault> {
        let mut place = None;
        self.string(&mut place)?;
        place.ok_or_else(|| self.fault(DecodeErrorKind::UnexpectedNull))
    }

    fn present_string(&mut self, place: &mut Option<Str>) -> Result<(), Fault> {
        let ascii = self.tight && self.boolean()?;
        let len = usize::from(self.array().map(u16::from_be_bytes)?);
        if ascii && len > MAX_ARRAY {
            // Java reads the length of an ASCII string as a signed short.
            let length = i64::try_from(len).unwrap_or(0) - 0x1_0000;
            return Err(self.fault(DecodeErrorKind::NegativeLength(length)));
        }
        self.check_limit("string", len, self.limits.max_string)?;
        self.spend(len)?;
        let start = self.offset();
        let bytes = self.take(len)?;
        if ascii && !is_plain_ascii(bytes) {
            // Java takes each byte of such a string for a character.
            let units: Vec<u16> = bytes.iter().copied().map(u16::from).collect();
            *place = Some(Str::from_utf16(&units));
            return Ok(());
        }
        match Str::copied_from_wire(bytes) {
            Ok(string) => *place = Some(string),
            Err(at) => {
                let kind = DecodeErrorKind::BadString { at };
                return Err(Box::new(DecodeError::new(kind, start)));
            }
        }
        Ok(())
    }

    /// Bytes that may be null, into their place; shared with the frame.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, place: &mut Option<Bytes>) -> Result<(), Fault> {
        if self.boolean()? { self.present_bytes(place) } else { Ok(()) }
    }

    fn present_bytes(&mut self, place: &mut Option<Bytes>) -> Result<(), Fault> {
        let len = self.int()?;
        let Ok(len) = usize::try_from(len) else {
            return Err(self.fault(DecodeErrorKind::NegativeLength(len.into())));
        };
        let start = self.offset();
        let taken = self.take(len)?;
        *place = Some(if self.detach {
            self.spend(len)?;
            Bytes::copy_from_slice(taken)
        } else {
            self.frame.slice(start..start + len)
        });
        Ok(())
    }

    /// The length of an array or a stack trace of `T`, taken off what the frame may have in all.
    pub(crate) fn count<T>(&mut self) -> Result<usize, Fault> {
        let count = self.short()?;
        let Ok(count) = usize::try_from(count) else {
            return Err(self.fault(DecodeErrorKind::NegativeLength(count.into())));
        };
        self.elements += count;
        self.check_limit("number of elements", self.elements, self.limits.max_elements)?;
        self.spend(count * size_of::<T>())?;
        Ok(count)
    }

    /// Makes room for the next of the elements that are still to come; only as many as have come already,
    /// so that a lying count cannot turn into an allocation.
    #[inline]
    pub(crate) fn make_room<T>(array: &mut Vec<T>, to_come: usize) {
        if array.len() == array.capacity() {
            array.reserve_exact(to_come.min(array.len().max(FIRST_ELEMENTS)));
        }
    }

    /// Takes bytes of memory off what the frame may take up.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Fault> {
        self.content += bytes;
        self.keep(bytes)
    }

    #[inline]
    fn keep(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.budget.checked_sub(bytes) {
            Some(budget) => {
                self.budget = budget;
                Ok(())
            }
            None => {
                let (what, limit) = ("memory for one frame", self.budget as u64);
                let size = bytes as u64;
                Err(self.fault(DecodeErrorKind::TooLarge { what, size, limit }))
            }
        }
    }

    #[inline]
    fn check_limit(&self, what: &'static str, size: usize, limit: usize) -> Result<(), Fault> {
        if size > limit {
            let (size, limit) = (size as u64, limit as u64);
            return Err(self.fault(DecodeErrorKind::TooLarge { what, size, limit }));
        }
        Ok(())
    }

    /// Into an object inside the one being read.
    #[inline(always)]
    pub(crate) fn descend(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        let limit = self.limits.max_nesting;
        if self.depth > limit {
            return Err(self.fault(DecodeErrorKind::TooDeep { limit }));
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) const fn ascend(&mut self) {
        self.depth -= 1;
    }

    #[inline(always)]
    pub(crate) const fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    /// What stands in a slot of the cache.
    #[inline(always)]
    pub(crate) fn cached(&self, index: i16) -> Result<&Cached, Fault> {
        match &self.cache {
            Some(cache) => cache.get(index).map_err(|kind| self.fault(kind)),
            None => Ok(&Cached::Null),
        }
    }

    /// Reads a value that is new to the cache and stores it.
    #[cold]
    pub(crate) fn store<T>(
        &mut self,
        value: &mut T,
        read: impl FnOnce(&mut T, &mut Self) -> Result<(), Fault>,
        cached: impl FnOnce(&T) -> Cached,
    ) -> Result<(), Fault> {
        let index = self.short()?;
        let outer = std::mem::replace(&mut self.detach, true);
        let before = self.content;
        read(value, self)?;
        self.detach = outer;
        let cached = cached(value);
        if matches!(cached, Cached::Other(_)) {
            // A whole copy, where ids and destinations share their strings.
            self.keep(self.content - before)?;
        }
        match &mut self.cache {
            Some(cache) => cache.set(index, cached).map_err(|kind| self.fault(kind)),
            None => Ok(()),
        }
    }
}
