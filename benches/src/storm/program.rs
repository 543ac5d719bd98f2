//! Our client with many connections: what `Storming.java` is for Java's, run as a process of its own.

use std::io::{BufRead, Write};
use std::sync::Arc;

use rewire::{Connection, Producer, Queue, Result};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const AT_ONCE: usize = 16;
const QUEUES: u64 = 50;

/// What is kept of a connection; its consumer is in a task.
type Client = (Connection, Producer);

/// Connects, and sends, when asked to on stdin; until that ends.
///
/// # Panics
///
/// When it cannot connect, or something fails for good.
pub fn run_as_client(mut arguments: impl Iterator<Item = String>) {
    let uri = arguments.next().expect("a URI");
    let connections = arguments.next().and_then(|count| count.parse().ok()).expect("a count");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let mut clients: Vec<Client> = Vec::new();
    say("{\"ready\":true}");
    for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        match line.as_str() {
            "connect" => clients = runtime.block_on(connect_all(uri.clone(), connections)),
            "settle" => {}
            "send" => runtime.block_on(async {
                for (_, producer) in &clients {
                    producer.send("x").await.expect("it waits for a broker");
                }
            }),
            _ => panic!("unknown question {line:?}"),
        }
        say(&format!("{{\"done\":\"{line}\"}}"));
    }
    std::process::exit(0);
}

async fn connect_all(uri: String, connections: u64) -> Vec<Client> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut connecting = JoinSet::new();
    for number in 0..connections {
        let (uri, turns) = (uri.clone(), turns.clone());
        connecting.spawn(async move {
            let _turn = turns.acquire().await.expect("it is never closed");
            connect(&uri, number).await
        });
    }
    connecting
        .join_all()
        .await
        .into_iter()
        .map(|client| client.expect("a broker is there"))
        .collect()
}

async fn connect(uri: &str, number: u64) -> Result<Client> {
    let connection = Connection::builder(uri).await?;
    let session = connection.session().await?;
    let queue = Queue::new(&format!("STORM.{}", number % QUEUES));
    let mut consumer = session.consumer(&queue).await?;
    let producer = session.producer(&queue).await?;
    tokio::spawn(async move { while let Some(Ok(_)) = consumer.next().await {} });
    Ok((connection, producer))
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading any more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
