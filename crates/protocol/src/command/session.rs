//! Sessions and producers, as a broker knows them.

use super::{BrokerId, Destination, ProducerId, SessionId};
use crate::macros::{attr, cached, fields, structure};

structure! {
    /// A session begins.
    #[wire(code = 4)]
    pub struct SessionInfo: BaseCommand {
        /// Its name.
        #[wire(cached)]
        pub session_id: Option<SessionId>,
    }
}

structure! {
    /// A producer begins.
    #[wire(code = 6)]
    pub struct ProducerInfo: BaseCommand {
        /// Its name.
        #[wire(cached)]
        pub producer_id: Option<ProducerId>,
        /// Where it sends to; none for a producer that names the destination with each message.
        #[wire(cached)]
        pub destination: Option<Destination>,
        /// The brokers this came through.
        pub broker_path: Option<Vec<Option<BrokerId>>>,
        /// Whether the broker may dispatch its messages from another thread.
        #[wire(since = 2)]
        pub dispatch_async: bool,
        /// Bytes it may have in flight before a [`ProducerAck`]; 0 for no such limit.
        #[wire(since = 3)]
        pub window_size: i32,
    }
}

structure! {
    /// Gives a producer with a window room for more.
    #[wire(code = 19, since = 3)]
    pub struct ProducerAck: BaseCommand {
        /// Which producer.
        #[wire(since = 3)]
        pub producer_id: Option<ProducerId>,
        /// Bytes that are no longer in flight.
        #[wire(since = 3)]
        pub size: i32,
    }
}
