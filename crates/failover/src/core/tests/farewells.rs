//! What was sent before a producer went away still needs the producer.

use super::*;

fn farewell(id: Command) -> RemoveInfo {
    RemoveInfo { object_id: Some(Box::new(id)), ..RemoveInfo::default() }
}

fn message() -> Message {
    Message { producer_id: producer_info().producer_id, ..Message::default() }
}

/// Connected to `a`, with a session and a producer that were accepted.
fn producing() -> Lab {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.answer(1, 2);
    lab.submit(producer_info());
    lab.answer(1, 3);
    lab
}

/// ActiveMQ: "Cannot send message to queue://.. with invalid (null) producer state".
fn goes_to_the_next_broker_after_its_producer(lab: &mut Lab) {
    lab.wait(ms(10));
    let replay = lab.dialed(2);
    assert!(replay.contains(&"transmit 2 ProducerInfo #3".to_owned()), "{replay:?}");
}

#[test]
fn a_message_that_waits_for_a_broker_is_sent_after_its_producer_though_that_has_gone_since() {
    let mut lab = producing();
    lab.lost(1);
    let request = lab.request(message(), Completion::Transmitted);
    lab.input(Input::Submit(request));
    lab.submit(farewell(producer_info().producer_id.unwrap().into()));
    goes_to_the_next_broker_after_its_producer(&mut lab);
}

#[test]
fn a_message_without_an_answer_is_sent_again_after_its_producer_though_that_has_gone_since() {
    let mut lab = producing();
    lab.submit(message());
    lab.submit(farewell(producer_info().producer_id.unwrap().into()));
    lab.lost(1);
    goes_to_the_next_broker_after_its_producer(&mut lab);
}

#[test]
fn what_was_declared_again_only_for_a_message_is_removed_again_after_it_whatever_became_of_that() {
    let mut lab = producing();
    lab.core.options.timeout = Some(ms(1000));
    lab.submit(message());
    lab.submit(farewell(session_info().session_id.unwrap().into()));
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 4);
    // The message is given up, and something else is removed, before the broker has answered.
    assert_eq!(lab.wait(ms(1000)).len(), 1);
    lab.submit(farewell(connection().session(9).into()));
    lab.answer(2, 1);
    lab.answer(2, 2);
    assert_eq!(
        lab.answer(2, 3)[..3],
        ["resumed 2", "transmit 2 RemoveInfo #6", "transmit 2 RemoveInfo #7"]
    );
}

#[test]
fn a_message_that_waits_is_sent_after_its_session_too_though_that_has_gone_since() {
    let mut lab = producing();
    lab.lost(1);
    let request = lab.request(message(), Completion::Transmitted);
    lab.input(Input::Submit(request));
    lab.submit(farewell(session_info().session_id.unwrap().into()));
    lab.wait(ms(10));
    let replay = lab.dialed(2);
    assert!(replay.contains(&"transmit 2 SessionInfo #2".to_owned()), "{replay:?}");
}
