//! Subscriptions that outlive their consumers, and messages that outlive the broker.

use rewire_protocol::{FlushCommand, RemoveSubscriptionInfo};

use super::*;

fn subscriber(link: u64, number: i64) -> ConsumerInfo {
    let subscription_name = Some("s".into());
    ConsumerInfo { subscription_name, ..consumer(link, number, topic("T")) }
}

fn unsubscribe() -> RemoveSubscriptionInfo {
    RemoveSubscriptionInfo {
        subscription_name: Some("s".into()),
        client_id: Some("client1".into()),
        ..RemoveSubscriptionInfo::default()
    }
}

#[test]
fn a_durable_subscriber_gets_what_came_while_it_was_away() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(1, subscriber(1, 1));
    assert_eq!(lab.send(2, 1, topic("T")), ["1 < 2.1 to c1:1:1"]);
    lab.ack(1, 1, MessageAck::STANDARD, "2.1", "2.1");
    lab.end(1, 1, -1);
    lab.send(2, 2, topic("T"));
    assert_eq!(lab.ask(1, subscriber(1, 2)), ["1 < done 7", "1 < 2.2 to c1:1:2"]);
}

#[test]
fn what_it_has_not_acknowledged_comes_again() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(1, subscriber(1, 1));
    lab.send(2, 1, topic("T"));
    lab.close(1);
    lab.client(1);
    assert_eq!(lab.ask(1, subscriber(1, 1))[1..], ["1 < 2.1 to c1:1:1 again 1"]);
}

#[test]
fn a_durable_subscription_has_one_subscriber_at_a_time() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, subscriber(1, 1));
    assert_eq!(lab.ask(1, subscriber(1, 2)), ["1 < refused 7 JMSException"]);
    assert_eq!(lab.ask(1, unsubscribe()), ["1 < refused 7 JMSException"]);
    lab.end(1, 1, -1);
    assert_eq!(lab.ask(1, unsubscribe()), ["1 < done 7"]);
    assert_eq!(lab.ask(1, unsubscribe()), ["1 < refused 7 InvalidDestinationException"]);
}

#[test]
fn another_selector_makes_another_subscription() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, subscriber(1, 1));
    lab.end(1, 1, -1);
    lab.send(1, 1, topic("T"));
    let selector = Some("JMSPriority > 5".into());
    assert_eq!(lab.ask(1, ConsumerInfo { selector, ..subscriber(1, 2) }), ["1 < done 7"]);
    lab.end(1, 2, -1);
    lab.send(1, 2, topic("T"));
    lab.tell(1, Message { priority: 9, ..message(1, 3, topic("T")) });
    let selector = Some("JMSPriority > 5".into());
    let got = lab.ask(1, ConsumerInfo { selector, ..subscriber(1, 3) });
    assert_eq!(got[1..], ["1 < 1.3 to c1:1:3"]);
}

#[test]
fn an_ended_subscription_keeps_no_memory() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, subscriber(1, 1));
    lab.end(1, 1, -1);
    lab.send(1, 1, topic("T"));
    assert_eq!(lab.core.memory_used(), 1024);
    lab.ask(1, unsubscribe());
    assert_eq!(lab.core.memory_used(), 0);
}

#[test]
fn stored_messages_and_subscriptions_outlive_the_broker() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.ask(1, subscriber(1, 1));
    lab.end(1, 1, -1);
    lab.send(1, 1, queue("Q"));
    lab.tell(1, Message { persistent: false, ..message(1, 2, queue("Q")) });
    lab.send(1, 3, queue("Q"));
    lab.send(1, 4, topic("T"));
    lab.consume(1, 2, queue("Q"));
    lab.ack(1, 2, MessageAck::STANDARD, "1.1", "1.1");
    lab.restart();
    assert_eq!(lab.pending(&queue("Q")), 1);
    lab.client(1);
    assert_eq!(lab.consume(1, 1, queue("Q"))[1..], ["1 < 1.3 to c1:1:1"]);
    assert_eq!(lab.ask(1, subscriber(1, 2))[1..], ["1 < 1.4 to c1:1:2"]);
    let sequence = lab.core.sequence;
    lab.send(1, 5, queue("Q"));
    assert!(sequence >= 3 && lab.core.sequence > sequence, "numbers go on");
}

#[test]
fn a_persistent_message_is_answered_and_dispatched_when_it_is_stored() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.consume(1, 1, queue("Q"));
    lab.unstored = Some(Vec::new());
    assert!(lab.ask(1, message(1, 1, queue("Q"))).is_empty());
    let after = Message { persistent: false, ..message(1, 2, queue("Q")) };
    assert!(lab.tell(1, after).is_empty(), "it does not overtake the first");
    let ticket = lab.unstored.as_mut().unwrap().pop().unwrap();
    assert_eq!(
        lab.input(Input::Stored(ticket)),
        ["1 < done 7", "1 < 1.1 to c1:1:1", "1 < 1.2 to c1:1:1"]
    );
}

#[test]
fn an_answer_says_that_all_is_stored_that_was_sent_before() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.consume(1, 1, queue("Q"));
    lab.unstored = Some(Vec::new());
    let close =
        RemoveInfo { object_id: Some(Box::new(connection(1).into())), ..RemoveInfo::default() };
    let begin = transactions::begin(1, 1);
    for (sequence, asked) in
        (1..).zip([Command::from(FlushCommand::default()), begin.into(), close.into()])
    {
        assert_eq!(lab.ask(1, FlushCommand::default()), ["1 < done 7"], "all is stored");
        lab.send(1, sequence, queue("R"));
        let name = asked.name();
        assert!(lab.ask(1, asked).is_empty(), "{name}");
        let ticket = lab.unstored.as_mut().unwrap().pop().unwrap();
        assert_eq!(lab.input(Input::Stored(ticket)), ["1 < done 7"], "{name}");
    }
    assert_eq!(lab.pending(&queue("R")), 3);
}

