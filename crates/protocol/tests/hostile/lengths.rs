//! Point 2: a frame is parsed inside exactly its bytes; no length or count is believed.

use rewire_protocol::{DecodeErrorKind, Decoder, FrameReader, Limits, WireFormat};

use crate::frame::{Frame, LOOSE, TIGHT, code};

#[test]
fn a_frame_is_taken_at_the_limit_and_refused_one_past_it() {
    let frame = Frame::command(code::PARTIAL_COMMAND - 50).bytes();
    for (max_frame_size, refused) in [(frame.len(), false), (frame.len() - 1, true)] {
        let limits = Limits { max_frame_size, ..Limits::DEFAULT };
        assert_eq!(Decoder::new(LOOSE, limits).decode(&frame).is_err(), refused);
        let negotiated = WireFormat { max_frame_size: max_frame_size as i64, ..LOOSE };
        assert_eq!(Decoder::new(negotiated, Limits::DEFAULT).decode(&frame).is_err(), refused);
    }
}

#[test]
fn the_lower_of_the_limit_and_what_was_negotiated_is_in_force() {
    let limits = Limits { max_frame_size: 10, ..Limits::DEFAULT };
    assert_eq!(Decoder::new(LOOSE, limits).max_frame_size(), 10);
    let negotiated = WireFormat { max_frame_size: 9, ..LOOSE };
    assert_eq!(Decoder::new(negotiated, limits).max_frame_size(), 9);
}

#[test]
fn a_negative_size_of_a_frame_is_refused() {
    let mut reader = FrameReader::new(usize::MAX);
    reader.extend(&(-1_i32).to_be_bytes());
    assert_eq!(reader.next_frame().unwrap_err().kind, DecodeErrorKind::NegativeLength(-1));
}

#[test]
fn bytes_after_the_command_are_refused() {
    let frame = Frame::command(code::KEEP_ALIVE_INFO);
    assert_eq!(frame.accepted(LOOSE).name(), "KeepAliveInfo");
    assert_eq!(frame.byte(0).refused(LOOSE), DecodeErrorKind::TrailingBytes(1));
    assert_eq!(Frame::of(0).byte(0).refused(LOOSE), DecodeErrorKind::TrailingBytes(1));
}

#[test]
fn an_empty_frame_is_refused() {
    let empty = Decoder::new(LOOSE, Limits::DEFAULT).decode(&bytes::Bytes::new()).unwrap_err();
    assert_eq!(empty.kind, DecodeErrorKind::UnexpectedEnd { needed: 1, remaining: 0 });
}

#[test]
fn a_length_of_bytes_is_taken_when_they_are_there_and_refused_one_past_the_end() {
    let partial = Frame::of(code::PARTIAL_COMMAND).int(7).byte(1);
    partial.clone().int(3).raw(b"abc").accepted(LOOSE);
    let kind = partial.int(4).raw(b"abc").refused(LOOSE);
    assert_eq!(kind, DecodeErrorKind::UnexpectedEnd { needed: 4, remaining: 3 });
}

#[test]
fn a_negative_length_of_bytes_is_refused() {
    let partial = Frame::of(code::PARTIAL_COMMAND).int(7).byte(1);
    assert_eq!(partial.clone().int(-1).refused(LOOSE), DecodeErrorKind::NegativeLength(-1));
    let least = DecodeErrorKind::NegativeLength(i32::MIN.into());
    assert_eq!(partial.int(i32::MIN).refused(LOOSE), least);
}

#[test]
fn a_length_of_a_string_one_past_the_end_is_refused() {
    let control = Frame::command(code::CONTROL_COMMAND).byte(1);
    control.clone().short(3).raw(b"abc").accepted(LOOSE);
    let kind = control.short(4).raw(b"abc").refused(LOOSE);
    assert_eq!(kind, DecodeErrorKind::UnexpectedEnd { needed: 4, remaining: 3 });
}

#[test]
fn a_string_is_taken_at_the_limit_and_refused_one_past_it() {
    let frame = Frame::command(code::CONTROL_COMMAND).string(b"shutdown");
    let limits = |max_string| Limits { max_string, ..Limits::DEFAULT };
    frame.decode_within(LOOSE, limits(8)).unwrap();
    let kind = frame.refused_within(LOOSE, limits(7));
    assert_eq!(kind, DecodeErrorKind::TooLarge { what: "string", size: 8, limit: 7 });
}

#[test]
fn a_tight_ascii_string_of_more_than_32767_bytes_is_refused_because_java_reads_it_as_negative() {
    // responseRequired 0, present 1, ascii 1
    let control = Frame::of(code::CONTROL_COMMAND).byte(1).byte(0b110).int(7);
    let text = |len: u16| control.clone().short(len.cast_signed()).raw(&vec![b'a'; len.into()]);
    text(32_767).accepted(TIGHT);
    assert_eq!(text(32_768).refused(TIGHT), DecodeErrorKind::NegativeLength(-32_768));
}

#[test]
fn a_negative_count_is_refused() {
    let array = Frame::response(code::DATA_ARRAY_RESPONSE).byte(1).short(-1);
    assert_eq!(array.refused(LOOSE), DecodeErrorKind::NegativeLength(-1));
    let stack =
        Frame::response(code::EXCEPTION_RESPONSE).byte(1).string(b"E").byte(0).short(i16::MIN);
    assert_eq!(stack.refused(LOOSE), DecodeErrorKind::NegativeLength(i16::MIN.into()));
}

#[test]
fn a_count_with_fewer_elements_than_it_says_is_refused() {
    let array = Frame::response(code::DATA_ARRAY_RESPONSE).byte(1).short(3).raw(&[0, 0]);
    let end = DecodeErrorKind::UnexpectedEnd { needed: 1, remaining: 0 };
    assert_eq!(array.refused(LOOSE), end);
}
