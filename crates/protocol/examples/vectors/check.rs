//! What must hold for a record of each kind.

use bytes::{Bytes, BytesMut};
use rewire_protocol::{Command, DecodeError, Decoder, Encoder, Limits, WireFormat};
use serde_json::Value as Json;

use super::{bodies, fields};

/// The records of a file: JSON lines, or one session.
pub(crate) fn read(file: &str) -> Result<Vec<Json>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    if let Ok(session) = serde_json::from_str::<Json>(&text) {
        return Ok(vec![session]);
    }
    let parse = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// Checks a record; answers how many records it counts for.
pub(crate) fn record(record: &Json) -> Result<usize, String> {
    match record["kind"].as_str().unwrap_or_default() {
        "header" => return Ok(0),
        "command" | "edge" => frame(record)?,
        "body" => {
            frame(record)?;
            bodies::body(record)?;
        }
        "wireformat" => {
            frame(record)?;
            bodies::wire_format_info(record)?;
        }
        "sequence" => sequence(record)?,
        "negotiation" => bodies::negotiation(record)?,
        "truncation" => truncation(record)?,
        "invalid" => invalid(record)?,
        "session" => session(record)?,
        other => return Err(format!("no check for records of kind {other:?}")),
    }
    Ok(1)
}

/// The settings a record was made with.
pub(crate) fn format(record: &Json) -> Result<WireFormat, String> {
    let version = record["version"].as_u64().and_then(|v| u8::try_from(v).ok()).ok_or("version")?;
    let cache_slots = record["cache"].as_bool().unwrap_or(false).then(|| {
        let size = record["cache_size"].as_i64().unwrap_or(0);
        rewire_protocol::cache_slots(i32::try_from(size).unwrap_or(0))
    });
    Ok(WireFormat {
        version,
        tight: record["encoding"] == "tight",
        cache_slots: cache_slots.flatten(),
        stack_trace: record["stack_trace"].as_bool().unwrap_or(false),
        size_prefix: record["size_prefix"].as_bool().unwrap_or(true),
        tcp_no_delay: false,
        max_frame_size: i64::MAX,
    })
}

/// The bytes of a record.
pub(crate) fn raw(record: &Json) -> Result<Vec<u8>, String> {
    match record["hex"].as_str() {
        Some(digits) => fields::hex(digits),
        None => fields::segments(&record["segments"]),
    }
}

/// Two ends of a connection, to run a record's frames through.
struct Codec {
    format: WireFormat,
    encoder: Encoder,
    decoder: Decoder,
}

impl Codec {
    fn new(format: WireFormat) -> Self {
        let decoder = Decoder::new(format, Limits::DEFAULT);
        Self { format, encoder: Encoder::new(format), decoder }
    }

    fn decode(&mut self, frame: &[u8]) -> Result<Option<Command>, String> {
        decode(&mut self.decoder, self.format, frame)
    }

    /// Decodes a frame and encodes what it should hold; both must agree with the record.
    fn check(&mut self, frame: &[u8], expected: &Json) -> Result<(), String> {
        let decoded = self.decode(frame)?;
        let mut encoded = Vec::new();
        if expected.is_null() {
            if let Some(command) = decoded {
                return Err(format!("the null command was decoded as {}", command.name()));
            }
            self.encoder.encode_null(&mut encoded);
        } else {
            let expected = fields::command(expected, self.format.version)?;
            match decoded {
                Some(decoded) if decoded == expected => {}
                decoded => return Err(format!("decoded {decoded:?}, expected {expected:?}")),
            }
            self.encoder.encode(&expected, &mut encoded).map_err(|error| error.to_string())?;
        }
        if encoded != frame {
            return Err(format!("encoded {encoded:02x?}, expected {frame:02x?}"));
        }
        Ok(())
    }
}

/// Reads what should be exactly one frame with its size prefix, or one without, as configured.
fn decode(
    decoder: &mut Decoder,
    format: WireFormat,
    frame: &[u8],
) -> Result<Option<Command>, String> {
    if !format.size_prefix {
        let mut buffer = BytesMut::from(frame);
        let command = decoder.decode_unprefixed(&mut buffer).map_err(|error| error.to_string())?;
        return match command {
            Some(command) if buffer.is_empty() => Ok(command),
            Some(_) => Err(format!("{} bytes left over", buffer.len())),
            None => Err("ends early".to_owned()),
        };
    }
    let mut splitter = rewire_protocol::FrameReader::new(Limits::DEFAULT.max_frame_size);
    splitter.extend(frame);
    let problem = |error: DecodeError| error.to_string();
    let body = splitter.next_frame().map_err(problem)?.ok_or("the frame is not complete")?;
    if !splitter.is_empty() {
        return Err("bytes left over after the frame".to_owned());
    }
    decoder.decode(&body).map_err(problem)
}

