//! A connection that is told to go to another broker settles what it holds first.

use rewire_protocol::ConnectionControl;

use super::*;

/// Tells the client to go from one peer to another, and waits until the new link is there.
pub(super) async fn ask_to_move(broker: &mut Client, to: &Peer) -> Client {
    let reconnect_to = Some(to.address().into());
    broker.send(ConnectionControl { reconnect_to, ..ConnectionControl::default() }).await;
    to.accept().await
}

/// The goodbye of one consumer: what it has seen, and the end of the link.
pub(super) async fn goodbye(broker: &mut Client) -> i64 {
    let Command::RemoveInfo(remove) = broker.expect("RemoveInfo").await else { unreachable!() };
    broker.expect("ShutdownInfo").await;
    remove.last_delivered_sequence_id
}

pub(super) async fn moved(broker: &mut Client) {
    let replay = ["ConnectionControl", "ConnectionInfo", "SessionInfo", "ConsumerInfo"];
    broker.expect_all(&replay).await;
}

#[tokio::test]
async fn what_is_in_hand_is_acknowledged_to_the_old_broker_and_the_rest_comes_from_the_new_one() {
    let (peer, other) = (Peer::start().await, Peer::start().await);
    let (connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let mut events = connection.events();
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    assert_eq!(next(&mut consumer).await.0, 1);
    let mut target = ask_to_move(&mut broker, &other).await;
    while !matches!(events.next().await, Some(crate::Event::Rebalancing { .. })) {}
    let brokers = async {
        assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 1, 1));
        // 2 and 3 were not seen: whoever gets them gets them for the first time.
        assert_eq!(goodbye(&mut broker).await, 101);
        moved(&mut target).await;
        target.dispatch(&id, &[2]).await;
        target
    };
    let (after, mut target) = tokio::join!(next(&mut consumer), brokers);
    assert_eq!(after.0, 2);
    drop(consumer);
    loop {
        match target.command().await {
            Command::MessageAck(_) => break,
            Command::ConsumerControl(control) => assert_eq!(control.prefetch, 10),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn deliveries_in_hand_are_waited_for_until_each_is_acknowledged_or_dropped() {
    let (peer, other) = (Peer::start().await, Peer::start().await);
    let (connection, session, mut broker) = session(&peer, AckMode::Individual).await;
    let mut events = connection.events();
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let (_, first) = next(&mut consumer).await;
    let (_, second) = next(&mut consumer).await;
    let mut target = ask_to_move(&mut broker, &other).await;
    while !matches!(events.next().await, Some(crate::Event::Rebalancing { .. })) {}
    drop(second);
    assert_eq!(first.ack().await.unwrap(), AckOutcome::Sent);
    assert_eq!(ack(&mut broker).await, (MessageAck::INDIVIDUAL, 1, 1, 1));
    assert_eq!(goodbye(&mut broker).await, 102);
    moved(&mut target).await;
}

#[tokio::test]
async fn what_a_session_handed_out_is_waited_for_until_it_is_acknowledged() {
    let (peer, other) = (Peer::start().await, Peer::start().await);
    let (connection, session, mut broker) = session(&peer, AckMode::Client).await;
    let mut events = connection.events();
    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let _ = next(&mut consumer).await;
    let (_, second) = next(&mut consumer).await;
    let mut target = ask_to_move(&mut broker, &other).await;
    while !matches!(events.next().await, Some(crate::Event::Rebalancing { .. })) {}
    assert_eq!(second.ack().await.unwrap(), AckOutcome::Sent);
    assert_eq!(ack(&mut broker).await, (MessageAck::STANDARD, 1, 2, 2));
    assert_eq!(goodbye(&mut broker).await, 102);
    moved(&mut target).await;
}

#[tokio::test]
async fn a_consumer_that_holds_nothing_is_not_waited_for() {
    let (peer, other) = (Peer::start().await, Peer::start().await);
    let (_connection, session, mut broker) = session(&peer, AckMode::Auto).await;
    let (_consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1, 2, 3]).await;
    let mut target = ask_to_move(&mut broker, &other).await;
    assert_eq!(goodbye(&mut broker).await, -1);
    moved(&mut target).await;
}
