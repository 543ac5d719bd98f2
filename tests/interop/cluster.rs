//! Clients of both kinds on clusters of reference brokers, and on one of a reference broker and ActiveMQ.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rewire::{AckMode, BrokerSource, Connection, Event, Message, Primitive, Queue};
use rewire_broker::Broker;
use rewire_test_support::{ActiveMq, Java, Program, Running, eventually, eventually_some};
use serde_json::Value;
use tokio::time::Instant;

use crate::JAVA;

const SOON: Duration = Duration::from_secs(30);
/// How long a client may not know what the cluster looks like.
const AT_ONCE: Duration = Duration::from_secs(1);
/// So long nobody has moved when all is settled.
const QUIET: Duration = Duration::from_secs(1);
/// Of each kind.
const CLIENTS: usize = 30;

/// `rewire broker` in a process of its own.
struct Member {
    running: Running,
    uri: String,
}

impl Member {
    fn start(name: &str, listen: &str, data: &Path, others: &[&Self]) -> Self {
        let mut program = Program::rewire(["broker", "--listen", listen, "--name", name, "--data"])
            .arg(data)
            .args(["--update-cluster-clients", "--rebalance-cluster-clients"])
            .arg("--update-cluster-clients-on-remove");
        for other in others {
            program = program.arg("--network-connector").arg(format!("static:({})", other.uri));
        }
        let mut running = program.start();
        let ready = running.line(SOON).expect("a line of the broker");
        let uri = ready.strip_prefix("READY ").expect("it is ready").to_owned();
        Self { running, uri }
    }

    fn stop(&mut self) {
        assert!(self.running.terminate(SOON).success());
    }
}

/// What our clients do and see.
#[derive(Default)]
struct Ledger {
    sent: Mutex<BTreeSet<i64>>,
    /// How often each came without the mark that it may have come before.
    seen: Mutex<BTreeMap<i64, usize>>,
    at: Mutex<BTreeMap<usize, String>>,
    next: AtomicUsize,
    moves: AtomicUsize,
    enough: AtomicBool,
}

async fn client(uri: &str, ledger: &Arc<Ledger>, client: usize) -> Connection {
    let noting = Arc::clone(ledger);
    let builder = Connection::builder(uri).listener(move |event| match event {
        Event::Rebalancing { .. } => _ = noting.moves.fetch_add(1, Ordering::Relaxed),
        Event::Connected { broker } | Event::Resumed { broker, .. } => {
            noting.at.lock().unwrap().insert(client, broker);
        }
        _ => {}
    });
    let connection = builder.await.unwrap();
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let queue = Queue::new("ORDERS");
    let mut consumer = session.consumer(&queue).prefetch(10).await.unwrap();
    let seeing = Arc::clone(ledger);
    tokio::spawn(async move {
        while let Some(Ok(delivery)) = consumer.next().await {
            let Some(Primitive::Long(number)) = delivery.message().property_value("n").unwrap()
            else {
                panic!("a message without a number");
            };
            let unmarked = usize::from(!delivery.is_redelivered());
            let _ = delivery.ack().await;
            *seeing.seen.lock().unwrap().entry(number).or_default() += unmarked;
        }
    });
    if client.is_multiple_of(5) {
        let producer = connection.session().await.unwrap().producer(&queue).await.unwrap();
        let sending = Arc::clone(ledger);
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while !sending.enough.load(Ordering::Relaxed) {
                pace.tick().await;
                let number = sending.next.fetch_add(1, Ordering::Relaxed) as i64;
                producer.send(Message::text("12 anvils").property("n", number)).await.unwrap();
                sending.sent.lock().unwrap().insert(number);
            }
        });
    }
    connection
}

struct Clients {
    ours: Vec<Connection>,
    java: Running,
    ledger: Arc<Ledger>,
    /// How often Java's were connected again.
    resumed: usize,
    /// What has come to Java's.
    java_seen: BTreeSet<i64>,
}

impl Clients {
    fn look(&mut self) -> Value {
        self.java.say("look");
        let seen = self.java.json_with("where", JAVA);
        self.resumed += usize::try_from(seen["resumed"].as_u64().unwrap()).unwrap();
        self.java_seen.extend(seen["seen"].as_array().unwrap().iter().filter_map(Value::as_i64));
        seen
    }

    /// How many have moved so far.
    fn moved(&self) -> usize {
        self.ledger.moves.load(Ordering::Relaxed) + self.resumed
    }

