//! Between brokers: what a bridge lets through, who was discovered, commands cut into parts.

use bytes::Bytes;

use super::BrokerId;
use crate::macros::{attr, cached, fields, structure};
use crate::string::Str;

structure! {
    /// What a bridge lets through: no message that has come too far or would go back.
    #[wire(code = 91)]
    pub struct NetworkBridgeFilter {
        /// How many brokers a message or a subscription may pass; versions 1 to 9.
        #[wire(until = 9, java = "networkTTL")]
        pub network_ttl: i32,
        /// The broker on the other side.
        #[wire(cached)]
        pub network_broker_id: Option<BrokerId>,
        /// How many brokers a message may pass.
        #[wire(since = 10, java = "messageTTL")]
        pub message_ttl: i32,
        /// How many brokers a subscription may pass.
        #[wire(since = 10, java = "consumerTTL")]
        pub consumer_ttl: i32,
    }
}

structure! {
    /// A broker was found, or lost.
    #[wire(code = 40)]
    pub struct DiscoveryEvent {
        /// Its address.
        pub service_name: Option<Str>,
        /// Its name.
        pub broker_name: Option<Str>,
    }
}

structure! {
    /// A part of a command too large for a datagram.
    #[wire(code = 60)]
    pub struct PartialCommand {
        /// The number of the command.
        pub command_id: i32,
        /// The part.
        pub data: Option<Bytes>,
    }
}

structure! {
    /// The last part of a command too large for a datagram.
    #[wire(code = 61)]
    pub struct LastPartialCommand {
        /// The number of the command.
        pub command_id: i32,
        /// The part.
        pub data: Option<Bytes>,
    }
}
