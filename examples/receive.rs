//! Receives orders and acknowledges each when it is done; ends when none came for five seconds.
//!
//! `cargo run -p rewire-examples --example receive -- 'failover:(tcp://localhost:61616)'`

use std::time::Duration;

use rewire::{AckMode, AckOutcome, Connection, Queue, Result};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let connection = Connection::builder(uri).await?;
    let session = connection.session().ack(AckMode::Individual).await?;
    let mut orders = session.consumer(&Queue::new("ORDERS")).prefetch(100).await?;
    while let Ok(Some(delivery)) = timeout(Duration::from_secs(5), orders.next()).await {
        let delivery = delivery?;
        let order = delivery.message().body_text()?.unwrap_or_default();
        println!("{order}{}", if delivery.is_redelivered() { " (again)" } else { "" });
        if delivery.ack().await? == AckOutcome::Stale {
            println!("the broker is gone: this one comes again");
        }
    }
    connection.close().await
}
