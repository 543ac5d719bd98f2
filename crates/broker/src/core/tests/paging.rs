//! Queues that are longer than their page: what only the store has is read when its turn comes.

use bytes::Bytes;

use super::pages::STUB;
use super::reference::MESSAGE_OVERHEAD;
use super::*;

/// A broker that keeps two messages of a queue in memory, and reads one at a time.
fn small() -> Lab {
    let mut lab = Lab::stored();
    lab.core.config.limits.page_memory = 2 * MESSAGE_OVERHEAD;
    (1..=2).for_each(|link| lab.client(link));
    lab
}

/// The message that link 1 sends as number `sequence` of priority `priority`.
fn of_priority(sequence: i64, priority: i8) -> Message {
    Message { priority, ..message(1, sequence, queue("Q")) }
}

/// The messages among what came out, as `1.5`.
fn dispatched(shown: &[String]) -> Vec<&str> {
    let shown = shown.iter().filter_map(|line| line.split_once(" < ")?.1.split_once(" to "));
    shown.map(|(message, _)| message).collect()
}

#[test]
fn only_a_page_of_a_long_queue_is_in_memory() {
    let mut lab = small();
    lab.send_many(1, 50, &queue("Q"));
    assert_eq!(lab.pending(&queue("Q")), 50);
    assert_eq!(lab.core.memory_used(), 2 * MESSAGE_OVERHEAD + 48 * STUB);
    lab.restart();
    assert_eq!(lab.pending(&queue("Q")), 50);
    assert_eq!(lab.core.memory_used(), 50 * STUB);
}

#[test]
fn what_is_read_comes_in_order_and_as_it_was_sent() {
    let mut lab = small();
    for sequence in 1..=20 {
        let content = Some(Bytes::from(format!("body {sequence}")));
        lab.tell(1, Message { content, ..message(1, sequence, queue("Q")) });
    }
    lab.consume(2, 1, queue("Q"));
    let sub = lab.core.subs.values().next().unwrap();
    let bodies: Vec<String> = sub
        .dispatched
        .iter()
        .map(|sent| {
            String::from_utf8(sent.reference.message.content.clone().unwrap().to_vec()).unwrap()
        })
        .collect();
    let expected: Vec<String> = (1..=20).map(|sequence| format!("body {sequence}")).collect();
    assert_eq!(bodies, expected);
    lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.20");
    assert_eq!(lab.core.memory_used(), 0);
    assert!(lab.store.as_ref().unwrap().is_empty());
}

#[test]
fn a_higher_priority_overtakes_what_is_not_in_memory() {
    let mut lab = small();
    for (sequence, priority) in [(1, 4), (2, 4), (3, 4), (4, 9), (5, 4), (6, 9)] {
        lab.tell(1, of_priority(sequence, priority));
    }
    for restarted in [false, true] {
        if restarted {
            lab.restart();
            (1..=2).for_each(|link| lab.client(link));
        }
        let shown = lab.consume(2, 1, queue("Q"));
        assert_eq!(dispatched(&shown), ["1.4", "1.6", "1.1", "1.2", "1.3", "1.5"]);
        lab.close(2);
    }
}

#[test]
fn a_selector_is_asked_about_messages_that_are_not_in_memory() {
    let mut lab = small();
    for sequence in 1..=12 {
        lab.tell(1, of_priority(sequence, if sequence % 5 == 0 { 3 } else { 4 }));
    }
    let selector = Some("JMSPriority = 3".into());
    let shown = lab.ask(2, ConsumerInfo { selector, ..consumer(2, 1, queue("Q")) });
    assert_eq!(dispatched(&shown), ["1.5", "1.10"]);
    let shown = lab.consume(1, 1, queue("Q"));
    assert_eq!(dispatched(&shown).len(), 10, "the others are still there: {shown:?}");
}

#[test]
fn a_browser_sees_all_that_waits_and_leaves_it() {
    let mut lab = small();
    lab.send_many(1, 12, &queue("Q"));
    let info = ConsumerInfo { browser: true, prefetch_size: 5, ..consumer(2, 1, queue("Q")) };
    let mut shown = lab.ask(2, info);
    assert_eq!(dispatched(&shown).len(), 5);
    for (first, last) in [("1.1", "1.5"), ("1.6", "1.10")] {
        shown.extend(lab.ack(2, 1, MessageAck::STANDARD, first, last));
    }
    let expected: Vec<String> =
        (1..=12).map(|number| format!("1.{number}")).chain(["nothing".to_owned()]).collect();
    assert_eq!(dispatched(&shown), expected);
    assert_eq!(lab.pending(&queue("Q")), 12);
}

