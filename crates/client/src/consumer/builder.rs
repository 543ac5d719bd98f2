//! `ConsumerBuilder`: what to consume, and how much at once; awaitable.

use std::pin::Pin;
use std::sync::Arc;

use rewire_protocol::{ConsumerInfo, Destination, Str};

use super::buffer::Buffer;
use super::{Consumer, ConsumerShared};
use crate::connection::router::RouteChange;
use crate::error::{Error, Result};
use crate::session::SessionShared;

/// Java's defaults: `ActiveMQPrefetchPolicy`.
const QUEUE_PREFETCH: u32 = 1000;
const BROWSER_PREFETCH: u32 = 500;
const DURABLE_PREFETCH: u32 = 100;
/// Also the most a prefetch may be.
const TOPIC_PREFETCH: u32 = 32_766;

/// Describes a consumer. From [`Session::consumer`](crate::Session::consumer); await it.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is awaited"]
pub struct ConsumerBuilder {
    session: Arc<SessionShared>,
    destination: Destination,
    selector: Option<String>,
    prefetch: Option<u32>,
    durable: Option<String>,
    is_browser: bool,
    is_exclusive: bool,
    no_local: bool,
}

impl ConsumerBuilder {
    pub(crate) const fn new(session: Arc<SessionShared>, destination: Destination) -> Self {
        Self {
            session,
            destination,
            selector: None,
            prefetch: None,
            durable: None,
            is_browser: false,
            is_exclusive: false,
            no_local: false,
        }
    }

    /// Takes only messages that this JMS selector matches, such as `region = 'eu'`.
    pub fn selector(mut self, selector: impl Into<String>) -> Self {
        self.selector = Some(selector.into());
        self
    }

    /// How many messages the broker may send ahead of acknowledgement, 0 to 32,766. By default 1000 from
    /// a queue, 32,766 from a topic, 100 for a durable subscription, 500 for a browser.
    ///
    /// With 0 the broker sends a message when one is asked for, and no other.
    pub const fn prefetch(mut self, prefetch: u32) -> Self {
        self.prefetch = Some(prefetch);
        self
    }

    /// Makes or takes up the durable subscription of this name: the broker keeps a topic's messages for
    /// it while nobody consumes. Needs a client id on the connection.
    pub fn durable(mut self, name: impl Into<String>) -> Self {
        self.durable = Some(name.into());
        self
    }

    /// Looks at a queue's messages and leaves them there; ends when it has seen all.
    pub const fn browse(mut self) -> Self {
        self.is_browser = true;
        self
    }

    /// Asks to be the queue's only consumer while it lasts.
    pub const fn exclusive(mut self) -> Self {
        self.is_exclusive = true;
        self
    }

    /// Leaves out what this connection sends to the topic.
    pub const fn no_local(mut self) -> Self {
        self.no_local = true;
        self
    }

    const fn prefetch_size(&self) -> u32 {
        match self.prefetch {
            Some(prefetch) => prefetch,
            None if self.is_browser => BROWSER_PREFETCH,
            None if self.durable.is_some() => DURABLE_PREFETCH,
            None if self.destination.kind.is_queue() => QUEUE_PREFETCH,
            None => TOPIC_PREFETCH,
        }
    }

    fn check(&self) -> Result<()> {
        if self.prefetch_size() > TOPIC_PREFETCH {
            return Err(Error::misuse("a prefetch is from 0 to 32,766"));
        }
        if self.is_browser && self.prefetch_size() == 0 {
            return Err(Error::misuse("a browser's prefetch is from 1 to 32,766"));
        }
        if self.is_browser && !self.destination.kind.is_queue() {
            return Err(Error::misuse("only a queue can be browsed"));
        }
        if self.durable.is_some() && self.destination.kind.is_queue() {
            return Err(Error::misuse("a durable subscription is to a topic, not to a queue"));
        }
        if self.durable.is_some() && !self.session.connection.has_client_id {
            return Err(Error::misuse("a durable subscription needs a client id"));
        }
        Ok(())
    }

    async fn open(self) -> Result<Consumer> {
        self.check()?;
        let prefetch = self.prefetch_size();
        let id = self.session.next_consumer_id();
        let comes_again = self.destination.kind.is_queue() || self.durable.is_some();
        let info = ConsumerInfo {
            consumer_id: Some(id.clone()),
            destination: Some(self.destination.clone()),
            prefetch_size: i32::try_from(prefetch).unwrap_or(i32::MAX),
            browser: self.is_browser,
            dispatch_async: true,
            selector: self.selector.map(Str::from),
            subscription_name: self.durable.map(Str::from),
            no_local: self.no_local,
            exclusive: self.is_exclusive,
            ..ConsumerInfo::default()
        };
        let buffer = Arc::new(Buffer::new(prefetch, comes_again));
        let shared = ConsumerShared {
            session: self.session,
            id: id.clone(),
            destination: self.destination,
            buffer: buffer.clone(),
        };
        let connection = shared.session.connection.clone();
        // First the route: the broker may dispatch before it answers. Made here, the consumer is also
        // removed if this future is dropped.
        let add = RouteChange::Add(id, buffer.clone());
        connection.routes.send(add).await.map_err(|_| Error::closed())?;
        let mut consumer = Consumer::new(Arc::new(shared));
        connection.declare("the consumer", info, &mut consumer.is_declared).await?;
        Ok(consumer)
    }
}

impl IntoFuture for ConsumerBuilder {
    type Output = Result<Consumer>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Waits until a broker has accepted the consumer.
    ///
    /// Fails with [`Misuse`](crate::ErrorKind::Misuse) for what cannot be, and with what the broker
    /// said: a selector it cannot read, a right that is missing. Dropped, the consumer is removed again.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
