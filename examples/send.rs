//! Sends an order and waits until a broker has it, however many brokers die meanwhile.
//!
//! `cargo run -p rewire-examples --example send -- 'failover:(tcp://localhost:61616)'`

use rewire::{Connection, Message, Queue, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let connection = Connection::builder(uri)
        .listener(|event| eprintln!("{event:?}")) // from the first attempt on
        .await?;
    let session = connection.session().await?;
    let producer = session.producer(&Queue::new("ORDERS")).await?;
    let id = producer.send(Message::text("12 anvils").property("region", "eu")).await?;
    println!("a broker has {id}");
    connection.close().await
}
