//! A durable subscriber gets what was published while it was away.
//!
//! `cargo run -p rewire-examples --example durable_subscriber -- 'failover:(tcp://localhost:61616)'`

use rewire::{Connection, Result, Topic};

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let prices = Topic::new("PRICES");

    // A client id and a name: by these the broker knows the subscription again.
    let connection = Connection::builder(uri).client_id("billing").await?;
    let session = connection.session().await?;
    session.consumer(&prices).durable("prices").await?.close().await?;

    session.producer(&prices).await?.send("anvils: 9.50").await?;

    let mut subscriber = session.consumer(&prices).durable("prices").await?;
    if let Some(delivery) = subscriber.next().await.transpose()? {
        println!("{}", delivery.message().body_text()?.unwrap_or_default());
    }
    subscriber.close().await?;
    connection.close().await
}