    /// How many clients each broker has.
    fn spread(&mut self, brokers: &[&Member]) -> Vec<usize> {
        let java = self.look();
        let mut at: Vec<String> = self.ledger.at.lock().unwrap().values().cloned().collect();
        at.extend(
            java["where"].as_array().unwrap().iter().map(|at| at.as_str().unwrap().to_owned()),
        );
        brokers.iter().map(|broker| at.iter().filter(|at| **at == broker.uri).count()).collect()
    }

    /// Waits until all were told of so many brokers, and says how long it took.
    fn all_know(&mut self, count: usize) -> Duration {
        let since = Instant::now();
        eventually(SOON, "all know the brokers", || {
            let java = self.look();
            let knows = |known: &Value| known.as_u64() == Some(count as u64);
            let java_know = java["known"].as_array().unwrap().iter().all(knows);
            let ours_know = self.ours.iter().all(|connection| {
                let topology = connection.topology().borrow().clone();
                let brokers = topology.brokers().iter();
                // Its own is there whether it was told of it or not.
                let told =
                    brokers.filter(|broker| broker.source != BrokerSource::Configured).count();
                told == count || told + 1 == count
            });
            java_know && ours_know
        });
        since.elapsed()
    }

    /// Waits until the clients are spread evenly and nobody moves any more, and says how they are spread and how
    /// many have moved since the last time.
    fn settle(&mut self, brokers: &[&Member], before: usize) -> (Vec<usize>, usize) {
        let (mut last, mut since) = (self.moved(), Instant::now());
        let spread = eventually_some(2 * SOON, "the clients are spread and stay", || {
            let spread = self.spread(brokers);
            let (most, least) = (spread.iter().max().unwrap(), spread.iter().min().unwrap());
            let is_even = spread.iter().sum::<usize>() == 2 * CLIENTS && most * 4 <= least * 5;
            if !is_even || self.moved() != last {
                (last, since) = (self.moved(), Instant::now());
            }
            (since.elapsed() > QUIET).then_some(spread)
        });
        (spread, last - before)
    }

    /// Waits until everything that was sent has come to somebody.
    fn all_has_come(&mut self) {
        eventually(SOON, "all messages have come", || {
            self.look();
            let (sent, seen) = (self.ledger.sent.lock().unwrap(), self.ledger.seen.lock().unwrap());
            sent.iter().all(|n| self.java_seen.contains(n) || seen.contains_key(n))
        });
    }
}

fn java_folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/java"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn clients_of_both_kinds_follow_reference_brokers_that_join_leave_and_return() {
    let folder = tempfile::tempdir().unwrap();
    let data = |name: &str| folder.path().join(name);
    let anywhere = "tcp://127.0.0.1:0";
    let a = Member::start("a", anywhere, &data("a"), &[]);
    let b = Member::start("b", anywhere, &data("b"), &[&a]);
    let mut c = Member::start("c", anywhere, &data("c"), &[&a, &b]);
    let uris = [&a, &b, &c].map(|broker| format!("failover:({})", broker.uri));
    let ledger = Arc::new(Ledger::default());
    let mut program = Java::program("Followers").with_sources(java_folder());
    for number in 0..CLIENTS {
        program = program.arg("--uri").arg(&uris[number % 3]);
    }
    let mut java = program.args(["--from", "ORDERS"]).start();
    java.json_with("ready", JAVA);
    let mut ours = Vec::new();
    for number in 0..CLIENTS {
        ours.push(client(&uris[number % 3], &ledger, number).await);
    }
    let java_seen = BTreeSet::new();
    let mut clients = Clients { ours, java, ledger: Arc::clone(&ledger), resumed: 0, java_seen };
    clients.all_know(3);
    // Java's count how often they were connected at all.
    let at_first = clients.moved();
    let (spread, moved) = clients.settle(&[&a, &b, &c], at_first);
    assert_eq!((spread, moved), (vec![20; 3], 0), "nobody is sent away who has just come");

    let before = clients.moved();
    let d = Member::start("d", anywhere, &data("d"), &[&a, &b, &c]);
    let heard = clients.all_know(4);
    let (spread, moved) = clients.settle(&[&a, &b, &c, &d], before);
    println!("joined: known after {heard:?}, {moved} moves, {spread:?}");
    assert!(heard < AT_ONCE && (12..=18).contains(&moved), "{heard:?}, {moved} moves");

    let (before, left) = (clients.moved(), clients.spread(&[&c])[0]);
    c.stop();
    let heard = clients.all_know(3);
    let (spread, moved) = clients.settle(&[&a, &b, &d], before);
    println!("left: known after {heard:?}, {moved} moves of {left}, {spread:?}");
    assert!(heard < AT_ONCE, "{heard:?}");
    assert!((left * 8..=left * 12).contains(&(moved * 10)), "{moved} moves of {left}");

    let before = clients.moved();
    let c = Member::start("c", &c.uri, &data("c"), &[&a, &b, &d]);
    let heard = clients.all_know(4);
    let (spread, moved) = clients.settle(&[&a, &b, &c, &d], before);
    println!("returned: known after {heard:?}, {moved} moves, {spread:?}");
    assert!(heard < AT_ONCE && (12..=18).contains(&moved), "{heard:?}, {moved} moves");

    ledger.enough.store(true, Ordering::Relaxed);
    clients.all_has_come();
    let seen = ledger.seen.lock().unwrap();
    let twice = seen.values().filter(|unmarked| **unmarked > 1).count();
    println!("{} messages", ledger.sent.lock().unwrap().len());
    assert_eq!(twice, 0, "messages came to our clients twice without the mark");
}

