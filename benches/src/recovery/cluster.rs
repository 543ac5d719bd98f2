//! The two brokers of a side: one that the client is on, and the one it is to go to.

use std::time::Duration;

use rewire::{Connection, Queue};
use rewire_test_support::{ActiveMq, eventually, monotonic_ns};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Fault;
use super::side::SOON;
use crate::probe::Probe;
use crate::proc::is_stopped;

pub(super) struct Cluster {
    current: ActiveMq,
    other: ActiveMq,
    runtime: Runtime,
    feeder: Option<AbortHandle>,
}

impl Cluster {
    /// Messages that wait in a queue that is filled.
    pub(super) const FILLED: u64 = 2000;

    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let (current, other) = (ActiveMq::start(), ActiveMq::start());
        for broker in [&current, &other] {
            runtime.block_on(warm(&broker.uri()));
        }
        Self { current, other, runtime, feeder: None }
    }

    /// The `failover:` URI, the current broker first.
    pub(super) fn uri(&self, options: &str) -> String {
        let and = if options.is_empty() { "" } else { "&" };
        format!(
            "failover:({},{})?randomize=false{and}{options}",
            self.current.uri(),
            self.other.uri()
        )
    }

    pub(super) fn fill_current(&self, label: &str) {
        self.runtime.block_on(fill(&self.current.uri(), label));
    }

    pub(super) fn fill_other(&self, label: &str) {
        self.runtime.block_on(fill(&self.other.uri(), label));
    }

    /// Sends one message a millisecond to the current broker, until it is gone.
    pub(super) fn feed_current(&mut self, label: &str) {
        let (uri, label) = (self.current.uri(), label.to_owned());
        let feeder = self.runtime.spawn(async move {
            let (connection, producer) = producer(&uri, "RECOVERY").await;
            let mut tick = interval(Duration::from_millis(1));
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let message = rewire::Message::text(label.as_str()).persistent(false);
                if producer.send_async(message).await.is_err() {
                    break;
                }
            }
            drop(connection);
        });
        self.feeder = Some(feeder.abort_handle());
    }

    /// Waits until the client has its spare link to the other broker, if it keeps one.
    pub(super) fn wait_for_spare(&mut self, is_wanted: bool) {
        let other = &mut self.other;
        let wanted = u64::from(is_wanted);
        eventually(SOON, "the spare link and no other", || other.connections() == wanted);
    }

    /// Ends the current broker, and says when a bare socket saw it. Where none ever does, when the broker stood
    /// still.
    pub(super) fn end_current(&mut self, fault: Fault) -> u64 {
        let end = Probe::start(self.current.port());
        let end_ns = match fault {
            Fault::Kill => {
                self.current.kill();
                end.wait()
            }
            Fault::Stop => {
                self.current.pause();
                let pid = self.current.running().pid();
                eventually(SOON, "the broker is held", || is_stopped(pid));
                monotonic_ns()
            }
        };
        if let Some(feeder) = self.feeder.take() {
            feeder.abort();
        }
        end_ns
    }

    /// Starts the broker that is gone, or held, again: it is the other one now.
    pub(super) fn bring_back(&mut self) {
        self.current.restart();
        self.runtime.block_on(warm(&self.current.uri()));
        std::mem::swap(&mut self.current, &mut self.other);
    }
}

async fn producer(uri: &str, queue: &str) -> (Connection, rewire::Producer) {
    let once = format!("failover:({uri})?maxReconnectAttempts=0");
    let connection = Connection::builder(&once).await.expect("the broker is there");
    let session = connection.session().await.expect("the broker is there");
    let producer = session.producer(&Queue::new(queue)).await.expect("the broker is there");
    (connection, producer)
}

async fn fill(uri: &str, label: &str) {
    let (connection, producer) = producer(uri, "RECOVERY").await;
    let mut receipts = Vec::new();
    for _ in 0..Cluster::FILLED {
        let message = rewire::Message::text(label).persistent(false);
        receipts.push(producer.enqueue(message).await.expect("the message can be sent"));
    }
    for receipt in receipts {
        receipt.await.expect("the broker takes it");
    }
    connection.close().await.expect("the broker is there");
}

/// Some traffic, so that a broker's first steps are not what is measured: connections, and messages through the
/// queue that is used later, which is empty and there afterwards.
async fn warm(uri: &str) {
    for _ in 0..CONNECTIONS {
        let (connection, producer) = producer(uri, "RECOVERY").await;
        let session = connection.session().await.expect("the broker is there");
        let consumer = session.consumer(&Queue::new("RECOVERY")).await;
        let mut consumer = consumer.expect("the broker is there");
        for round in 0..MESSAGES {
            let message = rewire::Message::text("warm").persistent(round % 2 == 0);
            producer.send(message).await.expect("the broker takes it");
            let _acked_by_the_session =
                consumer.next().await.expect("a message").expect("a broker");
        }
        consumer.close().await.expect("the broker is there");
        connection.close().await.expect("the broker is there");
    }
}

/// Connections that warm a broker up, and messages over each.
const CONNECTIONS: usize = 10;
const MESSAGES: usize = 150;
