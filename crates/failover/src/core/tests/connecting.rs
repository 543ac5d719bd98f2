//! Rounds, delays and limits: from no broker to one, and from one to the next.

use super::*;

#[test]
fn it_dials_the_brokers_in_turn_and_sends_what_waited_in_order() {
    let mut lab = Lab::two();
    assert_eq!(lab.input(Input::Start), ["dial 1 tcp://a:1"]);
    assert!(lab.submit(connection_info()).is_empty());
    assert!(lab.submit(Message::default()).is_empty());
    assert_eq!(lab.undialed(1), ["event attempt failed tcp://a:1 in round 1", "dial 2 tcp://b:1"]);
    assert_eq!(
        lab.dialed(2),
        [
            "resumed 2",
            "transmit 2 ConnectionInfo #1",
            "transmit 2 ActiveMQMessage #2",
            "event connected tcp://b:1"
        ]
    );
    assert_eq!(lab.answer(2, 2), ["complete 2 ok"]);
    assert_eq!(lab.answer(2, 1), ["complete 1 ok"]);
    assert!(lab.answer(2, 1).is_empty());
}

#[test]
fn the_first_connection_waits_for_nothing_and_the_next_rounds_back_off() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.initial_reconnect_delay = ms(100);
        options.max_reconnect_delay = ms(300);
    });
    lab.input(Input::Start);
    for (link, delay) in [(1, 100), (2, 200), (3, 300), (4, 300)] {
        lab.undialed(link);
        assert_eq!(lab.due(), Some(ms(delay)));
        assert!(lab.wait(ms(delay - 1)).is_empty());
        assert_eq!(lab.wait(ms(1)), [format!("dial {} tcp://a:1", link + 1)]);
    }
}

#[test]
fn a_lost_broker_is_told_of_at_once_and_tried_last_after_the_initial_delay() {
    let mut lab = Lab::two().connected();
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1"]);
    assert_eq!(lab.due(), Some(ms(10)));
    assert_eq!(lab.wait(ms(10)), ["dial 2 tcp://b:1"]);
    assert_eq!(lab.undialed(2), ["event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]);
}

#[test]
fn an_initial_delay_of_zero_dials_at_once() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.initial_reconnect_delay = Duration::ZERO;
    })
    .connected();
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1", "dial 2 tcp://a:1"]);
}

#[test]
fn a_link_that_is_not_the_active_one_has_no_say() {
    let mut lab = Lab::two().connected();
    lab.submit(Message::default());
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    lab.answer(2, 1);
    assert!(lab.answer(1, 2).is_empty());
    assert!(lab.lost(1).is_empty());
    assert!(lab.input(Input::Received(LinkId(1), Message::default().into())).is_empty());
    assert!(lab.dialed(1).is_empty());
    assert_eq!(lab.answer(2, 2), ["complete 2 ok"]);
}

#[test]
fn no_reconnection_is_tried_when_none_is_allowed_and_what_was_sent_is_in_doubt() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.max_reconnect_attempts = crate::uri::Attempts::at_most(0);
    })
    .connected();
    lab.submit(Message::default());
    let end = lab.lost(1);
    assert_eq!(end[..2], ["interrupted 1", "event interrupted tcp://a:1"]);
    assert!(end[2].starts_with("complete 2 in doubt, sent to tcp://a:1"), "{end:?}");
    assert_eq!(end[3..], ["event gave up", "ended"]);
    let after = lab.submit(Message::default());
    assert!(after[0].starts_with("complete 3 not sent: the connection was lost"), "{after:?}");
    assert_eq!(lab.due(), None);
}

#[test]
fn startup_and_reconnection_have_limits_of_their_own() {
    use crate::uri::{Attempts, StartupAttempts};
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.startup_max_reconnect_attempts = StartupAttempts::at_most(1);
        options.max_reconnect_attempts = Attempts::at_most(2);
    });
    lab.input(Input::Start);
    assert_eq!(lab.undialed(1)[1..], ["event gave up", "ended"]);

    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.startup_max_reconnect_attempts = StartupAttempts::at_most(1);
        options.max_reconnect_attempts = Attempts::at_most(2);
    })
    .connected();
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.undialed(2), ["event attempt failed tcp://a:1 in round 1"]);
    lab.wait(ms(10));
    assert_eq!(
        lab.undialed(3),
        ["event attempt failed tcp://a:1 in round 2", "event gave up", "ended"]
    );
}

#[test]
fn a_delay_is_multiplied_in_whole_milliseconds_and_does_not_shrink() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.initial_reconnect_delay = ms(1001);
        options.reconnect_delay_exponent = 1.0;
    });
    lab.input(Input::Start);
    for link in 1..4 {
        lab.undialed(link);
        assert_eq!(lab.due(), Some(ms(1001)));
        lab.wait(ms(1001));
    }
}

#[test]
fn jitter_takes_a_random_part_off_every_delay() {
    let delay = |seed, jitter| {
        let mut lab = Lab::new(&["tcp://a:1"], |options| {
            options.initial_reconnect_delay = ms(100);
            options.reconnect_jitter = jitter;
        });
        lab.core.rng = SmallRng::seed_from_u64(seed);
        let mut lab = lab.connected();
        lab.lost(1);
        let first = lab.due().unwrap();
        lab.wait(first);
        lab.undialed(2);
        [first, lab.due().unwrap()]
    };
    assert_eq!(delay(1, 0.0), [ms(100), ms(100)]);
    for jitter in [0.5, 1.0] {
        let delays: Vec<_> = (0..64).flat_map(|seed| delay(seed, jitter)).collect();
        let least = ms(100).mul_f64(1.0 - jitter);
        assert!(delays.iter().all(|delay| (least..=ms(100)).contains(delay)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay < ms(60)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay > ms(90)), "{delays:?}");
    }
}