/// Waits until a client of this broker knows both.
async fn knows_both(uri: &str, what: &str) -> Connection {
    let connection = Connection::builder(&format!("failover:({uri})")).await.unwrap();
    let mut topology = connection.topology();
    let both = topology.wait_for(|topology| topology.brokers().len() == 2);
    tokio::time::timeout(SOON, both).await.unwrap_or_else(|_| panic!("{what}")).unwrap();
    connection
}

async fn knows_peer(broker: &Broker, there: bool) {
    let deadline = Instant::now() + SOON;
    while (broker.cluster().await.len() == 2) != there {
        assert!(Instant::now() < deadline, "{:?}", broker.cluster().await);
        tokio::task::yield_now().await;
    }
}

fn ours() -> rewire_broker::BrokerBuilder {
    let builder = Broker::builder().name("ours").listen("tcp://127.0.0.1:0");
    builder.update_cluster_clients(true).update_cluster_clients_on_remove(true)
}

fn activemq() -> rewire_test_support::ActiveMqOptions {
    let options = ActiveMq::options().name("java").update_cluster_clients();
    options.update_cluster_clients_on_remove()
}

/// A message that is sent goes on arriving: the link between the brokers has done no harm.
async fn works(connection: &Connection) {
    let session = connection.session().await.unwrap();
    let queue = Queue::new("WORKS");
    let mut consumer = session.consumer(&queue).await.unwrap();
    session.producer(&queue).await.unwrap().send("12 anvils").await.unwrap();
    let delivery = tokio::time::timeout(SOON, consumer.next()).await.expect("it comes");
    delivery.unwrap().unwrap().ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_reference_broker_that_dials_activemq_is_one_cluster_with_it() {
    let mut java = activemq().start();
    let connector = format!("static:({})?initialReconnectDelay=50", java.uri()).parse().unwrap();
    let broker = ours().network_connector(connector).start().await.unwrap();
    knows_peer(&broker, true).await;
    let here = knows_both(broker.uri(), "clients of the reference broker are told").await;
    let there = knows_both(&java.uri(), "clients of ActiveMQ are told").await;
    works(&here).await;
    works(&there).await;
    java.kill();
    knows_peer(&broker, false).await;
    java.restart();
    knows_peer(&broker, true).await;
    drop((here, there));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn an_activemq_that_dials_a_reference_broker_is_one_cluster_with_it() {
    for duplex in [false, true] {
        let broker = ours().start().await.unwrap();
        let options = activemq().network(&format!("static:({})", broker.uri()));
        let mut java = if duplex { options.duplex() } else { options }.start();
        knows_peer(&broker, true).await;
        let here = knows_both(broker.uri(), "clients of the reference broker are told").await;
        let there = knows_both(&java.uri(), "clients of ActiveMQ are told").await;
        works(&here).await;
        works(&there).await;
        // Over the bridge: there is a consumer here, and a producer there.
        let queue = Queue::new("FORWARDED");
        let session = here.session().await.unwrap();
        let mut consumer = session.consumer(&queue).await.unwrap();
        let sending = there.session().await.unwrap().producer(&queue).await.unwrap();
        sending.send("12 anvils").await.unwrap();
        let delivery = tokio::time::timeout(SOON, consumer.next()).await.expect("it is forwarded");
        delivery.unwrap().unwrap().ack().await.unwrap();
        assert_eq!(broker.cluster().await.len(), 2, "the bridge is still there");
        java.kill();
        knows_peer(&broker, false).await;
        drop((here, there));
        broker.stop().await;
    }
}
