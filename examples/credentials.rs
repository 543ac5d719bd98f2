//! Logs in with a password that changes: it is asked for anew on every attempt at a broker.
//!
//! `cargo run -p rewire-examples --example credentials -- 'failover:(tcp://localhost:61616)'`

use std::path::PathBuf;

use rewire::{Connection, Credentials, Queue, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let file = std::env::var_os("PASSWORD_FILE").map(PathBuf::from);

    // What a vault or an orchestrator writes over when it rotates the secret. A provider may as well ask a
    // service for a token; it has ten seconds, and an error means that the next broker is tried.
    let connection = Connection::builder(uri)
        .credentials_provider(move |broker: String| {
            let file = file.clone();
            async move {
                println!("asked for the password at {broker}");
                let password = match file {
                    Some(file) => tokio::fs::read_to_string(file).await?,
                    None => String::new(),
                };
                Ok::<_, std::io::Error>(Credentials::new("billing", password.trim_end()))
            }
        })
        .await?;

    // A failover from here on asks again: what was right an hour ago is not replayed for ever.
    let session = connection.session().await?;
    session.producer(&Queue::new("ORDERS")).await?.send("12 anvils").await?;
    connection.close().await
}
