//! What a new broker hears again, and what it may refuse.

use super::*;

#[test]
fn a_new_broker_hears_the_state_first_and_requests_only_when_it_has_accepted_it() {
    let mut lab = Lab::two().connected();
    for (command, id) in [
        (Command::from(session_info()), 2),
        (producer_info().into(), 3),
        (consumer_info().into(), 4),
    ] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.submit(Message::default());
    lab.lost(1);
    lab.submit(Message::default());
    lab.wait(ms(10));
    assert_eq!(
        lab.dialed(2),
        [
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
            "transmit 2 SessionInfo #2",
            "transmit 2 ProducerInfo #3",
            "transmit 2 ConsumerInfo #4",
        ]
    );
    lab.now += ms(5);
    for id in [1, 2, 3] {
        assert!(lab.answer(2, id).is_empty());
    }
    assert_eq!(
        lab.answer(2, 4),
        [
            "resumed 2",
            "transmit 2 ActiveMQMessage #5",
            "transmit 2 ActiveMQMessage #6",
            "event resumed tcp://b:1 after 15 ms, 5 replayed, 1 resent",
        ]
    );
    assert_eq!(lab.answer(2, 5), ["complete 5 ok"]);
    assert_eq!(lab.answer(2, 6), ["complete 6 ok"]);
}

#[test]
fn a_connection_that_was_never_accepted_and_is_refused_in_a_replay_is_refused_to_its_owner() {
    let mut lab = Lab::two();
    lab.input(Input::Start);
    lab.dialed(1);
    lab.submit(connection_info());
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[1], "transmit 2 ConnectionInfo #1");
    assert_eq!(
        lab.refuse(2, 1, "javax.jms.InvalidClientIDException"),
        [
            "complete 1 the broker refused: javax.jms.InvalidClientIDException: no",
            "hangup 2",
            "event attempt failed tcp://b:1 in round 1",
            "dial 3 tcp://a:1",
        ]
    );
    // There is nothing to replay any more.
    assert_eq!(lab.dialed(3), ["resumed 3", "event connected tcp://a:1"]);
}

#[test]
fn a_declaration_under_way_when_the_link_is_lost_is_answered_by_its_replay_and_sent_once() {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[1..], ["transmit 2 ConnectionInfo #1", "transmit 2 SessionInfo #2"]);
    lab.answer(2, 1);
    assert_eq!(
        lab.answer(2, 2),
        ["complete 2 ok", "resumed 2", "event resumed tcp://b:1 after 10 ms, 3 replayed, 0 resent"]
    );
}

#[test]
fn a_declaration_made_while_there_is_no_broker_is_part_of_the_replay_and_sent_once() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.submit(session_info());
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[1..], ["transmit 2 ConnectionInfo #1", "transmit 2 SessionInfo #2"]);
    lab.answer(2, 1);
    assert_eq!(
        lab.answer(2, 2),
        ["complete 2 ok", "resumed 2", "event resumed tcp://b:1 after 10 ms, 3 replayed, 0 resent"]
    );
}

#[test]
fn a_declaration_made_during_a_replay_is_sent_after_it() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert!(lab.submit(session_info()).is_empty());
    assert_eq!(
        lab.answer(2, 1),
        [
            "resumed 2",
            "transmit 2 SessionInfo #2",
            "event resumed tcp://b:1 after 10 ms, 2 replayed, 0 resent"
        ]
    );
}

#[test]
fn a_link_lost_during_the_replay_counts_as_a_failed_attempt() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(lab.lost(2), ["event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]);
}

#[test]
fn a_connection_refused_on_replay_is_hung_up_and_counts_as_a_failed_attempt() {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], |options| {
        options.max_reconnect_attempts = crate::uri::Attempts::at_most(1);
    })
    .connected();
    lab.submit(Message::default());
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(
        lab.refuse(2, 1, "javax.jms.InvalidClientIDException"),
        ["hangup 2", "event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]
    );
    let end = lab.undialed(3);
    assert_eq!(end[0], "event attempt failed tcp://a:1 in round 1");
    assert!(end[1].starts_with("complete 2 in doubt, sent to tcp://a:1 without"), "{end:?}");
    assert_eq!(end[2..], ["event gave up", "ended"]);
}

