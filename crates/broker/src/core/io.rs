//! What goes into the core and what comes out.

use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{BrokerInfo, Command, ConsumerId, Destination, Message, MessageDispatch};

use crate::cluster::BridgeId;
use crate::store::{Place, StoreWrite};

/// Names a link: one socket, from its handshake to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Names a batch of writes. Batches are numbered in the order in which they are to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names messages that are to be read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);

/// The time: to count from, and as messages carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For delays.
    pub instant: Instant,
    /// Milliseconds since 1970: timestamps and expirations of messages are in it.
    pub unix_ms: i64,
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A link has agreed on its format.
    Opened {
        /// Which.
        link: LinkId,
        /// Who is at the other end, for people to read.
        peer: String,
        /// The address clients of this listener reach the broker under.
        url: String,
    },
    /// What the other end of a link says of the program that it is, before anything else comes over it.
    Introduced {
        /// Which.
        link: LinkId,
        /// The name of the program: `ActiveMQ`, `Rewire`.
        provider: String,
    },
    /// Who is at the other end of a link has the password of this user, which is known by its hash.
    Proven {
        /// Which.
        link: LinkId,
        /// Which user.
        user: String,
    },
    /// A broker that was dialled says who it is, or how it is now.
    Peer(BridgeId, Box<BrokerInfo>),
    /// The link to a broker that was dialled is over. It is dialled again.
    PeerLost(BridgeId),
    /// A command came over a link.
    Received(LinkId, Command),
    /// A link is over.
    Closed(LinkId),
    /// More waits to be written to a link than is good: nothing more is dispatched to it for now.
    Congested(LinkId),
    /// What waited was written.
    Relieved(LinkId),
    /// This batch of writes, and all before it, are where they are to be.
    Stored(Ticket),
    /// Messages were read, in the order in which they were asked for; none where there is no such message.
    Loaded(LoadId, Vec<Option<Arc<Message>>>),
    /// The store has failed, and no write since the last answer can be counted on.
    StoreFailed(String),
    /// The time asked for has come.
    Timeout,
    /// The broker is to stop. Links are hung up at once, or when clients had time to go where they were told
    /// to: [`poll_timeout`](super::BrokerCore::poll_timeout) counts until the last is.
    Stop,
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Send this over a link.
    Send(LinkId, Outgoing),
    /// Read no more from a link until told so.
    Pause(LinkId),
    /// Read from it again.
    Resume(LinkId),
    /// Write what waits for a link, then close it.
    HangUp(LinkId),
    /// Introduce this broker to one that was dialled, or say anew how it is. The last word replaces those
    /// that have not been sent.
    Introduce(BridgeId, Box<BrokerInfo>),
    /// Hang up what was dialled, and dial it no more: it leads back here.
    Unbridge(BridgeId),
    /// Make these writes, all or none.
    Store(Ticket, Vec<StoreWrite>),
    /// Read the messages with these numbers, of this place. All writes that were answered are to be seen.
    Load(LoadId, Place, Vec<u64>),
    /// Something the owner may want to know.
    Event(Event),
}

/// What is sent to a client.
#[derive(Debug)]
pub enum Outgoing {
    /// A command.
    Command(Command),
    /// A message, shared with all who hold it.
    Dispatch(Dispatch),
}

/// A message on its way to a consumer.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Which consumer.
    pub consumer_id: ConsumerId,
    /// Where it was taken from.
    pub destination: Option<Destination>,
    /// The message; none at the end of browsing and when a pull found nothing.
    pub message: Option<Arc<Message>>,
    /// How often it was delivered before.
    pub redelivery_counter: i32,
}

impl Outgoing {
    /// The command as it is written.
    #[must_use]
    pub fn into_command(self) -> Command {
        match self {
            Self::Command(command) => command,
            Self::Dispatch(dispatch) => MessageDispatch {
                consumer_id: Some(dispatch.consumer_id),
                destination: dispatch.destination,
                message: dispatch.message.map(|message| Box::new((*message).clone())),
                redelivery_counter: dispatch.redelivery_counter,
                ..MessageDispatch::default()
            }
            .into(),
        }
    }

    /// Bytes of body and properties that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Command(_) => 0,
            Self::Dispatch(dispatch) => dispatch.message.as_deref().map_or(0, body_bytes),
        }
    }
}

/// Bytes of a message's body and properties.
pub(crate) fn body_bytes(message: &Message) -> usize {
    let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    len(&message.content) + len(&message.marshalled_properties)
}

/// What the owner may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client has connected.
    Connected {
        /// Its client id.
        client_id: String,
        /// Who is at the other end.
        peer: String,
    },
    /// A client is gone.
    Disconnected {
        /// Its client id.
        client_id: String,
    },
    /// A client was refused, or a command of it.
    Refused {
        /// Who is at the other end.
        peer: String,
        /// Why.
        reason: String,
    },
    /// Producers wait until consumers have made room.
    MemoryFull {
        /// Who has to wait.
        peer: String,
    },
    /// The store has failed.
    StoreFailed(String),
    /// A broker has joined the cluster.
    Joined {
        /// Its name.
        name: String,
        /// Where clients reach it.
        address: String,
    },
    /// A broker has left the cluster, or is about to.
    Left {
        /// Its name.
        name: String,
    },
    /// A broker is not taken into the cluster.
    PeerRefused {
        /// Who is at the other end, or which of those that were dialled.
        peer: String,
        /// Why.
        reason: String,
    },
    /// What was dialled leads back to this broker, and is dialled no more.
    Loop {
        /// Who is at the other end, or which of those that were dialled.
        peer: String,
    },
}
