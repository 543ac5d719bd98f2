//! Topics: everybody gets a copy, and only those who are there.

use rewire_protocol::DestinationInfo;

use super::*;

#[test]
fn every_subscriber_gets_a_copy_and_nobody_what_was_before() {
    let mut lab = Lab::clients(1..=3);
    assert!(lab.send(1, 1, topic("T")).is_empty());
    lab.consume(2, 1, topic("T"));
    lab.consume(3, 1, topic("T"));
    assert_eq!(lab.send(1, 2, topic("T")), ["2 < 1.2 to c2:1:1", "3 < 1.2 to c3:1:1"]);
}

#[test]
fn a_slow_subscriber_gets_the_rest_when_it_says_so() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(2, ConsumerInfo { prefetch_size: 1, ..consumer(2, 1, topic("T")) });
    lab.send_many(1, 3, &topic("T"));
    assert_eq!(lab.pending(&topic("T")), 2);
    assert_eq!(lab.core.memory_used(), 2048);
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1"), ["2 < 1.2 to c2:1:1"]);
    assert_eq!(lab.ack(2, 1, MessageAck::DELIVERED, "1.2", "1.2"), ["2 < 1.3 to c2:1:1"]);
    assert_eq!(lab.core.memory_used(), 0);
}

#[test]
fn a_subscriber_that_allows_for_no_more_loses_the_oldest() {
    let mut lab = Lab::clients(1..=2);
    let info = ConsumerInfo {
        prefetch_size: 1,
        maximum_pending_message_limit: 2,
        ..consumer(2, 1, topic("T"))
    };
    lab.ask(2, info);
    lab.send_many(1, 5, &topic("T"));
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1"), ["2 < 1.4 to c2:1:1"]);
}

#[test]
fn a_subscriber_may_leave_out_what_its_own_connection_sends() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(1, ConsumerInfo { no_local: true, ..consumer(1, 1, topic("T")) });
    assert!(lab.send(1, 1, topic("T")).is_empty());
    assert_eq!(lab.send(2, 1, topic("T")), ["1 < 2.1 to c1:1:1"]);
}

#[test]
fn a_subscriber_gets_what_its_selector_matches() {
    let mut lab = Lab::clients(1..=1);
    let selector = Some("JMSPriority = 9".into());
    lab.ask(1, ConsumerInfo { selector, ..consumer(1, 1, topic("T")) });
    assert!(lab.send(1, 1, topic("T")).is_empty());
    let urgent = Message { priority: 9, ..message(1, 2, topic("T")) };
    assert_eq!(lab.tell(1, urgent), ["1 < 1.2 to c1:1:1"]);
}

#[test]
fn a_pattern_subscribes_to_topics_there_are_and_will_be() {
    let mut lab = Lab::clients(1..=1);
    lab.send(1, 1, topic("A.B"));
    lab.consume(1, 1, topic("A.>"));
    assert_eq!(lab.send(1, 2, topic("A.B")), ["1 < 1.2 to c1:1:1"]);
    assert_eq!(lab.send(1, 3, topic("A.C.D")), ["1 < 1.3 to c1:1:1"]);
    assert!(lab.send(1, 4, topic("B")).is_empty());
    lab.end(1, 1, -1);
    assert!(lab.send(1, 5, topic("A.C.D")).is_empty());
}

#[test]
fn a_subscriber_that_ends_gives_its_memory_back() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, ConsumerInfo { prefetch_size: 1, ..consumer(1, 1, topic("T")) });
    lab.send_many(1, 3, &topic("T"));
    lab.end(1, 1, -1);
    assert_eq!(lab.core.memory_used(), 0);
}

#[test]
fn a_retroactive_subscriber_gets_the_last_messages_there_were() {
    let mut lab = Lab::with(|config| config.limits.recent_messages = 2);
    lab.client(1);
    lab.send_many(1, 3, &topic("T"));
    let selector = Some("JMSPriority = 4".into());
    let info = ConsumerInfo { retroactive: true, selector, ..consumer(1, 1, topic("T")) };
    assert_eq!(lab.ask(1, info)[1..], ["1 < 1.2 to c1:1:1", "1 < 1.3 to c1:1:1"]);
    assert_eq!(lab.core.memory_used(), 0);
    let subscription_name = Some("s".into());
    let durable =
        ConsumerInfo { retroactive: true, subscription_name, ..consumer(1, 2, topic("T")) };
    assert_eq!(lab.ask(1, durable)[1..], ["1 < 1.2 to c1:1:2", "1 < 1.3 to c1:1:2"]);
}

