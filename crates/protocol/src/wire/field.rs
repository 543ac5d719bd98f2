//! The kinds of fields the wire language has, one `impl` each: how it is written, read and walked.

use std::fmt;

use bytes::Bytes;

use crate::command::Command;
use crate::error::{DecodeErrorKind, EncodeError, EncodeErrorKind};
use crate::limits::MAX_ARRAY;
use crate::schema::{FieldRow, Kind, StructureRow};
use crate::string::Str;
use crate::value::{Value, ValueError};
use crate::wire::cache::{Cached, hash_of};
use crate::wire::reader::{Fault, Reader};
use crate::wire::throwable::{Throwable, check_count};
use crate::wire::writer::Writer;

/// A declared structure.
pub(crate) trait Structure: Fields {
    const ROW: StructureRow;
}

/// A list of fields, in wire order.
pub(crate) trait Fields: Sized {
    const ROWS: &'static [FieldRow];

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError>;
    fn read(r: &mut Reader<'_>) -> Result<Self, Fault>;
    fn get(&self, field: &str) -> Option<Value>;
    fn set(&mut self, field: &str, value: Value) -> Result<(), ValueError>;
}

/// One kind of field.
pub(crate) trait Field: Sized {
    const KIND: Kind;

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError>;
    fn read(r: &mut Reader<'_>) -> Result<Self, Fault>;

    fn write_cached<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        self.write(w)
    }

    fn read_cached(r: &mut Reader<'_>) -> Result<Self, Fault> {
        Self::read(r)
    }

    fn to_value(&self) -> Value;
    fn from_value(value: Value) -> Result<Self, ValueError>;
}

/// What can stand in an object field: one structure, or a family of them.
pub(crate) trait Nested: Sized + Clone + Into<Command> {
    const CLASS: &'static str;

    fn code(&self) -> u8;
    /// Java's `MarshallAware`: one more boolean in tight encoding, always false.
    fn is_marshall_aware(&self) -> bool {
        is_marshall_aware(self.code())
    }
    fn write_fields<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError>;
    fn read_fields(code: u8, r: &mut Reader<'_>) -> Result<Self, Fault>;

    fn to_cached(&self) -> Cached;
    fn from_cached(cached: &Cached) -> Option<Self>;
    fn is_cached(&self, cached: &Cached) -> bool;
    fn cache_hash(&self) -> u64;
    fn from_command(command: Command) -> Result<Self, ValueError>;
}

/// Messages and `WireFormatInfo`.
pub(crate) const fn is_marshall_aware(code: u8) -> bool {
    matches!(code, 1 | 23..=29)
}

#[cold]
pub(crate) fn within(fault: Fault, structure: &'static str, field: &'static str) -> Fault {
    Box::new((*fault).within(structure, field))
}

pub(crate) fn expect_code(
    code: u8,
    expected: u8,
    class: &'static str,
    r: &Reader<'_>,
) -> Result<(), Fault> {
    if code == expected { Ok(()) } else { Err(wrong_type(code, class, r)) }
}

#[cold]
pub(crate) fn wrong_type(code: u8, expected: &'static str, r: &Reader<'_>) -> Fault {
    let version = r.version;
    r.fault(match Command::row_of(code) {
        Some(row) if row.since <= version => {
            DecodeErrorKind::WrongType { expected, found: row.name }
        }
        Some(_) | None => DecodeErrorKind::UnknownType { code, version },
    })
}

impl Field for bool {
    const KIND: Kind = Kind::Boolean;

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        w.boolean(*self);
        Ok(())
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        r.boolean()
    }

    fn to_value(&self) -> Value {
        Value::Boolean(*self)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        if let Value::Boolean(value) = value { Ok(value) } else { Err(expected("a boolean")) }
    }
}

macro_rules! integer_field {
    ($type:ty, $kind:ident, $self:ident $w:ident $write:expr, $read:expr) => {
        impl Field for $type {
            const KIND: Kind = Kind::$kind;

            fn write<'c>(&'c $self, $w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
                $write;
                Ok(())
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
                $read(r)
            }

            fn to_value(&self) -> Value {
                Value::Integer(i64::from(*self))
            }

            fn from_value(value: Value) -> Result<Self, ValueError> {
                let Value::Integer(value) = value else { return Err(expected("an integer")) };
                Self::try_from(value).map_err(|_| expected("a smaller integer"))
            }
        }
    };
}

integer_field!(i8, Byte, self w w.byte(self.cast_unsigned()), |r: &mut Reader<'_>| r.byte().map(u8::cast_signed));
integer_field!(i32, Int, self w w.int(*self), Reader::int);
integer_field!(i64, Long, self w w.long(*self), Reader::long);

impl Field for [u8; 8] {
    const KIND: Kind = Kind::FixedBytes(8);

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        w.raw(self);
        Ok(())
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        r.array()
    }

    fn to_value(&self) -> Value {
        Value::Bytes(Bytes::copy_from_slice(self))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        let Value::Bytes(bytes) = value else { return Err(expected("bytes")) };
        Self::try_from(bytes.as_ref()).map_err(|_| expected("eight bytes"))
    }
}

impl Field for Option<Str> {
    const KIND: Kind = Kind::String;

