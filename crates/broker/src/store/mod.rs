//! What survives a broker, and where it is kept.
//!
//! The core says what is to be written; whoever owns it hands the writes to a [`Store`] and tells the
//! core when they are safe. `DiskStore` keeps them on a disk. [`MemoryStore`] is the twin for tests: it outlives its broker, not its
//! process.

#[cfg(feature = "redb")]
mod disk;
#[cfg(feature = "redb")]
mod format;
mod memory;

use std::fmt;
use std::sync::Arc;

use rewire_protocol::{Destination, Message, ProducerId, Str, SubscriptionInfo, XaTransactionId};

#[cfg(feature = "redb")]
pub use self::disk::DiskStore;
pub use self::memory::MemoryStore;
use crate::core::{ProducerAudit, body_bytes};

/// Names a durable subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey {
    /// The client id it belongs to.
    pub client_id: Str,
    /// Its name.
    pub name: Str,
}

/// Where a stored message waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a queue.
    Queue(Destination),
    /// For a durable subscription.
    Subscription(SubscriptionKey),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(queue) => queue.fmt(f),
            Self::Subscription(SubscriptionKey { client_id, name }) => {
                write!(f, "the durable subscription {name} of {client_id}")
            }
        }
    }
}

/// One change of what is stored.
#[derive(Clone, Debug)]
pub enum StoreWrite {
    /// A queue comes into being.
    CreateQueue(Destination),
    /// A queue ends, with all its messages.
    DeleteQueue(Destination),
    /// A message waits somewhere.
    Add {
        /// Where.
        place: Place,
        /// Its number at the broker.
        sequence: u64,
        /// The message.
        message: Arc<Message>,
    },
    /// A message waits there no more.
    Remove {
        /// Where it waited.
        place: Place,
        /// Its number at the broker.
        sequence: u64,
    },
    /// A producer's message was taken in: when it comes again it is known.
    Sent {
        /// Who sent it.
        producer: ProducerId,
        /// Its number among those of its producer.
        sequence: i64,
    },
    /// A durable subscription begins, or changes.
    Subscribe(SubscriptionKey, Box<SubscriptionInfo>),
    /// A durable subscription ends, with all that waits for it.
    Unsubscribe(SubscriptionKey),
    /// A transaction is prepared: these writes are made when it commits.
    Prepare(Box<XaTransactionId>, Vec<Self>),
    /// A prepared transaction is decided: its writes are made, or forgotten.
    Settle {
        /// Which.
        transaction: Box<XaTransactionId>,
        /// Whether they are made.
        commit: bool,
    },
}

/// What is known of a stored message that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its number at the broker.
    pub sequence: u64,
    /// Its priority.
    pub priority: i8,
    /// When it expires, in milliseconds since 1970; 0 for never.
    pub expiration: i64,
    /// Bytes of its body and properties.
    pub bytes: usize,
}

impl StoredMessage {
    /// What is to be known of this message.
    #[must_use]
    pub fn of(sequence: u64, message: &Message) -> Self {
        let (priority, expiration) = (message.priority, message.expiration);
        Self { sequence, priority, expiration, bytes: body_bytes(message) }
    }
}

/// What a store held when it was opened.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The messages of each queue, by their numbers.
    pub queues: Vec<(Destination, Vec<StoredMessage>)>,
    /// The durable subscriptions, with what waits for each.
    pub subscriptions: Vec<(SubscriptionKey, SubscriptionInfo, Vec<StoredMessage>)>,
    /// What was taken in of each producer.
    pub producers: Vec<(ProducerId, ProducerAudit)>,
    /// Transactions that are prepared and not decided.
    pub prepared: Vec<(XaTransactionId, Vec<StoreWrite>)>,
    /// The messages that those take out of their places if they commit.
    pub taken: Vec<(Place, u64, Arc<Message>)>,
    /// The highest number a message has.
    pub sequence: u64,
}

/// A place where things survive a broker.
pub trait Store: Send + 'static {
    /// Reads all that is there, but for the messages themselves.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn recover(&mut self) -> Result<Recovered, StoreError>;

    /// Makes these batches of writes, each whole or not at all, in order. When it returns they are safe.
    ///
    /// # Errors
    ///
    /// When they may not be safe. The store is not used any more.
    fn write(&mut self, batches: Vec<Vec<StoreWrite>>) -> Result<(), StoreError>;

    /// Puts in order what was put off. Called when there is nothing to read or write.
    ///
    /// # Errors
    ///
    /// When what was written may not be safe. The store is not used any more.
    fn tidy(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Reads the messages of a place with these numbers. What was written before is seen.
    ///
    /// # Errors
    ///
    /// When they cannot be read. The store is not used any more.
    fn load(&mut self, place: &Place, sequences: &[u64]) -> Result<Loaded, StoreError>;
}

/// Messages that were asked for, in that order; none where there is no such message.
pub type Loaded = Vec<Option<Arc<Message>>>;

/// The messages that prepared transactions take out.
fn removals<'w>(
    prepared: impl IntoIterator<Item = &'w Vec<StoreWrite>>,
) -> impl Iterator<Item = (&'w Place, u64)> {
    prepared.into_iter().flatten().filter_map(|write| match write {
        StoreWrite::Remove { place, sequence } => Some((place, *sequence)),
        _ => None,
    })
}

/// Why a store cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);
