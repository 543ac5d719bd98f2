//! What operations leave behind: spans, and with the feature `metrics` numbers.

use std::io;
use std::sync::{Arc, Mutex};

use rewire_protocol::TransactionInfo;
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;

const PASSWORD: &str = "hunter2";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The line that tells of the end of the span of this name, the only one.
    fn span(&self, name: &str) -> String {
        let text = self.text();
        let start = format!(" {name}{{");
        let is_end = |line: &&str| line.contains(&start) && line.contains(": close");
        let lines: Vec<&str> = text.lines().filter(is_end).collect();
        assert_eq!(lines.len(), 1, "{name} in {text}");
        lines[0].to_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// One of each operation, against a broker that refuses what is enqueued, and a failover at the end.
async fn one_of_each() {
    let peer = Peer::start().await;
    let uri = format!("{}?jms.userName=u&jms.password={PASSWORD}", peer.uri());
    let (connection, session, mut broker) = session_at(&peer, &uri, AckMode::Individual).await;
    let queue = Queue::new("Q");
    let (producer, _) = tokio::join!(session.producer(&queue), broker.expect("ProducerInfo"));
    let producer = producer.unwrap();

    let (sent, _) = tokio::join!(producer.send("x"), broker.expect("ActiveMQTextMessage"));
    sent.unwrap();
    producer.send_async("y").await.unwrap().await.unwrap();
    broker.expect("ActiveMQTextMessage").await;
    let receipt = producer.enqueue("z").await.unwrap();
    let message = broker.command().await;
    broker.refuse(&message, "javax.jms.JMSException", "no").await;
    receipt.await.unwrap_err();

    let (mut consumer, id) = consumer(&session, &mut broker).await;
    broker.dispatch(&id, &[1]).await;
    let (_, delivery) = next(&mut consumer).await;
    delivery.ack().await.unwrap();
    ack(&mut broker).await;

    let opening = connection.transacted_session();
    let (transacted, _) = tokio::join!(opening, broker.expect("SessionInfo"));
    let transacted = transacted.unwrap();
    let opening = transacted.producer(&queue);
    let (in_transaction, _) = tokio::join!(opening, broker.expect("ProducerInfo"));
    drop(in_transaction.unwrap().send_async("in it").await.unwrap());
    let committing = async {
        loop {
            let command = broker.command().await;
            let Command::TransactionInfo(step) = &command else { continue };
            if step.transaction_type == TransactionInfo::COMMIT_ONE_PHASE {
                return broker.answer(&command).await;
            }
        }
    };
    let (committed, ()) = tokio::join!(transacted.commit(), committing);
    committed.unwrap();
    drop((consumer, producer, session, transacted));

    let mut events = connection.events();
    drop(broker);
    let resuming = async {
        let mut broker = peer.accept().await;
        while let Some(command) = broker.next_command().await {
            if command.is_response_required() {
                broker.answer(&command).await;
            }
        }
    };
    let watching = async {
        while !matches!(events.next().await, Some(crate::Event::Resumed { .. })) {}
        connection.close().await.unwrap();
    };
    timeout(DEADLINE, async { tokio::join!(resuming, watching) }).await.unwrap();
}

#[tokio::test]
async fn each_operation_is_a_span_under_opentelemetrys_names_and_holds_no_password() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // With one dispatcher alone, what a test in another thread comes by first is never told of in this one.
    let _other = Dispatch::new(NoSubscriber::new());
    let guard = tracing::subscriber::set_default(subscriber);
    one_of_each().await;
    drop(guard);

    for (name, kind) in [("send", "producer"), ("enqueue", "producer"), ("receive", "client")] {
        let span = log.span(name);
        assert!(span.contains(&format!("otel.kind=\"{kind}\"")), "{span}");
        assert!(span.contains(&format!("otel.name=\"{name} Q\"")), "{span}");
        assert!(span.contains("messaging.system=\"activemq\""), "{span}");
        assert!(span.contains(&format!("messaging.operation.name=\"{name}\"")), "{span}");
        assert!(span.contains("messaging.destination.name=Q "), "{span}");
        assert!(span.contains("messaging.message.id=ID:"), "{span}");
    }
    assert!(log.span("enqueue").contains("error.type=\"refused\""));
    assert!(!log.span("send").contains("error.type"));
    assert!(log.span("ack").contains("messaging.operation.type=\"settle\""));
    assert!(log.span("commit").contains("messaging.operation.name=\"commit\""));
    assert!(log.span("connect").contains("otel.name=\"connect\""));
    let failover = log.span("failover");
    assert!(failover.contains("broker=tcp://127.0.0.1:"), "{failover}");
    assert!(failover.contains("outage_ms="), "{failover}");
    assert!(!log.text().contains(PASSWORD));
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn each_operation_is_counted_and_timed_under_opentelemetrys_names() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let guard = metrics::set_default_local_recorder(&recorder);
    one_of_each().await;
    drop(guard);
    let numbers = recorder.handle().render();

    // The names as Prometheus can write them.
    let count = |name: &str, labels: &[(&str, &str)]| {
        let all = labels.iter().chain(&[("messaging_system", "activemq")]);
        let all: Vec<_> = all.map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let is_it = |line: &&str| {
            let Some(has) = line.strip_prefix(name).and_then(|line| line.strip_prefix('{')) else {
                return false;
            };
            let other = has.contains("error_type") && !all.iter().any(|l| l.contains("error_type"));
            !other && all.iter().all(|label| has.contains(label))
        };
        let lines: Vec<&str> = numbers.lines().filter(is_it).collect();
        assert_eq!(lines.len(), 1, "{name} {labels:?} in {numbers}");
        lines[0].rsplit(' ').next().unwrap().to_owned()
    };
    let of = |operation: &'static str| ("messaging_operation_name", operation);
    let (name, to) = ("messaging_client_sent_messages", ("messaging_destination_name", "Q"));
    assert_eq!(count(name, &[to, of("send")]), "1");
    // What nobody waits for counts too.
    assert_eq!(count(name, &[to, of("send_async")]), "2");
    assert_eq!(count(name, &[to, of("enqueue"), ("error_type", "refused")]), "1");
    assert_eq!(count("messaging_client_consumed_messages", &[to, of("receive")]), "1");
    let name = "messaging_client_operation_duration_count";
    for operation in ["send", "send_async", "receive", "ack"] {
        assert_eq!(count(name, &[to, of(operation)]), "1", "{operation}");
    }
    for operation in ["connect", "commit"] {
        assert_eq!(count(name, &[of(operation)]), "1", "{operation}");
    }
    let server = ("server_address", "127.0.0.1");
    assert_eq!(count("rewire_connection_interruptions", &[server]), "1");
    assert_eq!(count("rewire_connection_outage_duration_count", &[server]), "1");
    assert!(!numbers.contains(PASSWORD));
}
