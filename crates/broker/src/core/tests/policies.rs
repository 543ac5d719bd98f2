//! What policies change, destination by destination.

use bytes::Bytes;

use super::*;

pub(super) fn lab(pattern: Destination, change: impl FnOnce(&mut DestinationPolicy)) -> Lab {
    let mut policy = DestinationPolicy::default();
    change(&mut policy);
    let mut lab = Lab::with(|config| config.policies.insert(pattern, policy));
    (1..=2).for_each(|link| lab.client(link));
    lab
}

fn individual() -> DeadLetterTarget {
    let (queue_prefix, topic_prefix) = ("DLQ.".to_owned(), "DLQ.T.".to_owned());
    DeadLetterTarget::Individual { queue_prefix, topic_prefix }
}

/// Calls the message poison that a consumer of the queue gets.
fn poison(lab: &mut Lab, sent: Message) {
    let from = sent.destination.clone().unwrap();
    lab.tell(1, sent);
    lab.consume(2, 1, from);
    lab.ack(2, 1, MessageAck::POISON, "1.1", "1.1");
    lab.end(2, 1, -2);
}

#[test]
fn dead_letters_of_each_queue_go_to_a_queue_of_their_own() {
    let mut lab = lab(queue("A.>"), |policy| policy.dead_letter_strategy.target = individual());
    poison(&mut lab, message(1, 1, queue("A.B")));
    assert_eq!((lab.pending(&queue("DLQ.A.B")), lab.pending(&queue("ActiveMQ.DLQ"))), (1, 0));
}

#[test]
fn dead_letters_may_be_dropped_or_only_those_that_have_expired() {
    let mut lab = lab(queue("A"), |policy| {
        policy.dead_letter_strategy.process_expired = false;
        policy.dead_letter_strategy.process_non_persistent = true;
    });
    let expiration = lab.now.unix_ms + 1;
    lab.tell(1, Message { expiration, ..message(1, 1, queue("A")) });
    lab.wait(Duration::from_secs(31));
    assert_eq!((lab.pending(&queue("A")), lab.pending(&queue("ActiveMQ.DLQ"))), (0, 0));
    poison(&mut lab, Message { persistent: false, ..message(1, 1, queue("A")) });
    assert_eq!(lab.pending(&queue("ActiveMQ.DLQ")), 1, "it was not persistent");
}

#[test]
fn a_destination_has_a_limit_of_memory_of_its_own_and_producers_wait_or_not() {
    let mut small = lab(queue("Q"), |policy| policy.memory_limit = Some(1024));
    small.send(1, 1, queue("Q"));
    assert!(small.ask(1, message(1, 2, queue("Q"))).is_empty(), "it waits");
    assert_eq!(small.ask(2, message(2, 1, queue("R"))), ["2 < done 7"]);
    let mut free = lab(queue("Q"), |policy| {
        policy.memory_limit = Some(1024);
        policy.producer_flow_control = false;
    });
    free.send(1, 1, queue("Q"));
    assert_eq!(free.ask(1, message(1, 2, queue("Q"))), ["1 < done 7"]);
}

#[test]
fn a_message_for_a_full_destination_is_refused_where_the_policy_says_so() {
    let mut lab = lab(queue("Q"), |policy| {
        policy.memory_limit = Some(1024);
        policy.send_fail_if_no_space = true;
    });
    let refused = "1 < refused 7 ResourceAllocationException";
    lab.send(1, 1, queue("Q"));
    assert_eq!(lab.ask(1, message(1, 2, queue("Q"))), [refused]);
    assert_eq!(lab.send(1, 2, queue("Q")), ["1 < error ResourceAllocationException"]);
    assert_eq!(lab.ask(1, message(1, 3, queue("R"))), ["1 < done 7"], "nothing waits before it");
    lab.consume(2, 1, queue("Q"));
    lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    assert_eq!(lab.ask(1, message(1, 4, queue("Q"))), ["1 < done 7", "2 < 1.4 to c2:1:1"]);
}

