//! The numbers, for whatever collector the program has installed: counters and durations.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Counter, Histogram, Label, Unit};
use rewire_failover::core::Event;
use rewire_failover::transport::FailoverTransport;
use rewire_protocol::Destination;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::{Meter, Operation, SYSTEM};
use crate::error::ErrorKind;

const SENT: &str = "messaging.client.sent.messages";
const CONSUMED: &str = "messaging.client.consumed.messages";
const DURATION: &str = "messaging.client.operation.duration";
const INTERRUPTIONS: &str = "rewire.connection.interruptions";
const OUTAGE: &str = "rewire.connection.outage.duration";

/// Of one [`Meter`]. What is counted often is asked of the collector once.
#[derive(Debug)]
pub(super) struct Numbers {
    labels: Vec<Label>,
    of: [OnceLock<Instruments>; Operation::COUNT],
}

#[derive(Debug)]
struct Instruments {
    messages: Counter,
    duration: Histogram,
}

impl Operation {
    const COUNT: usize = Self::Rollback as usize + 1;

    /// `messaging.operation.name` and, where there is one, `messaging.operation.type`.
    fn labels(self) -> Vec<Label> {
        let (name, kind) = match self {
            Self::Connect => ("connect", None),
            Self::Send => ("send", Some("send")),
            Self::Enqueue => ("enqueue", Some("send")),
            Self::SendAsync => ("send_async", Some("send")),
            Self::Receive => ("receive", Some("receive")),
            Self::Ack => ("ack", Some("settle")),
            Self::Commit => ("commit", None),
            Self::Rollback => ("rollback", None),
        };
        let mut labels = vec![Label::from_static_parts("messaging.operation.name", name)];
        labels.extend(kind.map(|kind| Label::from_static_parts("messaging.operation.type", kind)));
        labels
    }

    /// What counts the messages it is about.
    const fn messages(self) -> Option<&'static str> {
        match self {
            Self::Send | Self::Enqueue | Self::SendAsync => Some(SENT),
            Self::Receive => Some(CONSUMED),
            Self::Connect | Self::Ack | Self::Commit | Self::Rollback => None,
        }
    }
}

impl Numbers {
    pub(super) fn of(destination: Option<&Destination>) -> Self {
        let mut labels = vec![Label::from_static_parts("messaging.system", SYSTEM)];
        labels.extend(destination.map(|to| {
            // Their names never come again: a collector would keep one of each for ever.
            if to.kind.is_temporary() {
                Label::from_static_parts("messaging.destination.temporary", "true")
            } else {
                Label::new("messaging.destination.name", to.physical_name.to_string())
            }
        }));
        Self { labels, of: [const { OnceLock::new() }; Operation::COUNT] }
    }

    pub(super) fn count(&self, what: Operation) {
        self.instruments(what).messages.increment(1);
    }

    fn end(&self, what: Operation, failed: Option<ErrorKind>, took: Duration) {
        match failed {
            None => {
                let instruments = self.instruments(what);
                instruments.messages.increment(1);
                instruments.duration.record(took);
            }
            Some(kind) => {
                let failed = self.with(what, Some(kind));
                failed.messages.increment(1);
                failed.duration.record(took);
            }
        }
    }

    fn instruments(&self, what: Operation) -> &Instruments {
        self.of[what as usize].get_or_init(|| self.with(what, None))
    }

    fn with(&self, what: Operation, failed: Option<ErrorKind>) -> Instruments {
        let mut labels = self.labels.clone();
        labels.extend(what.labels());
        labels.extend(failed.map(|kind| Label::from_static_parts("error.type", kind.name())));
        let messages = match what.messages() {
            Some(name) => metrics::counter!(name, labels.clone()),
            None => Counter::noop(),
        };
        Instruments { messages, duration: metrics::histogram!(DURATION, labels) }
    }
}

/// Of one operation.
#[derive(Debug)]
pub(super) struct Watch {
    meter: Arc<Meter>,
    what: Operation,
    began: Instant,
    /// Whether its message is on its way, and nobody has heard what became of it.
    is_open: bool,
}

impl Watch {
    pub(super) fn start(meter: &Arc<Meter>, what: Operation) -> Self {
        Self { meter: meter.clone(), what, began: Instant::now(), is_open: false }
    }

    pub(super) const fn left(&mut self) {
        self.is_open = true;
    }

    pub(super) fn end(&mut self, failed: Option<ErrorKind>) {
        self.is_open = false;
        self.meter.numbers.end(self.what, failed, self.began.elapsed());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_open {
            self.meter.numbers.count(self.what);
        }
    }
}

/// Tells the collector what the numbers are.
pub(crate) fn describe() {
    metrics::describe_counter!(SENT, Unit::Count, "Messages a producer attempted to send");
    metrics::describe_counter!(CONSUMED, Unit::Count, "Messages handed to the application");
    metrics::describe_histogram!(DURATION, Unit::Seconds, "Duration of messaging operations");
    metrics::describe_counter!(INTERRUPTIONS, Unit::Count, "Links to brokers that were lost");
    metrics::describe_histogram!(OUTAGE, Unit::Seconds, "How long there was no link");
}

/// Counts what happens to a connection, for as long as it lasts.
pub(crate) fn count_events(transport: &FailoverTransport) {
    let mut events = transport.events();
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Ok(Event::Interrupted { broker, .. }) => {
                    metrics::counter!(INTERRUPTIONS, server(&broker)).increment(1);
                }
                Ok(Event::Resumed { broker, outage, .. }) => {
                    metrics::histogram!(OUTAGE, server(&broker)).record(outage);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
}

/// The labels of a broker, such as `tcp://a:61616`.
fn server(broker: &str) -> Vec<Label> {
    let address = broker.split_once("://").map_or(broker, |(_, address)| address);
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    vec![
        Label::from_static_parts("messaging.system", SYSTEM),
        Label::new("server.address", host.to_owned()),
        Label::new("server.port", port.to_owned()),
    ]
}
