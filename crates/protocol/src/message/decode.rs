//! Reads primitive values and maps from bytes that may be anything.

use bytes::Bytes;

use super::cursor::Cursor;
use super::map::PrimitiveMap;
use super::primitive::{Primitive, Tag};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::limits::{Limits, MAX_WIRE_FORMAT_ENTRIES, MAX_WIRE_FORMAT_VALUE};
use crate::string::Str;

/// Room for this many entries is made at once; more comes as they are read, so that a count alone
/// never costs memory. Java starts with no more either.
const FIRST_CAPACITY: usize = 128;
/// A map entry has at least a key's length and a value's type.
const MIN_MAP_ENTRY: usize = 3;
/// A list entry has at least its type.
const MIN_LIST_ENTRY: usize = 1;

/// What is refused where the values stand.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Entries of all maps and lists together.
    max_entries: usize,
    /// Bytes of one string or key.
    max_string: usize,
    /// Bytes of one byte array; it is sliced, so memory is no reason to limit it.
    max_bytes: usize,
    /// Levels of maps and lists below the top; `None` where they cannot stand at all.
    max_nesting: Option<usize>,
}

impl Rules {
    /// Of properties and map messages.
    pub(super) const fn map(limits: &Limits) -> Self {
        Self {
            max_entries: limits.max_map_entries,
            max_string: limits.max_string,
            max_bytes: usize::MAX,
            max_nesting: Some(limits.max_nesting),
        }
    }

    /// Of stream messages.
    pub(super) const fn stream(limits: &Limits) -> Self {
        Self { max_nesting: None, ..Self::map(limits) }
    }

    /// Of the handshake, where the peer is still a stranger.
    pub(super) const WIRE_FORMAT: Self = Self {
        max_entries: MAX_WIRE_FORMAT_ENTRIES,
        max_string: MAX_WIRE_FORMAT_VALUE,
        max_bytes: MAX_WIRE_FORMAT_VALUE,
        max_nesting: None,
    };
}

/// Reads values one after the other, under one set of rules.
pub(super) struct Decoder<'a> {
    cursor: Cursor<'a>,
    rules: Rules,
    entries: usize,
}

