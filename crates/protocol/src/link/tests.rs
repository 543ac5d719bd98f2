//! Two links wired to each other, and a hostile peer.

mod doubt;
mod questions;
mod silence;
mod slowness;

use std::time::{Duration, Instant};

use super::*;
use crate::{MAX_VERSION, Message, WireFormatInfo};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
fn start() -> Instant {
    Instant::now()
}

fn link(now: Instant, change: impl FnOnce(&mut LinkConfig)) -> LinkCore {
    let mut config = LinkConfig::default();
    change(&mut config);
    LinkCore::new(now, config, Limits::DEFAULT).unwrap()
}

/// Carries what one has to say to the other.
fn carry(from: &mut LinkCore, to: &mut LinkCore, now: Instant) {
    let bytes = std::mem::take(from.outgoing());
    if !bytes.is_empty() {
        from.on_written(now, bytes.len());
        to.read_buffer().extend_from_slice(&bytes);
        to.on_read(now);
    }
}

/// All that waits is written; nobody reads it.
fn write(link: &mut LinkCore, now: Instant) -> usize {
    let count = std::mem::take(link.outgoing()).len();
    link.on_written(now, count);
    count
}

/// Does the handshake.
fn greeted(a: &mut LinkCore, b: &mut LinkCore, now: Instant) {
    carry(a, b, now);
    carry(b, a, now);
    for link in [a, b] {
        assert!(matches!(link.poll_event(now), Ok(Some(LinkEvent::Opened { .. }))));
        assert!(matches!(link.poll_event(now), Ok(None)));
    }
}

/// A client's link, and that of its broker.
fn pair(change: impl Fn(&mut LinkConfig)) -> (LinkCore, LinkCore, Instant) {
    let now = start();
    let mut a = link(now, &change);
    let mut b = link(now, |config| {
        config.peer = Peer::Client;
        change(config);
    });
    greeted(&mut a, &mut b, now);
    (a, b, now)
}

/// Answers what came as a broker does.
fn serve(broker: &mut LinkCore, now: Instant) {
    while let Some(event) = broker.poll_event(now).unwrap() {
        let LinkEvent::Command(command) = event else { panic!("{event:?}") };
        if command.is_response_required() {
            let correlation_id = command.command_id();
            let response = crate::Response { correlation_id, ..crate::Response::default() };
            broker.send(&response.into()).unwrap();
        }
    }
}

fn feed(bytes: &[u8]) -> Result<Option<LinkEvent>, LinkError> {
    let now = start();
    let mut link = link(now, |_| {});
    link.read_buffer().extend_from_slice(bytes);
    link.poll_event(now)
}

fn greeting(offer: &WireFormatOffer) -> Vec<u8> {
    let mut bytes = Vec::new();
    let info = offer.to_info().unwrap();
    Encoder::new(WireFormat::HANDSHAKE).encode(&info.into(), &mut bytes).unwrap();
    bytes
}

#[test]
fn every_pair_of_versions_agrees_on_the_lower_one() {
    for ours in 1..=MAX_VERSION {
        for theirs in 1..=MAX_VERSION {
            let now = start();
            let mut a = link(now, |config| config.offer.version = ours.into());
            let mut b = link(now, |config| config.offer.version = theirs.into());
            greeted(&mut a, &mut b, now);
            assert_eq!(a.format().map(|format| format.version), Some(ours.min(theirs)));
            assert_eq!(a.format(), b.format());
        }
    }
}

#[test]
fn commands_go_both_ways_after_the_handshake_prefixed_or_not() {
    for disabled in [false, true] {
        let (mut a, mut b, now) = pair(|config| config.offer.size_prefix_disabled = Some(disabled));
        assert_eq!(a.format().unwrap().size_prefix, !disabled);
        for id in 1..4 {
            let mut command = Command::from(crate::ShutdownInfo::default());
            command.set_command_id(id);
            a.send(&command).unwrap();
        }
        carry(&mut a, &mut b, now);
        for id in 1..4 {
            let event = b.poll_event(now).unwrap();
            assert!(
                matches!(event, Some(LinkEvent::Command(command)) if command.command_id() == id)
            );
        }
        assert!(b.poll_event(now).unwrap().is_none());
    }
}

#[test]
fn before_the_handshake_nothing_is_sent_but_the_greeting() {
    let now = start();
    let mut link = link(now, |_| {});
    let before = link.outgoing_len();
    link.send(&KeepAliveInfo::default().into()).unwrap();
    assert_eq!(link.outgoing_len(), before);
}

#[test]
fn before_the_handshake_only_one_small_wire_format_info_is_accepted() {
    let error = feed(&[0, 0, 0, 6, 10, 0, 0, 0, 0, 0]).unwrap_err();
    let LinkError::Malformed(error) = error else { panic!("{error}") };
    assert_eq!(error.kind, DecodeErrorKind::NotAHandshake);

    let too_large = u32::try_from(Limits::DEFAULT.max_handshake_size + 1).unwrap();
    let error = feed(&too_large.to_be_bytes()).unwrap_err();
    assert!(matches!(
        error,
        LinkError::Malformed(DecodeError { kind: DecodeErrorKind::TooLarge { .. }, .. })
    ));
}

