//! How the destinations of a name, or of a pattern, behave; in ActiveMQ's words.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rewire_protocol::{ConsumerInfo, Destination};

use super::durable::is_durable;
use super::names;
use super::reference::LEAST;

/// How a destination behaves. One policy holds for a destination, whole: what it does not say is as by
/// default, whatever a policy for more destinations says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DestinationPolicy {
    /// Where messages go that expire or are called poison.
    pub dead_letter_strategy: DeadLetterStrategy,
    /// Whether the first consumer of a queue that has room gets each message, instead of each in its
    /// turn. Default false. Subscribers of a topic always see messages in the same order.
    pub strict_order_dispatch: bool,
    /// Whether only one consumer of a queue gets messages, as if all had asked for it. Default false.
    pub all_consumers_exclusive_by_default: bool,
    /// Whether messages of a higher priority overtake others. Default: as the broker's.
    pub prioritized_messages: Option<bool>,
    /// Bytes of messages. Default: as the broker's limit for a destination.
    pub memory_limit: Option<usize>,
    /// Whether producers wait when the destination has as many bytes as it may; the limit of all
    /// destinations holds anyway. Default true.
    pub producer_flow_control: bool,
    /// Whether a message that would have to wait because its destination is full is refused with
    /// `ResourceAllocationException`. Default false.
    pub send_fail_if_no_space: bool,
    /// How often it is searched for messages that have expired; zero is never. Default: as the
    /// broker's.
    pub expire_messages_period: Option<Duration>,
    /// The prefetch of consumers that have not chosen one. Java: those with Java's default, which
    /// clients always say.
    pub prefetch: Prefetch,
    /// Whether all subscribers of a topic get what was sent before, asked for or not. Default false.
    pub always_retroactive: bool,
    /// What retroactive subscribers of a topic get of what was sent before. Default: as the broker's
    /// limits for recent messages say.
    pub subscription_recovery_policy: Option<SubscriptionRecoveryPolicy>,
    /// How many messages may wait for a slow subscriber of a topic. Default: all.
    pub pending_message_limit_strategy: PendingMessageLimitStrategy,
    /// Which of them is dropped when there are more.
    pub message_eviction_strategy: MessageEvictionStrategy,
    /// Whether a destination goes when it is empty and nobody uses it. Default false.
    pub gc_inactive_destinations: bool,
    /// How long nobody has used it then. Default 60 s, as Java's.
    pub inactive_timeout_before_gc: Duration,
    /// Whether an advisory tells of messages that are dropped. Default false.
    pub advisory_for_discarding_messages: bool,
    /// Whether an advisory tells of subscribers of a topic that have become slow. Default false.
    pub advisory_for_slow_consumers: bool,
    /// Whether an advisory tells of each message that is taken in. Default false.
    pub advisory_for_delivery: bool,
    /// Whether an advisory tells of each message that a consumer of a queue, or a durable subscriber, is
    /// done with. Default false. Java: those too that expire or are called poison.
    pub advisory_for_consumed: bool,
    /// Whether an advisory tells of the producer of each message that finds its destination full.
    /// Default false.
    pub advisory_for_fast_producers: bool,
    /// Whether an advisory tells of each message that finds its destination full. Default false.
    pub advisory_when_full: bool,
    /// Whether messages that are not persistent and have no consumer are sent to an advisory topic, whole.
    /// Default false.
    pub send_advisory_if_no_consumers: bool,
    /// Whether advisories that tell of a message have its body too. Default false.
    pub include_body_for_advisory: bool,
    /// Whether the store is told that a message of a queue is about to be delivered, before it is: when it
    /// comes again after the broker has died it is marked as redelivered. Costs a write of each message
    /// more. Default false.
    pub persist_jms_redelivered: bool,
    /// How many consumers a queue that had none waits for before any of them gets a message; at most for
    /// `time_before_dispatch_starts`, or for a second where that is zero. Default 0.
    pub consumers_before_dispatch_starts: usize,
    /// How long the first consumer of a queue waits before it gets a message, if not enough others come
    /// before. Default zero.
    pub time_before_dispatch_starts: Duration,
    /// Whether consumers with a higher priority get messages before others. Default true. An exclusive
    /// consumer is chosen by its priority in any case.
    pub use_consumer_priority: bool,
    /// How many messages a browser is shown. Default all; Java: 400.
    pub max_browse_page_size: Option<usize>,
    /// What a message counts in memory beside its body and properties. Default 1,024 bytes.
    pub minimum_message_size: u16,
    /// How the owners of message groups are kept. Default: by name, as many as the broker's limit says.
    pub message_group_map: Option<MessageGroupMap>,
    /// Whether a consumer that says that messages were delivered may be sent as many more before it
    /// acknowledges them. Default true.
    pub use_prefetch_extension: bool,
}

