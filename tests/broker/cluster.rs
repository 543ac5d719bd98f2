//! Brokers that make a cluster, and clients that follow it: nobody is lost on the way, nor any message.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rewire::{AckMode, BrokerSource, Connection, Destination, Event, Message, Primitive, Queue};
use rewire_broker::{Broker, BrokerBuilder, ListenerConfig, MemoryStore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{SOON, eventually};

const CLIENTS: usize = 60;
/// How long a client may not know what the cluster looks like, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A broker that tells its clients of the cluster and spreads them, on a store that outlives it.
fn member(name: &str, store: &MemoryStore, others: &[&Broker]) -> BrokerBuilder {
    let mut builder = Broker::builder()
        .name(name)
        .store(store.clone())
        .update_cluster_clients(true)
        .rebalance_cluster_clients(true)
        .update_cluster_clients_on_remove(true);
    if !others.is_empty() {
        let others: Vec<&str> = others.iter().map(|other| other.uri()).collect();
        builder =
            builder.network_connector(format!("static:({})", others.join(",")).parse().unwrap());
    }
    builder
}

async fn start(builder: BrokerBuilder) -> Broker {
    builder.listen("tcp://127.0.0.1:0").start().await.unwrap()
}

/// What all clients do and see.
#[derive(Default)]
struct Ledger {
    sent: Mutex<BTreeSet<i64>>,
    /// How often each came, and how often without the mark that it may have come before.
    seen: Mutex<BTreeMap<i64, (usize, usize)>>,
    next: AtomicUsize,
    moves: AtomicUsize,
    losses: AtomicUsize,
    enough: AtomicBool,
}

struct Client {
    connection: Connection,
    work: JoinSet<()>,
}

impl Client {
    /// Consumes; and every fourth sends too.
    async fn start(uri: &str, ledger: &Arc<Ledger>, number: usize) -> Self {
        let noting = Arc::clone(ledger);
        let builder = Connection::builder(uri).listener(move |event| match event {
            Event::Rebalancing { .. } => _ = noting.moves.fetch_add(1, Ordering::Relaxed),
            Event::Interrupted { .. } => _ = noting.losses.fetch_add(1, Ordering::Relaxed),
            _ => {}
        });
        let connection = builder.await.unwrap();
        let mut work = JoinSet::new();
        let session = connection.session().ack(AckMode::Individual).await.unwrap();
        let queue = Queue::new("ORDERS");
        let mut consumer = session.consumer(&queue).prefetch(10).await.unwrap();
        let seeing = Arc::clone(ledger);
        work.spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                let number = match delivery.message().property_value("n").unwrap() {
                    Some(Primitive::Long(number)) => number,
                    other => panic!("a message without a number: {other:?}"),
                };
                let unmarked = usize::from(!delivery.is_redelivered());
                // One that could not be acknowledged comes again, and says so.
                let _ = delivery.ack().await;
                let mut seen = seeing.seen.lock().unwrap();
                let (times, unmarked_times) = seen.entry(number).or_default();
                (*times, *unmarked_times) = (*times + 1, *unmarked_times + unmarked);
            }
        });
        if number.is_multiple_of(4) {
            let producer = connection.session().await.unwrap().producer(&queue).await.unwrap();
            let sending = Arc::clone(ledger);
            work.spawn(async move {
                let mut pace = tokio::time::interval(Duration::from_millis(10));
                while !sending.enough.load(Ordering::Relaxed) {
                    pace.tick().await;
                    let number = sending.next.fetch_add(1, Ordering::Relaxed) as i64;
                    producer.send(Message::text("12 anvils").property("n", number)).await.unwrap();
                    sending.sent.lock().unwrap().insert(number);
                }
            });
        }
        Self { connection, work }
    }
}

