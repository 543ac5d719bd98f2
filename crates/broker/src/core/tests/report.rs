//! What is shown of a broker.

use rewire_protocol::{DestinationInfo, DestinationKind};

use super::*;
use crate::core::report::Counts;

impl Lab {
    pub(super) fn counts(&self, of: &Destination) -> Counts {
        let report = self.core.report(100);
        report.destinations.iter().find(|own| own.destination == *of).unwrap().counts
    }
}

#[test]
fn what_becomes_of_a_queues_messages_is_counted() {
    let mut lab = Lab::clients(1..=1);
    let expiration = lab.now.unix_ms + 1000;
    for sequence in 1..=4 {
        lab.tell(1, Message { expiration, ..message(1, sequence, queue("Q")) });
    }
    lab.ask(1, ConsumerInfo { prefetch_size: 3, ..consumer(1, 1, queue("Q")) });
    lab.ack(1, 1, MessageAck::INDIVIDUAL, "1.1", "1.1");
    lab.ack(1, 1, MessageAck::POISON, "1.2", "1.2");
    lab.end(1, 1, -1);
    lab.wait(Duration::from_secs(3600));
    // Two have expired, and three are dead letters.
    let expected = Counts { enqueued: 4, dequeued: 1, expired: 2, dead: 3, discarded: 0 };
    assert_eq!(lab.counts(&queue("Q")), expected);
    let letters = Counts { enqueued: 3, ..Counts::default() };
    assert_eq!(lab.counts(&queue("ActiveMQ.DLQ")), letters);
}

#[test]
fn what_becomes_of_a_topics_messages_is_counted_by_the_copy() {
    let mut lab = Lab::clients(1..=3);
    lab.consume(2, 1, topic("T"));
    let slow = ConsumerInfo {
        prefetch_size: 1,
        maximum_pending_message_limit: 2,
        ..consumer(3, 1, topic("T"))
    };
    lab.ask(3, slow);
    lab.send_many(1, 5, &topic("T"));
    let expiration = lab.now.unix_ms - 1;
    lab.tell(1, Message { expiration, ..message(1, 6, topic("T")) });
    let expected = Counts { enqueued: 5, dequeued: 6, expired: 1, dead: 0, discarded: 2 };
    assert_eq!(lab.counts(&topic("T")), expected);
    lab.ack(3, 1, MessageAck::STANDARD, "1.1", "1.1");
    assert_eq!(lab.counts(&topic("T")).dequeued, 7);
}

#[test]
fn a_durable_subscription_is_shown_whether_its_subscriber_is_there_or_not() {
    let mut lab = Lab::clients(1..=2);
    let subscription_name = Some("all".into());
    lab.ask(2, ConsumerInfo { subscription_name, ..consumer(2, 1, topic("T")) });
    let shown = |lab: &Lab| {
        let [own] = lab.core.report(100).subscriptions.try_into().unwrap();
        (own.client_id, own.name, own.is_active, own.pending, own.in_flight, own.counts.enqueued)
    };
    lab.send(1, 1, topic("T"));
    assert_eq!(shown(&lab), ("client2".into(), "all".into(), true, 0, 1, 1));
    lab.close(2);
    assert_eq!(shown(&lab), ("client2".into(), "all".into(), false, 1, 0, 1));
}

#[test]
fn no_more_is_shown_than_was_asked_for_and_temporary_destinations_last() {
    let mut lab = Lab::clients(1..=2);
    let temporary = Destination { kind: DestinationKind::TempQueue, physical_name: "c1:1".into() };
    let destination = Some(temporary.clone());
    lab.ask(1, DestinationInfo { destination, ..DestinationInfo::default() });
    lab.send(1, 1, queue("A"));
    lab.send(1, 2, queue("B"));
    let report = lab.core.report(100);
    let named = |report: &BrokerReport| -> Vec<Destination> {
        report.destinations.iter().map(|own| own.destination.clone()).collect()
    };
    // Advisories of all this were sent to topics that are not among them.
    assert_eq!(named(&report), [queue("A"), queue("B"), temporary]);
    let report = lab.core.report(1);
    assert_eq!((named(&report), report.destination_count), (vec![queue("A")], 3));
    assert_eq!((report.connections.len(), report.connection_count), (1, 2));
}
