//! Branches of a transaction manager, as a broker sees them.

use rewire_protocol::{IntegerResponse, TransactionInfo};

use super::transactions::step;
use super::*;
use crate::{Producer, Vote, XaSession, Xid};

fn xid(name: &str) -> Xid {
    Xid::new(1, name, "branch").unwrap()
}

/// A session with a producer and a consumer, and the broker's side of it.
struct World {
    peer: Peer,
    connection: Connection,
    session: XaSession,
    producer: Producer,
    consumer: Consumer,
    id: ConsumerId,
    broker: Client,
}

impl World {
    async fn new() -> Self {
        let peer = Peer::start().await;
        let uri = peer.uri();
        let open = async |connection: &Connection| connection.xa_session().await;
        let (connection, session, mut broker) = made_at(&peer, &uri, open).await;
        let queue = Queue::new("Q");
        let (producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
        let consumer = async { session.consumer(&queue).prefetch(10).await };
        let (consumer, declared) = tokio::join!(consumer, broker.expect("ConsumerInfo"));
        let Command::ConsumerInfo(info) = declared else { panic!("{declared:?}") };
        let (producer, consumer) = (producer.unwrap(), consumer.unwrap());
        let id = info.consumer_id.unwrap();
        Self { peer, connection, session, producer, consumer, id, broker }
    }

    async fn start(&mut self, xid: &Xid) {
        let begin = step(&mut self.broker, TransactionInfo::BEGIN);
        let (started, begin) = tokio::join!(self.session.start(xid), begin);
        started.unwrap();
        assert_eq!(begin.transaction_id, Some(xid.id()));
    }

    async fn send(&mut self) {
        self.producer.send("in it").await.unwrap();
        let Command::Message(_) = self.broker.expect("ActiveMQTextMessage").await else { panic!() };
    }

    async fn receive(&mut self) {
        self.broker.dispatch(&self.id, &[1]).await;
        assert_eq!(next(&mut self.consumer).await.0, 1);
    }

    /// Ends the branch, in which so many messages were received.
    async fn end(&mut self, xid: &Xid, received: usize) {
        let broker = async {
            for _ in 0..received {
                assert_eq!(ack(&mut self.broker).await, (MessageAck::STANDARD, 1, 1, 1));
            }
            step(&mut self.broker, TransactionInfo::END).await
        };
        let (ended, _) = tokio::join!(self.session.end(xid), broker);
        ended.unwrap();
    }

    async fn prepare(&mut self, xid: &Xid) {
        let vote = step(&mut self.broker, TransactionInfo::PREPARE);
        let (vote, _) = tokio::join!(self.session.prepare(xid), vote);
        assert_eq!(vote.unwrap(), Vote::Commit);
    }

    /// The next broker, which hears all again, and this of the branch.
    async fn fail_over(mut self, again: &[&str]) -> Self {
        let mut events = self.connection.events();
        self.broker.hang_up().await;
        let mut broker = self.peer.accept().await;
        broker.expect_all(&["ConnectionControl", "ConnectionInfo", "SessionInfo"]).await;
        broker.expect_all(&["ProducerInfo", "ConsumerInfo"]).await;
        broker.expect_all(again).await;
        while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
        Self { broker, ..self }
    }
}

/// What an awaited step comes to, while the broker hears of this step.
async fn both<T>(
    step_of: impl Future<Output = Result<T, Error>>,
    broker: &mut Client,
    expected: i8,
) -> Result<T, Error> {
    tokio::join!(step_of, step(broker, expected)).0
}

#[tokio::test]
async fn what_a_branch_sends_and_receives_is_in_it_and_decided_with_it() {
    let mut world = World::new().await;
    let a = xid("a");
    world.start(&a).await;
    world.send().await;
    world.receive().await;
    world.end(&a, 1).await;
    world.prepare(&a).await;
    let commit = world.session.commit(&a, false);
    both(commit, &mut world.broker, TransactionInfo::COMMIT_TWO_PHASE).await.unwrap();
    // What it received is done: the next branch may begin.
    world.start(&xid("b")).await;
}

#[tokio::test]
async fn what_is_sent_outside_of_a_branch_is_sent_at_once_and_in_none() {
    let mut world = World::new().await;
    world.producer.send("at once").await.unwrap();
    let sent = world.broker.expect("ActiveMQTextMessage").await;
    let Command::Message(message) = sent else { panic!("{sent:?}") };
    assert_eq!(message.transaction_id, None);
}

#[tokio::test]
async fn one_branch_at_a_time_is_worked_in_and_what_it_received_is_decided_first() {
    let mut world = World::new().await;
    let (a, b) = (xid("a"), xid("b"));
    let misuse = |step: Result<(), Error>| assert_eq!(step.unwrap_err().kind(), ErrorKind::Misuse);
    misuse(world.session.end(&a).await);
    world.start(&a).await;
    misuse(world.session.start(&b).await);
    misuse(world.session.start(&a).await);
    misuse(world.session.end(&b).await);
    world.receive().await;
    world.end(&a, 1).await;
    misuse(world.session.end(&a).await);
    misuse(world.session.start(&b).await);
    let commit = world.session.commit(&a, true);
    both(commit, &mut world.broker, TransactionInfo::COMMIT_ONE_PHASE).await.unwrap();
    // One that only sent may wait for its decision.
    world.start(&b).await;
    world.send().await;
    world.end(&b, 0).await;
    world.start(&a).await;
}

#[tokio::test]
async fn a_branch_with_nothing_to_decide_is_over_and_what_it_received_with_it() {
    let mut world = World::new().await;
    let a = xid("a");
    world.start(&a).await;
    world.receive().await;
    world.end(&a, 1).await;
    let broker = async {
        let asked = world.broker.command().await;
        let read_only = IntegerResponse {
            correlation_id: asked.command_id(),
            result: 3,
            ..IntegerResponse::default()
        };
        world.broker.send(read_only).await;
    };
    let (vote, ()) = tokio::join!(world.session.prepare(&a), broker);
    assert_eq!(vote.unwrap(), Vote::ReadOnly);
    world.start(&xid("b")).await;
}

#[tokio::test]
async fn what_a_branch_received_is_handed_out_again_when_it_is_rolled_back() {
    let mut world = World::new().await;
    let a = xid("a");
    world.start(&a).await;
    world.receive().await;
    world.end(&a, 1).await;
    world.prepare(&a).await;
    let rollback = world.session.rollback(&a);
    both(rollback, &mut world.broker, TransactionInfo::ROLLBACK).await.unwrap();
    let (number, delivery) = next(&mut world.consumer).await;
    assert_eq!((number, delivery.redelivery_counter()), (1, 1));
}

#[tokio::test]
async fn a_branch_that_received_and_was_not_prepared_is_rolled_back_when_its_link_is_gone() {
    for when in [TransactionInfo::END, TransactionInfo::PREPARE, TransactionInfo::COMMIT_ONE_PHASE]
    {
        let mut world = World::new().await;
        let a = xid("a");
        world.start(&a).await;
        world.receive().await;
        if when != TransactionInfo::END {
            world.end(&a, 1).await;
        }
        let again: &[&str] = match when {
            TransactionInfo::END => &["TransactionInfo"],
            _ => &["TransactionInfo", "TransactionInfo"],
        };
        let mut world = world.fail_over(again).await;
        let asked = async {
            match when {
                TransactionInfo::END => world.session.end(&a).await,
                TransactionInfo::PREPARE => world.session.prepare(&a).await.map(drop),
                _ => world.session.commit(&a, true).await,
            }
        };
        let asked = both(asked, &mut world.broker, TransactionInfo::ROLLBACK).await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::RolledBack);
        // It comes again from the broker, and the next branch may begin.
        world.start(&xid("b")).await;
        world.receive().await;
    }
}

