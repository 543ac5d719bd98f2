//! Consumers stay closed until the application has dealt with the lost link.

use rewire_protocol::TransactionInfo;

use super::transactions::{local, message, step};
use super::*;

/// Connected, with a consumer whose prefetch is 5, and the link lost.
fn lost() -> Lab {
    let mut lab = Lab::two().connected();
    let consumer = ConsumerInfo { prefetch_size: 5, ..consumer_info() };
    for (command, id) in [(Command::from(session_info()), 2), (consumer.into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.lost(1);
    lab.wait(ms(10));
    lab
}

/// The prefetch of the consumers that a link hears of.
fn prefetches(lab: &mut Lab, input: Input) -> Vec<i32> {
    let prefetch = |output| match output {
        Output::Transmit(_, command, _) => match &*command {
            Command::ConsumerInfo(info) => Some(info.prefetch_size),
            Command::ConsumerControl(control) => {
                assert_eq!(control.consumer_id, Some(consumer_id()));
                Some(control.prefetch)
            }
            _ => None,
        },
        _ => None,
    };
    lab.core.handle(lab.now, input).filter_map(prefetch).collect()
}

fn answers(lab: &mut Lab, link: u64) -> Vec<i32> {
    let answer = |id| {
        Input::Received(LinkId(link), Response { correlation_id: id, ..Default::default() }.into())
    };
    (1..=3).flat_map(|id| prefetches(lab, answer(id))).collect()
}

#[test]
fn a_consumer_is_restored_closed_and_opened_when_the_old_link_was_dealt_with() {
    let mut lab = lost();
    assert_eq!(
        prefetches(
            &mut lab,
            Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default())
        ),
        [0]
    );
    assert!(answers(&mut lab, 2).is_empty());
    assert_eq!(lab.input(Input::Cleared(LinkId(1))), ["transmit 2 ConsumerControl #4"]);
    assert!(lab.input(Input::Cleared(LinkId(1))).is_empty());
}

#[test]
fn it_is_restored_as_it_was_when_the_old_link_was_dealt_with_before() {
    let mut lab = lost();
    lab.input(Input::Cleared(LinkId(1)));
    assert_eq!(
        prefetches(
            &mut lab,
            Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default())
        ),
        [5]
    );
    assert!(answers(&mut lab, 2).is_empty());
}

#[test]
fn it_is_opened_after_the_replay_when_the_old_link_was_dealt_with_during_it() {
    let mut lab = lost();
    prefetches(&mut lab, Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default()));
    assert!(lab.input(Input::Cleared(LinkId(1))).is_empty());
    assert_eq!(answers(&mut lab, 2), [5]);
}

#[test]
fn it_stays_closed_through_a_second_loss_and_an_answer_about_another_link_opens_nothing() {
    let mut lab = lost();
    prefetches(&mut lab, Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default()));
    answers(&mut lab, 2);
    lab.lost(2);
    lab.wait(ms(10));
    assert!(lab.input(Input::Cleared(LinkId(1))).is_empty());
    assert_eq!(
        prefetches(
            &mut lab,
            Input::Dialed(LinkId(3), Ok(Greeting::default()), DialTimes::default())
        ),
        [0]
    );
    answers(&mut lab, 3);
    assert_eq!(prefetches(&mut lab, Input::Cleared(LinkId(2))), [5]);
}

#[test]
fn it_is_restored_as_it_was_to_a_broker_that_may_not_know_how_to_open_it() {
    for (version, restored) in [(1, 5), (5, 5), (6, 0), (12, 0)] {
        let mut lab = lost();
        let greeting = Greeting { version, ..Greeting::default() };
        let dialed = Input::Dialed(LinkId(2), Ok(greeting), DialTimes::default());
        assert_eq!(prefetches(&mut lab, dialed), [restored], "version {version}");
        assert!(answers(&mut lab, 2).is_empty());
        let opened = lab.input(Input::Cleared(LinkId(1)));
        assert_eq!(opened.is_empty(), restored == 5, "version {version}: {opened:?}");
    }
}

#[test]
fn one_that_was_removed_meanwhile_is_not_opened() {
    let mut lab = lost();
    prefetches(&mut lab, Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default()));
    answers(&mut lab, 2);
    let object_id = Some(Box::new(consumer_id().into()));
    lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() });
    assert!(lab.input(Input::Cleared(LinkId(1))).is_empty());
}

#[test]
fn it_is_opened_after_all_that_waited_for_the_link_was_sent() {
    let mut lab = lost();
    lab.say(step(&local(1), TransactionInfo::BEGIN));
    lab.dialed(2);
    lab.input(Input::Cleared(LinkId(1)));
    lab.say(message(&local(1)));
    lab.submit(step(&local(1), TransactionInfo::COMMIT_ONE_PHASE));
    for id in 1..=3 {
        let said = lab.answer(2, id);
        assert!(!said.iter().any(|line| line.contains("ConsumerControl")), "{said:?}");
    }
    // The commit is stopped before, until its message is on the wire.
    assert_eq!(
        lab.wait(ms(0)),
        ["transmit 2 COMMIT_ONE_PHASE #6", "transmit 2 ConsumerControl #7"]
    );
}
