//! Transactions against a real broker that dies, and over links that lose what is said.

use std::collections::BTreeMap;
use std::time::Duration;

use rewire::{AckMode, Connection, Delivery, Error, ErrorKind, Message, Queue, TransactedSession};
use rewire_failover::RequestError;
use rewire_failover::transport::{FailoverTransport, TransportConfig};
use rewire_protocol::{
    Command, ConnectionId, ConnectionInfo, Destination, ProducerInfo, SessionInfo, TransactionId,
    TransactionInfo, XaTransactionId,
};
use rewire_test_support::{ActiveMq, Direction, FaultProxy, Program, eventually};
use serde_json::Value;

/// Long enough for a broker to start on its store on a busy machine.
const RUN: Duration = Duration::from_secs(90);

async fn connect(uri: &str) -> Connection {
    let uri = format!("failover:({uri})?initialReconnectDelay=50");
    Connection::builder(&uri).await.unwrap()
}

/// Ends the connections; those to come are well.
fn cut(proxy: &FaultProxy) {
    proxy.reset();
    proxy.clear();
}

async fn send(session: &TransactedSession, queue: &str, texts: &[&str]) {
    let producer = session.producer(&Queue::new(queue)).await.unwrap();
    for text in texts {
        producer.send(*text).await.unwrap();
    }
}

async fn next(consumer: &mut rewire::Consumer) -> Delivery {
    let next = tokio::time::timeout(RUN, consumer.next());
    next.await.expect("a message in time").expect("a consumer").unwrap()
}

