//! `Str`: a string as OpenWire has it, which may hold what a Rust string cannot.
//!
//! Java strings are UTF-16 and travel as *modified UTF-8*: NUL is `C0 80`, a character outside the
//! basic plane is two surrogates of three bytes each, and a lone surrogate is legal. A [`Str`] keeps
//! exactly that form, so whatever a peer sends comes through unchanged, compares equal and is written
//! back byte for byte. Nearly every string is also UTF-8 as it stands; then [`Str::to_str`] borrows.
//! Otherwise it converts, and a lone surrogate, which Rust has no character for, becomes U+FFFD in the
//! converted text only.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{DecodeError, DecodeErrorKind};

/// An immutable string in modified UTF-8; a clone shares the bytes.
///
/// ```
/// use rewire_protocol::Str;
///
/// let plain = Str::from("orders");
/// assert_eq!(plain, "orders");
/// let rocket = Str::from("🚀");
/// assert_eq!(rocket.as_wire().len(), 6); // two surrogates on the wire
/// assert_eq!(rocket.to_str(), "🚀");
/// ```
#[derive(Clone)]
pub struct Str(Repr);

/// Three words, of which most strings need no more: ids and names are cloned all the time.
#[derive(Clone)]
enum Repr {
    /// Short, in place: a clone touches no memory that others share.
    Inline(Inline),
    /// A literal.
    Static(&'static [u8]),
    /// On its own.
    Shared(Arc<[u8]>),
    /// Long, and still where it came from.
    Slice(Arc<Bytes>),
}

/// Bytes in place. Aligned, and with the length at the end, so that it is moved as two words.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Inline {
    bytes: [u8; INLINE],
    len: u8,
}

/// The most bytes that stand in place.
const INLINE: usize = 15;

/// Strings this long are not copied when their bytes can be shared.
const LONG: usize = 4096;

impl Str {
    /// The empty string.
    pub const EMPTY: Self = Self(Repr::Inline(Inline { bytes: [0; INLINE], len: 0 }));

    /// A string from a literal, without copying. ASCII only, and no NUL.
    ///
    /// # Panics
    ///
    /// At compile time in a constant, else at run time, when the literal holds anything else.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(is_plain_ascii(text.as_bytes()), "a static Str is ASCII without NUL");
        Self(Repr::Static(text.as_bytes()))
    }

    /// A string from modified UTF-8. A long one shares the bytes with whoever owns them.
    ///
    /// # Errors
    ///
    /// [`DecodeErrorKind::BadString`] when the bytes are not modified UTF-8. Overlong forms are read,
    /// as Java reads them, and put in their shortest form.
    pub fn from_wire(bytes: Bytes) -> Result<Self, DecodeError> {
        match check(&bytes) {
            Ok(Form::Shortest) => Ok(Self::from_checked(bytes)),
            Ok(Form::Overlong) => Ok(Self::from_units(&bytes)),
            Err(at) => Err(DecodeError::new(DecodeErrorKind::BadString { at }, 0)),
        }
    }

    /// The same with a copy of the bytes; an error is the place of the byte at fault.
    #[inline]
    pub(crate) fn copied_from_wire(bytes: &[u8]) -> Result<Self, usize> {
        match check(bytes)? {
            Form::Shortest => Ok(Self::copied(bytes)),
            Form::Overlong => Ok(Self::from_units(bytes)),
        }
    }

    /// A string from bytes that may be modified UTF-8 or plain UTF-8 with four-byte sequences, as
    /// they occur in message properties and bodies written by other clients.
    ///
    /// # Errors
    ///
    /// [`DecodeErrorKind::BadString`] when the bytes are neither.
    pub fn from_wire_or_utf8(bytes: Bytes) -> Result<Self, DecodeError> {
        if is_plain_ascii(&bytes) {
            return Ok(Self::from_checked(bytes));
        }
        match Self::from_wire(bytes.clone()) {
            Ok(string) => Ok(string),
            Err(error) => std::str::from_utf8(&bytes).map(Self::from).map_err(|_| error),
        }
    }

    /// A string from UTF-16 code units, lone surrogates included.
    #[must_use]
    pub fn from_utf16(units: &[u16]) -> Self {
        let mut wire = Vec::with_capacity(units.len());
        units.iter().for_each(|unit| push_unit(&mut wire, *unit));
        Self::copied(&wire)
    }

    /// From checked bytes that are not in their shortest form.
    #[cold]
    fn from_units(bytes: &[u8]) -> Self {
        Self::from_utf16(&Units(bytes).collect::<Vec<_>>())
    }

    /// The UTF-16 code units, as Java has them.
    pub fn utf16(&self) -> impl Iterator<Item = u16> + '_ {
        Units(self.as_wire())
    }

    /// The bytes as they stand on the wire.
    #[must_use]
    #[inline]
    pub fn as_wire(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(Inline { bytes, len }) => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Repr::Static(bytes) => bytes,
            Repr::Shared(bytes) => bytes,
            Repr::Slice(bytes) => bytes,
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_wire().is_empty()
    }

    /// The text, when the wire form is UTF-8 as it stands: no NUL, nothing outside the basic plane.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        let text = std::str::from_utf8(self.as_wire()).ok()?;
        Some(text)
    }

    /// The text; borrowed when it can be. A lone surrogate becomes U+FFFD.
    #[must_use]
    pub fn to_str(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => char::decode_utf16(Units(self.as_wire()))
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect::<String>()
                .into(),
        }
    }

    /// The same string with bytes of its own, so that it does not keep a whole frame alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        match &self.0 {
            Repr::Slice(bytes) => Self(Repr::Shared(Arc::from(&***bytes))),
            Repr::Inline(_) | Repr::Static(_) | Repr::Shared(_) => self.clone(),
        }
    }

    /// Whether tight encoding calls it ASCII: every character is 01 to 7F.
    #[inline]
    pub(crate) fn is_plain_ascii(&self) -> bool {
        is_plain_ascii(self.as_wire())
    }

    /// From bytes that were checked.
    pub(crate) fn from_checked(bytes: Bytes) -> Self {
        if bytes.len() < LONG { Self::copied(&bytes) } else { Self(Repr::Slice(Arc::new(bytes))) }
    }

    /// From bytes that were checked, with a copy of them.
    #[inline]
    pub(crate) fn copied(wire: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..wire.len()), u8::try_from(wire.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(wire);
                Self(Repr::Inline(Inline { bytes, len }))
            }
            _ => Self(Repr::Shared(Arc::from(wire))),
        }
    }
}

