//! Who gets which message of a queue.

use super::*;

#[test]
fn a_message_is_answered_when_that_is_wanted_and_waits_for_a_consumer() {
    let mut lab = Lab::clients(1..=1);
    assert_eq!(lab.ask(1, message(1, 1, queue("Q"))), ["1 < done 7"]);
    assert!(lab.send(1, 2, queue("Q")).is_empty());
    assert_eq!(
        lab.consume(1, 1, queue("Q")),
        ["1 < done 7", "1 < 1.1 to c1:1:1", "1 < 1.2 to c1:1:1"]
    );
}

#[test]
fn consumers_take_turns() {
    let mut lab = Lab::clients(1..=3);
    lab.consume(2, 1, queue("Q"));
    lab.consume(3, 1, queue("Q"));
    let to: Vec<String> = (1..=4).flat_map(|n| lab.send(1, n, queue("Q"))).collect();
    assert_eq!(
        to,
        ["2 < 1.1 to c2:1:1", "3 < 1.2 to c3:1:1", "2 < 1.3 to c2:1:1", "3 < 1.4 to c3:1:1"]
    );
}

#[test]
fn no_more_than_the_prefetch_is_dispatched_and_an_ack_brings_the_next() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(2, ConsumerInfo { prefetch_size: 2, ..consumer(2, 1, queue("Q")) });
    lab.send_many(1, 4, &queue("Q"));
    assert_eq!((lab.pending(&queue("Q")), lab.in_flight(&queue("Q"))), (2, 2));
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1"), ["2 < 1.3 to c2:1:1"]);
}

#[test]
fn a_consumer_of_a_higher_priority_is_served_first_until_it_is_full() {
    let mut lab = Lab::clients(1..=3);
    lab.consume(2, 1, queue("Q"));
    lab.ask(3, ConsumerInfo { prefetch_size: 1, priority: 5, ..consumer(3, 1, queue("Q")) });
    assert_eq!(lab.send(1, 1, queue("Q")), ["3 < 1.1 to c3:1:1"]);
    assert_eq!(lab.send(1, 2, queue("Q")), ["2 < 1.2 to c2:1:1"]);
}

#[test]
fn messages_of_a_higher_priority_overtake_those_that_wait() {
    let mut lab = Lab::clients(1..=1);
    for (sequence, priority) in [(1, 4), (2, 9), (3, 0), (4, 9)] {
        lab.tell(1, Message { priority, ..message(1, sequence, queue("Q")) });
    }
    let got = lab.consume(1, 1, queue("Q"));
    assert_eq!(
        got[1..],
        ["1 < 1.2 to c1:1:1", "1 < 1.4 to c1:1:1", "1 < 1.1 to c1:1:1", "1 < 1.3 to c1:1:1"]
    );
}

#[test]
fn without_priorities_messages_keep_their_order() {
    let mut lab = Lab::with(|config| config.prioritized_messages = false);
    lab.client(1);
    lab.tell(1, Message { priority: 0, ..message(1, 1, queue("Q")) });
    lab.tell(1, Message { priority: 9, ..message(1, 2, queue("Q")) });
    assert_eq!(lab.consume(1, 1, queue("Q"))[1..], ["1 < 1.1 to c1:1:1", "1 < 1.2 to c1:1:1"]);
}

#[test]
fn a_selector_leaves_what_it_does_not_want_for_others() {
    let mut lab = Lab::clients(1..=3);
    let selector = Some("JMSPriority > 5".into());
    lab.ask(2, ConsumerInfo { selector, ..consumer(2, 1, queue("Q")) });
    assert!(lab.send(1, 1, queue("Q")).is_empty());
    let urgent = Message { priority: 9, ..message(1, 2, queue("Q")) };
    assert_eq!(lab.tell(1, urgent), ["2 < 1.2 to c2:1:1"]);
    assert_eq!(lab.consume(3, 1, queue("Q"))[1..], ["3 < 1.1 to c3:1:1"]);
}

#[test]
fn a_choosy_consumer_with_room_again_finds_what_it_wants_behind_what_it_does_not() {
    let mut lab = Lab::clients(1..=2);
    let selector = Some("JMSType = 'x'".into());
    lab.ask(2, ConsumerInfo { selector, prefetch_size: 1, ..consumer(2, 1, queue("Q")) });
    for sequence in 1..=6 {
        let message_type = (sequence % 2 == 0).then(|| "x".into());
        lab.tell(1, Message { message_type, ..message(1, sequence, queue("Q")) });
    }
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.2", "1.2"), ["2 < 1.4 to c2:1:1"]);
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.4", "1.4"), ["2 < 1.6 to c2:1:1"]);
    assert_eq!(lab.pending(&queue("Q")), 3);
}

