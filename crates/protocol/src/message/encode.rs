//! Writes primitive values and maps as Java writes them.

use super::map::PrimitiveMap;
use super::primitive::{Primitive, Tag};
use crate::error::{EncodeError, EncodeErrorKind};
use crate::limits::{Limits, MAX_LOOSE_STRING};
use crate::string::Str;

/// Java: `MarshallingSupport.marshalString` writes strings of this many UTF-16 units as big ones.
const BIG_STRING_UNITS: usize = 8191;
/// Java's reader goes no deeper.
const MAX_NESTING: usize = Limits::DEFAULT.max_nesting;

pub(super) fn put_map(
    out: &mut Vec<u8>,
    map: &PrimitiveMap,
    depth: usize,
) -> Result<(), EncodeError> {
    enter(depth)?;
    put_count(out, map.len())?;
    for (key, value) in map {
        put_short_string(out, key.as_wire())?;
        put_value(out, value, depth)?;
    }
    Ok(())
}

/// One value inside of `depth` maps or lists.
pub(super) fn put_value(
    out: &mut Vec<u8>,
    value: &Primitive,
    depth: usize,
) -> Result<(), EncodeError> {
    match value {
        Primitive::Null => put_tag(out, Tag::Null),
        Primitive::Boolean(value) => put_fixed(out, Tag::Boolean, [u8::from(*value)]),
        Primitive::Byte(value) => put_fixed(out, Tag::Byte, value.to_be_bytes()),
        Primitive::Char(value) => put_fixed(out, Tag::Char, value.to_be_bytes()),
        Primitive::Short(value) => put_fixed(out, Tag::Short, value.to_be_bytes()),
        Primitive::Int(value) => put_fixed(out, Tag::Int, value.to_be_bytes()),
        Primitive::Long(value) => put_fixed(out, Tag::Long, value.to_be_bytes()),
        Primitive::Double(value) => put_fixed(out, Tag::Double, value.to_be_bytes()),
        Primitive::Float(value) => put_fixed(out, Tag::Float, value.to_be_bytes()),
        Primitive::String(value) if is_big(value) => {
            put_tag(out, Tag::BigString);
            put_length(out, value.as_wire().len())?;
            out.extend_from_slice(value.as_wire());
        }
        Primitive::String(value) => {
            put_tag(out, Tag::String);
            put_short_string(out, value.as_wire())?;
        }
        Primitive::Bytes(value) => {
            put_tag(out, Tag::Bytes);
            put_length(out, value.len())?;
            out.extend_from_slice(value);
        }
        Primitive::Map(map) => {
            put_tag(out, Tag::Map);
            put_map(out, map, depth + 1)?;
        }
        Primitive::List(list) => {
            enter(depth + 1)?;
            put_tag(out, Tag::List);
            put_count(out, list.len())?;
            for value in list {
                put_value(out, value, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// A length of two bytes and a string.
pub(super) fn put_short_string(out: &mut Vec<u8>, wire: &[u8]) -> Result<(), EncodeError> {
    let len = u16::try_from(wire.len()).map_err(|_| {
        let len = wire.len();
        EncodeError::new(EncodeErrorKind::StringTooLong { len, limit: MAX_LOOSE_STRING })
    })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(wire);
    Ok(())
}

/// The length of a string or byte array, in four bytes.
pub(super) fn put_length(out: &mut Vec<u8>, len: usize) -> Result<(), EncodeError> {
    out.extend_from_slice(&length(len)?);
    Ok(())
}

/// The length of a string or byte array, as four bytes.
pub(super) fn length(len: usize) -> Result<[u8; 4], EncodeError> {
    let limit = i32::MAX as usize;
    i32::try_from(len)
        .map(i32::to_be_bytes)
        .map_err(|_| EncodeError::new(EncodeErrorKind::StringTooLong { len, limit }))
}

fn put_count(out: &mut Vec<u8>, len: usize) -> Result<(), EncodeError> {
    let limit = i32::MAX as usize;
    let count = i32::try_from(len)
        .map_err(|_| EncodeError::new(EncodeErrorKind::TooManyElements { len, limit }))?;
    out.extend_from_slice(&count.to_be_bytes());
    Ok(())
}

fn put_tag(out: &mut Vec<u8>, tag: Tag) {
    out.push(tag as u8);
}

fn put_fixed<const N: usize>(out: &mut Vec<u8>, tag: Tag, bytes: [u8; N]) {
    put_tag(out, tag);
    out.extend_from_slice(&bytes);
}

const fn enter(depth: usize) -> Result<(), EncodeError> {
    if depth > MAX_NESTING {
        return Err(EncodeError::new(EncodeErrorKind::TooDeep { limit: MAX_NESTING }));
    }
    Ok(())
}

fn is_big(string: &Str) -> bool {
    let wire = string.as_wire();
    // Every UTF-16 unit has one byte that does not continue another, and three bytes at most.
    wire.len() >= BIG_STRING_UNITS
        && wire.iter().filter(|byte| **byte & 0xC0 != 0x80).count() >= BIG_STRING_UNITS
}
