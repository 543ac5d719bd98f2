//! What has a deadline ends at it, whatever the network does.

use std::time::Duration;

use rewire::{Connection, ErrorKind, Event, Queue};
use rewire_test_support::{ActiveMq, Direction, FaultProxy, eventually};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(20);

/// A connection to a broker behind two proxies, which both swallow everything since, the open link being reset: whatever
/// is dialled now is accepted and never answered.
struct Swallowed {
    connection: Connection,
    producer: rewire::Producer,
    _proxies: [FaultProxy; 2],
    _broker: ActiveMq,
}

impl Swallowed {
    async fn new(options: &str) -> Self {
        let broker = ActiveMq::start();
        let proxies = [(); 2].map(|()| FaultProxy::start(broker.port()));
        let uri = format!("failover:({},{}){options}", proxies[0].uri(), proxies[1].uri());
        let connection = Connection::builder(&uri).await.unwrap();
        let session = connection.session().await.unwrap();
        let producer = session.producer(&Queue::new("SWALLOWED")).await.unwrap();
        producer.send("before").await.unwrap();
        let dials = || proxies.iter().map(FaultProxy::accepted).sum::<usize>();
        let dialled = dials();
        for proxy in &proxies {
            proxy.black_hole(Direction::Both);
            proxy.reset();
        }
        eventually(SOON, "the transport dials the black hole", || dials() > dialled);
        Self { connection, producer, _proxies: proxies, _broker: broker }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn the_option_timeout_ends_a_send_in_time_while_every_broker_swallows_what_it_is_sent() {
    let swallowed = Swallowed::new("?timeout=500").await;
    for _ in 0..3 {
        let since = Instant::now();
        let error = swallowed.producer.send("never").await.unwrap_err();
        let took = since.elapsed();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        let (least, most) = (Duration::from_millis(500), Duration::from_millis(600));
        assert!((least..most).contains(&took), "{took:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn closing_does_not_wait_for_a_dial_that_nobody_answers() {
    let Swallowed { connection, producer, .. } = &Swallowed::new("").await;
    let waiting = producer.send("never");
    let since = Instant::now();
    let (sent, closed) = tokio::join!(waiting, connection.close());
    let took = since.elapsed();
    closed.unwrap();
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::Closed);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn closing_waits_no_longer_than_it_says_for_a_broker_that_answers_no_more() {
    let mut broker = ActiveMq::start();
    let uri = format!("failover:({})?closeTimeout=2000", broker.uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let session = connection.session().await.unwrap();
    let _producer = session.producer(&Queue::new("HELD")).await.unwrap();
    broker.pause();
    let since = Instant::now();
    connection.close().await.unwrap();
    let took = since.elapsed();
    assert!(took < Duration::from_millis(2500), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_broker_that_is_asked_for_in_vain_is_reached_when_the_network_heals() {
    let broker = ActiveMq::start();
    let proxy = FaultProxy::start(broker.port());
    proxy.refuse();
    let uri = format!("failover:({})?maxReconnectDelay=100", proxy.uri());
    let (failed, mut failures) = mpsc::channel(16);
    let builder = Connection::builder(&uri).listener(move |event| {
        if matches!(event, Event::AttemptFailed { .. }) {
            // More than are waited for do not matter.
            let _ = failed.try_send(());
        }
    });
    let connecting = tokio::spawn(builder.into_future());
    for _ in 0..3 {
        failures.recv().await.unwrap();
    }
    proxy.clear();
    let connection = timeout(SOON, connecting).await.unwrap().unwrap().unwrap();
    connection.close().await.unwrap();
}
