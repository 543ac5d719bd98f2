//! Messages on their way to a consumer, and what the consumer says of them.

use super::{ConsumerId, Destination, Message, MessageId, TransactionId};
use crate::macros::{attr, cached, fields, structure};
use crate::wire::throwable::Throwable;

structure! {
    /// A message for a consumer.
    #[wire(code = 21)]
    pub struct MessageDispatch: BaseCommand {
        /// Which consumer.
        #[wire(cached)]
        pub consumer_id: Option<ConsumerId>,
        /// The destination it was taken from.
        #[wire(cached)]
        pub destination: Option<Destination>,
        /// The message; none at the end of browsing and when a pull found nothing.
        pub message: Option<Box<Message>>,
        /// How often it was delivered before.
        pub redelivery_counter: i32,
    }
}

structure! {
    /// Tells a slave that its master has dispatched a message.
    #[wire(code = 90)]
    pub struct MessageDispatchNotification: BaseCommand {
        /// To which consumer.
        #[wire(cached)]
        pub consumer_id: Option<ConsumerId>,
        /// From which destination.
        #[wire(cached)]
        pub destination: Option<Destination>,
        /// The number of the delivery.
        pub delivery_sequence_id: i64,
        /// Which message.
        pub message_id: Option<MessageId>,
    }
}

structure! {
    /// What a consumer says of messages it was sent.
    #[wire(code = 22)]
    pub struct MessageAck: BaseCommand {
        /// The consumer's destination.
        #[wire(cached)]
        pub destination: Option<Destination>,
        /// The transaction it is part of.
        #[wire(cached)]
        pub transaction_id: Option<TransactionId>,
        /// Which consumer.
        #[wire(cached)]
        pub consumer_id: Option<ConsumerId>,
        /// One of [`DELIVERED`](Self::DELIVERED) to [`EXPIRED`](Self::EXPIRED).
        pub ack_type: i8,
        /// The first message meant; none when it is the last one alone.
        pub first_message_id: Option<MessageId>,
        /// The last message meant.
        pub last_message_id: Option<MessageId>,
        /// How many messages are meant.
        pub message_count: i32,
        /// Why a message is called poison.
        #[wire(since = 7)]
        pub poison_cause: Option<Box<Throwable>>,
    }
}

impl MessageAck {
    /// The messages have arrived: the broker may send more, but keeps them.
    pub const DELIVERED: i8 = 0;
    /// The message cannot be processed: it goes to the dead letter queue.
    pub const POISON: i8 = 1;
    /// The messages are consumed.
    pub const STANDARD: i8 = 2;
    /// The message will be delivered again by the client itself.
    pub const REDELIVERED: i8 = 3;
    /// This one message is consumed, whatever came before it.
    pub const INDIVIDUAL: i8 = 4;
    /// The message did not match; durable subscriptions only.
    pub const UNMATCHED: i8 = 5;
    /// The message had expired when it arrived.
    pub const EXPIRED: i8 = 6;
}