impl<'a> Decoder<'a> {
    pub(super) const fn new(bytes: &'a Bytes, at: usize, rules: Rules) -> Self {
        Self { cursor: Cursor::new(bytes, at), rules, entries: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.cursor.at()
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.cursor.is_at_end()
    }

    /// A map that is not inside of another; a null one is as good as empty.
    pub(super) fn top_map(&mut self) -> Result<PrimitiveMap, DecodeError> {
        Ok(self.map_entries(0)?.unwrap_or_default())
    }

    /// Values back to back until the end, as in a stream message.
    pub(super) fn values(&mut self) -> Result<Vec<Primitive>, DecodeError> {
        let mut values = Vec::new();
        while !self.is_at_end() {
            self.admit(1, MIN_LIST_ENTRY)?;
            values.push(self.value(0)?);
        }
        Ok(values)
    }

    /// One value inside of `depth` maps or lists.
    pub(super) fn value(&mut self, depth: usize) -> Result<Primitive, DecodeError> {
        Ok(match self.tag()? {
            Tag::Null => Primitive::Null,
            Tag::Boolean => Primitive::Boolean(self.cursor.bool()?),
            Tag::Byte => Primitive::Byte(self.cursor.i8()?),
            Tag::Char => Primitive::Char(self.cursor.u16()?),
            Tag::Short => Primitive::Short(self.cursor.i16()?),
            Tag::Int => Primitive::Int(self.cursor.i32()?),
            Tag::Long => Primitive::Long(self.cursor.i64()?),
            Tag::Double => Primitive::Double(self.cursor.f64()?),
            Tag::Float => Primitive::Float(self.cursor.f32()?),
            Tag::String => Primitive::String(self.short_string()?),
            Tag::BigString => self.big_string()?.map_or(Primitive::Null, Primitive::String),
            Tag::Bytes => {
                let at = self.at();
                let len = self.cursor.length()?;
                check_size("a byte array", len, self.rules.max_bytes, at)?;
                Primitive::Bytes(self.cursor.shared(len)?)
            }
            Tag::Map => self.map_entries(depth + 1)?.map_or(Primitive::Null, Primitive::Map),
            Tag::List => Primitive::List(self.list_entries(depth + 1)?),
        })
    }

    /// The last value of a top map under one of two spellings of a key; nothing else is built.
    pub(super) fn find(&mut self, names: [&[u8]; 2]) -> Result<Option<Primitive>, DecodeError> {
        let Some(count) = self.cursor.length_or_null()? else {
            return Ok(None);
        };
        let mut found = None;
        for _ in 0..count {
            let len = self.cursor.u16()?;
            let key = self.cursor.take(len.into())?;
            if names.contains(&key) || is_otherwise_spelled(key, names) {
                found = Some(self.at());
            }
            self.skip(0)?;
        }
        let Some(at) = found else {
            return Ok(None);
        };
        self.cursor.rewind(at);
        self.value(0).map(Some)
    }

    fn skip(&mut self, depth: usize) -> Result<(), DecodeError> {
        let len = match self.tag()? {
            Tag::Null => 0,
            Tag::Boolean | Tag::Byte => 1,
            Tag::Char | Tag::Short => 2,
            Tag::Int | Tag::Float => 4,
            Tag::Long | Tag::Double => 8,
            Tag::String => self.cursor.u16()?.into(),
            Tag::BigString => self.cursor.length_or_null()?.unwrap_or(0),
            Tag::Bytes => self.cursor.length()?,
            Tag::Map => {
                self.enter(depth + 1)?;
                for _ in 0..self.cursor.length_or_null()?.unwrap_or(0) {
                    let len = self.cursor.u16()?;
                    self.cursor.take(len.into())?;
                    self.skip(depth + 1)?;
                }
                0
            }
            Tag::List => {
                self.enter(depth + 1)?;
                for _ in 0..self.cursor.length()? {
                    self.skip(depth + 1)?;
                }
                0
            }
        };
        self.cursor.take(len).map(drop)
    }

    fn map_entries(&mut self, depth: usize) -> Result<Option<PrimitiveMap>, DecodeError> {
        self.enter(depth)?;
        let Some(count) = self.cursor.length_or_null()? else {
            return Ok(None);
        };
        self.admit(count, MIN_MAP_ENTRY)?;
        let mut entries = Vec::with_capacity(count.min(FIRST_CAPACITY));
        for _ in 0..count {
            let key = self.short_string()?;
            entries.push((key, self.value(depth)?));
        }
        Ok(Some(PrimitiveMap::from_entries(entries)))
    }

    fn list_entries(&mut self, depth: usize) -> Result<Vec<Primitive>, DecodeError> {
        self.enter(depth)?;
        let count = self.cursor.length()?;
        self.admit(count, MIN_LIST_ENTRY)?;
        let mut entries = Vec::with_capacity(count.min(FIRST_CAPACITY));
        for _ in 0..count {
            entries.push(self.value(depth)?);
        }
        Ok(entries)
    }

    fn tag(&mut self) -> Result<Tag, DecodeError> {
        let at = self.at();
        let code = self.cursor.u8()?;
        let tag = Tag::from_code(code)
            .ok_or_else(|| DecodeError::new(DecodeErrorKind::UnknownPrimitive(code), at))?;
        let misplaced =
            |found| Err(DecodeError::new(DecodeErrorKind::MisplacedPrimitive { found }, at));
        match (tag, self.rules.max_nesting) {
            (Tag::Map, None) => misplaced("map"),
            (Tag::List, None) => misplaced("list"),
            (tag, _) => Ok(tag),
        }
    }

    fn short_string(&mut self) -> Result<Str, DecodeError> {
        let at = self.at();
        let len = self.cursor.u16()?.into();
        check_size("a string", len, self.rules.max_string, at)?;
        self.cursor.string(len)
    }

    fn big_string(&mut self) -> Result<Option<Str>, DecodeError> {
        let at = self.at();
        let Some(len) = self.cursor.length_or_null()? else {
            return Ok(None);
        };
        check_size("a string", len, self.rules.max_string, at)?;
        self.cursor.string(len).map(Some)
    }

    fn enter(&self, depth: usize) -> Result<(), DecodeError> {
        match self.rules.max_nesting {
            Some(limit) if depth > limit => {
                Err(DecodeError::new(DecodeErrorKind::TooDeep { limit }, self.at()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Counts entries before they are read: there must be bytes for them, and they must be allowed.
    fn admit(&mut self, count: usize, min_len: usize) -> Result<(), DecodeError> {
        let needed = count.saturating_mul(min_len);
        if needed > self.cursor.remaining() {
            return Err(self.cursor.too_short(needed));
        }
        self.entries = self.entries.saturating_add(count);
        check_size("a number of entries", self.entries, self.rules.max_entries, self.at())
    }
}

pub(super) fn check_size(
    what: &'static str,
    size: usize,
    limit: usize,
    at: usize,
) -> Result<(), DecodeError> {
    if size <= limit {
        return Ok(());
    }
    let (size, limit) = (size as u64, limit as u64);
    Err(DecodeError::new(DecodeErrorKind::TooLarge { what, size, limit }, at))
}

/// Whether a key is one of the names in a form that nobody should write but everybody reads: overlong.
fn is_otherwise_spelled(key: &[u8], [wire, _]: [&[u8]; 2]) -> bool {
    let is_plain = key.iter().all(|byte| (0x01..0x80).contains(byte));
    !is_plain
        && Str::from_wire_or_utf8(Bytes::copy_from_slice(key))
            .is_ok_and(|key| key.as_wire() == wire)
}
