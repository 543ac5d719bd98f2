//! A real ActiveMQ is held (SIGSTOP): its connections stay, and it says no more.

use std::time::{Duration, Instant};

use rewire::{Connection, Event, Message, Queue};
use rewire_test_support::ActiveMq;
use tokio::task::JoinSet;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

/// The least time of three that a held broker went unnoticed after the client had been idle for `idle`, or one
/// that is less than `enough`: a machine that has other things to do can only make it longer.
async fn least_unnoticed(options: &str, idle: Duration, enough: Duration) -> (Duration, String) {
    let mut least = unnoticed(options, idle).await;
    for _ in 1..3 {
        if least.0 >= enough {
            least = least.min(unnoticed(options, idle).await);
        }
    }
    least
}

async fn unnoticed(options: &str, idle: Duration) -> (Duration, String) {
    let mut broker = ActiveMq::start();
    let uri = format!("failover:({})?{options}", broker.uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let mut events = connection.events();
    assert!(timeout(idle, events.next()).await.is_err(), "nothing happens");
    broker.pause();
    let held = now();
    let cause = loop {
        let event = timeout(SOON, events.next()).await.expect("it is noticed").unwrap();
        if let Event::Interrupted { cause, .. } = event {
            break cause.to_string();
        }
    };
    (held.elapsed(), cause)
}

#[expect(clippy::disallowed_methods, reason = "it is real time that is measured")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_held_broker_is_noticed_within_300_ms_by_a_detect_timeout_of_200() {
    // Not only after silence: also in the middle of what the handshake has begun.
    for idle in [50, 1000] {
        let (idle, aim) = (Duration::from_millis(idle), Duration::from_millis(300));
        let (after, cause) = least_unnoticed("detectTimeout=200", idle, aim).await;
        assert!(cause.contains("detectTimeout"), "{cause}");
        assert!(after < aim, "noticed after {after:?}");
    }
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_held_broker_is_noticed_when_the_inactivity_time_is_over() {
    for idle in [50, 3000] {
        let options = "nested.wireFormat.maxInactivityDuration=2000";
        let (idle, aim) = (Duration::from_millis(idle), Duration::from_millis(2100));
        let (after, cause) = least_unnoticed(options, idle, aim).await;
        assert!(cause.contains("maxInactivityDuration"), "{cause}");
        assert!(after < aim, "noticed after {after:?}");
    }
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn an_idle_broker_answers_when_asked_in_every_version_and_before_there_is_a_connection() {
    let (used, spare) = (ActiveMq::start(), ActiveMq::start());
    for version in [1, 2, 5, 6, 9, 10, 11, 12] {
        // Nothing is said but what is asked for: the brokers' own signs of life come after ten seconds.
        let uri = format!(
            "failover:({},{})?randomize=false&backup=true&detectTimeout=600\
             &nested.wireFormat.version={version}",
            used.uri(),
            spare.uri()
        );
        let connection = Connection::builder(&uri).await.unwrap();
        let mut events = connection.events();
        let until = tokio::time::Instant::now() + Duration::from_millis(2500);
        while let Ok(event) = tokio::time::timeout_at(until, events.next()).await {
            assert!(
                matches!(event, Some(Event::StandbyReady { .. })),
                "version {version}: {event:?}"
            );
        }
        let stats = connection.stats();
        assert_eq!((stats.standbys_ready, stats.standbys_made), (1, 1), "version {version}");
        connection.close().await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_broker_that_holds_up_a_producer_for_want_of_room_is_not_taken_for_silent() {
    const MESSAGES: i64 = 3000;
    let mut broker = ActiveMq::options().memory_mib(1).start();
    let uri = format!("failover:({})?detectTimeout=600", broker.uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let mut events = connection.events();
    let queue = Queue::new("FULL");
    let session = connection.session().await.unwrap();
    let producer = session.producer(&queue).await.unwrap();
    let sender = tokio::spawn(async move {
        let message = || Message::bytes(vec![0; 4 << 10]).persistent(false);
        for _ in 1..MESSAGES {
            drop(producer.send_async(message()).await?);
        }
        producer.send(message()).await
    });
    // The broker's own signs of life come after ten seconds.
    let held_up = timeout(Duration::from_secs(8), events.next()).await;
    assert!(held_up.is_err(), "{held_up:?}");
    assert!(!sender.is_finished());
    let stored = broker.queue("FULL").size;
    assert!((1..MESSAGES).contains(&stored), "{stored}");

    let other = Connection::builder(&format!("failover:({})", broker.uri())).await.unwrap();
    let mut consumer = other.session().await.unwrap().consumer(&queue).await.unwrap();
    for number in 0..MESSAGES {
        let message = timeout(SOON, consumer.next()).await;
        assert!(matches!(message, Ok(Some(Ok(_)))), "{number}: {message:?}");
    }
    timeout(SOON, sender).await.unwrap().unwrap().unwrap();
    assert_eq!(connection.stats().interruptions, 0);
}

#[tokio::test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_broker_under_full_load_is_not_taken_for_silent_and_when_held_is_missed_all_the_same() {
    let mut broker = ActiveMq::start();
    let uri = format!("failover:({})?detectTimeout=1000", broker.uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let mut events = connection.events();
    let mut senders = JoinSet::new();
    for n in 0..4 {
        let session = connection.session().await.unwrap();
        let producer = session.producer(&Queue::new(&format!("LOAD.{n}"))).await.unwrap();
        senders.spawn(async move {
            loop {
                let message = Message::bytes(vec![0; 16 << 10]).persistent(false);
                if producer.enqueue(message).await.is_err() {
                    break;
                }
            }
        });
    }
    // A JVM that warms up under this load is silent for 200 ms now and then.
    let early = timeout(Duration::from_secs(5), events.next()).await;
    assert!(early.is_err(), "{early:?}");
    broker.pause();
    let held = now();
    let event = timeout(SOON, events.next()).await.expect("it is noticed");
    let after = held.elapsed();
    assert!(matches!(event, Some(Event::Interrupted { .. })), "{event:?}");
    assert!(after < Duration::from_millis(1500), "noticed after {after:?}");
    senders.shutdown().await;
}
