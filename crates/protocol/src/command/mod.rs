//! Everything that can stand in a frame: one file a subject, one declaration a structure.

mod any;
mod base;
mod broker;
mod connection;
mod consumer;
mod destination;
mod dispatch;
mod id;
mod journal;
mod message;
mod network;
mod response;
mod session;
mod subscription;
mod transaction;
mod wire_format_info;

pub use any::Command;
pub(crate) use any::Held;
pub use broker::{BrokerInfo, BrokerSubscriptionInfo};
pub use connection::{
    ConnectionControl, ConnectionError, ConnectionInfo, ControlCommand, FlushCommand,
    KeepAliveInfo, RemoveInfo, ShutdownInfo,
};
pub use consumer::{ConsumerControl, ConsumerInfo, MessagePull};
pub use destination::{Destination, DestinationKind};
pub use dispatch::{MessageAck, MessageDispatch, MessageDispatchNotification};
pub use id::{BrokerId, ConnectionId, ConsumerId, MessageId, ProducerId, SessionId};
pub use journal::{
    JournalQueueAck, JournalTopicAck, JournalTrace, JournalTransaction, ReplayCommand,
};
pub use message::{BlobFields, Message, MessageKind};
pub use network::{DiscoveryEvent, LastPartialCommand, NetworkBridgeFilter, PartialCommand};
pub use response::{DataArrayResponse, DataResponse, ExceptionResponse, IntegerResponse, Response};
pub use session::{ProducerAck, ProducerInfo, SessionInfo};
pub use subscription::{DestinationInfo, RemoveSubscriptionInfo, SubscriptionInfo};
pub use transaction::{LocalTransactionId, TransactionId, TransactionInfo, XaTransactionId};
pub use wire_format_info::WireFormatInfo;

use crate::schema::{FieldRow, StructureRow};

/// The row of a structure, to be refined by [`since`](StructureRow::since) and
/// [`class`](StructureRow::class).
pub(crate) const fn row(
    name: &'static str,
    code: u8,
    fields: &'static [&'static [FieldRow]],
) -> StructureRow {
    let marshall_aware = crate::wire::field::is_marshall_aware(code);
    StructureRow { name, code, since: 1, marshall_aware, fields }
}

impl StructureRow {
    pub(crate) const fn since(mut self, version: u8) -> Self {
        self.since = version;
        self
    }

    pub(crate) const fn class(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
}
