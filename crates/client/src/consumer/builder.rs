//! `ConsumerBuilder`: what to consume, and how much at once; awaitable.

use std::pin::Pin;
use std::sync::Arc;

use rewire_protocol::{ConsumerId, ConsumerInfo, Destination, Str};

use super::buffer::Buffer;
use super::core::AckCore;
use super::{Consumer, ConsumerShared};
use crate::connection::router::RouteChange;
use crate::error::{Error, Result};
use crate::options::{ConsumerOptions, MOST_PREFETCH, RedeliveryPolicy, split_options};
use crate::session::{AckMode, SessionShared};
use crate::telemetry::Meter;

/// Describes a consumer. From [`Session::consumer`](crate::Session::consumer); await it.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is awaited"]
pub struct ConsumerBuilder {
    session: Arc<SessionShared>,
    destination: Destination,
    /// What the destination's name says, or that it cannot be read.
    said: Result<ConsumerOptions>,
    selector: Option<String>,
    prefetch: Option<u32>,
    durable: Option<String>,
    is_browser: bool,
    exclusive: Option<bool>,
    no_local: Option<bool>,
    retroactive: Option<bool>,
    priority: Option<i8>,
    redelivery: RedeliveryPolicy,
    non_blocking_redelivery: bool,
}

impl ConsumerBuilder {
    pub(crate) fn new(session: Arc<SessionShared>, destination: Destination) -> Self {
        let (destination, query) = split_options(destination);
        let said =
            query.map_or_else(|| Ok(ConsumerOptions::default()), |q| ConsumerOptions::read(&q));
        let options = &session.connection.options;
        let (redelivery, non_blocking_redelivery) =
            (options.redelivery_policy, options.non_blocking_redelivery);
        Self {
            session,
            destination,
            said,
            selector: None,
            prefetch: None,
            durable: None,
            is_browser: false,
            exclusive: None,
            no_local: None,
            retroactive: None,
            priority: None,
            redelivery,
            non_blocking_redelivery,
        }
    }

    /// Takes only messages that this JMS selector matches, such as `region = 'eu'`.
    pub fn selector(mut self, selector: impl Into<String>) -> Self {
        self.selector = Some(selector.into());
        self
    }