#[test]
fn a_message_that_waited_behind_another_is_refused_when_it_would_wait_for_itself() {
    let mut lab = lab(queue("Q"), |policy| {
        policy.memory_limit = Some(1024);
        policy.send_fail_if_no_space = true;
    });
    let policy = DestinationPolicy { memory_limit: Some(1024), ..DestinationPolicy::default() };
    lab.core.config.policies.insert(queue("W"), policy);
    lab.send(1, 1, queue("W"));
    assert_eq!(lab.send(1, 2, queue("W")), [""; 0], "it waits");
    for n in 3..=4 {
        assert_eq!(lab.ask(1, message(1, n, queue("Q"))), [""; 0], "it waits behind that");
    }
    lab.consume(2, 1, queue("W"));
    let went_on = lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    let refused = "1 < refused 7 ResourceAllocationException";
    assert_eq!(went_on, ["2 < 1.2 to c2:1:1", "1 < done 7", refused]);
}

#[test]
fn queues_are_searched_for_expired_messages_as_often_as_their_policies_say() {
    let mut policies = Policies::default();
    for (name, seconds) in [("FAST", 1), ("NEVER", 0)] {
        let expire_messages_period = Some(Duration::from_secs(seconds));
        let policy = DestinationPolicy { expire_messages_period, ..DestinationPolicy::default() };
        policies.insert(queue(name), policy);
    }
    let mut lab = Lab::with(|config| config.policies = policies);
    lab.client(1);
    let expiration = lab.now.unix_ms + 1;
    for (n, name) in (1..).zip(["FAST", "NEVER", "OTHER"]) {
        lab.tell(1, Message { expiration, ..message(1, n, queue(name)) });
    }
    let left = |lab: &Lab| ["FAST", "NEVER", "OTHER"].map(|name| lab.pending(&queue(name)));
    lab.wait(Duration::from_secs(2));
    assert_eq!(left(&lab), [0, 1, 1]);
    lab.wait(Duration::from_secs(30));
    assert_eq!(left(&lab), [0, 1, 0]);
}

/// What a retroactive subscriber gets of messages 1 to 3, of 10 bytes each, sent in as many seconds.
fn recovered(policy: SubscriptionRecoveryPolicy) -> Vec<String> {
    let mut lab = lab(topic("T"), |own| own.subscription_recovery_policy = Some(policy));
    for n in 1..=3 {
        let content = Some(Bytes::from_static(b"0123456789"));
        lab.tell(1, Message { content, ..message(1, n, topic("T")) });
        lab.wait(Duration::from_secs(1));
    }
    let late = ConsumerInfo { retroactive: true, ..consumer(2, 1, topic("T")) };
    let said = lab.ask(2, late);
    said[1..].iter().map(|line| line.replace("2 < ", "").replace(" to c2:1:1", "")).collect()
}

#[test]
fn retroactive_subscribers_get_what_the_policy_keeps() {
    use SubscriptionRecoveryPolicy as Policy;
    for (policy, expected) in [
        (Policy::None, &[][..]),
        (Policy::LastImage, &["1.3"]),
        (Policy::FixedCount(2), &["1.2", "1.3"]),
        (Policy::FixedSized(25), &["1.2", "1.3"]),
        (Policy::FixedSized(5), &[]),
        (Policy::Timed(Duration::from_secs(1)), &["1.3"]),
        (Policy::Timed(Duration::from_secs(60)), &["1.1", "1.2", "1.3"]),
    ] {
        assert_eq!(recovered(policy), expected, "{policy:?}");
    }
}

#[test]
fn all_subscribers_get_what_was_before_where_the_policy_says_so() {
    let mut lab = lab(topic("T"), |policy| policy.always_retroactive = true);
    lab.send(1, 1, topic("T"));
    assert_eq!(lab.consume(2, 1, topic("T"))[1..], ["2 < 1.1 to c2:1:1"]);
}

#[test]
fn a_subscriber_that_comes_to_a_message_too_late_is_told_of() {
    let mut lab = lab(topic("T"), |policy| policy.advisory_for_discarding_messages = true);
    lab.consume(1, 1, topic("ActiveMQ.Advisory.MessageDiscarded.>"));
    lab.ask(2, ConsumerInfo { prefetch_size: 1, ..consumer(2, 1, topic("T")) });
    for (n, expiration) in [(1, 0), (2, 1_000_010), (3, 0)] {
        lab.tell(1, Message { expiration, ..message(1, n, topic("T")) });
    }
    lab.wait(Duration::from_millis(20));
    let discarded = "1 < MessageDiscarded.Topic.T: ActiveMQMessage to c1:1:1";
    let rest = lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    assert_eq!(rest, ["2 < 1.3 to c2:1:1", discarded]);
}

