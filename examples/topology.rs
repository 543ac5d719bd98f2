//! Shows the brokers of the cluster, and each change of them for three seconds.
//!
//! `cargo run -p rewire-examples --example topology -- 'failover:(tcp://localhost:61616)'`

use std::time::Duration;

use rewire::{Connection, Result};
use tokio::time::timeout;

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let connection = Connection::builder(uri).await?;
    let mut topology = connection.topology();
    loop {
        for broker in topology.borrow_and_update().brokers() {
            println!("{} ({:?})", broker.location, broker.source);
        }
        let Ok(Ok(())) = timeout(Duration::from_secs(3), topology.changed()).await else { break };
        println!("the cluster has changed:");
    }
    connection.close().await
}
