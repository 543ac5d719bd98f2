//! Bodies and properties that lie, nest, repeat or inflate too much.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;
use rewire_protocol::{
    Body, BodyKind, BytesReader, DecodeError, DecodeErrorKind, EncodeErrorKind, Limits,
    MAX_WIRE_FORMAT_ENTRIES, MAX_WIRE_FORMAT_VALUE, Primitive, PrimitiveMap, StreamReader,
    validate_property,
};

const KINDS: [BodyKind; 7] = [
    BodyKind::Message,
    BodyKind::Text,
    BodyKind::Bytes,
    BodyKind::Map,
    BodyKind::Stream,
    BodyKind::Object,
    BodyKind::Blob,
];

#[test]
fn an_error_says_where_it_happened() {
    let content = Bytes::from_static(b"\0\0\0\x02\0\x01a\x05\0\0\0\x01\0\x01b\x0e");
    let error = decode(BodyKind::Map, &content, false).unwrap_err();
    assert_eq!(
        error,
        DecodeError {
            kind: DecodeErrorKind::UnknownPrimitive(14),
            structure: "ActiveMQMapMessage",
            field: "content",
            offset: 15,
        }
    );
    let error = PrimitiveMap::decode(&content, &Limits::DEFAULT).unwrap_err();
    assert_eq!((error.structure, error.field), ("Message", "marshalledProperties"));
}

#[test]
fn lengths_and_counts_that_lie_are_refused() {
    let end = |needed, remaining| DecodeErrorKind::UnexpectedEnd { needed, remaining };
    for (kind, content, expected) in [
        // Text.
        (BodyKind::Text, &b""[..], end(4, 0)),
        (BodyKind::Text, b"\0\0\0\x03ab", end(3, 2)),
        (BodyKind::Text, b"\xFF\xFF\xFF\xFEab", DecodeErrorKind::NegativeLength(-2)),
        (BodyKind::Text, b"\0\0\0\x01\xC3", DecodeErrorKind::BadString { at: 0 }),
        // Counts of maps and lists.
        (BodyKind::Map, b"\x7F\xFF\xFF\xFF", end(0x7FFF_FFFF * 3, 0)),
        (BodyKind::Map, b"\0\0\0\x01\0\0", end(3, 2)),
        (BodyKind::Map, b"\x80\0\0\0", DecodeErrorKind::NegativeLength(-0x8000_0000)),
        (BodyKind::Map, b"\0\0\0\x01\0\0\x0C\x7F\xFF\xFF\xFF", end(0x7FFF_FFFF, 0)),
        (BodyKind::Map, b"\0\0\0\x01\0\0\x0C\xFF\xFF\xFF\xFF", DecodeErrorKind::NegativeLength(-1)),
        // Lengths of values.
        (BodyKind::Stream, b"\x0A\x7F\xFF\xFF\xFFabc", end(0x7FFF_FFFF, 3)),
        (BodyKind::Stream, b"\x0A\xFF\xFF\xFF\xFFabc", DecodeErrorKind::NegativeLength(-1)),
        (BodyKind::Stream, b"\x09\xFF\xFFabc", end(0xFFFF, 3)),
        (BodyKind::Stream, b"\x0D\xFF\xFF\xFF\xFEabc", DecodeErrorKind::NegativeLength(-2)),
        (BodyKind::Stream, b"\x06\0\0\0", end(8, 3)),
        // Values that do not exist or cannot stand there.
        (BodyKind::Stream, b"\x0E", DecodeErrorKind::UnknownPrimitive(14)),
        (BodyKind::Stream, b"\xFF", DecodeErrorKind::UnknownPrimitive(255)),
        (BodyKind::Stream, b"\x0B\0\0\0\0", DecodeErrorKind::MisplacedPrimitive { found: "map" }),
        (BodyKind::Stream, b"\x0C\0\0\0\0", DecodeErrorKind::MisplacedPrimitive { found: "list" }),
    ] {
        let error = decode(kind, &Bytes::from_static(content), false).unwrap_err();
        assert_eq!(error.kind, expected, "{kind:?} {content:?}");
    }
}

