//! How a broker introduces itself.

use super::{BrokerId, ConsumerInfo};
use crate::macros::{attr, cached, fields, structure};
use crate::string::Str;

structure! {
    /// The first thing a broker says after the handshake: who it is.
    #[wire(code = 2)]
    pub struct BrokerInfo: BaseCommand {
        /// The broker's id.
        #[wire(cached)]
        pub broker_id: Option<BrokerId>,
        /// The address of the connector the client is on, as the broker publishes it.
        #[wire(java = "brokerURL")]
        pub broker_url: Option<Str>,
        /// Its peers; brokers leave this empty by default.
        pub peer_broker_infos: Option<Vec<Option<Box<BrokerInfo>>>>,
        /// The broker's name.
        pub broker_name: Option<Str>,
        /// Whether it is a slave.
        pub slave_broker: bool,
        /// Whether it is a master.
        pub master_broker: bool,
        /// Whether clients may count on a slave to take over.
        pub fault_tolerant_configuration: bool,
        /// Whether the sender is a bridge that wants messages both ways.
        #[wire(since = 2)]
        pub duplex_connection: bool,
        /// Whether the sender is a bridge.
        #[wire(since = 2)]
        pub network_connection: bool,
        /// The broker's number for the connection.
        #[wire(since = 2)]
        pub connection_id: i64,
        /// Where blobs are uploaded.
        #[wire(since = 3)]
        pub broker_upload_url: Option<Str>,
        /// The settings of a bridge.
        #[wire(since = 3)]
        pub network_properties: Option<Str>,
    }
}

structure! {
    /// The durable subscriptions a broker tells its bridge about.
    #[wire(code = 92, since = 12)]
    pub struct BrokerSubscriptionInfo: BaseCommand {
        /// Whose they are.
        #[wire(since = 12)]
        pub broker_id: Option<BrokerId>,
        /// The broker's name.
        #[wire(since = 12)]
        pub broker_name: Option<Str>,
        /// The subscriptions.
        #[wire(since = 12)]
        pub subscription_infos: Option<Vec<Option<Box<ConsumerInfo>>>>,
    }
}
