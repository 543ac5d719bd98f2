//! What a new broker must hear again, and in which order.
//!
//! A client tells its broker who it is and what it has: connection, temporary destinations, sessions,
//! producers, consumers. Then it works: transactions, messages, pulls. The tracker watches those
//! commands go by and can repeat them. The order of a replay is Java's
//! (`ConnectionStateTracker.restore`), but for one thing: Java goes through sessions and transactions in
//! the order of a hash table, here it is the order in which they were made.
//!
//! - `transactions`: what is open, and what a broker must hear of it;
//! - `closed`: what was removed, and may still be needed;
//! - `cache`: messages that no broker was to answer;
//! - `pulls`: what consumers with a prefetch of zero ask for.

mod cache;
mod closed;
mod pulls;
mod transactions;

use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::{
    Command, ConnectionControl, ConnectionId, ConnectionInfo, ConsumerId, ConsumerInfo,
    Destination, DestinationInfo, MessageDispatch, ProducerId, ProducerInfo, SessionId,
    SessionInfo, TransactionInfo,
};

use self::cache::MessageCache;
use self::pulls::Pulls;
pub(crate) use self::pulls::nothing;
use self::transactions::Transactions;
use crate::error::RequestError;

/// How much a tracker keeps besides declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrackerLimits {
    /// Open transactions, and commands in all of them together. Default 10,000.
    pub commands: usize,
    /// Bytes of their bodies and properties. Default 64 MiB.
    pub bytes: usize,
    /// Whether producers that are removed in an open transaction are made again for it. Default true.
    pub transaction_producers: bool,
    /// How many bytes of messages that no broker was to answer. Default none.
    pub cache: Option<usize>,
}

impl Default for TrackerLimits {
    fn default() -> Self {
        Self { commands: 10_000, bytes: 64 << 20, transaction_producers: true, cache: None }
    }
}

/// What a client has declared and what it has begun, in the order in which it did.
#[derive(Debug)]
pub struct ConnectionStateTracker {
    limits: TrackerLimits,
    connection: Option<ConnectionInfo>,
    temporary: Vec<DestinationInfo>,
    sessions: Vec<SessionState>,
    transactions: Transactions,
    cache: MessageCache,
    pulls: Pulls,
}

impl Default for ConnectionStateTracker {
    fn default() -> Self {
        Self::new(TrackerLimits::default())
    }
}

#[derive(Debug)]
struct SessionState {
    info: SessionInfo,
    producers: Vec<ProducerState>,
    consumers: Vec<ConsumerInfo>,
    /// Whether it was removed, and stays for a producer that is still needed.
    is_closed: bool,
}

#[derive(Debug)]
struct ProducerState {
    info: ProducerInfo,
    /// Whether it was removed, and stays because messages of it are still on their way: a broker refuses
    /// those of a producer that it does not know.
    is_closed: bool,
}

impl SessionState {
    /// The producers that were not removed.
    fn open_producers(&self) -> impl Iterator<Item = &ProducerInfo> {
        self.producers.iter().filter(|producer| !producer.is_closed).map(|producer| &producer.info)
    }
}

impl ConnectionStateTracker {
    /// A tracker that keeps no more than this.
    #[must_use]
    pub fn new(limits: TrackerLimits) -> Self {
        Self {
            limits,
            connection: None,
            temporary: Vec::new(),
            sessions: Vec::new(),
            transactions: Transactions::default(),
            cache: MessageCache::new(limits.cache),
            pulls: Pulls::default(),
        }
    }

    /// Why a command must not be sent: it could not be repeated, or what it is part of is broken.
    #[must_use]
    pub fn refusal(&self, command: &Command) -> Option<RequestError> {
        self.transactions.refusal(command, self.limits)
    }

    /// Watches a command on its way to the broker. True when it is remembered: then a replay brings it
    /// back, with its original number, and it need not be sent again for its own sake.
    pub fn track(&mut self, now: Instant, command: &Arc<Command>) -> bool {
        match &**command {
            Command::ConnectionInfo(info) => {
                self.connection = Some((**info).clone());
                true
            }
            Command::DestinationInfo(info) => self.track_destination(info),
            Command::SessionInfo(info) => {
                let state = SessionState {
                    info: info.clone(),
                    producers: Vec::new(),
                    consumers: Vec::new(),
                    is_closed: false,
                };
                self.sessions.push(state);
                true
            }
            Command::ProducerInfo(info) => {
                let session = info.producer_id.as_ref().map(ProducerId::session);
                let state = ProducerState { info: (**info).clone(), is_closed: false };
                self.session(session.as_ref())
                    .is_some_and(|session| remember(&mut session.producers, state))
            }
            Command::ConsumerInfo(info) => {
                let session = info.consumer_id.as_ref().map(ConsumerId::session);
                self.session(session.as_ref())
                    .is_some_and(|session| remember(&mut session.consumers, (**info).clone()))
            }
            Command::RemoveInfo(info) => {
                if let Some(id) = &info.object_id {
                    self.keep_transaction_producer(id);
                    self.close(id);
                }
                false
            }
            Command::TransactionInfo(info) => self.transactions.track_step(info, command),
            Command::Message(message) => self.transactions.track_message(message, command),
            Command::MessagePull(pull) => self.pulls.track(now, pull, command),
            _ => false,
        }
    }