#[tokio::test]
async fn a_vote_in_doubt_leaves_the_branch_to_the_broker_whatever_link_there_is() {
    for is_kept in [true, false] {
        let mut world = World::new().await;
        let a = xid("a");
        world.start(&a).await;
        world.send().await;
        world.receive().await;
        world.end(&a, 1).await;
        let asking = async {
            world.broker.command().await;
            world.broker.hang_up().await;
        };
        let (vote, ()) = tokio::join!(world.session.prepare(&a), asking);
        assert_eq!(vote.unwrap_err().kind(), ErrorKind::InDoubt);
        // Nothing of it is repeated.
        let mut world = world.fail_over(&[]).await;
        if is_kept {
            let commit = world.session.commit(&a, false);
            both(commit, &mut world.broker, TransactionInfo::COMMIT_TWO_PHASE).await.unwrap();
        } else {
            let broker = async {
                let asked = world.broker.command().await;
                world.broker.refuse(&asked, "javax.transaction.xa.XAException", "unknown").await;
            };
            let (undone, ()) = tokio::join!(world.session.rollback(&a), broker);
            assert_eq!(undone.unwrap_err().kind(), ErrorKind::Refused);
        }
        world.start(&xid("b")).await;
    }
}

#[tokio::test]
async fn a_prepared_branch_is_committed_over_the_next_link_though_it_received() {
    let mut world = World::new().await;
    let a = xid("a");
    world.start(&a).await;
    world.receive().await;
    world.end(&a, 1).await;
    world.prepare(&a).await;
    let mut world = world.fail_over(&[]).await;
    let commit = world.session.commit(&a, false);
    both(commit, &mut world.broker, TransactionInfo::COMMIT_TWO_PHASE).await.unwrap();
    world.start(&xid("b")).await;
}

