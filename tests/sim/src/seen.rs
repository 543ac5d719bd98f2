//! What can be seen in a world: what invariants look at, and what a trace shows.

mod show;

use rewire_broker::core::Census;
use rewire_failover::core::{Completion, Event, Incoming, LinkId, Stats};
use rewire_failover::{DialError, LostReason, RequestError};
use rewire_protocol::{Command, MessageId};

use crate::agenda::Time;
use crate::faults::Fault;

/// A message, by its client, its producer there, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageKey {
    pub(crate) client: usize,
    pub(crate) session: i64,
    pub(crate) producer: i64,
    pub(crate) sequence: i64,
}

impl MessageKey {
    pub(crate) fn of(id: &MessageId) -> Option<Self> {
        let producer = id.producer_id.as_ref()?;
        Some(Self {
            client: client_of(producer.connection_id.as_ref()?.as_str()?)?,
            session: producer.session_id,
            producer: producer.value,
            sequence: id.producer_sequence_id,
        })
    }

    /// The message a command is or brings.
    pub(crate) fn of_command(command: &Command) -> Option<Self> {
        match command {
            Command::Message(message) => Self::of(message.message_id.as_ref()?),
            Command::MessageDispatch(dispatch) => {
                Self::of(dispatch.message.as_ref()?.message_id.as_ref()?)
            }
            Command::MessageAck(ack) => Self::of(ack.last_message_id.as_ref()?),
            _ => None,
        }
    }
}

/// What a command is about; no two requests of a client are about the same, but for acknowledgements.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Connection,
    Temporary(String),
    Session(i64),
    Producer(i64, i64),
    Consumer(i64, i64),
    Message(MessageKey),
}

impl Subject {
    /// What a command declares or is.
    pub(crate) fn of(command: &Command) -> Option<Self> {
        Some(match command {
            Command::ConnectionInfo(_) => Self::Connection,
            Command::DestinationInfo(info) => {
                Self::Temporary(info.destination.as_ref()?.physical_name.to_string())
            }
            Command::SessionInfo(info) => Self::Session(info.session_id.as_ref()?.value),
            Command::ProducerInfo(info) => {
                let id = info.producer_id.as_ref()?;
                Self::Producer(id.session_id, id.value)
            }
            Command::ConsumerInfo(info) => {
                let id = info.consumer_id.as_ref()?;
                Self::Consumer(id.session_id, id.value)
            }
            Command::Message(_) => Self::Message(MessageKey::of_command(command)?),
            _ => return None,
        })
    }

    /// What a `RemoveInfo` removes.
    pub(crate) fn removed_by(command: &Command) -> Option<Self> {
        let Command::RemoveInfo(info) = command else { return None };
        Some(match info.object_id.as_deref()? {
            Command::SessionId(id) => Self::Session(id.value),
            Command::ProducerId(id) => Self::Producer(id.session_id, id.value),
            Command::ConsumerId(id) => Self::Consumer(id.session_id, id.value),
            _ => return None,
        })
    }

    /// Whether it ends with another.
    pub(crate) fn ends_with(&self, other: &Self) -> bool {
        let session = match (self, other) {
            (Self::Producer(session, _) | Self::Consumer(session, _), Self::Session(ended)) => {
                session == ended
            }
            _ => false,
        };
        session || self == other
    }
}

/// The name of a client's connection.
pub(crate) fn connection_name(client: usize) -> String {
    format!("ID:c{client}")
}

/// The client that a connection is of.
pub(crate) fn client_of(connection: &str) -> Option<usize> {
    connection.strip_prefix("ID:c")?.parse().ok()
}

