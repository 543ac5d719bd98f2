//! What must hold for any bytes at all: called by the fuzz targets, and by the tests that replay their corpus.
//!
//! The first four bytes of an input choose the settings, see [`header`]; the rest is a stream of frames.
//! Each function panics when something does not hold.

use bytes::{Bytes, BytesMut};

use crate::{
    Body, BodyKind, BytesReader, Command, Decoder, Encoder, FrameReader, Limits, MAX_VERSION,
    PrimitiveMap, StreamReader, WireFormat,
};

/// Slots of the cache that an input can choose.
const SLOTS: [u16; 8] = [0, 1, 50, 100, 104, 128, 1024, 16_383];
const TIGHT: u8 = 1;
const CACHE: u8 = 2;
const STACK_TRACE: u8 = 4;
const NO_SIZE_PREFIX: u8 = 8;

/// The bytes in front of an input that choose `format`, as near as an input can.
#[must_use]
pub fn header(format: &WireFormat) -> [u8; 4] {
    let flag = |on: bool, flag: u8| if on { flag } else { 0 };
    let flags = flag(format.tight, TIGHT)
        | flag(format.cache_slots.is_some(), CACHE)
        | flag(format.stack_trace, STACK_TRACE)
        | flag(!format.size_prefix, NO_SIZE_PREFIX);
    let slots = format.cache_slots.unwrap_or(0);
    let slots = SLOTS.iter().position(|choice| *choice == slots).unwrap_or(6);
    [format.version.saturating_sub(1), flags, u8::try_from(slots).unwrap_or(0), 0]
}

/// The settings an input chooses, and the stream that follows.
fn settings(input: &[u8]) -> Option<(WireFormat, Limits, &[u8])> {
    let ([version, flags, slots, limits], stream) = input.split_first_chunk()?;
    let is_set = |flag| flags & flag != 0;
    let slots = SLOTS.get(usize::from(*slots) % SLOTS.len()).copied();
    let format = WireFormat {
        version: version % MAX_VERSION + 1,
        tight: is_set(TIGHT),
        cache_slots: slots.filter(|_| is_set(CACHE)),
        stack_trace: is_set(STACK_TRACE),
        size_prefix: !is_set(NO_SIZE_PREFIX),
        ..WireFormat::DEFAULT
    };
    let strict = Limits {
        max_frame_size: 1 << 10,
        max_elements: 16,
        max_nesting: 4,
        max_string: 64,
        ..Limits::DEFAULT
    };
    let small = Limits { max_frame_size: 1 << 20, ..Limits::DEFAULT };
    let limits = match limits % 3 {
        0 => small,
        1 => strict,
        _ => Limits::DEFAULT,
    };
    Some((format, limits, stream))
}

/// Decodes commands from the stream until it ends or one is refused.
fn commands(format: WireFormat, limits: Limits, stream: &[u8]) -> Vec<Command> {
    let mut decoder = Decoder::new(format, limits);
    let mut commands = Vec::new();
    if format.size_prefix {
        let mut reader = FrameReader::new(limits.max_frame_size);
        reader.extend(stream);
        while let Ok(Some(frame)) = reader.next_frame() {
            match decoder.decode(&frame) {
                Ok(command) => commands.extend(command),
                Err(_) => break,
            }
        }
    } else {
        let mut buffer = BytesMut::new();
        'stream: for piece in stream.chunks(97) {
            buffer.extend_from_slice(piece);
            loop {
                match decoder.decode_unprefixed(&mut buffer) {
                    Ok(Some(command)) => commands.extend(command),
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
        }
    }
    commands
}

/// Whatever arrives is a command or an error; a command can be shown, compared, cloned and dropped.
///
/// # Panics
///
/// When that is not so.
pub fn decode(input: &[u8]) {
    let Some((format, limits, stream)) = settings(input) else { return };
    for command in commands(format, limits, stream) {
        assert!(command.since() <= format.version, "{} is newer", command.name());
        assert!(!format!("{command:?}").is_empty());
        assert!(command.clone() == command);
    }
}

/// However a stream is cut into pieces, the same frames come out, and the same error ends it.
///
/// # Panics
///
/// When that is not so.
pub fn frames(input: &[u8]) {
    let Some(([limit, piece, step, _], stream)) = input.split_first_chunk() else { return };
    let limit = usize::from(*limit) << 4;
    let read = |pieces: &mut dyn Iterator<Item = usize>| {
        let mut reader = FrameReader::new(limit);
        let (mut rest, mut frames) = (stream, Vec::new());
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.len() <= limit, "a frame over the limit");
                    frames.push(frame);
                }
                Err(error) => return (frames, Some(error)),
                Ok(None) if rest.is_empty() => return (frames, None),
                Ok(None) => {
                    let len = pieces.next().unwrap_or(1).clamp(1, rest.len());
                    let (piece, after) = rest.split_at(len);
                    rest = after;
                    reader.extend(piece);
                }
            }
        }
    };
    let whole = read(&mut std::iter::once(usize::MAX));
    let (piece, step) = (usize::from(*piece), usize::from(*step));
    let pieces = read(&mut (0..).map(|n: usize| piece.wrapping_add(n.wrapping_mul(step)) & 0x1FF));
    assert_eq!(whole, pieces);
}

