//! Values put into bodies and properties come out again, as themselves or as what JMS converts them to.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use proptest::prelude::*;
use rewire_protocol::{
    Body, BytesReader, BytesWriter, ConversionError, DecodeErrorKind, Limits, Primitive,
    PrimitiveMap, Str, StreamError, StreamReader,
};

/// Every type with a value, and the types it reads as: boolean, byte, short, char, int, long, float,
/// double, string, byte array.
fn table() -> Vec<(Primitive, &'static str)> {
    vec![
        (Primitive::Boolean(true), "x.......x."),
        (Primitive::Byte(1), ".xx.xx..x."),
        (Primitive::Short(1), "..x.xx..x."),
        (Primitive::Char(49), "...x....x."),
        (Primitive::Int(1), "....xx..x."),
        (Primitive::Long(1), ".....x..x."),
        (Primitive::Float(1.0), "......xxx."),
        (Primitive::Double(1.0), ".......xx."),
        (Primitive::from("1"), "xxx.xxxxx."),
        (Primitive::Bytes(Bytes::from_static(b"1")), ".........x"),
        (Primitive::Map(PrimitiveMap::new()), ".........."),
        (Primitive::List(vec![]), ".........."),
        (Primitive::Null, "x.......xx"),
    ]
}

#[test]
fn values_convert_as_the_table_of_jms_says() {
    for (value, expected) in table() {
        let converts = [
            value.as_boolean().is_ok(),
            value.as_byte().is_ok(),
            value.as_short().is_ok(),
            value.as_char().is_ok(),
            value.as_int().is_ok(),
            value.as_long().is_ok(),
            value.as_float().is_ok(),
            value.as_double().is_ok(),
            value.as_string().is_ok(),
            value.as_bytes().is_ok(),
        ];
        let found: String = converts.map(|ok| if ok { 'x' } else { '.' }).iter().collect();
        assert_eq!(found, expected, "{value:?}");
    }
}

#[test]
fn a_stream_converts_as_the_table_says_and_stays_where_it_was_otherwise() {
    for (value, expected) in table() {
        if matches!(value, Primitive::Map(_) | Primitive::List(_)) {
            continue;
        }
        let content = Body::Stream(vec![value.clone()]).encode(false).unwrap().0.unwrap();
        let mut reader = StreamReader::new(content, Limits::DEFAULT);
        let mut found = String::new();
        type Read = fn(&mut StreamReader) -> Result<(), StreamError>;
        let reads: [Read; 10] = [
            |reader| reader.read_boolean().map(drop),
            |reader| reader.read_byte().map(drop),
            |reader| reader.read_short().map(drop),
            |reader| reader.read_char().map(drop),
            |reader| reader.read_int().map(drop),
            |reader| reader.read_long().map(drop),
            |reader| reader.read_float().map(drop),
            |reader| reader.read_double().map(drop),
            |reader| reader.read_string().map(drop),
            |reader| reader.read_bytes().map(drop),
        ];
        for read in reads {
            let converted = read(&mut reader);
            assert_eq!(reader.is_at_end(), converted.is_ok());
            found.push(if converted.is_ok() { 'x' } else { '.' });
            reader.reset();
        }
        assert_eq!(found, expected, "{value:?}");
    }
}

#[test]
fn numbers_keep_their_value_when_they_widen() {
    assert_eq!(Primitive::Byte(-128).as_long(), Ok(-128));
    assert_eq!(Primitive::Short(-2).as_int(), Ok(-2));
    assert_eq!(Primitive::Float(0.1).as_double(), Ok(f64::from(0.1f32)));
}

#[test]
fn conversions_that_fail_say_why() {
    assert_eq!(
        Primitive::Long(1).as_int(),
        Err(ConversionError::Type { found: "long", wanted: "int" })
    );
    assert_eq!(Primitive::Null.as_int(), Err(ConversionError::Null { wanted: "int" }));
    assert_eq!(Primitive::from("128").as_byte(), Err(ConversionError::Text { wanted: "byte" }));
    assert_eq!(
        Primitive::Long(1).as_int().unwrap_err().to_string(),
        "a value of type long cannot be read as int"
    );
}