#[test]
fn a_browser_misses_what_was_consumed_before_it_was_read() {
    let mut lab = small();
    lab.send_many(1, 8, &queue("Q"));
    let info = ConsumerInfo { browser: true, prefetch_size: 1, ..consumer(2, 1, queue("Q")) };
    let mut shown = lab.ask(2, info);
    lab.consume(1, 1, queue("Q"));
    lab.ack(1, 1, MessageAck::STANDARD, "1.1", "1.8");
    for number in 1..=8 {
        shown.extend(lab.ack(
            2,
            1,
            MessageAck::STANDARD,
            &format!("1.{number}"),
            &format!("1.{number}"),
        ));
    }
    let seen = dispatched(&shown);
    assert_eq!(seen.last(), Some(&"nothing"), "{seen:?}");
    assert!(seen.len() < 9, "{seen:?}");
}

#[test]
fn what_expires_in_the_store_goes_to_the_dead_letter_queue() {
    let mut lab = small();
    for sequence in 1..=10 {
        let expiration = if sequence % 2 == 0 { lab.now.unix_ms + 1000 } else { 0 };
        lab.tell(1, Message { expiration, ..message(1, sequence, queue("Q")) });
    }
    lab.wait(Duration::from_secs(60));
    assert_eq!(lab.pending(&queue("Q")), 5);
    assert_eq!(lab.pending(&queue("ActiveMQ.DLQ")), 5);
    let shown = lab.consume(2, 1, queue("Q"));
    assert_eq!(dispatched(&shown), ["1.1", "1.3", "1.5", "1.7", "1.9"]);
}

#[test]
fn a_consumer_that_comes_upon_what_has_expired_goes_on_behind_it() {
    let mut lab = small();
    lab.core.config.expire_messages_period = Duration::from_secs(100_000);
    for sequence in 1..=6 {
        let expiration = if sequence < 5 { lab.now.unix_ms + 10 } else { 0 };
        lab.tell(1, Message { expiration, ..message(1, sequence, queue("Q")) });
    }
    lab.restart();
    lab.now.unix_ms += 20;
    lab.client(2);
    let shown = lab.consume(2, 1, queue("Q"));
    assert_eq!(dispatched(&shown), ["1.5", "1.6"]);
    assert_eq!(lab.pending(&queue("ActiveMQ.DLQ")), 4);
}

#[test]
fn who_asks_for_a_message_that_is_there_waits_until_it_is_read() {
    let mut lab = small();
    lab.send_many(1, 1, &queue("Q"));
    lab.restart();
    lab.client(2);
    lab.unread = Some(Vec::new());
    lab.ask(2, ConsumerInfo { prefetch_size: 0, ..consumer(2, 1, queue("Q")) });
    assert!(lab.pull(2, 1, -1).is_empty(), "it is being read");
    assert_eq!(lab.hand_over(), ["2 < 1.1 to c2:1:1"]);
    assert_eq!(lab.pull(2, 1, -1), ["2 < nothing to c2:1:1"]);
}

#[test]
fn who_asks_hears_that_there_is_nothing_for_it_when_all_was_read() {
    let mut lab = small();
    lab.send_many(1, 5, &queue("Q"));
    lab.restart();
    lab.client(2);
    let selector = Some("JMSPriority = 9".into());
    let info = ConsumerInfo { prefetch_size: 0, selector, ..consumer(2, 1, queue("Q")) };
    lab.ask(2, info);
    assert_eq!(lab.pull(2, 1, -1), ["2 < nothing to c2:1:1"]);
}

#[test]
fn what_goes_back_to_the_store_still_says_how_often_it_was_delivered() {
    let mut lab = small();
    lab.send_many(1, 10, &queue("Q"));
    lab.consume(2, 1, queue("Q"));
    lab.end(2, 1, -2);
    assert!(lab.core.memory_used() < 4 * MESSAGE_OVERHEAD);
    let shown = lab.consume(2, 2, queue("Q"));
    let again: Vec<&String> = shown.iter().filter(|line| line.ends_with("again 1")).collect();
    assert_eq!(again.len(), 10, "{shown:?}");
    assert_eq!(dispatched(&shown)[..3], ["1.1", "1.2", "1.3"]);
}

#[test]
fn two_consumers_share_what_is_read_and_a_group_stays_with_one() {
    let mut lab = small();
    for sequence in 1..=20 {
        let group_id = Some(if sequence % 2 == 0 { "even".into() } else { "odd".into() });
        lab.tell(1, Message { group_id, group_sequence: 1, ..message(1, sequence, queue("Q")) });
    }
    let few = |number| ConsumerInfo { prefetch_size: 1, ..consumer(2, number, queue("Q")) };
    let mut shown = lab.ask(2, few(1));
    shown.extend(lab.ask(2, few(2)));
    let mut of: [Vec<i64>; 2] = Default::default();
    let mut at = 0;
    while let Some(line) = shown.get(at).cloned() {
        at += 1;
        let Some((message, to)) = line.trim_start_matches("2 < ").split_once(" to ") else {
            continue;
        };
        let number = if to.ends_with(":1") { 1 } else { 2 };
        let sequence: i64 = message.trim_start_matches("1.").parse().unwrap();
        of[usize::try_from(number - 1).unwrap()].push(sequence % 2);
        shown.extend(lab.ack(2, number, MessageAck::STANDARD, message, message));
    }
    assert_eq!(of[0], [1; 10], "{shown:?}");
    assert_eq!(of[1], [0; 10], "{shown:?}");
}

