//! The broker as a machine: one mutator, no clock, no socket, no disk.
//!
//! [`BrokerCore::handle`] takes what happened and says what to do. A command goes
//! `commands` (which it is) - a room below (what it does) - `outputs`. The rooms:
//! - `io`: what goes in and comes out; `config`: what is allowed; `error`: how a refusal is said;
//! - `rights`: who is let in, and who may do what; `policies`: how destinations behave;
//! - `registry`, `connect`: links, connections, sessions, producers; `consumers`: those that receive;
//! - `names`, `destinations`: queues and topics, wildcards and composites, temporary ones; `idle`: their end;
//! - `queue`, `groups`, `topic`, `subscription`, `reference`: what waits where, and for whom;
//! - `pages`, `loads`: what of it is in memory, and what is read from the store when its turn comes;
//! - `send`, `memory`, `dead`: a message on its way in, and out without a consumer;
//! - `acks`, `pull`: what consumers say and ask;
//! - `transactions`: what is done together or not at all;
//! - `durable`: subscriptions that outlive their consumers; `persist`: the store's side of it all;
//! - `peers`: what the [`cluster`](crate::cluster) hears of this broker's links, and says to them;
//! - `audit`: what is known of producers; `advisory`, `notices`: what is told of all this;
//! - `census`: what it holds; `report`: what is shown of it;
//! - `drill`: what only a test can do to it.

mod acks;
mod advisory;
mod audit;
mod census;
mod commands;
mod config;
mod connect;
mod consumers;
mod dead;
mod destinations;
#[cfg(feature = "testkit")]
mod drill;
mod durable;
mod error;
mod groups;
mod idle;
mod io;
mod keys;
mod loads;
mod memory;
mod names;
mod notices;
mod pages;
mod peers;
mod persist;
mod policies;
mod pull;
mod queue;
mod reference;
mod registry;
mod report;
mod rights;
mod send;
mod subscription;
mod timers;
mod topic;
mod transactions;

use std::collections::{BTreeMap, VecDeque, vec_deque};
use std::time::Instant;

use rewire_protocol::{Destination, Message, TransactionId};

pub use self::audit::ProducerAudit;
pub use self::census::{Census, ConnectionCensus};
pub use self::config::{BrokerConfig, BrokerLimits, PasswordHash};
pub(crate) use self::io::body_bytes;
pub use self::io::{Dispatch, Event, Input, LinkId, LoadId, Now, Outgoing, Output, Ticket};
pub use self::policies::{
    DeadLetterStrategy, DeadLetterTarget, DestinationPolicy, MessageEvictionStrategy,
    MessageGroupMap, PendingMessageLimitStrategy, Policies, Prefetch, SubscriptionRecoveryPolicy,
};
pub use self::report::{
    BrokerReport, ConnectionReport, Counts, DestinationReport, StoreReport, SubscriptionReport,
};
pub use self::rights::Right;
#[cfg(feature = "tokio")]
pub(crate) use self::rights::is_same_password;

use self::audit::Departed;
use self::destinations::Destinations;
use self::keys::{Map, QueueKey, SubKey};
use self::loads::Loads;
use self::memory::Memory;
use self::notices::Asked;
use self::persist::Unstored;
use self::queue::{Desk, Marked, Subscriptions};
use self::reference::Reference;
use self::registry::Registry;
use self::timers::Timers;
use self::transactions::Transaction;
use crate::cluster::{Cluster, ClusterMember};
use crate::store::{Recovered, SubscriptionKey};

/// The broker. See the [module](self).
#[derive(Debug)]
pub struct BrokerCore {
    config: BrokerConfig,
    now: Now,
    registry: Registry,
    subs: Subscriptions,
    destinations: Destinations,
    durables: BTreeMap<SubscriptionKey, QueueKey>,
    transactions: Map<TransactionId, Transaction>,
    departed: Departed,
    memory: Memory,
    unstored: Unstored,
    loads: Loads,
    timers: Timers,
    cluster: Cluster,
    /// The number of the last message.
    sequence: u64,
    /// Which advisories policies ask for.
    asked: Asked,
    /// The number of the last advisory.
    advisories: i64,
    /// The last number given to anything else.
    keys: u64,
    /// Bytes of the recent messages of all topics.
    recent_bytes: usize,
    /// Found to have expired while something else was done.
    expired: VecDeque<(QueueKey, Reference)>,
    /// What is dispatched once the store has it that it was.
    marked: Vec<Marked>,
    /// Whether the store has failed: nothing persistent is taken in any more.
    store_failed: bool,
    #[cfg(feature = "testkit")]
    drill: drill::Drill,
    outputs: VecDeque<Output>,
}

/// What to do, in order. Borrows the core: nothing can happen before all is taken out.
#[derive(Debug)]
pub struct Outputs<'c>(vec_deque::Drain<'c, Output>);

impl Iterator for Outputs<'_> {
    type Item = Output;

    fn next(&mut self) -> Option<Output> {
        self.0.next()
    }
}

/// What a destination holds, to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationStats {
    /// Messages that wait for a consumer.
    pub pending: usize,
    /// Messages that are at a consumer and not acknowledged.
    pub in_flight: usize,
    /// Consumers.
    pub consumers: usize,
    /// Producers that have said that they send to it.
    pub producers: usize,
}

