//! Bodies, properties and negotiation: what a record says beyond the bytes of its frame.

use bytes::Bytes;
use rewire_protocol::{
    Body, Command, Limits, Message, Primitive, PrimitiveMap, Str, WireFormatInfo, WireFormatOffer,
};
use serde_json::Value as Json;

use super::fields;

/// The body and the properties of a message, read from the bytes and, where the bytes are not
/// deflate's choice, written again.
pub fn body(record: &Json) -> Result<(), String> {
    let version = record["version"].as_u64().and_then(|v| u8::try_from(v).ok()).ok_or("version")?;
    let Command::Message(message) = fields::command(&record["fields"], version)? else {
        return Err("not a message".to_owned());
    };
    let body = message.body(&Limits::DEFAULT).map_err(|error| error.to_string())?;
    let expected = &record["body"];
    compare_body(&body, expected)?;
    check_encoding(&message, &body)?;
    check_properties(&message, &record["properties"])
}

fn compare_body(body: &Body, expected: &Json) -> Result<(), String> {
    let differs = |expected: &dyn std::fmt::Debug| format!("body {body:?}, expected {expected:?}");
    match (body, expected["kind"].as_str().unwrap_or_default()) {
        (Body::Text(text), "text") => {
            let json = &expected["text"];
            let expected = if json.is_null() { None } else { Some(fields::string(json)?) };
            if *text == expected { Ok(()) } else { Err(differs(&expected)) }
        }
        (Body::Bytes(bytes), "bytes") => {
            let expected = fields::bytes(&expected["bytes"])?;
            if *bytes == expected { Ok(()) } else { Err(differs(&expected)) }
        }
        (Body::Map(map), "map") => {
            let entries = match expected["map"].as_array() {
                Some(entries) => entries.as_slice(),
                None => &[],
            };
            compare_map(map, entries)
        }
        (Body::Stream(items), "stream") => {
            let expected: Vec<Primitive> = expected["items"]
                .as_array()
                .ok_or("no items")?
                .iter()
                .map(primitive)
                .collect::<Result<_, _>>()?;
            if *items == expected { Ok(()) } else { Err(differs(&expected)) }
        }
        (Body::Object(object), "object") => {
            let expected = fields::bytes(&expected["java_serialized"])?;
            if object.as_ref() == Some(&expected) { Ok(()) } else { Err(differs(&expected)) }
        }
        (Body::Message | Body::Blob, _) => Ok(()),
        (_, kind) => Err(differs(&kind)),
    }
}

fn compare_map(map: &PrimitiveMap, expected: &[Json]) -> Result<(), String> {
    let expected = entries(expected)?;
    let found: Vec<_> = map.iter().cloned().collect();
    if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}")) }
}

/// What is not compressed is written as Java wrote it; what is, reads back the same.
fn check_encoding(message: &Message, body: &Body) -> Result<(), String> {
    let mut written = message.clone();
    written.set_body(body, message.compressed).map_err(|error| error.to_string())?;
    if message.compressed {
        let read = written.body(&Limits::DEFAULT).map_err(|error| error.to_string())?;
        if read != *body {
            return Err(format!("compressed and inflated again: {read:?}, was {body:?}"));
        }
    } else if written.content != message.content {
        let (found, expected) = (written.content, &message.content);
        return Err(format!("content {found:02x?}, expected {expected:02x?}"));
    }
    Ok(())
}

fn check_properties(message: &Message, expected: &Json) -> Result<(), String> {
    let properties = message.properties(&Limits::DEFAULT).map_err(|error| error.to_string())?;
    compare_map(&properties, expected.as_array().map_or(&[], Vec::as_slice))?;
    for (name, value) in properties.iter() {
        let found = message.property(&name.to_str(), &Limits::DEFAULT);
        // A name with a lone surrogate has no Rust string to ask by.
        if Str::from(&*name.to_str()) == *name && found != Ok(Some(value.clone())) {
            return Err(format!("property {name}: {found:?}, expected {value:?}"));
        }
    }
    if let Some(bytes) = &message.marshalled_properties {
        let written = properties.encode().map_err(|error| error.to_string())?;
        if written != *bytes {
            return Err(format!("properties {written:02x?}, expected {bytes:02x?}"));
        }
    }
    Ok(())
}

