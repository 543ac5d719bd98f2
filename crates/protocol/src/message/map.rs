//! `PrimitiveMap`: names and values in the order of the wire, as properties and map messages have them.

use std::borrow::Cow;
use std::slice;

use bytes::Bytes;

use super::decode::{Decoder, Rules};
use super::encode;
use super::primitive::Primitive;
use crate::error::{DecodeError, EncodeError, EncodeErrorKind};
use crate::limits::{Limits, MAX_LOOSE_STRING};
use crate::string::{self, Str};

/// Named values.
///
/// The order is that of insertion, or of the wire: Java writes the order of its `HashMap`, and it is
/// kept. Java never writes a name twice; should a peer do so, both entries stay in their places and a
/// lookup finds the last, as in Java. Lookup goes through the entries one by one, which for the handful
/// that messages have is faster than hashing.
///
/// ```
/// use rewire_protocol::{Limits, PrimitiveMap};
///
/// let mut properties = PrimitiveMap::new();
/// properties.insert("region", "eu");
/// properties.insert("attempt", 2);
/// let marshalled = properties.encode()?;
///
/// let read = PrimitiveMap::decode(&marshalled, &Limits::DEFAULT)?;
/// assert_eq!(read.value("attempt").as_long()?, 2);
/// assert!(read.get("missing").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimitiveMap {
    entries: Vec<(Str, Primitive)>,
}

impl PrimitiveMap {
    /// A map of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    pub(super) const fn from_entries(entries: Vec<(Str, Primitive)>) -> Self {
        Self { entries }
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Primitive> {
        let wire = wire_form(name);
        self.entries.iter().rev().find(|(key, _)| key.as_wire() == &*wire).map(|(_, value)| value)
    }

    /// The value of a name, null when there is none: what JMS getters convert.
    #[must_use]
    pub fn value(&self, name: &str) -> &Primitive {
        self.get(name).unwrap_or(Primitive::NULL)
    }

    /// Whether the name is there, be its value null.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets the value of a name and returns the one it had. A name that was there keeps its place.
    pub fn insert(
        &mut self,
        name: impl Into<Str>,
        value: impl Into<Primitive>,
    ) -> Option<Primitive> {
        let (name, value) = (name.into(), value.into());
        if let Some((_, old)) = self.entries.iter_mut().rev().find(|(key, _)| *key == name) {
            return Some(std::mem::replace(old, value));
        }
        self.entries.push((name, value));
        None
    }