impl BrokerCore {
    /// A broker that starts with what a store held.
    #[must_use]
    pub fn new(now: Now, config: BrokerConfig, recovered: Recovered) -> Self {
        let limits = &config.limits;
        let mut core = Self {
            departed: Departed::new(limits.producer_audits),
            memory: Memory::new(limits.memory, limits.destination_memory),
            cluster: Cluster::new(now.instant, config.cluster.clone(), &config.id, &config.name),
            asked: Asked::of(&config.policies),
            config,
            now,
            registry: Registry::default(),
            subs: Subscriptions::default(),
            destinations: Destinations::default(),
            durables: BTreeMap::new(),
            transactions: Map::default(),
            unstored: Unstored::default(),
            loads: Loads::default(),
            timers: Timers::default(),
            sequence: recovered.sequence,
            advisories: 0,
            keys: 0,
            recent_bytes: 0,
            expired: VecDeque::new(),
            marked: Vec::new(),
            store_failed: false,
            #[cfg(feature = "testkit")]
            drill: drill::Drill::default(),
            outputs: VecDeque::new(),
        };
        core.recover(recovered);
        let periods = core.config.policies.expire_periods(core.config.expire_messages_period);
        for period in periods {
            core.timers.set(after(now.instant, period), timers::Timer::Sweep(period));
        }
        if let Some(period) = core.idle_period() {
            core.timers.set(after(now.instant, period), timers::Timer::Idle);
        }
        core
    }

    /// Takes what happened. What is due at `now` happens first.
    pub fn handle(&mut self, now: Now, input: Input) -> Outputs<'_> {
        self.now = now;
        self.fire_timers();
        match input {
            Input::Opened { link, peer, url } => self.on_opened(link, peer, &url),
            Input::Introduced { link, provider } => self.on_introduced(link, &provider),
            Input::Proven { link, user } => self.on_proven(link, user),
            Input::Peer(bridge, info) => self.on_dialed_peer(bridge, &info),
            Input::PeerLost(bridge) => self.on_dialed_peer_lost(bridge),
            Input::Received(link, command) => self.on_command(link, command),
            Input::Closed(link) => self.on_closed(link),
            Input::Congested(link) => self.on_congested(link, true),
            Input::Relieved(link) => self.on_congested(link, false),
            Input::Stored(ticket) => self.on_stored(ticket),
            Input::Loaded(load, messages) => self.on_loaded(load, messages),
            Input::StoreFailed(problem) => self.on_store_failed(problem),
            Input::Timeout => {}
            Input::Stop => self.on_stop(),
        }
        self.say_to_cluster();
        self.bury_expired();
        self.release_held();
        self.dispatch_marked();
        Outputs(self.outputs.drain(..))
    }

    /// When the core wants to be called with [`Input::Timeout`], if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().into_iter().chain(self.cluster.poll_timeout()).min()
    }

    /// The brokers of the cluster as this one knows them, itself first.
    pub fn cluster(&self) -> impl Iterator<Item = ClusterMember> + '_ {
        self.cluster.view()
    }

    /// What a queue or topic holds; none when there is no such destination.
    #[must_use]
    pub fn stats(&self, destination: &Destination) -> Option<DestinationStats> {
        if let Some(queue) = self.destinations.find_queue(destination) {
            return Some(DestinationStats {
                pending: queue.len(),
                in_flight: queue.in_flight,
                consumers: queue.consumers.len(),
                producers: queue.producers,
            });
        }
        let topic = self.destinations.find_topic(destination)?;
        let of = |key: &SubKey| self.subs.get(key);
        let pending = topic.consumers.iter().filter_map(of).map(|sub| sub.stream.pending.len());
        let in_flight = topic.consumers.iter().filter_map(of).map(|sub| sub.stream.in_flight);
        Some(DestinationStats {
            pending: pending.sum(),
            in_flight: in_flight.sum(),
            consumers: topic.consumers.len() + topic.durables.len(),
            producers: topic.producers,
        })
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.registry.connections.len()
    }

    /// Bytes of messages in memory, as they are counted against the limit.
    #[must_use]
    pub const fn memory_used(&self) -> usize {
        self.memory.used()
    }

    const fn next_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// A queue with what its dispatching acts on.
    fn at_queue(&mut self, key: QueueKey) -> Option<(&mut queue::Queue, Desk<'_>)> {
        let Self { destinations, subs, outputs, expired, marked, memory, loads, now, .. } = self;
        let queue = destinations.queue(key)?;
        Some((queue, Desk { subs, outputs, expired, marked, memory, loads, now: *now }))
    }

    /// Puts a message into a queue, for the first time or back.
    fn put(&mut self, key: QueueKey, reference: Reference) {
        if let Some((queue, mut desk)) = self.at_queue(key) {
            queue.put(reference, &mut desk);
        }
    }

    /// A message leaves a queue for good.
    fn forget(&mut self, key: QueueKey, reference: &Reference) {
        let size = reference.size();
        if let Some(queue) = self.destinations.queue(key) {
            queue.bytes = queue.bytes.saturating_sub(size);
            self.memory.free(size);
        }
    }
}

/// The time `delay` after `now`, or so late that it makes no difference.
fn after(now: Instant, delay: std::time::Duration) -> Instant {
    const AGES: std::time::Duration = std::time::Duration::from_secs(60 * 60 * 24 * 365 * 30);
    now + delay.min(AGES)
}

/// The text that shows a message in errors.
fn shown(message: &Message) -> String {
    message
        .message_id
        .as_ref()
        .map_or_else(|| "a message without an id".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests;
