//! Where the core is, and what belongs to being there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{Command, ConsumerId, RemoveInfo};

use super::incident::Record;
use super::io::LinkId;
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
    /// Who the client is on this link, if a provider was asked.
    pub(crate) credentials: Option<Credentials>,
}

impl Active {
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