#[tokio::test]
async fn a_refused_step_leaves_the_branch_to_be_rolled_back() {
    let mut world = World::new().await;
    let a = xid("a");
    world.start(&a).await;
    world.receive().await;
    world.end(&a, 1).await;
    for one_phase in [false, true] {
        let broker = async {
            let asked = world.broker.command().await;
            world.broker.refuse(&asked, "javax.transaction.xa.XAException", "no").await;
        };
        let asked = async {
            match one_phase {
                true => world.session.commit(&a, true).await,
                false => world.session.prepare(&a).await.map(drop),
            }
        };
        let (asked, ()) = tokio::join!(asked, broker);
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Refused);
    }
    let other = xid("b");
    assert_eq!(world.session.start(&other).await.unwrap_err().kind(), ErrorKind::Misuse);
    let rollback = world.session.rollback(&a);
    both(rollback, &mut world.broker, TransactionInfo::ROLLBACK).await.unwrap();
    assert_eq!(next(&mut world.consumer).await.1.redelivery_counter(), 1);
}

#[tokio::test]
async fn a_branch_whose_start_is_refused_is_not_worked_in() {
    let mut world = World::new().await;
    let broker = async {
        let asked = world.broker.command().await;
        world.broker.refuse(&asked, "javax.transaction.xa.XAException", "no").await;
    };
    let a = xid("a");
    let (started, ()) = tokio::join!(world.session.start(&a), broker);
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Refused);
    world.start(&xid("b")).await;
}

#[tokio::test]
async fn a_rollback_that_the_broker_knows_nothing_of_is_one_where_the_branch_is_open() {
    for is_open in [true, false] {
        let mut world = World::new().await;
        let a = xid("a");
        world.start(&a).await;
        world.receive().await;
        if !is_open {
            world.end(&a, 1).await;
        }
        let broker = async {
            let asked = world.broker.command().await;
            world.broker.refuse(&asked, "javax.transaction.xa.XAException", "unknown").await;
        };
        let (undone, ()) = tokio::join!(world.session.rollback(&a), broker);
        assert_eq!(undone.is_ok(), is_open);
        assert_eq!(next(&mut world.consumer).await.1.redelivery_counter(), 1);
    }
}

#[tokio::test]
async fn the_branch_of_another_is_decided_and_what_was_received_here_is_left_alone() {
    let mut world = World::new().await;
    let (ours, other) = (xid("a"), xid("b"));
    world.start(&ours).await;
    world.receive().await;
    world.end(&ours, 1).await;
    let commit = world.session.commit(&other, false);
    both(commit, &mut world.broker, TransactionInfo::COMMIT_TWO_PHASE).await.unwrap();
    let rollback = world.session.rollback(&other);
    both(rollback, &mut world.broker, TransactionInfo::ROLLBACK).await.unwrap();
    let misuse = world.session.start(&other).await.unwrap_err();
    assert_eq!(misuse.kind(), ErrorKind::Misuse);
    let rollback = world.session.rollback(&ours);
    both(rollback, &mut world.broker, TransactionInfo::ROLLBACK).await.unwrap();
    assert_eq!(next(&mut world.consumer).await.1.redelivery_counter(), 1);
}
