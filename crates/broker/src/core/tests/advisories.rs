//! What is told of what goes on.

use rewire_protocol::{DestinationInfo, DestinationKind};

use super::*;

fn advisory(name: &str) -> Destination {
    topic(&format!("ActiveMQ.Advisory.{name}"))
}

/// What Java's client listens to first of all.
fn temporary_advisories(link: u64) -> ConsumerInfo {
    let both = "ActiveMQ.Advisory.TempQueue,ActiveMQ.Advisory.TempTopic";
    ConsumerInfo {
        consumer_id: Some(connection(link).session(-1).consumer(1)),
        no_local: true,
        ..consumer(link, 1, topic(both))
    }
}

fn make() -> DestinationInfo {
    let kind = DestinationKind::TempQueue;
    let destination = Some(Destination { kind, physical_name: "c1:1".into() });
    DestinationInfo { destination, ..DestinationInfo::default() }
}

#[test]
fn a_temporary_queue_is_told_to_its_maker_too() {
    let mut lab = Lab::clients(1..=1);
    assert_eq!(lab.ask(1, temporary_advisories(1)), ["1 < done 7"]);
    assert_eq!(lab.ask(1, make()), ["1 < TempQueue: 0 temp-queue://c1:1 to c1:-1:1", "1 < done 7"]);
    let remove = DestinationInfo { operation_type: DestinationInfo::REMOVE, ..make() };
    assert_eq!(lab.ask(1, remove), ["1 < TempQueue: 1 temp-queue://c1:1 to c1:-1:1", "1 < done 7"]);
}

#[test]
fn who_comes_late_hears_of_the_temporary_queues_there_are_and_nobody_else_again() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(1, temporary_advisories(1));
    lab.ask(1, make());
    let told = lab.ask(2, temporary_advisories(2));
    assert_eq!(told, ["2 < done 7", "2 < TempQueue: 0 temp-queue://c1:1 to c2:-1:1"]);
    assert_eq!(lab.close(1), ["2 < TempQueue: 1 temp-queue://c1:1 to c2:-1:1"]);
}

#[test]
fn connections_destinations_consumers_and_producers_are_told_of() {
    let mut lab = Lab::clients(1..=1);
    let names = ["Connection", "Queue", "Consumer.Queue.Q", "Producer.Queue.Q"];
    for (number, name) in (1..).zip(names) {
        assert_eq!(lab.consume(1, number, advisory(name))[0], "1 < done 7");
    }
    lab.open(2);
    assert_eq!(lab.ask(2, info(2))[0], "1 < Connection: ConnectionInfo to c1:1:1");
    let session_id = Some(connection(2).session(1));
    lab.tell(2, SessionInfo { session_id, ..SessionInfo::default() });
    let told = lab.consume(2, 1, queue("Q"));
    assert_eq!(
        told,
        [
            "1 < Queue: 0 queue://Q to c1:1:2",
            "1 < Consumer.Queue.Q: ConsumerInfo to c1:1:3",
            "2 < done 7"
        ]
    );
    let producer_id = Some(connection(2).session(1).producer(1));
    let destination = Some(queue("Q"));
    let told = lab.tell(2, ProducerInfo { producer_id, destination, ..ProducerInfo::default() });
    assert_eq!(told, ["1 < Producer.Queue.Q: ProducerInfo to c1:1:4"]);
    assert_eq!(
        lab.close(2),
        [
            "1 < Consumer.Queue.Q: RemoveInfo to c1:1:3",
            "1 < Producer.Queue.Q: RemoveInfo to c1:1:4",
            "1 < Connection: RemoveInfo to c1:1:1"
        ]
    );
}

#[test]
fn late_subscribers_are_told_what_there_is() {
    let mut lab = Lab::clients(1..=2);
    lab.consume(1, 1, queue("Q"));
    let told = lab.consume(2, 1, advisory("Consumer.Queue.Q"));
    assert_eq!(told[1..], ["2 < Consumer.Queue.Q: ConsumerInfo to c2:1:1"]);
    let told = lab.consume(2, 2, advisory("Queue"));
    assert_eq!(told[1..], ["2 < Queue: 0 queue://Q to c2:1:2"]);
    let told = lab.consume(2, 3, advisory("Connection"));
    assert_eq!(told.len(), 3);
}

#[test]
fn a_pattern_of_advisories_hears_all_of_them() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, advisory("Consumer.>"));
    let told = lab.consume(1, 2, queue("Q"));
    assert_eq!(told[0], "1 < Consumer.Queue.Q: ConsumerInfo to c1:1:1");
}

#[test]
fn passwords_are_not_told() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, advisory("Connection"));
    lab.open(2);
    let secret = ConnectionInfo { password: Some("secret".into()), ..info(2) };
    let command = Input::Received(LinkId(2), secret.into());
    let outputs = format!("{:?}", lab.core.handle(lab.now, command).collect::<Vec<_>>());
    assert!(outputs.contains("ConnectionInfo") && !outputs.contains("secret"));
}

#[test]
fn what_expires_is_told_of() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, advisory("Expired.Queue.Q"));
    lab.tell(1, Message { expiration: 1_000_010, ..message(1, 1, queue("Q")) });
    let told = lab.wait(Duration::from_secs(30));
    assert_eq!(told, ["1 < Expired.Queue.Q: ActiveMQMessage to c1:1:1"]);
}

#[test]
fn nobody_is_told_when_that_is_switched_off() {
    let mut lab = Lab::with(|config| config.advisory_support = false);
    lab.client(1);
    lab.ask(1, temporary_advisories(1));
    assert_eq!(lab.ask(1, make()), ["1 < done 7"]);
}

#[test]
fn what_goes_to_the_dead_letter_queue_is_told_of() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    lab.consume(1, 2, advisory("MessageDLQd.>"));
    lab.send(1, 1, queue("Q"));
    lab.tell(1, Message { persistent: false, ..message(1, 2, queue("Q")) });
    let told = lab.ack(1, 1, MessageAck::POISON, "1.1", "1.2");
    assert_eq!(told, ["1 < MessageDLQd.Queue.Q: ActiveMQMessage to c1:1:2"]);
}

#[test]
fn bridges_are_told_of_to_who_listens_and_to_who_comes_late() {
    let mut lab = Lab::clients(1..=3);
    let all = |told: Vec<String>| told.into_iter().filter(|said| said.contains("Bridge")).collect();
    lab.consume(1, 1, advisory("NetworkBridge"));
    let broker = rewire_protocol::BrokerInfo {
        broker_id: Some(rewire_protocol::BrokerId { value: Some("ID:other".into()) }),
        network_connection: true,
        ..rewire_protocol::BrokerInfo::default()
    };
    let told: Vec<String> = all(lab.tell(2, broker));
    assert_eq!(told, ["1 < NetworkBridge: BrokerInfo to c1:1:1"]);
    let told: Vec<String> = all(lab.consume(3, 1, advisory("NetworkBridge")));
    assert_eq!(told, ["3 < NetworkBridge: BrokerInfo to c3:1:1"]);
    let told: Vec<String> = all(lab.close(2));
    let expected =
        ["1 < NetworkBridge: BrokerInfo to c1:1:1", "3 < NetworkBridge: BrokerInfo to c3:1:1"];
    assert_eq!(told, expected);
}