/// How many messages consumers may be sent ahead, by their kind. None: what they say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefetch {
    /// Consumers of queues. Java's default is 1,000.
    pub queue: Option<i32>,
    /// Browsers. Java's default is 500.
    pub queue_browser: Option<i32>,
    /// Subscribers of topics. Java's default is 32,766.
    pub topic: Option<i32>,
    /// Durable subscribers. Java's default is 100, or 1,000 if they acknowledge lazily.
    pub durable_topic: Option<i32>,
}

/// Where messages go that expire or are called poison.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterStrategy {
    /// Where to.
    pub target: DeadLetterTarget,
    /// Whether those that have expired go there too, instead of nowhere. Default true.
    pub process_expired: bool,
    /// Whether those that are not persistent go there too; they become so. Default false.
    pub process_non_persistent: bool,
}

/// Where dead letters go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetterTarget {
    /// All into this queue.
    Shared(Destination),
    /// Those of each destination into a queue of its own: the prefix, and its name.
    Individual {
        /// Before the names of queues. Java: `ActiveMQ.DLQ.Queue.`
        queue_prefix: String,
        /// Before the names of topics. Java: `ActiveMQ.DLQ.Topic.`
        topic_prefix: String,
    },
    /// Nowhere: they are gone.
    Discard,
}

/// What retroactive subscribers get of what was sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionRecoveryPolicy {
    /// Nothing.
    None,
    /// So many messages.
    FixedCount(usize),
    /// So many bytes of bodies and properties.
    FixedSized(usize),
    /// The last message.
    LastImage,
    /// Those of the time before.
    Timed(Duration),
}

/// How many messages may wait for a subscriber of a topic, beside those that it was sent ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum PendingMessageLimitStrategy {
    /// All, unless the subscriber says otherwise.
    #[default]
    None,
    /// So many.
    Constant(usize),
    /// So many times its prefetch.
    PrefetchRate(f64),
}

/// Which message is dropped for a slow subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageEvictionStrategy {
    /// The oldest.
    #[default]
    OldestMessage,
    /// The oldest of those with the lowest priority.
    OldestMessageWithLowestPriority,
}

/// How the owners of a queue's message groups are kept. Java: `messageGroupMapFactoryType`, which is also how
/// it is written: `cached?cacheSize=1024`, `bucket?bucketCount=1024`, `simple`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageGroupMap {
    /// By name, as many as the broker's limit says. Java: without any limit.
    Simple,
    /// By name; the group that was not used for the longest time loses its owner when there are more.
    Cached {
        /// So many.
        size: usize,
    },
    /// By a hash of the name: groups with the same have one owner.
    Bucket {
        /// So many owners at most.
        count: u16,
    },
}

