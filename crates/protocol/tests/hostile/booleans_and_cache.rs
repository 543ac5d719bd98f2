//! Point 6: the boolean stream is neither longer than the frame nor shorter than the command; a slot of the
//! cache is within the cache and filled.

use rewire_protocol::{
    Command, ConnectionId, ConsumerId, ConsumerInfo, DecodeErrorKind, Decoder, Encoder, Limits,
    SessionInfo, WireFormat,
};

use crate::frame::{Frame, LOOSE, TIGHT, code};

#[test]
fn a_boolean_stream_longer_than_the_frame_is_refused() {
    let frame = Frame::of(code::KEEP_ALIVE_INFO);
    frame.clone().byte(1).byte(0).int(7).accepted(TIGHT);
    assert!(matches!(
        frame.clone().byte(6).byte(0).int(7).refused(TIGHT),
        DecodeErrorKind::UnexpectedEnd { needed: 6, remaining: 5 }
    ));
    assert!(matches!(
        frame.clone().byte(0x80).short(i16::MAX).byte(0).refused(TIGHT),
        DecodeErrorKind::UnexpectedEnd { .. }
    ));
    assert_eq!(frame.byte(0x80).short(-1).refused(TIGHT), DecodeErrorKind::NegativeLength(-1));
}

#[test]
fn a_boolean_stream_shorter_than_the_command_is_refused_where_java_reads_stale_zeros() {
    let frame = Frame::of(code::KEEP_ALIVE_INFO).byte(0).int(7);
    assert_eq!(frame.refused(TIGHT), DecodeErrorKind::BooleansExhausted);
}

#[test]
fn booleans_that_nothing_asks_for_are_let_through_as_in_java() {
    Frame::of(code::KEEP_ALIVE_INFO).byte(3).raw(&[0, 0xFF, 0xFF]).int(7).accepted(TIGHT);
}

fn cached(slots: u16) -> WireFormat {
    WireFormat { cache_slots: Some(slots), ..LOOSE }
}

/// A `RemoveInfo` whose object is new and gets the slot.
fn new(slot: i16) -> Frame {
    let id = Frame::command(code::REMOVE_INFO).byte(1).short(slot).byte(1);
    id.byte(code::CONNECTION_ID).string(b"c").raw(&[0; 8])
}

/// A `RemoveInfo` whose object stands in the slot.
fn reference(slot: i16) -> Frame {
    Frame::command(code::REMOVE_INFO).byte(0).short(slot).raw(&[0; 8])
}

fn bad(index: i16, problem: &'static str) -> DecodeErrorKind {
    DecodeErrorKind::BadCacheIndex { index, problem }
}

#[test]
fn the_last_slot_is_taken_and_the_one_after_it_refused() {
    for slots in [1, 50, 100, 104, 128, 1024, 16_383, 32_767] {
        let last = i16::try_from(slots - 1).unwrap();
        new(last).accepted(cached(slots));
        let past = last.saturating_add(1);
        if past > last {
            assert_eq!(new(past).refused(cached(slots)), bad(past, "is out of range"));
            assert_eq!(reference(past).refused(cached(slots)), bad(past, "is out of range"));
        }
    }
}

#[test]
fn slot_minus_1_is_read_but_not_stored_and_others_below_zero_are_refused() {
    new(-1).accepted(cached(4));
    assert_eq!(new(-2).refused(cached(4)), bad(-2, "is out of range"));
    assert_eq!(new(i16::MIN).refused(cached(4)), bad(i16::MIN, "is out of range"));
    assert_eq!(reference(-1).refused(cached(4)), bad(-1, "is out of range"));
}

#[test]
fn a_slot_that_was_never_filled_is_refused_where_java_reads_null() {
    assert_eq!(reference(0).refused(cached(4)), bad(0, "was never filled"));
    let mut decoder = Decoder::new(cached(4), Limits::DEFAULT);
    decoder.decode(&new(2).bytes()).unwrap();
    decoder.decode(&reference(2).bytes()).unwrap();
    assert_eq!(decoder.decode(&reference(1).bytes()).unwrap_err().kind, bad(1, "was never filled"));
}

#[test]
fn what_stands_in_a_slot_must_fit_where_it_is_wanted() {
    let mut decoder = Decoder::new(cached(4), Limits::DEFAULT);
    decoder.decode(&new(0).bytes()).unwrap();
    let info = Frame::command(code::CONSUMER_INFO).byte(0).short(0);
    let (expected, found) = ("ConsumerId", "ConnectionId");
    let kind = decoder.decode(&info.bytes()).unwrap_err().kind;
    assert_eq!(kind, DecodeErrorKind::WrongType { expected, found });
}

#[test]
fn no_slots_at_all_refuse_every_index_but_minus_1() {
    assert_eq!(new(0).refused(cached(0)), bad(0, "is out of range"));
    new(-1).accepted(cached(0));
}

#[test]
fn a_writer_with_fewer_than_100_slots_comes_to_an_end_where_java_never_does() {
    for slots in [0, 1, 50, 99, 100] {
        for format in [cached(slots), WireFormat { cache_slots: Some(slots), ..TIGHT }] {
            let format = WireFormat { size_prefix: false, ..format };
            let (mut encoder, mut decoder) =
                (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
            for round in 0..300 {
                let id = ConnectionId::new("c").session(round % 120).consumer(round % 7);
                let command: Command =
                    ConsumerInfo { consumer_id: Some(id), ..ConsumerInfo::default() }.into();
                let mut frame = Vec::new();
                encoder.encode(&command, &mut frame).unwrap();
                assert_eq!(decoder.decode(&frame.into()).unwrap().as_ref(), Some(&command));
            }
        }
    }
}

#[test]
fn each_direction_has_a_cache_of_its_own() {
    let format = WireFormat { size_prefix: false, ..WireFormat::DEFAULT };
    let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
    let theirs: Command = SessionInfo {
        session_id: Some(ConnectionId::new("theirs").session(1)),
        ..SessionInfo::default()
    }
    .into();
    let mut frame = Vec::new();
    Encoder::new(format).encode(&theirs, &mut frame).unwrap();
    decoder.decode(&frame.clone().into()).unwrap();
    // What was received is new when it is sent.
    let mut sent = Vec::new();
    encoder.encode(&theirs, &mut sent).unwrap();
    assert_eq!(sent, frame);
}

#[test]
fn ids_of_different_classes_with_equal_fields_are_kept_apart() {
    let format = WireFormat { size_prefix: false, ..WireFormat::DEFAULT };
    let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
    let consumer = ConsumerId { connection_id: Some("c".into()), session_id: 1, value: 1 };
    let producer = consumer.session().producer(1);
    for id in [Command::from(consumer), producer.into()].into_iter().cycle().take(4) {
        let command: Command = rewire_protocol::RemoveInfo {
            object_id: Some(Box::new(id)),
            ..rewire_protocol::RemoveInfo::default()
        }
        .into();
        let mut frame = Vec::new();
        encoder.encode(&command, &mut frame).unwrap();
        assert_eq!(decoder.decode(&frame.into()).unwrap(), Some(command));
    }
}