#[test]
fn texts_are_read_as_numbers_as_java_reads_them() {
    let byte = |text: &str| Primitive::from(text).as_byte().ok();
    assert_eq!(byte("-128"), Some(-128));
    assert_eq!(byte("+7"), Some(7));
    assert_eq!(byte(" 7"), None);
    assert_eq!(byte(""), None);
    assert_eq!(Primitive::from("9223372036854775807").as_long(), Ok(i64::MAX));

    let double = |text: &str| Primitive::from(text).as_double().ok();
    assert_eq!(double(" 1.5e3 "), Some(1500.0));
    assert_eq!(double("1."), Some(1.0));
    assert_eq!(double("-.5"), Some(-0.5));
    assert_eq!(double("2d"), Some(2.0));
    assert_eq!(double("2.5F"), Some(2.5));
    assert_eq!(double("-Infinity"), Some(f64::NEG_INFINITY));
    assert!(double("NaN").unwrap().is_nan());
    for refused in ["", ".", "inf", "nan", "infinity", "1e", "0x1p3", "1_000", "--1", "1dd"] {
        assert_eq!(double(refused), None, "{refused}");
    }

    let boolean = |text: &str| Primitive::from(text).as_boolean().unwrap();
    assert!(boolean("TRUE"));
    assert!(!boolean("yes"));
}

#[test]
fn numbers_are_written_as_java_writes_them() {
    let double = |value: f64| Primitive::Double(value).as_string().unwrap().unwrap().to_string();
    for (value, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-1.25, "-1.25"),
        (100.0, "100.0"),
        (1234567.0, "1234567.0"),
        (1234567.5, "1234567.5"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1.5e10, "1.5E10"),
        (0.001, "0.001"),
        (0.0125, "0.0125"),
        (0.5, "0.5"),
        (0.000999, "9.99E-4"),
        (1e-300, "1.0E-300"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(double(value), text);
    }
    let float = Primitive::Float(3.402_823_5e38).as_string().unwrap().unwrap();
    assert_eq!(float, "3.4028235E38");
    assert_eq!(Primitive::Float(0.1).as_string().unwrap().unwrap(), "0.1");
    assert_eq!(Primitive::Char(0x20AC).as_string().unwrap().unwrap(), "€");
    assert_eq!(Primitive::Boolean(false).as_string().unwrap().unwrap(), "false");
    assert_eq!(Primitive::Long(i64::MIN).as_string().unwrap().unwrap(), "-9223372036854775808");
}

#[test]
fn a_missing_name_reads_as_null() {
    let map = PrimitiveMap::from_iter([("there", Primitive::Null)]);
    assert!(map.contains("there") && !map.contains("missing"));
    assert_eq!(map.value("missing"), map.value("there"));
    assert_eq!(map.value("missing").as_boolean(), Ok(false));
    assert_eq!(map.value("missing").as_string(), Ok(None));
}

#[test]
fn a_map_keeps_the_order_of_insertion() {
    let mut map = PrimitiveMap::new();
    for name in ["z", "a", "m\0"] {
        assert_eq!(map.insert(name, 1), None);
    }
    assert_eq!(map.insert("a", 2), Some(Primitive::Int(1)));
    let names: Vec<String> = map.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["z", "a", "m\0"]);
    assert_eq!(map.get("m\0"), Some(&Primitive::Int(1)));
    assert_eq!(map.remove("a"), Some(Primitive::Int(2)));
    assert_eq!(map.len(), 2);
}

#[test]
fn a_read_past_the_end_fails_and_stays_where_it_was() {
    let mut reader = BytesReader::new(Bytes::from_static(b"\0\x05ab"));
    let error = reader.read_long().unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::UnexpectedEnd { needed: 8, remaining: 4 });
    assert_eq!((error.structure, error.field), ("ActiveMQBytesMessage", "content"));
    assert!(reader.read_utf().is_err());
    assert!(reader.read_bytes(5).is_err());
    assert_eq!(reader.remaining(), 4);
    assert_eq!(reader.read_unsigned_short(), Ok(5));
    assert_eq!(reader.read_bytes(2).unwrap(), "ab");
    assert!(reader.read_unsigned_byte().is_err());
    reader.reset();
    assert_eq!(reader.remaining(), 4);

    let mut reader = StreamReader::new(Bytes::new(), Limits::DEFAULT);
    let Err(StreamError::Decode(error)) = reader.read_int() else {
        panic!("the end is not a conversion error")
    };
    assert_eq!(error.kind, DecodeErrorKind::UnexpectedEnd { needed: 1, remaining: 0 });
    assert_eq!(error.structure, "ActiveMQStreamMessage");
}

