//! Messages of a transaction that are not sent: without them the rest is not committed.

use rewire_protocol::TransactionInfo;

use super::transactions::{local, message, step};
use super::*;

impl Lab {
    /// What cannot be put on the wire.
    fn unsendable(&mut self, link: u64, number: i32) -> Vec<String> {
        self.input(Input::Unsendable(LinkId(link), number, too_large()))
    }

    /// A transaction with a message, and its end, that wait for the first link.
    fn with_waiting_end(mut self, end: i8) -> Self {
        self.input(Input::Start);
        self.submit(connection_info());
        self.say(step(&local(1), TransactionInfo::BEGIN));
        self.say(message(&local(1)));
        self.submit(step(&local(1), end));
        self
    }
}

#[test]
fn a_commit_that_waited_with_its_messages_is_sent_when_they_are_on_the_wire() {
    for end in [TransactionInfo::COMMIT_ONE_PHASE, TransactionInfo::PREPARE] {
        let mut lab = Lab::two().with_waiting_end(end);
        let end = name(&step(&local(1), end).into());
        assert_eq!(lab.due(), None);
        let greeted = lab.dialed(1);
        assert_eq!(
            greeted.iter().filter(|line| line.starts_with("transmit")).collect::<Vec<_>>(),
            [
                "transmit 1 ConnectionInfo #1",
                "transmit 1 BEGIN #2, completes 2",
                "transmit 1 ActiveMQMessage #3, completes 3",
            ]
        );
        // At once, and before what comes after it.
        assert_eq!(lab.due(), Some(Duration::ZERO));
        assert_eq!(
            lab.say(step(&local(2), TransactionInfo::BEGIN)),
            [format!("transmit 1 {end} #4"), "transmit 1 BEGIN #5, completes 5".to_owned()]
        );
        assert_eq!(lab.answer(1, 4), ["complete 4 ok"]);
    }
}

#[test]
fn a_commit_that_waited_with_a_message_that_does_not_fit_is_not_sent() {
    for end in [TransactionInfo::COMMIT_ONE_PHASE, TransactionInfo::PREPARE] {
        let mut lab = Lab::two().with_waiting_end(end);
        lab.dialed(1);
        let refused = lab.unsendable(1, 3);
        assert!(
            refused.len() == 1
                && refused[0].starts_with("complete 4")
                && refused[0].contains("can only be rolled back"),
            "{refused:?}"
        );
        assert_eq!(lab.wait(ms(0)), [""; 0]);
        assert_eq!(lab.due(), None);
        assert_eq!(
            lab.submit(step(&local(1), TransactionInfo::ROLLBACK)),
            ["transmit 1 ROLLBACK #5"]
        );
    }
}

#[test]
fn a_message_that_does_not_fit_stops_no_other_transaction_and_all_goes_in_order() {
    let mut lab = Lab::two().with_waiting_end(TransactionInfo::COMMIT_ONE_PHASE);
    let other = local(2);
    lab.say(step(&other, TransactionInfo::BEGIN));
    lab.say(message(&other));
    lab.submit(step(&other, TransactionInfo::COMMIT_ONE_PHASE));
    lab.submit(session_info());
    lab.dialed(1);
    assert_eq!(lab.unsendable(1, 3).len(), 1);
    assert_eq!(
        lab.wait(ms(0)),
        ["transmit 1 BEGIN #5, completes 5", "transmit 1 ActiveMQMessage #6, completes 6"]
    );
    // Not before the rest of the burst, whatever else happens.
    assert_eq!(
        lab.submit(producer_info()),
        [
            "transmit 1 COMMIT_ONE_PHASE #7",
            "transmit 1 SessionInfo #8",
            "transmit 1 ProducerInfo #9"
        ]
    );
    assert_eq!(lab.due(), None);
}

