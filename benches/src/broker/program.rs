//! Our client under load: what `Loading.java` is for Java's, run as a process of its own.

use std::collections::HashMap;
use std::io::{BufRead, Write};

use rewire::{Connection, Destination, Message, Producer, Result};
use tokio::task::JoinSet;

const SIZE: usize = 1024;

/// What is asked for on the command line.
#[derive(Clone)]
struct Load {
    uri: String,
    persistent: bool,
    awaited: bool,
    topic: bool,
    producers: u64,
    consumers: u64,
    count: u64,
}

/// Sends a quarter first, then, when asked to on stdin, all that is measured.
///
/// # Panics
///
/// When an argument is missing, or something fails.
pub fn run_as_client(arguments: impl Iterator<Item = String>) {
    let given: HashMap<String, String> = arguments
        .filter_map(|argument| {
            let (name, value) = argument.trim_start_matches("--").split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect();
    let is = |name: &str| given.get(name).is_some_and(|value| value == "true");
    let number = |name: &str| given.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let load = Load {
        uri: given.get("uri").expect("a URI").clone(),
        persistent: is("persistent"),
        awaited: is("awaited"),
        topic: is("topic"),
        producers: number("producers"),
        consumers: number("consumers"),
        count: number("count"),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(load.run()).expect("the broker takes it");
    std::process::exit(0);
}

impl Load {
    fn destination(&self, number: u64) -> Destination {
        let name = format!("LOAD.{number}");
        if self.topic { Destination::topic(name) } else { Destination::queue(name) }
    }

    async fn run(self) -> Result<()> {
        let mut producers = Vec::new();
        let mut consumers = Vec::new();
        for number in 0..self.producers {
            for _ in 0..self.consumers {
                let connection = Connection::builder(&self.uri).await?;
                let session = connection.session().await?;
                let consumer = session.consumer(&self.destination(number)).await?;
                consumers.push((connection, consumer));
            }
            let connection = Connection::builder(&self.uri).await?;
            let session = connection.session().await?;
            let producer = session.producer(&self.destination(number)).await?;
            producers.push((connection, producer));
        }
        for (count, said) in [(self.count / 4, "warm"), (self.count, "done")] {
            let mut sending = JoinSet::new();
            for (connection, producer) in producers.drain(..) {
                let load = self.clone();
                sending.spawn(async move {
                    load.send(&producer, count).await?;
                    Ok((connection, producer))
                });
            }
            let mut receiving = JoinSet::new();
            for (connection, mut consumer) in consumers.drain(..) {
                receiving.spawn(async move {
                    for _ in 0..count {
                        let delivery = consumer.next().await.expect("it is open")?;
                        delivery.ack().await?;
                    }
                    Ok((connection, consumer))
                });
            }
            producers = sending.join_all().await.into_iter().collect::<Result<_>>()?;
            consumers = receiving.join_all().await.into_iter().collect::<Result<_>>()?;
            say(&format!("{{\"{said}\":true}}"));
            if said == "warm" {
                let _ = std::io::stdin().lock().read_line(&mut String::new());
            }
        }
        Ok(())
    }

    /// Returns when the broker has all.
    async fn send(&self, producer: &Producer, count: u64) -> Result<()> {
        let body = "x".repeat(SIZE);
        for number in 0..count {
            let message = Message::text(body.clone()).persistent(self.persistent);
            if self.awaited || number + 1 == count {
                producer.send(message).await?;
            } else {
                producer.send_async(message).await?;
            }
        }
        Ok(())
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading any more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
