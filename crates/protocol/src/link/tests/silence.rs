//! What counts as silence, by the options `maxInactivityDuration` and `detectTimeout`, and what not.

use super::*;

/// A client that asks its broker after 100 ms of silence, and gives it 500 to answer.
fn detecting() -> (LinkCore, LinkCore, Instant) {
    pair(|config| config.detect_timeout = Some(ms(500)))
}

#[test]
fn a_silent_peer_is_asked_after_a_fifth_of_the_detect_timeout_and_has_all_of_it_to_answer() {
    let (mut a, _, now) = detecting();
    assert_eq!(a.poll_timeout(), Some(now + ms(100)));
    a.handle_timeout(now + ms(100)).unwrap();
    assert!(write(&mut a, now + ms(100)) > 0);
    // Asked once.
    assert_eq!(a.poll_timeout(), Some(now + ms(600)));
    a.handle_timeout(now + ms(599)).unwrap();
    assert_eq!(a.outgoing_len(), 0);
    let error = a.handle_timeout(now + ms(600)).unwrap_err();
    assert_eq!(error, silent(ms(600), SilenceLimit::DetectTimeout));
    assert_eq!(error.to_string(), "nothing heard for 600 ms (detectTimeout)");
}

#[test]
fn a_peer_that_answers_is_asked_again_and_again_and_kept() {
    let (mut a, mut b, start) = detecting();
    let mut now = start;
    for n in 1..=20 {
        now = a.poll_timeout().unwrap();
        assert_eq!(now, start + ms(100) * n);
        a.handle_timeout(now).unwrap();
        carry(&mut a, &mut b, now);
        serve(&mut b, now);
        carry(&mut b, &mut a, now);
        assert!(a.poll_event(now).unwrap().is_none());
    }
    assert!(now - start >= ms(2000));
}

#[test]
fn detection_needs_nobodys_consent() {
    let now = start();
    let mut a = link(now, |config| {
        config.detect_timeout = Some(ms(500));
        config.use_inactivity_monitor = false;
    });
    let mut b = link(now, |config| config.offer.max_inactivity_duration = Some(0));
    greeted(&mut a, &mut b, now);
    // Asked when it opened, it has said nothing since.
    let (after, error) = death((a, b, now), |_| false);
    assert_eq!((after, error), (ms(600), silent(ms(600), SilenceLimit::DetectTimeout)));
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let (mut a, _, now) = detecting();
    for n in 1..=50 {
        // Not even a frame: its length, a byte at a time, would be.
        a.on_read(now + ms(90) * n);
        assert_eq!(a.poll_timeout(), Some(now + ms(90) * n + ms(100)));
        a.handle_timeout(now + ms(90) * n).unwrap();
    }
    assert_eq!(a.outgoing_len(), 0);
}

#[test]
fn silence_does_not_count_while_nothing_is_read_and_begins_anew_when_something_is() {
    let (mut a, _, now) = detecting();
    a.pause_reading(now + ms(50), true);
    // What is said goes on being said.
    assert_eq!(a.poll_timeout(), Some(now + ms(10_000)));
    a.handle_timeout(now + ms(10_000)).unwrap();
    assert!(write(&mut a, now + ms(10_000)) > 0);
    a.handle_timeout(now + ms(60_000)).unwrap();
    a.pause_reading(now + ms(60_000), false);
    assert_eq!(a.poll_timeout(), Some(now + ms(60_100)));
    a.handle_timeout(now + ms(60_100)).unwrap();
    write(&mut a, now + ms(60_100));
    a.handle_timeout(now + ms(60_599)).unwrap();
    assert!(a.handle_timeout(now + ms(60_600)).is_err());
}

#[test]
fn a_timer_that_comes_too_late_lets_the_peer_answer_once_more_but_only_once() {
    let (mut a, _, now) = detecting();
    // The process did not run for five seconds.
    a.handle_timeout(now + ms(5000)).unwrap();
    // The peer was not even asked yet: it is now.
    assert!(write(&mut a, now + ms(5000)) > 0);
    assert_eq!(a.poll_timeout(), Some(now + ms(5500)));
    let error = a.handle_timeout(now + ms(5600)).unwrap_err();
    assert_eq!(error, silent(ms(5600), SilenceLimit::DetectTimeout));
}

#[test]
fn a_timer_that_comes_a_little_late_is_in_time() {
    let (mut a, _, now) = detecting();
    a.handle_timeout(now + ms(100)).unwrap();
    write(&mut a, now + ms(100));
    assert!(a.handle_timeout(now + ms(650)).is_err());
}

#[test]
fn after_a_late_timer_and_an_answer_the_next_late_timer_is_forgiven_too() {
    let (mut a, _, now) = detecting();
    for n in 1..=5 {
        a.handle_timeout(now + ms(5000) * n).unwrap();
        a.on_read(now + ms(5000) * n + ms(10));
    }
}

#[test]
fn a_peer_has_the_time_to_answer_from_when_the_question_was_written() {
    let (mut a, _, now) = detecting();
    a.handle_timeout(now + ms(100)).unwrap();
    // Other bytes stand before it, and make headway: the peer is reading.
    let bytes = a.outgoing_len();
    a.on_written(now + ms(250), bytes - 1);
    assert_eq!(a.poll_timeout(), Some(now + ms(850)));
    a.on_written(now + ms(260), 1);
    assert_eq!(a.poll_timeout(), Some(now + ms(760)));
    a.handle_timeout(now + ms(759)).unwrap();
    assert!(a.handle_timeout(now + ms(760)).is_err());
}

#[test]
fn a_question_that_cannot_be_written_is_as_good_as_unanswered() {
    let (mut a, _, now) = detecting();
    a.handle_timeout(now + ms(100)).unwrap();
    assert_eq!(a.poll_timeout(), Some(now + ms(600)));
    assert!(a.handle_timeout(now + ms(600)).is_err());
}