    #[inline]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        w.string(self.as_ref())
    }

    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        r.string()
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::String)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| match value {
            Value::String(string) => Ok(string),
            _ => Err(expected("a string")),
        })
    }
}

impl Field for Option<Bytes> {
    const KIND: Kind = Kind::Bytes;

    #[inline]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        w.bytes(self.as_deref())
    }

    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        r.bytes()
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::Bytes)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| match value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(expected("bytes")),
        })
    }
}

impl Field for Option<Box<Throwable>> {
    const KIND: Kind = Kind::Throwable;

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        w.boolean(self.is_some());
        self.as_ref().map_or(Ok(()), |throwable| throwable.write(w))
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(if r.boolean()? { Some(Box::new(Throwable::read(r)?)) } else { None })
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::Throwable)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| match value {
            Value::Throwable(throwable) => Ok(throwable),
            _ => Err(expected("an exception")),
        })
    }
}

impl<T: Nested> Field for Option<T> {
    const KIND: Kind = Kind::Object(T::CLASS);

    #[inline]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        w.boolean(self.is_some());
        match self {
            Some(object) => write_object(object, w),
            None => Ok(()),
        }
    }

    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        if r.boolean()? { read_object(r).map(Some) } else { Ok(None) }
    }

    fn write_cached<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        if !w.has_cache() {
            return self.write(w);
        }
        match self {
            None if w.reference(None, |_| false) => Ok(()),
            None => w.introduce(hash_of(0, &0_u8), Cached::Null, |w| self.write(w)),
            Some(object) => {
                let hash = object.cache_hash();
                if w.reference(Some(hash), |cached| object.is_cached(cached)) {
                    return Ok(());
                }
                w.introduce(hash, object.to_cached(), |w| self.write(w))
            }
        }
    }

    fn read_cached(r: &mut Reader<'_>) -> Result<Self, Fault> {
        if !r.has_cache() {
            return Self::read(r);
        }
        if r.boolean()? {
            let index = r.short()?;
            return r.store(index, Self::read, |object| {
                object.as_ref().map_or(Cached::Null, T::to_cached)
            });
        }
        let index = r.short()?;
        let cached = r.cached(index)?;
        if matches!(cached, Cached::Null) {
            return Ok(None);
        }
        let object = T::from_cached(cached);
        if object.is_none() {
            let kind = DecodeErrorKind::WrongType { expected: T::CLASS, found: cached.class() };
            return Err(r.fault(kind));
        }
        Ok(object)
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, |object| Value::Object(Box::new(object.into())))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, object_from_value)
    }
}

fn write_object<'c, T: Nested>(object: &'c T, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
    w.descend()?;
    if object.is_marshall_aware() {
        w.tight_boolean(false);
    }
    let code = object.code();
    if let Some(row) = Command::row_of(code).filter(|row| row.since > w.version) {
        let kind = EncodeErrorKind::NotInVersion { since: row.since, version: w.version };
        return Err(EncodeError::new(kind).within(row.name, ""));
    }
    w.byte(code);
    object.write_fields(w)?;
    w.ascend();
    Ok(())
}

fn read_object<T: Nested>(r: &mut Reader<'_>) -> Result<T, Fault> {
    r.descend()?;
    let code = r.byte()?;
    if is_marshall_aware(code) && r.tight && r.boolean()? {
        return Err(r.fault(DecodeErrorKind::PreMarshalled));
    }
    let object = T::read_fields(code, r)?;
    r.ascend();
    Ok(object)
}

fn object_from_value<T: Nested>(value: Value) -> Result<T, ValueError> {
    match value {
        Value::Object(command) => T::from_command(*command),
        _ => Err(expected("an object")),
    }
}

impl<T: Nested> Field for Option<Vec<Option<T>>> {
    const KIND: Kind = Kind::ObjectArray(T::CLASS);

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), EncodeError> {
        w.boolean(self.is_some());
        let Some(array) = self else { return Ok(()) };
        check_count(array.len(), MAX_ARRAY).map_err(EncodeError::new)?;
        w.count(array.len())?;
        array.iter().try_for_each(|element| element.write(w))
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Fault> {
        if !r.boolean()? {
            return Ok(None);
        }
        let count = r.count()?;
        let mut array = Vec::with_capacity(r.capacity(count));
        for _ in 0..count {
            array.push(Field::read(r)?);
        }
        Ok(Some(array))
    }

    fn to_value(&self) -> Value {
        self.as_ref()
            .map_or(Value::Null, |array| Value::Array(array.iter().map(Field::to_value).collect()))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| match value {
            Value::Array(array) => array.into_iter().map(Field::from_value).collect(),
            _ => Err(expected("an array")),
        })
    }
}

fn optional<T>(
    value: Value,
    read: impl FnOnce(Value) -> Result<T, ValueError>,
) -> Result<Option<T>, ValueError> {
    if value == Value::Null { Ok(None) } else { read(value).map(Some) }
}

pub(crate) const fn expected(what: &'static str) -> ValueError {
    ValueError::new(what)
}

/// Stands in `Debug` where a secret would.
pub(crate) struct Hidden;

/// The one of it.
pub(crate) const HIDDEN: Hidden = Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}
