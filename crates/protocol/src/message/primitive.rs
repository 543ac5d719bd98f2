//! `Primitive`: one value of a property, of a map message or of a stream message.

use bytes::Bytes;

use super::map::PrimitiveMap;
use crate::string::Str;

/// A value with its type, as Java's `MarshallingSupport` writes it.
///
/// Two values are equal when they are the same on the wire: floating point numbers are compared by
/// their bits, so a NaN equals itself and `-0.0` is not `0.0`, as in Java's `Double.equals`.
///
/// The `as_` methods read a value as another type where JMS allows it; see
/// [`ConversionError`](super::ConversionError) for the table.
///
/// ```
/// use rewire_protocol::Primitive;
///
/// let retries = Primitive::from(3i16);
/// assert_eq!(retries.as_long(), Ok(3));
/// assert!(retries.as_byte().is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub enum Primitive {
    /// No value.
    #[default]
    Null,
    /// A boolean.
    Boolean(bool),
    /// A signed byte.
    Byte(i8),
    /// A UTF-16 code unit, which need not be a character.
    Char(u16),
    /// A 16-bit integer.
    Short(i16),
    /// A 32-bit integer.
    Int(i32),
    /// A 64-bit integer.
    Long(i64),
    /// A 64-bit floating point number.
    Double(f64),
    /// A 32-bit floating point number.
    Float(f32),
    /// A string. From 8,191 UTF-16 units on it is written as what Java calls a big string.
    ///
    /// Java reads strings in properties and map messages as standard UTF-8 although it writes modified
    /// UTF-8: a NUL or an emoji shows as U+FFFD there, whoever wrote it.
    String(Str),
    /// Bytes. Not allowed in properties, except inside of a list or map.
    Bytes(Bytes),
    /// A map. Not allowed in a stream message.
    Map(PrimitiveMap),
    /// A list. Not allowed in a stream message.
    List(Vec<Self>),
}

impl Primitive {
    pub(super) const NULL: &'static Self = &Self::Null;

    pub(crate) const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Byte(_) => "byte",
            Self::Char(_) => "char",
            Self::Short(_) => "short",
            Self::Int(_) => "int",
            Self::Long(_) => "long",
            Self::Double(_) => "double",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Bytes(_) => "byte array",
            Self::Map(_) => "map",
            Self::List(_) => "list",
        }
    }
}

impl PartialEq for Primitive {
    fn eq(&self, other: &Self) -> bool {
        match self {
            Self::Null => matches!(other, Self::Null),
            Self::Boolean(a) => matches!(other, Self::Boolean(b) if a == b),
            Self::Byte(a) => matches!(other, Self::Byte(b) if a == b),
            Self::Char(a) => matches!(other, Self::Char(b) if a == b),
            Self::Short(a) => matches!(other, Self::Short(b) if a == b),
            Self::Int(a) => matches!(other, Self::Int(b) if a == b),
            Self::Long(a) => matches!(other, Self::Long(b) if a == b),
            Self::Double(a) => matches!(other, Self::Double(b) if a.to_bits() == b.to_bits()),
            Self::Float(a) => matches!(other, Self::Float(b) if a.to_bits() == b.to_bits()),
            Self::String(a) => matches!(other, Self::String(b) if a == b),
            Self::Bytes(a) => matches!(other, Self::Bytes(b) if a == b),
            Self::Map(a) => matches!(other, Self::Map(b) if a == b),
            Self::List(a) => matches!(other, Self::List(b) if a == b),
        }
    }
}

impl Eq for Primitive {}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl From<$type> for Primitive {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Boolean,
    i8 => Byte,
    i16 => Short,
    i32 => Int,
    i64 => Long,
    f32 => Float,
    f64 => Double,
    &str => String,
    String => String,
    Str => String,
    Bytes => Bytes,
    PrimitiveMap => Map,
    Vec<Primitive> => List,
}

/// The byte before a value that says its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Null = 0,
    Boolean = 1,
    Byte = 2,
    Char = 3,
    Short = 4,
    Int = 5,
    Long = 6,
    Double = 7,
    Float = 8,
    String = 9,
    Bytes = 10,
    Map = 11,
    List = 12,
    BigString = 13,
}

impl Tag {
    pub(super) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Null,
            1 => Self::Boolean,
            2 => Self::Byte,
            3 => Self::Char,
            4 => Self::Short,
            5 => Self::Int,
            6 => Self::Long,
            7 => Self::Double,
            8 => Self::Float,
            9 => Self::String,
            10 => Self::Bytes,
            11 => Self::Map,
            12 => Self::List,
            13 => Self::BigString,
            14.. => return None,
        })
    }
}
