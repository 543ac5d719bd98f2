//! Our client sending or receiving: what `Messaging.java` is for Java's, run as a process of its own.

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use rewire::{AckMode, Connection, Message, Queue, Result};
use rewire_test_support::monotonic_ns;
use serde_json::{Value, json};

const BATCH: u64 = 100;
const IN_FLIGHT: usize = 1000;
const SOON: Duration = Duration::from_secs(60);

/// Does what each line of stdin says, until that ends.
///
/// # Panics
///
/// When it cannot connect, or something fails for good.
pub fn run_as_client(mut arguments: impl Iterator<Item = String>) {
    let mut argument = || arguments.next().expect("a URI, a case and a size");
    let (uri, what, size) = (argument(), argument(), argument());
    let size = size.parse().expect("a size is a number");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let connection = runtime.block_on(async { Connection::builder(&uri).await });
    let connection = connection.expect("a broker is there");
    let messaging = Arc::new(Messaging { connection, uri, what, text: text(size) });
    say(&json!({"ready": true}));
    for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
        let (verb, count) = line.split_once(' ').unwrap_or((&line, "0"));
        let mut done = json!({"done": verb});
        if verb != "settle" {
            let count = count.parse().expect("a count is a number");
            let (messaging, verb) = (messaging.clone(), verb.to_owned());
            // In a task, as in a server: what `block_on` runs by itself is woken from another thread each time.
            let run = runtime.spawn(async move {
                let mut done = json!({"done": verb});
                messaging.run(count, &mut done).await.map(|()| done)
            });
            let ran = runtime.block_on(run).expect("a run does not panic");
            done = ran.expect("the broker stays");
        }
        say(&done);
    }
    std::process::exit(0);
}

/// A text of this size.
pub(super) fn text(size: usize) -> String {
    ('a'..='z').cycle().take(size).collect()
}

struct Messaging {
    connection: Connection,
    uri: String,
    what: String,
    text: String,
}

impl Messaging {
    async fn run(&self, count: u64, done: &mut Value) -> Result<()> {
        match self.what.as_str() {
            "sync" => self.send(count, done).await,
            "volatile" => self.volatile(count, done).await,
            "pipelined" => self.pipelined(count, done).await,
            "transacted" => self.transacted(count, done).await,
            "auto" => self.receive(count, AckMode::Auto, done).await,
            "dups-ok" => self.receive(count, AckMode::DupsOk, done).await,
            "pingpong" => self.ping_pong(count, done).await,
            other => panic!("unknown case {other:?}"),
        }
    }

    // Made anew for each message, as Java's is.
    fn message(&self) -> Message {
        Message::text(self.text.as_str())
    }

    async fn send(&self, count: u64, done: &mut Value) -> Result<()> {
        let session = self.connection.session().await?;
        let producer = session.producer(&Queue::new("LOAD")).await?;
        let began = monotonic_ns();
        for _ in 0..count {
            producer.send(self.message()).await?;
        }
        finish(done, began);
        Ok(())
    }

    async fn volatile(&self, count: u64, done: &mut Value) -> Result<()> {
        let session = self.connection.session().await?;
        let producer = session.producer(&Queue::new("LOAD")).await?;
        let began = monotonic_ns();
        for _ in 0..count {
            drop(producer.send_async(self.message().persistent(false)).await?);
        }
        self.connection.flush().await?;
        finish(done, began);
        Ok(())
    }

    async fn pipelined(&self, count: u64, done: &mut Value) -> Result<()> {
        let session = self.connection.session().await?;
        let producer = session.producer(&Queue::new("LOAD")).await?;
        let mut receipts = VecDeque::with_capacity(IN_FLIGHT);
        let began = monotonic_ns();
        for _ in 0..count {
            if receipts.len() == IN_FLIGHT
                && let Some(oldest) = receipts.pop_front()
            {
                oldest.await?;
            }
            receipts.push_back(producer.enqueue(self.message()).await?);
        }
        for receipt in receipts {
            receipt.await?;
        }
        finish(done, began);
        Ok(())
    }

    async fn transacted(&self, count: u64, done: &mut Value) -> Result<()> {
        let session = self.connection.transacted_session().await?;
        let producer = session.producer(&Queue::new("LOAD")).await?;
        let began = monotonic_ns();
        for number in 1..=count {
            drop(producer.enqueue(self.message()).await?);
            if number.is_multiple_of(BATCH) {
                session.commit().await?;
            }
        }
        session.commit().await?;
        finish(done, began);
        Ok(())
    }

    async fn receive(&self, count: u64, mode: AckMode, done: &mut Value) -> Result<()> {
        let session = self.connection.session().ack(mode).await?;
        let mut consumer = session.consumer(&Queue::new("LOAD")).await?;
        let began = monotonic_ns();
        for number in 0..count {
            let next = consumer.receive(SOON).await?;
            assert!(next.is_some(), "{number} of {count} have come");
        }
        finish(done, began);
        consumer.close().await
    }

    async fn ping_pong(&self, count: u64, done: &mut Value) -> Result<()> {
        let session = self.connection.session().await?;
        let producer = session.producer(&Queue::new("PING")).await?;
        let mut replies = session.consumer(&Queue::new("PONG")).await?;
        let other = Connection::builder(&self.uri).await?;
        let echoing = other.session().await?;
        let mut pings = echoing.consumer(&Queue::new("PING")).await?;
        let echo = echoing.producer(&Queue::new("PONG")).await?;
        let echoing = tokio::spawn(async move {
            while let Some(Ok(ping)) = pings.next().await {
                let text = ping.message().body_text().expect("a text").unwrap_or_default();
                let pong = Message::text(text).persistent(false);
                drop(echo.send_async(pong).await.expect("the broker stays"));
            }
        });
        let mut took_ns = Vec::new();
        let began = monotonic_ns();
        for _ in 0..count {
            let since = monotonic_ns();
            drop(producer.send_async(self.message().persistent(false)).await?);
            assert!(replies.receive(SOON).await?.is_some(), "no answer");
            took_ns.push(monotonic_ns() - since);
        }
        finish(done, began);
        took_ns.sort_unstable();
        done["p50_us"] = json!(took_ns[took_ns.len() / 2] / 1000);
        done["p99_us"] = json!(took_ns[took_ns.len() * 99 / 100] / 1000);
        echoing.abort();
        replies.close().await?;
        other.close().await
    }
}

fn finish(done: &mut Value, began_ns: u64) {
    done["seconds"] = json!((monotonic_ns() - began_ns) as f64 / 1e9);
}

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading any more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
