//! The client and the reference broker against each other: one module a scenario.

#![allow(clippy::unwrap_used, reason = "a scenario that cannot go on fails")]

mod cluster;
mod consumers;
mod decisions;
mod everyday;
mod failover;
mod hostile;
mod http;
mod policies;
mod testkit;
mod tls;

use std::time::Duration;

use rewire::{Connection, Consumer, Delivery};
use rewire_broker::testkit::eventually;
use rewire_broker::{Broker, MemoryStore};

/// Long enough for anything that is to come.
const SOON: Duration = Duration::from_secs(30);

async fn start() -> Broker {
    Broker::builder().memory().listen("tcp://127.0.0.1:0").start().await.unwrap()
}

/// A broker on a store that outlives it.
async fn on(store: &MemoryStore, uri: &str) -> Broker {
    Broker::builder().store(store.clone()).listen(uri).start().await.unwrap()
}

async fn connect(broker: &Broker) -> Connection {
    Connection::builder(&format!("failover:({})", broker.uri())).await.unwrap()
}

async fn receive(consumer: &mut Consumer) -> Delivery {
    tokio::time::timeout(SOON, consumer.next()).await.expect("a delivery").unwrap().unwrap()
}

/// The text of the next message, which is acknowledged.
async fn text(consumer: &mut Consumer) -> String {
    let delivery = receive(consumer).await;
    let text = delivery.message().body_text().unwrap().unwrap();
    delivery.ack().await.unwrap();
    text
}