#[test]
fn a_peer_that_is_not_openwire_is_told_by_its_magic() {
    let mut bytes = greeting(&WireFormatOffer::default());
    bytes[5] = b'X';
    let LinkError::Malformed(error) = feed(&bytes).unwrap_err() else { panic!() };
    assert_eq!(error.kind, DecodeErrorKind::BadMagic);
    // What a web server says is a size out of all proportion.
    assert!(feed(b"HTTP/1.1 400 Bad Request\r\n").is_err());
}

#[test]
fn a_version_below_the_minimum_is_refused() {
    let now = start();
    let mut link = link(now, |config| config.minimum_version = 6);
    let offer = WireFormatOffer { version: 5, ..WireFormatOffer::default() };
    link.read_buffer().extend_from_slice(&greeting(&offer));
    let error = link.poll_event(now).unwrap_err();
    assert_eq!(error, LinkError::TooOld { theirs: 5, minimum: 6 });
    assert_eq!(link.poll_event(now).unwrap_err(), error);
}

#[test]
fn a_second_wire_format_info_is_refused() {
    let (mut a, mut b, now) = pair(|_| {});
    let info = WireFormatInfo { magic: WireFormatInfo::MAGIC, ..WireFormatInfo::default() };
    a.send(&info.into()).unwrap();
    carry(&mut a, &mut b, now);
    assert_eq!(b.poll_event(now).unwrap_err(), LinkError::Renegotiation);
}

#[test]
fn a_peer_that_does_not_introduce_itself_is_given_up() {
    let now = start();
    let mut link = link(now, |config| config.handshake_timeout = ms(500));
    assert_eq!(link.poll_timeout(), Some(now + ms(500)));
    assert_eq!(link.handle_timeout(now + ms(499)), Ok(()));
    let error = link.handle_timeout(now + ms(500)).unwrap_err();
    assert_eq!(error, LinkError::NoHandshake { after: ms(500) });
}

#[test]
fn a_keep_alive_goes_out_after_a_third_of_the_duration_without_a_word() {
    let (mut a, mut b, now) = pair(|config| config.offer.max_inactivity_duration = Some(3000));
    assert_eq!(a.poll_timeout(), Some(now + ms(1000)));
    a.handle_timeout(now + ms(1000)).unwrap();
    assert!(a.outgoing_len() > 0);
    carry(&mut a, &mut b, now + ms(1000));
    // The application does not see it.
    assert!(b.poll_event(now + ms(1000)).unwrap().is_none());
    assert_eq!(b.outgoing_len(), 0);
}

/// Java's client answers a keep-alive beside the lock of its other writes, as its broker does: asked when
/// it has just connected it garbles what it is writing, and waits for ever for the answer to that.
#[test]
fn a_peer_that_has_just_introduced_itself_is_asked_nothing() {
    let now = start();
    let (mut a, mut b) = (link(now, |_| {}), link(now, |_| {}));
    greeted(&mut a, &mut b, now);
    assert_eq!((a.outgoing_len(), b.outgoing_len()), (0, 0));
    // Nor later, while it talks.
    for second in (5..=60).step_by(5).map(|second| now + ms(second * 1000)) {
        b.send(&KeepAliveInfo { command_id: 0, response_required: false }.into()).unwrap();
        carry(&mut b, &mut a, second);
        assert!(a.poll_event(second).unwrap().is_none());
        if a.poll_timeout().is_some_and(|due| due <= second) {
            a.handle_timeout(second).unwrap();
        }
        carry(&mut a, &mut b, second);
        assert!(b.poll_event(second).unwrap().is_none());
        assert_eq!(b.outgoing_len(), 0, "what it is asked it answers");
    }
}

#[test]
fn a_peer_that_is_not_known_yet_has_less_to_say_prefixed_or_not() {
    for prefixed in [true, false] {
        let (mut a, mut b, now) =
            pair(|config| config.offer.size_prefix_disabled = Some(!prefixed));
        let large =
            |size: usize| Message { content: Some(vec![0; size].into()), ..Message::default() };
        b.allow_frames(1000);
        a.send(&large(500).into()).unwrap();
        carry(&mut a, &mut b, now);
        assert!(matches!(b.poll_event(now), Ok(Some(LinkEvent::Command(_)))), "{prefixed}");
        b.allow_frames(usize::MAX);
        a.send(&large(5000).into()).unwrap();
        carry(&mut a, &mut b, now);
        assert!(matches!(b.poll_event(now), Ok(Some(LinkEvent::Command(_)))), "{prefixed}");
        b.allow_frames(1000);
        a.send(&large(5000).into()).unwrap();
        carry(&mut a, &mut b, now);
        assert!(matches!(b.poll_event(now), Err(LinkError::Malformed(_))), "{prefixed}");
    }
}

