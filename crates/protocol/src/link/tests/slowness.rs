//! A peer that is slow to answer, and how long it has to for that.

use super::*;

/// A client that asks after 20 ms of silence, and gives its broker 100 to answer.
fn detecting() -> (LinkCore, LinkCore, Instant) {
    pair(|config| {
        config.detect_timeout = Some(ms(100));
        config.offer.max_inactivity_duration = Some(90_000);
    })
}

/// Lets the client ask, and the broker answer so long after that.
fn answer(a: &mut LinkCore, b: &mut LinkCore, after: Duration) -> Instant {
    let asked = a.poll_timeout().unwrap();
    a.handle_timeout(asked).unwrap();
    carry(a, b, asked);
    let now = asked + after;
    a.handle_timeout(now).unwrap();
    serve(b, now);
    carry(b, a, now);
    assert!(a.poll_event(now).unwrap().is_none());
    now
}

/// How long the peer has to answer when it is asked now and never does.
fn time_to_answer(a: &mut LinkCore) -> Duration {
    let asked = a.poll_timeout().unwrap();
    a.handle_timeout(asked).unwrap();
    write(a, asked);
    let end = a.poll_timeout().unwrap();
    a.handle_timeout(end - ms(1)).unwrap();
    assert!(a.handle_timeout(end).is_err());
    end - asked
}

#[test]
fn a_peer_that_was_slow_to_answer_has_three_times_as_long() {
    let (mut a, mut b, _) = detecting();
    answer(&mut a, &mut b, ms(80));
    answer(&mut a, &mut b, ms(1));
    assert_eq!(time_to_answer(&mut a), ms(240));
}

#[test]
fn a_peer_that_answers_within_a_third_of_its_time_has_no_more_of_it() {
    let (mut a, mut b, _) = detecting();
    for _ in 0..20 {
        answer(&mut a, &mut b, ms(33));
    }
    assert_eq!(time_to_answer(&mut a), ms(100));
}

#[test]
fn a_peer_that_gets_slower_and_slower_has_five_times_the_detect_timeout_at_most() {
    let (mut a, mut b, _) = detecting();
    for took in [90, 250, 490] {
        answer(&mut a, &mut b, ms(took));
    }
    assert_eq!(time_to_answer(&mut a), ms(500));
}

#[test]
fn that_a_peer_was_slow_is_remembered_for_ten_seconds_and_forgotten_after_twenty() {
    for (fast_for, expected) in [(ms(9_900), ms(240)), (ms(20_100), ms(100))] {
        let (mut a, mut b, _) = detecting();
        let slow = answer(&mut a, &mut b, ms(80));
        while answer(&mut a, &mut b, ms(1)) < slow + fast_for {}
        assert_eq!(time_to_answer(&mut a), expected, "{fast_for:?}");
    }
}

#[test]
fn that_a_peer_was_slow_is_forgotten_too_when_it_was_not_asked_for_long() {
    let (mut a, mut b, _) = detecting();
    let mut now = answer(&mut a, &mut b, ms(80));
    for _ in 0..2_100 {
        now += ms(10);
        b.send(&KeepAliveInfo::default().into()).unwrap();
        carry(&mut b, &mut a, now);
        assert!(a.poll_event(now).unwrap().is_none());
    }
    assert_eq!(time_to_answer(&mut a), ms(100));
}

#[test]
fn what_a_peer_says_unasked_does_not_show_how_slow_it_is() {
    let (mut a, mut b, mut now) = detecting();
    for _ in 0..20 {
        now += ms(15);
        a.handle_timeout(now).unwrap();
        b.send(&KeepAliveInfo::default().into()).unwrap();
        carry(&mut b, &mut a, now);
        assert!(a.poll_event(now).unwrap().is_none());
    }
    assert_eq!(time_to_answer(&mut a), ms(100));
}

#[test]
fn a_peer_is_not_slow_while_we_do_not_read() {
    let (mut a, mut b, _) = detecting();
    let asked = a.poll_timeout().unwrap();
    a.handle_timeout(asked).unwrap();
    carry(&mut a, &mut b, asked);
    a.pause_reading(asked, true);
    a.pause_reading(asked + ms(90), false);
    assert_eq!(time_to_answer(&mut a), ms(100));
}

#[test]
fn a_peer_that_is_busy_and_vouched_for_is_not_slow() {
    let (mut a, mut b, now) = detecting();
    a.send(&Message::default().into()).unwrap();
    write(&mut a, now);
    let asked = a.poll_timeout().unwrap();
    a.handle_timeout(asked).unwrap();
    carry(&mut a, &mut b, asked);
    let look = a.poll_timeout().unwrap();
    a.handle_timeout(look).unwrap();
    assert!(a.take_doubt());
    a.vouch(look);
    let now = look + ms(300);
    a.handle_timeout(now).unwrap();
    serve(&mut b, now);
    carry(&mut b, &mut a, now);
    assert!(a.poll_event(now).unwrap().is_none());
    assert_eq!(time_to_answer(&mut a), ms(100));
}

#[test]
fn a_slow_peer_that_may_be_busy_is_looked_at_no_later() {
    let (mut a, mut b, _) = detecting();
    let now = answer(&mut a, &mut b, ms(80));
    a.send(&Message::default().into()).unwrap();
    write(&mut a, now);
    let asked = a.poll_timeout().unwrap();
    a.handle_timeout(asked).unwrap();
    write(&mut a, asked);
    assert_eq!(a.poll_timeout(), Some(asked + ms(25)));
}

#[test]
fn the_inactivity_duration_is_as_agreed_however_slow_a_peer_is() {
    let (mut a, mut b, start) = pair(|config| config.offer.max_inactivity_duration = Some(900));
    a.handle_timeout(start + ms(600)).unwrap();
    carry(&mut a, &mut b, start + ms(600));
    let answered = start + ms(890);
    serve(&mut b, answered);
    carry(&mut b, &mut a, answered);
    assert!(a.poll_event(answered).unwrap().is_none());
    let end = loop {
        let now = a.poll_timeout().unwrap();
        if let Err(error) = a.handle_timeout(now) {
            assert_eq!(error, silent(ms(900), SilenceLimit::MaxInactivityDuration));
            break now;
        }
        write(&mut a, now);
    };
    assert_eq!(end - answered, ms(900));
}
