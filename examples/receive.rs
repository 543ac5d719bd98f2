//! Receives orders and acknowledges each when it is done.
//!
//! `cargo run -p rewire-examples --example receive -- 'failover:(tcp://localhost:61616)'`

use rewire::{AckMode, AckOutcome, Connection, Queue, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let connection = Connection::builder(uri).await?;
    let session = connection.session().ack(AckMode::Individual).await?;
    let mut orders = session.consumer(&Queue::new("ORDERS")).prefetch(100).await?;
    while let Some(delivery) = orders.next().await.transpose()? {
        let order = delivery.message().body_text()?.unwrap_or_default();
        println!("{order}{}", if delivery.is_redelivered() { " (again)" } else { "" });
        if delivery.ack().await? == AckOutcome::Stale {
            println!("the broker is gone: this one comes again");
        }
    }
    Ok(())
}
