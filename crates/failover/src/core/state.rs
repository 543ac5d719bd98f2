//! Where the core is, and what belongs to being there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::{Command, ConsumerId, RemoveInfo};

use super::incident::Record;
use super::io::{Greeting, LinkId};
use super::moves::MoveReason;
use crate::credentials::Credentials;
use crate::error::{DialError, GaveUp};
use crate::uri::BrokerUri;

/// ```text
///  Idle ──Start──▶ Dialing ──Dialed ok──▶ Replaying ──all answered──▶ Connected
///                  ▲  ▲  └─failed, next─┘   │ ▲ refused, lost        Lost │ │ a move's link is ready
///                  │  └─────────────────────┘ │ next broker             │ ▼
///                  │ Timeout                  └──────settled────────────┼─Leaving
///               Waiting ◀──────────── round exhausted ◀─ ─ ─ ─ ─ ─ ─ ─ ─┴──┘ Lost
///                  │ attempts spent
///                  ▼
///               Failed          any ──Close──▶ Closed
/// ```
///
/// The first link has nothing to replay and goes straight to `Connected`.
#[derive(Debug)]
pub(crate) enum State {
    /// Not started.
    Idle,
    /// One broker is being tried.
    Dialing(Attempt),
    /// A broker is there and hears again what the last one knew.
    Replaying(Attempt, Replay),
    /// A broker is there and knows all.
    Connected(Active),
    /// A broker is there and is going to be left for another.
    Leaving(Active, Departure),
    /// Until the next round.
    Waiting(Instant),
    /// No more is tried.
    Failed(GaveUp),
    /// Over, as asked.
    Closed,
}

/// A broker being tried, and those to be tried after it.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) active: Active,
    pub(crate) rest: VecDeque<BrokerUri>,
    /// Whether every broker of this round so far refused the client for who it is.
    pub(crate) all_refused: bool,
}

/// A link, and the broker at its end.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) link: LinkId,
    pub(crate) broker: BrokerUri,
    /// The broker's name for people.
    pub(crate) name: Arc<str>,
    /// Of OpenWire, once it was agreed on.
    pub(crate) version: u8,
    /// Who the client is on this link, if a provider was asked.
    pub(crate) credentials: Option<Credentials>,
}

/// The first version in which a `ConnectionControl` names the cluster's brokers, and with which Java
/// restores consumers closed.
const CLUSTER_VERSION: u8 = 6;

impl Active {
    /// Takes note of what a dial brought.
    pub(crate) fn greeted(&mut self, Greeting { version, credentials }: Greeting) {
        self.version = version;
        self.credentials = credentials;
    }

    /// Whether the broker is of an ActiveMQ so old (before 5.4) that it does not tell clients of its cluster
    /// by `ConnectionControl`, and may not open a consumer by `ConsumerControl`.
    pub(crate) const fn is_old(&self) -> bool {
        self.version < CLUSTER_VERSION
    }

    /// A command as it goes over this link: who the client is may be another thing on each.
    pub(crate) fn complete(&self, command: Arc<Command>) -> Arc<Command> {
        match (&*command, &self.credentials) {
            (Command::ConnectionInfo(info), Some(Credentials { user, password })) => {
                let mut info = info.clone();
                info.user_name = Some(user.as_str().into());
                info.password = Some(password.as_str().into());
                Arc::new(Command::ConnectionInfo(info))
            }
            _ => command,
        }
    }
}

/// What is waited for before a broker is left.
#[derive(Debug)]
pub(crate) struct Departure {
    /// Why it is left.
    pub(crate) reason: MoveReason,
    /// The standby to go to.
    pub(crate) target: LinkId,
    /// When no more is waited for.
    pub(crate) until: Instant,
    /// Consumers that may hold something.
    pub(crate) unsettled: Vec<ConsumerId>,
    /// What is said of those that do not.
    pub(crate) farewells: Vec<RemoveInfo>,
    /// The number of what the broker is asked to find out whether messages that it was not to answer have
    /// arrived, until it has answered.
    pub(crate) flush: Option<i32>,
}

/// A replay that is not answered in full yet.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) unanswered: BTreeMap<i32, Command>,
    pub(crate) commands: usize,
    /// What the broker sent meanwhile: for the application once all is answered, for nobody if the
    /// link ends before.
    pub(crate) held: VecDeque<Command>,
    /// How much may be held.
    pub(crate) max_held: usize,
    /// How long the broker may take for the next answer.
    pub(crate) patience: Duration,
    /// When it has taken too long.
    pub(crate) due: Instant,
}

/// What is over when a link is there again.
#[derive(Debug)]
pub(crate) struct Outage {
    pub(crate) since: Instant,
    pub(crate) last_error: Option<(Arc<str>, DialError)>,
    pub(crate) record: Record,
}

impl State {
    /// The link whose word counts, if it has got as far as speaking.
    pub(crate) const fn link(&self) -> Option<LinkId> {
        match self {
            Self::Replaying(attempt, _) => Some(attempt.active.link),
            Self::Connected(active) | Self::Leaving(active, _) => Some(active.link),
            Self::Idle | Self::Dialing(_) | Self::Waiting(_) | Self::Failed(_) | Self::Closed => {
                None
            }
        }
    }
}