impl FromStr for MessageGroupMap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const DEFAULT: u16 = 1024;
        let text = text.trim();
        let (kind, query) = text.split_once('?').unwrap_or((text, ""));
        let mut option = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (kind, name) {
                ("cached", "cacheSize") | ("bucket", "bucketCount") => {}
                ("bucket", "cacheSize") => {
                    return Err(
                        "`cacheSize` of `bucket` has no meaning here: it is for JMX".to_owned()
                    );
                }
                _ => return Err(format!("`{kind}` has no option `{name}`")),
            }
            let count = value.parse().ok().filter(|count: &u16| *count > 0);
            option = Some(count.ok_or_else(|| format!("`{name}` has to be from 1 to 65535"))?);
        }
        let count = option.unwrap_or(DEFAULT);
        match kind {
            "simple" => Ok(Self::Simple),
            "cached" => Ok(Self::Cached { size: count.into() }),
            "bucket" => Ok(Self::Bucket { count }),
            other => Err(format!("there is no `{other}`, only `cached`, `bucket` and `simple`")),
        }
    }
}

impl Default for DestinationPolicy {
    fn default() -> Self {
        Self {
            dead_letter_strategy: DeadLetterStrategy::default(),
            strict_order_dispatch: false,
            all_consumers_exclusive_by_default: false,
            prioritized_messages: None,
            memory_limit: None,
            producer_flow_control: true,
            send_fail_if_no_space: false,
            expire_messages_period: None,
            prefetch: Prefetch::default(),
            always_retroactive: false,
            subscription_recovery_policy: None,
            pending_message_limit_strategy: PendingMessageLimitStrategy::default(),
            message_eviction_strategy: MessageEvictionStrategy::default(),
            gc_inactive_destinations: false,
            inactive_timeout_before_gc: Duration::from_secs(60),
            advisory_for_discarding_messages: false,
            advisory_for_slow_consumers: false,
            advisory_for_delivery: false,
            advisory_for_consumed: false,
            advisory_for_fast_producers: false,
            advisory_when_full: false,
            send_advisory_if_no_consumers: false,
            include_body_for_advisory: false,
            persist_jms_redelivered: false,
            consumers_before_dispatch_starts: 0,
            time_before_dispatch_starts: Duration::ZERO,
            use_consumer_priority: true,
            max_browse_page_size: None,
            minimum_message_size: LEAST,
            message_group_map: None,
            use_prefetch_extension: true,
        }
    }
}

impl Default for DeadLetterStrategy {
    fn default() -> Self {
        let target = DeadLetterTarget::Shared(Destination::queue("ActiveMQ.DLQ"));
        Self { target, process_expired: true, process_non_persistent: false }
    }
}

impl DeadLetterTarget {
    /// The queue for dead letters of a destination. None when they are dropped, or are where they
    /// would go.
    pub(super) fn queue_for(&self, from: &Destination) -> Option<Destination> {
        match self {
            Self::Shared(queue) => Some(queue).filter(|queue| *queue != from).cloned(),
            Self::Individual { queue_prefix, topic_prefix } => {
                let name = from.physical_name.to_str();
                let prefix = if from.kind.is_queue() { queue_prefix } else { topic_prefix };
                let is_dead =
                    |prefix: &String| !prefix.is_empty() && name.starts_with(prefix.as_str());
                let is_there =
                    from.kind.is_queue() && (is_dead(queue_prefix) || is_dead(topic_prefix));
                let queue = Destination::queue(format!("{prefix}{name}"));
                Some(queue).filter(|queue| !is_there && queue != from)
            }
            Self::Discard => None,
        }
    }
}

impl DestinationPolicy {
    /// The prefetch of a consumer: what it says, unless that is what Java's clients say by themselves.
    pub(super) fn prefetch_of(&self, info: &ConsumerInfo) -> i32 {
        let is_queue = info.destination.as_ref().is_some_and(|d| d.kind.is_queue());
        let said = info.prefetch_size;
        let (own, is_default) = if info.browser {
            (self.prefetch.queue_browser, said == 500)
        } else if is_queue {
            (self.prefetch.queue, said == 1_000)
        } else if is_durable(info) {
            (self.prefetch.durable_topic, said == 100 || said == 1_000)
        } else {
            (self.prefetch.topic, said == 32_766)
        };
        own.filter(|_| is_default).unwrap_or(said)
    }