    /// Takes note that a command was answered: what has ended is forgotten.
    pub fn answered(&mut self, command: &Command) {
        self.transactions.done(command);
    }

    /// A command that nobody waits for was not taken in.
    pub(crate) fn not_sent(&mut self, command: &Command, reason: &str) {
        if let Command::Message(message) = command {
            self.transactions.break_of(message, reason);
        }
    }

    /// A command that nobody waits for could not be put on the wire.
    pub(crate) fn unsendable(&mut self, number: i32, reason: &str) {
        self.transactions.break_by(number, reason);
        self.cache.forget(number);
    }

    /// Forgets what a command declared or did, because the broker refused it or it was given up.
    pub fn refused(&mut self, command: &Command) {
        let id = match command {
            Command::ConnectionInfo(_) => {
                self.connection = None;
                return;
            }
            Command::DestinationInfo(info) => {
                self.forget_destination(info.destination.as_ref());
                return;
            }
            Command::SessionInfo(info) => info.session_id.clone().map(Command::from),
            Command::ProducerInfo(info) => info.producer_id.clone().map(Command::from),
            Command::ConsumerInfo(info) => info.consumer_id.clone().map(Command::from),
            Command::TransactionInfo(_) | Command::Message(_) => {
                self.transactions.not_done(command);
                None
            }
            Command::MessagePull(pull) => {
                if let Some(id) = &pull.consumer_id {
                    self.pulls.close(id);
                }
                None
            }
            _ => None,
        };
        if let Some(id) = id {
            self.forget(&id);
        }
    }

    /// Whether a command is still part of what is replayed.
    #[must_use]
    pub fn tracks(&self, command: &Command) -> bool {
        let number = command.command_id();
        match command {
            Command::ConnectionInfo(_) => {
                self.connection.as_ref().is_some_and(|info| info.command_id == number)
            }
            Command::DestinationInfo(_) => {
                self.temporary.iter().any(|info| info.command_id == number)
            }
            Command::SessionInfo(_) => {
                let mut open = self.sessions.iter().filter(|session| !session.is_closed);
                open.any(|session| session.info.command_id == number)
            }
            Command::ProducerInfo(_) => {
                let mut producers = self.sessions.iter().flat_map(SessionState::open_producers);
                producers.any(|info| info.command_id == number)
            }
            Command::ConsumerInfo(_) => {
                let mut consumers = self.sessions.iter().flat_map(|session| &session.consumers);
                consumers.any(|info| info.command_id == number)
            }
            Command::TransactionInfo(_) | Command::Message(_) => self.transactions.tracks(number),
            Command::MessagePull(_) => self.pulls.tracks(number),
            _ => false,
        }
    }

