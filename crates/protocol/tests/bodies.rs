//! Bodies and properties held against those that Java wrote.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise, and JSON indexes to null"
)]

use bytes::Bytes;
use rewire_protocol::{
    Body, BodyKind, BytesReader, BytesWriter, Limits, Primitive, PrimitiveMap, Str, StreamReader,
    encode_text,
};
use serde_json::Value;

const VECTORS: &str = include_str!("data/openwire/vectors-public.jsonl");

/// A message as it was on the wire, and what it means.
struct Golden {
    name: String,
    kind: BodyKind,
    compressed: bool,
    content: Option<Bytes>,
    properties: Option<Bytes>,
    body: Body,
    property_values: Option<PrimitiveMap>,
}

#[test]
fn every_body_of_java_is_read_as_java_meant_it() {
    for golden in goldens() {
        let read = golden.decode();
        assert_eq!(read, golden.body, "{}", golden.name);
    }
}

#[test]
fn every_body_that_is_not_compressed_is_written_as_java_wrote_it() {
    for golden in goldens().into_iter().filter(|golden| !golden.compressed) {
        let (content, compressed) = golden.body.encode(false).unwrap();
        assert_eq!(content, golden.content, "{}", golden.name);
        assert!(!compressed, "{}", golden.name);
    }
}

#[test]
fn every_body_survives_compression() {
    for golden in goldens() {
        let (content, compressed) = golden.body.encode(true).unwrap();
        assert_eq!(compressed, content.is_some(), "{}", golden.name);
        let read = Body::decode(golden.kind, content.as_ref(), compressed, &Limits::DEFAULT);
        assert_eq!(read.unwrap(), golden.body, "{}", golden.name);
    }
}

#[test]
fn our_compressed_bodies_have_the_frame_of_javas() {
    let compressed = |body: Body| body.encode(true).unwrap().0.unwrap();
    let is_zlib = |bytes: &[u8]| {
        bytes.starts_with(&[0x78])
            && bytes.first_chunk().is_some_and(|head| u16::from_be_bytes(*head) % 31 == 0)
    };
    assert!(is_zlib(&compressed(Body::text("hello"))));
    let bytes = compressed(Body::Bytes(Bytes::from(vec![7; 5000])));
    assert_eq!(bytes.slice(..4), &5000i32.to_be_bytes()[..]);
    assert!(is_zlib(&bytes.slice(4..)));
}

#[test]
fn the_properties_of_java_are_read_and_written_back() {
    let with_properties: Vec<_> =
        goldens().into_iter().filter(|golden| golden.properties.is_some()).collect();
    assert!(with_properties.len() > 15);
    for golden in with_properties {
        let marshalled = golden.properties.unwrap();
        let values = golden.property_values.unwrap();
        let read = PrimitiveMap::decode(&marshalled, &Limits::DEFAULT).unwrap();
        assert_eq!(read, values, "{}", golden.name);
        assert_eq!(read.encode().unwrap(), marshalled, "{}", golden.name);
        for (name, value) in &values {
            let name = name.to_str();
            let found = PrimitiveMap::find(&marshalled, &name, &Limits::DEFAULT).unwrap();
            assert_eq!(found.as_ref(), Some(value), "{}", golden.name);
            assert_eq!(read.get(&name), Some(value), "{}", golden.name);
        }
        let missing = PrimitiveMap::find(&marshalled, "no such name", &Limits::DEFAULT);
        assert_eq!(missing.unwrap(), None);
    }
}

#[test]
fn the_handshakes_of_java_are_read_and_written_back() {
    let mut count = 0;
    for record in records("wireformat") {
        let marshalled = bytes(&record["fields"]["marshalledProperties"]).unwrap();
        let expected = map(&record["properties"]);
        let read = PrimitiveMap::decode_wire_format(&marshalled).unwrap();
        assert_eq!(read, expected, "{}", record["name"]);
        assert_eq!(read.encode().unwrap(), marshalled, "{}", record["name"]);
        count += 1;
    }
    assert!(count > 5);
}