impl Default for Str {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        if is_wire_as_it_stands(text) {
            Self::copied(text.as_bytes())
        } else {
            Self::from_checked(encode(text).into())
        }
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        let wire = if is_wire_as_it_stands(&text) { text.into_bytes() } else { encode(&text) };
        Self::from_checked(wire.into())
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl PartialEq for Str {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (bytes, others) = (self.as_wire(), other.as_wire());
        // The usual case in a cache: the very same bytes.
        bytes.len() == others.len() && (bytes.as_ptr() == others.as_ptr() || bytes == others)
    }
}

impl Eq for Str {}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_wire());
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_wire().cmp(other.as_wire())
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_wire() == other.as_bytes() || self.to_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_str().fmt(f)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_str().fmt(f)
    }
}

/// Modified UTF-8 of a text.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len() + text.len() / 2);
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        let (plain, special) = rest.split_at(at);
        wire.extend_from_slice(plain.as_bytes());
        let mut chars = special.chars();
        if let Some(c) = chars.next() {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| push_unit(&mut wire, *unit));
        }
        rest = chars.as_str();
    }
    wire.extend_from_slice(rest.as_bytes());
    wire
}

/// Whether UTF-8 and modified UTF-8 of the text are the same bytes.
pub(crate) fn is_wire_as_it_stands(text: &str) -> bool {
    // Without an early exit the loop becomes a few vector instructions.
    text.bytes().fold(true, |plain, byte| plain & !is_special(byte))
}

/// Whether a byte of UTF-8 starts a character that modified UTF-8 has other bytes for: NUL, and those
/// outside the basic plane.
const fn is_special(byte: u8) -> bool {
    byte == 0 || byte >= 0xF0
}

/// Whether every character is 01 to 7F.
pub(crate) const fn is_plain_ascii(bytes: &[u8]) -> bool {
    // Without an early exit the loop becomes a few vector instructions.
    let mut i = 0;
    let mut plain = true;
    while i < bytes.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "`i` is below the length; `const` has no iterators"
        )]
        let byte = bytes[i];
        plain &= byte != 0 && byte < 0x80;
        i += 1;
    }
    plain
}