#[test]
fn what_was_submitted_behind_a_burst_that_has_stopped_comes_after_it() {
    let mut lab = Lab::two().with_waiting_end(TransactionInfo::COMMIT_ONE_PHASE);
    for id in [local(2), local(3)] {
        lab.say(step(&id, TransactionInfo::BEGIN));
        lab.say(message(&id));
        lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    }
    lab.dialed(1);
    assert_eq!(lab.submit(session_info()).len(), 3, "the next part of the burst");
    assert_eq!(
        lab.wait(ms(0)),
        [
            "transmit 1 COMMIT_ONE_PHASE #7",
            "transmit 1 BEGIN #8, completes 8",
            "transmit 1 ActiveMQMessage #9, completes 9",
        ]
    );
    assert_eq!(lab.wait(ms(0)), ["transmit 1 COMMIT_ONE_PHASE #10", "transmit 1 SessionInfo #11"]);
}

#[test]
fn a_commit_that_a_burst_had_not_come_to_when_its_link_was_lost_is_sent_over_the_next() {
    let mut lab = Lab::two().with_waiting_end(TransactionInfo::COMMIT_ONE_PHASE);
    lab.dialed(1);
    // Nothing is sent over a link that is not there, and nobody has seen the commit.
    let lost = lab.lost(1);
    assert!(!lost.iter().any(|line| line.starts_with("complete 4")), "{lost:?}");
    lab.wait(ms(10));
    lab.dialed(2);
    assert!(lab.answer(2, 1).contains(&"transmit 2 COMMIT_ONE_PHASE #4".to_owned()));
    assert_eq!(lab.answer(2, 4), ["complete 4 ok"]);
}

#[test]
fn a_transaction_that_lost_a_message_can_only_be_rolled_back() {
    let mut lab = Lab::two().connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    assert!(lab.input(Input::Unsendable(LinkId(1), 3, too_large())).is_empty());
    let refused = lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert!(refused[0].contains("can only be rolled back"), "{refused:?}");
    assert_eq!(lab.submit(step(&id, TransactionInfo::ROLLBACK)).len(), 1);
}

#[test]
fn a_transaction_that_loses_a_message_in_a_replay_can_only_be_rolled_back() {
    let mut lab = Lab::two().connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    lab.fail_over(1);
    assert!(lab.input(Input::Unsendable(LinkId(2), 3, too_large())).is_empty());
    lab.answer(2, 1);
    let refused = lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert!(refused[0].contains("can only be rolled back"), "{refused:?}");
}

#[test]
fn a_message_that_was_given_up_is_not_repeated_and_takes_its_transaction_with_it() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| options.timeout = Some(ms(500))).connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.lost(1);
    lab.say(message(&id));
    lab.wait(ms(10));
    assert_eq!(lab.wait(ms(490)).len(), 1);
    assert_eq!(lab.dialed(2)[2..], ["transmit 2 BEGIN #2"]);
    lab.answer(2, 1);
    let refused = lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert!(refused[0].contains("can only be rolled back"), "{refused:?}");
}

#[test]
fn a_commit_that_waits_behind_a_message_that_is_given_up_is_not_sent() {
    let change = |options: &mut FailoverOptions| options.timeout = Some(ms(500));
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], change).connected().with_producer();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    lab.lost(1);
    lab.say(message(&id));
    lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    let outcomes = lab.wait(ms(500));
    let of = |request: u64| {
        let begin = format!("complete {request} ");
        outcomes.iter().find_map(|line| line.strip_prefix(&begin)).unwrap_or_default().to_owned()
    };
    assert_eq!(of(6), "not sent: no broker within the timeout of 500 ms");
    assert!(of(7).contains("can only be rolled back"), "{outcomes:?}");
    lab.dialed(2);
    (1..=2).for_each(|number| drop(lab.answer(2, number)));
    let resumed = lab.answer(2, 3);
    assert!(!resumed.iter().any(|line| line.contains("COMMIT")), "{resumed:?}");
    assert_eq!(
        lab.submit(step(&id, TransactionInfo::ROLLBACK)),
        ["transmit 2 ROLLBACK #8"],
        "it is still there"
    );
}
