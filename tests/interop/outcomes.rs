//! What became of a transaction whose commit, or the answer to it, was lost on its way: as the client says, all or
//! nothing, and never twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rewire::{
    AckMode, Connection, Consumer, Error, ErrorKind, Producer, Queue, Result, Vote, XaSession, Xid,
};
use rewire_broker::testkit;
use rewire_test_support::{ActiveMq, Direction, FaultProxy, eventually};

const SOON: Duration = Duration::from_secs(60);

/// How it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Session,
    OneCall,
    OnePhase,
    TwoPhases,
}

/// What does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Commit,
    Answer,
}

/// One transaction: it takes a message and sends two, and then its commit gets lost.
struct Case<'a> {
    way: Way,
    lost: Lost,
    proxy: &'a FaultProxy,
    connection: Connection,
    is_armed: AtomicBool,
}

impl Case<'_> {
    fn queue(&self, side: &str) -> Queue {
        Queue::new(&format!("{side}.{:?}.{:?}", self.way, self.lost))
    }

    async fn work(&self, producer: &Producer, consumer: &mut Consumer) -> Result<()> {
        let taken = consumer.receive(SOON).await?.expect("a message");
        drop(taken);
        producer.send("one").await?;
        producer.send("two").await.map(drop)
    }

    /// What is asked for from now on is lost, or its answer is.
    async fn arm(&self) -> Result<()> {
        self.connection.flush().await?;
        match self.lost {
            Lost::Answer => self.proxy.cut_replies(1),
            Lost::Commit => self.proxy.black_hole(Direction::ToBroker),
        }
        self.is_armed.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Ends a connection that swallows, once the commit is on its way.
    async fn cut(&self) {
        if self.lost == Lost::Answer {
            return;
        }
        testkit::eventually("the commit is on its way", async || {
            let is_armed = self.is_armed.load(Ordering::SeqCst);
            is_armed && self.connection.stats().requests_waiting > 0
        })
        .await;
        self.proxy.reset();
        self.proxy.clear();
    }

    async fn commit(&self) -> Result<()> {
        let (input, output) = (self.queue("IN"), self.queue("OUT"));
        match self.way {
            Way::Session => {
                let session = self.connection.transacted_session().await?;
                let producer = session.producer(&output).await?;
                let mut consumer = session.consumer(&input).await?;
                self.work(&producer, &mut consumer).await?;
                self.arm().await?;
                session.commit().await
            }
            Way::OneCall => {
                let runs = AtomicUsize::new(0);
                let session = self.connection.transacted_session().await?;
                let producer = session.producer(&output).await?;
                let consumer = tokio::sync::Mutex::new(session.consumer(&input).await?);
                let done = session.transaction(async || {
                    runs.fetch_add(1, Ordering::SeqCst);
                    self.work(&producer, &mut *consumer.lock().await).await?;
                    self.arm().await
                });
                let done: Result<(), Error> = done.await;
                assert_eq!(runs.load(Ordering::SeqCst), 1, "what is in doubt is not done again");
                done
            }
            Way::OnePhase | Way::TwoPhases => {
                let session = self.connection.xa_session().await?;
                let producer = session.producer(&output).await?;
                let mut consumer = session.consumer(&input).await?;
                let branch = branch(self.way, self.lost);
                session.start(&branch).await?;
                self.work(&producer, &mut consumer).await?;
                session.end(&branch).await?;
                let one_phase = self.way == Way::OnePhase;
                if !one_phase {
                    assert_eq!(session.prepare(&branch).await?, Vote::Commit);
                }
                self.arm().await?;
                let committed = session.commit(&branch, one_phase).await;
                assert!(!is_prepared(&session, &branch).await, "{:?} {:?}", self.way, self.lost);
                committed
            }
        }
    }
}

fn branch(way: Way, lost: Lost) -> Xid {
    Xid::new(7, format!("{way:?}{lost:?}"), "b").unwrap()
}

