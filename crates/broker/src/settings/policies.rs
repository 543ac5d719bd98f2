//! How destinations behave: `[[policy]]`, with ActiveMQ's names.

use rewire_protocol::Destination;

use super::access::optional_destination;
use super::reader::{Table, Value};
use super::{SettingsError, tables};
use crate::core::{
    DeadLetterStrategy, DeadLetterTarget, DestinationPolicy, MessageEvictionStrategy,
    PendingMessageLimitStrategy, Policies, SubscriptionRecoveryPolicy,
};

/// What a policy can say in ActiveMQ and has no meaning here, and why.
const MEANINGLESS: [(&[&str], &str); 12] = [
    (
        &["pendingQueuePolicy", "pendingDurableSubscriberPolicy", "pendingSubscriberPolicy"],
        "there are no cursors to choose from; `pageMemory` of [limits] is what a queue keeps in memory",
    ),
    (
        &["cursorMemoryHighWaterMark", "useCache", "maxPageSize", "lazyDispatch"],
        "there are no cursors; `pageMemory` of [limits] is what a queue keeps in memory",
    ),
    (&["maxExpirePageSize"], "all that has expired is found, at every `expireMessagesPeriod`"),
    (
        &["enableAudit", "maxAuditDepth", "maxQueueAuditDepth", "maxProducersToAudit"],
        "no destination looks for duplicates; `producerAudits` of [limits] is for producers that come again",
    ),
    (
        &[
            "sendDuplicateFromStoreToDLQ",
            "doOptimzeMessageStorage",
            "optimizeMessageStoreInFlightLimit",
        ],
        "a message is written to the store once, and read from it as it was",
    ),
    (
        &["optimizedDispatch"],
        "messages are always dispatched at once, by the one task that took them in",
    ),
    (&["reduceMemoryFootprint"], "a message is always kept as the bytes that came"),
    (
        &["slowConsumerStrategy"],
        "`maxSlowDuration` of [limits] says when a consumer that takes nothing is ended",
    ),
    (&["storeUsageHighWaterMark"], "there is no limit for what the store keeps; the disk has one"),
    (&["maxDestinations"], "`destinations` of [limits] is for all together"),
    (
        &["gcWithNetworkConsumers", "networkBridgeFilterFactory"],
        "no messages are forwarded to other brokers",
    ),
    (
        &["blockedProducerWarningInterval", "useTopicSubscriptionInflightStats"],
        "nothing is logged or counted by destination that it would change",
    ),
];

/// Reads all policies.
pub(super) fn read(table: &mut Table<'_>, policies: &mut Policies) -> Result<(), SettingsError> {
    let mut has_default = false;
    for mut table in tables(table, "policy")? {
        let destination = optional_destination(&mut table)?;
        let twice = match &destination {
            Some(destination) => policies.has(destination),
            None => std::mem::replace(&mut has_default, true),
        };
        if twice {
            return Err(table.error("there is another policy for the same"));
        }
        let policy = read_policy(&mut table)?;
        for (names, why) in MEANINGLESS {
            names.iter().try_for_each(|name| table.refuse(name, why))?;
        }
        table.finish()?;
        match destination {
            Some(destination) => policies.insert(destination, policy),
            None => policies.set_default(policy),
        }
    }
    Ok(())
}

