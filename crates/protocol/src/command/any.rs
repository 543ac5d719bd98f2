//! `Command`: any structure, and the table from type codes to structures.

use super::{
    BrokerId, BrokerInfo, BrokerSubscriptionInfo, ConnectionControl, ConnectionError, ConnectionId,
    ConnectionInfo, ConsumerControl, ConsumerId, ConsumerInfo, ControlCommand, DataArrayResponse,
    DataResponse, Destination, DestinationInfo, DestinationKind, DiscoveryEvent, ExceptionResponse,
    FlushCommand, IntegerResponse, JournalQueueAck, JournalTopicAck, JournalTrace,
    JournalTransaction, KeepAliveInfo, LastPartialCommand, LocalTransactionId, Message, MessageAck,
    MessageDispatch, MessageDispatchNotification, MessageId, MessageKind, MessagePull,
    NetworkBridgeFilter, PartialCommand, ProducerAck, ProducerId, ProducerInfo, RemoveInfo,
    RemoveSubscriptionInfo, ReplayCommand, Response, SessionId, SessionInfo, ShutdownInfo,
    SubscriptionInfo, TransactionInfo, WireFormatInfo, XaTransactionId,
};
use crate::error::DecodeError;
use crate::schema::StructureRow;
use crate::value::{Value, ValueError};
use crate::wire::cache::{Cached, Hint};
use crate::wire::field::{Fields, Nested};
use crate::wire::reader::{Fault, Reader};
use crate::wire::writer::{Refusal, Writer};

/// The table: code, variant, and how the variant holds it.
macro_rules! commands {
    ($($(#[doc = $doc:literal])* $code:literal => $name:ident $(in $boxed:ident)?,)*) => {
        /// Anything that has a type code, alone in a frame or inside another structure: commands, ids,
        /// destinations, messages. Java calls it `DataStructure`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Command {
            $($(#[doc = $doc])* #[doc = concat!("[`", stringify!($name), "`], type ", $code, ".")]
              $name(held!($name $($boxed)?)),)*
            /// A queue or a topic, types 100 to 103.
            Destination(Destination),
            /// A message of any kind, types 23 to 29.
            Message(Box<Message>),
        }

        impl Command {
            /// The declarations of all structures, as data.
            pub fn schema() -> impl Iterator<Item = StructureRow> {
                let messages = (23..=29).filter_map(MessageKind::row_of);
                [$($name::ROW),*].into_iter().chain(DestinationKind::ROWS).chain(messages)
            }

            /// The declaration of the structure, as data.
            #[must_use]
            pub const fn row(&self) -> StructureRow {
                match self {
                    $(Self::$name(_) => $name::ROW,)*
                    Self::Destination(destination) => destination.row(),
                    Self::Message(message) => message.row(),
                }
            }

            pub(crate) fn row_of(code: u8) -> Option<StructureRow> {
                match code {
                    $($code => Some($name::ROW),)*
                    _ => DestinationKind::ROWS
                        .into_iter()
                        .find(|row| row.code == code)
                        .or_else(|| MessageKind::row_of(code)),
                }
            }

            /// The type code.
            #[must_use]
            #[inline]
            pub const fn code(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $code,)*
                    Self::Destination(destination) => destination.kind.code(),
                    Self::Message(message) => message.kind.code(),
                }
            }

            /// The first version that has it.
            #[inline]
            pub(crate) const fn since(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $name::ROW.since,)*
                    Self::Destination(_) => 1,
                    Self::Message(message) => message.kind.since(),
                }
            }

            #[inline]
            pub(crate) fn write<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
                match self {
                    $(Self::$name(structure) => Fields::write(&**by_ref!(structure $($boxed)?), w),)*
                    Self::Destination(destination) => destination.write_fields(w),
                    Self::Message(message) => message.write_fields(w),
                }
            }

            /// Reads the command that a frame consists of, up to the end of the frame if the reader
            /// is to find it there. Each structure is moved once and at its own size; a `Command` is
            /// as large as the largest.
            pub(crate) fn read_frame(
                code: u8,
                r: &mut Reader<'_>,
            ) -> Result<Option<Self>, DecodeError> {
                match code {
                    $($code => {
                        let mut structure = <held!($name $($boxed)?)>::default();
                        read_alone(by_mut!(@ structure $($boxed)?), &$name::ROW, r)?;
                        Ok(Some(Self::$name(structure)))
                    })*
                    _ => Self::read_other(code, r),
                }
            }

            /// Makes a structure by its code, with every field null, false or zero, where it is to
            /// stand; nothing for a code that does not exist.
            #[inline]
            pub(crate) fn set_blank(code: u8, place: &mut Option<Self>) {
                match code {
                    $($code => *place = Some(Self::$name(Default::default())),)*
                    100..=103 => *place = Destination::blank(code).map(Self::Destination),
                    _ => *place = <Box<Message> as Nested>::blank(code).map(Self::Message),
                }
            }

            /// Reads the fields into a blank structure.
            #[inline]
            pub(crate) fn read_fields(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
                match self {
                    $(Self::$name(structure) => {
                        Fields::read(by_mut!(structure $($boxed)?), r)
                    })*
                    Self::Destination(destination) => destination.read_fields(r),
                    Self::Message(message) => message.read_fields(r),
                }
            }

            /// A structure by its Java name, with every field null, false or zero.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                $(if name == $name::ROW.name {
                    return Some(Self::$name($name::default().into()));
                })*
                let row = Self::schema().find(|row| row.name == name)?;
                let mut command = None;
                Self::set_blank(row.code, &mut command);
                command
            }

            /// The value of a field, by the field's name here.
            #[must_use]
            pub fn get(&self, field: &str) -> Option<Value> {
                match self {
                    $(Self::$name(structure) => structure.get(field),)*
                    Self::Destination(destination) => destination.get(field),
                    Self::Message(message) => message.value(field),
                }
            }

            /// Sets a field, by the field's name here.
            ///
            /// # Errors
            ///
            /// When there is no such field or it cannot hold the value.
            pub fn set(&mut self, field: &str, value: Value) -> Result<(), ValueError> {
                match self {
                    $(Self::$name(structure) => structure.set(field, value),)*
                    Self::Destination(destination) => destination.set(field, value),
                    Self::Message(message) => message.set_value(field, value),
                }
            }
        }

        $(impl Held<$name> for Command {
            fn held(self) -> Option<$name> {
                if let Self::$name(structure) = self { Some(take!(structure $($boxed)?)) } else { None }
            }
        })*
    };
}

