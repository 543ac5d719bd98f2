//! What was sent before a producer went away arrives all the same, or is said not to have.

use std::time::Duration;

use rewire::{Connection, Queue};
use rewire_test_support::ActiveMq;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// A connection whose broker has been killed, and a producer.
async fn without_a_broker(broker: &mut ActiveMq) -> (Connection, rewire::Producer) {
    let uri = format!("failover:({})?maxReconnectDelay=100", broker.uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let session = connection.session().await.unwrap();
    let producer = session.producer(&Queue::new("FAREWELL")).await.unwrap();
    let mut events = connection.events();
    broker.kill();
    let interrupted =
        async { while !matches!(events.next().await, Some(rewire::Event::Interrupted { .. })) {} };
    timeout(SOON, interrupted).await.expect("the loss is noticed");
    (connection, producer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn what_is_queued_without_a_broker_arrives_though_its_producer_has_gone_since() {
    let mut broker = ActiveMq::start();
    let (connection, producer) = without_a_broker(&mut broker).await;
    let awaited = producer.enqueue("awaited").await.unwrap();
    let _left = producer.send_async("not awaited").await.unwrap();
    drop(producer);
    let flushing = connection.flush();
    broker.restart();
    timeout(SOON, awaited)
        .await
        .expect("an answer")
        .expect("it is queued: it is sent all the same");
    timeout(SOON, flushing).await.expect("an answer").unwrap();
    assert_eq!(broker.queue("FAREWELL").enqueued, 2);
}
