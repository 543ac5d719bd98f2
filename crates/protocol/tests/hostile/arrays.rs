//! Point 3: an element that is null costs one byte loose and one bit tight; all elements of a frame count.

use rewire_protocol::{DecodeErrorKind, Limits};

use crate::frame::{Frame, LOOSE, TIGHT, code};

fn limits(max_elements: usize) -> Limits {
    Limits { max_elements, ..Limits::DEFAULT }
}

/// A tight `DataArrayResponse` of nulls: `nulls` bits in a stream.
fn nulls(count: i16) -> Frame {
    let bits = usize::try_from(count).unwrap() + 2;
    let bytes = bits.div_ceil(8);
    // responseRequired 0, the array's presence 1, then nothing but zeros
    let mut stream = vec![0; bytes];
    stream[0] = 0b10;
    let header = Frame::of(code::DATA_ARRAY_RESPONSE);
    let header = match bytes {
        0..64 => header.byte(u8::try_from(bytes).unwrap()),
        64..256 => header.byte(0xC0).byte(u8::try_from(bytes).unwrap()),
        _ => header.byte(0x80).short(i16::try_from(bytes).unwrap()),
    };
    header.raw(&stream).int(7).int(6).short(count)
}

#[test]
fn nulls_of_one_bit_each_are_taken_at_the_limit_and_refused_one_past_it() {
    nulls(1000).decode_within(TIGHT, limits(1000)).unwrap();
    let kind = nulls(1001).refused_within(TIGHT, limits(1000));
    let what = "number of elements";
    assert_eq!(kind, DecodeErrorKind::TooLarge { what, size: 1001, limit: 1000 });
}

#[test]
fn javas_longest_array_of_nulls_passes_by_default() {
    nulls(i16::MAX).accepted(TIGHT);
}

#[test]
fn nulls_of_one_byte_each_are_taken_at_the_limit_and_refused_one_past_it() {
    let array = |count: i16| {
        let array = Frame::response(code::DATA_ARRAY_RESPONSE).byte(1).short(count);
        array.raw(&vec![0; usize::try_from(count).unwrap()])
    };
    array(8).decode_within(LOOSE, limits(8)).unwrap();
    array(9).decode_within(LOOSE, limits(8)).unwrap_err();
}

#[test]
fn the_elements_of_all_arrays_and_stack_traces_of_a_frame_count_together() {
    let element = |frame: Frame| frame.string(b"C").string(b"m").byte(0).int(1);
    let trace = |frame: Frame| element(element(frame.byte(1).string(b"E").byte(0).short(2)));
    // An array of one response, which holds an exception with two lines and a cause with two more.
    let nested = Frame::response(code::DATA_ARRAY_RESPONSE)
        .byte(1)
        .short(1)
        .byte(1)
        .byte(code::EXCEPTION_RESPONSE)
        .int(1)
        .byte(0)
        .int(2);
    let frame = trace(trace(nested)).byte(0);
    frame.decode_within(LOOSE, limits(5)).unwrap();
    frame.decode_within(LOOSE, limits(4)).unwrap_err();
}
