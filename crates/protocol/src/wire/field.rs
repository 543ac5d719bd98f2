//! The kinds of fields the wire language has, one `impl` each: how it is written, read and walked.

use std::fmt;

use bytes::Bytes;

use crate::command::Command;
use crate::error::{DecodeErrorKind, EncodeError, EncodeErrorKind};
use crate::schema::{FieldRow, Kind, StructureRow};
use crate::string::Str;
use crate::value::{Value, ValueError};
use crate::wire::cache::{Cached, Hint};
use crate::wire::reader::{Fault, Reader};
use crate::wire::throwable::Throwable;
use crate::wire::writer::{Found, Refusal, Writer};

/// A declared structure.
pub(crate) trait Structure: Fields {
    const ROW: StructureRow;
}

/// A list of fields, in wire order.
pub(crate) trait Fields: Sized {
    const ROWS: &'static [FieldRow];

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal>;
    /// Reads into a value that is still blank: a large structure is not moved around.
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault>;
    fn get(&self, field: &str) -> Option<Value>;
    fn set(&mut self, field: &str, value: Value) -> Result<(), ValueError>;
}

/// One kind of field.
pub(crate) trait Field: Sized {
    const KIND: Kind;

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal>;
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault>;

    fn write_cached<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        self.write(w)
    }

    fn read_cached(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        self.read(r)
    }

    fn to_value(&self) -> Value;
    fn from_value(value: Value) -> Result<Self, ValueError>;
}

/// What can stand in an object field: one structure, or a family of them.
pub(crate) trait Nested: Sized + Clone + Into<Command> {
    const CLASS: &'static str;
    /// Bytes it takes up in a box of its own, at most.
    const BOXED: usize = 0;

    fn code(&self) -> u8;
    /// The first version that has it.
    fn since(&self) -> u8;
    fn write_fields<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal>;
    /// One with this code, its fields still to be read; `None` for a code of another class.
    fn blank(code: u8) -> Option<Self>;
    fn read_fields(&mut self, r: &mut Reader<'_>) -> Result<(), Fault>;

    fn to_cached(&self) -> Cached;
    /// Puts what stands in a slot in its place; false when it is of another class, or null.
    fn load_cached(place: &mut Option<Self>, cached: &Cached) -> bool;
    fn is_cached(&self, cached: &Cached) -> bool;
    fn cache_hash(&self) -> u64;
    fn cache_hint(&self) -> Hint;
    fn from_command(command: Command) -> Result<Self, ValueError>;
}

/// Java's `MarshallAware`, messages and `WireFormatInfo`: one more boolean in tight encoding, always false.
pub(crate) const fn is_marshall_aware(code: u8) -> bool {
    matches!(code, 1 | 23..=29)
}

/// Adds the place to a fault, unless a place further in has been named already.
#[cold]
pub(crate) fn within(mut fault: Fault, structure: &'static str, field: &'static str) -> Fault {
    if fault.structure.is_empty() {
        (fault.structure, fault.field) = (structure, field);
    }
    fault
}

/// The same for what cannot be written.
#[cold]
pub(crate) fn refused_within(
    mut refusal: Refusal,
    structure: &'static str,
    field: &'static str,
) -> Refusal {
    if refusal.structure.is_empty() {
        (refusal.structure, refusal.field) = (structure, field);
    }
    refusal
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

    #[inline(always)]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        w.boolean(*self);
        Ok(())
    }

    #[inline(always)]
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        *self = r.boolean()?;
        Ok(())
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

            #[inline(always)]
            fn write<'c>(&'c $self, $w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
                $write;
                Ok(())
            }

            #[inline(always)]
            fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
                *self = $read(r)?;
                Ok(())
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

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        w.raw(self);
        Ok(())
    }

    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        *self = r.array()?;
        Ok(())
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

    #[inline(always)]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        w.string(self.as_ref())
    }

    #[inline(always)]
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        r.string(self)
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::String)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| {
            if let Value::String(string) = value { Ok(string) } else { Err(expected("a string")) }
        })
    }
}

impl Field for Option<Bytes> {
    const KIND: Kind = Kind::Bytes;

    #[inline(always)]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        w.bytes(self.as_deref())
    }

    #[inline(always)]
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        r.bytes(self)
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::Bytes)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| {
            if let Value::Bytes(bytes) = value { Ok(bytes) } else { Err(expected("bytes")) }
        })
    }
}

impl Field for Option<Box<Throwable>> {
    const KIND: Kind = Kind::Throwable;

    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        w.boolean(self.is_some());
        self.as_ref().map_or(Ok(()), |throwable| throwable.write(w))
    }

    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        if r.boolean()? {
            *self = Some(Box::new(Throwable::read(r)?));
        }
        Ok(())
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, Value::Throwable)
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| {
            if let Value::Throwable(throwable) = value {
                Ok(throwable)
            } else {
                Err(expected("an exception"))
            }
        })
    }
}