/// What was decoded can be encoded and decoded again, to the same command and then to the same bytes.
///
/// # Panics
///
/// When that is not so.
pub fn roundtrip(input: &[u8]) {
    let Some((format, _, stream)) = settings(input) else { return };
    let decoded = commands(format, Limits::DEFAULT, stream);
    let format = WireFormat { size_prefix: false, ..format };
    let (mut first, mut second) = (Encoder::new(format), Encoder::new(format));
    let mut decoder = Decoder::new(format, Limits::DEFAULT);
    for command in decoded {
        let (mut frame, mut again) = (Vec::new(), Vec::new());
        // Not all that can be read can be written: Java's limits for writing are stricter.
        if first.encode(&command, &mut frame).is_err() {
            assert!(frame.is_empty(), "an error left bytes behind");
            assert!(second.encode(&command, &mut again).is_err(), "refused once only");
            continue;
        }
        let decoded = decoder.decode(&frame.clone().into());
        let Ok(Some(decoded)) = decoded else {
            panic!("what was written cannot be read: {decoded:?}")
        };
        // Versions 1 and 10 cut the messages of exceptions.
        assert!(
            decoded == command || matches!(format.version, 1 | 10),
            "{decoded:?} was {command:?}"
        );
        let repeated = second.encode(&decoded, &mut again);
        assert!(repeated.is_ok() && again == frame, "not the same bytes again");
    }
}

/// A body, properties and typed reads of the same bytes; the first byte chooses kind and compression.
///
/// What can be read can be written, and reads the same again.
pub fn bodies(input: &[u8]) {
    let Some((choice, content)) = input.split_first() else { return };
    let kinds = [
        BodyKind::Message,
        BodyKind::Text,
        BodyKind::Bytes,
        BodyKind::Map,
        BodyKind::Stream,
        BodyKind::Object,
        BodyKind::Blob,
    ];
    let kind = kinds.into_iter().cycle().nth(usize::from(choice >> 1)).unwrap_or(BodyKind::Text);
    let compressed = choice & 1 != 0;
    let limits = Limits { max_inflated_size: 1 << 16, max_map_entries: 1 << 10, ..Limits::DEFAULT };
    let content = Bytes::copy_from_slice(content);
    if let Ok(body) = Body::decode(kind, Some(&content), compressed, &limits) {
        let (written, flag) = body.encode(compressed).expect("what was read can be written");
        let again = Body::decode(kind, written.as_ref(), flag, &Limits::DEFAULT);
        assert_eq!(again.as_ref(), Ok(&body), "written and read again");
    }
    if let Ok(map) = PrimitiveMap::decode(&content, &limits) {
        let written = map.encode().expect("what was read can be written");
        assert_eq!(PrimitiveMap::decode(&written, &Limits::DEFAULT).as_ref(), Ok(&map));
        for (name, _) in map.iter() {
            let name = name.to_str();
            let found = PrimitiveMap::find(&content, &name, &limits);
            assert_eq!(found, Ok(map.get(&name).cloned()), "found without building the map");
        }
    }
    let _ = PrimitiveMap::decode_wire_format(&content);
    let mut stream = StreamReader::new(content.clone(), limits);
    while stream.read().is_ok() {}
    let mut bytes = BytesReader::new(content);
    while bytes.read_utf().is_ok() && bytes.read_long().is_ok() {}
}
