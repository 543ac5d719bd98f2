//! What is told of messages where policies ask for it.

use std::sync::Arc;

use bytes::Bytes;
use rewire_protocol::Limits;

use super::*;

fn advisory(name: &str) -> Destination {
    topic(&format!("ActiveMQ.Advisory.{name}"))
}

/// Link 1 listens to all that is told of messages and producers; link 2 does what it is told of.
fn lab(change: impl FnOnce(&mut DestinationPolicy)) -> Lab {
    let mut policy = DestinationPolicy::default();
    change(&mut policy);
    let mut lab = Lab::with(|config| config.policies.set_default(policy));
    (1..=2).for_each(|link| lab.client(link));
    let topics =
        ["MessageDelivered.>", "MessageConsumed.>", "NoConsumer.>", "FULL.>", "FastProducer.>"];
    for (number, name) in (1..).zip(topics) {
        lab.consume(1, number, advisory(name));
    }
    lab
}

fn fleeting(sequence: i64, to: Destination) -> Message {
    Message { persistent: false, ..message(2, sequence, to) }
}

/// The advisory among the outputs of an input, to be looked at.
fn told(lab: &mut Lab, input: impl Into<Command>) -> Arc<Message> {
    let outputs = lab.core.handle(lab.now, Input::Received(LinkId(2), input.into()));
    let mut told = outputs.filter_map(|output| match output {
        Output::Send(LinkId(1), Outgoing::Dispatch(dispatch)) => dispatch.message,
        _ => None,
    });
    told.next().expect("something is told")
}

fn properties(message: &Message) -> String {
    format!("{:?}", message.properties(&Limits::DEFAULT).unwrap())
}

#[test]
fn a_message_that_is_taken_in_is_told_of_before_anybody_has_it() {
    let mut lab = lab(|policy| policy.advisory_for_delivery = true);
    lab.consume(2, 1, queue("Q"));
    let delivered = "1 < MessageDelivered.Queue.Q: ActiveMQMessage to c1:1:1";
    assert_eq!(lab.send(2, 1, queue("Q")), [delivered, "2 < 2.1 to c2:1:1"]);
    let to_topic = "1 < MessageDelivered.Topic.T: ActiveMQMessage to c1:1:1";
    assert_eq!(lab.send(2, 2, topic("T")), [to_topic]);
    assert_eq!(lab.end(2, 1, -2), [""; 0], "what comes back was told of before");
}

#[test]
fn a_message_for_durable_subscribers_is_told_of_once() {
    let mut lab = lab(|policy| policy.advisory_for_delivery = true);
    for (number, name) in [(1, "one"), (2, "other")] {
        let info = ConsumerInfo {
            subscription_name: Some(name.into()),
            ..consumer(2, number, topic("T"))
        };
        lab.ask(2, info);
    }
    let told = lab.send(2, 1, topic("T"));
    let of: Vec<_> = told.iter().filter(|line| line.contains("MessageDelivered")).collect();
    assert_eq!(of, ["1 < MessageDelivered.Topic.T: ActiveMQMessage to c1:1:1"]);
}

#[test]
fn a_message_that_a_consumer_is_done_with_is_told_of() {
    let mut lab = lab(|policy| policy.advisory_for_consumed = true);
    lab.consume(2, 1, queue("Q"));
    lab.send(2, 1, queue("Q"));
    lab.send(2, 2, queue("Q"));
    let told = lab.ack(2, 1, MessageAck::STANDARD, "2.1", "2.2");
    assert_eq!(told, ["1 < MessageConsumed.Queue.Q: ActiveMQMessage to c1:1:2"; 2]);
    let durable =
        ConsumerInfo { subscription_name: Some("all".into()), ..consumer(2, 2, topic("T.>")) };
    lab.ask(2, durable);
    lab.send(2, 3, topic("T.A"));
    let told = lab.ack(2, 2, MessageAck::STANDARD, "2.3", "2.3");
    assert_eq!(told, ["1 < MessageConsumed.Topic.T.A: ActiveMQMessage to c1:1:2"]);
}

#[test]
fn an_advisory_says_which_message_and_has_its_body_where_that_is_wanted() {
    for include in [false, true] {
        let mut lab = lab(|policy| {
            policy.advisory_for_delivery = true;
            policy.include_body_for_advisory = include;
        });
        let content = Some(Bytes::from_static(b"body"));
        let told =
            told(&mut lab, Message { content: content.clone(), ..message(2, 1, queue("Q")) });
        let properties = properties(&told);
        assert!(
            properties.contains("c2:1:1:1") && properties.contains("queue://Q"),
            "{properties}"
        );
        let Some(Command::Message(inner)) = told.data_structure.as_deref() else { panic!() };
        assert_eq!(inner.content, content.filter(|_| include));
    }
}

