//! Messages that end without a consumer.

use rewire_protocol::{Limits, Primitive, Throwable};

use super::subscription::Seen;
use super::*;

fn dead_letters() -> Destination {
    queue("ActiveMQ.DLQ")
}

#[test]
fn poison_goes_to_the_dead_letter_queue_with_its_cause() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    lab.send_many(1, 2, &queue("Q"));
    let cause = Throwable::new("java.lang.Throwable", "too often");
    let poison_cause = Some(Box::new(cause));
    lab.tell(1, MessageAck { poison_cause, ..ack(1, 1, MessageAck::POISON, "1.1", "1.1") });
    assert_eq!((lab.in_flight(&queue("Q")), lab.pending(&dead_letters())), (1, 1));
    assert_eq!(lab.consume(1, 2, dead_letters())[1..], ["1 < 1.1 to c1:1:2"]);
    let key = lab.core.destinations.find_queue(&dead_letters()).unwrap();
    let Seen::Here(_, dead) = &key.snapshot(&lab.core.subs)[0] else { panic!("it is in memory") };
    let dead = &dead.message;
    assert_eq!(dead.original_destination, Some(queue("Q")));
    let property = |name| dead.property(name, &Limits::DEFAULT).unwrap().unwrap();
    let cause = Primitive::from("java.lang.Throwable: too often");
    assert_eq!(property("dlqDeliveryFailureCause"), cause);
    assert_eq!(property("originalExpiration"), Primitive::Long(0));
}

#[test]
fn poison_that_was_not_persistent_is_dropped() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    lab.tell(1, Message { persistent: false, ..message(1, 1, queue("Q")) });
    lab.ack(1, 1, MessageAck::POISON, "1.1", "1.1");
    assert_eq!((lab.pending(&dead_letters()), lab.core.memory_used()), (0, 0));
}

#[test]
fn poison_of_the_dead_letter_queue_is_not_put_there_again() {
    let mut lab = Lab::clients(1..=1);
    lab.send(1, 1, dead_letters());
    lab.consume(1, 1, dead_letters());
    lab.ack(1, 1, MessageAck::POISON, "1.1", "1.1");
    assert_eq!((lab.pending(&dead_letters()), lab.in_flight(&dead_letters())), (0, 0));
}

#[test]
fn poison_cannot_be_called_so_in_a_transaction() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    lab.send(1, 1, queue("Q"));
    let poison = MessageAck {
        transaction_id: Some(transactions::local(1, 1)),
        ..ack(1, 1, MessageAck::POISON, "1.1", "1.1")
    };
    assert_eq!(lab.ask(1, poison), ["1 < refused 7 JMSException"]);
}

#[test]
fn what_expires_in_a_queue_is_found_by_the_sweep() {
    let mut lab = Lab::clients(1..=1);
    for sequence in 1..=2 {
        let persistent = sequence == 1;
        let expiration = 1_000_010;
        lab.tell(1, Message { persistent, expiration, ..message(1, sequence, queue("Q")) });
    }
    lab.send(1, 3, queue("Q"));
    assert_eq!(lab.core.poll_timeout(), Some(lab.now.instant + Duration::from_secs(30)));
    lab.wait(Duration::from_secs(30));
    assert_eq!((lab.pending(&queue("Q")), lab.pending(&dead_letters())), (1, 1));
    assert_eq!(
        lab.core.memory_used(),
        lab.core.destinations.find_queue(&queue("Q")).unwrap().bytes
            + lab.core.destinations.find_queue(&dead_letters()).unwrap().bytes
    );
    lab.wait(Duration::from_secs(30));
    assert_eq!(lab.pending(&dead_letters()), 1, "a dead letter does not expire again");
}

#[test]
fn what_expires_keeps_its_order_among_the_dead() {
    let mut lab = Lab::clients(1..=1);
    for sequence in 1..=3 {
        lab.tell(1, Message { expiration: 1_000_010, ..message(1, sequence, queue("Q")) });
    }
    lab.wait(Duration::from_millis(20));
    assert_eq!(lab.consume(1, 1, queue("Q")).len(), 1, "only the answer: all have expired");
    let dead = lab.consume(1, 2, dead_letters());
    let expected = ["1 < 1.1 to c1:1:2", "1 < 1.2 to c1:1:2", "1 < 1.3 to c1:1:2"];
    assert_eq!(dead[1..], expected);
}

#[test]
fn what_a_client_found_expired_is_dead_too() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    lab.tell(1, Message { expiration: 1_000_010, ..message(1, 1, queue("Q")) });
    lab.wait(Duration::from_millis(20));
    assert!(lab.ack(1, 1, MessageAck::EXPIRED, "1.1", "1.1").is_empty());
    assert_eq!((lab.in_flight(&queue("Q")), lab.pending(&dead_letters())), (0, 1));
}
