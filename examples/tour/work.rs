//! What the clients of the tour do: ordinary producers and consumers, nothing of them knows of failures.

use std::sync::Arc;
use std::time::Duration;

use rewire::{AckMode, Connection, Message, Primitive, Queue, Result};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::ledger::{Ledger, Order};

pub(crate) const QUEUE: &str = "ORDERS";
/// How often a producer sends.
const PACE: Duration = Duration::from_millis(5);

/// Sends an order every few milliseconds, each when the one before is confirmed.
pub(crate) async fn produce(
    uri: String,
    name: String,
    producer: usize,
    ledger: Arc<Ledger>,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let connection = Connection::builder(&uri).client_id(name).await?;
    let session = connection.session().await?;
    let orders = session.producer(&Queue::new(QUEUE)).await?;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_i64.. {
        if *stop.borrow() {
            break;
        }
        pace.tick().await;
        let order = Order { producer, number };
        let message = Message::text("12 anvils")
            .property("producer", i64::try_from(producer).unwrap_or_default())
            .property("number", number);
        ledger.on_sent();
        let since = Instant::now();
        match orders.send(message).await {
            Ok(_) => ledger.on_confirmed(order, since.elapsed()),
            Err(error) => ledger.on_failed(&error.to_string()),
        }
    }
    connection.close().await
}

/// Takes orders and acknowledges each when it is written down.
pub(crate) async fn consume(
    uri: String,
    name: String,
    ledger: Arc<Ledger>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let connection = Connection::builder(&uri).client_id(name).await?;
    let session = connection.session().ack(AckMode::Individual).await?;
    let mut orders = session.consumer(&Queue::new(QUEUE)).prefetch(50).await?;
    loop {
        let delivery = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            delivery = orders.next() => delivery.transpose()?,
        };
        let Some(delivery) = delivery else { break };
        let number = |name| match delivery.message().property_value(name) {
            Ok(Some(Primitive::Long(number))) => number,
            _ => -1,
        };
        let producer = usize::try_from(number("producer")).unwrap_or(usize::MAX);
        ledger.on_received(Order { producer, number: number("number") });
        // If the broker is gone meanwhile the order comes again, and is counted as a duplicate.
        delivery.ack().await?;
    }
    connection.close().await
}