async fn is_prepared(session: &XaSession, branch: &Xid) -> bool {
    session.recover().await.unwrap().iter().collect::<HashSet<_>>().contains(branch)
}

async fn connect(uri: &str) -> Connection {
    Connection::builder(&format!("failover:({uri})?initialReconnectDelay=50")).await.unwrap()
}

async fn fill(broker: &ActiveMq, queue: &Queue) {
    let connection = connect(&broker.uri()).await;
    let session = connection.session().await.unwrap();
    session.producer(queue).await.unwrap().send("taken").await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_transaction_whose_commit_or_its_answer_is_lost_is_done_once_or_not_and_not_said_otherwise()
 {
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let proxy = FaultProxy::start(broker.port());
    for way in [Way::Session, Way::OneCall, Way::OnePhase, Way::TwoPhases] {
        for lost in [Lost::Answer, Lost::Commit] {
            let connection = connect(proxy.uri()).await;
            let is_armed = AtomicBool::new(false);
            let case = Case { way, lost, proxy: &proxy, connection, is_armed };
            fill(&broker, &case.queue("IN")).await;
            let both = async { tokio::join!(case.commit(), case.cut()) };
            let (said, ()) = tokio::time::timeout(SOON, both).await.expect("an outcome in time");

            let case_name = format!("{way:?} {lost:?}: {said:?}");
            let (is_done, is_known) = match (way, lost) {
                // A prepared branch can be asked for again: the broker keeps it until it has done it.
                (Way::TwoPhases, Lost::Commit) => (true, true),
                (_, Lost::Answer) => (true, false),
                (_, Lost::Commit) => (false, false),
            };
            match said {
                Ok(()) => assert!(is_known && is_done, "{case_name}"),
                Err(error) => {
                    assert!(!is_known && error.kind() == ErrorKind::InDoubt, "{case_name}");
                    assert!(!error.is_retryable(), "{case_name}");
                }
            }
            case.connection.close().await.unwrap();
            let (left, sent) = if is_done { (0, 2) } else { (1, 0) };
            let name = |side: &str| format!("{side}.{way:?}.{lost:?}");
            tokio::task::block_in_place(|| {
                eventually(SOON, &case_name, || {
                    let (input, output) = (broker.queue(&name("IN")), broker.queue(&name("OUT")));
                    (input.size, output.size) == (left, sent)
                });
                assert_eq!(broker.queue(&name("OUT")).enqueued, sent, "{case_name}");
            });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_branch_whose_vote_is_lost_is_found_again_and_decided_once() {
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let proxy = FaultProxy::start(broker.port());
    let connection = connect(proxy.uri()).await;
    let session = connection.xa_session().await.unwrap();
    let producer = session.producer(&Queue::new("VOTES")).await.unwrap();
    let (kept, undone) = (Xid::new(7, "kept", "").unwrap(), Xid::new(7, "undone", "").unwrap());
    for branch in [&kept, &undone] {
        session.start(branch).await.unwrap();
        producer.send("in it").await.unwrap();
        session.end(branch).await.unwrap();
        connection.flush().await.unwrap();
        proxy.cut_replies(1);
        let vote = session.prepare(branch).await;
        let error = vote.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
        assert!(is_prepared(&session, branch).await);
    }
    session.commit(&kept, false).await.unwrap();
    session.rollback(&undone).await.unwrap();
    assert!(!is_prepared(&session, &kept).await && !is_prepared(&session, &undone).await);
    let receiving = connection.session().ack(AckMode::Auto).await.unwrap();
    let mut consumer = receiving.consumer(&Queue::new("VOTES")).await.unwrap();
    assert!(consumer.receive(SOON).await.unwrap().is_some());
    assert!(consumer.receive(Duration::from_secs(1)).await.unwrap().is_none());
    connection.close().await.unwrap();
    assert_eq!(broker.queue("VOTES").size, 0);
}