    /// How many messages may wait for a subscriber of a topic. Java: the lower of its own limit and the
    /// policy's.
    pub(super) fn pending_limit(&self, info: &ConsumerInfo) -> Option<usize> {
        let asked = usize::try_from(info.maximum_pending_message_limit).ok().filter(|n| *n > 0);
        let own = match self.pending_message_limit_strategy {
            PendingMessageLimitStrategy::None => None,
            PendingMessageLimitStrategy::Constant(limit) => Some(limit),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as Java")]
            PendingMessageLimitStrategy::PrefetchRate(rate) => {
                Some((f64::from(info.prefetch_size.max(0)) * rate) as usize)
            }
        };
        [asked, own].into_iter().flatten().min()
    }
}

/// The policies of a broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    entries: Vec<(Destination, Arc<DestinationPolicy>)>,
    default: Arc<DestinationPolicy>,
}

impl Policies {
    /// Sets the policy of a destination, or of all that a pattern stands for. One for the same name is
    /// replaced. A pattern of temporary destinations stands for them.
    pub fn insert(&mut self, destination: Destination, policy: DestinationPolicy) {
        self.entries.retain(|(own, _)| *own != destination);
        self.entries.push((destination, Arc::new(policy)));
    }

    /// Sets the policy of all destinations that no other is for.
    pub fn set_default(&mut self, policy: DestinationPolicy) {
        self.default = Arc::new(policy);
    }

    /// Whether there is a policy for exactly this.
    #[must_use]
    pub fn has(&self, destination: &Destination) -> bool {
        self.entries.iter().any(|(own, _)| own == destination)
    }

    /// The policy of a destination. Java: its own, or else that of the pattern that stands for the
    /// fewest; of two that do not cover each other, the first by the alphabet.
    pub(super) fn find(&self, destination: &Destination) -> Arc<DestinationPolicy> {
        let matching = self.entries.iter().filter(|(own, _)| names::matches(own, destination));
        let closest = matching.min_by(|(a, _), (b, _)| closer(destination, a, b));
        Arc::clone(closest.map_or(&self.default, |(_, policy)| policy))
    }

    /// Whether some policy is like that.
    pub(super) fn any(&self, is_so: impl Fn(&DestinationPolicy) -> bool) -> bool {
        self.entries.iter().map(|(_, policy)| policy).chain([&self.default]).any(|own| is_so(own))
    }

    /// After which time a destination goes that nobody uses; of all, the shortest.
    pub(super) fn shortest_inactive_timeout(&self) -> Option<Duration> {
        let all = self.entries.iter().map(|(_, policy)| policy).chain([&self.default]);
        let goes = all.filter(|policy| policy.gc_inactive_destinations);
        goes.map(|policy| policy.inactive_timeout_before_gc).min()
    }

    /// How often some queue is searched for messages that have expired.
    pub(super) fn expire_periods(&self, default: Duration) -> BTreeSet<Duration> {
        let all = self.entries.iter().map(|(_, policy)| policy).chain([&self.default]);
        all.map(|policy| policy.expire_messages_period.unwrap_or(default))
            .chain([default])
            .filter(|period| !period.is_zero())
            .collect()
    }
}