/// What a variant holds: the structure, or a box of it where it would make all commands large.
macro_rules! held {
    ($name:ident) => { $name };
    ($name:ident Box) => { Box<$name> };
}

macro_rules! by_ref {
    ($structure:ident) => {
        &$structure
    };
    ($structure:ident Box) => {
        $structure
    };
}

macro_rules! by_mut {
    (@ $structure:ident) => {
        &mut $structure
    };
    (@ $structure:ident Box) => {
        &mut *$structure
    };
    ($structure:ident) => {
        $structure
    };
    ($structure:ident Box) => {
        &mut **$structure
    };
}

macro_rules! take {
    ($structure:ident) => {
        $structure
    };
    ($structure:ident Box) => {
        *$structure
    };
}

/// Takes a structure out of a command, if it is one.
pub(crate) trait Held<T> {
    fn held(self) -> Option<T>;
}

commands! {
    1 => WireFormatInfo,
    2 => BrokerInfo in Box,
    3 => ConnectionInfo in Box,
    4 => SessionInfo,
    5 => ConsumerInfo in Box,
    6 => ProducerInfo in Box,
    7 => TransactionInfo,
    8 => DestinationInfo,
    9 => RemoveSubscriptionInfo,
    10 => KeepAliveInfo,
    11 => ShutdownInfo,
    12 => RemoveInfo,
    14 => ControlCommand,
    15 => FlushCommand,
    16 => ConnectionError,
    17 => ConsumerControl,
    18 => ConnectionControl,
    19 => ProducerAck,
    20 => MessagePull in Box,
    21 => MessageDispatch,
    22 => MessageAck in Box,
    30 => Response,
    31 => ExceptionResponse,
    32 => DataResponse,
    33 => DataArrayResponse,
    34 => IntegerResponse,
    40 => DiscoveryEvent,
    50 => JournalTopicAck in Box,
    52 => JournalQueueAck in Box,
    53 => JournalTrace,
    54 => JournalTransaction,
    55 => SubscriptionInfo in Box,
    60 => PartialCommand,
    61 => LastPartialCommand,
    65 => ReplayCommand,
    90 => MessageDispatchNotification in Box,
    91 => NetworkBridgeFilter,
    92 => BrokerSubscriptionInfo,
    110 => MessageId,
    111 => LocalTransactionId,
    112 => XaTransactionId in Box,
    120 => ConnectionId,
    121 => SessionId,
    122 => ConsumerId,
    123 => ProducerId,
    124 => BrokerId,
}

/// Reads the fields of the only structure of a frame.
fn read_alone(
    structure: &mut impl Fields,
    row: &StructureRow,
    r: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    if row.since > r.version {
        return Err(*r.unknown_type(row.code));
    }
    match structure.read(r).and_then(|()| r.end_of_frame(row.name)) {
        Ok(()) => Ok(()),
        Err(fault) => Err(*fault),
    }
}

impl Command {
    /// Reads a message or a destination, which a frame seldom consists of.
    fn read_other(code: u8, r: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let mut command = None;
        Self::set_blank(code, &mut command);
        let read = match &mut command {
            Some(command) if command.since() <= r.version => {
                command.read_fields(r).and_then(|()| r.end_of_frame(command.name()))
            }
            _ => Err(r.unknown_type(code)),
        };
        match read {
            Ok(()) => Ok(command),
            Err(fault) => Err(*fault),
        }
    }

