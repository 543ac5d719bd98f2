//! What each kind of acknowledgement does, and what comes again after a consumer has ended.

use super::*;

/// Three messages at consumer 1 of link 1.
fn three() -> Lab {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    lab.send_many(1, 3, &queue("Q"));
    lab
}

#[test]
fn a_range_is_consumed_from_its_first_to_its_last() {
    let mut lab = three();
    assert!(lab.ack(1, 1, MessageAck::STANDARD, "1.2", "1.3").is_empty());
    assert_eq!(lab.in_flight(&queue("Q")), 1);
    assert_eq!(lab.core.memory_used(), 1024);
}

#[test]
fn without_a_first_message_a_range_begins_with_the_oldest() {
    let mut lab = three();
    lab.tell(
        1,
        MessageAck { first_message_id: None, ..ack(1, 1, MessageAck::STANDARD, "1.1", "1.2") },
    );
    assert_eq!(lab.in_flight(&queue("Q")), 1);
}

#[test]
fn a_range_that_is_not_what_was_dispatched_is_refused_and_consumes_nothing() {
    let mut lab = three();
    let short = MessageAck { message_count: 1, ..ack(1, 1, MessageAck::STANDARD, "1.1", "1.2") };
    assert_eq!(lab.ask(1, short), ["1 < refused 7 JMSException"]);
    let unknown = lab.ack(1, 1, MessageAck::STANDARD, "1.1", "1.9");
    assert_eq!(unknown, ["1 < error JMSException"]);
    assert_eq!(lab.in_flight(&queue("Q")), 3);
}

#[test]
fn one_message_is_consumed_individually_and_one_that_is_gone_is_no_error() {
    let mut lab = three();
    assert!(lab.ack(1, 1, MessageAck::INDIVIDUAL, "1.2", "1.2").is_empty());
    assert!(lab.ack(1, 1, MessageAck::INDIVIDUAL, "1.2", "1.2").is_empty());
    assert_eq!(lab.in_flight(&queue("Q")), 2);
}

#[test]
fn what_is_delivered_makes_room_and_is_kept() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, ConsumerInfo { prefetch_size: 2, ..consumer(1, 1, queue("Q")) });
    lab.send_many(1, 5, &queue("Q"));
    let more = lab.ack(1, 1, MessageAck::DELIVERED, "1.1", "1.2");
    assert_eq!(more, ["1 < 1.3 to c1:1:1", "1 < 1.4 to c1:1:1"]);
    assert_eq!(lab.in_flight(&queue("Q")), 4);
    let more = lab.ack(1, 1, MessageAck::STANDARD, "1.1", "1.4");
    assert_eq!(more, ["1 < 1.5 to c1:1:1"]);
    assert_eq!(lab.in_flight(&queue("Q")), 1);
}

#[test]
fn redelivered_changes_nothing() {
    let mut lab = three();
    assert!(lab.ack(1, 1, MessageAck::REDELIVERED, "1.1", "1.2").is_empty());
    assert_eq!(lab.in_flight(&queue("Q")), 3);
}

#[test]
fn an_ack_that_comes_before_anything_was_dispatched_is_dropped() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    assert!(lab.ack(1, 1, MessageAck::STANDARD, "9.1", "9.1").is_empty());
}

#[test]
fn an_ack_of_an_unknown_consumer_is_refused() {
    let mut lab = three();
    assert_eq!(lab.ack(1, 9, MessageAck::STANDARD, "1.1", "1.1"), ["1 < error JMSException"]);
    let strange = ack(1, 1, 99, "1.1", "1.1");
    assert_eq!(lab.ask(1, strange), ["1 < refused 7 JMSException"]);
}

#[test]
fn an_ack_of_an_unknown_consumer_after_a_failover_is_dropped_but_never_answered_as_done() {
    let mut lab = Lab::new();
    lab.open(1);
    lab.ask(1, ConnectionInfo { failover_reconnect: true, ..info(1) });
    assert!(lab.ack(1, 9, MessageAck::STANDARD, "1.1", "1.1").is_empty());
    let waited_for = ack(1, 9, MessageAck::STANDARD, "1.1", "1.1");
    assert_eq!(lab.ask(1, waited_for), ["1 < refused 7 JMSException"]);
}

#[test]
fn what_a_lost_connection_had_comes_again_and_says_so() {
    let mut lab = three();
    lab.client(2);
    lab.consume(2, 1, queue("Q"));
    assert_eq!(
        lab.close(1),
        ["2 < 1.1 to c2:1:1 again 1", "2 < 1.2 to c2:1:1 again 1", "2 < 1.3 to c2:1:1 again 1"]
    );
}

#[test]
fn what_was_not_delivered_comes_again_as_new() {
    let mut lab = three();
    lab.client(2);
    lab.consume(2, 1, queue("Q"));
    let again = lab.end(1, 1, 2);
    assert_eq!(
        again,
        ["2 < 1.1 to c2:1:1 again 1", "2 < 1.2 to c2:1:1 again 1", "2 < 1.3 to c2:1:1"]
    );
    let mut lab = three();
    lab.client(2);
    lab.consume(2, 1, queue("Q"));
    assert_eq!(lab.end(1, 1, -1)[0], "2 < 1.1 to c2:1:1");
}

#[test]
fn what_comes_again_stands_before_what_waits() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, ConsumerInfo { prefetch_size: 2, ..consumer(1, 1, queue("Q")) });
    lab.send_many(1, 4, &queue("Q"));
    lab.end(1, 1, -2);
    let got = lab.consume(1, 2, queue("Q"));
    assert_eq!(
        got[1..],
        [
            "1 < 1.1 to c1:1:2 again 1",
            "1 < 1.2 to c1:1:2 again 1",
            "1 < 1.3 to c1:1:2",
            "1 < 1.4 to c1:1:2"
        ]
    );
}

#[test]
fn consumers_that_end_together_do_not_pass_on_what_they_had() {
    let by_loss = |lab: &mut Lab| lab.close(1);
    let by_session = |lab: &mut Lab| {
        let object_id = Some(Box::new(Command::from(connection(1).session(1))));
        let last_delivered_sequence_id = -2;
        lab.tell(1, RemoveInfo { object_id, last_delivered_sequence_id, ..RemoveInfo::default() })
    };
    for end in [by_loss, by_session] {
        let mut lab = Lab::clients(1..=2);
        for number in 1..=8 {
            lab.consume(1, number, queue("Q"));
        }
        lab.send(2, 1, queue("Q"));
        assert!(end(&mut lab).is_empty());
        assert_eq!(lab.consume(2, 1, queue("Q"))[1..], ["2 < 2.1 to c2:1:1 again 1"]);
    }
}
