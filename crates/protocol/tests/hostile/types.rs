//! Point 5: nothing stands where its class cannot, nothing comes that its version does not have.

use rewire_protocol::{Command, DecodeErrorKind, WireFormat};

use crate::frame::{Frame, LOOSE, TIGHT, code};

#[test]
fn a_type_that_does_not_exist_is_refused() {
    let known: Vec<u8> = Command::schema().map(|row| row.code).collect();
    for code in (1..=u8::MAX).filter(|code| !known.contains(code)) {
        let kind = Frame::of(code).raw(&[0; 64]).refused(LOOSE);
        assert_eq!(kind, DecodeErrorKind::UnknownType { code, version: 12 });
    }
}

#[test]
fn a_type_newer_than_the_version_is_refused_alone_and_inside_another() {
    for row in Command::schema().filter(|row| row.since > 1) {
        let version = row.since - 1;
        let format = WireFormat { version, ..LOOSE };
        let unknown = DecodeErrorKind::UnknownType { code: row.code, version };
        assert_eq!(Frame::of(row.code).raw(&[0; 64]).refused(format), unknown);
        let inside = Frame::response(code::DATA_RESPONSE).byte(1).byte(row.code).raw(&[0; 64]);
        assert_eq!(inside.refused(format), unknown);
    }
}

#[test]
fn a_producer_ack_is_taken_from_version_3_on() {
    let frame = Frame::command(code::PRODUCER_ACK).byte(0).int(1);
    frame.accepted(WireFormat { version: 3, ..LOOSE });
    frame.refused(WireFormat { version: 2, ..LOOSE });
}

#[test]
fn an_object_of_another_class_is_refused_where_it_cannot_stand() {
    // A ConnectionId where a ConsumerId is expected.
    let info = Frame::command(code::CONSUMER_INFO).byte(1).byte(code::CONNECTION_ID).byte(0);
    let (expected, found) = ("ConsumerId", "ConnectionId");
    assert_eq!(info.refused(LOOSE), DecodeErrorKind::WrongType { expected, found });
}

#[test]
fn an_error_names_the_structure_the_field_and_the_place() {
    let info = Frame::command(code::CONSUMER_INFO).byte(1).byte(code::CONNECTION_ID).byte(0);
    let error = info.decode(LOOSE).unwrap_err();
    assert_eq!((error.structure, error.field, error.offset), ("ConsumerInfo", "consumer_id", 8));
}

#[test]
fn a_pre_marshalled_message_is_refused_because_no_writer_sends_one() {
    // responseRequired 0, data present 1, pre-marshalled 1
    let frame = Frame::of(code::DATA_RESPONSE).byte(1).byte(0b110).int(7).int(6).byte(23);
    assert_eq!(frame.refused(TIGHT), DecodeErrorKind::PreMarshalled);
}