#[test]
fn a_browser_sees_what_its_client_sent_before() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.unstored = Some(Vec::new());
    lab.send(1, 1, queue("Q"));
    let browser = ConsumerInfo { browser: true, ..consumer(1, 1, queue("Q")) };
    assert!(lab.ask(1, browser).is_empty());
    let ticket = lab.unstored.as_mut().unwrap().pop().unwrap();
    let seen = lab.input(Input::Stored(ticket));
    assert_eq!(seen, ["1 < done 7", "1 < 1.1 to c1:1:1", "1 < nothing to c1:1:1"]);
}

#[test]
fn a_consumer_that_waits_for_the_store_is_gone_when_it_fails() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.unstored = Some(Vec::new());
    lab.send(1, 1, queue("Q"));
    assert!(lab.consume(1, 1, queue("R")).is_empty());
    assert_eq!(lab.input(Input::StoreFailed("disk full".into())), ["1 hang up"]);
    let transient = Message { persistent: false, ..message(1, 2, queue("R")) };
    assert!(lab.tell(1, transient).is_empty());
    assert_eq!(lab.consume(1, 1, queue("R")), ["1 < done 7", "1 < 1.2 to c1:1:1"]);
}

#[test]
fn an_acknowledgement_is_answered_when_it_is_stored() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.consume(1, 1, queue("Q"));
    lab.send(1, 1, queue("Q"));
    lab.tell(1, Message { persistent: false, ..message(1, 2, queue("Q")) });
    lab.unstored = Some(Vec::new());
    let of = |name| ack(1, 1, MessageAck::INDIVIDUAL, name, name);
    assert_eq!(lab.ask(1, of("1.2")), ["1 < done 7"], "it was never stored");
    assert!(lab.ask(1, of("1.1")).is_empty());
    let ticket = lab.unstored.as_mut().unwrap().pop().unwrap();
    assert_eq!(lab.input(Input::Stored(ticket)), ["1 < done 7"]);
}

#[test]
fn what_was_stored_before_the_broker_died_is_known_when_it_comes_again() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.send_many(1, 2, &queue("Q"));
    lab.restart();
    lab.open(1);
    lab.ask(1, ConnectionInfo { failover_reconnect: true, ..info(1) });
    lab.tell(
        1,
        SessionInfo { session_id: Some(connection(1).session(1)), ..SessionInfo::default() },
    );
    let producer_id = Some(connection(1).session(1).producer(1));
    lab.tell(1, ProducerInfo { producer_id, ..ProducerInfo::default() });
    assert_eq!(lab.ask(1, message(1, 2, queue("Q"))), ["1 < done 7"]);
    assert_eq!(lab.pending(&queue("Q")), 2);
}

#[test]
fn what_was_stored_is_known_also_when_its_producer_is_not_told_of_again() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.send_many(1, 2, &queue("Q"));
    lab.restart();
    lab.open(1);
    lab.ask(1, ConnectionInfo { failover_reconnect: true, ..info(1) });
    for sequence in 2..=3 {
        assert_eq!(lab.ask(1, message(1, sequence, queue("Q"))), ["1 < done 7"]);
        assert_eq!(lab.ask(1, message(1, sequence, queue("Q"))), ["1 < done 7"]);
    }
    assert_eq!(lab.pending(&queue("Q")), 3);
}

#[test]
fn what_is_sent_again_before_it_is_stored_is_stored_once_and_answered_then() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.unstored = Some(Vec::new());
    assert!(lab.ask(1, message(1, 1, queue("Q"))).is_empty());
    lab.close(1);
    lab.open(2);
    lab.ask(2, ConnectionInfo { failover_reconnect: true, ..info(1) });
    lab.tell(
        2,
        SessionInfo { session_id: Some(connection(1).session(1)), ..SessionInfo::default() },
    );
    let producer_id = Some(connection(1).session(1).producer(1));
    lab.tell(2, ProducerInfo { producer_id, ..ProducerInfo::default() });
    assert!(lab.ask(2, message(1, 1, queue("Q"))).is_empty());
    let ticket = *lab.unstored.as_ref().unwrap().last().unwrap();
    assert_eq!(lab.input(Input::Stored(ticket)), ["1 < done 7", "2 < done 7"]);
    assert_eq!((lab.pending(&queue("Q")), lab.store.as_ref().unwrap().len()), (1, 1));
}

#[test]
fn when_the_store_fails_nothing_is_said_of_what_waits_for_it_and_what_follows_is_refused() {
    let mut lab = Lab::stored();
    lab.client(1);
    lab.unstored = Some(Vec::new());
    lab.ask(1, message(1, 1, queue("Q")));
    assert_eq!(lab.input(Input::StoreFailed("disk full".into())), ["1 hang up"]);
    let next = lab.ask(1, message(1, 2, queue("Q")));
    assert_eq!(next, ["1 < refused 7 ResourceAllocationException"]);
    assert_eq!((lab.pending(&queue("Q")), lab.core.memory_used()), (0, 0));
}
