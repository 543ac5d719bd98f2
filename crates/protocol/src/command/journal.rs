//! What old stores kept in their journals; never on a connection, but part of the wire language.

use super::{Destination, MessageAck, MessageId, TransactionId};
use crate::macros::{attr, cached, fields, structure};
use crate::string::Str;

structure! {
    /// A durable subscriber's acknowledgement.
    #[wire(code = 50)]
    pub struct JournalTopicAck {
        /// The topic.
        pub destination: Option<Destination>,
        /// The message.
        pub message_id: Option<MessageId>,
        /// Its number in the topic.
        pub message_sequence_id: i64,
        /// The subscription; the spelling is Java's.
        pub subscrition_name: Option<Str>,
        /// The subscriber.
        pub client_id: Option<Str>,
        /// The transaction it is part of.
        pub transaction_id: Option<TransactionId>,
    }
}

structure! {
    /// An acknowledgement on a queue.
    #[wire(code = 52)]
    pub struct JournalQueueAck {
        /// The queue.
        pub destination: Option<Destination>,
        /// The acknowledgement.
        pub message_ack: Option<MessageAck>,
    }
}

structure! {
    /// A remark.
    #[wire(code = 53)]
    pub struct JournalTrace {
        /// The remark.
        pub message: Option<Str>,
    }
}

structure! {
    /// A step of a transaction.
    #[wire(code = 54)]
    pub struct JournalTransaction {
        /// Which transaction.
        pub transaction_id: Option<TransactionId>,
        /// 1 to 3: XA prepare, commit, rollback; 4 and 5: local commit, rollback.
        #[wire(java = "type")]
        pub transaction_type: i8,
        /// Whether it had been prepared.
        pub was_prepared: bool,
    }
}

structure! {
    /// Asks for commands to be sent again; unused since commands travel over TCP.
    #[wire(code = 65)]
    pub struct ReplayCommand: BaseCommand {
        /// The first one missing.
        pub first_nak_number: i32,
        /// The last one missing.
        pub last_nak_number: i32,
    }
}
