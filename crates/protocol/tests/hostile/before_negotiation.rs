//! Point 1: before negotiation only one small `WireFormatInfo` is let in. Which command may come first is
//! the link's to say; here is what the codec does for it.

use rewire_protocol::{DecodeErrorKind, FrameReader, Limits, WireFormat};

use crate::frame::Frame;

#[test]
fn the_first_frame_is_refused_by_its_size_before_it_arrives() {
    let limit = Limits::DEFAULT.max_handshake_size;
    for (size, refused) in [(limit, false), (limit + 1, true)] {
        let mut reader = FrameReader::new(limit);
        reader.extend(&u32::try_from(size).unwrap().to_be_bytes());
        assert_eq!(reader.next_frame().is_err(), refused, "{size} bytes");
    }
}

#[test]
fn the_limit_of_the_handshake_is_lifted_once_the_peers_have_agreed() {
    let mut reader = FrameReader::new(3);
    reader.set_max_frame_size(4);
    reader.extend(&[0, 0, 0, 4, 1, 2, 3, 4]);
    assert_eq!(reader.next_frame().unwrap().unwrap().len(), 4);
}

#[test]
fn a_handshake_whose_properties_lie_about_their_length_is_refused() {
    let info = Frame::of(1).raw(b"ActiveMQ").int(12).byte(1).int(i32::MAX);
    let kind = info.refused(WireFormat::HANDSHAKE);
    assert_eq!(
        kind,
        DecodeErrorKind::UnexpectedEnd { needed: i32::MAX.unsigned_abs() as usize, remaining: 0 }
    );
}