#[test]
fn a_keep_alive_that_asks_for_an_answer_gets_one() {
    let (mut a, mut b, now) = pair(|_| {});
    a.send(&KeepAliveInfo { command_id: 0, response_required: true }.into()).unwrap();
    carry(&mut a, &mut b, now);
    assert!(b.poll_event(now).unwrap().is_none());
    assert!(b.outgoing_len() > 0);
    carry(&mut b, &mut a, now);
    assert!(a.poll_event(now).unwrap().is_none());
    assert_eq!(a.outgoing_len(), 0);
}

/// Runs `a` alone from `now` until it dies, and says when; its peer answers what `answers` lets it.
fn death(
    (mut a, mut b, now): (LinkCore, LinkCore, Instant),
    mut answers: impl FnMut(Duration) -> bool,
) -> (Duration, LinkError) {
    loop {
        let due = a.poll_timeout().expect("silence is noticed");
        if let Err(error) = a.handle_timeout(due) {
            return (due - now, error);
        }
        if answers(due - now) {
            carry(&mut a, &mut b, due);
            serve(&mut b, due);
            carry(&mut b, &mut a, due);
            assert!(a.poll_event(due).unwrap().is_none());
        } else {
            let count = std::mem::take(a.outgoing()).len();
            a.on_written(due, count);
        }
    }
}

const fn silent(silence: Duration, limit: SilenceLimit) -> LinkError {
    LinkError::Silent { silence, limit }
}

#[test]
fn a_peer_that_answers_when_asked_is_missed_as_soon_as_the_duration_is_over() {
    let pair = pair(|config| config.offer.max_inactivity_duration = Some(3000));
    // It answers the question of 2000 ms, and falls silent.
    let (after, error) = death(pair, |time| time <= ms(2000));
    let limit = SilenceLimit::MaxInactivityDuration;
    assert_eq!((after, error), (ms(5000), silent(ms(3000), limit)));
}

#[test]
fn a_peer_that_falls_silent_right_after_the_handshake_is_missed_in_time_too() {
    let pair = pair(|config| config.offer.max_inactivity_duration = Some(2000));
    let (after, _) = death(pair, |_| false);
    assert_eq!(after, ms(2000));
}

#[test]
fn a_peer_that_never_answers_is_given_up_when_the_duration_is_over() {
    let now = start();
    let change = |config: &mut LinkConfig| {
        config.offer.max_inactivity_duration = Some(3000);
        config.offer.max_inactivity_duration_inital_delay = Some(10_000);
    };
    let (mut a, mut b) = (link(now, change), link(now, change));
    greeted(&mut a, &mut b, now);
    let (after, error) = death((a, b, now), |_| false);
    let limit = SilenceLimit::MaxInactivityDuration;
    assert_eq!((after, error), (ms(3000), silent(ms(3000), limit)));
}

#[test]
fn the_lower_duration_counts_and_zero_on_either_side_switches_the_monitor_off() {
    let now = start();
    let mut a = link(now, |config| config.offer.max_inactivity_duration = Some(9000));
    let mut b = link(now, |config| config.offer.max_inactivity_duration = Some(6000));
    greeted(&mut a, &mut b, now);
    assert_eq!(a.poll_timeout(), Some(now + ms(2000)));
    assert_eq!(b.poll_timeout(), Some(now + ms(2000)));

    let mut a = link(now, |_| {});
    let mut b = link(now, |config| config.offer.max_inactivity_duration = Some(0));
    greeted(&mut a, &mut b, now);
    assert_eq!((a.poll_timeout(), b.poll_timeout()), (None, None));
}

#[test]
fn two_idle_links_keep_each_other_alive_for_an_hour_without_a_question() {
    let (mut a, mut b, start) = pair(|config| config.offer.max_inactivity_duration = Some(2000));
    let mut now = start;
    while now - start < Duration::from_secs(3600) {
        now = a.poll_timeout().unwrap().min(b.poll_timeout().unwrap());
        for link in [&mut a, &mut b] {
            if link.poll_timeout().is_some_and(|due| due <= now) {
                link.handle_timeout(now).expect("no false alarm");
            }
        }
        carry(&mut a, &mut b, now);
        assert!(b.poll_event(now).unwrap().is_none());
        carry(&mut b, &mut a, now);
        assert!(a.poll_event(now).unwrap().is_none());
    }
}

#[test]
fn frames_over_what_was_negotiated_are_refused_both_ways() {
    let (mut a, mut b, now) = pair(|config| config.offer.max_frame_size = Some(1000));
    let info = crate::ControlCommand {
        command: Some("x".repeat(2000).into()),
        ..crate::ControlCommand::default()
    };
    assert!(a.send(&info.into()).is_err());
    b.read_buffer().extend_from_slice(&1001_u32.to_be_bytes());
    assert!(matches!(b.poll_event(now), Err(LinkError::Malformed(_))));
}
