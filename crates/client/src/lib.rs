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
pub use rewire_failover::{
    Credentials, CredentialsProvider, DialError, GaveUp, LostReason, Noticed, ProviderError,
    Providing,
};
pub use rewire_protocol::{
    Body, ConversionError, Destination, MessageId, Primitive, PrimitiveMap, Str, Throwable,
};
pub use session::{AckMode, Session, SessionBuilder};
pub use temporary::{TemporaryQueue, TemporaryTopic};
pub use transaction::{TransactedSession, Vote, XaSession, Xid};

#[cfg(test)]
mod tests;