#[test]
fn what_nobody_hears_and_no_store_keeps_is_sent_to_who_listens_for_it() {
    let mut lab = lab(|policy| policy.send_advisory_if_no_consumers = true);
    let unheard = told(
        &mut lab,
        Message { content: Some(Bytes::from_static(b"body")), ..fleeting(1, queue("Q")) },
    );
    assert_eq!(unheard.destination, Some(advisory("NoConsumer.Queue.Q")));
    assert_eq!(unheard.content.as_deref(), Some(&b"body"[..]), "it is the message itself");
    assert_eq!(lab.tell(2, fleeting(2, topic("T"))), ["1 < 2.2 to c1:1:3"]);
    assert_eq!(lab.send(2, 3, queue("Q")), [""; 0], "a persistent one waits for its consumer");
    lab.consume(2, 1, queue("R"));
    lab.consume(2, 2, topic("T"));
    assert_eq!(lab.tell(2, fleeting(4, queue("R"))), ["2 < 2.4 to c2:1:1"]);
    assert_eq!(lab.tell(2, fleeting(5, topic("T"))), ["2 < 2.5 to c2:1:2"]);
    let durable =
        ConsumerInfo { subscription_name: Some("all".into()), ..consumer(2, 3, topic("D")) };
    lab.ask(2, durable);
    lab.end(2, 3, -2);
    assert_eq!(lab.tell(2, fleeting(6, topic("D"))), [""; 0], "its subscriber gets it later");
}

#[test]
fn a_topic_whose_subscribers_select_other_messages_has_nobody_to_hear() {
    let mut lab = lab(|policy| policy.send_advisory_if_no_consumers = true);
    lab.ask(2, ConsumerInfo { selector: Some("a = 1".into()), ..consumer(2, 1, topic("T")) });
    assert_eq!(lab.tell(2, fleeting(1, topic("T"))), ["1 < 2.1 to c1:1:3"]);
}

#[test]
fn a_full_destination_is_told_of_and_who_sends_to_it_whether_or_not_they_wait() {
    for waits in [true, false] {
        let mut lab = lab(|policy| {
            policy.memory_limit = Some(1024);
            policy.producer_flow_control = waits;
            policy.advisory_when_full = true;
            policy.advisory_for_fast_producers = true;
        });
        assert_eq!(lab.send(2, 1, queue("Q")), [""; 0], "there is room for it");
        let answer = (!waits).then(|| "2 < done 7".to_owned());
        let full = [
            "1 < FULL.Queue.Q: nothing to c1:1:4",
            "1 < FastProducer.Queue.Q: ProducerInfo to c1:1:5",
        ];
        let expected: Vec<String> = full.map(str::to_owned).into_iter().chain(answer).collect();
        assert_eq!(lab.ask(2, message(2, 2, queue("Q"))), expected);
        let full = told(&mut lab, message(2, 3, queue("Q")));
        let said = properties(&full);
        assert!(
            said.contains("Main:memory:queue://Q:memory") && said.contains("usageCount"),
            "{said}"
        );
    }
}

#[test]
fn nothing_of_this_is_told_where_no_policy_asks_for_it() {
    let mut lab = lab(|policy| policy.memory_limit = Some(1024));
    lab.consume(2, 1, queue("Q"));
    assert_eq!(lab.tell(2, fleeting(1, topic("T"))), [""; 0]);
    assert_eq!(lab.send(2, 2, queue("Q")), ["2 < 2.2 to c2:1:1"]);
    assert_eq!(lab.ask(2, message(2, 3, queue("Q"))), [""; 0]);
    assert_eq!(
        lab.ack(2, 1, MessageAck::STANDARD, "2.2", "2.2"),
        ["2 < done 7", "2 < 2.3 to c2:1:1"]
    );
}

#[test]
fn producers_without_a_destination_are_told_of_where_that_is_wanted() {
    for wanted in [true, false] {
        let mut lab = Lab::with(|config| config.anonymous_producer_advisory_support = wanted);
        lab.client(1);
        lab.consume(1, 1, advisory("Producer.>"));
        lab.open(2);
        lab.ask(2, info(2));
        let session_id = Some(connection(2).session(1));
        lab.tell(2, SessionInfo { session_id, ..SessionInfo::default() });
        let producer_id = Some(connection(2).session(1).producer(1));
        let told = lab.tell(2, ProducerInfo { producer_id, ..ProducerInfo::default() });
        let expected = |what| {
            let line = format!("1 < Producer.Anonymous: {what} to c1:1:1");
            Some(line).filter(|_| wanted).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(told, expected("ProducerInfo"));
        assert_eq!(lab.close(2), expected("RemoveInfo"));
    }
}
