//! The other direction: what Java could not read is not sent, and the connection goes on.

use bytes::Bytes;
use rewire_protocol::{
    BrokerInfo, Command, ConnectionId, ConsumerInfo, ControlCommand, DataArrayResponse, Decoder,
    Destination, EncodeErrorKind, Encoder, ExceptionResponse, KeepAliveInfo, Limits, MAX_ARRAY,
    MAX_LOOSE_STRING, MAX_TIGHT_STRING, Message, PartialCommand, ProducerAck, SessionInfo,
    StackElement, Str, Throwable, WireFormat,
};

use crate::frame::{LOOSE, TIGHT};

fn encode(format: WireFormat, command: impl Into<Command>) -> Result<Vec<u8>, EncodeErrorKind> {
    let mut out = Vec::new();
    Encoder::new(format).encode(&command.into(), &mut out).map_err(|error| error.kind)?;
    Ok(out)
}

fn control(len: usize) -> ControlCommand {
    ControlCommand { command: Some("a".repeat(len).into()), ..ControlCommand::default() }
}

#[test]
fn a_string_is_written_at_the_limit_of_its_encoding_and_refused_one_past_it() {
    for (format, limit) in [(TIGHT, MAX_TIGHT_STRING), (LOOSE, MAX_LOOSE_STRING)] {
        encode(format, control(limit)).unwrap();
        let kind = encode(format, control(limit + 1)).unwrap_err();
        assert_eq!(kind, EncodeErrorKind::StringTooLong { len: limit + 1, limit });
    }
}

#[test]
fn the_limit_of_a_string_counts_its_bytes_on_the_wire() {
    // Two bytes each.
    let text = Str::from("é".repeat(MAX_TIGHT_STRING / 2 + 1));
    let command = ControlCommand { command: Some(text), ..ControlCommand::default() };
    encode(TIGHT, command).unwrap_err();
}

#[test]
fn an_array_is_written_at_the_limit_and_refused_one_past_it() {
    for format in [TIGHT, LOOSE] {
        let nulls =
            |len| DataArrayResponse { data: Some(vec![None; len]), ..DataArrayResponse::default() };
        encode(format, nulls(MAX_ARRAY)).unwrap();
        let kind = encode(format, nulls(MAX_ARRAY + 1)).unwrap_err();
        let (len, limit) = (MAX_ARRAY + 1, MAX_ARRAY);
        assert_eq!(kind, EncodeErrorKind::TooManyElements { len, limit });
    }
}

#[test]
fn a_stack_trace_is_written_at_the_limit_and_refused_one_past_it() {
    for format in [TIGHT, LOOSE] {
        let trace = |len| {
            let stack = vec![StackElement::default(); len];
            let exception = Some(Box::new(Throwable { stack, ..Throwable::new("E", "") }));
            ExceptionResponse { exception, ..ExceptionResponse::default() }
        };
        encode(format, trace(MAX_ARRAY)).unwrap();
        encode(format, trace(MAX_ARRAY + 1)).unwrap_err();
    }
}

#[test]
fn a_frame_is_written_at_the_peers_limit_and_refused_one_past_it() {
    let partial = || PartialCommand { data: Some(Bytes::from(vec![7; 1000])), command_id: 1 };
    for format in [TIGHT, LOOSE] {
        let len = encode(format, partial()).unwrap().len() - 4;
        let limited = |limit: usize| WireFormat { max_frame_size: limit as i64, ..format };
        encode(limited(len), partial()).unwrap();
        let kind = encode(limited(len - 1), partial()).unwrap_err();
        assert_eq!(kind, EncodeErrorKind::FrameTooLarge { len, limit: len - 1 });
    }
}

#[test]
fn a_structure_is_written_from_its_version_on_and_refused_before() {
    for row in Command::schema().filter(|row| row.since > 1) {
        let command = Command::named(row.name).unwrap();
        let inside: Command = rewire_protocol::DataResponse {
            data: Some(Box::new(command.clone())),
            ..rewire_protocol::DataResponse::default()
        }
        .into();
        for command in [command, inside] {
            encode(WireFormat { version: row.since, ..TIGHT }, command.clone()).unwrap();
            let version = row.since - 1;
            let kind = encode(WireFormat { version, ..TIGHT }, command).unwrap_err();
            assert_eq!(kind, EncodeErrorKind::NotInVersion { since: row.since, version });
        }
    }
}

#[test]
fn a_field_newer_than_the_version_is_left_out() {
    let command = ConsumerInfo { client_id: Some("me".into()), ..ConsumerInfo::default() };
    let plain = encode(WireFormat { version: 9, ..TIGHT }, ConsumerInfo::default()).unwrap();
    assert_eq!(encode(WireFormat { version: 9, ..TIGHT }, command).unwrap(), plain);
}

#[test]
fn a_destination_without_a_name_is_refused_because_java_cannot_read_it() {
    let info =
        ConsumerInfo { destination: Some(Destination::queue("")), ..ConsumerInfo::default() };
    assert!(matches!(encode(TIGHT, info), Err(EncodeErrorKind::Unreadable(_))));
}

