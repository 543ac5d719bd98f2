//! From the JSON of a record's fields to commands.

use bytes::Bytes;
use rewire_protocol::{Command, Kind, StackElement, Str, Throwable, Value};
use serde_json::Value as Json;

/// The command that a record's fields describe; they must be exactly those of the version.
pub(crate) fn command(json: &Json, version: u8) -> Result<Command, String> {
    let object = json.as_object().ok_or_else(|| format!("not an object: {json}"))?;
    let class = json["@type"].as_str().ok_or("no @type")?;
    let mut command = Command::named(class).ok_or_else(|| format!("no structure {class}"))?;
    let rows: Vec<_> = command.row().fields().filter(|row| row.is_in(version)).collect();
    if object.len() != rows.len() + 1 {
        return Err(format!("{class} has {} fields, not {}", rows.len(), object.len() - 1));
    }
    for row in rows {
        let java = row.java_name();
        let json = object.get(&java).ok_or_else(|| format!("no field {class}.{java}"))?;
        let value =
            value(json, row.kind, version).map_err(|problem| format!("{java}: {problem}"))?;
        command.set(row.name, value).map_err(|problem| format!("{java}: {problem}"))?;
    }
    Ok(command)
}

fn value(json: &Json, kind: Kind, version: u8) -> Result<Value, String> {
    if json.is_null() {
        return Ok(Value::Null);
    }
    let wrong = || format!("not a {kind:?}: {json}");
    Ok(match kind {
        Kind::Boolean => Value::Boolean(json.as_bool().ok_or_else(wrong)?),
        Kind::Byte | Kind::Int | Kind::Long => Value::Integer(json.as_i64().ok_or_else(wrong)?),
        Kind::String => Value::String(string(json)?),
        Kind::Bytes | Kind::FixedBytes(_) => Value::Bytes(bytes(json)?),
        Kind::Object(_) => Value::Object(Box::new(command(json, version)?)),
        Kind::ObjectArray(_) => match json["$nulls"].as_u64() {
            Some(nulls) => Value::Array(vec![Value::Null; usize::try_from(nulls).unwrap_or(0)]),
            None => {
                let elements = json.as_array().ok_or_else(wrong)?;
                let element = |json| value(json, Kind::Object(""), version);
                Value::Array(elements.iter().map(element).collect::<Result<_, _>>()?)
            }
        },
        Kind::Throwable => Value::Throwable(Box::new(throwable(json)?)),
    })
}

/// A string, `{"$utf16": hex}` or `{"$repeat": [unit, n]}`.
pub(crate) fn string(json: &Json) -> Result<Str, String> {
    if let Some(text) = json.as_str() {
        return Ok(Str::from(text));
    }
    if let Some(units) = json["$utf16"].as_str() {
        let bytes = hex(units)?;
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
        return Ok(Str::from_utf16(&units));
    }
    match json["$repeat"].as_array().map(Vec::as_slice) {
        Some([unit, times]) => {
            let unit = unit.as_str().ok_or("no unit to repeat")?;
            Ok(unit.repeat(times.as_u64().map_or(0, |n| n as usize)).into())
        }
        Some(_) | None => Err(format!("not a string: {json}")),
    }
}

/// `{"$hex": hex}` or `{"$segments": [[hex, n], ...]}`.
pub(crate) fn bytes(json: &Json) -> Result<Bytes, String> {
    match json["$hex"].as_str() {
        Some(digits) => hex(digits).map(Bytes::from),
        None => segments(&json["$segments"]).map(Bytes::from),
    }
}

fn throwable(json: &Json) -> Result<Throwable, String> {
    let optional = |json: &Json| if json.is_null() { Ok(None) } else { string(json).map(Some) };
    let mut throwable = Throwable {
        class: string(&json["class"])?,
        message: optional(&json["message"])?,
        ..Throwable::default()
    };
    for element in json["stack"].as_array().into_iter().flatten() {
        throwable.stack.push(StackElement {
            class: string(&element[0])?,
            method: string(&element[1])?,
            file: optional(&element[2])?,
            line: element[3].as_i64().and_then(|line| i32::try_from(line).ok()).ok_or("no line")?,
        });
    }
    if let Some(cause) = json.get("cause").filter(|cause| !cause.is_null()) {
        throwable.cause = Some(Box::new(self::throwable(cause)?));
    }
    Ok(throwable)
}

/// Bytes from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Result<Vec<u8>, String> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect::<Option<_>>().ok_or_else(|| "bad hex".into())
}

/// Bytes from `[[hex, n], ...]`: each hex repeated n times.
pub(crate) fn segments(json: &Json) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    for segment in json.as_array().ok_or("no bytes")? {
        let unit = hex(segment[0].as_str().ok_or("no hex")?)?;
        let times = segment[1].as_u64().ok_or("no count")?;
        for _ in 0..times {
            all.extend_from_slice(&unit);
        }
    }
    Ok(all)
}
