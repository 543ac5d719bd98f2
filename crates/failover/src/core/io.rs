//! What goes into the core and what comes out.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::{Command, ConsumerId, EncodeError, MAX_VERSION, Throwable};

use super::incident::{DialTimes, Incident};
use super::moves::MoveReason;
use super::topology::Topology;
use crate::credentials::Credentials;
use crate::error::{DialError, GaveUp, LostReason, RequestError};
use crate::uri::BrokerUri;

/// One connection to one broker; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub(crate) u64);

impl LinkId {
    /// The link of this number. Links are named by the core; this is for tests of those who hear of
    /// them.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number; the first is 1.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// One request, from submission to its one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

impl RequestId {
    /// The name of a request; whoever submits requests gives each another number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Begin to connect.
    Start,
    /// The application wants something of a broker.
    Submit(Request),
    /// A dial that was asked for ended, and so long its parts took; with success, the handshake is
    /// done too.
    Dialed(LinkId, Result<Greeting, DialError>, DialTimes),
    /// A command came over a link.
    Received(LinkId, Command),
    /// A link ended by itself.
    Lost(LinkId, LostReason),
    /// A command that was to be transmitted cannot be put on the wire. Said before any other input that follows
    /// the [`Output::Transmit`]: commits wait for it.
    Unsendable(LinkId, i32, EncodeError),
    /// The application has dealt with the end of this link: what it delivered and was not handed out is
    /// gone, so that the next link may deliver it again. Consumers stay closed until then.
    Cleared(LinkId),
    /// On a link that is being left: a consumer has acknowledged what it will, and holds nothing more.
    Settled {
        /// The link that is being left.
        link: LinkId,
        /// The consumer.
        consumer: ConsumerId,
        /// The broker's number of the message handed out last, or -1: what came after it was not seen.
        last_delivered_sequence_id: i64,
    },
    /// A list of brokers was read where the option `updateURIsURL` says.
    Discovered {
        /// All that are on it, in order.
        brokers: Vec<BrokerUri>,
        /// Whether it says another first broker than before, and `rebalanceUpdateURIs` is on.
        rebalance: bool,
    },
    /// The time that [`poll_timeout`](super::FailoverCore::poll_timeout) named has come.
    Timeout,
    /// Stop.
    Close,
}

/// What a dial brought besides the link.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The version of OpenWire that was agreed on. Default the newest.
    pub version: u8,
    /// Who the client is on this link, if a provider was asked: it replaces what a `ConnectionInfo` says.
    pub credentials: Option<Credentials>,
}

impl Default for Greeting {
    fn default() -> Self {
        Self { version: MAX_VERSION, credentials: None }
    }
}

/// A command for a broker.
#[derive(Debug)]
pub struct Request {
    /// Its name among requests.
    pub id: RequestId,
    /// What to send. Its number and whether an answer is wanted are filled in by the core.
    pub command: Command,
    /// When it counts as done.
    pub completion: Completion,
    /// The link it belongs to: an acknowledgement means nothing on another. `None` for most.
    pub link: Option<LinkId>,
    /// When it was made, if that was before now: from then on it has waited.
    pub submitted: Option<Instant>,
}

/// When a request counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// When a broker has answered. Sent again after a failover until one has.
    Answered,
    /// When it was handed to the link. Lost if the link dies then.
    Transmitted,
}

/// What to do.
#[derive(Debug)]
pub enum Output {
    /// Connect to a broker and do the handshake; answer with [`Input::Dialed`].
    Dial(LinkId, BrokerUri),
    /// Send a command over a link.
    ///
    /// The request named, if one is, is done as soon as the command was handed over: it succeeds then, with
    /// a plain `Response`, and fails as unsendable if the command cannot be put on the wire. Of that the
    /// core hears by [`Input::Unsendable`], whether a request is named or not.
    Transmit(LinkId, Arc<Command>, Option<RequestId>),
    /// Close a link, or stop dialling it, and say nothing more of it.
    Hangup(LinkId),
    /// A command for the application.
    Deliver(Incoming),
    /// The outcome of a request. What needs no answer, or is answered without a broker because there
    /// is none, gets a plain `Response`.
    Complete(RequestId, Result<Command, RequestError>),
    /// Something a listener may want to know.
    Event(Event),
}

/// What the application hears from its broker, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Incoming {
    /// A command came over this link: a dispatch, a control, an error.
    Command(LinkId, Command),
    /// This link is going to be left for another broker. No more messages are to be taken from it; what
    /// was handed out is to be acknowledged, and [`Input::Settled`] said of each consumer. It ends with
    /// `Interrupted` when that is done, or after two seconds.
    Leaving(LinkId),
    /// The link is gone. What it dispatched and was not acknowledged will come again, over another.
    Interrupted(LinkId),
    /// A link is there, and the broker has accepted all there was to restore.
    Resumed(LinkId),
    /// A broker accepted the connection but not this part of it: it is no longer there.
    Refused {
        /// What was refused: a `SessionInfo`, `ProducerInfo`, `ConsumerInfo` or `DestinationInfo`.
        command: Command,
        /// Why.
        cause: Box<Throwable>,
    },
    /// No more is to come.
    Ended(GaveUp),
}

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The first link is there.
    Connected {
        /// The broker.
        broker: String,
    },
    /// The link was lost; another is looked for.
    Interrupted {
        /// The broker that was lost.
        broker: String,
        /// How.
        cause: LostReason,
    },
    /// One attempt at one broker failed.
    AttemptFailed {
        /// The broker.
        broker: String,
        /// How.
        error: DialError,
        /// The number of the round over all brokers, from 1.
        round: u32,
    },
    /// A link is there again, and all is restored.
    Resumed {
        /// The broker.
        broker: String,
        /// How long there was none.
        outage: Duration,
        /// How many commands were sent to restore the old state.
        replayed: usize,
        /// How many unanswered requests were sent again.
        resent: usize,
    },
    /// The connection moves to another broker, in order.
    Rebalancing {
        /// The broker that is left.
        from: String,
        /// The broker that it moves to.
        to: String,
        /// Why.
        reason: MoveReason,
    },
    /// A time without a link is over. Comes right after `Connected`, `Resumed`, `GaveUp` or `Closed`:
    /// what those say in a word, this says in full.
    Incident(Arc<Incident>),
    /// A standby is ready to take over. Rare: it comes after a link or a standby was lost.
    StandbyReady {
        /// The broker at its end.
        broker: String,
    },
    /// A standby that was ready is gone; another is looked for. Rare. One that could not be had, or was
    /// let go of because nobody wants it any more, is not told of.
    StandbyLost {
        /// The broker that was at its end.
        broker: String,
        /// How.
        cause: LostReason,
    },
    /// The link that was lost may have taken messages with it that no broker was to answer: the cache of
    /// the option `trackMessages` had no room for them, and they are not sent again.
    CacheEvicted {
        /// How many messages.
        messages: u64,
    },
    /// The cluster looks different from what was known.
    TopologyChanged(Arc<Topology>),
    /// No broker could be reached within what the options allow; this is the end.
    GaveUp(Arc<GaveUp>),
    /// It was closed, as asked.
    Closed,
}
