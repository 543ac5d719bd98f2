//! Shows what happens to the connection while something is sent each second, five times; kill the broker
//! meanwhile, and start it again.
//!
//! `cargo run -p rewire-examples --example failover_events -- 'failover:(tcp://localhost:61616)'`

use std::time::Duration;

use rewire::{Connection, Event, Queue, Result};
use tokio::time::interval;

#[tokio::main]
async fn main() -> Result<()> {
    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let connection = Connection::builder(uri).listener(show).await?;
    let session = connection.session().await?;
    let producer = session.producer(&Queue::new("TICKS")).await?;
    let mut second = interval(Duration::from_secs(1));
    for n in 0..5 {
        second.tick().await;
        producer.send(format!("tick {n}")).await?; // waits out a failover
    }
    let stats = connection.stats();
    println!("{} confirmed, {} interruptions", stats.requests_confirmed, stats.interruptions);
    connection.close().await
}

/// Called for each event, from the first attempt on.
fn show(event: Event) {
    match event {
        Event::Interrupted { broker, cause } => println!("lost {broker}: {cause}"),
        Event::Resumed { broker, outage, .. } => println!("on {broker} after {outage:?}"),
        // The whole story of it: each attempt, and what it spent its time on.
        Event::Incident(incident) => println!("{incident}"),
        Event::GaveUp(reason) => println!("{reason}"),
        _ => {}
    }
}