/// Java: `DestinationMap.chooseValue`, `ActiveMQDestination.compare`.
fn closer(wanted: &Destination, a: &Destination, b: &Destination) -> Ordering {
    match (a == wanted, b == wanted) {
        (true, _) => Ordering::Less,
        (_, true) => Ordering::Greater,
        _ if names::matches(a, b) && a != b => Ordering::Greater,
        _ if names::matches(b, a) && a != b => Ordering::Less,
        _ => a.physical_name.as_wire().cmp(b.physical_name.as_wire()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(patterns: &[&str]) -> Policies {
        let mut policies = Policies::default();
        for (memory, pattern) in patterns.iter().enumerate() {
            let memory_limit = Some(memory);
            let policy = DestinationPolicy { memory_limit, ..DestinationPolicy::default() };
            policies.insert(Destination::queue(*pattern), policy);
        }
        policies
    }

    #[test]
    fn the_closest_policy_holds_whatever_the_order_they_are_given_in() {
        for (patterns, name, expected) in [
            (&[">", "A.>", "A.B"][..], "A.B", "A.B"),
            (&["A.B", "A.>", ">"], "A.B", "A.B"),
            (&["A.>", "A.*"], "A.B", "A.*"),
            (&["A.*", "A.>"], "A.B.C", "A.>"),
            (&[">", "A.>"], "A", "A.>"),
            // Neither covers the other.
            (&["A.*", "*.B"], "A.B", "*.B"),
            (&[">", "*.B.>", "A.>"], "A.B.C", "*.B.>"),
        ] {
            let found = policies(patterns).find(&Destination::queue(name)).memory_limit;
            let found = found.map(|at| patterns[at]);
            assert_eq!(found, Some(expected), "{name} of {patterns:?}");
        }
        let found = policies(&["A", "B.>"]).find(&Destination::topic("A"));
        assert_eq!(found.memory_limit, None, "a queue's is not a topic's");
    }

    #[test]
    fn a_prefetch_that_a_client_has_chosen_is_left_alone() {
        let prefetch = Prefetch {
            queue: Some(7),
            topic: Some(8),
            queue_browser: Some(9),
            durable_topic: Some(10),
        };
        let policy = DestinationPolicy { prefetch, ..DestinationPolicy::default() };
        let of = |destination, prefetch_size| {
            let destination = Some(destination);
            policy.prefetch_of(&ConsumerInfo {
                destination,
                prefetch_size,
                ..ConsumerInfo::default()
            })
        };
        assert_eq!((of(Destination::queue("Q"), 1000), of(Destination::queue("Q"), 50)), (7, 50));
        assert_eq!(
            (of(Destination::topic("T"), 32_766), of(Destination::topic("T"), 1000)),
            (8, 1000)
        );
        let browser = |prefetch_size| {
            let destination = Some(Destination::queue("Q"));
            let info = ConsumerInfo { destination, browser: true, ..ConsumerInfo::default() };
            policy.prefetch_of(&ConsumerInfo { prefetch_size, ..info })
        };
        assert_eq!((browser(500), browser(1000)), (9, 1000));
        let durable = |prefetch_size| {
            let (destination, name) = (Some(Destination::topic("T")), Some("all".into()));
            let info = ConsumerInfo { subscription_name: name, ..ConsumerInfo::default() };
            policy.prefetch_of(&ConsumerInfo { destination, prefetch_size, ..info })
        };
        assert_eq!((durable(100), durable(1000), durable(50)), (10, 10, 50));
    }

    #[test]
    fn dead_letters_of_dead_letters_stay_where_they_are() {
        let shared = DeadLetterStrategy::default().target;
        let own = DeadLetterTarget::Individual {
            queue_prefix: "D.Q.".to_owned(),
            topic_prefix: "D.T.".to_owned(),
        };
        let queue = |name: &str| Destination::queue(name);
        assert_eq!(shared.queue_for(&queue("Q")), Some(queue("ActiveMQ.DLQ")));
        assert_eq!(shared.queue_for(&queue("ActiveMQ.DLQ")), None);
        assert_eq!(own.queue_for(&queue("Q")), Some(queue("D.Q.Q")));
        assert_eq!(own.queue_for(&Destination::topic("T")), Some(queue("D.T.T")));
        assert_eq!((own.queue_for(&queue("D.Q.Q")), own.queue_for(&queue("D.T.T"))), (None, None));
        assert_eq!(DeadLetterTarget::Discard.queue_for(&queue("Q")), None);
    }
}
