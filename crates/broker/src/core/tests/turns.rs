//! What policies change in whose turn it is, and in when a message is given.

use super::policies::lab;
use super::*;

#[test]
fn the_first_consumer_with_room_gets_each_message_in_strict_order() {
    let mut lab = lab(queue("Q"), |policy| policy.strict_order_dispatch = true);
    lab.ask(1, ConsumerInfo { prefetch_size: 2, ..consumer(1, 1, queue("Q")) });
    lab.consume(2, 1, queue("Q"));
    let sent: Vec<_> = (1..=3).flat_map(|n| lab.send(1, n, queue("Q"))).collect();
    assert_eq!(sent, ["1 < 1.1 to c1:1:1", "1 < 1.2 to c1:1:1", "2 < 1.3 to c2:1:1"]);
    lab.ack(1, 1, MessageAck::STANDARD, "1.1", "1.1");
    assert_eq!(lab.send(1, 4, queue("Q")), ["1 < 1.4 to c1:1:1"]);
}

#[test]
fn one_consumer_gets_all_when_all_are_exclusive() {
    let mut lab = lab(queue("Q"), |policy| policy.all_consumers_exclusive_by_default = true);
    lab.consume(1, 1, queue("Q"));
    lab.consume(2, 1, queue("Q"));
    for n in 1..=2 {
        assert_eq!(lab.send(1, n, queue("Q")), [format!("1 < 1.{n} to c1:1:1")]);
    }
    assert_eq!(lab.end(1, 1, -2), ["2 < 1.1 to c2:1:1 again 1", "2 < 1.2 to c2:1:1 again 1"]);
}

#[test]
fn priority_counts_where_the_policy_says_so() {
    let mut lab = lab(queue("FIFO"), |policy| policy.prioritized_messages = Some(false));
    for name in ["FIFO", "OTHER"] {
        for (n, priority) in [(1, 1), (2, 9)] {
            lab.tell(1, Message { priority, ..message(1, n, queue(name)) });
        }
    }
    assert_eq!(lab.consume(2, 1, queue("FIFO"))[1], "2 < 1.1 to c2:1:1");
    assert_eq!(lab.consume(2, 2, queue("OTHER"))[1], "2 < 1.2 to c2:1:2");
}

#[test]
fn the_prefetch_of_a_policy_counts_for_who_has_chosen_none_also_after_a_failover() {
    let mut lab = lab(queue("Q"), |policy| policy.prefetch.queue = Some(1));
    lab.send_many(1, 3, &queue("Q"));
    assert_eq!(lab.consume(2, 1, queue("Q")), ["2 < done 7", "2 < 1.1 to c2:1:1"]);
    lab.ask(2, ConsumerInfo { prefetch_size: 0, ..consumer(2, 2, queue("Q")) });
    let consumer_id = Some(connection(2).session(1).consumer(2));
    let control = rewire_protocol::ConsumerControl {
        consumer_id,
        prefetch: 1000,
        ..rewire_protocol::ConsumerControl::default()
    };
    assert_eq!(lab.tell(2, control), ["2 < 1.2 to c2:1:2"]);
}

#[test]
fn a_consumer_that_is_to_ask_for_each_message_is_told_so() {
    let mut lab = lab(queue("Q"), |policy| policy.prefetch.queue = Some(0));
    lab.send(1, 1, queue("Q"));
    assert_eq!(lab.consume(2, 1, queue("Q")), ["2 < ConsumerControl", "2 < done 7"]);
    assert_eq!(lab.pull(2, 1, 0), ["2 < 1.1 to c2:1:1"]);
}

#[test]
fn the_first_consumers_of_a_queue_wait_for_each_other() {
    let mut lab = lab(queue("Q"), |policy| {
        policy.consumers_before_dispatch_starts = 2;
        policy.time_before_dispatch_starts = Duration::from_secs(5);
    });
    lab.send_many(1, 2, &queue("Q"));
    assert_eq!(lab.consume(2, 1, queue("Q")), ["2 < done 7"]);
    assert_eq!(lab.send(1, 3, queue("Q")), [""; 0]);
    let second = ["2 < 1.1 to c2:1:1", "2 < 1.2 to c2:1:1", "2 < 1.3 to c2:1:1", "1 < done 7"];
    assert_eq!(lab.consume(1, 1, queue("Q")), second);
    let later = [lab.send(1, 4, queue("Q")), lab.send(1, 5, queue("Q"))].concat();
    assert_eq!(later, ["2 < 1.4 to c2:1:1", "1 < 1.5 to c1:1:1"]);
    // Once all have gone it begins anew.
    lab.end(1, 1, -2);
    lab.end(2, 1, -2);
    assert_eq!(lab.consume(2, 1, queue("Q")), ["2 < done 7"]);
}

#[test]
fn the_first_consumer_does_not_wait_for_ever_for_others() {
    for (count, time, expected) in [(3, 0, 1), (3, 5, 5), (0, 5, 5)] {
        let mut lab = lab(queue("Q"), |policy| {
            policy.consumers_before_dispatch_starts = count;
            policy.time_before_dispatch_starts = Duration::from_secs(time);
        });
        lab.send(1, 1, queue("Q"));
        assert_eq!(lab.consume(2, 1, queue("Q")), ["2 < done 7"]);
        assert_eq!(lab.wait(Duration::from_millis(expected * 1000 - 1)), [""; 0]);
        assert_eq!(lab.wait(Duration::from_millis(1)), ["2 < 1.1 to c2:1:1"]);
        assert_eq!(lab.send(1, 2, queue("Q")), ["2 < 1.2 to c2:1:1"]);
    }
}