#[test]
fn a_stream_is_read_value_by_value_as_at_once() {
    for golden in goldens() {
        let Body::Stream(values) = &golden.body else { continue };
        let plain = golden.body.encode(false).unwrap().0.unwrap();
        let mut reader = StreamReader::new(plain, Limits::DEFAULT);
        for value in values {
            assert_eq!(reader.read().unwrap(), *value);
        }
        assert!(reader.is_at_end());
    }
}

#[test]
fn typed_writes_are_javas_bytes() {
    let golden = goldens().into_iter().find(|golden| golden.name == "bytes-typed-writes").unwrap();
    let mut writer = BytesWriter::new();
    writer.write_boolean(true);
    writer.write_byte(-3);
    writer.write_short(-300);
    writer.write_char(0x20AC);
    writer.write_int(123_456_789);
    writer.write_long(i64::MIN);
    writer.write_float(1.5);
    writer.write_double(-2.25);
    writer.write_utf("utf ä\0🚀").unwrap();
    assert_eq!(Body::Bytes(writer.finish()), golden.body);

    let mut reader = BytesReader::new(golden.content.unwrap());
    assert!(reader.read_boolean().unwrap());
    assert_eq!(reader.read_byte(), Ok(-3));
    assert_eq!(reader.read_short(), Ok(-300));
    assert_eq!(reader.read_char(), Ok(0x20AC));
    assert_eq!(reader.read_int(), Ok(123_456_789));
    assert_eq!(reader.read_long(), Ok(i64::MIN));
    assert_eq!(reader.read_float(), Ok(1.5));
    assert_eq!(reader.read_double(), Ok(-2.25));
    assert_eq!(reader.read_utf().unwrap(), "utf ä\0🚀");
    assert_eq!(reader.remaining(), 0);
}

#[test]
fn text_written_directly_is_the_same_as_through_a_body() {
    for golden in goldens() {
        if let Body::Text(Some(text)) = &golden.body {
            let text = text.to_str();
            // What stands for a lone surrogate, which cannot be in a Rust string.
            if !text.contains(char::REPLACEMENT_CHARACTER) {
                let direct = encode_text(&text).unwrap();
                assert_eq!(Some(direct), golden.body.encode(false).unwrap().0, "{}", golden.name);
            }
        }
    }
}

#[test]
fn a_long_text_is_shared_with_the_content_it_was_read_from() {
    let content = encode_text(&"shared, not copied ".repeat(1000)).unwrap();
    let body = Body::decode(BodyKind::Text, Some(&content), false, &Limits::DEFAULT).unwrap();
    let Body::Text(Some(text)) = body else { panic!("a text body is read as text") };
    assert_eq!(text.as_wire().as_ptr(), content.slice(4..).as_ptr());
}

#[test]
fn every_prefix_of_a_body_is_refused_or_means_less() {
    for golden in goldens() {
        let Some(content) = golden.content.as_ref().filter(|content| content.len() < 3000) else {
            continue;
        };
        for len in 0..content.len() {
            let prefix = content.slice(..len);
            let read =
                Body::decode(golden.kind, Some(&prefix), golden.compressed, &Limits::DEFAULT);
            // Opaque bytes and values back to back have good prefixes; nothing else has.
            let may_pass = match golden.kind {
                BodyKind::Bytes | BodyKind::Object | BodyKind::Stream => {
                    !golden.compressed || len == 0
                }
                BodyKind::Message | BodyKind::Text | BodyKind::Map | BodyKind::Blob => false,
            };
            // A bytes message is whole before its zlib stream is.
            let is_whole = golden.kind == BodyKind::Bytes && read.as_ref() == Ok(&golden.body);
            assert!(read.is_err() || may_pass || is_whole, "{} cut to {len}", golden.name);
        }
    }
}

#[test]
fn every_prefix_of_properties_is_refused() {
    for golden in goldens() {
        let Some(marshalled) = golden.properties.filter(|bytes| bytes.len() < 3000) else {
            continue;
        };
        for len in 0..marshalled.len() {
            let prefix = marshalled.slice(..len);
            assert!(PrimitiveMap::decode(&prefix, &Limits::DEFAULT).is_err());
            assert!(PrimitiveMap::find(&prefix, "n0", &Limits::DEFAULT).is_err());
        }
    }
}

