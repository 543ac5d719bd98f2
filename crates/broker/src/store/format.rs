//! How things stand in the tables of a store on disk: keys that sort, and values as OpenWire has them.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use rewire_protocol::{
    Command, Decoder, Destination, DestinationKind, Encoder, Limits, Message, Str, WireFormat,
};

use super::{Place, StoreError, StoreWrite, StoredMessage, SubscriptionKey};

type Result<T> = std::result::Result<T, StoreError>;

/// Nothing in a store is refused for its size: what was written was let in before.
const LIMITS: Limits = Limits {
    max_frame_size: i32::MAX as usize,
    max_string: i32::MAX as usize,
    max_elements: usize::MAX >> 8,
    ..Limits::DEFAULT
};

fn wire_format() -> WireFormat {
    WireFormat { cache_slots: None, max_frame_size: i64::from(i32::MAX), ..WireFormat::DEFAULT }
}

fn broken(what: &str) -> StoreError {
    StoreError(format!("{what} cannot be read"))
}

/// A structure as it stands in a frame.
pub(super) fn encode(command: &Command) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    let encoded = Encoder::new(wire_format()).encode(command, &mut frame);
    encoded.map_err(|error| StoreError(error.to_string()))?;
    Ok(frame.split_off(size_of::<i32>().min(frame.len())))
}

pub(super) fn decode(bytes: &[u8]) -> Result<Command> {
    let frame = Bytes::copy_from_slice(bytes);
    let decoded = Decoder::new(wire_format(), LIMITS).decode(&frame);
    let command = decoded.map_err(|error| StoreError(error.to_string()))?;
    command.ok_or_else(|| broken("a record"))
}

/// What a message's record begins with, which a table of its own has as well: its priority, when it expires, and
/// bytes of its body and properties. Then comes the checksum of the rest.
const HEAD: usize = 1 + 8 + 8;
const CHECKSUM: usize = 4;

/// The record of a message.
pub(super) fn encode_message(message: &Message) -> Result<Vec<u8>> {
    let StoredMessage { priority, expiration, bytes, .. } = StoredMessage::of(0, message);
    let rest = encode(&Command::Message(Box::new(message.clone())))?;
    let mut record = Vec::with_capacity(HEAD + CHECKSUM + rest.len());
    record.extend(priority.to_be_bytes());
    record.extend(expiration.to_be_bytes());
    record.extend((bytes as u64).to_be_bytes());
    record.extend(crc32fast::hash(&rest).to_be_bytes());
    record.extend(rest);
    Ok(record)
}

/// The beginning of a record.
pub(super) fn head(record: &[u8]) -> Result<&[u8]> {
    record.get(..HEAD).ok_or_else(|| broken("the beginning of a message"))
}

/// What the beginning of a record says.
pub(super) fn read_head(sequence: u64, record: &[u8]) -> Result<StoredMessage> {
    let refuse = |_| broken("the beginning of a message");
    let mut rest = record;
    let priority = rest.try_get_i8().map_err(refuse)?;
    let expiration = rest.try_get_i64().map_err(refuse)?;
    let bytes = rest.try_get_u64().map_err(refuse)?;
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    Ok(StoredMessage { sequence, priority, expiration, bytes })
}

/// The message of a record.
pub(super) fn decode_record(record: &[u8]) -> Result<Arc<Message>> {
    let rest = record.get(HEAD..).and_then(|rest| rest.split_first_chunk::<CHECKSUM>());
    let (checksum, message) = rest.ok_or_else(|| broken("a message"))?;
    if crc32fast::hash(message) != u32::from_be_bytes(*checksum) {
        return Err(StoreError("its checksum is wrong".to_owned()));
    }
    decode_message(message)
}

fn decode_message(bytes: &[u8]) -> Result<Arc<Message>> {
    match decode(bytes)? {
        Command::Message(message) => Ok(Arc::new(*message)),
        _ => Err(broken("a message")),
    }
}

/// A place as the beginning of a key. Names end with a zero, which modified UTF-8 has not.
pub(super) fn place_key(place: &Place) -> Vec<u8> {
    let mut key = Vec::new();
    match place {
        Place::Queue(queue) => {
            key.extend([b'q', u8::from(queue.kind == DestinationKind::TempQueue)]);
            put_name(&mut key, &queue.physical_name);
        }
        Place::Subscription(subscription) => {
            key.push(b's');
            put_name(&mut key, &subscription.client_id);
            put_name(&mut key, &subscription.name);
        }
    }
    key
}

