//! What decoding allocates: never much more than the limit of a frame, nothing for a promise, and for an
//! ordinary message only what it must.

use bytes::Bytes;
use rewire_protocol::{
    BrokerId, Command, ConnectionId, ConnectionInfo, ConsumerId, ConsumerInfo, DataArrayResponse,
    Decoder, Destination, Encoder, FrameReader, Limits, Message, MessageAck, MessageDispatch,
    RemoveInfo, Str, WireFormat,
};

use crate::frame::{Frame, LOOSE, TIGHT, code};
use crate::{check, fields};

/// A small limit, so that what is beyond it shows.
const SMALL: Limits = Limits { max_frame_size: 1 << 20, ..Limits::DEFAULT };

/// Decodes a frame within limits; answers the most bytes that were allocated at one time, and whether it
/// was taken.
fn decode(frame: &Bytes, format: WireFormat, limits: Limits) -> (u64, bool) {
    let mut decoder = Decoder::new(format, limits);
    let mut taken = false;
    let measured = allocation_counter::measure(|| taken = decoder.decode(frame).is_ok());
    (measured.bytes_max, taken)
}

/// Where memory stays under four times the limit of a frame.
fn assert_bounded(what: &str, frame: &Bytes, format: WireFormat, limits: Limits) {
    let (peak, _) = decode(frame, format, limits);
    let bound = 4 * limits.max_frame_size as u64;
    assert!(peak < bound, "{what}: {} bytes took {peak} of {bound}", frame.len());
}

fn encoded(format: WireFormat, command: impl Into<Command>) -> Bytes {
    let mut out = Vec::new();
    let format = WireFormat { size_prefix: false, ..format };
    Encoder::new(format).encode(&command.into(), &mut out).unwrap();
    out.into()
}

#[test]
fn no_invalid_frame_takes_four_times_the_limit() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openwire/vectors-public.jsonl");
    let mut seen = 0;
    for record in check::read(path).unwrap() {
        if record["kind"] == "invalid" {
            seen += 1;
            let format = check::format(&record).unwrap();
            let raw = check::raw(&record).unwrap();
            let frame = Bytes::from(raw[4.min(raw.len())..].to_vec());
            for limits in [SMALL, Limits::DEFAULT] {
                assert_bounded(&record["name"].to_string(), &frame, format, limits);
            }
        }
    }
    assert!(seen > 70);
    assert_eq!(fields::hex("00ff"), Ok(vec![0, 255]));
}

#[test]
fn thousands_of_empty_messages_in_one_frame_are_refused_before_they_fill_the_memory() {
    let message = || Some(Box::new(Command::from(Message::default())));
    let data = Some((0..7000).map(|_| message()).collect());
    let frame = encoded(TIGHT, DataArrayResponse { data, ..DataArrayResponse::default() });
    assert!(frame.len() < SMALL.max_frame_size);
    assert!(!decode(&frame, TIGHT, SMALL).1);
    assert_bounded("messages", &frame, TIGHT, SMALL);
    assert!(decode(&frame, TIGHT, Limits::DEFAULT).1);
}

#[test]
fn what_the_cache_copies_counts_as_well() {
    // Each level is copied into the cache with all that is in it.
    let path = |len| Some(vec![None::<ConsumerId>; len]);
    let innermost = ConsumerInfo { network_consumer_path: path(20_000), ..ConsumerInfo::default() };
    let format = WireFormat::DEFAULT;
    let nested = (0..120).fold(Command::from(innermost), |inner, _| {
        RemoveInfo { object_id: Some(Box::new(inner)), ..RemoveInfo::default() }.into()
    });
    let frame = encoded(format, nested);
    assert!(frame.len() < 10_000);
    assert!(!decode(&frame, format, SMALL).1);
    assert_bounded("copies", &frame, format, SMALL);
}

#[test]
fn as_many_ids_as_the_limit_allows_stay_within_the_bound() {
    let path = || Some(vec![None::<BrokerId>; 32_767]);
    let message = Message { broker_path: path(), cluster: path(), ..Message::default() };
    for format in [TIGHT, LOOSE] {
        assert_bounded("paths", &encoded(format, message.clone()), format, SMALL);
    }
}

#[test]
fn a_frame_of_18_bytes_that_promises_2_gib_costs_next_to_nothing() {
    let frame = Frame::of(code::PARTIAL_COMMAND).int(7).byte(1).int(i32::MAX).raw(&[0; 4]);
    assert!(decode(&frame.bytes(), LOOSE, Limits::DEFAULT).0 < 1024);
}