#[test]
fn null_is_read_wherever_java_has_it() {
    let null = Bytes::from_static(b"\xFF\xFF\xFF\xFF");
    assert_eq!(decode(BodyKind::Text, &null, false), Ok(Body::Text(None)));
    assert_eq!(decode(BodyKind::Map, &null, false), Ok(Body::Map(PrimitiveMap::new())));
    assert_eq!(PrimitiveMap::find(&null, "a", &Limits::DEFAULT), Ok(None));
    let nulls = Bytes::from_static(b"\0\x0D\xFF\xFF\xFF\xFF");
    let two = Body::Stream(vec![Primitive::Null, Primitive::Null]);
    assert_eq!(decode(BodyKind::Stream, &nulls, false), Ok(two));
    let null_inside = Bytes::from_static(b"\0\0\0\x01\0\x01m\x0B\xFF\xFF\xFF\xFF");
    let read = PrimitiveMap::decode(&null_inside, &Limits::DEFAULT).unwrap();
    assert_eq!(read.get("m"), Some(&Primitive::Null));
}

#[test]
fn a_name_that_comes_twice_has_its_last_value() {
    let twice = Bytes::from_static(b"\0\0\0\x02\0\x01a\x02\x01\0\x01a\x02\x02");
    let mut map = PrimitiveMap::decode(&twice, &Limits::DEFAULT).unwrap();
    assert_eq!(map.len(), 2);
    assert_eq!(map.get("a"), Some(&Primitive::Byte(2)));
    assert_eq!(PrimitiveMap::find(&twice, "a", &Limits::DEFAULT), Ok(Some(Primitive::Byte(2))));
    assert_eq!(map.encode().unwrap(), twice);
    assert_eq!(map.insert("a", 3i8), Some(Primitive::Byte(2)));
    assert_eq!(map.remove("a"), Some(Primitive::Byte(3)));
    assert!(map.is_empty());
}

#[test]
fn text_of_other_clients_may_have_four_byte_sequences() {
    let content = Bytes::from_static("\0\0\0\x04🚀".as_bytes());
    assert_eq!(decode(BodyKind::Text, &content, false), Ok(Body::text("🚀")));
    let named = Bytes::from_static("\0\0\0\x01\0\x04🚀\x02\x01".as_bytes());
    let one = Some(Primitive::Byte(1));
    assert_eq!(PrimitiveMap::find(&named, "🚀", &Limits::DEFAULT), Ok(one.clone()));
    let map = PrimitiveMap::decode(&named, &Limits::DEFAULT).unwrap();
    assert_eq!(map.get("🚀"), one.as_ref());
    assert_eq!(PrimitiveMap::find(&map.encode().unwrap(), "🚀", &Limits::DEFAULT), Ok(one));
}

#[test]
fn maps_nest_127_deep_and_no_deeper() {
    for container in [Nest::Map, Nest::List] {
        let deepest = nested(container, 127);
        let map = PrimitiveMap::decode(&deepest, &Limits::DEFAULT).unwrap();
        assert_eq!(map.encode().unwrap(), deepest);
        assert!(PrimitiveMap::find(&deepest, "k", &Limits::DEFAULT).unwrap().is_some());
        assert_eq!(PrimitiveMap::find(&deepest, "z", &Limits::DEFAULT), Ok(None));

        let too_deep = DecodeErrorKind::TooDeep { limit: 127 };
        for depth in [128, 100_000] {
            let bytes = nested(container, depth);
            assert_eq!(PrimitiveMap::decode(&bytes, &Limits::DEFAULT).unwrap_err().kind, too_deep);
            let found = PrimitiveMap::find(&bytes, "z", &Limits::DEFAULT);
            assert_eq!(found.unwrap_err().kind, too_deep);
        }
        let limits = Limits { max_nesting: 3, ..Limits::DEFAULT };
        assert!(PrimitiveMap::decode(&nested(container, 3), &limits).is_ok());
        assert!(PrimitiveMap::decode(&nested(container, 4), &limits).is_err());
    }
}

