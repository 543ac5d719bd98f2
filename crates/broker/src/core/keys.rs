//! Short names for what the core holds: numbers, where the wire has strings.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A table that is looked into and never gone through where order matters.
pub(super) type Map<K, V> = HashMap<K, V, RandomState>;

macro_rules! keys {
    ($($(#[doc = $doc:literal])* $name:ident)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) struct $name(pub(super) u64);
    )*};
}

keys! {
    /// A connection.
    ConnectionKey
    /// A consumer.
    SubKey
    /// A queue, or what waits for a durable subscription.
    QueueKey
    /// A topic.
    TopicKey
}
