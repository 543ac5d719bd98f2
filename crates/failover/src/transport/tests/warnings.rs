//! What a log says of an outage.

use std::fmt::Debug;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use super::*;

/// Keeps what is warned of: the number of rounds, and the last error.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u64, String)>>>);

#[derive(Default)]
struct Fields {
    rounds: Option<u64>,
    last_error: String,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rounds" {
            self.rounds = Some(value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "last_error" {
            value.clone_into(&mut self.last_error);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(rounds) = fields.rounds {
            self.0.lock().unwrap().push((rounds, fields.last_error));
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The rounds that are warned of, out of 25 that fail.
async fn warned_of(options: &str) -> Vec<u64> {
    let log = Log::default();
    // Where there is only one subscriber, a thread without one decides for all that nobody listens.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut net = Pipes::new();
    let (transport, _deliveries) =
        net.start(&format!("&useExponentialBackOff=false&maxReconnectAttempts=25{options}"));
    // Each broker of each round closes what is dialled at once.
    for _ in 0..50 {
        drop(net.dialled().await);
    }
    let pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    within(pending).await.unwrap_err();
    let log = log.0.lock().unwrap();
    assert!(
        log.iter().all(|(_, error)| error.starts_with("tcp://b:1: handshake failed")),
        "{log:?}"
    );
    log.iter().map(|(rounds, _)| *rounds).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_failed_round_and_each_tenth_are_warned_of_and_the_last_is_the_end() {
    assert_eq!(warned_of("").await, [1, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn how_often_is_said_by_an_option_and_zero_is_silence() {
    assert_eq!(warned_of("&warnAfterReconnectAttempts=8").await, [1, 8, 16, 24]);
    assert_eq!(warned_of("&warnAfterReconnectAttempts=1").await, (1..25).collect::<Vec<_>>());
    assert!(warned_of("&warnAfterReconnectAttempts=0").await.is_empty());
    assert!(warned_of("&warnAfterReconnectAttempts=-3").await.is_empty());
}