#[test]
fn a_string_of_65535_bytes_is_written_and_a_longer_one_leaves_nothing() {
    let mut writer = BytesWriter::new();
    writer.write_utf(&"x".repeat(65_535)).unwrap();
    assert!(writer.write_utf(&"x".repeat(65_536)).is_err());
    assert!(writer.write_utf(&"\0".repeat(32_768)).is_err());
    assert_eq!(writer.finish().len(), 65_537);
}

#[test]
fn not_a_number_keeps_its_payload() {
    let double = Primitive::Double(f64::from_bits(0x7FF8_0000_DEAD_BEEF));
    let float = Primitive::Float(f32::from_bits(0x7FC0_BEEF));
    let map = PrimitiveMap::from_iter([("d", double), ("f", float)]);
    assert_eq!(PrimitiveMap::decode(&map.encode().unwrap(), &Limits::DEFAULT).unwrap(), map);
    assert_ne!(Primitive::Double(0.0), Primitive::Double(-0.0));
}

proptest! {
    #[test]
    fn maps_come_back_and_are_written_the_same(map in maps()) {
        let marshalled = map.encode().unwrap();
        let read = PrimitiveMap::decode(&marshalled, &Limits::DEFAULT).unwrap();
        prop_assert_eq!(&read, &map);
        prop_assert_eq!(&read.encode().unwrap(), &marshalled);
        for (name, _) in &map {
            let name = name.to_str();
            let found = PrimitiveMap::find(&marshalled, &name, &Limits::DEFAULT).unwrap();
            prop_assert_eq!(found.as_ref(), map.get(&name));
        }
        for len in 0..marshalled.len() {
            let prefix = marshalled.slice(..len);
            prop_assert!(PrimitiveMap::decode(&prefix, &Limits::DEFAULT).is_err());
        }
    }

    #[test]
    fn bodies_come_back(body in bodies(), compress: bool) {
        let (content, compressed) = body.encode(compress).unwrap();
        let read = Body::decode(body.kind(), content.as_ref(), compressed, &Limits::DEFAULT);
        prop_assert_eq!(read.unwrap(), body);
    }

    #[test]
    fn doubles_survive_as_text(bits: u64) {
        let value = f64::from_bits(bits);
        let text = Primitive::from(Primitive::Double(value).as_string().unwrap().unwrap());
        let back = text.as_double().unwrap();
        prop_assert!(back.to_bits() == bits || back.is_nan() && value.is_nan());
    }
}

fn maps() -> impl Strategy<Value = PrimitiveMap> {
    let entries = prop::collection::vec((strings(), values()), 0..8);
    entries.prop_map(PrimitiveMap::from_iter)
}

fn bodies() -> impl Strategy<Value = Body> {
    prop_oneof![
        Just(Body::Message),
        Just(Body::Blob),
        prop::option::of(strings()).prop_map(Body::Text),
        byte_arrays().prop_map(Body::Bytes),
        prop::option::of(byte_arrays()).prop_map(Body::Object),
        maps().prop_map(Body::Map),
        prop::collection::vec(scalars(), 0..20).prop_map(Body::Stream),
    ]
}

fn values() -> impl Strategy<Value = Primitive> {
    scalars().prop_recursive(4, 30, 5, |inner| {
        let entries = prop::collection::vec((strings(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Primitive::List),
            entries.prop_map(|entries| Primitive::Map(entries.into_iter().collect())),
        ]
    })
}

fn scalars() -> impl Strategy<Value = Primitive> {
    prop_oneof![
        Just(Primitive::Null),
        any::<bool>().prop_map(Primitive::Boolean),
        any::<i8>().prop_map(Primitive::Byte),
        any::<u16>().prop_map(Primitive::Char),
        any::<i16>().prop_map(Primitive::Short),
        any::<i32>().prop_map(Primitive::Int),
        any::<i64>().prop_map(Primitive::Long),
        any::<u64>().prop_map(|bits| Primitive::Double(f64::from_bits(bits))),
        any::<u32>().prop_map(|bits| Primitive::Float(f32::from_bits(bits))),
        strings().prop_map(Primitive::String),
        byte_arrays().prop_map(Primitive::Bytes),
    ]
}

/// Texts, and units that are none.
fn strings() -> impl Strategy<Value = Str> {
    prop_oneof![
        any::<String>().prop_map(Str::from),
        prop::collection::vec(any::<u16>(), 0..10).prop_map(|units| Str::from_utf16(&units)),
    ]
}

fn byte_arrays() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}