#[test]
fn what_java_would_refuse_for_its_depth_is_not_written() {
    let wrap = |depth| (0..depth).fold(Primitive::Null, |inner, _| vec![inner].into());
    let with = |value: Primitive| PrimitiveMap::from_iter([("k", value)]).encode();
    assert!(with(wrap(127)).is_ok());
    assert_eq!(with(wrap(128)).unwrap_err().kind, EncodeErrorKind::TooDeep { limit: 127 });
}

#[test]
fn entries_are_limited_with_all_that_is_nested() {
    let limits = Limits { max_map_entries: 10, ..Limits::DEFAULT };
    let flat = |count: i32| (0..count).map(|i| (i.to_string(), i)).collect::<PrimitiveMap>();
    let decode = |map: &PrimitiveMap| PrimitiveMap::decode(&map.encode().unwrap(), &limits);
    assert!(decode(&flat(10)).is_ok());
    let too_large =
        |size| DecodeErrorKind::TooLarge { what: "a number of entries", size, limit: 10 };
    assert_eq!(decode(&flat(11)).unwrap_err().kind, too_large(11));

    let with_list = |count| PrimitiveMap::from_iter([("l", vec![Primitive::Null; count])]);
    assert!(decode(&with_list(9)).is_ok());
    assert_eq!(decode(&with_list(10)).unwrap_err().kind, too_large(11));

    let stream = |count| Bytes::from(vec![0; count]);
    let decode = |count| Body::decode(BodyKind::Stream, Some(&stream(count)), false, &limits);
    assert!(decode(10).is_ok());
    assert_eq!(decode(11).unwrap_err().kind, too_large(11));
    let mut reader = StreamReader::new(stream(11), limits);
    assert!((0..11).all(|_| reader.read().is_ok()), "one by one there may be any number");
}

#[test]
fn strings_are_limited() {
    let limits = Limits { max_string: 9000, ..Limits::DEFAULT };
    for (len, fits) in [(9000, true), (9001, false)] {
        let text = "x".repeat(len);
        let content = Body::text(&text).encode(false).unwrap().0.unwrap();
        let read = Body::decode(BodyKind::Text, Some(&content), false, &limits);
        assert_eq!(read.is_ok(), fits);
        let map = PrimitiveMap::from_iter([("k", text)]).encode().unwrap();
        assert_eq!(PrimitiveMap::decode(&map, &limits).is_ok(), fits);
    }
}

#[test]
fn names_of_65535_bytes_are_written_and_longer_ones_are_not() {
    let named = |len: usize| PrimitiveMap::from_iter([("n".repeat(len), 1)]);
    let longest = named(65_535).encode().unwrap();
    assert_eq!(PrimitiveMap::decode(&longest, &Limits::DEFAULT).unwrap(), named(65_535));
    let error = named(65_536).encode().unwrap_err();
    assert_eq!(error.kind, EncodeErrorKind::StringTooLong { len: 65_536, limit: 65_535 });
    assert_eq!((error.structure, error.field), ("Message", "marshalledProperties"));
    let error = Body::Map(named(65_536)).encode(false).unwrap_err();
    assert_eq!((error.structure, error.field), ("ActiveMQMapMessage", "content"));
}

#[test]
fn a_string_is_big_from_8191_units_on_whatever_its_bytes() {
    for (text, tag) in [
        ("x".repeat(8190), 9),
        ("x".repeat(8191), 13),
        ("日".repeat(8190), 9),
        ("日".repeat(8191), 13),
        ("🚀".repeat(4095), 9),
        ("🚀".repeat(4096), 13),
    ] {
        let (content, _) = Body::Stream(vec![text.into()]).encode(false).unwrap();
        assert_eq!(content.unwrap().first(), Some(&tag));
    }
}

#[test]
fn streams_with_maps_or_lists_are_not_written() {
    for value in [PrimitiveMap::new().into(), Primitive::List(vec![])] {
        let error = Body::Stream(vec![value]).encode(false).unwrap_err();
        assert!(matches!(error.kind, EncodeErrorKind::Unreadable(_)));
        assert_eq!(error.structure, "ActiveMQStreamMessage");
    }
}

