//! Moves an order from one queue to another in a transaction: done together, or not at all.
//!
//! `cargo run -p rewire-examples --example transactions -- 'failover:(tcp://localhost:61616)'`

use rewire::{Connection, ErrorKind, Queue, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let connection = Connection::builder(uri).await?;
    let (accepted, packed) = (Queue::new("ACCEPTED"), Queue::new("PACKED"));
    let session = connection.session().await?;
    session.producer(&accepted).await?.send("12 anvils").await?;

    let transacted = connection.transacted_session().await?;
    let mut orders = transacted.consumer(&accepted).await?;
    let parcels = transacted.producer(&packed).await?;
    if let Some(order) = orders.next().await.transpose()? {
        let order = order.message().body_text()?.unwrap_or_default();
        parcels.send(format!("a parcel of {order}")).await?;
        match transacted.commit().await {
            Ok(()) => println!("packed: {order}"),
            // A broker died meanwhile: nothing of it was done, and the order comes again.
            Err(error) if error.kind() == ErrorKind::RolledBack => println!("again: {error}"),
            // The broker died over the commit itself, and may have done it.
            Err(error) if error.kind() == ErrorKind::InDoubt => println!("look: {error}"),
            Err(error) => return Err(error),
        }
    }
    connection.close().await
}
