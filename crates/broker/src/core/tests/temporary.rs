//! Destinations that end with their connection.

use rewire_protocol::{DestinationInfo, DestinationKind};

use super::*;

fn temporary(name: &str) -> Destination {
    Destination { kind: DestinationKind::TempQueue, physical_name: name.into() }
}

fn make(name: &str) -> DestinationInfo {
    DestinationInfo { destination: Some(temporary(name)), ..DestinationInfo::default() }
}

#[test]
fn a_temporary_queue_is_there_once_it_is_made() {
    let mut lab = Lab::clients(1..=2);
    let refused = lab.ask(2, message(2, 1, temporary("c1:1")));
    assert_eq!(refused, ["2 < refused 7 DestinationDoesNotExistException"]);
    assert_eq!(lab.ask(1, make("c1:1")), ["1 < done 7"]);
    assert_eq!(lab.ask(1, make("c1:1")), ["1 < done 7"]);
    lab.consume(1, 1, temporary("c1:1"));
    assert_eq!(lab.send(2, 2, temporary("c1:1")), ["1 < 2.2 to c1:1:1"]);
}

#[test]
fn only_its_connection_consumes_from_it_whoever_has_made_it() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(2, make("c1:1"));
    let stolen = lab.consume(2, 1, temporary("c1:1"));
    assert_eq!(stolen, ["2 < refused 7 InvalidDestinationException"]);
}

#[test]
fn it_ends_with_its_connection() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(1, make("c1:1"));
    lab.send(2, 1, temporary("c1:1"));
    lab.close(1);
    assert_eq!((lab.core.stats(&temporary("c1:1")), lab.core.memory_used()), (None, 0));
}

#[test]
fn it_is_not_removed_while_it_is_consumed() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, make("c1:1"));
    lab.consume(1, 1, temporary("c1:1"));
    let remove = DestinationInfo { operation_type: DestinationInfo::REMOVE, ..make("c1:1") };
    assert_eq!(lab.ask(1, remove.clone()), ["1 < refused 7 JMSException"]);
    lab.end(1, 1, -1);
    assert_eq!(lab.ask(1, remove), ["1 < done 7"]);
}
