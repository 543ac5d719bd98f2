//! A message: the headers all kinds share, the kinds, and the body as opaque bytes.

use bytes::Bytes;

use super::{BrokerId, Command, ConsumerId, Destination, MessageId, ProducerId, TransactionId};
use crate::macros::{attr, fields};
use crate::schema::StructureRow;
use crate::string::Str;
use crate::value::{Value, ValueError};
use crate::wire::cache::{Cached, Hint};
use crate::wire::field::{Fields, Nested};
use crate::wire::reader::{Fault, Reader};
use crate::wire::writer::{Refusal, Writer};

fields! {
    [" A message as it travels: headers, and properties and body as bytes."
     ""
     " What it is, text or bytes or another, says [`kind`](Self::kind)."]
    Message
    local
    /// What kind of message it is.
    pub kind: MessageKind,
    wire
    /// The number by which a response refers to this command.
    pub command_id: i32,
    /// Whether the sender wants a [`Response`](crate::Response).
    pub response_required: bool,
    /// Who sent it.
    #[wire(cached)]
    pub producer_id: Option<ProducerId>,
    /// Where it goes.
    #[wire(cached)]
    pub destination: Option<Destination>,
    /// The transaction it is part of.
    #[wire(cached)]
    pub transaction_id: Option<TransactionId>,
    /// Where it went first, before it was forwarded or called dead.
    #[wire(cached)]
    pub original_destination: Option<Destination>,
    /// Its name.
    pub message_id: Option<MessageId>,
    /// The transaction it was part of before it was forwarded.
    #[wire(cached)]
    pub original_transaction_id: Option<TransactionId>,
    /// `JMSXGroupID`: messages of one group go to one consumer.
    #[wire(java = "groupID")]
    pub group_id: Option<Str>,
    /// `JMSXGroupSeq`.
    pub group_sequence: i32,
    /// `JMSCorrelationID`.
    pub correlation_id: Option<Str>,
    /// Whether it survives the broker.
    pub persistent: bool,
    /// When it expires, in milliseconds since 1970; 0 for never.
    pub expiration: i64,
    /// 0 to 9; JMS's default is 4.
    pub priority: i8,
    /// `JMSReplyTo`.
    pub reply_to: Option<Destination>,
    /// When it was sent, in milliseconds since 1970.
    pub timestamp: i64,
    /// `JMSType`.
    #[wire(java = "type")]
    pub message_type: Option<Str>,
    /// The body; what it holds depends on the kind and on `compressed`.
    pub content: Option<Bytes>,
    /// The properties, as a primitive map.
    pub marshalled_properties: Option<Bytes>,
    /// A command as body, in advisories.
    pub data_structure: Option<Box<Command>>,
    /// The only consumer that may have it.
    #[wire(cached)]
    pub target_consumer_id: Option<ConsumerId>,
    /// Whether the body is compressed.
    pub compressed: bool,
    /// How often it was delivered before.
    pub redelivery_counter: i32,
    /// The brokers it came through.
    pub broker_path: Option<Vec<Option<BrokerId>>>,
    /// When the broker got it; not kept up by ActiveMQ 5.
    pub arrival: i64,
    /// `JMSXUserID`: the sender's user name, if the broker fills it in.
    #[wire(java = "userID")]
    pub user_id: Option<Str>,
    /// Whether a demand-forwarding bridge brought it; the spelling is Java's.
    #[wire(java = "recievedByDFBridge")]
    pub recieved_by_df_bridge: bool,
    /// Whether it may be dropped when memory is short.
    #[wire(since = 2)]
    pub droppable: bool,
    /// The brokers of a cluster it was sent to.
    #[wire(since = 3)]
    pub cluster: Option<Vec<Option<BrokerId>>>,
    /// When the broker took it in, in milliseconds since 1970.
    #[wire(since = 3)]
    pub broker_in_time: i64,
    /// When the broker let it out.
    #[wire(since = 3)]
    pub broker_out_time: i64,
    /// Whether it is the first of its group for its consumer.
    #[wire(since = 10, java = "JMSXGroupFirstForConsumer")]
    pub jmsx_group_first_for_consumer: bool,
}

fields! {
    [" Where the body of a blob message is."]
    BlobFields
    local
    wire
    /// The address.
    #[wire(since = 3)]
    pub remote_blob_url: Option<Str>,
    /// The kind of content.
    #[wire(since = 3)]
    pub mime_type: Option<Str>,
    /// Whether the broker removes it after use.
    #[wire(since = 3)]
    pub deleted_by_broker: bool,
}