#[test]
fn when_every_broker_refuses_the_password_it_ends() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    lab.refuse(2, 1, "javax.jms.JMSSecurityException");
    lab.dialed(3);
    let end = lab.refuse(3, 1, "javax.jms.JMSSecurityException");
    assert_eq!(
        end,
        ["hangup 3", "event attempt failed tcp://a:1 in round 1", "event gave up", "ended"]
    );
}

#[test]
fn a_consumer_refused_on_replay_is_told_and_not_replayed_again() {
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    lab.answer(2, 1);
    lab.answer(2, 2);
    assert_eq!(
        lab.refuse(2, 3, "javax.jms.JMSException")[..2],
        ["refused ConsumerInfo", "resumed 2"]
    );
    lab.lost(2);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(3).len(), 3);
}

#[test]
fn a_refused_request_completes_as_refused_and_a_refused_declaration_is_forgotten() {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    assert_eq!(
        lab.refuse(1, 2, "javax.jms.JMSException"),
        ["complete 2 the broker refused: javax.jms.JMSException: no"]
    );
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 2);
}

#[test]
fn a_declaration_removed_before_it_was_answered_ends_with_the_link_and_is_not_declared_again() {
    let remove = || {
        let object_id = Some(Box::new(Command::from(connection().session(1))));
        RemoveInfo { object_id, ..RemoveInfo::default() }
    };
    let gone = "it was removed before a broker had answered";
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.submit(remove());
    let lost = lab.lost(1);
    assert_eq!(lost[2], "complete 3 ok");
    assert_eq!(
        lost[3],
        format!("complete 2 in doubt, sent to tcp://a:1 without an answer: {gone}")
    );
    // The same without a broker.
    lab.submit(session_info());
    lab.submit(producer_info());
    assert_eq!(
        lab.submit(remove()),
        [
            "complete 6 ok".to_owned(),
            format!("complete 4 not sent: {gone}"),
            format!("complete 5 not sent: {gone}"),
        ]
    );
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 2);
    assert_eq!(lab.answer(2, 1).len(), 2);
}

#[test]
fn a_removal_made_during_a_replay_reaches_the_broker_that_was_told_of_what_it_removes() {
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    let object_id = Some(Box::new(consumer_id().into()));
    assert!(lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() }).is_empty());
    lab.answer(2, 1);
    lab.answer(2, 2);
    assert_eq!(lab.answer(2, 3)[..2], ["resumed 2", "transmit 2 RemoveInfo #4"]);
    assert_eq!(lab.answer(2, 4), ["complete 4 ok"]);
}

#[test]
fn a_removal_made_during_a_replay_that_fails_is_done() {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.answer(1, 2);
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    let object_id = Some(Box::new(connection().session(1).into()));
    assert!(lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() }).is_empty());
    assert_eq!(lab.lost(2)[0], "complete 3 ok");
    assert_eq!(lab.dialed(3).len(), 2);
}

#[test]
fn a_consumer_the_broker_closed_is_not_replayed() {
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    let control =
        ConsumerControl { close: true, consumer_id: Some(consumer_id()), ..Default::default() };
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control.into())),
        ["deliver 1 ConsumerControl"]
    );
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 3);
}

#[test]
fn a_declaration_that_only_a_replay_has_sent_is_in_doubt_when_no_answer_comes() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.submit(session_info());
    lab.wait(ms(10));
    lab.dialed(2);
    let end = lab.input(Input::Close);
    assert!(end[1].starts_with("complete 2 in doubt, sent to tcp://b:1"), "{end:?}");
}

#[test]
fn what_cannot_be_sent_in_a_replay_is_told_and_the_rest_goes_on() {
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(lab.input(Input::Unsendable(LinkId(2), 3, too_large())), ["refused ConsumerInfo"]);
    lab.answer(2, 1);
    assert_eq!(lab.answer(2, 2)[0], "resumed 2");
    lab.lost(2);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(3).len(), 3);
}

