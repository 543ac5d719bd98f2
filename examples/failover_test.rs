//! A failover test of an application's own code: two real brokers in the test's process, one of them dies.
//!
//! `cargo test -p rewire-examples --test failover_test`
//!
//! For a test like this one, the `Cargo.toml` of an application needs
//! `rewire-broker = { version = "0.1", features = ["testkit"] }` under `[dev-dependencies]`.

use rewire::{AckMode, Connection, Queue, Result};
use rewire_broker::testkit::{TestCluster, eventually};

/// The code under test: takes an order out of one queue, and puts a parcel into another.
async fn pack_one(brokers: &Connection) -> Result<()> {
    let session = brokers.session().ack(AckMode::Individual).await?;
    let mut orders = session.consumer(&Queue::new("ORDERS")).await?;
    let parcels = session.producer(&Queue::new("PARCELS")).await?;
    if let Some(order) = orders.next().await.transpose()? {
        let what = order.message().body_text()?.unwrap_or_default();
        parcels.send(format!("a parcel of {what}")).await?;
        order.ack().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_order_is_packed_by_the_broker_that_is_left() -> Result<()> {
    let cluster = TestCluster::start(2).await;
    let brokers = Connection::builder(&cluster.failover_uri()).await?;

    cluster[0].kill().await;
    let session = brokers.session().await?;
    session.producer(&Queue::new("ORDERS")).await?.send("12 anvils").await?;
    pack_one(&brokers).await?;

    eventually("the order is done", async || cluster[1].messages("ORDERS").await == 0).await;
    assert_eq!(cluster[1].messages("PARCELS").await, 1);
    Ok(())
}

#[tokio::test]
async fn an_order_is_packed_once_when_the_broker_dies_before_it_has_answered() -> Result<()> {
    let cluster = TestCluster::start(1).await;
    let brokers = Connection::builder(&cluster.failover_uri()).await?;
    let session = brokers.session().await?;
    let orders = session.producer(&Queue::new("ORDERS")).await?;

    // The broker takes the order in, and the client does not hear of it.
    cluster[0].cut_next_reply();
    orders.send("12 anvils").await?;

    assert_eq!(cluster[0].heard("Message").await, 2, "it was sent again");
    assert_eq!(cluster[0].messages("ORDERS").await, 1, "and is there once");
    Ok(())
}