#[test]
fn a_slow_subscriber_keeps_as_many_messages_as_the_policy_says_and_it_is_told() {
    let mut lab = lab(topic("T"), |policy| {
        policy.pending_message_limit_strategy = PendingMessageLimitStrategy::Constant(3);
        policy.message_eviction_strategy = MessageEvictionStrategy::OldestMessageWithLowestPriority;
        policy.advisory_for_discarding_messages = true;
        policy.advisory_for_slow_consumers = true;
    });
    lab.consume(1, 1, topic("ActiveMQ.Advisory.MessageDiscarded.>"));
    lab.consume(1, 2, topic("ActiveMQ.Advisory.SlowConsumer.Topic.T"));
    lab.ask(2, ConsumerInfo { prefetch_size: 2, ..consumer(2, 1, topic("T")) });
    let mut told = Vec::new();
    for (n, priority) in (1..).zip([4, 4, 9, 2, 9, 9, 3]) {
        told.extend(lab.tell(1, Message { priority, ..message(1, n, topic("T")) }));
    }
    let dispatched = ["2 < 1.1 to c2:1:1", "2 < 1.2 to c2:1:1"];
    let slow = "1 < SlowConsumer.Topic.T: ConsumerInfo to c1:1:2";
    let discarded = "1 < MessageDiscarded.Topic.T: ActiveMQMessage to c1:1:1";
    assert_eq!(told, [dispatched[0], dispatched[1], slow, discarded, discarded]);
    let rest = lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.2");
    assert_eq!(rest, ["2 < 1.3 to c2:1:1", "2 < 1.5 to c2:1:1"]);
    lab.ack(2, 1, MessageAck::STANDARD, "1.3", "1.5");
    assert_eq!(lab.core.stats(&topic("T")).unwrap().pending, 0, "the other is sent, none is left");
    lab.close(2);
    assert_eq!(lab.core.memory_used(), 0, "what was dropped is counted no more");
}

#[test]
fn a_limit_that_goes_by_the_prefetch_and_one_that_the_subscriber_has_asked_for() {
    let mut lab = lab(topic("T"), |policy| {
        policy.pending_message_limit_strategy = PendingMessageLimitStrategy::PrefetchRate(1.5);
    });
    let slow = |number, own| ConsumerInfo {
        prefetch_size: 2,
        maximum_pending_message_limit: own,
        ..consumer(2, number, topic("T"))
    };
    lab.ask(2, slow(1, 0));
    lab.ask(2, slow(2, 1));
    lab.send_many(1, 10, &topic("T"));
    assert_eq!(lab.core.stats(&topic("T")).unwrap().pending, 3 + 1);
}

#[test]
fn dead_letters_of_a_pattern_of_virtual_topics_are_kept_too() {
    let mut lab = lab(queue(">"), |policy| policy.dead_letter_strategy.target = individual());
    let from = queue("Consumer.A.VirtualTopic.>");
    lab.consume(2, 1, from);
    lab.send(1, 1, topic("VirtualTopic.T"));
    lab.ack(2, 1, MessageAck::POISON, "1.1", "1.1");
    let dead = queue("DLQ.Consumer.A.VirtualTopic.>");
    assert_eq!(lab.pending(&dead), 1);
    assert_eq!(lab.consume(2, 2, dead)[1..], ["2 < 1.1 to c2:1:2"]);
}

#[test]
fn a_browser_is_shown_as_many_messages_as_the_policy_says() {
    let change = |policy: &mut DestinationPolicy| policy.max_browse_page_size = Some(2);
    let browser = |number| ConsumerInfo { browser: true, ..consumer(2, number, queue("Q")) };
    let mut lab = lab(queue("Q"), change);
    lab.send_many(1, 3, &queue("Q"));
    let shown = ["2 < done 7", "2 < 1.1 to c2:1:1", "2 < 1.2 to c2:1:1", "2 < nothing to c2:1:1"];
    assert_eq!(lab.ask(2, browser(1)), shown);
    // Those count that it selects, and it is shown no more when they have gone.
    let selector = Some("JMSMessageID IS NULL".into());
    assert_eq!(lab.ask(2, ConsumerInfo { selector, ..browser(2) }).len(), 2);
    lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.2");
    assert_eq!(lab.send(1, 4, queue("Q")), [""; 0]);
}

