//! What decoding allocates: never much more than the limit of a frame, and nothing for a promise.

use bytes::Bytes;
use rewire_protocol::{Decoder, FrameReader, Limits, WireFormat};

use crate::frame::{Frame, LOOSE, code};

/// Decodes a frame within limits; answers the most bytes that were allocated at one time.
fn peak(frame: &Bytes, format: WireFormat, limits: Limits) -> u64 {
    let measured = allocation_counter::measure(|| {
        let _ = Decoder::new(format, limits).decode(frame);
    });
    measured.bytes_max
}

#[test]
fn a_frame_of_18_bytes_that_promises_2_gib_costs_next_to_nothing() {
    let frame = Frame::of(code::PARTIAL_COMMAND).int(7).byte(1).int(i32::MAX).raw(&[0; 4]);
    assert!(peak(&frame.bytes(), LOOSE, Limits::DEFAULT) < 1024);
}

#[test]
fn a_size_prefix_alone_reserves_no_more_than_one_read() {
    let measured = allocation_counter::measure(|| {
        let mut reader = FrameReader::new(usize::MAX);
        reader.extend(&i32::MAX.to_be_bytes());
        assert!(reader.next_frame().unwrap().is_none());
        reader.buffer();
    });
    assert!(measured.bytes_max < 256 << 10, "{measured:?}");
}
