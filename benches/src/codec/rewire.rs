//! Rewire's codec, on the frames that Java's is measured on.

use std::hint::black_box;

use bytes::Bytes;
use rewire_protocol::{
    Command, Decoder, Destination, Encoder, Limits, Message, MessageKind, Primitive, PrimitiveMap,
    ProducerId, Str, WireFormat, encode_text,
};

use super::compare::{Codec, Operation, repeat};
use super::java::{Case, Frames};

/// Rewire's codec.
#[derive(Debug)]
pub struct Rewire;

impl Codec for Rewire {
    fn prepare(&self, case: &Case, frames: &Frames) -> Option<Operation> {
        let tight = case.encoding == "tight";
        let format = WireFormat { tight, ..WireFormat::DEFAULT };
        let mut decoder = Decoder::new(format, Limits::DEFAULT);
        let first = decode(&mut decoder, &frames.first);
        let steady = Bytes::copy_from_slice(body(&frames.steady));
        Some(match case.operation.as_str() {
            "unmarshal" => repeat(move || decoder.decode(black_box(&steady))),
            "marshal" => {
                let mut encoder = warm_encoder(format, &first, frames);
                let mut out = Vec::with_capacity(128 << 10);
                repeat(move || {
                    out.clear();
                    encoder.encode(black_box(&first), &mut out).is_ok()
                })
            }
            "build+marshal" => {
                let Command::Message(sample) = &first else { panic!("a message is measured") };
                let sample = Sample::of(sample);
                let mut encoder = warm_encoder(format, &sample.build().into(), frames);
                let mut out = Vec::with_capacity(128 << 10);
                repeat(move || {
                    out.clear();
                    encoder.encode(&black_box(&sample).build().into(), &mut out).is_ok()
                })
            }
            _ => return None,
        })
    }
}

/// An encoder that has sent the command before; what it writes must be what Java wrote.
fn warm_encoder(format: WireFormat, command: &Command, frames: &Frames) -> Encoder {
    let mut encoder = Encoder::new(format);
    for expected in [&frames.first, &frames.steady] {
        let mut out = Vec::new();
        encoder.encode(command, &mut out).expect("the command can be written");
        assert_eq!(out, *expected, "the same bytes as Java's");
    }
    encoder
}

fn decode(decoder: &mut Decoder, frame: &[u8]) -> Command {
    let frame = Bytes::copy_from_slice(body(frame));
    decoder.decode(&frame).expect("Java's frame can be read").expect("a command")
}

/// A frame without its size.
fn body(frame: &[u8]) -> &[u8] {
    frame.get(4..).expect("a frame starts with its size")
}

/// What an application says to send a text message, and what its producer knows.
struct Sample {
    text: String,
    /// In the order in which Java happens to write them.
    properties: Vec<(String, Primitive)>,
    producer: ProducerId,
    destination: Destination,
    sequence: i64,
    timestamp: i64,
}

impl Sample {
    fn of(message: &Message) -> Self {
        let text = match message.body(&Limits::DEFAULT) {
            Ok(rewire_protocol::Body::Text(Some(text))) => text.to_string(),
            other => panic!("a text message is measured: {other:?}"),
        };
        let properties = message.properties(&Limits::DEFAULT).expect("Java's properties");
        let id = message.message_id.clone().expect("a message has an id");
        Self {
            text,
            properties: properties
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            producer: message.producer_id.clone().expect("a message has a producer"),
            destination: message.destination.clone().expect("a message has a destination"),
            sequence: id.producer_sequence_id,
            timestamp: message.timestamp,
        }
    }

    /// A new message: text, three properties, headers.
    fn build(&self) -> Message {
        let properties: PrimitiveMap = self
            .properties
            .iter()
            .map(|(name, value)| (Str::from(name.as_str()), value.clone()))
            .collect();
        Message {
            kind: MessageKind::Text,
            command_id: 77,
            response_required: true,
            producer_id: Some(self.producer.clone()),
            destination: Some(self.destination.clone()),
            message_id: Some(self.producer.message(self.sequence)),
            persistent: true,
            priority: 4,
            timestamp: self.timestamp,
            content: Some(encode_text(&self.text).expect("a text can be written")),
            marshalled_properties: Some(properties.encode().expect("properties can be written")),
            ..Message::default()
        }
    }
}
