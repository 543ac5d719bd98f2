//! Rewire's half of the codec measurement: the cases of Java's `CodecBench`, on the frames that it measures.
//!
//! Nothing is measured that was not checked: what Java's steady frame decodes to is encoded to the same bytes.

use std::hint::black_box;

use bytes::Bytes;
use rewire_protocol::{
    Command, Decoder, Destination, Encoder, Limits, Message, MessageKind, ProducerId, WireFormat,
};

/// What there is to measure about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `marshal`: a command that exists is encoded.
    Marshal,
    /// `unmarshal`: a frame is decoded, and what came of it dropped.
    Unmarshal,
    /// `build+marshal`: a text message is made, with two properties, and encoded.
    BuildAndMarshal,
}

impl Operation {
    /// By the name it has in `CodecBench`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "marshal" => Self::Marshal,
            "unmarshal" => Self::Unmarshal,
            "build+marshal" => Self::BuildAndMarshal,
            _ => return None,
        })
    }
}

/// An operation, to be called so many times, on the frames of a case, which have their size prefixes:
/// `first` is the first of a connection, `steady` each later one.
///
/// # Panics
///
/// When a frame is not what it should be.
#[must_use]
pub fn prepare(
    operation: Operation,
    tight: bool,
    first: &[u8],
    steady: &[u8],
) -> Box<dyn FnMut(u64)> {
    let format = WireFormat { tight, ..WireFormat::DEFAULT };
    let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
    let frame = Bytes::copy_from_slice(without_prefix(steady));
    let introduction = Bytes::copy_from_slice(without_prefix(first));
    let introduced = decoder.decode(&introduction).expect("readable").expect("a command");
    let command = decoder.decode(&frame).expect("readable").expect("a command");
    let mut out = Vec::with_capacity(128 << 10);
    encoder.encode(&introduced, &mut out).expect("writable");
    assert_eq!(out, first, "the first frame is Java's");
    let mut encode = move |command: &Command| {
        out.clear();
        encoder.encode(command, &mut out).expect("writable");
        black_box(&out).len()
    };
    assert_eq!(encode(&command), steady.len());
    match operation {
        Operation::Marshal => repeat(move || encode(black_box(&command))),
        Operation::Unmarshal => repeat(move || {
            let decoded = decoder.decode(black_box(&frame));
            assert!(black_box(&decoded).is_ok(), "readable");
        }),
        Operation::BuildAndMarshal => {
            let Command::Message(sent) = &command else { panic!("not a message: {command:?}") };
            let producer = Producer::of(sent);
            let text = text_of(sent);
            for _ in 0..2 {
                let again = encode(&producer.text_message(&text, 1000).into());
                assert!(again == steady.len(), "{again} bytes are not the message Java builds");
            }
            repeat(move || encode(&producer.text_message(black_box(&text), black_box(1000)).into()))
        }
    }
}

fn repeat<T>(mut operation: impl FnMut() -> T + 'static) -> Box<dyn FnMut(u64)> {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(operation());
        }
    })
}

fn without_prefix(frame: &[u8]) -> &[u8] {
    frame.split_first_chunk::<4>().expect("a frame with its size in front").1
}

/// The text of the message that is built.
fn text_of(message: &Message) -> String {
    let content = message.content.as_deref().and_then(|content| content.get(4..));
    String::from_utf8(content.expect("a body").to_vec()).expect("plain text")
}

/// What a producer knows before it makes a message.
struct Producer {
    id: ProducerId,
    destination: Destination,
}

impl Producer {
    /// The one that sent a message.
    fn of(message: &Message) -> Self {
        Self {
            id: message.producer_id.clone().expect("a producer"),
            destination: message.destination.clone().expect("a destination"),
        }
    }

    /// The text message of `CodecBench`.
    fn text_message(&self, text: &str, sequence: i64) -> Message {
        let mut content = Vec::with_capacity(4 + text.len());
        content.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
        content.extend(text.as_bytes());
        Message {
            kind: MessageKind::Text,
            command_id: 77,
            response_required: true,
            message_id: Some(self.id.message(sequence)),
            producer_id: Some(self.id.clone()),
            destination: Some(self.destination.clone()),
            persistent: true,
            priority: 4,
            timestamp: 1_700_000_000_123,
            content: Some(content.into()),
            marshalled_properties: Some(properties(sequence)),
            ..Message::default()
        }
    }
}

fn properties(sequence: i64) -> Bytes {
    const STRING: u8 = 9;
    const LONG: u8 = 6;
    let mut map = Vec::with_capacity(64);
    map.extend(2_u32.to_be_bytes());
    let mut entry = |key: &[u8], tag: u8, value: &[&[u8]]| {
        map.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        map.extend_from_slice(key);
        map.push(tag);
        value.iter().for_each(|part| map.extend_from_slice(part));
    };
    entry(b"pid", STRING, &[&5_u16.to_be_bytes(), b"p4711"]);
    entry(b"seq", LONG, &[&sequence.to_be_bytes()]);
    map.into()
}
