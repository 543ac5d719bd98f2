//! Memory: who waits for it, and who goes on when there is some.

use bytes::Bytes;

use super::*;

/// A broker in which two messages fill a destination, and three everything.
fn small() -> Lab {
    let mut lab = Lab::with(|config| {
        config.limits.destination_memory = 2 * 1024;
        config.limits.memory = 3 * 1024;
        config.limits.held_bytes = 2 * 1024;
    });
    (1..=2).for_each(|link| lab.client(link));
    lab
}

#[test]
fn an_answer_is_withheld_while_there_is_no_memory() {
    let mut lab = small();
    lab.send_many(1, 2, &queue("Q"));
    assert!(lab.ask(1, message(1, 3, queue("Q"))).is_empty());
    lab.consume(2, 1, queue("Q"));
    let freed = lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    assert_eq!(freed, ["1 < done 7", "2 < 1.3 to c2:1:1"]);
}

#[test]
fn a_link_whose_messages_wait_is_still_heard_and_not_read_when_there_are_too_many() {
    let mut lab = small();
    lab.consume(1, 1, queue("Q"));
    let said: Vec<Vec<String>> = (1..=5).map(|n| lab.send(1, n, queue("Q"))).collect();
    assert_eq!(said[2..], [vec![], vec![], vec!["1 pause".to_owned()]]);
    let freed = lab.ack(1, 1, MessageAck::STANDARD, "1.1", "1.2");
    assert_eq!(freed, ["1 < 1.3 to c1:1:1", "1 < 1.4 to c1:1:1"]);
    let freed = lab.ack(1, 1, MessageAck::STANDARD, "1.3", "1.3");
    assert_eq!(freed, ["1 < 1.5 to c1:1:1", "1 resume"]);
}

#[test]
fn all_destinations_share_one_limit() {
    let mut lab = small();
    lab.send_many(1, 2, &queue("Q"));
    assert_eq!(lab.ask(2, message(2, 1, queue("R"))), ["2 < done 7"]);
    assert!(lab.ask(2, message(2, 2, queue("R"))).is_empty());
}

#[test]
fn what_waits_is_sent_when_its_connection_ends() {
    let mut lab = small();
    lab.send_many(1, 3, &queue("Q"));
    assert_eq!(lab.pending(&queue("Q")), 2);
    lab.close(1);
    assert_eq!(lab.pending(&queue("Q")), 3);
}

#[test]
fn a_producer_with_a_window_hears_of_room_for_what_was_taken_in() {
    let mut lab = small();
    let producer_id = Some(connection(1).session(1).producer(2));
    let info = ProducerInfo {
        producer_id: producer_id.clone(),
        window_size: 2048,
        ..ProducerInfo::default()
    };
    lab.ask(1, info);
    let content = Some(Bytes::from_static(b"12345"));
    let sent = Message { producer_id, content, ..message(1, 1, queue("Q")) };
    assert_eq!(lab.tell(1, sent), ["1 < room 1029"]);
}

#[test]
fn a_transaction_has_a_limit_of_its_own() {
    let mut lab = Lab::with(|config| config.limits.transaction_memory = 2 * 1024);
    lab.client(1);
    lab.tell(1, transactions::begin(1, 1));
    let transaction_id = Some(transactions::local(1, 1));
    let said: Vec<Vec<String>> = (1..=3)
        .map(|n| {
            let message = message(1, n, queue("Q"));
            lab.tell(1, Message { transaction_id: transaction_id.clone(), ..message })
        })
        .collect();
    assert_eq!(said[1..], [vec![], vec!["1 < error ResourceAllocationException".to_owned()]]);
}

#[test]
fn one_destination_too_many_is_refused() {
    let mut lab = Lab::with(|config| config.limits.destinations = 1);
    lab.client(1);
    lab.send(1, 1, queue("Q"));
    let refused = lab.ask(1, message(1, 2, queue("R")));
    assert_eq!(refused, ["1 < refused 7 ResourceAllocationException"]);
}

#[test]
fn connections_that_end_do_not_fill_memory_without_end() {
    let mut lab = Lab::with(|config| config.limits.memory = 8 * 1024);
    for link in 1..=20 {
        lab.client(link);
        lab.send_many(link, 5, &queue("Q"));
        lab.close(link);
    }
    assert_eq!(lab.pending(&queue("Q")), 10);
    assert_eq!(lab.core.memory_used(), 10 * 1024);
}

#[test]
fn connections_that_end_do_not_take_the_memory_of_other_destinations() {
    let mut lab = small();
    for link in 11..=20 {
        lab.client(link);
        lab.send_many(link, 4, &queue("Q"));
        lab.close(link);
    }
    lab.consume(1, 1, queue("Q"));
    assert!(lab.pending(&queue("Q")) + lab.in_flight(&queue("Q")) <= 3);
    assert_eq!(
        lab.ask(2, message(2, 1, queue("R"))),
        Vec::<String>::new(),
        "3 are everything here"
    );
    lab.ack(1, 1, MessageAck::STANDARD, "11.1", "11.2");
    assert_eq!(lab.in_flight(&queue("Q")), 1);
    assert_eq!(lab.pending(&queue("R")), 1);
}

#[test]
fn transactions_do_not_fill_memory_without_end() {
    let mut lab = Lab::with(|config| config.limits.memory = 8 * 1024);
    lab.client(1);
    lab.tell(1, transactions::begin(1, 1));
    let transaction_id = Some(transactions::local(1, 1));
    let said: Vec<String> = (1..=11)
        .flat_map(|n| {
            let message = message(1, n, queue("Q"));
            lab.tell(1, Message { transaction_id: transaction_id.clone(), ..message })
        })
        .collect();
    assert_eq!(said, ["1 < error ResourceAllocationException"]);
}

#[test]
fn a_topics_consumer_that_takes_nothing_while_producers_wait_for_it_is_ended() {
    let mut lab = small();
    lab.client(3);
    // One is slow, the other takes nothing.
    for link in [2, 3] {
        lab.ask(link, ConsumerInfo { prefetch_size: 1, ..consumer(link, 1, topic("T")) });
    }
    lab.send_many(1, 2, &topic("T"));
    let said = (3..=4).map(|n| lab.ask(1, message(1, n, topic("T")))).collect::<Vec<_>>();
    assert_eq!(said.concat(), Vec::<String>::new(), "they wait");
    assert!(lab.wait(Duration::from_secs(29)).is_empty());
    lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    let said = lab.wait(Duration::from_secs(1));
    assert_eq!(said[..2], ["3 < ConsumerControl", "1 < done 7"], "{said:?}");
    assert_eq!(lab.core.stats(&topic("T")).unwrap().consumers, 1);
}