#[test]
fn a_count_without_elements_costs_next_to_nothing() {
    let array = Frame::response(code::DATA_ARRAY_RESPONSE).byte(1).short(i16::MAX);
    assert!(decode(&array.bytes(), LOOSE, Limits::DEFAULT).0 < 2048);
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

fn connection() -> ConnectionId {
    ConnectionId::new("ID:host-40001-1700000000000-1:1")
}

fn dispatch(content: Bytes) -> MessageDispatch {
    let producer = connection().session(1).producer(1);
    let message = Message {
        message_id: Some(producer.message(7)),
        producer_id: Some(producer),
        destination: Some(Destination::queue("orders.incoming.from.everywhere")),
        content: Some(content),
        marshalled_properties: Some(Bytes::from_static(&[0; 4])),
        ..Message::default()
    };
    MessageDispatch {
        consumer_id: Some(connection().session(1).consumer(1)),
        destination: message.destination.clone(),
        message: Some(Box::new(message)),
        ..MessageDispatch::default()
    }
}

/// What decoding allocates once the cache holds the ids.
fn allocations(format: WireFormat, command: impl Into<Command>) -> u64 {
    let command = command.into();
    let format = WireFormat { size_prefix: false, ..format };
    let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
    let mut frame = Bytes::new();
    for _ in 0..3 {
        let mut out = Vec::new();
        encoder.encode(&command, &mut out).unwrap();
        frame = out.into();
        assert_eq!(decoder.decode(&frame).unwrap().as_ref(), Some(&command));
    }
    // The first slice of a frame makes it shared; that is an allocation of the frame.
    let shared = frame.slice(..1);
    let measured = allocation_counter::measure(|| drop(decoder.decode(&frame)));
    drop(shared);
    measured.count_total
}

#[test]
fn a_dispatched_message_costs_one_allocation_the_box_it_stands_in() {
    for tight in [true, false] {
        let format = WireFormat { tight, ..WireFormat::DEFAULT };
        assert_eq!(allocations(format, dispatch(vec![7; 16 << 10].into())), 1);
    }
}

#[test]
fn an_acknowledgement_costs_one_allocation_the_box_it_stands_in() {
    let producer = connection().session(1).producer(1);
    let ack = MessageAck {
        consumer_id: Some(connection().session(1).consumer(1)),
        destination: Some(Destination::queue("orders.incoming.from.everywhere")),
        first_message_id: Some(producer.message(1)),
        last_message_id: Some(producer.message(9)),
        ..MessageAck::default()
    };
    assert_eq!(allocations(WireFormat::DEFAULT, ack), 1);
}

#[test]
fn a_connection_costs_its_box_and_each_string_too_long_to_stand_in_place() {
    let info = ConnectionInfo {
        connection_id: Some(connection()),
        client_id: Some("ID:host-40001-1700000000000-0:1".into()),
        user_name: Some("user".into()),
        password: Some("fifteen letters".into()),
        ..ConnectionInfo::default()
    };
    assert_eq!(allocations(WireFormat::DEFAULT, info), 2);
}

#[test]
fn content_is_decoded_as_a_slice_of_the_frame() {
    let frame = encoded(TIGHT, dispatch(vec![7; 16 << 10].into()));
    let command = Decoder::new(TIGHT, Limits::DEFAULT).decode(&frame).unwrap().unwrap();
    let Command::MessageDispatch(dispatch) = command else { panic!("another: {command:?}") };
    let content = dispatch.message.unwrap().content.unwrap();
    assert!(frame.as_ptr_range().contains(&content.as_ptr()));
    assert_eq!(content.len(), 16 << 10);
}

#[test]
fn content_is_copied_once_into_an_output_that_has_room() {
    let command = Command::from(dispatch(vec![7; 16 << 10].into()));
    for tight in [true, false] {
        let mut encoder = Encoder::new(WireFormat { tight, ..WireFormat::DEFAULT });
        let mut out = Vec::with_capacity(64 << 10);
        for _ in 0..3 {
            out.clear();
            encoder.encode(&command, &mut out).unwrap();
        }
        out.clear();
        // No allocation, hence no place for another copy.
        let measured = allocation_counter::measure(|| encoder.encode(&command, &mut out).unwrap());
        assert_eq!(measured.count_total, 0);
    }
}

#[test]
fn neither_half_of_the_cache_keeps_a_frame_alive() {
    let text = "x".repeat(8000);
    let info = ConsumerInfo {
        destination: Some(Destination::queue(Str::from_wire(text.clone().into()).unwrap())),
        ..ConsumerInfo::default()
    };
    let format = WireFormat { size_prefix: false, ..WireFormat::DEFAULT };
    let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
    let mut out = Vec::new();
    encoder.encode(&info.into(), &mut out).unwrap();
    let frame = Bytes::from(out);
    let command = decoder.decode(&frame).unwrap().unwrap();
    // A destination that was given as a slice of something larger.
    let owner = Bytes::from(text);
    let name = Str::from_wire(owner.slice(1..)).unwrap();
    let second =
        ConsumerInfo { destination: Some(Destination::queue(name)), ..ConsumerInfo::default() };
    encoder.encode(&second.into(), &mut Vec::new()).unwrap();
    drop(command);
    assert!(frame.is_unique(), "the reader's half holds on to its frame");
    assert!(owner.is_unique(), "the writer's half holds on to a string's owner");
}