#[test]
fn a_browser_of_stored_messages_is_shown_no_more_either() {
    let mut stored = Lab::stored();
    let policy =
        DestinationPolicy { max_browse_page_size: Some(2), ..DestinationPolicy::default() };
    stored.core.config.policies.insert(queue("Q"), policy);
    stored.core.config.limits.page_memory = 1;
    stored.client(1);
    stored.send_many(1, 5, &queue("Q"));
    let shown = stored.ask(1, ConsumerInfo { browser: true, ..consumer(1, 1, queue("Q")) });
    let expected = ["1 < 1.1 to c1:1:1", "1 < 1.2 to c1:1:1", "1 < nothing to c1:1:1"];
    assert_eq!(shown[1..], expected);
}

#[test]
fn a_message_counts_in_memory_what_the_policy_says() {
    let mut lab = lab(queue("Q"), |policy| policy.minimum_message_size = 10);
    let content = Some(Bytes::from_static(b"0123456789"));
    lab.tell(1, Message { content, ..message(1, 1, queue("Q")) });
    assert_eq!(lab.core.memory_used(), 20);
    lab.send(1, 2, queue("R"));
    assert_eq!(lab.core.memory_used(), 20 + 1024);
    for name in ["Q", "R"] {
        lab.consume(2, if name == "Q" { 1 } else { 2 }, queue(name));
    }
    lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    lab.ack(2, 2, MessageAck::STANDARD, "1.2", "1.2");
    assert_eq!(lab.core.memory_used(), 0);
}

#[test]
fn a_window_is_not_extended_where_the_policy_says_so() {
    for extends in [true, false] {
        let mut lab = lab(queue("Q"), |policy| policy.use_prefetch_extension = extends);
        lab.send_many(1, 3, &queue("Q"));
        lab.ask(2, ConsumerInfo { prefetch_size: 1, ..consumer(2, 1, queue("Q")) });
        let more = lab.ack(2, 1, MessageAck::DELIVERED, "1.1", "1.1");
        assert_eq!(more.len(), usize::from(extends), "{more:?}");
    }
}

#[test]
fn queues_of_virtual_topics_get_only_what_a_consumer_selects_where_that_is_wanted() {
    for wanted in [true, false] {
        let mut lab = Lab::with(|config| config.selector_aware_virtual_topics = wanted);
        (1..=2).for_each(|link| lab.client(link));
        let of = queue("Consumer.A.VirtualTopic.T");
        let selector = Some("JMSPriority > 4".into());
        lab.ask(2, ConsumerInfo { selector, ..consumer(2, 1, of.clone()) });
        for (n, priority) in [(1, 4), (2, 9)] {
            lab.tell(1, Message { priority, ..message(1, n, topic("VirtualTopic.T")) });
        }
        assert_eq!(lab.pending(&of), usize::from(!wanted), "nobody selects the first");
        lab.end(2, 1, -2);
        let before = lab.pending(&of);
        lab.tell(1, Message { priority: 9, ..message(1, 3, topic("VirtualTopic.T")) });
        assert_eq!(lab.pending(&of) - before, usize::from(!wanted), "nobody is there to select it");
    }
}

#[test]
fn what_a_browser_of_a_queue_gets_of_a_topic_is_not_counted() {
    let mut lab = lab(queue("Q,topic://T"), |policy| policy.max_browse_page_size = Some(1));
    let info =
        ConsumerInfo { browser: true, prefetch_size: 2, ..consumer(2, 1, queue("Q,topic://T")) };
    lab.ask(2, info);
    lab.send_many(1, 3, &topic("T"));
    assert!(lab.core.memory_used() > 0, "the third waits");
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.2"), ["2 < 1.3 to c2:1:1"]);
    assert_eq!(lab.core.memory_used(), 0);
}