    /// Removes a name and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<Primitive> {
        let wire = wire_form(name);
        self.entries.extract_if(.., |(key, _)| key.as_wire() == &*wire).last().map(|(_, old)| old)
    }

    /// The entries in order.
    pub fn iter(&self) -> slice::Iter<'_, (Str, Primitive)> {
        self.entries.iter()
    }

    /// Reads the `marshalledProperties` of a message.
    ///
    /// Strings and byte arrays share the bytes they are read from. Bytes after the map are ignored, and
    /// a null map is an empty one.
    ///
    /// # Errors
    ///
    /// The bytes are no map, or pass [`Limits::max_map_entries`], [`Limits::max_string`] or
    /// [`Limits::max_nesting`].
    pub fn decode(bytes: &Bytes, limits: &Limits) -> Result<Self, DecodeError> {
        Decoder::new(bytes, 0, Rules::map(limits)).top_map().map_err(in_properties)
    }

    /// Reads one property out of the `marshalledProperties` of a message, without building the map.
    ///
    /// ```
    /// use rewire_protocol::{Limits, Primitive, PrimitiveMap};
    ///
    /// let marshalled = PrimitiveMap::from_iter([("a", 1), ("b", 2)]).encode()?;
    /// let b = PrimitiveMap::find(&marshalled, "b", &Limits::DEFAULT)?;
    /// assert_eq!(b, Some(Primitive::Int(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), but strings and entries that are passed over are not examined.
    pub fn find(
        bytes: &Bytes,
        name: &str,
        limits: &Limits,
    ) -> Result<Option<Primitive>, DecodeError> {
        // Another client may have written the name in standard UTF-8.
        let names = [&wire_form(name), name.as_bytes()];
        Decoder::new(bytes, 0, Rules::map(limits)).find(names).map_err(in_properties)
    }

    /// Reads the properties of a `WireFormatInfo`: at most
    /// [`MAX_WIRE_FORMAT_ENTRIES`](crate::MAX_WIRE_FORMAT_ENTRIES) entries, names and values of at most
    /// [`MAX_WIRE_FORMAT_VALUE`](crate::MAX_WIRE_FORMAT_VALUE) bytes, no lists and no maps.
    ///
    /// # Errors
    ///
    /// The bytes are no map, or not one that can stand there.
    pub fn decode_wire_format(bytes: &Bytes) -> Result<Self, DecodeError> {
        Decoder::new(bytes, 0, Rules::WIRE_FORMAT)
            .top_map()
            .map_err(|error| error.within("WireFormatInfo", "marshalledProperties"))
    }

    /// The `marshalledProperties` of a message or a `WireFormatInfo`, byte for byte as Java writes
    /// entries in this order.
    ///
    /// # Errors
    ///
    /// A name has more than 65,535 bytes, or maps and lists are nested deeper than Java reads.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut out = Vec::with_capacity(self.size_hint());
        encode::put_map(&mut out, self, 0)
            .map_err(|error| error.within("Message", "marshalledProperties"))?;
        Ok(out.into())
    }

    /// Bytes of the encoded map, exact unless there are maps, lists, byte arrays or big strings.
    pub(super) fn size_hint(&self) -> usize {
        let entry = |(key, value): &(Str, Primitive)| {
            let value = match value {
                Primitive::Null => 0,
                Primitive::Boolean(_) | Primitive::Byte(_) => 1,
                Primitive::Char(_) | Primitive::Short(_) => 2,
                Primitive::Int(_) | Primitive::Float(_) => 4,
                Primitive::Long(_) | Primitive::Double(_) => 8,
                Primitive::String(string) => 2 + string.as_wire().len(),
                Primitive::Bytes(bytes) => 4 + bytes.len(),
                Primitive::Map(_) | Primitive::List(_) => 16,
            };
            3 + key.as_wire().len() + value
        };
        4 + self.entries.iter().map(entry).sum::<usize>()
    }
}

/// The entries are taken as they come; of two with the same name the later one counts.
impl<N: Into<Str>, V: Into<Primitive>> FromIterator<(N, V)> for PrimitiveMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self::from_entries(entries.collect())
    }
}

impl<'a> IntoIterator for &'a PrimitiveMap {
    type Item = &'a (Str, Primitive);
    type IntoIter = slice::Iter<'a, (Str, Primitive)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Checks a property before it is set, as Java's client does.
///
/// JMS knows properties of boolean, byte, short, int, long, float, double and string. ActiveMQ adds
/// null, char, maps and lists, and what is inside of those is not checked further. A byte array cannot
/// be a property.
///
/// # Errors
///
/// The name is empty or longer than 65,535 bytes, or the value is a byte array.
pub fn validate_property(name: &str, value: &Primitive) -> Result<(), EncodeError> {
    let refuse = |kind| Err(EncodeError::new(kind).within("Message", "marshalledProperties"));
    if name.is_empty() {
        return refuse(EncodeErrorKind::Unreadable("the name of a property cannot be empty"));
    }
    let len = wire_form(name).len();
    if len > MAX_LOOSE_STRING {
        return refuse(EncodeErrorKind::StringTooLong { len, limit: MAX_LOOSE_STRING });
    }
    if let Primitive::Bytes(_) = value {
        return refuse(EncodeErrorKind::Unreadable("a property cannot be a byte array"));
    }
    Ok(())
}

fn wire_form(name: &str) -> Cow<'_, [u8]> {
    if string::is_wire_as_it_stands(name) {
        Cow::Borrowed(name.as_bytes())
    } else {
        Cow::Owned(string::encode(name))
    }
}

fn in_properties(error: DecodeError) -> DecodeError {
    error.within("Message", "marshalledProperties")
}