fn put_name(key: &mut Vec<u8>, name: &Str) {
    key.extend(name.as_wire());
    key.push(0);
}

/// A place followed by a number: messages of a place stand together and in order.
pub(super) fn message_key(place: &Place, sequence: u64) -> Vec<u8> {
    let mut key = place_key(place);
    key.extend(sequence.to_be_bytes());
    key
}

/// The place and the rest of a key.
pub(super) fn split_place(key: &[u8]) -> Result<(Place, &[u8])> {
    let refuse = || broken("a key");
    match key.split_first().ok_or_else(refuse)? {
        (b'q', rest) => {
            let (kind, rest) = rest.split_first().ok_or_else(refuse)?;
            let kind = if *kind == 0 { DestinationKind::Queue } else { DestinationKind::TempQueue };
            let (physical_name, rest) = name(rest)?;
            Ok((Place::Queue(Destination { kind, physical_name }), rest))
        }
        (b's', rest) => {
            let (client_id, rest) = name(rest)?;
            let (name, rest) = name(rest)?;
            Ok((Place::Subscription(SubscriptionKey { client_id, name }), rest))
        }
        _ => Err(refuse()),
    }
}

fn name(bytes: &[u8]) -> Result<(Str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(|| broken("a name"))?;
    let (name, rest) = bytes.split_at(end);
    let name = Str::from_wire(Bytes::copy_from_slice(name)).map_err(|_| broken("a name"))?;
    Ok((name, rest.get(1..).unwrap_or_default()))
}

pub(super) fn split_message_key(key: &[u8]) -> Result<(Place, u64)> {
    let (place, rest) = split_place(key)?;
    let sequence = rest.try_into().map_err(|_| broken("the number of a message"))?;
    Ok((place, u64::from_be_bytes(sequence)))
}

/// What a prepared transaction will write.
pub(super) fn encode_writes(writes: &[StoreWrite]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut put = |tag: u8, parts: &[&[u8]]| {
        out.push(tag);
        for part in parts {
            out.extend((part.len() as u64).to_be_bytes());
            out.extend(*part);
        }
    };
    for write in writes {
        match write {
            StoreWrite::Add { place, sequence, message } => {
                let message = encode(&Command::Message(Box::new((**message).clone())))?;
                put(b'a', &[&message_key(place, *sequence), &message]);
            }
            StoreWrite::Remove { place, sequence } => {
                put(b'r', &[&message_key(place, *sequence)]);
            }
            StoreWrite::Sent { producer, sequence } => {
                let producer = encode(&producer.clone().into())?;
                put(b's', &[&producer, &sequence.to_be_bytes()]);
            }
            other => return Err(StoreError(format!("a transaction cannot prepare {other:?}"))),
        }
    }
    Ok(out)
}

pub(super) fn decode_writes(bytes: &[u8]) -> Result<Vec<StoreWrite>> {
    let mut rest = bytes;
    let mut writes = Vec::new();
    while let Some((tag, tail)) = rest.split_first() {
        rest = tail;
        writes.push(match tag {
            b'a' => {
                let (place, sequence) = split_message_key(part(&mut rest)?)?;
                let message = decode_message(part(&mut rest)?)?;
                StoreWrite::Add { place, sequence, message }
            }
            b'r' => {
                let (place, sequence) = split_message_key(part(&mut rest)?)?;
                StoreWrite::Remove { place, sequence }
            }
            b's' => {
                let Command::ProducerId(producer) = decode(part(&mut rest)?)? else {
                    return Err(broken("a producer"));
                };
                let sequence = part(&mut rest)?.try_into().map_err(|_| broken("a number"))?;
                StoreWrite::Sent { producer, sequence: i64::from_be_bytes(sequence) }
            }
            _ => return Err(broken("a prepared transaction")),
        });
    }
    Ok(writes)
}

fn part<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8]> {
    let refuse = || broken("a prepared transaction");
    let len = rest.try_get_u64().map_err(|_| refuse())?;
    let len = usize::try_from(len).map_err(|_| refuse())?;
    let (part, tail) = rest.split_at_checked(len).ok_or_else(refuse)?;
    *rest = tail;
    Ok(part)
}
