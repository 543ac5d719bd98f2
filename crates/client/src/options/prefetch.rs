//! `PrefetchPolicy`: how many messages a broker may send ahead, by the kind of consumer.

/// The most a prefetch may be. Java: `ActiveMQPrefetchPolicy.MAX_PREFETCH_SIZE`.
pub(crate) const MOST_PREFETCH: u32 = 32_767;

/// How many messages a broker may send ahead of their acknowledgement, to consumers that do not say so
/// themselves. Each is at most 32,767; 0 is to ask for each message.
///
/// The names and defaults are those of ActiveMQ's `ActiveMQPrefetchPolicy`, and so are the URI's options:
/// `jms.prefetchPolicy.queuePrefetch=10`, `jms.prefetchPolicy.all=1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "camelCase", deny_unknown_fields))]
pub struct PrefetchPolicy {
    /// Of a queue's consumers. Default 1000.
    pub queue_prefetch: u32,
    /// Of a queue's browsers. Default 500.
    pub queue_browser_prefetch: u32,
    /// Of a topic's consumers. Default 32,767.
    pub topic_prefetch: u32,
    /// Of durable subscriptions. Default 100.
    pub durable_topic_prefetch: u32,
    /// Of durable subscriptions where `optimizeAcknowledge` is on. Default 1000.
    pub optimize_durable_topic_prefetch: u32,
    /// How many messages a broker keeps beyond the prefetch for a topic's consumer that is slow, before
    /// it drops the oldest; 0 leaves it to the broker. Default 0.
    pub maximum_pending_message_limit: u32,
}

impl Default for PrefetchPolicy {
    fn default() -> Self {
        Self {
            queue_prefetch: 1000,
            queue_browser_prefetch: 500,
            topic_prefetch: MOST_PREFETCH,
            durable_topic_prefetch: 100,
            optimize_durable_topic_prefetch: 1000,
            maximum_pending_message_limit: 0,
        }
    }
}

impl PrefetchPolicy {
    /// The same prefetch for every kind of consumer.
    ///
    /// ```
    /// assert_eq!(rewire::PrefetchPolicy::all(1).queue_prefetch, 1);
    /// ```
    #[must_use]
    pub fn all(prefetch: u32) -> Self {
        Self {
            queue_prefetch: prefetch,
            queue_browser_prefetch: prefetch,
            topic_prefetch: prefetch,
            durable_topic_prefetch: prefetch,
            optimize_durable_topic_prefetch: prefetch,
            ..Self::default()
        }
    }
}