/// The properties of a `WireFormatInfo`, and the introduction read from them and written again.
pub fn wire_format_info(record: &Json) -> Result<(), String> {
    let version = record["version"].as_u64().and_then(|v| u8::try_from(v).ok()).ok_or("version")?;
    let Command::WireFormatInfo(info) = fields::command(&record["fields"], version)? else {
        return Err("not a WireFormatInfo".to_owned());
    };
    let bytes = info.marshalled_properties.as_ref().ok_or("no properties")?;
    let map = PrimitiveMap::decode_wire_format(bytes).map_err(|error| error.to_string())?;
    compare_map(&map, record["properties"].as_array().ok_or("no properties")?)?;
    let offer = WireFormatOffer::from_info(&info).map_err(|error| error.to_string())?;
    let written = offer.to_info().map_err(|error| error.to_string())?;
    let read = WireFormatOffer::from_info(&written).map_err(|error| error.to_string())?;
    if read == offer { Ok(()) } else { Err(format!("{read:?} was {offer:?}")) }
}

/// What comes of two introductions.
pub fn negotiation(record: &Json) -> Result<(), String> {
    let format = offer(&record["local"])?.negotiate(&offer(&record["remote"])?);
    let found = serde_json::json!({
        "version": format.version,
        "cacheEnabled": format.cache_slots.is_some(),
        "cacheSlots": format.cache_slots,
        "tightEncodingEnabled": format.tight,
        "sizePrefixDisabled": !format.size_prefix,
        "stackTraceEnabled": format.stack_trace,
        "tcpNoDelayEnabled": format.tcp_no_delay,
        "maxFrameSize": format.max_frame_size,
    });
    let expected = &record["result"];
    if found == *expected { Ok(()) } else { Err(format!("{found}, expected {expected}")) }
}

fn offer(json: &Json) -> Result<WireFormatOffer, String> {
    let properties = entries(json["properties"].as_array().ok_or("no properties")?)?;
    let marshalled: Bytes =
        PrimitiveMap::from_iter(properties).encode().map_err(|error| error.to_string())?;
    let version = json["version"].as_i64().and_then(|v| i32::try_from(v).ok()).ok_or("version")?;
    let info = WireFormatInfo {
        magic: WireFormatInfo::MAGIC,
        version,
        marshalled_properties: Some(marshalled),
    };
    WireFormatOffer::from_info(&info).map_err(|error| error.to_string())
}

fn entries(json: &[Json]) -> Result<Vec<(Str, Primitive)>, String> {
    json.iter().map(|entry| Ok((fields::string(&entry[0])?, primitive(&entry[1])?))).collect()
}

/// A value of `{"t": type, "v": value}`, or with `"bits"` for floating point numbers.
fn primitive(json: &Json) -> Result<Primitive, String> {
    let wrong = || format!("not a primitive value: {json}");
    let value = &json["v"];
    let integer = || value.as_i64().ok_or_else(wrong);
    let bits = || {
        let digits = json["bits"].as_str().ok_or_else(wrong)?;
        u64::from_str_radix(digits, 16).map_err(|_| wrong())
    };
    let narrow = |error: std::num::TryFromIntError| error.to_string();
    Ok(match json["t"].as_str().ok_or_else(wrong)? {
        "null" => Primitive::Null,
        "boolean" => Primitive::Boolean(value.as_bool().ok_or_else(wrong)?),
        "byte" => Primitive::Byte(integer()?.try_into().map_err(narrow)?),
        "char" => Primitive::Char(integer()?.try_into().map_err(narrow)?),
        "short" => Primitive::Short(integer()?.try_into().map_err(narrow)?),
        "int" => Primitive::Int(integer()?.try_into().map_err(narrow)?),
        "long" => Primitive::Long(integer()?),
        "double" => Primitive::Double(f64::from_bits(bits()?)),
        "float" => Primitive::Float(f32::from_bits(bits()?.try_into().map_err(narrow)?)),
        "string" | "bigstring" => Primitive::String(fields::string(value)?),
        "bytes" => Primitive::Bytes(fields::bytes(value)?),
        "map" => {
            Primitive::Map(PrimitiveMap::from_iter(entries(value.as_array().ok_or_else(wrong)?)?))
        }
        "list" => {
            let elements = value.as_array().ok_or_else(wrong)?.iter().map(primitive);
            Primitive::List(elements.collect::<Result<_, _>>()?)
        }
        other => return Err(format!("no primitive type {other:?}")),
    })
}
