//! Rewire: a messaging client for ActiveMQ that keeps producers and consumers working while brokers
//! die, restart and move.
//!
//! Give [`Connection::builder`] a `failover:` URI, make a [`Session`], and from it a [`Producer`] or a
//! [`Consumer`]. What a broker has to know of them is told again to each broker that takes over.
//!
//! ```no_run
//! use rewire::{AckMode, Connection, Message, Queue};
//!
//! # async fn example() -> rewire::Result<()> {
//! let connection = Connection::builder("failover:(tcp://a:61616,tcp://b:61616)?randomize=false")
//!     .client_id("billing")
//!     .await?;
//! let orders = Queue::new("ORDERS");
//! let session = connection.session().ack(AckMode::Individual).await?;
//!
//! let producer = session.producer(&orders).await?;
//! producer.send(Message::text("12 anvils").property("region", "eu")).await?; // a broker has it
//!
//! let mut consumer = session.consumer(&orders).selector("region = 'eu'").prefetch(100).await?;
//! while let Some(delivery) = consumer.next().await.transpose()? {
//!     println!("{:?}", delivery.message().body_text()?);
//!     delivery.ack().await?;
//! }
//! connection.close().await
//! # }
//! ```
//!
//! The rest of this page goes through it from the beginning. Coming from Java? `docs/coming-from-java.md` in the
//! repository has JMS programs and ours side by side.
//!
//! # Connect
//!
//! A builder is awaited, and waits until a broker is there: with `failover:` for as long as the URI allows, which by
//! default is for ever; with `tcp:` alone for one attempt. Every option of Java's failover transport is known, and one
//! that is not is an error that names it.
//!
//! ```no_run
//! use rewire::{Connection, Event};
//!
//! # async fn example() -> rewire::Result<()> {
//! let connection = Connection::builder(
//!     "failover:(tcp://a:61616,tcp://b:61616)?timeout=3000&startupMaxReconnectAttempts=5",
//! )
//! .credentials("billing", "secret")
//! .listener(|event| {
//!     if let Event::Interrupted { broker, cause } = event {
//!         eprintln!("lost {broker}: {cause}");
//!     }
//! })
//! .await?;
//! let same = connection.clone(); // cheap: another handle on it
//! # drop(same); Ok(()) }
//! ```
//!
//! `ssl:` brokers need [`ConnectionBuilder::tls`] only where the platform's authorities are not enough. Passwords that
//! change come from a [`CredentialsProvider`], which is asked on every attempt.
//!
//! With the feature `serde` a configuration file can hold the URI ([`uri::FailoverUri`], as text or as a table) and
//! the [`ConnectionOptions`]. Passwords are read and never written.
//!
//! # Send
//!
//! Three ways, by how much is waited for; all keep their order:
//!
//! ```no_run
//! # use rewire::{Message, Producer};
//! # async fn example(producer: Producer) -> rewire::Result<()> {
//! // Until a broker has it, through any number of failovers.
//! let id = producer.send("12 anvils").await?;
//!
//! // Until it is queued; the receipt says later that a broker has it. This is the fast way that loses nothing.
//! let receipt = producer.enqueue(Message::text("13 anvils").priority(7)).await?;
//! receipt.await?;
//!
//! // Until it is queued, and no more: what has left when a broker dies is lost.
//! producer.send_async(Message::text("14 anvils").persistent(false)).await?;
//! # drop(id); Ok(()) }
//! ```
//!
//! Each message has exactly one outcome: confirmed, not sent, or in doubt. Messages are persistent unless they say
//! otherwise; [`Message`] has properties, headers, and bodies that are text, bytes, maps or streams.
//!
//! # Receive
//!
//! A [`Consumer`] is a `Stream`, and begins when it is made. When a message counts as done is up to the session:
//!
//! | [`AckMode`] | done is | after a failover comes again |
//! | --- | --- | --- |
//! | [`Auto`](AckMode::Auto) | what was handed out when the next is asked for | at most the last few |
//! | [`DupsOk`](AckMode::DupsOk) | the same, told the broker late and many at once | up to some hundred |
//! | [`Individual`](AckMode::Individual) | each that [`Delivery::ack`] was called on | what was not acknowledged |
//! | [`Client`](AckMode::Client) | all so far, when it is called on one | what was not acknowledged |
//!
//! A durable subscription keeps a topic's messages while nobody is there; a browser looks and takes nothing:
//!
//! ```no_run
//! # use rewire::{Queue, Session, Topic};
//! # async fn example(session: Session) -> rewire::Result<()> {
//! let prices = session.consumer(&Topic::new("PRICES")).durable("prices").await?;
//! let mut waiting = session.consumer(&Queue::new("ORDERS")).browse().await?;
//! while let Some(seen) = waiting.next().await.transpose()? {
//!     println!("{:?}", seen.message().body_text()?);
//! }
//! # drop(prices); Ok(()) }
//! ```
//!
//! # Ask
//!
//! [`Session::requester`] sends questions and waits for their answers on a temporary queue:
//!
//! ```no_run
//! # use std::time::Duration;
//! # async fn example(session: rewire::Session) -> rewire::Result<()> {
//! let mut prices = session.requester(&rewire::Queue::new("PRICES")).await?;
//! let answer = prices.request("12 anvils?", Duration::from_secs(5)).await?;
//! # drop(answer); Ok(()) }
//! ```
//!
//! # All or nothing
//!
//! What a [`TransactedSession`] sends and receives counts when its commit has succeeded. A commit whose broker died has
//! a name, [`ErrorKind::InDoubt`]; one that was not done too, [`ErrorKind::RolledBack`]:
//!
//! ```no_run
//! # use rewire::{Connection, ErrorKind, Queue};
//! # async fn example(connection: Connection) -> rewire::Result<()> {
//! let session = connection.transacted_session().await?;
//! let producer = session.producer(&Queue::new("PACKED")).await?;
//! producer.send("a parcel of 12 anvils").await?;
//! match session.commit().await {
//!     Ok(()) => {}
//!     Err(error) if error.kind() == ErrorKind::RolledBack => {} // nothing was done: do it again
//!     Err(error) => return Err(error),
//! }
//! # Ok(()) }
//! ```
//!
//! # What a failover does
//!
//! - A [`send`](Producer::send) that waits for its answer goes on waiting, and is sent again to the next
//!   broker. A broker that keeps its store recognises what it has already.
//! - What a consumer was sent and has not acknowledged comes again. What it had been sent and not handed
//!   out yet is dropped first. So a message may come twice, and then says so:
//!   [`Delivery::is_redelivered`], as far as the broker and the consumer know.
//! - A [`TransactedSession`] that has only sent goes on; one that has received is rolled back, and says so.
//! - Only what is in doubt at the very end is reported so: [`ErrorKind::InDoubt`].
//! - Why it took as long as it did says [`Event::Incident`], one record each time; printed, it is a text.
//!   [`Connection::stats`] has the numbers.
//!
//! # See what happens
//!
//! Each operation is a `tracing` span with the fields that OpenTelemetry's conventions for messaging ask for
//! (`messaging.system`, which is `activemq`, `messaging.operation.name`, `messaging.destination.name`,
//! `messaging.message.id`, `error.type`, the kind of the [`Error`]), and those that `tracing-opentelemetry` reads:
//! `otel.name`, `otel.kind`, `otel.status_code`. They cost next to nothing while nobody listens.
//!
//! | span | level | from, to |
//! | --- | --- | --- |
//! | `connect` | info | a builder is awaited, a broker has consented |
//! | `failover` | info | a link is lost, all is restored: with the broker, the cause, the attempts and the outage |
//! | `send`, `enqueue`, `send_async` | debug | the call, its outcome: that of a receipt too |
//! | `receive` | debug | somebody waits for a message, it is handed out |
//! | `ack` | debug | a delivery is acknowledged by the application |
//! | `commit`, `rollback` | info | the call, its outcome |
//!
//! With the feature `metrics` numbers go to whatever collector the program has installed for the facade crate of that
//! name, before it makes its connection:
//!
//! | name | counts |
//! | --- | --- |
//! | `messaging.client.sent.messages` | messages sent, in whatever way, with `error.type` those that failed |
//! | `messaging.client.consumed.messages` | messages handed out |
//! | `messaging.client.operation.duration` | seconds of each operation above |
//! | `rewire.connection.interruptions` | links that were lost, by `server.address` and `server.port` |
//! | `rewire.connection.outage.duration` | seconds until there was a link again, by the broker it leads to |
//!
//! Their labels are `messaging.system`, `messaging.operation.name`, `messaging.operation.type` and
//! `messaging.destination.name`; temporary destinations are all one, `messaging.destination.temporary`, and an
//! anonymous producer names none. `examples/observe.rs` shows both. Neither holds a password, a body or a property.