impl<T: Nested> Field for Option<T> {
    const KIND: Kind = Kind::Object(T::CLASS);

    #[inline(always)]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        w.boolean(self.is_some());
        match self {
            Some(object) => write_object(object, w),
            None => Ok(()),
        }
    }

    #[inline(always)]
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        if r.boolean()? { read_object(self, r) } else { Ok(()) }
    }

    #[inline]
    fn write_cached<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        if !w.has_cache() {
            return self.write(w);
        }
        let found = match self {
            None => w.reference_to_null(),
            Some(object) => w.reference_to(object),
        };
        match (found, self) {
            (Found::Written, _) => Ok(()),
            (Found::New(hash), None) => w.introduce(hash, Cached::Null, |w| self.write(w)),
            (Found::New(hash), Some(object)) => {
                w.introduce(hash, object.to_cached().detached(), |w| self.write(w))
            }
        }
    }

    #[inline]
    fn read_cached(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        if !r.has_cache() {
            return self.read(r);
        }
        if r.boolean()? {
            return r.store(self, Self::read, |object| {
                object.as_ref().map_or(Cached::Null, T::to_cached)
            });
        }
        let index = r.short()?;
        let cached = r.cached(index)?;
        if !T::load_cached(self, cached) && !matches!(cached, Cached::Null) {
            let kind = DecodeErrorKind::WrongType { expected: T::CLASS, found: cached.class() };
            return Err(r.fault(kind));
        }
        Ok(())
    }

    fn to_value(&self) -> Value {
        self.clone().map_or(Value::Null, |object| Value::Object(Box::new(object.into())))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, object_from_value)
    }
}

fn write_object<'c, T: Nested>(object: &'c T, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
    w.descend()?;
    let code = object.code();
    if is_marshall_aware(code) {
        w.tight_boolean(false);
    }
    if object.since() > w.version {
        return Err(not_in_version(code, object.since(), w.version));
    }
    w.byte(code);
    object.write_fields(w)?;
    w.ascend();
    Ok(())
}

#[cold]
pub(crate) fn not_in_version(code: u8, since: u8, version: u8) -> Refusal {
    let error = EncodeError::new(EncodeErrorKind::NotInVersion { since, version });
    Box::new(error.within(Command::row_of(code).map_or("", |row| row.name), ""))
}

fn read_object<T: Nested>(object: &mut Option<T>, r: &mut Reader<'_>) -> Result<(), Fault> {
    r.descend()?;
    if T::BOXED > 0 {
        r.spend(T::BOXED)?;
    }
    let code = r.byte()?;
    if is_marshall_aware(code) && r.tight && r.boolean()? {
        return Err(r.fault(DecodeErrorKind::PreMarshalled));
    }
    let Some(blank) = T::blank(code) else { return Err(wrong_type(code, T::CLASS, r)) };
    let blank = object.insert(blank);
    if blank.since() > r.version {
        return Err(wrong_type(code, T::CLASS, r));
    }
    blank.read_fields(r)?;
    r.ascend();
    Ok(())
}

fn object_from_value<T: Nested>(value: Value) -> Result<T, ValueError> {
    let Value::Object(command) = value else { return Err(expected("an object")) };
    T::from_command(*command)
}

impl<T: Nested> Field for Option<Vec<Option<T>>> {
    const KIND: Kind = Kind::ObjectArray(T::CLASS);

    #[inline(always)]
    fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        w.boolean(self.is_some());
        match self {
            Some(array) => write_array(array, w),
            None => Ok(()),
        }
    }

    #[inline(always)]
    fn read(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        if r.boolean()? {
            *self = Some(read_array(r)?);
        }
        Ok(())
    }

    fn to_value(&self) -> Value {
        self.as_ref()
            .map_or(Value::Null, |array| Value::Array(array.iter().map(Field::to_value).collect()))
    }

    fn from_value(value: Value) -> Result<Self, ValueError> {
        optional(value, |value| {
            let Value::Array(array) = value else { return Err(expected("an array")) };
            array.into_iter().map(Field::from_value).collect()
        })
    }
}

fn write_array<'c, T: Nested>(
    array: &'c [Option<T>],
    w: &mut Writer<'_, 'c>,
) -> Result<(), Refusal> {
    w.count(array.len())?;
    array.iter().try_for_each(|element| element.write(w))
}

fn read_array<T: Nested>(r: &mut Reader<'_>) -> Result<Vec<Option<T>>, Fault> {
    let mut array = Vec::new();
    for to_come in (1..=r.count::<Option<T>>()?).rev() {
        Reader::make_room(&mut array, to_come);
        let mut element = None;
        Field::read(&mut element, r)?;
        array.push(element);
    }
    Ok(array)
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