#[test]
fn properties_are_what_java_lets_an_application_set() {
    let list = Primitive::List(vec![Primitive::from(Bytes::new())]);
    for value in [Primitive::Null, true.into(), 1.into(), "text".into(), Primitive::Char(99), list]
    {
        assert!(validate_property("name", &value).is_ok());
    }
    assert!(validate_property("name", &Bytes::new().into()).is_err());
    assert!(validate_property("", &1.into()).is_err());
    assert!(validate_property(&"n".repeat(65_535), &1.into()).is_ok());
    assert!(validate_property(&"n".repeat(65_536), &1.into()).is_err());
    assert!(validate_property(&"\0".repeat(32_768), &1.into()).is_err());
}

#[test]
fn the_handshake_is_held_to_its_limits() {
    let decode = |map: PrimitiveMap| {
        PrimitiveMap::decode_wire_format(&map.encode().unwrap()).map_err(|error| {
            assert_eq!(error.structure, "WireFormatInfo");
            error.kind
        })
    };
    let entries = |count: usize| (0..count).map(|i| (i.to_string(), true)).collect();
    assert!(decode(entries(MAX_WIRE_FORMAT_ENTRIES)).is_ok());
    assert!(decode(entries(MAX_WIRE_FORMAT_ENTRIES + 1)).is_err());

    let sized = |len| "x".repeat(len);
    for (len, fits) in [(MAX_WIRE_FORMAT_VALUE, true), (MAX_WIRE_FORMAT_VALUE + 1, false)] {
        assert_eq!(decode([(sized(len), true)].into_iter().collect()).is_ok(), fits);
        assert_eq!(decode([("Host", sized(len))].into_iter().collect()).is_ok(), fits);
        let bytes = Bytes::from(sized(len));
        assert_eq!(decode([("Host", bytes)].into_iter().collect()).is_ok(), fits);
    }
    let misplaced = |found| Err(DecodeErrorKind::MisplacedPrimitive { found });
    assert_eq!(decode([("m", PrimitiveMap::new())].into_iter().collect()), misplaced("map"));
    assert_eq!(decode([("l", Vec::new())].into_iter().collect()), misplaced("list"));
}

#[test]
fn what_inflates_beyond_the_limit_is_refused() {
    let limits = Limits { max_inflated_size: 10_000, ..Limits::DEFAULT };
    for (len, fits) in [(9_999, true), (10_000, true), (10_001, false), (10_000_000, false)] {
        let object = Body::Object(Some(vec![0; len].into()));
        let bytes = Body::Bytes(vec![0; len].into());
        for body in [object, bytes] {
            let (content, _) = body.encode(true).unwrap();
            let read = Body::decode(body.kind(), content.as_ref(), true, &limits);
            match read {
                Ok(read) => assert!(fits && read == body),
                Err(error) => assert!(
                    !fits && matches!(error.kind, DecodeErrorKind::TooLarge { limit: 10_000, .. })
                ),
            }
        }
    }
}

#[test]
fn an_announced_size_over_the_limit_is_refused_before_inflating() {
    // What follows is no zlib stream, which would be another error if it were looked at.
    let content = Bytes::from_static(b"\x7F\xFF\xFF\xFFgarbage");
    let error = decode(BodyKind::Bytes, &content, true).unwrap_err();
    assert_eq!(
        error.kind,
        DecodeErrorKind::TooLarge {
            what: "an inflated body",
            size: 0x7FFF_FFFF,
            limit: Limits::DEFAULT.max_inflated_size as u64,
        }
    );
    let negative = Bytes::from_static(b"\xFF\xFF\xFF\xFFgarbage");
    let error = decode(BodyKind::Bytes, &negative, true).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::NegativeLength(-1));
}

#[test]
fn an_announced_size_is_what_is_inflated() {
    let announce = |len: i32, zlib: &[u8]| {
        let content = [&len.to_be_bytes(), zlib].concat().into();
        decode(BodyKind::Bytes, &content, true)
    };
    let zlib = deflated(b"hello, and the rest of a buffer");
    assert_eq!(announce(5, &zlib), Ok(Body::Bytes(Bytes::from_static(b"hello"))));
    assert_eq!(announce(0, &zlib), Ok(Body::Bytes(Bytes::new())));
    assert_eq!(announce(0, b""), Ok(Body::Bytes(Bytes::new())));
    let error = announce(32, &zlib).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::UnexpectedEnd { needed: 32, remaining: 31 });
    assert!(matches!(announce(5, b"").unwrap_err().kind, DecodeErrorKind::Inflate(_)));
    assert!(matches!(announce(5, b"garbage").unwrap_err().kind, DecodeErrorKind::Inflate(_)));
}