#[test]
fn a_choosy_consumer_finds_what_has_overtaken_what_it_has_passed_over() {
    let mut lab = Lab::clients(1..=2);
    let selector = Some("JMSType = 'x'".into());
    lab.ask(2, ConsumerInfo { selector, prefetch_size: 1, ..consumer(2, 1, queue("Q")) });
    let of = |sequence, message_type: Option<&str>, priority| Message {
        message_type: message_type.map(Into::into),
        priority,
        ..message(1, sequence, queue("Q"))
    };
    lab.tell(1, of(1, Some("x"), 4));
    lab.tell(1, of(2, None, 4));
    lab.tell(1, of(3, Some("x"), 9));
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1"), ["2 < 1.3 to c2:1:1"]);
}

#[test]
fn a_selector_that_cannot_be_read_is_refused() {
    let mut lab = Lab::clients(1..=1);
    let info = ConsumerInfo { selector: Some("a = ".into()), ..consumer(1, 1, queue("Q")) };
    assert_eq!(lab.ask(1, info), ["1 < refused 7 InvalidSelectorException"]);
}

#[test]
fn an_exclusive_consumer_gets_all_and_when_it_ends_the_others_do() {
    let mut lab = Lab::clients(1..=3);
    lab.consume(2, 1, queue("Q"));
    lab.ask(3, ConsumerInfo { exclusive: true, prefetch_size: 2, ..consumer(3, 1, queue("Q")) });
    let to: Vec<String> = (1..=3).flat_map(|n| lab.send(1, n, queue("Q"))).collect();
    assert_eq!(to, ["3 < 1.1 to c3:1:1", "3 < 1.2 to c3:1:1"]);
    let rest = lab.end(3, 1, -1);
    assert_eq!(rest, ["2 < 1.3 to c2:1:1", "2 < 1.1 to c2:1:1", "2 < 1.2 to c2:1:1"]);
}

#[test]
fn the_messages_of_a_group_go_to_one_consumer_until_it_ends() {
    let mut lab = Lab::clients(1..=3);
    lab.consume(2, 1, queue("Q"));
    lab.consume(3, 1, queue("Q"));
    let of = |group: &str, sequence| Message {
        group_id: Some(group.into()),
        ..message(1, sequence, queue("Q"))
    };
    let groups = ["a", "b", "a", "a", "b"];
    let to: Vec<String> =
        groups.iter().zip(1..).flat_map(|(group, n)| lab.tell(1, of(group, n))).collect();
    assert_eq!(
        to,
        [
            "2 < 1.1 to c2:1:1",
            "3 < 1.2 to c3:1:1",
            "2 < 1.3 to c2:1:1",
            "2 < 1.4 to c2:1:1",
            "3 < 1.5 to c3:1:1"
        ]
    );
    let moved = lab.end(2, 1, -1);
    assert_eq!(moved, ["3 < 1.1 to c3:1:1", "3 < 1.3 to c3:1:1", "3 < 1.4 to c3:1:1"]);
}

