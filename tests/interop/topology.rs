//! A cluster that tells its clients of itself: a broker joins, a broker leaves.

use std::sync::Arc;
use std::time::Duration;

use rewire::{Connection, Topology};
use rewire_test_support::{ActiveMq, ActiveMqOptions};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const CLIENTS: usize = 30;
const SOON: Duration = Duration::from_secs(20);
/// How long clients have to move to where there is room: each waits a while, and not all go at once.
const SPREAD: Duration = Duration::from_secs(5);
/// The least share of the clients that a broker is to have.
const LEAST: usize = CLIENTS / 5;
/// How long a client may not know what the cluster looks like.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A broker that is bridged to the others, and tells its clients of them.
fn broker(name: &str, others: &[&ActiveMq]) -> ActiveMq {
    let options = ActiveMq::options()
        .name(name)
        .update_cluster_clients()
        .update_cluster_clients_on_remove()
        .rebalance_cluster_clients()
        .duplex();
    let bridge = |options: ActiveMqOptions, other: &&ActiveMq| {
        options.network(&format!("static:({})", other.uri()))
    };
    others.iter().fold(options, bridge).start()
}

/// Waits until every client knows, or no longer knows, the broker on this port; returns when the last heard of it.
async fn all_know(clients: &[Connection], port: u16, is_there: bool) -> Instant {
    let end = format!(":{port}");
    let mut hearing = JoinSet::new();
    for client in clients {
        let (mut topology, end) = (client.topology(), end.clone());
        hearing.spawn(async move {
            let knows = |topology: &Arc<Topology>| {
                let mut brokers = topology.brokers().iter();
                brokers.any(|broker| broker.location.ends_with(&end)) == is_there
            };
            let heard = timeout(SOON, topology.wait_for(knows)).await;
            heard.expect("a client hears of it").expect("a client is open");
            Instant::now()
        });
    }
    hearing.join_all().await.into_iter().max().expect("there are clients")
}

/// Waits until the clients are spread over these brokers, each with the connections of so many bridges besides.
fn are_spread<const N: usize>(mut brokers: [(&mut ActiveMq, u64); N]) {
    let deadline = Instant::now() + SPREAD;
    loop {
        // To ask a broker takes its time: it is not asked too often.
        let clients = brokers.each_mut().map(|(broker, bridges)| {
            usize::try_from(broker.connections().saturating_sub(*bridges)).unwrap()
        });
        if clients.iter().all(|count| *count >= LEAST) && clients.iter().sum::<usize>() == CLIENTS {
            return;
        }
        assert!(Instant::now() < deadline, "the clients are spread like this: {clients:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn every_client_hears_at_once_of_a_broker_that_joins_and_of_one_that_leaves() {
    let mut first = broker("first", &[]);
    let mut second = broker("second", &[&first]);
    let uri = format!("failover:({},{})", first.uri(), second.uri());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Connection::builder(&uri).await.unwrap());
    }

    let mut third = broker("third", &[&first, &second]);
    let joined = Instant::now();
    let heard = all_know(&clients, third.port(), true).await;
    assert!(heard < joined + AT_ONCE, "{:?} after it had joined", heard - joined);
    are_spread([(&mut first, 2), (&mut second, 1), (&mut third, 0)]);

    let port = third.port();
    let left = Instant::now();
    third.kill();
    let heard = all_know(&clients, port, false).await;
    assert!(heard < left + AT_ONCE, "{:?} after it had left", heard - left);
    are_spread([(&mut first, 1), (&mut second, 0)]);

    // Wherever each is, it is at a broker that answers.
    for client in &clients {
        timeout(SOON, client.flush()).await.expect("a broker answers").unwrap();
    }
}
