//! How a silent peer is asked for a sign of life, and which may not be asked.

use super::*;
use crate::{ConnectionControl, ConnectionInfo, ExceptionResponse, Response};

/// A client that asks after 100 ms of silence, and its broker.
fn asking() -> (LinkCore, LinkCore, Instant) {
    pair(|config| config.detect_timeout = Some(ms(500)))
}

/// Lets the client ask: what the broker sees.
fn question(a: &mut LinkCore, b: &mut LinkCore) -> (Command, Instant) {
    let now = a.poll_timeout().unwrap();
    a.handle_timeout(now).unwrap();
    carry(a, b, now);
    let Some(LinkEvent::Command(question)) = b.poll_event(now).unwrap() else {
        panic!("a question is expected")
    };
    assert!(question.is_response_required());
    assert_eq!(question.command_id(), QUESTION_ID);
    (question, now)
}

fn tell(from: &mut LinkCore, to: &mut LinkCore, command: impl Into<Command>, now: Instant) {
    from.send(&command.into()).unwrap();
    carry(from, to, now);
}

fn answer() -> Response {
    Response { correlation_id: QUESTION_ID, ..Response::default() }
}

fn refusal() -> ExceptionResponse {
    ExceptionResponse { correlation_id: QUESTION_ID, ..ExceptionResponse::default() }
}

#[test]
fn a_silent_broker_is_asked_to_flush_and_its_answer_is_the_links_own() {
    let (mut a, mut b, _) = asking();
    for _ in 0..3 {
        let (question, now) = question(&mut a, &mut b);
        assert_eq!(question.name(), "FlushCommand");
        tell(&mut b, &mut a, answer(), now);
        assert!(a.poll_event(now).unwrap().is_none());
        assert_eq!(a.poll_timeout(), Some(now + ms(100)));
    }
}

#[test]
fn an_answer_that_nothing_was_asked_for_is_for_the_owner() {
    let (mut a, mut b, now) = asking();
    tell(&mut b, &mut a, answer(), now);
    assert!(matches!(a.poll_event(now).unwrap(), Some(LinkEvent::Command(Command::Response(_)))));
}

#[test]
fn the_answers_to_other_commands_are_for_their_owner_while_a_question_is_open() {
    let (mut a, mut b, _) = asking();
    let (_, now) = question(&mut a, &mut b);
    for correlation_id in [1, 0, -1, i32::MAX] {
        tell(&mut b, &mut a, Response { correlation_id, ..Response::default() }, now);
        let event = a.poll_event(now).unwrap();
        assert!(matches!(event, Some(LinkEvent::Command(Command::Response(_)))), "{event:?}");
    }
    tell(&mut b, &mut a, answer(), now);
    assert!(a.poll_event(now).unwrap().is_none());
}

#[test]
fn answers_that_come_late_are_all_the_links_own() {
    let (mut a, mut b, _) = asking();
    let (_, now) = question(&mut a, &mut b);
    // Something else was sign enough, and silence came again.
    let now = now + ms(10);
    tell(&mut b, &mut a, KeepAliveInfo::default(), now);
    assert!(a.poll_event(now).unwrap().is_none());
    let (_, now) = question(&mut a, &mut b);
    for _ in 0..2 {
        tell(&mut b, &mut a, answer(), now);
        assert!(a.poll_event(now).unwrap().is_none());
    }
}

#[test]
fn a_broker_that_refuses_to_flush_is_asked_by_what_it_was_told_of_the_client_already() {
    for fault_tolerant in [false, true] {
        let (mut a, mut b, now) = asking();
        let info = ConnectionInfo { fault_tolerant, ..ConnectionInfo::default() };
        tell(&mut a, &mut b, info, now);
        assert!(b.poll_event(now).unwrap().is_some());
        let (_, now) = question(&mut a, &mut b);
        tell(&mut b, &mut a, refusal(), now);
        // It has answered.
        assert!(a.poll_event(now).unwrap().is_none());
        for _ in 0..3 {
            let (question, now) = question(&mut a, &mut b);
            let expected = ConnectionControl {
                command_id: QUESTION_ID,
                response_required: true,
                fault_tolerant,
                ..ConnectionControl::default()
            };
            assert_eq!(question, expected.into());
            tell(&mut b, &mut a, answer(), now);
            assert!(a.poll_event(now).unwrap().is_none());
        }
    }
}

#[test]
fn a_client_is_not_asked_and_has_the_initial_delay_to_begin_with_its_keep_alives() {
    let now = start();
    let mut a = link(now, |config| config.offer.max_inactivity_duration = Some(3000));
    let mut b = link(now, |config| {
        config.peer = Peer::Client;
        config.detect_timeout = Some(ms(500));
    });
    greeted(&mut a, &mut b, now);
    // The client says nothing for as long as Java's may.
    let error = loop {
        let due = b.poll_timeout().unwrap();
        match b.handle_timeout(due) {
            Ok(()) => {
                carry(&mut b, &mut a, due);
                // Nothing but keep-alives, which want no answer.
                assert!(a.poll_event(due).unwrap().is_none());
                assert_eq!(a.outgoing_len(), 0);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, silent(ms(13_000), SilenceLimit::MaxInactivityDuration));
}

#[test]
fn a_client_that_has_begun_is_missed_as_soon_as_the_duration_is_over() {
    let now = start();
    let mut a = link(now, |config| {
        config.offer.max_inactivity_duration = Some(3000);
        config.offer.max_inactivity_duration_inital_delay = Some(2000);
    });
    let mut b = link(now, |config| config.peer = Peer::Client);
    greeted(&mut a, &mut b, now);
    tell(&mut a, &mut b, KeepAliveInfo::default(), now + ms(7000));
    assert!(b.handle_timeout(now + ms(9999)).is_ok());
    assert!(b.handle_timeout(now + ms(10_000)).is_err());
}