fn frame(record: &Json) -> Result<(), String> {
    Codec::new(format(record)?).check(&raw(record)?, &record["fields"])
}

fn sequence(record: &Json) -> Result<(), String> {
    let mut codec = Codec::new(format(record)?);
    for (number, frame) in record["frames"].as_array().ok_or("no frames")?.iter().enumerate() {
        codec
            .check(&raw(frame)?, &frame["fields"])
            .map_err(|problem| format!("frame {number}: {problem}"))?;
    }
    Ok(())
}

/// Each proper prefix of a valid frame, its size prefix patched, is refused.
fn truncation(record: &Json) -> Result<(), String> {
    let format = format(record)?;
    let frame = raw(record)?;
    let prefix = if format.size_prefix { 4 } else { 0 };
    for len in prefix..frame.len() {
        let mut cut = frame[..len].to_vec();
        if format.size_prefix {
            let size = u32::try_from(len - prefix).map_err(|error| error.to_string())?;
            cut[..prefix].copy_from_slice(&size.to_be_bytes());
        }
        let mut decoder = Decoder::new(format, Limits::DEFAULT);
        if decode(&mut decoder, format, &cut).is_ok() {
            return Err(format!("accepted when cut to {len} of {} bytes", frame.len()));
        }
    }
    Ok(())
}

fn invalid(record: &Json) -> Result<(), String> {
    let format = format(record)?;
    let decoded = Codec::new(format).decode(&raw(record)?);
    match (record["expect"].as_str().unwrap_or_default(), decoded) {
        ("error", Err(_)) | ("accept", Ok(_)) | ("any", _) => Ok(()),
        ("error", Ok(command)) => Err(format!("accepted as {command:?}")),
        ("accept", Err(problem)) => Err(format!("refused: {problem}")),
        (other, _) => Err(format!("no such expectation: {other:?}")),
    }
}

/// A captured conversation: each direction's bytes are split, decoded, compared and encoded again.
fn session(record: &Json) -> Result<(), String> {
    let negotiated = &record["negotiated"];
    for direction in ["c2s", "s2c"] {
        let of_direction = |json: &&Json| json["dir"] == direction;
        let mut stream = Vec::new();
        for chunk in record["chunks"].as_array().ok_or("no chunks")?.iter().filter(of_direction) {
            stream.extend(raw(chunk)?);
        }
        let frames = record["frames"].as_array().ok_or("no frames")?;
        let mut handshake = Codec::new(WireFormat::HANDSHAKE);
        let mut codec = Codec::new(format(negotiated)?);
        for (number, frame) in frames.iter().filter(of_direction).enumerate() {
            let offset = |key: &str| {
                frame[key].as_u64().and_then(|n| usize::try_from(n).ok()).ok_or("no place")
            };
            let (start, len) = (offset("offset")?, offset("length")?);
            let bytes = stream.get(start..start + len).ok_or("the frame is not in the chunks")?;
            let codec = if number == 0 { &mut handshake } else { &mut codec };
            codec
                .check(bytes, &frame["fields"])
                .map_err(|problem| format!("{direction} frame {number}: {problem}"))?;
        }
        split(&stream, direction, frames.iter().filter(of_direction).count(), negotiated)?;
    }
    Ok(())
}

/// The same bytes, cut into frames by us.
fn split(stream: &[u8], direction: &str, expected: usize, negotiated: &Json) -> Result<(), String> {
    let format = format(negotiated)?;
    let mut reader = rewire_protocol::FrameReader::new(Limits::DEFAULT.max_frame_size);
    let mut frames = 0;
    if format.size_prefix {
        for piece in stream.chunks(7) {
            reader.extend(piece);
            while reader.next_frame().map_err(|error| error.to_string())?.is_some() {
                frames += 1;
            }
        }
    } else {
        let (handshake, rest) = stream
            .split_first_chunk::<4>()
            .and_then(|(size, rest)| rest.split_at_checked(u32::from_be_bytes(*size) as usize))
            .ok_or("no handshake")?;
        let mut opening = Decoder::new(WireFormat::HANDSHAKE, Limits::DEFAULT);
        let opened = opening.decode(&Bytes::copy_from_slice(handshake));
        opened.map_err(|error| error.to_string())?;
        let mut decoder = Decoder::new(format, Limits::DEFAULT);
        let mut buffer = BytesMut::new();
        frames = 1;
        for piece in rest.chunks(7) {
            buffer.extend_from_slice(piece);
            while decoder
                .decode_unprefixed(&mut buffer)
                .map_err(|error| error.to_string())?
                .is_some()
            {
                frames += 1;
            }
        }
    }
    if frames != expected {
        return Err(format!("{direction}: {frames} frames instead of {expected}"));
    }
    Ok(())
}
