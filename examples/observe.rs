//! Shows what a collector of traces and one of numbers get to see of ten messages: each operation with its time,
//! and then all of them in numbers.
//!
//! `cargo run -p rewire-examples --example observe -- 'failover:(tcp://localhost:61616)'`

use metrics_exporter_prometheus::PrometheusBuilder;
use rewire::{AckMode, Connection, Queue, Result};
use tracing_subscriber::fmt::format::FmtSpan;

#[tokio::main]
async fn main() -> Result<()> {
    // What tells of the spans. A program that sends them elsewhere puts `tracing-opentelemetry` here.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .init();
    // What collects the numbers; installed first, so that it hears of all.
    let recorder = PrometheusBuilder::new().build_recorder();
    let numbers = recorder.handle();
    metrics::set_global_recorder(recorder).expect("no other is installed");

    let uri = std::env::args().nth(1);
    let uri = uri.as_deref().unwrap_or("failover:(tcp://localhost:61616)");
    let connection = Connection::builder(uri).await?;
    let session = connection.session().ack(AckMode::Individual).await?;
    let queue = Queue::new("OBSERVED");
    let producer = session.producer(&queue).await?;
    let mut consumer = session.consumer(&queue).await?;
    for n in 0..10 {
        producer.send(format!("order {n}")).await?;
        if let Some(delivery) = consumer.next().await.transpose()? {
            delivery.ack().await?;
        }
    }
    connection.close().await?;
    println!("{}", numbers.render()); // what Prometheus would fetch
    Ok(())
}