fn read_policy(table: &mut Table<'_>) -> Result<DestinationPolicy, SettingsError> {
    let mut policy = DestinationPolicy::default();
    let switches: [(&'static str, &mut bool); 17] = [
        ("strictOrderDispatch", &mut policy.strict_order_dispatch),
        ("allConsumersExclusiveByDefault", &mut policy.all_consumers_exclusive_by_default),
        ("producerFlowControl", &mut policy.producer_flow_control),
        ("sendFailIfNoSpace", &mut policy.send_fail_if_no_space),
        ("alwaysRetroactive", &mut policy.always_retroactive),
        ("gcInactiveDestinations", &mut policy.gc_inactive_destinations),
        ("advisoryForDiscardingMessages", &mut policy.advisory_for_discarding_messages),
        ("advisoryForSlowConsumers", &mut policy.advisory_for_slow_consumers),
        ("advisoryForDelivery", &mut policy.advisory_for_delivery),
        ("advisoryForConsumed", &mut policy.advisory_for_consumed),
        ("advisoryForFastProducers", &mut policy.advisory_for_fast_producers),
        ("advisoryWhenFull", &mut policy.advisory_when_full),
        ("sendAdvisoryIfNoConsumers", &mut policy.send_advisory_if_no_consumers),
        ("includeBodyForAdvisory", &mut policy.include_body_for_advisory),
        ("persistJMSRedelivered", &mut policy.persist_jms_redelivered),
        ("useConsumerPriority", &mut policy.use_consumer_priority),
        ("usePrefetchExtension", &mut policy.use_prefetch_extension),
    ];
    for (name, switch) in switches {
        if let Some(value) = table.take(name) {
            *switch = value.boolean()?;
        }
    }
    if let Some(value) = table.take("dispatchPolicy") {
        let kinds = [("roundRobin", false), ("strictOrder", true)];
        policy.strict_order_dispatch |= value.one_of(&kinds)?;
    }
    policy.prioritized_messages =
        table.take("prioritizedMessages").map(Value::boolean).transpose()?;
    policy.memory_limit = table.take("memoryLimit").map(Value::bytes).transpose()?;
    policy.expire_messages_period =
        table.take("expireMessagesPeriod").map(Value::duration).transpose()?;
    if let Some(value) = table.take("inactiveTimeoutBeforeGC") {
        policy.inactive_timeout_before_gc = value.duration()?;
    }
    read_dispatch(table, &mut policy)?;
    let prefetch = &mut policy.prefetch;
    let prefetches: [(&'static str, &mut Option<i32>); 4] = [
        ("queuePrefetch", &mut prefetch.queue),
        ("queueBrowserPrefetch", &mut prefetch.queue_browser),
        ("topicPrefetch", &mut prefetch.topic),
        ("durableTopicPrefetch", &mut prefetch.durable_topic),
    ];
    for (name, prefetch) in prefetches {
        if let Some(value) = table.take(name) {
            let too_large = value.error("is more than 32766");
            let count = i32::try_from(value.count()?).ok().filter(|count| *count < 32_767);
            *prefetch = Some(count.ok_or(too_large)?);
        }
    }
    if let Some(value) = table.take("deadLetterStrategy") {
        policy.dead_letter_strategy = dead_letters(value)?;
    }
    if let Some(value) = table.take("subscriptionRecoveryPolicy") {
        policy.subscription_recovery_policy = Some(recovery(value)?);
    }
    if let Some(value) = table.take("pendingMessageLimitStrategy") {
        policy.pending_message_limit_strategy = pending_limit(value)?;
    }
    if let Some(value) = table.take("messageEvictionStrategy") {
        use MessageEvictionStrategy as Eviction;
        policy.message_eviction_strategy = value.one_of(&[
            ("oldestMessage", Eviction::OldestMessage),
            ("oldestMessageWithLowestPriority", Eviction::OldestMessageWithLowestPriority),
        ])?;
    }
    Ok(policy)
}

/// What is said of how messages get to consumers.
fn read_dispatch(
    table: &mut Table<'_>,
    policy: &mut DestinationPolicy,
) -> Result<(), SettingsError> {
    if let Some(value) = table.take("consumersBeforeDispatchStarts") {
        policy.consumers_before_dispatch_starts = value.count()?;
    }
    if let Some(value) = table.take("timeBeforeDispatchStarts") {
        policy.time_before_dispatch_starts = value.duration()?;
    }
    if let Some(value) = table.take("maxBrowsePageSize") {
        policy.max_browse_page_size = Some(value.count()?).filter(|count| *count > 0);
    }
    if let Some(value) = table.take("minimumMessageSize") {
        let too_large = value.error("is more than 65535");
        policy.minimum_message_size = u16::try_from(value.bytes()?).map_err(|_| too_large)?;
    }
    policy.message_group_map =
        table.take("messageGroupMapFactoryType").map(Value::parse).transpose()?;
    Ok(())
}

fn dead_letters(value: Value<'_>) -> Result<DeadLetterStrategy, SettingsError> {
    #[derive(Clone, Copy)]
    enum Kind {
        Shared,
        Individual,
        Discarding,
    }
    let (kind, mut table) = value.kind(&[
        ("shared", Kind::Shared),
        ("individual", Kind::Individual),
        ("discarding", Kind::Discarding),
    ])?;
    let mut strategy = DeadLetterStrategy::default();
    let text = |table: &mut Table<'_>, name, default: &str| match table.take(name) {
        Some(value) => value.text(),
        None => Ok(default.to_owned()),
    };
    strategy.target = match kind {
        Kind::Shared => {
            DeadLetterTarget::Shared(Destination::queue(text(&mut table, "queue", "ActiveMQ.DLQ")?))
        }
        Kind::Individual => DeadLetterTarget::Individual {
            queue_prefix: text(&mut table, "queuePrefix", "ActiveMQ.DLQ.Queue.")?,
            topic_prefix: text(&mut table, "topicPrefix", "ActiveMQ.DLQ.Topic.")?,
        },
        Kind::Discarding => DeadLetterTarget::Discard,
    };
    if let Some(value) = table.take("processExpired") {
        strategy.process_expired = value.boolean()?;
    }
    if let Some(value) = table.take("processNonPersistent") {
        strategy.process_non_persistent = value.boolean()?;
    }
    table.finish()?;
    Ok(strategy)
}

fn recovery(value: Value<'_>) -> Result<SubscriptionRecoveryPolicy, SettingsError> {
    #[derive(Clone, Copy)]
    enum Kind {
        None,
        Count,
        Size,
        Last,
        Timed,
    }
    let (kind, mut table) = value.kind(&[
        ("fixedCount", Kind::Count),
        ("fixedSized", Kind::Size),
        ("lastImage", Kind::Last),
        ("timed", Kind::Timed),
        ("none", Kind::None),
    ])?;
    let policy = match kind {
        Kind::None => SubscriptionRecoveryPolicy::None,
        Kind::Count => {
            let size = table.take("maximumSize").map_or(Ok(100), Value::count)?;
            SubscriptionRecoveryPolicy::FixedCount(size)
        }
        Kind::Size => {
            let size = table.take("maximumSize").map_or(Ok(64 << 10), Value::bytes)?;
            SubscriptionRecoveryPolicy::FixedSized(size)
        }
        Kind::Last => SubscriptionRecoveryPolicy::LastImage,
        Kind::Timed => {
            let minute = std::time::Duration::from_secs(60);
            let time = table.take("recoverDuration").map_or(Ok(minute), Value::duration)?;
            SubscriptionRecoveryPolicy::Timed(time)
        }
    };
    table.finish()?;
    Ok(policy)
}

fn pending_limit(value: Value<'_>) -> Result<PendingMessageLimitStrategy, SettingsError> {
    let (is_constant, mut table) = value.kind(&[("constant", true), ("prefetchRate", false)])?;
    let strategy = if is_constant {
        PendingMessageLimitStrategy::Constant(table.need("limit")?.count()?)
    } else {
        let rate = table.take("multiplier").map_or(Ok(0.5), Value::number)?;
        PendingMessageLimitStrategy::PrefetchRate(rate)
    };
    table.finish()?;
    Ok(strategy)
}
