//! Where messages go and come from: queues and topics, for good or for a connection's life.

use std::fmt;

use super::Command;
use crate::error::{EncodeError, EncodeErrorKind};
use crate::schema::{Attr, FieldRow, Kind, StructureRow};
use crate::string::Str;
use crate::value::{Value, ValueError};
use crate::wire::cache::{Cached, Hint, hash_of};
use crate::wire::field::{Nested, refused_within, within};
use crate::wire::reader::{Fault, Reader};
use crate::wire::writer::{Refusal, Writer};

/// A queue or a topic.
///
/// A name may be several, joined by commas; members of the other kind then carry `queue://` or
/// `topic://`. In a name, `*` stands for one word and `>` for the rest.
///
/// ```
/// use rewire_protocol::Destination;
///
/// assert_eq!(Destination::queue("ORDERS").to_string(), "queue://ORDERS");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Queue or topic, temporary or not.
    pub kind: DestinationKind,
    /// The name, as it stands on the wire.
    pub physical_name: Str,
}

/// What a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DestinationKind {
    /// Each message goes to one consumer.
    Queue,
    /// Each message goes to every subscriber.
    Topic,
    /// A queue that ends with its connection.
    TempQueue,
    /// A topic that ends with its connection.
    TempTopic,
}

/// The only field.
const NAME: &str = "physical_name";

impl DestinationKind {
    const ALL: [Self; 4] = [Self::Queue, Self::Topic, Self::TempQueue, Self::TempTopic];

    const fn row(self) -> StructureRow {
        const FIELDS: &[&[FieldRow]] = &[&[Attr::NONE.row(NAME, Kind::String)]];
        let name = match self {
            Self::Queue => "ActiveMQQueue",
            Self::Topic => "ActiveMQTopic",
            Self::TempQueue => "ActiveMQTempQueue",
            Self::TempTopic => "ActiveMQTempTopic",
        };
        super::row(name, self.code(), FIELDS)
    }

    /// The type code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Queue => 100,
            Self::Topic => 101,
            Self::TempQueue => 102,
            Self::TempTopic => 103,
        }
    }

    /// The declarations of the four, as data.
    pub(crate) const ROWS: [StructureRow; 4] =
        [Self::Queue.row(), Self::Topic.row(), Self::TempQueue.row(), Self::TempTopic.row()];

    /// Whether it ends with its connection.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::TempQueue | Self::TempTopic)
    }

    /// Whether each message goes to one consumer.
    #[must_use]
    pub const fn is_queue(self) -> bool {
        matches!(self, Self::Queue | Self::TempQueue)
    }
}

impl Destination {
    /// A queue of this name.
    #[must_use]
    pub fn queue(name: impl Into<Str>) -> Self {
        Self { kind: DestinationKind::Queue, physical_name: name.into() }
    }

    /// A topic of this name.
    #[must_use]
    pub fn topic(name: impl Into<Str>) -> Self {
        Self { kind: DestinationKind::Topic, physical_name: name.into() }
    }

    pub(crate) const fn row(&self) -> StructureRow {
        self.kind.row()
    }

    /// A destination by type code, its name still to be set.
    pub(crate) fn of_code(code: u8) -> Option<Self> {
        let kind = DestinationKind::ALL.into_iter().find(|kind| kind.code() == code)?;
        Some(Self { kind, physical_name: Str::EMPTY })
    }

    pub(crate) fn get(&self, field: &str) -> Option<Value> {
        (field == NAME).then(|| Value::String(self.physical_name.clone()))
    }

    pub(crate) fn set(&mut self, field: &str, value: Value) -> Result<(), ValueError> {
        let (NAME, Value::String(name)) = (field, value) else {
            return Err(ValueError::new("a destination has a name and nothing else"));
        };
        self.physical_name = name;
        Ok(())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            DestinationKind::Queue => "queue",
            DestinationKind::Topic => "topic",
            DestinationKind::TempQueue => "temp-queue",
            DestinationKind::TempTopic => "temp-topic",
        };
        write!(f, "{scheme}://{}", self.physical_name)
    }
}

impl From<Destination> for Command {
    fn from(destination: Destination) -> Self {
        Self::Destination(destination)
    }
}

impl Nested for Destination {
    const CLASS: &'static str = "ActiveMQDestination";

    #[inline]
    fn code(&self) -> u8 {
        self.kind.code()
    }

    fn since(&self) -> u8 {
        1
    }

    fn write_fields<'c>(&'c self, w: &mut Writer<'_, 'c>) -> Result<(), Refusal> {
        let name = &self.physical_name;
        let written = if name.is_empty() {
            // Java's setter throws for it.
            let kind = EncodeErrorKind::Unreadable("a destination needs a name");
            Err(Box::new(EncodeError::new(kind)))
        } else {
            w.string(Some(name))
        };
        written.map_err(|refusal| refused_within(refusal, self.row().name, NAME))
    }

    fn blank(code: u8) -> Option<Self> {
        Self::of_code(code)
    }

    fn read_fields(&mut self, r: &mut Reader<'_>) -> Result<(), Fault> {
        let name = r.required_string();
        self.physical_name = name.map_err(|fault| within(fault, self.row().name, NAME))?;
        Ok(())
    }

    fn to_cached(&self) -> Cached {
        Cached::Destination(self.clone())
    }

    #[inline]
    fn load_cached(place: &mut Option<Self>, cached: &Cached) -> bool {
        let Cached::Destination(destination) = cached else { return false };
        *place = Some(destination.clone());
        true
    }

    fn is_cached(&self, cached: &Cached) -> bool {
        matches!(cached, Cached::Destination(destination) if destination == self)
    }

    fn cache_hash(&self) -> u64 {
        hash_of(self.code(), &self.physical_name)
    }

    fn cache_hint(&self) -> Hint {
        Hint::new(self.code(), Some(&self.physical_name), 0, 0)
    }

    fn from_command(command: Command) -> Result<Self, ValueError> {
        if let Command::Destination(destination) = command {
            Ok(destination)
        } else {
            Err(ValueError::new("a destination is expected"))
        }
    }
}
