//! Requests: what waits, what is sent again, what is bound to a link, what ends.

use super::*;

#[test]
fn what_is_done_when_transmitted_and_cannot_be_put_on_the_wire_is_not_completed_by_the_core() {
    let mut lab = Lab::two().connected();
    let request = lab.request(Message::default(), Completion::Transmitted);
    // The link completes it, one way or the other.
    assert_eq!(lab.input(Input::Submit(request)), ["transmit 1 ActiveMQMessage #2, completes 2"]);
    assert!(lab.input(Input::Unsendable(LinkId(1), 2, too_large())).is_empty());
}

#[test]
fn a_message_that_one_broker_may_have_and_the_next_refuses_is_in_doubt() {
    let mut lab = Lab::two().connected();
    lab.submit(Message::default());
    lab.lost(1);
    lab.submit(Message::default());
    lab.wait(ms(10));
    lab.dialed(2);
    lab.answer(2, 1);
    assert_eq!(
        lab.refuse(2, 2, "javax.jms.ResourceAllocationException"),
        ["complete 2 in doubt, sent to tcp://a:1, tcp://b:1 without an answer: the broker tried \
          last refused it: javax.jms.ResourceAllocationException: no"]
    );
    assert_eq!(
        lab.refuse(2, 3, "javax.jms.ResourceAllocationException"),
        ["complete 3 the broker refused: javax.jms.ResourceAllocationException: no"]
    );
}

#[test]
fn an_acknowledgement_is_never_sent_over_another_link() {
    let mut lab = Lab::two().connected();
    let mut ack = lab.request(MessageAck::default(), Completion::Transmitted);
    ack.link = Some(LinkId(1));
    assert_eq!(lab.input(Input::Submit(ack)), ["transmit 1 MessageAck #2, completes 2"]);
    lab.lost(1);
    for _ in 0..2 {
        let mut ack = lab.request(MessageAck::default(), Completion::Transmitted);
        ack.link = Some(LinkId(1));
        let id = ack.id.0;
        assert_eq!(
            lab.input(Input::Submit(ack)),
            [format!("complete {id} not sent: the connection it belongs to is gone")]
        );
        lab.wait(ms(10));
        lab.dialed(2);
        lab.answer(2, 1);
    }
}

#[test]
fn what_is_done_when_transmitted_waits_for_a_broker_and_is_not_sent_again() {
    let mut lab = Lab::two();
    lab.input(Input::Start);
    lab.submit(connection_info());
    let message = lab.request(Message::default(), Completion::Transmitted);
    assert!(lab.input(Input::Submit(message)).is_empty());
    assert_eq!(
        lab.dialed(1)[1..],
        [
            "transmit 1 ConnectionInfo #1",
            "transmit 1 ActiveMQMessage #2, completes 2",
            "event connected tcp://a:1"
        ]
    );
    lab.answer(1, 1);
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(lab.answer(2, 1).len(), 2);
}

#[test]
fn a_removal_needs_no_broker_and_one_under_way_is_done_when_the_link_is_lost() {
    let remove =
        || RemoveInfo { object_id: Some(Box::new(consumer_id().into())), ..RemoveInfo::default() };
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    assert_eq!(lab.submit(remove()), ["transmit 1 RemoveInfo #4"]);
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1", "complete 4 ok"]);
    assert_eq!(lab.submit(remove()), ["complete 5 ok"]);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 3);
}

#[test]
fn a_message_waits_no_longer_for_a_broker_than_the_timeout_whatever_is_being_dialed() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| options.timeout = Some(ms(500))).connected();
    lab.submit(Message::default());
    lab.now += ms(100);
    lab.lost(1);
    lab.wait(ms(10));
    lab.submit(Message::default());
    // A dial hangs; the time counts from the loss, or from the submission when that came later.
    assert_eq!(lab.due(), Some(ms(490)));
    assert!(lab.wait(ms(489)).is_empty());
    assert_eq!(
        lab.wait(ms(1)),
        [
            "complete 2 in doubt, sent to tcp://a:1 without an answer: no broker within the timeout of 500 ms"
        ]
    );
    assert_eq!(lab.wait(ms(10)), ["complete 3 not sent: no broker within the timeout of 500 ms"]);
    assert_eq!(lab.due(), None);
}

