//! Durable subscriptions, and destinations that come and go.

use super::{BrokerId, ConnectionId, Destination};
use crate::macros::{attr, cached, fields, structure};
use crate::string::Str;

structure! {
    /// A durable subscription, in a broker's store and in answers about it.
    #[wire(code = 55)]
    pub struct SubscriptionInfo {
        /// The client id it belongs to.
        pub client_id: Option<Str>,
        /// The topic the broker keeps it under.
        #[wire(cached)]
        pub destination: Option<Destination>,
        /// JMS's message selector.
        pub selector: Option<Str>,
        /// Its name.
        pub subscription_name: Option<Str>,
        /// The topic the client asked for, when it is not the same.
        #[wire(since = 3)]
        pub subscribed_destination: Option<Destination>,
        /// Whether messages of the same connection are left out.
        #[wire(since = 11)]
        pub no_local: bool,
    }
}

structure! {
    /// Ends a durable subscription.
    #[wire(code = 9)]
    pub struct RemoveSubscriptionInfo: BaseCommand {
        /// Whose connection.
        #[wire(cached)]
        pub connection_id: Option<ConnectionId>,
        /// Its name.
        pub subscription_name: Option<Str>,
        /// The client id it belongs to.
        pub client_id: Option<Str>,
    }
}

structure! {
    /// Makes or removes a destination; temporary ones above all.
    #[wire(code = 8)]
    pub struct DestinationInfo: BaseCommand {
        /// Whose connection.
        #[wire(cached)]
        pub connection_id: Option<ConnectionId>,
        /// Which destination.
        #[wire(cached)]
        pub destination: Option<Destination>,
        /// [`ADD`](Self::ADD) or [`REMOVE`](Self::REMOVE).
        pub operation_type: i8,
        /// Milliseconds the broker may wait for the destination to fall idle.
        pub timeout: i64,
        /// The brokers this came through.
        pub broker_path: Option<Vec<Option<BrokerId>>>,
    }
}

impl DestinationInfo {
    /// The destination is to be made.
    pub const ADD: i8 = 0;
    /// The destination is to be removed.
    pub const REMOVE: i8 = 1;
}
