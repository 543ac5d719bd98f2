//! The cluster that brokers announce, and standbys.

use super::*;

fn control(brokers: &str) -> rewire_protocol::ConnectionControl {
    rewire_protocol::ConnectionControl {
        connected_brokers: Some(brokers.into()),
        ..Default::default()
    }
}

#[test]
fn a_list_of_brokers_that_a_broker_sends_is_told_and_used_and_the_configured_ones_are_kept() {
    let mut lab = Lab::two().connected();
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("tcp://c:1,tcp://a:1").into())),
        ["event topology tcp://c:1 tcp://a:1 tcp://b:1", "deliver 1 ConnectionControl"]
    );
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("tcp://a:1,tcp://c:1").into())),
        ["deliver 1 ConnectionControl"]
    );
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("").into())),
        ["deliver 1 ConnectionControl"]
    );
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["dial 2 tcp://c:1"]);
    assert_eq!(lab.undialed(2)[1], "dial 3 tcp://b:1");
    assert_eq!(lab.undialed(3)[1], "dial 4 tcp://a:1");
}

#[test]
fn lists_from_brokers_are_not_heeded_when_the_option_says_so() {
    let mut lab =
        Lab::new(&["tcp://a:1"], |options| options.update_uris_supported = false).connected();
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("tcp://c:1").into())),
        ["deliver 1 ConnectionControl"]
    );
}

/// Connected to `a` with a standby on `b` over link 2.
fn with_standby() -> Lab {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], |options| {
        options.backup = true;
    });
    lab.input(Input::Start);
    lab.submit(connection_info());
    assert_eq!(lab.dialed(1).last().unwrap(), "dial 2 tcp://b:1");
    lab.answer(1, 1);
    assert!(lab.dialed(2).is_empty());
    lab
}

#[test]
fn a_standby_takes_over_at_once_and_another_is_dialed_when_it_has() {
    let mut lab = with_standby();
    lab.submit(Message::default());
    assert_eq!(
        lab.lost(1),
        [
            "interrupted 1",
            "event interrupted tcp://a:1",
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
        ]
    );
    assert_eq!(
        lab.answer(2, 1),
        [
            "resumed 2",
            "transmit 2 ActiveMQMessage #2",
            "event resumed tcp://b:1 after 0 ms, 2 replayed, 1 resent",
            "dial 3 tcp://a:1",
        ]
    );
}

#[test]
fn a_standby_that_is_lost_or_cannot_be_dialed_is_replaced_after_a_while() {
    let mut lab = with_standby();
    assert!(lab.lost(2).is_empty());
    assert_eq!(lab.due(), Some(ms(10)));
    assert_eq!(lab.wait(ms(10)), ["dial 3 tcp://b:1"]);
    assert!(lab.undialed(3).is_empty());
    assert_eq!(lab.due(), Some(ms(20)));
    // One that cannot be had does not keep the others out.
    assert_eq!(lab.wait(ms(20)), ["dial 4 tcp://c:1"]);
    assert!(lab.undialed(4).is_empty());
    assert_eq!(lab.wait(ms(40)), ["dial 5 tcp://b:1"]);
}

#[test]
fn a_standby_has_no_say_until_it_takes_over() {
    let mut lab = with_standby();
    lab.submit(Message::default());
    assert!(lab.answer(2, 2).is_empty());
    assert!(lab.input(Input::Received(LinkId(2), control("tcp://d:1").into())).is_empty());
}

#[test]
fn a_standby_that_refuses_the_connection_is_hung_up_and_the_round_goes_on() {
    let mut lab = with_standby();
    lab.lost(1);
    assert_eq!(
        lab.refuse(2, 1, "javax.jms.InvalidClientIDException"),
        ["hangup 2", "event attempt failed tcp://b:1 in round 1", "dial 3 tcp://c:1"]
    );
}