/// Something that happened at a client.
#[derive(Debug)]
pub(crate) enum AtClient<'s> {
    Submitted {
        request: u64,
        command: &'s Command,
        completion: Completion,
        link: Option<LinkId>,
    },
    Dialing {
        link: LinkId,
        broker: String,
    },
    Dialed {
        link: LinkId,
        result: Result<(), &'s DialError>,
    },
    Transmitted {
        link: LinkId,
        command: &'s Command,
    },
    Unsendable {
        link: LinkId,
        number: i32,
    },
    HungUp {
        link: LinkId,
    },
    Lost {
        link: LinkId,
        reason: &'s LostReason,
    },
    Received {
        link: LinkId,
        command: &'s Command,
    },
    Delivered(&'s Incoming),
    /// The application has dealt with the end of a link.
    Cleared {
        link: LinkId,
    },
    /// A consumer has done with what it got over a link that is being left.
    Settled {
        link: LinkId,
        consumer: (i64, i64),
        last_delivered: i64,
    },
    /// A consumer hands out a message, that its broker marks as given before so often.
    HandedOut {
        key: MessageKey,
        redelivered: i32,
    },
    /// A consumer has let go of a message without an acknowledgement.
    GivenUp {
        key: MessageKey,
    },
    Completed {
        request: u64,
        outcome: &'s Result<Command, RequestError>,
    },
    Told(&'s Event),
    Closing,
    /// A dead link spoke: so much came of it, and the time that is waited for did or did not change.
    Stale {
        link: LinkId,
        what: &'static str,
        outputs: Vec<String>,
        is_due_changed: bool,
    },
    /// How much waits, after an input, and the numbers by then.
    Waiting {
        open: usize,
        stats: &'s Stats,
    },
}

/// Something that happened at a broker, by its store and its link to a client.
#[derive(Debug)]
pub(crate) enum AtBroker<'s> {
    Opened {
        client: usize,
        link: LinkId,
    },
    Ended {
        client: usize,
        link: LinkId,
    },
    Heard {
        client: usize,
        link: LinkId,
        command: &'s Command,
    },
    Refused {
        client: usize,
        link: LinkId,
        number: i32,
    },
    /// It begins to work on a store.
    Serves {
        store: usize,
    },
    /// A message was on the store as it did.
    Recovered {
        key: MessageKey,
        store: usize,
    },
    /// A copy of a message is kept now.
    Stored {
        key: MessageKey,
        persistent: bool,
        store: usize,
    },
    /// A transaction was committed, with these messages; if the broker has died with it, with those of its
    /// messages that are on the store.
    Committed {
        client: usize,
        transaction: i64,
        messages: &'s [MessageKey],
        is_alive: bool,
    },
    /// A message came that is or was there already.
    Known {
        key: MessageKey,
    },
    /// A copy is given to a consumer, by its session and number there.
    Dispatched {
        client: usize,
        link: LinkId,
        consumer: (i64, i64),
        key: MessageKey,
        /// The number of the copy at this broker.
        number: u64,
        /// Who else has it: a client and its consumer.
        beside: Option<(usize, i64, i64)>,
    },
    /// A copy is gone with what was only in memory.
    Forgotten {
        key: MessageKey,
    },
    /// A copy was acknowledged by a client.
    Consumed {
        key: MessageKey,
        by: usize,
        store: usize,
    },
    /// A copy is gone, and nobody has acknowledged it.
    Vanished {
        key: MessageKey,
    },
    /// It is woken again and again, for what is due at this time.
    Spins {
        due: String,
    },
    /// What is left when all clients are gone; messages on the store, and in memory those that are to be
    /// there.
    IsLeft {
        census: &'s Census,
        on_disk: usize,
        persistent: usize,
    },
    /// An acknowledgement of what was not dispatched over its link.
    StrayAck {
        client: usize,
        link: LinkId,
    },
}

/// What a client has at its broker, by both of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) sessions: Vec<i64>,
    pub(crate) producers: Vec<(i64, i64)>,
    /// With their prefetch.
    pub(crate) consumers: Vec<(i64, i64, i32)>,
    pub(crate) temporary: Vec<String>,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Seen<'s> {
    Client(usize, AtClient<'s>),
    Broker(usize, AtBroker<'s>),
    Fault(&'s Fault),
    /// No more goes wrong from now on.
    Healed,
    /// By now everything has to be well again.
    MustBeWell,
    /// What a client believes it has, and what its broker knows, when all is quiet.
    Compared {
        client: usize,
        believed: &'s Registered,
        known: Option<&'s Registered>,
    },
    /// At the end, the addresses at which a client finds a broker that serves.
    Reachable {
        client: usize,
        addresses: &'s [String],
    },
    /// Closed, and over.
    End,
}

/// The time of a line of a trace.
pub(crate) fn stamp(at: Time) -> String {
    format!("{:>6}.{:06}", at.as_secs(), at.subsec_micros())
}
