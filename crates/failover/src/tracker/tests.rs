//! What is remembered, what is forgotten, and the order of a replay.

use super::*;

fn numbered(id: i32, command: impl Into<Command>) -> Arc<Command> {
    let mut command = command.into();
    command.set_command_id(id);
    Arc::new(command)
}

#[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
fn now() -> Instant {
    Instant::now()
}

fn connection() -> ConnectionId {
    ConnectionId::new("ID:test:1")
}

fn consumer(id: i32, session: i64, value: i64) -> Arc<Command> {
    let consumer_id = Some(connection().session(session).consumer(value));
    numbered(id, ConsumerInfo { consumer_id, ..ConsumerInfo::default() })
}

fn producer(id: i32, session: i64, value: i64) -> Arc<Command> {
    let producer_id = Some(connection().session(session).producer(value));
    numbered(id, ProducerInfo { producer_id, ..ProducerInfo::default() })
}

fn session(id: i32, value: i64) -> Arc<Command> {
    let session_id = Some(connection().session(value));
    numbered(id, SessionInfo { session_id, ..SessionInfo::default() })
}

fn temporary(id: i32, operation_type: i8) -> Arc<Command> {
    let mut destination = Destination::queue("ID:test:1:1");
    destination.kind = rewire_protocol::DestinationKind::TempQueue;
    let destination = Some(destination);
    numbered(id, DestinationInfo { operation_type, destination, ..DestinationInfo::default() })
}

fn tracker() -> ConnectionStateTracker {
    let mut tracker = ConnectionStateTracker::default();
    let info = ConnectionInfo { connection_id: Some(connection()), ..ConnectionInfo::default() };
    assert!(tracker.track(now(), &numbered(1, info)));
    tracker
}

fn ids(replay: &[Command]) -> Vec<i32> {
    replay.iter().map(Command::command_id).collect()
}

#[test]
fn a_replay_goes_from_the_connection_to_what_is_inside_with_original_numbers() {
    let mut tracker = tracker();
    for command in [
        session(2, 1),
        session(3, 2),
        consumer(4, 2, 1),
        producer(5, 1, 1),
        consumer(6, 1, 1),
        temporary(7, DestinationInfo::ADD),
        producer(8, 1, 2),
    ] {
        assert!(tracker.track(now(), &command));
    }
    let replay = tracker.replay(now());
    assert_eq!(ids(&replay), [0, 1, 7, 2, 5, 8, 6, 3, 4]);
    assert!(replay[1..].iter().all(Command::is_response_required));
    assert!(matches!(&replay[0], Command::ConnectionControl(control) if control.fault_tolerant));
    assert!(matches!(&replay[1], Command::ConnectionInfo(info) if info.failover_reconnect));
}

#[test]
fn nothing_is_replayed_before_the_connection_was_declared() {
    assert!(ConnectionStateTracker::default().replay(now()).is_empty());
}

#[test]
fn what_is_removed_is_forgotten_with_all_that_is_in_it() {
    let mut tracker = tracker();
    for command in [session(2, 1), consumer(3, 1, 1), producer(4, 1, 1), session(5, 2)] {
        tracker.track(now(), &command);
    }
    let remove = |id: Command| {
        let object_id = Some(Box::new(id));
        numbered(9, rewire_protocol::RemoveInfo { object_id, ..Default::default() })
    };
    assert!(!tracker.track(now(), &remove(connection().session(1).consumer(1).into())));
    assert_eq!(ids(&tracker.replay(now())), [0, 1, 2, 4, 5]);
    tracker.track(now(), &remove(connection().session(1).into()));
    // A message of its producer is still on its way, and then it is not.
    tracker.keep_closed(|producer| *producer == connection().session(1).producer(1));
    assert_eq!(ids(&tracker.replay(now())), [0, 1, 2, 4, 5]);
    assert_eq!(tracker.closed(), [connection().session(1).into()]);
    tracker.keep_closed(|_| false);
    assert_eq!(ids(&tracker.replay(now())), [0, 1, 5]);
    assert!(!tracker.has_closed());
    tracker.track(now(), &remove(connection().into()));
    assert!(tracker.replay(now()).is_empty());
}

#[test]
fn a_destination_that_stays_is_not_tracked_and_a_temporary_one_until_it_is_removed() {
    let mut tracker = tracker();
    let stays =
        DestinationInfo { destination: Some(Destination::queue("Q")), ..Default::default() };
    assert!(!tracker.track(now(), &numbered(2, stays)));
    assert!(tracker.track(now(), &temporary(3, DestinationInfo::ADD)));
    assert_eq!(ids(&tracker.replay(now())), [0, 1, 3]);
    assert!(!tracker.track(now(), &temporary(4, DestinationInfo::REMOVE)));
    assert_eq!(ids(&tracker.replay(now())), [0, 1]);
}

#[test]
fn what_the_broker_refused_is_not_replayed() {
    let mut tracker = tracker();
    for command in [session(2, 1), consumer(3, 1, 1)] {
        tracker.track(now(), &command);
    }
    tracker.refused(&consumer(3, 1, 1));
    assert_eq!(ids(&tracker.replay(now())), [0, 1, 2]);
}