    /// The class, by Java's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.row().name
    }
}

/// The same expression for whatever structure a command is.
macro_rules! each {
    ($command:expr, $structure:ident => $value:expr) => {
        each!(@ $command, $structure => $value,
            WireFormatInfo BrokerInfo ConnectionInfo SessionInfo ConsumerInfo ProducerInfo
            TransactionInfo DestinationInfo RemoveSubscriptionInfo KeepAliveInfo ShutdownInfo
            RemoveInfo ControlCommand FlushCommand ConnectionError ConsumerControl
            ConnectionControl ProducerAck MessagePull MessageDispatch MessageAck Response
            ExceptionResponse DataResponse DataArrayResponse IntegerResponse DiscoveryEvent
            JournalTopicAck JournalQueueAck JournalTrace JournalTransaction SubscriptionInfo
            PartialCommand LastPartialCommand ReplayCommand MessageDispatchNotification
            NetworkBridgeFilter BrokerSubscriptionInfo MessageId LocalTransactionId
            XaTransactionId ConnectionId SessionId ConsumerId ProducerId BrokerId
            Destination Message)
    };
    (@ $command:expr, $structure:ident => $value:expr, $($name:ident)*) => {
        match $command {
            $(Command::$name($structure) => $value,)*
        }
    };
}

/// A field that may hold any structure.
impl Nested for Box<Command> {
    const CLASS: &'static str = "DataStructure";
    const BOXED: usize = size_of::<Command>() + size_of::<Message>();

    fn code(&self) -> u8 {
        Command::code(self)
    }

    fn since(&self) -> u8 {
        Command::since(self)
    }

    fn write_fields<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        Command::write(self, w)
    }

    fn blank(code: u8) -> Option<Self> {
        let mut command = None;
        Command::set_blank(code, &mut command);
        command.map(Self::new)
    }

    fn read_fields(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        Command::read_fields(self, r)
    }

    fn to_cached(&self) -> Cached {
        each!(&**self, structure => structure.to_cached())
    }

    fn load_cached(place: &mut Option<Self>, cached: &Cached) -> bool {
        *place = Some(match cached {
            Cached::Null | Cached::Forgotten => return false,
            Cached::Broker(id) => Self::new(id.clone().into()),
            Cached::Connection(id) => Self::new(id.clone().into()),
            Cached::Session(id) => Self::new(id.clone().into()),
            Cached::Consumer(id) => Self::new(id.clone().into()),
            Cached::Producer(id) => Self::new(id.clone().into()),
            Cached::Destination(destination) => Self::new(destination.clone().into()),
            Cached::Transaction(id) => Self::new(id.clone().into()),
            Cached::Other(command) => command.clone(),
        });
        true
    }

    fn is_cached(&self, cached: &Cached) -> bool {
        each!(&**self, structure => structure.is_cached(cached))
    }

    fn cache_hash(&self) -> u64 {
        each!(&**self, structure => structure.cache_hash())
    }

    fn cache_hint(&self) -> Hint {
        each!(&**self, structure => structure.cache_hint())
    }

    fn from_command(command: Command) -> Result<Self, ValueError> {
        Ok(Self::new(command))
    }
}

impl From<Box<Self>> for Command {
    fn from(command: Box<Self>) -> Self {
        *command
    }
}

/// Structures that stand boxed in their fields.
macro_rules! boxed_nested {
    ($($name:ident)*) => {$(
        impl Nested for Box<$name> {
            const CLASS: &'static str = stringify!($name);
            const BOXED: usize = size_of::<$name>();

            fn code(&self) -> u8 {
                $name::ROW.code
            }

            fn since(&self) -> u8 {
                $name::ROW.since
            }

            fn write_fields<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
                Fields::write(&**self, w)
            }

            fn blank(code: u8) -> Option<Self> {
                <$name as Nested>::blank(code).map(Self::new)
            }

            fn read_fields(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
                Fields::read(&mut **self, r)
            }

            fn to_cached(&self) -> Cached {
                (**self).to_cached()
            }

            fn load_cached(place: &mut Option<Self>, cached: &Cached) -> bool {
                let mut structure = None;
                let is_same = <$name as Nested>::load_cached(&mut structure, cached);
                *place = structure.map(Self::new);
                is_same
            }

            fn is_cached(&self, cached: &Cached) -> bool {
                (**self).is_cached(cached)
            }

            fn cache_hash(&self) -> u64 {
                (**self).cache_hash()
            }

            fn cache_hint(&self) -> Hint {
                (**self).cache_hint()
            }

            fn from_command(command: Command) -> Result<Self, ValueError> {
                <$name as Nested>::from_command(command).map(Self::new)
            }
        }

        impl From<Box<$name>> for Command {
            fn from(structure: Box<$name>) -> Self {
                Self::$name(structure)
            }
        }
    )*};
}

boxed_nested! { BrokerInfo ConnectionInfo ConsumerInfo JournalQueueAck JournalTopicAck XaTransactionId }
