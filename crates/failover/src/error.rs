//! What can go wrong between a client and its brokers, and who erred.

use std::fmt;
use std::time::Duration;

use rewire_protocol::{DecodeError, EncodeError, LinkError, SilenceLimit, Throwable};

/// Why one attempt at one broker failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name has no address.
    #[error("cannot resolve the host name: {0}")]
    Resolve(String),
    /// No address took the connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// It took longer than it may.
    #[error("no connection within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// TLS with the peer cannot be had, or not with the right peer.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The peer took the connection and then did not become a broker.
    #[error("handshake failed: {0}")]
    Handshake(String),
    /// The provider of credentials had none.
    #[error("no credentials: {0}")]
    Credentials(String),
    /// The scheme of the address cannot be dialled.
    #[error("{0}")]
    Unsupported(String),
    /// The broker refused the client or what it had there before.
    #[error("refused: {0}")]
    Refused(Box<Throwable>),
}

/// A link that ends before it was of use has made the attempt fail.
impl From<LostReason> for DialError {
    fn from(reason: LostReason) -> Self {
        match reason {
            LostReason::Tls(problem) => Self::Tls(problem),
            LostReason::Closed
            | LostReason::Io(_)
            | LostReason::Write(_)
            | LostReason::Silent { .. }
            | LostReason::WriteStuck(_)
            | LostReason::Malformed(_)
            | LostReason::Misbehaved(_) => Self::Handshake(reason.to_string()),
        }
    }
}

/// Why a link ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LostReason {
    /// The peer closed it.
    #[error("the broker closed the connection")]
    Closed,
    /// Reading failed.
    #[error("{0}")]
    Io(String),
    /// Writing failed.
    #[error("{0}")]
    Write(String),
    /// TLS broke, or the broker ended it.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Nothing came for longer than an option allows.
    #[error("nothing heard for {} ms ({})", .silence.as_millis(), .limit.option())]
    Silent {
        /// How long.
        silence: Duration,
        /// Which option.
        limit: SilenceLimit,
    },
    /// A write made no headway for as long as `soWriteTimeout` allows.
    #[error("a write made no headway for {} ms", .0.as_millis())]
    WriteStuck(Duration),
    /// What came is not OpenWire.
    #[error("what the broker sent cannot be read: {0}")]
    Malformed(DecodeError),
    /// The peer broke the rules of the link.
    #[error("{0}")]
    Misbehaved(String),
}

/// What noticed first that a link is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Noticed {
    /// What was read, or that nothing more could be.
    Read,
    /// What could not be written.
    Write,
    /// The inactivity monitor: nothing was read for too long.
    Silence,
}

impl fmt::Display for Noticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "reading",
            Self::Write => "writing",
            Self::Silence => "silence",
        })
    }
}

impl LostReason {
    /// What noticed it.
    #[must_use]
    pub const fn noticed(&self) -> Noticed {
        match self {
            Self::Closed
            | Self::Io(_)
            | Self::Tls(_)
            | Self::Malformed(_)
            | Self::Misbehaved(_) => Noticed::Read,
            Self::Write(_) | Self::WriteStuck(_) => Noticed::Write,
            Self::Silent { .. } => Noticed::Silence,
        }
    }
}

impl From<LinkError> for LostReason {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Malformed(error) => Self::Malformed(error),
            LinkError::Silent { silence, limit } => Self::Silent { silence, limit },
            other => Self::Misbehaved(other.to_string()),
        }
    }
}

/// What became of a request that was not answered with success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A broker said no: it was not done.
    #[error("the broker refused: {0}")]
    Refused(Box<Throwable>),
    /// It never left: it was not done.
    #[error("not sent: {0}")]
    NotSent(GaveUp),
    /// It was sent and no answer came: a broker may have done it.
    #[error("in doubt, sent to {} without an answer: {reason}", .tried.join(", "))]
    InDoubt {
        /// The brokers it was sent to, in order.
        tried: Vec<String>,
        /// Why there will be no answer.
        reason: GaveUp,
    },
    /// It cannot be put on the wire.
    #[error("cannot be sent: {0}")]
    Unsendable(EncodeError),
    /// It was not sent: a transaction has to be repeated after a failover, and no more of open
    /// transactions may be kept. One that is committed or rolled back makes room.
    #[error(
        "not sent: open transactions hold {commands} commands or {bytes} bytes, and may hold no more"
    )]
    TransactionFull {
        /// How many commands may be kept.
        commands: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// It was not sent: a message of the transaction was lost, so it can only be rolled back.
    #[error("not sent: the transaction can only be rolled back: {0}")]
    TransactionBroken(String),
}

impl RequestError {
    /// Whether a broker may have done it all the same.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt { .. })
    }
}

/// Why the transport stopped trying.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GaveUp {
    /// The option `timeout` ran out.
    #[error("no broker within the timeout of {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The option `requestTimeout` ran out before an answer came.
    #[error("no answer within the request timeout of {} ms", .0.as_millis())]
    NoAnswer(Duration),
    /// As many attempts failed as the options allow.
    #[error("gave up after {}, the last broker {broker}: {error}", rounds(*.attempts))]
    Exhausted {
        /// How many rounds were made.
        attempts: u32,
        /// The broker tried last.
        broker: String,
        /// What it said.
        error: DialError,
    },
    /// The link was lost and the options allow no reconnection.
    #[error("the connection was lost and may not be made again: {0}")]
    Lost(LostReason),
    /// There is no broker to try.
    #[error("there is no broker to connect to")]
    NoBrokers,
    /// It was for a link that is gone, and means nothing on another.
    #[error("the connection it belongs to is gone")]
    LinkGone,
    /// It was removed again before a broker had answered.
    #[error("it was removed before a broker had answered")]
    Removed,
    /// A broker refused it, which an earlier one was sent too and did not answer.
    #[error("the broker tried last refused it: {0}")]
    Refused(Box<Throwable>),
    /// The transport was closed.
    #[error("the connection is closed")]
    Closed,
}

/// So many rounds over the brokers, in words.
fn rounds(count: u32) -> String {
    match count {
        1 => "1 round".to_owned(),
        more => format!("{more} rounds"),
    }
}
