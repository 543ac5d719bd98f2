//! `BrokerConfig`: who the broker is, and what it allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::policies::Policies;
use super::rights::Right;
use crate::cluster::ClusterConfig;

/// Who the broker is, and how it behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// The broker's name. Default `localhost`, as Java's.
    pub name: String,
    /// The broker's id, different for each broker and each start.
    pub id: String,
    /// Users with their passwords. Anybody may connect while there is none here nor in `password_hashes`.
    pub users: BTreeMap<String, String>,
    /// Users whose passwords are known only by their hashes; whoever owns the core checks them, and says so
    /// with [`Input::Proven`](super::Input::Proven).
    pub password_hashes: BTreeMap<String, PasswordHash>,
    /// The groups that users are in.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Whether who gives neither name nor password is let in all the same, as user `anonymous` of group
    /// `anonymous`. Default false. Java: `anonymousAccessAllowed`.
    pub anonymous_access: bool,
    /// What users and groups may do. Everybody may do everything while there is none.
    pub rights: Vec<Right>,
    /// How destinations behave, by name and by pattern.
    pub policies: Policies,
    /// Whether messages of a higher priority overtake others in a queue. Default true. Java:
    /// `prioritizedMessages`, off there.
    pub prioritized_messages: bool,
    /// Whether advisories are sent. Default true.
    pub advisory_support: bool,
    /// Whether advisories tell of producers too that have no destination of their own. Default false.
    pub anonymous_producer_advisory_support: bool,
    /// Whether the queues of a virtual topic get only what one of their consumers selects; nothing while they
    /// have none. Default false. Java: `selectorAware`.
    pub selector_aware_virtual_topics: bool,
    /// Whether persistent messages and durable subscriptions are written to a store. Default false:
    /// nothing survives the broker.
    pub persistent: bool,
    /// How often queues are searched for messages that have expired. Default 30 s, as Java's.
    pub expire_messages_period: Duration,
    /// How long a client that was refused has before it is hung up. Default 2 s, as Java's.
    pub refusal_delay: Duration,
    /// How long a client has to introduce itself once its link is open, where there are more links than
    /// [`BrokerLimits::connections`]. Java's `connectAttemptTimeout` ends when the protocol is known, so that
    /// standbys (`backup=true`) may wait; here too, as long as there is room. Default 30 s, as Java's.
    pub connect_attempt_timeout: Duration,
    /// How long a consumer of a topic may take nothing while producers wait for the memory of what waits
    /// for it; then it is ended. Default 30 s, as Java's `abortSlowConsumerStrategy`, without which a
    /// consumer there stops its producers for as long as it likes.
    pub max_slow_duration: Duration,
    /// Other brokers, and what clients are told of them.
    pub cluster: ClusterConfig,
    /// What is allowed.
    pub limits: BrokerLimits,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            name: "localhost".to_owned(),
            id: "ID:localhost".to_owned(),
            users: BTreeMap::new(),
            password_hashes: BTreeMap::new(),
            groups: BTreeMap::from([(
                "anonymous".to_owned(),
                BTreeSet::from(["anonymous".to_owned()]),
            )]),
            anonymous_access: false,
            rights: Vec::new(),
            policies: Policies::default(),
            prioritized_messages: true,
            advisory_support: true,
            anonymous_producer_advisory_support: false,
            selector_aware_virtual_topics: false,
            persistent: false,
            expire_messages_period: Duration::from_secs(30),
            refusal_delay: Duration::from_secs(2),
            connect_attempt_timeout: Duration::from_secs(30),
            max_slow_duration: Duration::from_secs(30),
            cluster: ClusterConfig::default(),
            limits: BrokerLimits::default(),
        }
    }
}