#[test]
fn a_standby_whose_credentials_are_out_of_date_is_dialed_anew_and_asked_for_again() {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], |options| options.backup = true);
    lab.input(Input::Start);
    lab.submit(connection_info());
    lab.dialed(1);
    lab.answer(1, 1);
    let told = |lab: &mut Lab, link| {
        let credentials = Some(crate::Credentials::new("u", format!("of link {link}")));
        let dialed = Input::Dialed(
            LinkId(link),
            Ok(Greeting { credentials, ..Greeting::default() }),
            DialTimes::default(),
        );
        lab.core.handle(lab.now, dialed).find_map(|output| match output {
            Output::Transmit(_, command, _) => match &*command {
                Command::ConnectionInfo(info) => info.password.as_ref().map(ToString::to_string),
                _ => None,
            },
            _ => None,
        })
    };
    assert_eq!(told(&mut lab, 2), None);
    let replay = lab.core.handle(lab.now, Input::Lost(LinkId(1), LostReason::Closed)).any(
        |output| matches!(output, Output::Transmit(_, command, _) if format!("{command:?}").contains("of link")),
    );
    assert!(!replay, "a password is not shown");
    let refused = lab.refuse(2, 1, "java.lang.SecurityException");
    assert_eq!(refused[2..], ["dial 3 tcp://b:1"], "{refused:?}");
    assert_eq!(told(&mut lab, 3).as_deref(), Some("of link 3"));
}

fn dispatch() -> MessageDispatch {
    MessageDispatch { consumer_id: Some(consumer_id()), ..MessageDispatch::default() }
}

/// At a broker that hears of a connection, a session and a consumer with this prefetch.
fn replaying(prefetch_size: i32) -> Lab {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.submit(ConsumerInfo { prefetch_size, ..consumer_info() });
    lab.answer(1, 2);
    lab.answer(1, 3);
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    lab
}

#[test]
fn what_a_broker_dispatches_during_a_replay_is_delivered_in_order_after_the_application_knows_the_link()
 {
    let mut lab = replaying(1);
    assert!(lab.answer(2, 1).is_empty());
    assert!(lab.answer(2, 2).is_empty());
    assert!(lab.input(Input::Received(LinkId(2), dispatch().into())).is_empty());
    let control = ConsumerControl { consumer_id: Some(consumer_id()), ..Default::default() };
    assert!(lab.input(Input::Received(LinkId(2), control.into())).is_empty());
    assert_eq!(
        lab.answer(2, 3)[..3],
        ["resumed 2", "deliver 2 MessageDispatch", "deliver 2 ConsumerControl"]
    );
    assert_eq!(
        lab.input(Input::Received(LinkId(2), dispatch().into())),
        ["deliver 2 MessageDispatch"]
    );
}

#[test]
fn what_a_broker_dispatches_during_a_replay_that_fails_is_never_delivered() {
    for fails in [|lab: &mut Lab| lab.lost(2), |lab: &mut Lab| lab.refuse(2, 1, "no")] {
        let mut lab = replaying(1);
        lab.input(Input::Received(LinkId(2), dispatch().into()));
        let after = fails(&mut lab);
        assert!(!after.iter().any(|line| line.contains("deliver")), "{after:?}");
        lab.dialed(3);
        lab.answer(3, 1);
        lab.answer(3, 2);
        let resumed = lab.answer(3, 3);
        assert_eq!(resumed.len(), 2, "{resumed:?}");
        assert_eq!(resumed[0], "resumed 3");
    }
}

#[test]
fn a_broker_that_dispatches_beyond_the_prefetch_instead_of_answering_a_replay_is_left() {
    let mut lab = replaying(7);
    for _ in 0..7 + 10_000 {
        assert!(lab.input(Input::Received(LinkId(2), dispatch().into())).is_empty());
    }
    assert_eq!(
        lab.input(Input::Received(LinkId(2), dispatch().into())),
        ["hangup 2", "event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]
    );
}

#[test]
fn a_broker_that_answers_no_part_of_a_replay_for_half_a_minute_is_left_for_the_next() {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.answer(1, 2);
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(lab.due(), Some(ms(30_000)));
    lab.now += ms(29_999);
    // Signs of life are no answers; an answer gives time for the next.
    lab.input(Input::Received(LinkId(2), MessageDispatch::default().into()));
    assert_eq!(lab.due(), Some(ms(1)));
    lab.answer(2, 1);
    assert_eq!(lab.due(), Some(ms(30_000)));
    assert_eq!(
        lab.wait(ms(30_000)),
        ["hangup 2", "event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]
    );
    assert!(lab.answer(2, 2).is_empty(), "it has no say any more");
}