/// Commands that fail after they have put something into the cache.
fn failing() -> Vec<Command> {
    let id = ConnectionId::new("failing");
    let too_long = Some(Str::from("a".repeat(MAX_LOOSE_STRING + 1)));
    vec![
        ConsumerInfo {
            consumer_id: Some(id.session(1).consumer(1)),
            destination: Some(Destination::queue("failing")),
            selector: too_long.clone(),
            ..ConsumerInfo::default()
        }
        .into(),
        Message {
            producer_id: Some(id.session(1).producer(1)),
            group_id: too_long,
            content: Some(vec![1; 10_000].into()),
            ..Message::default()
        }
        .into(),
        // Fails only when its size is known, by the limit of the encoder below.
        Message {
            producer_id: Some(id.session(2).producer(2)),
            content: Some(vec![1; 100_000].into()),
            ..Message::default()
        }
        .into(),
        BrokerInfo { peer_broker_infos: Some(vec![None; MAX_ARRAY + 1]), ..BrokerInfo::default() }
            .into(),
    ]
}

fn working(round: i64) -> Command {
    let id = ConnectionId::new(if round % 2 == 0 { "failing" } else { "working" });
    let consumer_id = Some(id.session(1).consumer(round % 3));
    let destination = Some(Destination::queue("failing"));
    ConsumerInfo { consumer_id, destination, ..ConsumerInfo::default() }.into()
}

#[test]
fn after_an_error_the_output_is_as_before_and_the_peer_reads_on() {
    for slots in [1, 101, 104, 1024] {
        for tight in [true, false] {
            let format = WireFormat {
                tight,
                cache_slots: Some(slots),
                size_prefix: false,
                max_frame_size: 50_000,
                ..WireFormat::DEFAULT
            };
            let (mut encoder, mut decoder) =
                (Encoder::new(format), Decoder::new(format, Limits::DEFAULT));
            for round in 0..30 {
                for command in failing() {
                    let mut out = b"before".to_vec();
                    encoder.encode(&command, &mut out).unwrap_err();
                    assert_eq!(out, b"before");
                }
                let (mut frame, command) = (Vec::new(), working(round));
                encoder.encode(&command, &mut frame).unwrap();
                assert_eq!(decoder.decode(&frame.into()).unwrap(), Some(command));
            }
        }
    }
}

#[test]
fn after_an_error_the_next_frame_is_the_one_that_would_have_come_anyway() {
    for format in [WireFormat::DEFAULT, WireFormat { tight: false, ..WireFormat::DEFAULT }] {
        let format = WireFormat { max_frame_size: 50_000, ..format };
        let (mut disturbed, mut calm) = (Encoder::new(format), Encoder::new(format));
        for round in 0..10 {
            failing().iter().for_each(|command| {
                disturbed.encode(command, &mut Vec::new()).unwrap_err();
            });
            let (mut after, mut anyway) = (Vec::new(), Vec::new());
            disturbed.encode(&working(round), &mut after).unwrap();
            calm.encode(&working(round), &mut anyway).unwrap();
            assert_eq!(after, anyway, "round {round}");
        }
    }
}

#[test]
fn the_boolean_stream_may_grow_and_shrink_from_one_frame_to_the_next() {
    let array = |len| DataArrayResponse { data: Some(vec![None; len]), ..Default::default() };
    let mut encoder = Encoder::new(TIGHT);
    for len in [0, 10, 5000, 3, 600, 2100, 0, 520] {
        let mut frame = Vec::new();
        encoder.encode(&array(len).into(), &mut frame).unwrap();
        assert_eq!(frame, encode(TIGHT, array(len)).unwrap(), "{len} elements");
    }
}

#[test]
fn a_boolean_stream_is_written_at_the_limit_of_32767_bytes_and_refused_one_past_it() {
    // A response with an array of nulls takes 2 booleans, and 1 for each element.
    let arrays = |nulls: usize| {
        let array = |len| {
            let data = Some(vec![None; len]);
            DataArrayResponse { data, ..DataArrayResponse::default() }
        };
        // Each array inside takes 1 more for itself.
        let (whole, rest) = (nulls / 30_000, nulls % 30_000);
        let lens = std::iter::repeat_n(30_000, whole).chain([rest]);
        let inner = lens.map(|len| Some(Box::new(Command::from(array(len))))).collect();
        DataArrayResponse { data: Some(inner), ..DataArrayResponse::default() }
    };
    let limit = 8 * 32_767;
    let booleans = |nulls: usize| 2 + 3 * (nulls / 30_000 + 1) + nulls;
    let most = (0..limit).rev().find(|nulls| booleans(*nulls) <= limit).unwrap();
    assert_eq!(booleans(most), limit);
    let limits = Limits { max_elements: usize::MAX, ..Limits::DEFAULT };
    let frame = encode(WireFormat { size_prefix: false, ..TIGHT }, arrays(most)).unwrap();
    let decoded = Decoder::new(TIGHT, limits).decode(&frame.into()).unwrap();
    assert!(decoded == Some(arrays(most).into()));
    assert!(matches!(encode(TIGHT, arrays(most + 1)), Err(EncodeErrorKind::Unreadable(_))));
}

#[test]
fn frames_are_appended_to_what_is_already_there() {
    let mut out = b"before".to_vec();
    let session = SessionInfo {
        session_id: Some(ConnectionId::new("c").session(1)),
        ..SessionInfo::default()
    };
    let alone = encode(TIGHT, session.clone()).unwrap();
    Encoder::new(TIGHT).encode(&session.into(), &mut out).unwrap();
    assert_eq!(out, [b"before", &alone[..]].concat());
}

#[test]
fn a_producer_ack_in_version_2_leaves_no_byte() {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(WireFormat { version: 2, ..TIGHT });
    encoder.encode(&ProducerAck::default().into(), &mut out).unwrap_err();
    assert!(out.is_empty());
    encoder.encode(&KeepAliveInfo::default().into(), &mut out).unwrap();
    assert_eq!(out, [0, 0, 0, 7, 10, 1, 0, 0, 0, 0, 0]);
}