fn push_unit(wire: &mut Vec<u8>, unit: u16) {
    let [high, low] = unit.to_be_bytes();
    match unit {
        0x01..=0x7F => wire.push(low),
        0 | 0x80..=0x7FF => wire.extend([0xC0 | high << 2 | low >> 6, 0x80 | low & 0x3F]),
        0x800.. => {
            wire.extend([
                0xE0 | high >> 4,
                0x80 | (high & 0x0F) << 2 | low >> 6,
                0x80 | low & 0x3F,
            ]);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Form {
    Shortest,
    Overlong,
}

/// Checks modified UTF-8 as Java's reader does: continuation bytes must be there, overlong forms pass.
/// A plain zero byte passes too, and counts as overlong because it is written back as `C0 80`.
fn check(bytes: &[u8]) -> Result<Form, usize> {
    if is_plain_ascii(bytes) {
        return Ok(Form::Shortest);
    }
    let mut form = Form::Shortest;
    let mut at = 0;
    while let Some((&first, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) {
        let (len, shortest) = match (first, rest) {
            (0x01..=0x7F, _) => (1, true),
            (0, _) => (1, false),
            (0xC0..=0xDF, [0x80..=0xBF, ..]) => {
                (2, first >= 0xC2 || rest.first() == Some(&0x80) && first == 0xC0)
            }
            (0xE0..=0xEF, [second @ 0x80..=0xBF, 0x80..=0xBF, ..]) => {
                (3, first > 0xE0 || *second >= 0xA0)
            }
            _ => return Err(at),
        };
        if !shortest {
            form = Form::Overlong;
        }
        at += len;
    }
    Ok(form)
}

/// The UTF-16 code units of checked modified UTF-8.
struct Units<'a>(&'a [u8]);

impl Iterator for Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let low = |byte: u8| u16::from(byte & 0x3F);
        let (unit, rest) = match *self.0 {
            [] => return None,
            [a @ 0..=0x7F, ref rest @ ..] => (u16::from(a), rest),
            [a @ 0x80..=0xDF, b, ref rest @ ..] => (u16::from(a & 0x1F) << 6 | low(b), rest),
            [a, b, c, ref rest @ ..] => (u16::from(a & 0x0F) << 12 | low(b) << 6 | low(c), rest),
            [_, ..] => return None,
        };
        self.0 = rest;
        Some(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(bytes: &'static [u8]) -> Result<Str, DecodeError> {
        Str::from_wire(Bytes::from_static(bytes))
    }

    #[test]
    fn plain_text_is_borrowed_and_shared() {
        let string = Str::from("höst → 日本");
        assert!(matches!(string.to_str(), Cow::Borrowed("höst → 日本")));
        assert_eq!(string.as_wire(), "höst → 日本".as_bytes());
    }

    #[test]
    fn nul_is_two_bytes_and_a_rocket_is_two_surrogates() {
        assert_eq!(Str::from("a\0").as_wire(), [b'a', 0xC0, 0x80]);
        assert_eq!(Str::from("🚀").as_wire(), [0xED, 0xA0, 0xBD, 0xED, 0xBA, 0x80]);
        assert_eq!(Str::from("a\0🚀").to_str(), "a\0🚀");
    }

    #[test]
    fn a_lone_surrogate_survives_and_is_shown_as_a_replacement_character() {
        let lone = wire(&[0xED, 0xA0, 0xBD, b'x']).unwrap();
        assert_eq!(lone.to_str(), "\u{FFFD}x");
        assert_eq!(Str::from_utf16(&lone.utf16().collect::<Vec<_>>()), lone);
    }

    #[test]
    fn an_overlong_form_is_read_and_put_in_its_shortest() {
        assert_eq!(wire(&[0xC1, 0x81]).unwrap().as_wire(), b"A");
        assert_eq!(wire(&[0xE0, 0x80, 0x80]).unwrap().as_wire(), [0xC0, 0x80]);
        assert_eq!(wire(&[0]).unwrap().as_wire(), [0xC0, 0x80]);
        assert_eq!(wire(&[0xC0, 0x80]).unwrap().as_wire(), [0xC0, 0x80]);
    }

    #[test]
    fn what_java_refuses_is_refused_with_its_place() {
        for (bytes, at) in [
            (&[0xC3][..], 0),
            (&[b'a', 0x80], 1),
            (&[b'a', b'b', 0xE2, 0x82], 2),
            (&[0xF0, 0x9F, 0x9A, 0x80], 0),
            (&[0xC3, 0x28], 0),
        ] {
            let error = Str::from_wire(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::BadString { at });
        }
    }

    #[test]
    fn four_byte_sequences_pass_where_they_occur_in_the_wild() {
        let rocket = Bytes::from_static("🚀".as_bytes());
        assert_eq!(Str::from_wire_or_utf8(rocket).unwrap(), Str::from("🚀"));
    }

    #[test]
    fn strings_of_all_lengths_are_what_they_were_made_from() {
        for len in [0, 1, INLINE - 1, INLINE, INLINE + 1, LONG - 1, LONG, LONG + 1, 70_000] {
            let text = "x".repeat(len);
            let strings = [
                Str::from(text.as_str()),
                Str::from(text.clone()),
                Str::from_wire(text.clone().into()).unwrap(),
                Str::copied_from_wire(text.as_bytes()).unwrap(),
            ];
            for string in strings {
                assert_eq!(string.as_wire(), text.as_bytes());
                assert_eq!(string.detached(), string);
                assert_eq!(string, text.as_str());
            }
        }
    }

    #[test]
    fn a_string_is_three_words_whether_it_is_there_or_not() {
        assert_eq!(size_of::<Str>(), 24);
        assert_eq!(size_of::<Option<Str>>(), 24);
    }

    #[test]
    fn only_a_long_string_shares_the_bytes_it_came_in_until_it_is_detached() {
        let frame = Bytes::from(vec![b'x'; 2 * LONG]);
        let long = Str::from_wire(frame.slice(..LONG)).unwrap();
        assert_eq!(long.as_wire().as_ptr(), frame.as_ptr());
        assert_ne!(long.detached().as_wire().as_ptr(), frame.as_ptr());
        let short = Str::from_wire(frame.slice(..LONG - 1)).unwrap();
        assert_ne!(short.as_wire().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn every_unit_survives_the_way_there_and_back() {
        let units: Vec<u16> = (0..=u16::MAX).collect();
        assert!(Str::from_utf16(&units).utf16().eq(units));
    }
}
