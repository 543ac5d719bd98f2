//! Asks for a price and answers the question itself, each side over a connection of its own.
//!
//! `cargo run -p rewire-examples --example request_reply -- 'failover:(tcp://localhost:61616)'`

use std::time::Duration;

use rewire::{Connection, Message, Queue, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let prices = Queue::new("PRICES");

    // The one who answers: wherever the question says, with the id it came with.
    let connection = Connection::builder(uri).await?;
    let session = connection.session().await?;
    let mut questions = session.consumer(&prices).await?;
    let answering = tokio::spawn(async move {
        let Some(question) = questions.next().await.transpose()? else { return Ok(()) };
        let headers = question.message().headers();
        if let (Some(reply_to), Some(id)) = (&headers.reply_to, &headers.correlation_id) {
            let answer = Message::text("9.50 each").correlation_id(id.clone());
            session.producer(reply_to).await?.send(answer).await?;
        }
        connection.close().await
    });

    let connection = Connection::builder(uri).await?;
    let session = connection.session().await?;
    let mut price = session.requester(&prices).await?;
    let answer = price.request("12 anvils?", Duration::from_secs(5)).await?;
    println!("12 anvils: {}", answer.body_text()?.unwrap_or_default());
    answering.await.unwrap_or(Ok(()))?;
    connection.close().await
}