#[test]
fn a_standby_that_is_ready_on_the_next_broker_of_a_round_is_not_dialed_anew() {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], |options| {
        options.backup = true;
        options.backup_pool_size = 2;
    });
    lab.input(Input::Start);
    lab.submit(connection_info());
    assert_eq!(lab.dialed(1)[3..], ["dial 2 tcp://b:1", "dial 3 tcp://c:1"]);
    lab.answer(1, 1);
    lab.dialed(2);
    lab.dialed(3);
    lab.lost(1);
    assert_eq!(
        lab.refuse(2, 1, "javax.jms.InvalidClientIDException"),
        [
            "hangup 2",
            "event attempt failed tcp://b:1 in round 1",
            "transmit 3 ConnectionControl #0",
            "transmit 3 ConnectionInfo #1",
        ]
    );
    assert_eq!(lab.answer(3, 1)[0], "resumed 3");
}

#[test]
fn standbys_are_let_go_when_it_is_closed() {
    let mut lab = with_standby();
    assert_eq!(
        lab.input(Input::Close),
        ["transmit 1 ShutdownInfo #0", "hangup 1", "hangup 2", "event closed", "ended"]
    );
}

#[test]
fn a_broker_that_is_dialed_for_good_is_not_kept_as_a_standby_too() {
    let mut lab = with_standby();
    lab.input(Input::Received(LinkId(1), control("tcp://a:1").into()));
    assert!(lab.lost(2).is_empty());
    lab.wait(ms(10));
    // Link 3 to b is being dialed as a standby when a is lost.
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["hangup 3", "dial 4 tcp://b:1"]);
}

#[test]
fn a_standby_that_becomes_ready_ends_the_wait_for_the_next_round() {
    let mut lab = with_standby();
    assert!(lab.lost(2).is_empty());
    lab.wait(ms(10));
    lab.lost(1);
    assert_eq!(lab.dialed(3)[0], "transmit 3 ConnectionControl #0");
    // No dial any more, only what the broker has for its answers.
    assert_eq!(lab.due(), Some(ms(30_000)));
}

#[test]
fn a_standby_that_becomes_ready_is_taken_instead_of_a_broker_that_does_not_answer() {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], |options| {
        options.backup = true;
        options.backup_pool_size = 2;
    });
    lab.input(Input::Start);
    lab.submit(connection_info());
    lab.dialed(1);
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["hangup 2", "dial 4 tcp://b:1"]);
    assert_eq!(
        lab.dialed(3),
        ["hangup 4", "transmit 3 ConnectionControl #0", "transmit 3 ConnectionInfo #1"]
    );
}

fn discovered(brokers: &[&str]) -> Input {
    let brokers = brokers.iter().map(|uri| uri.parse().unwrap()).collect();
    Input::Discovered { brokers, rebalance: false }
}

#[test]
fn a_list_that_was_read_names_brokers_to_try_before_the_configured_ones() {
    let mut lab = Lab::two().connected();
    assert_eq!(
        lab.input(discovered(&["tcp://c:1"])),
        ["event topology tcp://c:1 tcp://a:1 tcp://b:1"]
    );
    assert!(lab.input(discovered(&["tcp://c:1"])).is_empty());
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["dial 2 tcp://c:1"]);
}

#[test]
fn without_any_broker_rounds_fail_until_one_is_read_of_and_it_is_dialed_at_once() {
    let mut lab = Lab::new(&[], |options| options.initial_reconnect_delay = ms(1000));
    assert!(lab.input(Input::Start).is_empty());
    assert_eq!(lab.due(), Some(ms(1000)));
    assert_eq!(
        lab.input(discovered(&["tcp://c:1"])),
        ["event topology tcp://c:1", "dial 1 tcp://c:1"]
    );
}

#[test]
fn no_list_is_taken_where_lists_are_not_wanted() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| options.update_uris_supported = false);
    assert!(lab.input(discovered(&["tcp://c:1"])).is_empty());
}