#[test]
fn a_zlib_stream_is_read_to_its_end_and_no_further() {
    let mut zlib = deflated(b"\0\0\0\x05hello");
    for len in 1..zlib.len() {
        let cut = Bytes::copy_from_slice(zlib.get(..len).unwrap());
        let error = decode(BodyKind::Text, &cut, true).unwrap_err();
        assert!(matches!(error.kind, DecodeErrorKind::Inflate(_)), "{error}");
    }
    zlib.extend(b"trailing");
    assert_eq!(decode(BodyKind::Text, &zlib.clone().into(), true), Ok(Body::text("hello")));
    let checksum = zlib.iter_mut().nth_back(8).unwrap();
    *checksum ^= 1;
    assert!(decode(BodyKind::Text, &zlib.into(), true).is_err());
}

#[test]
fn nothing_is_an_empty_body_even_if_compressed() {
    let nothing = Bytes::new();
    assert_eq!(decode(BodyKind::Bytes, &nothing, true), Ok(Body::Bytes(Bytes::new())));
    assert_eq!(decode(BodyKind::Stream, &nothing, true), Ok(Body::Stream(vec![])));
    assert!(decode(BodyKind::Text, &nothing, true).is_err());
    for kind in KINDS {
        let read = Body::decode(kind, None, true, &Limits::DEFAULT).unwrap();
        assert_eq!(read.kind(), kind);
    }
}

#[test]
fn messages_without_a_body_ignore_what_is_in_its_place() {
    let junk = Bytes::from_static(b"junk");
    assert_eq!(decode(BodyKind::Message, &junk, true), Ok(Body::Message));
    assert_eq!(decode(BodyKind::Blob, &junk, true), Ok(Body::Blob));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_in_every_way(&bytes.into());
    }

    #[test]
    fn no_plausible_bytes_make_a_reader_panic(
        bytes in prop::collection::vec(prop_oneof![0u8..16, any::<u8>()], 0..200)
    ) {
        read_in_every_way(&bytes.into());
    }
}

fn read_in_every_way(bytes: &Bytes) {
    for kind in KINDS {
        for compressed in [false, true] {
            let _ = decode(kind, bytes, compressed);
        }
    }
    let read = PrimitiveMap::decode(bytes, &Limits::DEFAULT);
    let found = PrimitiveMap::find(bytes, "", &Limits::DEFAULT);
    if let Ok(map) = read {
        assert_eq!(found.unwrap().as_ref(), map.get(""));
        map.encode().unwrap();
    }
    let _ = PrimitiveMap::decode_wire_format(bytes);
    let mut reader = StreamReader::new(bytes.clone(), Limits::DEFAULT);
    while reader.read().is_ok() {}
    let mut reader = BytesReader::new(bytes.clone());
    while reader.read_utf().is_ok() {}
}

fn decode(kind: BodyKind, content: &Bytes, compressed: bool) -> Result<Body, DecodeError> {
    Body::decode(kind, Some(content), compressed, &Limits::DEFAULT)
}

#[derive(Clone, Copy)]
enum Nest {
    Map,
    List,
}

/// A marshalled map with `depth` maps or lists inside of each other.
fn nested(container: Nest, depth: usize) -> Bytes {
    let one: &[u8] = match container {
        Nest::Map => b"\x0B\0\0\0\x01\0\x01k",
        Nest::List => b"\x0C\0\0\0\x01",
    };
    [b"\0\0\0\x01\0\x01k", one.repeat(depth).as_slice(), b"\0"].concat().into()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1000);
    let mut deflater = Compress::new(Compression::best(), true);
    deflater.compress_vec(bytes, &mut out, FlushCompress::Finish).unwrap();
    out
}