#[test]
fn closing_says_goodbye_and_fails_what_waits() {
    let mut lab = Lab::two().connected();
    lab.submit(Message::default());
    assert_eq!(
        lab.input(Input::Close),
        [
            "transmit 1 ShutdownInfo #0",
            "hangup 1",
            "complete 2 in doubt, sent to tcp://a:1 without an answer: the connection is closed",
            "event closed",
            "ended"
        ]
    );
    assert!(lab.input(Input::Close).is_empty());
    assert_eq!(lab.submit(Message::default()), ["complete 3 not sent: the connection is closed"]);
}

#[test]
fn closing_while_dialing_gives_the_dial_up() {
    let mut lab = Lab::two();
    lab.input(Input::Start);
    lab.submit(Message::default());
    assert_eq!(
        lab.input(Input::Close),
        ["hangup 1", "complete 1 not sent: the connection is closed", "event closed", "ended"]
    );
    assert!(lab.dialed(1).is_empty());
}

#[test]
fn it_wants_no_more_when_enough_waits_and_again_when_some_is_done() {
    let brokers = vec!["tcp://a:1".parse().unwrap()];
    let limits = QueueLimits { requests: 2, bytes: 1 << 20 };
    let core = FailoverCore::new(brokers, FailoverOptions::default(), limits, 1);
    let mut lab = Lab { core, ..Lab::two() }.connected();
    lab.submit(Message::default());
    assert!(lab.core.wants_submit());
    lab.submit(Message::default());
    assert!(!lab.core.wants_submit());
    lab.answer(1, 2);
    assert!(lab.core.wants_submit());
    let content = Some(bytes::Bytes::from(vec![0; 1 << 20]));
    lab.submit(Message { content, ..Message::default() });
    assert!(!lab.core.wants_submit());
}

#[test]
fn what_is_bound_to_a_link_is_not_sent_over_the_next() {
    let mut lab = Lab::two().connected();
    let request = lab.request(SessionInfo::default(), Completion::Answered);
    lab.input(Input::Submit(Request { link: Some(LinkId(1)), ..request }));
    let lost = lab.lost(1);
    assert!(lost.iter().any(|line| line.starts_with("complete 2 ") && line != "complete 2 ok"));
    assert!(lab.core.requests.len() == 0, "{lost:?}");
}

#[test]
fn a_request_waits_no_longer_for_its_answer_than_the_request_timeout_and_is_not_sent_again() {
    let mut lab =
        Lab::new(&["tcp://a:1"], |options| options.request_timeout = Some(ms(500))).connected();
    lab.submit(session_info());
    lab.now += ms(100);
    lab.submit(Message::default());
    assert_eq!(lab.due(), Some(ms(400)));
    assert!(lab.wait(ms(399)).is_empty());
    let late = "in doubt, sent to tcp://a:1 without an answer: no answer within the request \
                timeout of 500 ms";
    assert_eq!(lab.wait(ms(1)), [format!("complete 2 {late}")]);
    assert_eq!(lab.wait(ms(100)), [format!("complete 3 {late}")]);
    assert_eq!(lab.due(), None);
    // Their answers come too late.
    assert!(lab.answer(1, 2).is_empty() && lab.answer(1, 3).is_empty());
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(
        lab.dialed(2),
        ["transmit 2 ConnectionControl #0", "transmit 2 ConnectionInfo #1"],
        "the session is not declared"
    );
    lab.answer(2, 1);
    assert_eq!(lab.due(), None);
}

#[test]
fn a_request_that_never_left_is_not_sent_when_its_time_is_over() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| options.request_timeout = Some(ms(500)));
    lab.input(Input::Start);
    lab.submit(connection_info());
    let unsent = "not sent: no answer within the request timeout of 500 ms";
    assert_eq!(lab.wait(ms(500)), [format!("complete 1 {unsent}")]);
    // It has waited elsewhere, until its time was over.
    let request = lab.request(Message::default(), Completion::Answered);
    let submitted = Some(lab.now - ms(500));
    let late = lab.input(Input::Submit(Request { submitted, ..request }));
    assert_eq!(late, [format!("complete 2 {unsent}")]);
    assert_eq!(lab.dialed(1), ["resumed 1", "event connected tcp://a:1"]);
}
