//! Point 8: strings are validated, lone surrogates are no reason to panic, secrets are not shown.

use rewire_protocol::{Command, ConnectionInfo, DecodeErrorKind, Encoder, Str, WireFormat};

use crate::frame::{Frame, LOOSE, TIGHT, code};

fn control(text: &[u8]) -> Frame {
    Frame::command(code::CONTROL_COMMAND).string(text)
}

fn text_of(command: &Command) -> Str {
    let Command::ControlCommand(control) = command else { panic!("another: {command:?}") };
    control.command.clone().unwrap()
}

#[test]
fn a_string_that_is_not_modified_utf_8_is_refused_with_the_byte_at_fault() {
    for (text, at) in [
        (&b"ab\x80"[..], 2),
        (b"\xC3", 0),
        (b"\xC3\x28", 0),
        (b"a\xE2\x82", 1),
        (b"a\xE2\x28\xA1", 1),
        (b"\xF0\x9F\x9A\x80", 0),
        (b"\xFF", 0),
    ] {
        assert_eq!(control(text).refused(LOOSE), DecodeErrorKind::BadString { at }, "{text:x?}");
    }
}

#[test]
fn a_lone_surrogate_is_taken_and_written_back_as_it_came() {
    let lone = [0xED, 0xA0, 0x80];
    let command = control(&lone).accepted(LOOSE);
    assert_eq!(text_of(&command).as_wire(), lone);
    assert_eq!(text_of(&command).to_str(), "\u{FFFD}");
    let mut out = Vec::new();
    Encoder::new(WireFormat { size_prefix: false, ..LOOSE }).encode(&command, &mut out).unwrap();
    assert_eq!(out, control(&lone).bytes());
}

#[test]
fn bytes_above_7f_in_a_string_called_ascii_are_characters_as_in_java() {
    let frame = Frame::of(code::CONTROL_COMMAND).byte(1).byte(0b110).int(7).short(1).byte(0xE9);
    assert_eq!(text_of(&frame.accepted(TIGHT)), "é");
}

#[test]
fn the_password_is_never_shown() {
    let secret = "correct horse";
    let info = ConnectionInfo { password: Some(secret.into()), ..ConnectionInfo::default() };
    let command = Command::from(info.clone());
    let nested = rewire_protocol::DataResponse {
        data: Some(Box::new(command.clone())),
        ..rewire_protocol::DataResponse::default()
    };
    let mut encoder = Encoder::new(WireFormat::DEFAULT);
    encoder.encode(&Command::from(nested.clone()), &mut Vec::new()).unwrap();
    for shown in [
        format!("{info:?}"),
        format!("{info:#?}"),
        format!("{command:?}"),
        format!("{nested:?}"),
        format!("{encoder:?}"),
    ] {
        assert!(!shown.contains("correct"), "{shown}");
    }
    assert!(format!("{info:?}").contains("password: <hidden>"));
}

#[test]
fn the_password_is_not_in_the_error_of_a_frame_that_holds_it() {
    let frame = Frame::command(3).byte(0).byte(0).string(b"correct horse").string(b"\x80");
    let error = frame.decode(LOOSE).unwrap_err();
    assert_eq!(error.field, "user_name");
    assert!(!format!("{error} {error:?}").contains("correct"));
}