fn text(delivery: &Delivery) -> String {
    delivery.message().body_text().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_commit_delivers_and_acknowledges_and_a_rollback_does_neither() {
    let mut broker = ActiveMq::start();
    let connection = connect(&broker.uri()).await;
    let session = connection.transacted_session().await.unwrap();
    send(&session, "TX", &["never"]).await;
    session.rollback().await.unwrap();
    send(&session, "TX", &["1", "2", "3"]).await;
    assert_eq!(broker.queue("TX").enqueued, 0);
    session.commit().await.unwrap();
    assert_eq!(broker.queue("TX").enqueued, 3);

    // With a window of two the broker has to be told what was handed out.
    let mut consumer = session.consumer(&Queue::new("TX")).prefetch(2).await.unwrap();
    for counter in [0, 1, 2] {
        for expected in ["1", "2", "3"] {
            let delivery = next(&mut consumer).await;
            assert_eq!(text(&delivery), expected);
            assert_eq!(delivery.redelivery_counter(), counter);
        }
        if counter < 2 {
            session.rollback().await.unwrap();
        }
    }
    assert_eq!(broker.queue("TX").dequeued, 0);
    session.commit().await.unwrap();
    assert_eq!((broker.queue("TX").size, broker.queue("TX").dequeued), (0, 3));
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_consumer_closed_before_the_commit_is_acknowledged_for_all_the_same() {
    let mut broker = ActiveMq::start();
    let connection = connect(&broker.uri()).await;
    let session = connection.transacted_session().await.unwrap();
    send(&session, "TX", &["1", "2"]).await;
    session.commit().await.unwrap();
    let mut consumer = session.consumer(&Queue::new("TX")).await.unwrap();
    let _ = next(&mut consumer).await;
    consumer.close().await.unwrap();
    session.commit().await.unwrap();
    let flushed = connection.session().await.unwrap();
    let mut rest = flushed.consumer(&Queue::new("TX")).await.unwrap();
    assert_eq!(text(&next(&mut rest).await), "2");
    rest.close().await.unwrap();
    assert_eq!((broker.queue("TX").size, broker.queue("TX").dequeued), (0, 2));
}

/// What became of a batch by its commit.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    RolledBack,
    InDoubt,
}

fn fate(outcome: Result<(), Error>) -> Fate {
    match outcome {
        Ok(()) => Fate::Committed,
        Err(error) if error.kind() == ErrorKind::RolledBack => Fate::RolledBack,
        Err(error) if error.kind() == ErrorKind::InDoubt => Fate::InDoubt,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn batches_through_a_killed_broker_are_there_whole_or_not_at_all_as_their_commits_said() {
    const BATCHES: i32 = 300;
    const SIZE: usize = 10;
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let connection = connect(&broker.uri()).await;
    let session = connection.transacted_session().await.unwrap();
    let producer = session.producer(&Queue::new("BATCHES")).await.unwrap();
    let (kill, killing) = std::sync::mpsc::sync_channel::<()>(1);
    let killer = std::thread::spawn(move || {
        for () in killing {
            broker.kill();
            broker.restart();
        }
        broker
    });
    let mut fates = BTreeMap::new();
    for batch in 0..BATCHES {
        if batch % 100 == 50 {
            kill.send(()).unwrap();
        }
        for _ in 0..SIZE {
            producer.send(Message::text("a").property("batch", batch)).await.unwrap();
        }
        fates.insert(batch, fate(session.commit().await));
    }
    drop(kill);
    let broker = killer.join().unwrap();

    let receiving = connection.session().ack(AckMode::Auto).await.unwrap();
    let mut consumer = receiving.consumer(&Queue::new("BATCHES")).await.unwrap();
    let mut came: BTreeMap<i32, usize> = BTreeMap::new();
    while let Some(delivery) = consumer.receive(Duration::from_secs(3)).await.unwrap() {
        let batch = delivery.message().property_value("batch").unwrap().unwrap();
        *came.entry(batch.as_int().unwrap()).or_default() += 1;
    }
    connection.close().await.unwrap();
    for (batch, fate) in &fates {
        let came = came.remove(batch).unwrap_or_default();
        match fate {
            Fate::Committed => assert_eq!(came, SIZE, "{batch} is said to be committed"),
            Fate::RolledBack => assert_eq!(came, 0, "{batch} is said to be rolled back"),
            Fate::InDoubt => assert!(came == 0 || came == SIZE, "{batch} is in part there: {came}"),
        }
    }
    assert!(came.is_empty(), "{came:?}");
    let doubtful = fates.values().filter(|fate| **fate == Fate::InDoubt).count();
    assert!(doubtful <= 3, "at most one a kill: {doubtful}");
    drop(broker);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_commit_whose_answer_is_lost_is_in_doubt_and_done_once() {
    let mut broker = ActiveMq::start();
    let proxy = FaultProxy::start(broker.port());
    let connection = connect(proxy.uri()).await;
    let session = connection.transacted_session().await.unwrap();
    send(&session, "LOST", &["1", "2"]).await;
    proxy.black_hole(Direction::ToClient);
    let (outcome, ()) = tokio::join!(session.commit(), async {
        tokio::task::block_in_place(|| {
            eventually(RUN, "the commit is done", || broker.queue("LOST").enqueued == 2);
        });
        cut(&proxy);
    });
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt);
    assert!(error.to_string().contains(proxy.uri()), "{error}");
    // The session goes on, and nothing was done twice.
    send(&session, "LOST", &["3"]).await;
    session.commit().await.unwrap();
    assert_eq!((broker.queue("LOST").enqueued, broker.queue("LOST").size), (3, 3));
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_commit_that_never_arrives_is_in_doubt_and_not_done() {
    let mut broker = ActiveMq::start();
    let proxy = FaultProxy::start(broker.port());
    let connection = connect(proxy.uri()).await;
    let session = connection.transacted_session().await.unwrap();
    send(&session, "LOST", &["1", "2"]).await;
    connection.flush().await.unwrap();
    proxy.black_hole(Direction::ToBroker);
    let mut commit = std::pin::pin!(session.commit());
    // It has left when something that was submitted after it has.
    let other = connection.session();
    let mut other = std::pin::pin!(async { other.await });
    let waited = tokio::time::timeout(Duration::from_millis(500), async {
        tokio::select! {
            outcome = &mut commit => panic!("{outcome:?}"),
            outcome = &mut other => panic!("{outcome:?}"),
        }
    });
    assert!(waited.await.is_err());
    cut(&proxy);
    assert_eq!(commit.await.unwrap_err().kind(), ErrorKind::InDoubt);
    other.await.unwrap();
    assert_eq!(broker.queue("LOST").enqueued, 0);
    send(&session, "LOST", &["3"]).await;
    session.commit().await.unwrap();
    assert_eq!(broker.queue("LOST").size, 1);
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_transaction_that_received_rolls_back_after_a_restart_and_its_messages_come_again() {
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let connection = connect(&broker.uri()).await;
    let session = connection.transacted_session().await.unwrap();
    send(&session, "IN", &["1", "2"]).await;
    session.commit().await.unwrap();
    let mut consumer = session.consumer(&Queue::new("IN")).await.unwrap();
    let copies = session.producer(&Queue::new("OUT")).await.unwrap();
    copies.send(text(&next(&mut consumer).await)).await.unwrap();
    tokio::task::block_in_place(|| {
        broker.kill();
        broker.restart();
    });
    assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::RolledBack);
    for expected in ["1", "2"] {
        let delivery = next(&mut consumer).await;
        assert_eq!(text(&delivery), expected);
        copies.send(text(&delivery)).await.unwrap();
    }
    session.commit().await.unwrap();
    assert_eq!((broker.queue("IN").size, broker.queue("OUT").size), (0, 2));
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_producer_closed_before_the_failover_is_committed_for_after_it() {
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let connection = connect(&broker.uri()).await;
    let session = connection.transacted_session().await.unwrap();
    send(&session, "CLOSED", &["1", "2"]).await;
    connection.flush().await.unwrap();
    tokio::task::block_in_place(|| {
        broker.kill();
        broker.restart();
    });
    session.commit().await.unwrap();
    assert_eq!(broker.queue("CLOSED").size, 2);
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_consumer_with_a_prefetch_of_zero_gets_its_message_through_a_restart() {
    let mut broker = ActiveMq::start();
    let connection = connect(&broker.uri()).await;
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let mut consumer = session.consumer(&Queue::new("PULL")).prefetch(0).await.unwrap();
    let time = Duration::from_millis(200);
    assert!(consumer.receive(time).await.unwrap().is_none());
    assert!(consumer.receive(Duration::ZERO).await.unwrap().is_none());
    let restarted = async {
        connection.flush().await.unwrap();
        tokio::task::block_in_place(|| {
            broker.kill();
            broker.restart();
        });
        let producer = session.producer(&Queue::new("PULL")).await.unwrap();
        for text in ["1", "2"] {
            producer.send(text).await.unwrap();
        }
    };
    let (first, ()) = tokio::join!(next(&mut consumer), restarted);
    assert_eq!(text(&first), "1");
    first.ack().await.unwrap();
    let second = consumer.receive(RUN).await.unwrap().expect("a message");
    assert_eq!(text(&second), "2");
    second.ack().await.unwrap();
    assert!(consumer.receive(Duration::ZERO).await.unwrap().is_none());
    assert_eq!(broker.queue("PULL").dequeued, 2);
    connection.close().await.unwrap();
}

/// A branch of a transaction manager's transaction, at the transport.
struct Branch {
    transport: FailoverTransport,
    connection_id: Option<ConnectionId>,
    id: TransactionId,
}

impl Branch {
    /// With one message in it, and prepared.
    async fn prepared(broker: &str) -> Self {
        let uri = format!("failover:({broker})?initialReconnectDelay=50").parse().unwrap();
        let (transport, mut deliveries) =
            FailoverTransport::start(&uri, TransportConfig::default());
        tokio::spawn(async move { while deliveries.next().await.is_some() {} });
        let connection = ConnectionId::new("ID:xa-test-1:1");
        let (session, queue) = (connection.session(1), Some(Destination::queue("XA")));
        let producer = session.producer(1);
        let connection_id = Some(connection);
        let info = ConnectionInfo {
            connection_id: connection_id.clone(),
            client_id: Some("xa".into()),
            fault_tolerant: true,
            ..ConnectionInfo::default()
        };
        transport.request(info.into()).await.unwrap();
        let info = SessionInfo { session_id: Some(session), ..SessionInfo::default() };
        transport.request(info.into()).await.unwrap();
        let producer_id = Some(producer.clone());
        let destination = queue.clone();
        let info = ProducerInfo { producer_id, destination, ..ProducerInfo::default() };
        transport.request(info.into()).await.unwrap();
        let id = TransactionId::Xa(Box::new(XaTransactionId {
            format_id: 1,
            global_transaction_id: Some(b"global".to_vec().into()),
            branch_qualifier: Some(b"branch".to_vec().into()),
        }));
        let branch = Self { transport, connection_id, id };
        branch.step(TransactionInfo::BEGIN).await.unwrap();
        let message = rewire_protocol::Message {
            producer_id: Some(producer.clone()),
            message_id: Some(producer.message(1)),
            destination: queue,
            transaction_id: Some(branch.id.clone()),
            persistent: true,
            priority: 4,
            ..Default::default()
        };
        branch.transport.request(message.into()).await.unwrap();
        branch.step(TransactionInfo::END).await.unwrap();
        let vote = branch.step(TransactionInfo::PREPARE).await.unwrap();
        assert!(matches!(vote, Command::IntegerResponse(vote) if vote.result == 0));
        branch
    }

    async fn step(&self, transaction_type: i8) -> Result<Command, RequestError> {
        let transaction_id = Some(self.id.clone());
        let connection_id = self.connection_id.clone();
        let info = TransactionInfo {
            connection_id,
            transaction_id,
            transaction_type,
            ..Default::default()
        };
        self.transport.request(info.into()).await
    }
}

/// There is one message of it, and nothing else.
async fn assert_committed_once(broker: &mut ActiveMq) {
    assert_eq!(broker.queue("XA").size, 1);
    let connection = connect(&broker.uri()).await;
    let session = connection.session().await.unwrap();
    let mut consumer = session.consumer(&Queue::new("XA")).await.unwrap();
    let _ = next(&mut consumer).await;
    assert!(consumer.receive(Duration::from_secs(1)).await.unwrap().is_none());
    assert_eq!(broker.queue("XA").size, 0);
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_prepared_branch_is_committed_once_by_the_broker_that_came_back() {
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let branch = Branch::prepared(&broker.uri()).await;
    tokio::task::block_in_place(|| {
        broker.kill();
        broker.restart();
    });
    branch.step(TransactionInfo::COMMIT_TWO_PHASE).await.unwrap();
    branch.transport.close(Duration::from_secs(5)).await;
    assert_committed_once(&mut broker).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_prepared_branch_is_rolled_back_by_the_broker_that_came_back() {
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let branch = Branch::prepared(&broker.uri()).await;
    tokio::task::block_in_place(|| {
        broker.kill();
        broker.restart();
    });
    branch.step(TransactionInfo::ROLLBACK).await.unwrap();
    branch.transport.close(Duration::from_secs(5)).await;
    assert_eq!(broker.queue("XA").size, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_two_phase_commit_whose_answer_is_lost_is_done_once() {
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let proxy = FaultProxy::start(broker.port());
    let branch = Branch::prepared(proxy.uri()).await;
    proxy.black_hole(Direction::ToClient);
    let (outcome, ()) = tokio::join!(branch.step(TransactionInfo::COMMIT_TWO_PHASE), async {
        tokio::task::block_in_place(|| {
            eventually(RUN, "the commit is done", || broker.queue("XA").enqueued == 1);
        });
        cut(&proxy);
    });
    // The broker has done it and knows it no more. That it was refused would not be true.
    assert!(outcome.is_err_and(|error| error.is_in_doubt()));
    branch.transport.close(Duration::from_secs(5)).await;
    assert_committed_once(&mut broker).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn messages_that_nobody_answers_arrive_through_a_lost_link_when_they_are_tracked() {
    for (tracked, arrive) in [(false, 10), (true, 30)] {
        let mut broker = ActiveMq::start();
        let proxy = FaultProxy::start(broker.port());
        let uri = format!("failover:({})?trackMessages={tracked}", proxy.uri());
        let connection = Connection::builder(&uri).await.unwrap();
        let session = connection.session().await.unwrap();
        let producer = session.producer(&Queue::new("ASYNC")).await.unwrap();
        for n in 0..30 {
            if n == 10 {
                // These have arrived, and are not sent again.
                connection.flush().await.unwrap();
                proxy.black_hole(Direction::ToBroker);
            }
            let message = Message::text(format!("{n}")).persistent(false);
            producer.send_async(message).await.unwrap().await.unwrap();
        }
        cut(&proxy);
        producer.send("last").await.unwrap();
        assert_eq!(broker.queue("ASYNC").enqueued, arrive + 1);
        connection.close().await.unwrap();
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn the_program_sends_and_receives_in_transactions_through_a_killed_broker() {
    const COUNT: u64 = 20_000;
    let files = tempfile::tempdir().unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut broker = ActiveMq::options().kahadb(store.path()).start();
    let uri = format!("failover:({})", broker.uri());
    let count = COUNT.to_string();
    let log = files.path().join("sent.jsonl");
    let rewire = |verb: &str| Program::rewire([verb, uri.as_str(), "queue://BATCHED"]);
    let mut sender = rewire("send")
        .args(["--count", count.as_str(), "--tx-batch", "100", "--json", "--log"])
        .arg(&log)
        .start();
    sender.feed(String::new());
    let lines = || std::fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    eventually(RUN, "a third is sent", || lines() as u64 > COUNT / 3);
    broker.kill();
    broker.restart();
    let sent = sender.finish(2 * RUN).last_json();
    let number = |json: &Value, key: &str| json[key].as_u64().unwrap();
    let (confirmed, doubtful) = (number(&sent, "confirmed"), number(&sent, "in_doubt"));
    assert_eq!(confirmed + doubtful, COUNT, "{sent}");
    assert!(doubtful == 0 || doubtful == 100, "{sent}");

    let received = rewire("receive")
        .args(["--ack", "transacted", "--tx-batch", "64", "--idle-timeout", "3s", "--json"])
        .run(2 * RUN)
        .success()
        .last_json();
    let distinct = number(&received, "distinct");
    assert!(distinct == confirmed || distinct == COUNT, "{sent} {received}");
    assert_eq!(number(&received, "duplicates"), 0, "{received}");
    assert_eq!(broker.queue("BATCHED").size, 0);
}
