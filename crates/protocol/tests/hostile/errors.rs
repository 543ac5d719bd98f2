//! Point 9: what an error leaves behind. A decoder that failed is not to be used again; while it waits for
//! the rest of an unprefixed command, though, its cache is as it was before.

use bytes::BytesMut;
use rewire_protocol::{Command, ConnectionId, ConsumerInfo, Decoder, Encoder, Limits, WireFormat};

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