#[test]
fn a_group_whose_owner_is_full_does_not_hold_up_the_others() {
    let mut lab = Lab::clients(1..=3);
    lab.ask(2, ConsumerInfo { prefetch_size: 1, ..consumer(2, 1, queue("Q")) });
    let of = |group: &str, sequence| Message {
        group_id: Some(group.into()),
        ..message(1, sequence, queue("Q"))
    };
    lab.tell(1, of("a", 1));
    assert!(lab.tell(1, of("a", 2)).is_empty());
    lab.consume(3, 1, queue("Q"));
    assert_eq!(lab.tell(1, of("b", 3)), ["3 < 1.3 to c3:1:1"]);
    assert_eq!(lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1"), ["2 < 1.2 to c2:1:1"]);
}

#[test]
fn a_consumer_that_comes_late_gets_the_next_groups_until_it_has_as_many() {
    let mut lab = Lab::clients(1..=3);
    lab.consume(2, 1, queue("Q"));
    let send = |lab: &mut Lab, group: &str, group_sequence, sequence| {
        let group_id = Some(group.into());
        let sent = Message { group_id, group_sequence, ..message(1, sequence, queue("Q")) };
        lab.tell(1, sent).concat()
    };
    (1..).zip(["a", "b", "c"]).for_each(|(n, group)| drop(send(&mut lab, group, 0, n)));
    lab.consume(3, 1, queue("Q"));
    assert_eq!(send(&mut lab, "d", 0, 4), "3 < 1.4 to c3:1:1");
    assert_eq!(send(&mut lab, "e", 0, 5), "3 < 1.5 to c3:1:1");
    assert_eq!(send(&mut lab, "a", -1, 6), "2 < 1.6 to c2:1:1", "it ends");
    assert_eq!(send(&mut lab, "b", -1, 7), "2 < 1.7 to c2:1:1", "so does this");
    assert_eq!(send(&mut lab, "f", 0, 8), "2 < 1.8 to c2:1:1", "who has lost some gets the next");
}

#[test]
fn a_group_ends_with_a_negative_number() {
    let mut lab = Lab::clients(1..=3);
    lab.consume(2, 1, queue("Q"));
    lab.consume(3, 1, queue("Q"));
    let of = |group_sequence, sequence| Message {
        group_id: Some("a".into()),
        group_sequence,
        ..message(1, sequence, queue("Q"))
    };
    assert_eq!(lab.tell(1, of(1, 1)), ["2 < 1.1 to c2:1:1"]);
    assert_eq!(lab.tell(1, of(-1, 2)), ["2 < 1.2 to c2:1:1"]);
    assert_eq!(lab.tell(1, of(1, 3)), ["3 < 1.3 to c3:1:1"]);
}

#[test]
fn a_composite_name_gets_a_copy_each() {
    let mut lab = Lab::clients(1..=2);
    lab.consume(2, 1, queue("A"));
    lab.consume(2, 2, topic("B"));
    let to = lab.send(1, 1, queue("A,topic://B"));
    assert_eq!(to, ["2 < 1.1 to c2:1:1", "2 < 1.1 to c2:1:2"]);
}

#[test]
fn a_consumer_of_a_pattern_gets_from_queues_there_are_and_will_be() {
    let mut lab = Lab::clients(1..=2);
    lab.send(1, 1, queue("A.B"));
    assert_eq!(lab.consume(2, 1, queue("A.*"))[1..], ["2 < 1.1 to c2:1:1"]);
    assert_eq!(lab.send(1, 2, queue("A.C")), ["2 < 1.2 to c2:1:1"]);
    assert!(lab.send(1, 3, queue("B")).is_empty());
}

#[test]
fn what_is_expired_is_not_dispatched() {
    let mut lab = Lab::clients(1..=1);
    lab.tell(1, Message { expiration: 1_000_010, persistent: false, ..message(1, 1, queue("Q")) });
    lab.send(1, 2, queue("Q"));
    lab.wait(Duration::from_millis(10));
    assert_eq!(lab.consume(1, 1, queue("Q"))[1..], ["1 < 1.2 to c1:1:1"]);
    assert_eq!(lab.core.memory_used(), 1024);
}

#[test]
fn what_was_sent_already_is_answered_and_not_stored_again_after_a_failover() {
    let mut lab = Lab::clients(1..=1);
    lab.send_many(1, 2, &queue("Q"));
    lab.open(2);
    lab.ask(2, ConnectionInfo { failover_reconnect: true, ..info(1) });
    lab.tell(
        2,
        SessionInfo { session_id: Some(connection(1).session(1)), ..SessionInfo::default() },
    );
    let producer_id = Some(connection(1).session(1).producer(1));
    lab.tell(2, ProducerInfo { producer_id, ..ProducerInfo::default() });
    assert_eq!(lab.ask(2, message(1, 2, queue("Q"))), ["2 < done 7"]);
    assert_eq!(lab.pending(&queue("Q")), 2);
    assert_eq!(lab.ask(2, message(1, 3, queue("Q"))), ["2 < done 7"]);
    assert_eq!(lab.pending(&queue("Q")), 3);
}

#[test]
fn a_queue_that_is_removed_takes_its_messages_along_but_not_while_it_is_consumed() {
    let mut lab = Lab::clients(1..=1);
    lab.send_many(1, 2, &queue("Q"));
    lab.consume(1, 1, queue("Q"));
    let remove = rewire_protocol::DestinationInfo {
        destination: Some(queue("Q")),
        operation_type: rewire_protocol::DestinationInfo::REMOVE,
        ..rewire_protocol::DestinationInfo::default()
    };
    assert_eq!(lab.ask(1, remove.clone()), ["1 < refused 7 JMSException"]);
    lab.end(1, 1, -1);
    assert_eq!(lab.ask(1, remove), ["1 < done 7"]);
    assert_eq!((lab.core.stats(&queue("Q")), lab.core.memory_used()), (None, 0));
}

#[test]
fn a_message_that_waited_for_the_disk_is_not_passed_over_by_a_consumer_that_chooses() {
    let mut lab = Lab::stored();
    (1..=3).for_each(|link| lab.client(link));
    let choosy = ConsumerInfo {
        selector: Some("TRUE".into()),
        prefetch_size: 1,
        ..consumer(2, 1, queue("Q"))
    };
    lab.ask(2, choosy);
    lab.send(1, 1, queue("Q"));
    lab.ask(3, ConsumerInfo { prefetch_size: 1, ..consumer(3, 1, queue("Q")) });
    lab.unstored = Some(Vec::new());
    lab.send(1, 2, queue("Q"));
    // Given away at once, after the one that chooses was found to have no room.
    let at_once = Message { persistent: false, ..message(3, 1, queue("Q")) };
    assert_eq!(lab.tell(3, at_once), ["3 < 3.1 to c3:1:1"]);
    for ticket in lab.unstored.take().unwrap() {
        lab.input(Input::Stored(ticket));
    }
    lab.send(1, 3, queue("Q"));
    let given = lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    assert!(given.contains(&"2 < 1.2 to c2:1:1".to_owned()), "{given:?}");
}