    /// How many messages the broker may send ahead of acknowledgement, 0 to 32,767. By default what the
    /// connection's [`PrefetchPolicy`](crate::PrefetchPolicy) says: 1000 from a queue, 32,767 from a topic, 100
    /// for a durable subscription, 500 for a browser.
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
        self.exclusive = Some(true);
        self
    }

    /// Leaves out what this connection sends to the topic.
    pub const fn no_local(mut self) -> Self {
        self.no_local = Some(true);
        self
    }

    /// Asks for what was sent to the topic before, if the broker has kept some of it.
    pub const fn retroactive(mut self) -> Self {
        self.retroactive = Some(true);
        self
    }

    /// Sets whom the broker serves first among a queue's consumers: those with a higher number, as long as
    /// their prefetch is not used up. 0 by default.
    pub const fn priority(mut self, priority: i8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Sets what becomes of messages that are rolled back, recovered or dropped. By default what the
    /// connection's options say.
    pub const fn redelivery(mut self, policy: RedeliveryPolicy) -> Self {
        self.redelivery = policy;
        self
    }

    /// Whether what is delivered again leaves what came after it alone, and comes last. By default what the
    /// connection's options say, which is that it does not: the order is kept.
    pub const fn non_blocking_redelivery(mut self, is_so: bool) -> Self {
        self.non_blocking_redelivery = is_so;
        self
    }

    fn prefetch_size(&self, said: &ConsumerOptions) -> u32 {
        let options = &self.session.connection.options;
        let policy = &options.prefetch_policy;
        match (self.prefetch, said.prefetch) {
            (Some(prefetch), _) | (None, Some(prefetch)) => prefetch,
            _ if self.is_browser => policy.queue_browser_prefetch,
            _ if self.durable.is_some() && options.optimize_acknowledge => {
                policy.optimize_durable_topic_prefetch
            }
            _ if self.durable.is_some() => policy.durable_topic_prefetch,
            _ if self.destination.kind.is_queue() => policy.queue_prefetch,
            _ => policy.topic_prefetch,
        }
    }

    fn check(&self, prefetch: u32) -> Result<()> {
        if prefetch > MOST_PREFETCH {
            return Err(Error::misuse("a prefetch is from 0 to 32,767"));
        }
        if self.is_browser && prefetch == 0 {
            return Err(Error::misuse("a browser's prefetch is from 1 to 32,767"));
        }
        if self.is_browser && !self.destination.kind.is_queue() {
            return Err(Error::misuse("only a queue can be browsed"));
        }
        if self.durable.is_some() && self.destination.kind.is_queue() {
            return Err(Error::misuse("a durable subscription is to a topic, not to a queue"));
        }
        if self.durable.is_some() && self.session.connection.client_id.is_none() {
            return Err(Error::misuse("a durable subscription needs a client id"));
        }
        Ok(())
    }

    fn info(&self, id: ConsumerId, said: &ConsumerOptions, prefetch: u32) -> ConsumerInfo {
        let options = &self.session.connection.options;
        let or = |own: Option<bool>, said: Option<bool>, default| own.or(said).unwrap_or(default);
        let limit = said
            .maximum_pending_message_limit
            .unwrap_or(options.prefetch_policy.maximum_pending_message_limit);
        let retroactive = options.use_retroactive_consumer;
        ConsumerInfo {
            consumer_id: Some(id),
            destination: Some(self.destination.clone()),
            prefetch_size: i32::try_from(prefetch).unwrap_or(i32::MAX),
            maximum_pending_message_limit: i32::try_from(limit).unwrap_or(i32::MAX),
            browser: self.is_browser,
            dispatch_async: said.dispatch_async.unwrap_or(options.dispatch_async),
            selector: self.selector.clone().or_else(|| said.selector.clone()).map(Str::from),
            subscription_name: self.durable.clone().map(Str::from),
            no_local: or(self.no_local, said.no_local, false),
            exclusive: or(self.exclusive, said.exclusive, options.exclusive_consumer),
            retroactive: or(self.retroactive, said.retroactive, retroactive),
            priority: self.priority.or(said.priority).unwrap_or(0),
            optimized_acknowledge: self.is_optimized(),
            ..ConsumerInfo::default()
        }
    }

    /// Whether it acknowledges many messages at once though its session acknowledges each.
    fn is_optimized(&self) -> bool {
        let is_on = self.session.connection.options.optimize_acknowledge;
        is_on && self.session.mode == AckMode::Auto && !self.is_browser
    }

    async fn open(self) -> Result<Consumer> {
        let said = self.said.clone()?;
        let prefetch = self.prefetch_size(&said);
        self.check(prefetch)?;
        let id = self.session.next_consumer_id();
        let comes_again = self.destination.kind.is_queue() || self.durable.is_some();
        let info = self.info(id.clone(), &said, prefetch);
        let acks = match (self.session.mode, self.is_optimized()) {
            (_, true) => AckCore::optimized(),
            (mode, false) => AckCore::new(mode),
        };
        let buffer = Buffer::new(self.destination.clone(), prefetch, comes_again);
        let buffer = Arc::new(buffer.redelivering_as_last(self.non_blocking_redelivery));
        let shared = ConsumerShared {
            session: self.session,
            id: id.clone(),
            meter: Meter::new(Some(self.destination.clone())),
            destination: self.destination,
            redelivery: self.redelivery,
            buffer: buffer.clone(),
        };
        let connection = shared.session.connection.clone();
        // First the route: the broker may dispatch before it answers. Made here, the consumer is also
        // removed if this future is dropped.
        let add = RouteChange::Add(id, buffer.clone());
        connection.routes.send(add).await.map_err(|_| Error::closed())?;
        let mut consumer = Consumer::new(Arc::new(shared), acks);
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