impl Golden {
    fn decode(&self) -> Body {
        Body::decode(self.kind, self.content.as_ref(), self.compressed, &Limits::DEFAULT)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

fn goldens() -> Vec<Golden> {
    let goldens: Vec<_> = records("body")
        .map(|record| {
            let fields = &record["fields"];
            let body = body(&record["body"]);
            Golden {
                name: record["name"].as_str().unwrap().to_owned(),
                kind: body.kind(),
                compressed: fields["compressed"].as_bool().unwrap(),
                content: bytes(&fields["content"]),
                properties: bytes(&fields["marshalledProperties"]),
                body,
                property_values: (!record["properties"].is_null())
                    .then(|| map(&record["properties"])),
            }
        })
        .collect();
    assert_eq!(goldens.len(), 73);
    goldens
}

fn records(kind: &str) -> impl Iterator<Item = Value> {
    VECTORS
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(move |record| record["kind"] == kind)
}

fn body(value: &Value) -> Body {
    match value["kind"].as_str().unwrap() {
        "message" => Body::Message,
        "blob" => Body::Blob,
        "text" => Body::Text(Some(string(&value["text"]))),
        "bytes" => Body::Bytes(bytes(&value["bytes"]).unwrap()),
        "object" => Body::Object(bytes(&value["java_serialized"])),
        "map" if value["empty"] == true => Body::Map(PrimitiveMap::new()),
        "map" => Body::Map(map(&value["map"])),
        "stream" => Body::Stream(list(&value["items"])),
        kind => panic!("a body of kind {kind}"),
    }
}

fn map(value: &Value) -> PrimitiveMap {
    let entries = value.as_array().unwrap().iter();
    entries.map(|entry| (string(&entry[0]), primitive(&entry[1]))).collect()
}

fn list(value: &Value) -> Vec<Primitive> {
    value.as_array().unwrap().iter().map(primitive).collect()
}

fn primitive(value: &Value) -> Primitive {
    let v = &value["v"];
    let integer = || v.as_i64().unwrap();
    let bits = || u64::from_str_radix(value["bits"].as_str().unwrap(), 16).unwrap();
    match value["t"].as_str().unwrap() {
        "null" => Primitive::Null,
        "boolean" => Primitive::Boolean(v.as_bool().unwrap()),
        "byte" => Primitive::Byte(integer().try_into().unwrap()),
        "char" => Primitive::Char(integer().try_into().unwrap()),
        "short" => Primitive::Short(integer().try_into().unwrap()),
        "int" => Primitive::Int(integer().try_into().unwrap()),
        "long" => Primitive::Long(integer()),
        "double" => Primitive::Double(f64::from_bits(bits())),
        "float" => Primitive::Float(f32::from_bits(bits().try_into().unwrap())),
        "string" | "bigstring" => Primitive::String(string(v)),
        "bytes" => Primitive::Bytes(bytes(v).unwrap()),
        "map" => Primitive::Map(map(v)),
        "list" => Primitive::List(list(v)),
        tag => panic!("a primitive of type {tag}"),
    }
}

fn string(value: &Value) -> Str {
    if let Some(text) = value.as_str() {
        return text.into();
    }
    if let Some(units) = value["$utf16"].as_str() {
        let bytes = unhex(units);
        let units: Vec<u16> =
            bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
        return Str::from_utf16(&units);
    }
    let count = value["$repeat"][1].as_u64().unwrap().try_into().unwrap();
    value["$repeat"][0].as_str().unwrap().repeat(count).into()
}

fn bytes(value: &Value) -> Option<Bytes> {
    if value.is_null() {
        return None;
    }
    if let Some(hex) = value["$hex"].as_str() {
        return Some(unhex(hex).into());
    }
    let segments = value["$segments"].as_array().unwrap().iter();
    let repeated = segments.flat_map(|segment| {
        let count = segment[1].as_u64().unwrap().try_into().unwrap();
        unhex(segment[0].as_str().unwrap()).repeat(count)
    });
    Some(repeated.collect())
}

fn unhex(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().as_chunks::<2>().0.iter();
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
