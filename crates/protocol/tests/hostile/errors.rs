//! Point 9: what an error leaves behind. A decoder that failed is not to be used again; while it waits for
//! the rest of an unprefixed command, though, its cache is as it was before.

use bytes::BytesMut;
use rewire_protocol::{Command, ConnectionId, ConsumerInfo, Decoder, Encoder, Limits, WireFormat};

use crate::frame::{Frame, code};

const FORMAT: WireFormat = WireFormat { size_prefix: false, ..WireFormat::DEFAULT };

fn consumer(number: i64) -> Command {
    let consumer_id = Some(ConnectionId::new("connection").session(1).consumer(number));
    let destination = Some(rewire_protocol::Destination::queue("orders"));
    ConsumerInfo { consumer_id, destination, ..ConsumerInfo::default() }.into()
}

#[test]
fn a_command_that_comes_a_byte_at_a_time_fills_the_cache_once() {
    for format in [FORMAT, WireFormat { tight: false, ..FORMAT }] {
        let commands: Vec<_> = [1, 2, 1, 3, 2].map(consumer).into();
        let mut stream = Vec::new();
        let mut encoder = Encoder::new(format);
        commands.iter().for_each(|command| encoder.encode(command, &mut stream).unwrap());
        let mut decoder = Decoder::new(format, Limits::DEFAULT);
        let (mut buffer, mut decoded) = (BytesMut::new(), Vec::new());
        for byte in stream {
            buffer.extend_from_slice(&[byte]);
            decoded.extend(decoder.decode_unprefixed(&mut buffer).unwrap().flatten());
        }
        assert_eq!(decoded, commands);
        assert!(buffer.is_empty());
    }
}

#[test]
fn a_slot_used_and_then_filled_again_by_one_command_is_not_mixed_up_while_it_comes() {
    const ACK: u8 = 22;
    const PRODUCER_ID: u8 = 123;
    let format = WireFormat { tight: false, ..FORMAT };
    let producer = |frame: Frame, name: &[u8]| {
        frame.byte(1).short(0).byte(1).byte(PRODUCER_ID).string(name).raw(&[0; 16])
    };
    let first = producer(Frame::command(code::REMOVE_INFO), b"a").raw(&[0; 8]);
    // No destination, no transaction, no consumer: all new, none stored.
    let ack = (0..3).fold(Frame::command(ACK), |frame, _| frame.byte(1).short(-1).byte(0));
    // The first message by the producer in slot 0, the last by another, which takes that slot.
    let message = |frame: Frame| frame.byte(1).byte(110).byte(0);
    let ack = message(ack.byte(2)).byte(0).short(0).raw(&[0; 16]);
    let ack = producer(message(ack), b"b").raw(&[0; 16]).int(1).byte(0);
    let mut decoder = Decoder::new(format, Limits::DEFAULT);
    decoder.decode(&first.bytes()).unwrap();
    let (mut buffer, mut decoded) = (BytesMut::new(), None);
    for byte in ack.bytes() {
        assert_eq!(decoded, None);
        buffer.extend_from_slice(&[byte]);
        decoded = decoder.decode_unprefixed(&mut buffer).unwrap().flatten();
    }
    let Some(Command::MessageAck(ack)) = decoded else { panic!("no acknowledgement: {decoded:?}") };
    let name =
        |id: Option<rewire_protocol::MessageId>| id.unwrap().producer_id.unwrap().to_string();
    assert_eq!(
        (name(ack.first_message_id), name(ack.last_message_id)),
        ("a:0:0".into(), "b:0:0".into())
    );
}

#[test]
fn an_unprefixed_command_is_taken_at_the_limit_and_refused_one_past_it() {
    let mut command = Vec::new();
    Encoder::new(FORMAT).encode(&consumer(1), &mut command).unwrap();
    for (max_frame_size, refused) in [(command.len(), false), (command.len() - 1, true)] {
        let limits = Limits { max_frame_size, ..Limits::DEFAULT };
        let mut decoder = Decoder::new(FORMAT, limits);
        let mut buffer = BytesMut::from(&command[..]);
        assert_eq!(decoder.decode_unprefixed(&mut buffer).is_err(), refused);
    }
}

#[test]
fn an_unprefixed_command_is_not_waited_for_beyond_the_limit() {
    // Bytes that would be 2 GiB long.
    let endless = [&[60, 1, 1, 0, 0, 0, 7][..], &i32::MAX.to_be_bytes(), &[0; 89]].concat();
    for (max_frame_size, refused) in [(endless.len(), false), (endless.len() - 1, true)] {
        let limits = Limits { max_frame_size, ..Limits::DEFAULT };
        let mut decoder = Decoder::new(FORMAT, limits);
        let mut buffer = BytesMut::from(&endless[..]);
        assert_eq!(decoder.decode_unprefixed(&mut buffer).is_err(), refused);
    }
}

#[test]
fn a_broken_command_that_no_more_bytes_can_mend_is_refused_at_once() {
    let mut buffer = BytesMut::from(&[13, 0][..]);
    Decoder::new(FORMAT, Limits::DEFAULT).decode_unprefixed(&mut buffer).unwrap_err();
}
