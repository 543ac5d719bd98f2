//! A connection as a broker knows it: who it is, what it is told, how it ends.

use bytes::Bytes;

use super::{BrokerId, Command, ConnectionId};
use crate::macros::{attr, cached, fields, structure};
use crate::string::Str;
use crate::wire::throwable::Throwable;

structure! {
    /// The first thing a client says after the handshake: who it is, and its password.
    #[wire(code = 3)]
    pub struct ConnectionInfo: BaseCommand {
        /// The connection's name.
        #[wire(cached)]
        pub connection_id: Option<ConnectionId>,
        /// JMS's client id: one connection at a time may have it.
        pub client_id: Option<Str>,
        /// The password.
        #[wire(secret)]
        pub password: Option<Str>,
        /// The user.
        pub user_name: Option<Str>,
        /// The brokers this came through.
        pub broker_path: Option<Vec<Option<BrokerId>>>,
        /// Whether the sender is a broker that follows a master.
        pub broker_master_connector: bool,
        /// Whether the broker may send `ConnectionControl`; Java's client always says so.
        pub manageable: bool,
        /// Whether the sender regards the broker as its master.
        #[wire(since = 2)]
        pub client_master: bool,
        /// Whether the sender survives its broker: set by failover clients.
        #[wire(since = 6)]
        pub fault_tolerant: bool,
        /// Whether this connection was on another broker before: then it is not rebalanced at once.
        #[wire(since = 6)]
        pub failover_reconnect: bool,
        /// The client's address, filled in by the broker.
        #[wire(since = 8)]
        pub client_ip: Option<Str>,
    }
}

structure! {
    /// Tells a client what the cluster looks like, and where the broker would rather have it.
    #[wire(code = 18)]
    pub struct ConnectionControl: BaseCommand {
        /// Close the connection.
        pub close: bool,
        /// End the process.
        pub exit: bool,
        /// From a client: it survives its broker. From a broker: it is part of a cluster.
        pub fault_tolerant: bool,
        /// Go on dispatching.
        pub resume: bool,
        /// Stop dispatching.
        pub suspend: bool,
        /// The cluster's brokers, comma separated; the sender first unless it rebalances.
        #[wire(since = 6)]
        pub connected_brokers: Option<Str>,
        /// Go to this broker.
        #[wire(since = 6)]
        pub reconnect_to: Option<Str>,
        /// Go to the first of the connected brokers, if it is another one.
        #[wire(since = 6)]
        pub rebalance_connection: bool,
        /// Unused by ActiveMQ.
        #[wire(since = 8)]
        pub token: Option<Bytes>,
    }
}

structure! {
    /// Something went wrong on the connection that no request asked for.
    #[wire(code = 16)]
    pub struct ConnectionError: BaseCommand {
        /// What.
        pub exception: Option<Box<Throwable>>,
        /// On which connection.
        pub connection_id: Option<ConnectionId>,
    }
}

structure! {
    /// Nothing but a sign of life.
    #[wire(code = 10)]
    pub struct KeepAliveInfo: BaseCommand {}
}

structure! {
    /// The sender is about to close the socket.
    #[wire(code = 11)]
    pub struct ShutdownInfo: BaseCommand {}
}

structure! {
    /// Asks the peer to flush what it has.
    #[wire(code = 15)]
    pub struct FlushCommand: BaseCommand {}
}

structure! {
    /// An order to a broker in words; the only one in use is `shutdown`.
    #[wire(code = 14)]
    pub struct ControlCommand: BaseCommand {
        /// The order.
        pub command: Option<Str>,
    }
}

structure! {
    /// Ends a connection, a session, a producer or a consumer.
    #[wire(code = 12)]
    pub struct RemoveInfo: BaseCommand {
        /// The id of what ends.
        #[wire(cached)]
        pub object_id: Option<Box<Command>>,
        /// The broker's number of the last message the application was handed: what was dispatched
        /// after it counts as never delivered. -1 none was; -2 unknown, Java's default.
        #[wire(since = 5)]
        pub last_delivered_sequence_id: i64,
    }
}