#[test]
fn a_consumers_priority_does_not_count_where_the_policy_says_so() {
    for counts in [true, false] {
        let mut lab = lab(queue("Q"), |policy| policy.use_consumer_priority = counts);
        lab.consume(1, 1, queue("Q"));
        lab.ask(2, ConsumerInfo { priority: 5, ..consumer(2, 1, queue("Q")) });
        let sent = [lab.send(1, 1, queue("Q")), lab.send(1, 2, queue("Q"))].concat();
        let first = if counts { "2 < 1.1 to c2:1:1" } else { "1 < 1.1 to c1:1:1" };
        assert_eq!(sent, [first, "2 < 1.2 to c2:1:1"]);
    }
}

#[test]
fn an_exclusive_consumer_is_chosen_by_its_priority_in_any_case() {
    let mut lab = lab(queue("Q"), |policy| policy.use_consumer_priority = false);
    for (link, priority) in [(1, 0), (2, 5)] {
        let exclusive = true;
        lab.ask(link, ConsumerInfo { exclusive, priority, ..consumer(link, 1, queue("Q")) });
    }
    assert_eq!(lab.send(1, 1, queue("Q")), ["2 < 1.1 to c2:1:1"]);
}

#[test]
fn groups_of_one_bucket_go_to_one_consumer() {
    let map = |text: &str| Some(text.parse().unwrap());
    for (text, both) in [("bucket?bucketCount=1", true), ("bucket", false), ("simple", false)] {
        let mut lab = lab(queue("Q"), |policy| policy.message_group_map = map(text));
        lab.consume(1, 1, queue("Q"));
        lab.consume(2, 1, queue("Q"));
        let of =
            |n, group: &str| Message { group_id: Some(group.into()), ..message(1, n, queue("Q")) };
        let sent = [lab.tell(1, of(1, "a")), lab.tell(1, of(2, "b"))].concat();
        let second = if both { "1 < 1.2 to c1:1:1" } else { "2 < 1.2 to c2:1:1" };
        assert_eq!(sent, ["1 < 1.1 to c1:1:1", second], "{text}");
    }
}

#[test]
fn a_group_loses_its_owner_when_more_recent_ones_need_the_place() {
    let map = Some(MessageGroupMap::Cached { size: 1 });
    let mut lab = lab(queue("Q"), |policy| policy.message_group_map = map);
    lab.consume(1, 1, queue("Q"));
    lab.consume(2, 1, queue("Q"));
    let of = |n, group: &str| Message { group_id: Some(group.into()), ..message(1, n, queue("Q")) };
    let sent: Vec<_> = [(1, "a"), (2, "b"), (3, "b"), (4, "c")]
        .into_iter()
        .flat_map(|(n, group)| lab.tell(1, of(n, group)))
        .collect();
    let expected =
        ["1 < 1.1 to c1:1:1", "2 < 1.2 to c2:1:1", "2 < 1.3 to c2:1:1", "1 < 1.4 to c1:1:1"];
    assert_eq!(sent, expected);
}

fn marking() -> Lab {
    let mut lab = Lab::stored();
    let policy =
        DestinationPolicy { persist_jms_redelivered: true, ..DestinationPolicy::default() };
    lab.core.config.policies.insert(queue("Q"), policy);
    lab.client(1);
    lab
}

#[test]
fn a_message_that_was_delivered_before_the_broker_died_is_marked_where_the_policy_says_so() {
    let mut lab = marking();
    for name in ["Q", "OTHER"] {
        lab.send(1, 1, queue(name));
        lab.send(1, 2, queue(name));
        lab.ask(1, ConsumerInfo { prefetch_size: 1, ..consumer(1, 1, queue(name)) });
        lab.close(1);
        lab.client(1);
        lab.ask(1, ConsumerInfo { prefetch_size: 1, ..consumer(1, 1, queue(name)) });
        lab.restart();
        lab.client(1);
        let again = if name == "Q" { " again 1" } else { "" };
        let got = [format!("1 < 1.1 to c1:1:1{again}"), "1 < 1.2 to c1:1:1".to_owned()];
        assert_eq!(lab.consume(1, 1, queue(name))[1..], got, "the second was never delivered");
        lab.close(1);
        lab.client(1);
    }
}

#[test]
fn nothing_is_delivered_before_the_store_has_it_that_it_is_and_the_order_stays() {
    let mut lab = marking();
    lab.consume(1, 1, queue("Q"));
    lab.unstored = Some(Vec::new());
    lab.send(1, 1, queue("Q"));
    // One that is not stored has nothing to wait for but those before it.
    let stored = |lab: &mut Lab| {
        let tickets = lab.unstored.replace(Vec::new()).unwrap();
        tickets.into_iter().flat_map(|ticket| lab.input(Input::Stored(ticket))).collect::<Vec<_>>()
    };
    assert_eq!(stored(&mut lab), [""; 0], "it is in the queue, and being marked");
    assert_eq!(lab.tell(1, Message { persistent: false, ..message(1, 2, queue("Q")) }), [""; 0]);
    assert_eq!(stored(&mut lab), ["1 < 1.1 to c1:1:1", "1 < 1.2 to c1:1:1"]);
}

#[test]
fn who_has_left_before_the_store_was_told_is_sent_nothing() {
    let mut lab = marking();
    lab.send(1, 1, queue("Q"));
    lab.unstored = Some(Vec::new());
    lab.consume(1, 1, queue("Q"));
    lab.end(1, 1, 0);
    for ticket in lab.unstored.take().unwrap() {
        assert_eq!(lab.input(Input::Stored(ticket)), [""; 0]);
    }
    assert_eq!(lab.consume(1, 2, queue("Q"))[1..], ["1 < 1.1 to c1:1:2"]);
}