/// A password as it may stand in a file: it cannot be read from there. A text in PHC form
/// (`$argon2id$v=19$m=19456,t=2,p=1$..`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A text that is one.
    #[cfg(feature = "tokio")]
    pub(crate) const fn from_checked(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

impl BrokerConfig {
    /// Whether only those are let in who are known.
    #[must_use]
    pub fn has_users(&self) -> bool {
        !(self.users.is_empty() && self.password_hashes.is_empty())
    }
}

impl fmt::Debug for BrokerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerConfig")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("users", &self.users.keys())
            .field("password_hashes", &self.password_hashes.keys())
            .field("groups", &self.groups)
            .field("anonymous_access", &self.anonymous_access)
            .field("rights", &self.rights)
            .field("policies", &self.policies)
            .field("prioritized_messages", &self.prioritized_messages)
            .field("advisory_support", &self.advisory_support)
            .field("anonymous_producer_advisory_support", &self.anonymous_producer_advisory_support)
            .field("selector_aware_virtual_topics", &self.selector_aware_virtual_topics)
            .field("persistent", &self.persistent)
            .field("expire_messages_period", &self.expire_messages_period)
            .field("refusal_delay", &self.refusal_delay)
            .field("connect_attempt_timeout", &self.connect_attempt_timeout)
            .field("max_slow_duration", &self.max_slow_duration)
            .field("cluster", &self.cluster)
            .field("limits", &self.limits)
            .finish()
    }
}

/// What is allowed. What would pass a limit is refused with `ResourceAllocationException`, but for
/// messages: their producers wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerLimits {
    /// Bytes of messages in memory, each counted with 1,024 more than its body and properties, as Java
    /// does. Default 1 GiB.
    pub memory: usize,
    /// Bytes of messages of one destination that no store has. Default none beside that of all.
    pub destination_memory: usize,
    /// Bytes of stored messages of one queue, or for one durable subscription, that wait in memory: the
    /// next to go. Of the others only the store has more than their places. Default 4 MiB.
    pub page_memory: usize,
    /// Bytes of messages that are on their way to the store before producers wait. Default 16 MiB.
    pub unstored_memory: usize,
    /// Bytes of messages of one transaction. Default 64 MiB.
    pub transaction_memory: usize,
    /// Bytes of messages that wait for memory, of one link, before it is not read any more. Default 1 MiB.
    pub held_bytes: usize,
    /// Bytes that wait to be written to clients, all together. Each of `n` links has one `n`th of it, at
    /// least 32 KiB and at most 1 MiB, before nothing more is dispatched to it, and four times that before
    /// it is read no more; one that still takes nothing is cut. Default 256 MiB.
    pub outgoing_bytes: usize,
    /// Connections. A client that is one too many is told so. Default 10,000.
    pub connections: usize,
    /// Sessions, producers, consumers and open transactions of one connection, each. Default 10,000.
    pub per_connection: usize,
    /// Destinations. Default 100,000.
    pub destinations: usize,
    /// Destinations that one name may stand for. Default 1,000.
    pub composite: usize,
    /// Durable subscriptions. Default 10,000.
    pub durable_subscriptions: usize,
    /// Message groups of one queue that have an owner, whatever its policy says; beyond it those that were
    /// not used for the longest time lose theirs. Default 65,536.
    pub message_groups: usize,
    /// Producers that are gone and whose messages are still known when they come again. Default 10,000.
    pub producer_audits: usize,
    /// Prepared transactions. Default 10,000.
    pub prepared_transactions: usize,
    /// Recent messages of a topic that retroactive consumers are sent again. Default 100, as Java's
    /// `FixedCountSubscriptionRecoveryPolicy`; without such a policy Java sends only those that are
    /// marked to be retained.
    pub recent_messages: usize,
    /// Bytes of their bodies and properties, of one topic. Default 64 KiB.
    pub recent_bytes: usize,
    /// Bytes of those of all topics. Default 16 MiB.
    pub all_recent_bytes: usize,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            destination_memory: usize::MAX,
            page_memory: 4 << 20,
            unstored_memory: 16 << 20,
            transaction_memory: 64 << 20,
            held_bytes: 1 << 20,
            outgoing_bytes: 256 << 20,
            connections: 10_000,
            per_connection: 10_000,
            destinations: 100_000,
            composite: 1_000,
            durable_subscriptions: 10_000,
            message_groups: 65_536,
            producer_audits: 10_000,
            prepared_transactions: 10_000,
            recent_messages: 100,
            recent_bytes: 64 << 10,
            all_recent_bytes: 16 << 20,
        }
    }
}