#[test]
fn a_consumer_of_several_queues_gets_what_is_read_of_each() {
    let mut lab = small();
    for name in ["A.1", "A.2"] {
        for sequence in 1..=6 {
            let sequence = if name == "A.1" { sequence } else { sequence + 6 };
            lab.tell(1, message(1, sequence, queue(name)));
        }
    }
    let mut shown = lab.consume(2, 1, queue("A.*"));
    shown.sort();
    assert_eq!(dispatched(&shown).len(), 12, "{shown:?}");
}

#[test]
fn a_subscriber_that_was_away_gets_what_only_the_store_has() {
    let mut lab = small();
    let subscriber = |number| ConsumerInfo {
        subscription_name: Some("s".into()),
        ..consumer(2, number, topic("T"))
    };
    lab.ask(2, subscriber(1));
    lab.end(2, 1, -1);
    lab.send_many(1, 10, &topic("T"));
    assert!(lab.core.memory_used() < 3 * MESSAGE_OVERHEAD);
    lab.restart();
    lab.client(2);
    assert_eq!(dispatched(&lab.ask(2, subscriber(1))).len(), 10);
}

#[test]
fn an_exclusive_consumer_alone_has_messages_read() {
    let mut lab = small();
    let exclusive =
        ConsumerInfo { exclusive: true, prefetch_size: 1, ..consumer(1, 1, queue("Q")) };
    lab.ask(1, exclusive);
    lab.ask(2, consumer(2, 1, queue("Q")));
    for sequence in 1..=6 {
        assert!(!lab.send(1, sequence, queue("Q")).iter().any(|line| line.starts_with("2 <")));
    }
    assert!(lab.core.memory_used() < 5 * MESSAGE_OVERHEAD, "nothing is read in vain");
    let shown = lab.end(1, 1, -1);
    assert_eq!(dispatched(&shown).len(), 6);
}

#[test]
fn a_stored_queue_takes_more_than_its_limit_of_memory() {
    let mut lab = small();
    lab.core.config.limits.destination_memory = 3 * MESSAGE_OVERHEAD;
    lab.restart();
    lab.client(1);
    lab.send_many(1, 10, &queue("Q"));
    assert_eq!(lab.pending(&queue("Q")), 10);
    // What the store does not take has to wait.
    let not_stored = |sequence| Message { persistent: false, ..message(1, sequence, queue("Q")) };
    let answers: Vec<usize> =
        (11..=14).map(|sequence| lab.ask(1, not_stored(sequence)).len()).collect();
    assert_eq!(answers, [1, 0, 0, 0], "beside a page of two");
}

#[test]
fn producers_wait_for_a_store_that_is_behind() {
    let mut lab = small();
    lab.core.config.limits.unstored_memory = 3 * MESSAGE_OVERHEAD;
    lab.core.config.limits.held_bytes = MESSAGE_OVERHEAD;
    lab.send(1, 1, queue("Q"));
    lab.unstored = Some(Vec::new());
    let shown: Vec<Vec<String>> = (2..=6).map(|number| lab.send(1, number, queue("Q"))).collect();
    assert_eq!(shown[4], ["1 pause"]);
    assert_eq!(lab.unstored.as_ref().unwrap().len(), 3);
    let last = *lab.unstored.as_ref().unwrap().last().unwrap();
    assert_eq!(lab.input(Input::Stored(last)), ["1 resume"]);
    assert_eq!(lab.unstored.as_ref().unwrap().len(), 5);
}

#[test]
fn a_queue_that_ends_while_it_is_read_takes_its_account_with_it() {
    let mut lab = small();
    lab.send_many(1, 10, &queue("Q"));
    lab.unread = Some(Vec::new());
    lab.ask(2, ConsumerInfo { prefetch_size: 5, ..consumer(2, 1, queue("Q")) });
    lab.close(2);
    let remove = rewire_protocol::DestinationInfo {
        destination: Some(queue("Q")),
        operation_type: rewire_protocol::DestinationInfo::REMOVE,
        ..rewire_protocol::DestinationInfo::default()
    };
    lab.ask(1, remove);
    assert!(lab.hand_over().is_empty());
    assert_eq!(lab.core.memory_used(), 0);
}