    /// The consumers, in the order in which they are replayed.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = &ConsumerId> {
        let consumers = self.sessions.iter().flat_map(|session| &session.consumers);
        consumers.filter_map(|info| info.consumer_id.as_ref())
    }

    /// What is known of a consumer.
    pub(crate) fn consumer(&self, id: &ConsumerId) -> Option<&ConsumerInfo> {
        let mut consumers = self.sessions.iter().flat_map(|session| &session.consumers);
        consumers.find(|info| info.consumer_id.as_ref() == Some(id))
    }

    pub(crate) fn has_consumer(&self, id: &ConsumerId) -> bool {
        self.consumer(id).is_some()
    }

    /// The connection's name, once it was told.
    #[must_use]
    pub fn connection_id(&self) -> Option<&ConnectionId> {
        self.connection.as_ref()?.connection_id.as_ref()
    }

    /// How many messages brokers may dispatch before the first acknowledgement: the sum of the
    /// consumers' prefetches.
    #[must_use]
    pub fn window(&self) -> usize {
        let consumers = self.sessions.iter().flat_map(|session| &session.consumers);
        let prefetches = consumers.map(|info| usize::try_from(info.prefetch_size).unwrap_or(0));
        prefetches.fold(0, usize::saturating_add)
    }

    /// The number of what began the open transaction that a command is part of.
    pub(crate) fn began_with(&self, command: &Command) -> Option<i32> {
        self.transactions.began_with(command)
    }

    /// A message that no broker is to answer was handed to a link.
    pub(crate) fn transmitted(&mut self, command: &Arc<Command>) {
        if matches!(&**command, Command::Message(message) if message.transaction_id.is_none()) {
            self.cache.keep(command);
        }
    }

    /// A command was answered over the link that is there: what was sent before it has arrived.
    pub(crate) fn confirmed_before(&mut self, number: i32) {
        self.cache.confirm_before(number);
    }

    /// Whether messages were sent that no answer says the arrival of.
    pub(crate) fn has_unconfirmed(&self) -> bool {
        self.cache.has_unconfirmed()
    }

    /// How many messages were not kept for want of room, and went with the link for all that is known.
    pub(crate) const fn take_uncovered(&mut self) -> u64 {
        self.cache.take_uncovered()
    }

    /// How many messages the cache had no room for, as many as ever.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.cache.evicted()
    }

    /// How many bytes the cache holds.
    #[must_use]
    pub const fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// The number of a consumer's open pull.
    pub(crate) fn open_pull(&self, consumer: &ConsumerId) -> Option<i32> {
        self.pulls.number(consumer)
    }

    /// Something was dispatched to this consumer: its pull is answered.
    pub(crate) fn dispatched(&mut self, consumer: &ConsumerId) {
        self.pulls.close(consumer);
    }

    /// When the next open pull is over, if no broker answers it.
    pub(crate) fn next_pull_expiry(&self) -> Option<Instant> {
        self.pulls.next_expiry()
    }

    /// Closes the pulls that are over. Their answers, each with the number of its pull.
    pub(crate) fn expire_pulls(&mut self, now: Instant) -> Vec<(i32, MessageDispatch)> {
        self.pulls.expire(now)
    }

    /// All that a new broker must hear, in order, each with its original number.
    ///
    /// Every declaration asks for an answer, whether it did at first or not: what is refused must not
    /// go missing in silence.
    #[must_use]
    pub fn replay(&self, now: Instant) -> Vec<Command> {
        let Some(connection) = &self.connection else { return Vec::new() };
        let control = ConnectionControl { fault_tolerant: true, ..ConnectionControl::default() };
        // Java: FailoverTransport.restoreTransport says this before anything else.
        let mut replay = vec![Command::from(control)];
        let reconnected = ConnectionInfo { failover_reconnect: true, ..connection.clone() };
        replay.push(reconnected.into());
        replay.extend(self.temporary.iter().cloned().map(Command::from));
        for session in &self.sessions {
            replay.push(session.info.clone().into());
            let producers = session.producers.iter().map(|producer| producer.info.clone());
            replay.extend(producers.map(Command::from));
            replay.extend(session.consumers.iter().cloned().map(Command::from));
        }
        for command in replay.iter_mut().skip(1) {
            command.set_response_required(true);
        }
        self.transactions.replay(&mut replay);
        self.cache.replay(&mut replay);
        self.pulls.replay(now, &mut replay);
        replay
    }

    fn session(&mut self, id: Option<&SessionId>) -> Option<&mut SessionState> {
        self.sessions.iter_mut().find(|session| session.info.session_id.as_ref() == id)
    }

    fn track_destination(&mut self, info: &DestinationInfo) -> bool {
        let temporary =
            info.destination.as_ref().is_some_and(|destination| destination.kind.is_temporary());
        if !temporary {
            return false;
        }
        if info.operation_type == DestinationInfo::ADD {
            return remember(&mut self.temporary, info.clone());
        }
        self.forget_destination(info.destination.as_ref());
        false
    }

    fn forget_destination(&mut self, destination: Option<&Destination>) {
        self.temporary.retain(|info| info.destination.as_ref() != destination);
    }
}

/// Whether a command makes its transaction final: in one step, or by a vote. What became of it cannot be found
/// out by repeating it.
pub(crate) fn is_irrevocable(command: &Command) -> bool {
    matches!(command, Command::TransactionInfo(info)
    if matches!(
        info.transaction_type,
        TransactionInfo::COMMIT_ONE_PHASE | TransactionInfo::PREPARE
    ))
}

/// Whether a command asks for the vote on a branch.
pub(crate) fn is_vote(command: &Command) -> bool {
    matches!(command, Command::TransactionInfo(info)
        if info.transaction_type == TransactionInfo::PREPARE)
}

/// Whether a command ends its transaction.
pub(crate) fn ends_transaction(command: &Command) -> bool {
    matches!(command, Command::TransactionInfo(info) if transactions::ends(info))
}

/// What a command weighs where much may wait: its body, and a share for the rest.
pub(crate) fn weight(command: &Command) -> usize {
    const OVERHEAD: usize = 512;
    let Command::Message(message) = command else { return OVERHEAD };
    let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    OVERHEAD + len(&message.content) + len(&message.marshalled_properties)
}

fn remember<T>(list: &mut Vec<T>, info: T) -> bool {
    list.push(info);
    true
}

#[cfg(test)]
mod tests;