#[test]
fn what_is_kept_for_retroactive_subscribers_has_limits() {
    let mut lab = Lab::with(|config| {
        config.limits.recent_bytes = 25;
        config.limits.all_recent_bytes = 40;
    });
    lab.client(1);
    let of = |sequence, name: &str, size| Message {
        content: Some(bytes::Bytes::from(vec![0; size])),
        ..message(1, sequence, topic(name))
    };
    (1..=3).for_each(|n| drop(lab.tell(1, of(n, "T", 10))));
    lab.tell(1, of(4, "T", 26));
    (5..=7).for_each(|n| drop(lab.tell(1, of(n, "U", 20))));
    let retroactive =
        |number, name: &str| ConsumerInfo { retroactive: true, ..consumer(1, number, topic(name)) };
    assert_eq!(
        lab.ask(1, retroactive(1, "T")).len(),
        1,
        "what does not fit makes room for nothing"
    );
    assert_eq!(lab.ask(1, retroactive(2, "U"))[1..], ["1 < 1.7 to c1:1:2"]);
}

#[test]
fn a_consumer_queue_of_a_virtual_topic_gets_a_copy() {
    let mut lab = Lab::clients(1..=2);
    lab.consume(2, 1, queue("Consumer.A.VirtualTopic.T"));
    lab.consume(2, 2, topic("VirtualTopic.T"));
    let to = lab.send(1, 1, topic("VirtualTopic.T"));
    assert_eq!(to, ["2 < 1.1 to c2:1:1", "2 < 1.1 to c2:1:2"]);
    assert_eq!(lab.in_flight(&queue("Consumer.A.VirtualTopic.T")), 1);
}

#[test]
fn a_pattern_of_virtual_topics_has_a_queue_of_its_own_that_keeps_what_is_sent_to_them() {
    let mut lab = Lab::stored();
    (1..=2).for_each(|link| lab.client(link));
    let of_all = || queue("Consumer.A.VirtualTopic.>");
    lab.send(1, 1, topic("VirtualTopic.T"));
    lab.consume(2, 1, of_all());
    let topics = ["VirtualTopic.T", "VirtualTopic.NEW.U", "T"];
    let to: Vec<_> = (2..).zip(topics).flat_map(|(n, name)| lab.send(1, n, topic(name))).collect();
    assert_eq!(to, ["2 < 1.2 to c2:1:1", "2 < 1.3 to c2:1:1"]);
    lab.ack(2, 1, MessageAck::STANDARD, "1.2", "1.3");
    lab.end(2, 1, -1);
    lab.send(1, 5, topic("VirtualTopic.T"));
    assert_eq!(lab.pending(&of_all()), 1, "also while nobody consumes");
    lab.restart();
    (1..=2).for_each(|link| lab.client(link));
    lab.send(1, 6, topic("VirtualTopic.T"));
    let got = lab.consume(2, 1, of_all());
    assert_eq!(got[1..], ["2 < 1.5 to c2:1:1", "2 < 1.6 to c2:1:1"]);
}

#[test]
fn queues_of_one_virtual_topic_and_of_a_pattern_get_a_copy_each() {
    let mut lab = Lab::clients(1..=2);
    let of_one = queue("Consumer.A.VirtualTopic.T");
    let patterns = ["Consumer.A.VirtualTopic.>", "Consumer.A.VirtualTopic.*", "Consumer.>"];
    lab.consume(2, 1, of_one.clone());
    lab.end(2, 1, -1);
    (2..).zip(patterns).for_each(|(n, name)| drop(lab.consume(2, n, queue(name))));
    let to = lab.send(1, 1, topic("VirtualTopic.T"));
    assert_eq!(to.len(), 3, "{to:?}: nobody takes from what another's pattern has");
    let held = [&of_one, &queue(patterns[0]), &queue(patterns[1])];
    assert_eq!(held.map(|name| lab.in_flight(name)), [1; 3]);
    lab.end(2, 2, -1);
    let operation_type = DestinationInfo::REMOVE;
    let destination = Some(queue(patterns[0]));
    lab.ask(2, DestinationInfo { destination, operation_type, ..DestinationInfo::default() });
    assert_eq!(lab.send(1, 2, topic("VirtualTopic.T")).len(), 2);
}
