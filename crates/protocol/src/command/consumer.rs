//! Consumers, as a broker knows them.

use super::{BrokerId, ConsumerId, Destination, MessageId, NetworkBridgeFilter};
use crate::macros::{attr, cached, fields, structure};
use crate::string::Str;

structure! {
    /// A consumer begins.
    #[wire(code = 5)]
    pub struct ConsumerInfo: BaseCommand {
        /// Its name.
        #[wire(cached)]
        pub consumer_id: Option<ConsumerId>,
        /// Whether it only looks: a queue browser.
        pub browser: bool,
        /// What it consumes from.
        #[wire(cached)]
        pub destination: Option<Destination>,
        /// How many messages may be on their way to it unacknowledged; 0 for one that pulls.
        pub prefetch_size: i32,
        /// For topics: how many messages beyond the prefetch the broker keeps for it; 0 for no limit.
        pub maximum_pending_message_limit: i32,
        /// Whether the broker dispatches from another thread.
        pub dispatch_async: bool,
        /// JMS's message selector.
        pub selector: Option<Str>,
        /// The client id, when a broker speaks for a client.
        #[wire(since = 10)]
        pub client_id: Option<Str>,
        /// The name of a durable subscription.
        pub subscription_name: Option<Str>,
        /// Whether messages of the same connection are left out.
        pub no_local: bool,
        /// Whether it is to be the queue's only consumer while it lasts.
        pub exclusive: bool,
        /// Whether a topic's recent messages are sent again to it.
        pub retroactive: bool,
        /// Higher ones are served first.
        pub priority: i8,
        /// The brokers this came through.
        pub broker_path: Option<Vec<Option<BrokerId>>>,
        /// What a bridge lets through.
        pub additional_predicate: Option<NetworkBridgeFilter>,
        /// Whether a bridge consumes for another broker.
        pub network_subscription: bool,
        /// Whether acknowledgements are sent late, in batches.
        pub optimized_acknowledge: bool,
        /// Whether one acknowledgement covers one message only.
        pub no_range_acks: bool,
        /// For which consumers of other brokers a bridge consumes.
        #[wire(since = 4)]
        pub network_consumer_path: Option<Vec<Option<ConsumerId>>>,
    }
}

structure! {
    /// Changes a consumer while it runs.
    #[wire(code = 17)]
    pub struct ConsumerControl: BaseCommand {
        /// The consumer's destination.
        #[wire(since = 6)]
        pub destination: Option<Destination>,
        /// Close it.
        pub close: bool,
        /// Which consumer.
        pub consumer_id: Option<ConsumerId>,
        /// Its prefetch from now on.
        pub prefetch: i32,
        /// Drop what waits for it.
        #[wire(since = 2)]
        pub flush: bool,
        /// Go on dispatching.
        #[wire(since = 2)]
        pub start: bool,
        /// Stop dispatching.
        #[wire(since = 2)]
        pub stop: bool,
    }
}

structure! {
    /// Asks for a message, for a consumer whose prefetch is 0.
    #[wire(code = 20, since = 2)]
    pub struct MessagePull: BaseCommand {
        /// Which consumer.
        #[wire(cached, since = 2)]
        pub consumer_id: Option<ConsumerId>,
        /// The consumer's destination.
        #[wire(cached, since = 2)]
        pub destination: Option<Destination>,
        /// Milliseconds the broker may wait for one; 0 for ever, -1 not at all.
        #[wire(since = 2)]
        pub timeout: i64,
        /// Asks for the message with this correlation id.
        #[wire(since = 3)]
        pub correlation_id: Option<Str>,
        /// Asks for this message.
        #[wire(since = 3)]
        pub message_id: Option<MessageId>,
    }
}
