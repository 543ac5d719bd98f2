//! A peer that says nothing because it is busy, and who speaks for it.

use super::*;
use crate::Response;

/// A client that asks after 100 ms of silence, gives its broker 500 to answer, and has just sent something.
fn busy() -> (LinkCore, LinkCore, Instant) {
    let (mut a, b, now) = pair(|config| config.detect_timeout = Some(ms(500)));
    send(&mut a, Message { command_id: 7, ..Message::default() }, now);
    (a, b, now)
}

/// Sends a command to a peer that does not read it.
fn send(link: &mut LinkCore, command: impl Into<Command>, now: Instant) {
    link.send(&command.into()).unwrap();
    write(link, now);
}

/// Lets time pass until there is doubt, or the link is dead: when that is.
fn until_doubt(link: &mut LinkCore) -> Result<Instant, (Instant, LinkError)> {
    loop {
        let now = link.poll_timeout().unwrap();
        link.handle_timeout(now).map_err(|error| (now, error))?;
        write(link, now);
        if link.take_doubt() {
            return Ok(now);
        }
    }
}

fn dies_at(link: &mut LinkCore) -> Instant {
    until_doubt(link).expect_err("there is no doubt any more").0
}

fn hear(from: &mut LinkCore, to: &mut LinkCore, command: impl Into<Command>, now: Instant) {
    from.send(&command.into()).unwrap();
    carry(from, to, now);
    while to.poll_event(now).unwrap().is_some() {}
}

fn response(correlation_id: i32) -> Response {
    Response { correlation_id, ..Response::default() }
}

#[test]
fn a_peer_that_may_be_busy_is_looked_at_when_a_quarter_of_its_time_to_answer_is_over() {
    let (mut a, _, now) = busy();
    assert_eq!(until_doubt(&mut a), Ok(now + ms(225)));
    assert!(!a.take_doubt(), "once");
}

#[test]
fn a_peer_that_nobody_vouches_for_is_given_up_as_soon_as_any() {
    let (mut a, _, now) = busy();
    until_doubt(&mut a).unwrap();
    let end = until_doubt(&mut a).unwrap_err();
    let silence = LinkError::Silent { silence: ms(600), limit: SilenceLimit::DetectTimeout };
    assert_eq!(end, (now + ms(600), silence));
}

#[test]
fn a_peer_that_was_sent_nothing_is_not_looked_at() {
    let (mut a, _, now) = pair(|config| config.detect_timeout = Some(ms(500)));
    assert_eq!(dies_at(&mut a), now + ms(600));
}

#[test]
fn a_peer_that_has_handled_all_it_was_sent_is_not_looked_at() {
    for correlation_id in [7, QUESTION_ID] {
        let (mut a, mut b, now) = busy();
        // Asks, if it is the question that is answered.
        let now = now + ms(100);
        a.handle_timeout(now).unwrap();
        write(&mut a, now);
        hear(&mut b, &mut a, response(correlation_id), now);
        if correlation_id == QUESTION_ID {
            assert_eq!(dies_at(&mut a), now + ms(600));
        } else {
            // The message wanted no answer: it says nothing of it.
            assert_eq!(until_doubt(&mut a), Ok(now + ms(225)));
        }
    }
    let (mut a, mut b, now) = pair(|config| config.detect_timeout = Some(ms(500)));
    for command_id in [8, 9] {
        let message = Message { command_id, response_required: true, ..Message::default() };
        send(&mut a, message, now);
    }
    hear(&mut b, &mut a, response(8), now);
    assert_eq!(until_doubt(&mut a), Ok(now + ms(225)), "9 is not answered");
    hear(&mut b, &mut a, response(9), now);
    assert_eq!(dies_at(&mut a), now + ms(600));
}

#[test]
fn what_was_sent_behind_a_question_is_not_answered_by_its_answer() {
    let (mut a, mut b, now) = busy();
    let now = now + ms(100);
    a.handle_timeout(now).unwrap();
    send(&mut a, Message { command_id: 8, ..Message::default() }, now);
    hear(&mut b, &mut a, response(QUESTION_ID), now);
    assert_eq!(until_doubt(&mut a), Ok(now + ms(225)));
}

#[test]
fn a_peer_that_is_vouched_for_may_be_silent_for_longer_each_time_and_for_ten_seconds_at_most() {
    let (mut a, _, now) = pair(|config| {
        config.detect_timeout = Some(ms(500));
        config.use_inactivity_monitor = false;
    });
    send(&mut a, Message::default(), now);
    let mut last = until_doubt(&mut a).unwrap();
    for trust in [2_500, 5_000, 10_000, 10_000] {
        a.vouch(last);
        let now = until_doubt(&mut a).unwrap();
        assert_eq!(now - last, ms(trust));
        last = now;
    }
    // The last time nobody does.
    assert_eq!(dies_at(&mut a), last + ms(375));
}

#[test]
fn a_keep_alive_does_not_say_that_a_peer_is_less_busy() {
    let (mut a, mut b, _) = busy();
    let doubt = until_doubt(&mut a).unwrap();
    a.vouch(doubt);
    hear(&mut b, &mut a, KeepAliveInfo::default(), doubt);
    let again = until_doubt(&mut a).unwrap();
    assert_eq!(again, doubt + ms(225), "a silence begins anew with it");
    a.vouch(again);
    assert_eq!(until_doubt(&mut a), Ok(again + ms(5_000)));
}

#[test]
fn a_peer_that_answers_again_is_trusted_as_little_as_before() {
    let (mut a, mut b, _) = busy();
    for _ in 0..3 {
        let now = until_doubt(&mut a).unwrap();
        a.vouch(now);
    }
    let now = until_doubt(&mut a).unwrap();
    hear(&mut b, &mut a, response(QUESTION_ID), now);
    send(&mut a, Message::default(), now);
    let doubt = until_doubt(&mut a).unwrap();
    assert_eq!(doubt, now + ms(225));
    a.vouch(doubt);
    assert_eq!(until_doubt(&mut a), Ok(doubt + ms(2_500)));
}

#[test]
fn who_vouches_for_a_peer_that_has_spoken_since_says_nothing_new() {
    let (mut a, mut b, _) = busy();
    let now = until_doubt(&mut a).unwrap();
    hear(&mut b, &mut a, response(QUESTION_ID), now);
    a.vouch(now);
    assert_eq!(dies_at(&mut a), now + ms(600));
}

#[test]
fn nobody_can_vouch_for_longer_than_the_inactivity_duration() {
    let (mut a, _, now) = pair(|config| {
        config.detect_timeout = Some(ms(500));
        config.offer.max_inactivity_duration = Some(9_000);
    });
    send(&mut a, Message::default(), now);
    let (at, error) = loop {
        match until_doubt(&mut a) {
            Ok(doubt) => a.vouch(doubt),
            Err(end) => break end,
        }
    };
    assert_eq!(at, now + ms(9_000));
    let limit = SilenceLimit::MaxInactivityDuration;
    assert_eq!(error, LinkError::Silent { silence: ms(9_000), limit });
}

#[test]
fn a_peer_without_a_detect_timeout_is_not_looked_at() {
    let (mut a, _, now) = pair(|config| config.offer.max_inactivity_duration = Some(9_000));
    send(&mut a, Message::default(), now);
    assert_eq!(dies_at(&mut a), now + ms(9_000));
    a.vouch(now);
    assert!(!a.take_doubt());
}