/// Waits until every client was told exactly of these brokers, and says how long it took.
async fn all_know(clients: &[Client], brokers: &[&Broker]) -> Duration {
    let since = Instant::now();
    let there: BTreeSet<String> = brokers.iter().map(|broker| broker.uri().to_owned()).collect();
    for client in clients {
        let mut topology = client.connection.topology();
        let knows = topology.wait_for(|topology| {
            let (own, told): (Vec<_>, Vec<_>) = topology
                .brokers()
                .iter()
                .partition(|broker| broker.source == BrokerSource::Configured);
            let own: BTreeSet<String> = own.iter().map(|broker| broker.location.clone()).collect();
            let told: BTreeSet<String> = told.iter().map(|b| b.location.clone()).collect();
            there.difference(&own).eq(&told)
        });
        tokio::time::timeout(SOON, knows).await.expect("every client hears of it").unwrap();
    }
    since.elapsed()
}

async fn spread(brokers: &[&Broker]) -> Vec<usize> {
    let mut spread = Vec::new();
    for broker in brokers {
        spread.push(broker.cluster().await[0].clients.unwrap());
    }
    spread
}

/// Waits until all clients are somewhere, and evenly.
async fn settle(brokers: &[&Broker]) -> Vec<usize> {
    eventually("the clients are spread", async || {
        let spread = spread(brokers).await;
        let (most, least) = (spread.iter().max().unwrap(), spread.iter().min().unwrap());
        spread.iter().sum::<usize>() == CLIENTS && most * 4 <= least * 5
    })
    .await;
    spread(brokers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_clients_follow_a_cluster_that_one_joins_one_leaves_and_one_returns_to() {
    let stores: Vec<MemoryStore> = (0..4).map(|_| MemoryStore::new()).collect();
    let a = start(member("a", &stores[0], &[])).await;
    let b = start(member("b", &stores[1], &[&a])).await;
    let c = start(member("c", &stores[2], &[&a, &b])).await;
    let ledger = Arc::new(Ledger::default());
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let first = [&a, &b, &c][number % 3];
        clients.push(Client::start(&format!("failover:({})", first.uri()), &ledger, number).await);
    }
    let moves = || ledger.moves.swap(0, Ordering::Relaxed);
    assert_eq!(spread(&[&a, &b, &c]).await, [20; 3]);
    assert_eq!(moves(), 0, "nobody is sent away who has just come");
    eventually("all have stayed for a while", async || ledger.next.load(Ordering::Relaxed) > 2000)
        .await;

    let d = start(member("d", &stores[3], &[&a, &b, &c])).await;
    let heard = all_know(&clients, &[&a, &b, &c, &d]).await;
    assert!(heard < AT_ONCE, "{heard:?} after one has joined");
    let joined = settle(&[&a, &b, &c, &d]).await;
    let moved = moves();
    println!("joined: known after {heard:?}, {moved} moves, {joined:?}");
    assert!((12..=18).contains(&moved), "{moved} moves");

    let (address, left) = (c.uri().to_owned(), spread(&[&c]).await[0]);
    let stopping = Instant::now();
    c.stop().await;
    println!("stopped in {:?}", stopping.elapsed());
    let heard = all_know(&clients, &[&a, &b, &d]).await;
    let after_leaving = settle(&[&a, &b, &d]).await;
    let moved = moves();
    println!("left: known after {heard:?}, {moved} moves of {left}, {after_leaving:?}");
    assert!((left * 8..=left * 12).contains(&(moved * 10)), "{moved} moves of {left}");
    assert_eq!(ledger.losses.load(Ordering::Relaxed), 0, "nobody has lost its broker");

    let others = [&a, &b, &d];
    let c = member("c", &stores[2], &others).listen(address).start().await.unwrap();
    let heard = all_know(&clients, &[&a, &b, &c, &d]).await;
    assert!(heard < AT_ONCE, "{heard:?} after one is back");
    let returned = settle(&[&a, &b, &c, &d]).await;
    let moved = moves();
    println!("returned: known after {heard:?}, {moved} moves, {returned:?}");
    assert!((12..=18).contains(&moved), "{moved} moves");

    ledger.enough.store(true, Ordering::Relaxed);
    eventually("all that was sent has come", async || {
        let (sent, seen) = (ledger.sent.lock().unwrap(), ledger.seen.lock().unwrap());
        sent.iter().all(|number| seen.contains_key(number))
    })
    .await;
    let seen = ledger.seen.lock().unwrap().clone();
    let twice: Vec<_> = seen.iter().filter(|(_, (_, unmarked))| *unmarked > 1).collect();
    assert!(twice.is_empty(), "seen twice without the mark: {twice:?}");
    let again = seen.values().filter(|(times, _)| *times > 1).count();
    println!("{} messages, {again} of them came again with the mark", seen.len());
    for client in &mut clients {
        client.work.shutdown().await;
    }
    for broker in [a, b, c, d] {
        let left = broker.stats(&Destination::queue("ActiveMQ.DLQ")).await;
        assert_eq!(left.map_or(0, |left| left.pending), 0, "nothing is dead");
        broker.kill().await;
    }
}

#[tokio::test]
async fn brokers_that_have_the_same_list_find_each_other_and_not_themselves() {
    let first = Broker::builder().name("a").listen("tcp://127.0.0.1:0").start().await.unwrap();
    let second = Broker::builder().name("b").listen("tcp://127.0.0.1:0").start().await.unwrap();
    let (a, b) = (first.uri().to_owned(), second.uri().to_owned());
    first.kill().await;
    second.kill().await;
    let all = format!("static:({a},{b})?initialReconnectDelay=10&maxReconnectDelay=100");
    let start = async |name: &str, uri: &str| {
        let builder = Broker::builder().name(name).network_connector(all.parse().unwrap());
        builder.listen(uri).start().await.unwrap()
    };
    let (first, second) = (start("a", &a).await, start("b", &b).await);
    for (broker, expected) in [(&first, ["a", "b"]), (&second, ["b", "a"])] {
        eventually("both know both", async || {
            let names: Vec<String> = broker.cluster().await.into_iter().map(|m| m.name).collect();
            names == expected
        })
        .await;
    }
    second.kill().await;
    eventually("it is missed", async || first.cluster().await.len() == 1).await;
    let second = start("b", &b).await;
    eventually("it is back", async || first.cluster().await.len() == 2).await;
    second.stop().await;
}

#[tokio::test]
async fn a_broker_is_let_in_only_with_the_password() {
    let guarded = Broker::builder().name("a").user("bridge", "secret").listen("tcp://127.0.0.1:0");
    let guarded = guarded.start().await.unwrap();
    let dial = |name: &str, query: &str| {
        let connector = format!("static:({}){query}", guarded.uri()).parse().unwrap();
        Broker::builder()
            .name(name)
            .network_connector(connector)
            .listen("tcp://127.0.0.1:0")
            .start()
    };
    let stranger = dial("stranger", "").await.unwrap();
    let friend = dial("friend", "?userName=bridge&password=secret").await.unwrap();
    eventually("the friend is in", async || guarded.cluster().await.len() == 2).await;
    assert_eq!(guarded.cluster().await[1].name, "friend");
    assert_eq!(friend.cluster().await.len(), 2);
    assert_eq!(stranger.cluster().await.len(), 1, "who is not let in learns of nobody");
}

#[tokio::test]
async fn clients_are_told_the_address_that_is_published() {
    let a = Broker::builder().name("a").listen("tcp://127.0.0.1:0").start().await.unwrap();
    let connector = format!("static:({})", a.uri()).parse().unwrap();
    let listener = |published: &str| {
        let mut listener = ListenerConfig::new("tcp://127.0.0.1:0");
        listener.published = Some(published.to_owned());
        listener
    };
    let b = Broker::builder().name("b").listener(listener("tcp://b.example.org:61616"));
    let _b = b.network_connector(connector).start().await.unwrap();
    eventually("it is known", async || a.cluster().await.len() == 2).await;
    assert_eq!(a.cluster().await[1].address, "tcp://b.example.org:61616");
    let bad = Broker::builder().listener(listener("b.example.org")).start().await;
    assert!(bad.unwrap_err().to_string().contains("b.example.org"));
}