mod advisory;
mod connection;
mod consumer;
mod delivery;
mod destination;
mod error;
mod message;
mod options;
mod producer;
mod requester;
mod session;
mod telemetry;
mod temporary;
mod transaction;

pub use advisory::{Advisories, Advisory, AdvisoryEvent, AdvisoryKind, MessageFate};
pub use connection::{Connection, ConnectionBuilder, Events};
pub use consumer::{Consumer, ConsumerBuilder};
pub use delivery::{AckOutcome, Delivery};
pub use destination::{Queue, ToDestination, Topic, parse_destination};
pub use error::{Error, ErrorKind, Result};
pub use message::Message;
pub use options::{ConnectionOptions, PrefetchPolicy, RedeliveryPolicy};
pub use producer::{AnonymousProducer, Producer, Receipt, Transmission};
pub use requester::Requester;
pub use rewire_failover::core::{
    AttemptEnd, AttemptRecord, BrokerSource, Cause, DialTimes, Event, Failures, Incident,
    IncidentEnd, KnownBroker, LinkId, MoveReason, Replayed, Stats, Topology,
};
#[cfg(feature = "tls")]
pub use rewire_failover::transport::{Pem, TlsOptions};
pub use rewire_failover::uri;
pub use rewire_failover::{
    Credentials, CredentialsProvider, DialError, GaveUp, LostReason, Noticed, ProviderError,
    Providing,
};
pub use rewire_protocol::{
    Body, BytesReader, BytesWriter, ConversionError, Destination, MessageId, Primitive,
    PrimitiveMap, Str, StreamError, StreamReader, Throwable,
};
pub use session::{AckMode, Session, SessionBuilder};
pub use temporary::{TemporaryQueue, TemporaryTopic};
pub use transaction::{TransactedSession, Vote, XaSession, Xid};

#[cfg(test)]
mod tests;
