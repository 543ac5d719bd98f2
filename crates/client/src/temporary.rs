//! Temporary queues and topics: destinations that end with whoever made them.

use std::fmt;
use std::sync::Arc;

use rewire_failover::core::Completion;
use rewire_protocol::{Destination, DestinationInfo, DestinationKind};

use crate::connection::Shared;
use crate::destination::ToDestination;
use crate::error::Result;

/// A queue that only this connection may consume from, and that ends when this value is dropped. From
/// [`Session::temporary_queue`](crate::Session::temporary_queue).
///
/// It is made again at each broker that takes over, empty: what was in it and not consumed is lost with
/// the broker that had it.
pub struct TemporaryQueue(Temporary);

/// A topic that only this connection may consume from, and that ends when this value is dropped. From
/// [`Session::temporary_topic`](crate::Session::temporary_topic).
///
/// It is made again at each broker that takes over.
pub struct TemporaryTopic(Temporary);

struct Temporary {
    connection: Arc<Shared>,
    destination: Destination,
    /// Whether a broker knows of it, so that it is to be removed there.
    is_declared: bool,
}

impl TemporaryQueue {
    pub(crate) async fn open(connection: Arc<Shared>) -> Result<Self> {
        Temporary::open(connection, DestinationKind::TempQueue).await.map(Self)
    }

    /// Removes it, and waits until the broker has heard of it. What is in it is lost.
    ///
    /// # Errors
    ///
    /// What the broker said: as long as something consumes from it, it stays. Consumers that were dropped before do
    /// not count.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on as if the queue were dropped.
    pub async fn delete(self) -> Result<()> {
        self.0.delete().await
    }
}

impl TemporaryTopic {
    pub(crate) async fn open(connection: Arc<Shared>) -> Result<Self> {
        Temporary::open(connection, DestinationKind::TempTopic).await.map(Self)
    }

    /// Removes it, and waits until the broker has heard of it.
    ///
    /// # Errors
    ///
    /// What the broker said: as long as something consumes from it, it stays. Consumers that were dropped before do
    /// not count.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it goes on as if the topic were dropped.
    pub async fn delete(self) -> Result<()> {
        self.0.delete().await
    }
}

impl ToDestination for TemporaryQueue {
    fn to_destination(&self) -> Destination {
        self.0.destination.clone()
    }
}

impl ToDestination for TemporaryTopic {
    fn to_destination(&self) -> Destination {
        self.0.destination.clone()
    }
}

impl Temporary {
    async fn open(connection: Arc<Shared>, kind: DestinationKind) -> Result<Self> {
        let destination = Destination { kind, physical_name: connection.next_temporary().into() };
        // Made first, it is also removed if this future is dropped.
        let mut temporary = Self { connection, destination, is_declared: false };
        let info = temporary.info(DestinationInfo::ADD);
        let Self { connection, is_declared, .. } = &mut temporary;
        connection.declare("the temporary destination", info, is_declared).await?;
        Ok(temporary)
    }

    async fn delete(mut self) -> Result<()> {
        let info = self.info(DestinationInfo::REMOVE);
        let Self { connection, is_declared, destination } = &mut self;
        connection.until_dropped_are_gone(destination).await;
        let what = "removing the temporary destination";
        connection.remove_declared(what, info.into(), is_declared).await
    }

    fn info(&self, operation_type: i8) -> DestinationInfo {
        DestinationInfo {
            connection_id: Some(self.connection.id.clone()),
            destination: Some(self.destination.clone()),
            operation_type,
            ..DestinationInfo::default()
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_declared {
            return;
        }
        let connection = self.connection.clone();
        let info = self.info(DestinationInfo::REMOVE).into();
        let destination = self.destination.clone();
        let runtime = connection.runtime.clone();
        drop(runtime.spawn(async move {
            connection.until_dropped_are_gone(&destination).await;
            let removed = connection.transport.submit(info, Completion::Answered, None).await;
            if let Err(cause) = removed.await {
                // As long as something consumes from it the broker keeps it, to the connection's end.
                tracing::debug!(%cause, "a temporary destination was not removed");
            }
        }));
    }
}

impl fmt::Debug for TemporaryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TemporaryQueue").field(&self.0.destination.to_string()).finish()
    }
}

impl fmt::Debug for TemporaryTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TemporaryTopic").field(&self.0.destination.to_string()).finish()
    }
}