/// The kinds of messages JMS has, and ActiveMQ's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// No body.
    #[default]
    Message,
    /// Bytes.
    Bytes,
    /// Names and values.
    Map,
    /// A serialised Java object; opaque here, it is never looked into.
    Object,
    /// Values in order.
    Stream,
    /// Text.
    Text,
    /// A body that is elsewhere.
    Blob(Box<BlobFields>),
}

impl MessageKind {
    const fn row(&self) -> StructureRow {
        const COMMON: &[&[crate::FieldRow]] = &[<Message as Fields>::ROWS];
        const BLOB: &[&[crate::FieldRow]] =
            &[<Message as Fields>::ROWS, <BlobFields as Fields>::ROWS];
        let (name, fields) = match self {
            Self::Message => ("ActiveMQMessage", COMMON),
            Self::Bytes => ("ActiveMQBytesMessage", COMMON),
            Self::Map => ("ActiveMQMapMessage", COMMON),
            Self::Object => ("ActiveMQObjectMessage", COMMON),
            Self::Stream => ("ActiveMQStreamMessage", COMMON),
            Self::Text => ("ActiveMQTextMessage", COMMON),
            Self::Blob(_) => ("ActiveMQBlobMessage", BLOB),
        };
        super::row(name, self.code(), fields).since(self.since())
    }

    /// The type code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Message => 23,
            Self::Bytes => 24,
            Self::Map => 25,
            Self::Object => 26,
            Self::Stream => 27,
            Self::Text => 28,
            Self::Blob(_) => 29,
        }
    }

    /// The first version that has it.
    pub(crate) const fn since(&self) -> u8 {
        match self {
            Self::Blob(_) => 3,
            Self::Message | Self::Bytes | Self::Map | Self::Object | Self::Stream | Self::Text => 1,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            23 => Self::Message,
            24 => Self::Bytes,
            25 => Self::Map,
            26 => Self::Object,
            27 => Self::Stream,
            28 => Self::Text,
            29 => Self::Blob(Box::default()),
            _ => return None,
        })
    }

    /// The declaration of the kind with this code, as data.
    pub(crate) fn row_of(code: u8) -> Option<StructureRow> {
        Self::of_code(code).map(|kind| kind.row())
    }
}

impl Message {
    pub(crate) const fn row(&self) -> StructureRow {
        self.kind.row()
    }

    pub(crate) fn value(&self, field: &str) -> Option<Value> {
        match &self.kind {
            MessageKind::Blob(blob) => self.get(field).or_else(|| blob.get(field)),
            MessageKind::Message
            | MessageKind::Bytes
            | MessageKind::Map
            | MessageKind::Object
            | MessageKind::Stream
            | MessageKind::Text => self.get(field),
        }
    }

    pub(crate) fn set_value(&mut self, field: &str, value: Value) -> Result<(), ValueError> {
        if let MessageKind::Blob(blob) = &mut self.kind
            && blob.get(field).is_some()
        {
            return blob.set(field, value);
        }
        self.set(field, value)
    }
}

impl From<Message> for Command {
    fn from(message: Message) -> Self {
        Self::Message(Box::new(message))
    }
}

impl From<Box<Message>> for Command {
    fn from(message: Box<Message>) -> Self {
        Self::Message(message)
    }
}

impl Nested for Box<Message> {
    const CLASS: &'static str = "Message";
    const BOXED: usize = size_of::<Message>() + size_of::<BlobFields>();

    #[inline]
    fn code(&self) -> u8 {
        self.kind.code()
    }

    #[inline]
    fn since(&self) -> u8 {
        self.kind.since()
    }

    fn write_fields<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        Fields::write(&**self, w)?;
        if let MessageKind::Blob(blob) = &self.kind { blob.write(w) } else { Ok(()) }
    }

    fn blank(code: u8) -> Option<Self> {
        // Not `Box::new`: it would make the message elsewhere and move it.
        let kind = MessageKind::of_code(code)?;
        let mut message = Self::default();
        message.kind = kind;
        Some(message)
    }

    fn read_fields(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        Fields::read(&mut **self, r)?;
        if let MessageKind::Blob(blob) = &mut self.kind { blob.read(r) } else { Ok(()) }
    }

    fn to_cached(&self) -> Cached {
        Cached::Other(Box::new(self.clone().into()))
    }

    fn load_cached(_: &mut Option<Self>, _: &Cached) -> bool {
        false
    }

    fn is_cached(&self, _: &Cached) -> bool {
        false
    }

    fn cache_hash(&self) -> u64 {
        u64::from(self.code())
    }

    fn cache_hint(&self) -> Hint {
        Hint::NONE
    }

    fn from_command(command: Command) -> Result<Self, ValueError> {
        if let Command::Message(message) = command {
            Ok(message)
        } else {
            Err(ValueError::new("a message is expected"))
        }
    }
}
