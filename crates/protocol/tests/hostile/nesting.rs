//! Point 4: nesting has a limit, and what is nested as deeply as that can be handled on a small stack.

use std::hash::{DefaultHasher, Hash};

use rewire_protocol::{
    BrokerInfo, Command, DataArrayResponse, DataResponse, DecodeErrorKind, Decoder,
    EncodeErrorKind, Encoder, ExceptionResponse, Limits, Message, MessageDispatch, RemoveInfo,
    Throwable, WireFormat,
};

use crate::frame::{Frame, LOOSE, TIGHT, code};

const LIMIT: usize = Limits::DEFAULT.max_nesting;
/// What Rust gives a thread that does not ask for more.
const STACK: usize = 2 << 20;

/// `DataResponse`s inside one another, with nothing in the innermost: `levels` objects inside the first.
fn responses(levels: usize) -> Frame {
    let inside = |frame: Frame| frame.byte(1).byte(code::DATA_RESPONSE).int(7).byte(0).int(6);
    (0..levels).fold(Frame::response(code::DATA_RESPONSE), |frame, _| inside(frame)).byte(0)
}

#[test]
fn objects_are_taken_at_the_limit_of_127_and_refused_one_past_it() {
    responses(127).accepted(LOOSE);
    assert_eq!(responses(128).refused(LOOSE), DecodeErrorKind::TooDeep { limit: 127 });
}

#[test]
fn the_limit_is_the_one_that_was_given() {
    let limits = Limits { max_nesting: 3, ..Limits::DEFAULT };
    responses(3).decode_within(LOOSE, limits).unwrap();
    let kind = responses(4).refused_within(LOOSE, limits);
    assert_eq!(kind, DecodeErrorKind::TooDeep { limit: 3 });
}

#[test]
fn a_hundred_thousand_levels_are_refused_without_using_the_stack() {
    on_a_small_stack(|| {
        assert_eq!(responses(100_000).refused(LOOSE), DecodeErrorKind::TooDeep { limit: 127 });
    });
}

#[test]
fn causes_are_taken_at_the_limit_of_127_and_refused_one_past_it() {
    let causes = |levels: usize| {
        let exception = Frame::response(code::EXCEPTION_RESPONSE).byte(1);
        let one = |frame: Frame| frame.string(b"E").byte(0).short(0);
        (1..levels).fold(one(exception), |frame, _| one(frame.byte(1))).byte(0)
    };
    causes(127).accepted(LOOSE);
    assert_eq!(causes(128).refused(LOOSE), DecodeErrorKind::TooDeep { limit: 127 });
}

fn respond(inner: Command) -> Command {
    DataResponse { data: Some(Box::new(inner)), ..DataResponse::default() }.into()
}

/// Every way in which a structure can hold itself, at the limit.
fn deep() -> Vec<Command> {
    let nest = |levels: usize, innermost: Command, outer: fn(Command) -> Command| {
        (0..levels).fold(innermost, |inner, _| outer(inner))
    };
    vec![
        nest(LIMIT, DataResponse::default().into(), respond),
        nest(LIMIT, DataResponse::default().into(), |inner| {
            let data = Some(vec![None, Some(Box::new(inner))]);
            DataArrayResponse { data, ..DataArrayResponse::default() }.into()
        }),
        nest(LIMIT, Message::default().into(), |inner| {
            Message { data_structure: Some(Box::new(inner)), ..Message::default() }.into()
        }),
        nest(LIMIT / 2, nest(1, Message::default().into(), respond), |inner| {
            let message = Message { data_structure: Some(Box::new(inner)), ..Message::default() };
            MessageDispatch { message: Some(Box::new(message)), ..MessageDispatch::default() }
                .into()
        }),
        nest(LIMIT, RemoveInfo::default().into(), |inner| {
            RemoveInfo { object_id: Some(Box::new(inner)), ..RemoveInfo::default() }.into()
        }),
        (0..LIMIT)
            .fold(BrokerInfo::default(), |inner, _| BrokerInfo {
                peer_broker_infos: Some(vec![Some(Box::new(inner))]),
                ..BrokerInfo::default()
            })
            .into(),
        ExceptionResponse { exception: Some(Box::new(causes(LIMIT))), ..Default::default() }.into(),
    ]
}

fn causes(levels: usize) -> Throwable {
    (1..levels).fold(Throwable::new("E", ""), |cause, _| Throwable {
        cause: Some(Box::new(cause)),
        ..Throwable::new("E", "")
    })
}

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).unwrap();
    thread.join().expect("no overflow and no failed assertion");
}

#[test]
fn what_is_nested_to_the_limit_is_cloned_compared_hashed_shown_and_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        for command in deep() {
            let clone = command.clone();
            assert!(clone == command);
            let mut hasher = DefaultHasher::new();
            clone.hash(&mut hasher);
            assert!(format!("{clone:?}").len() > LIMIT);
            assert!(format!("{clone:#?}").len() > LIMIT);
        }
    });
}

#[test]
fn what_is_nested_to_the_limit_is_written_and_read_on_a_small_stack() {
    for format in [LOOSE, TIGHT, WireFormat::DEFAULT] {
        on_a_small_stack(move || {
            for command in deep() {
                let mut frame = Vec::new();
                let format = WireFormat { size_prefix: false, ..format };
                Encoder::new(format).encode(&command, &mut frame).unwrap();
                let decoded = Decoder::new(format, Limits::DEFAULT).decode(&frame.into()).unwrap();
                assert!(decoded.as_ref() == Some(&command), "{}", command.name());
            }
        });
    }
}

#[test]
fn one_level_more_is_not_written_because_no_reader_would_take_it() {
    for command in deep() {
        let error = Encoder::new(LOOSE).encode(&respond(command), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind, EncodeErrorKind::TooDeep { limit: LIMIT });
    }
}
