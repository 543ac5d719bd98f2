//! What a new broker must hear again, and in which order.
//!
//! A client tells its broker who it is and what it has: connection, temporary destinations, sessions,
//! producers, consumers. The tracker watches those commands go by and can repeat them. The order of a
//! replay is Java's (`ConnectionStateTracker.restore`), but for one thing: Java goes through sessions in
//! the order of a hash table, here it is the order in which they were made.

use rewire_protocol::{
    Command, ConnectionControl, ConnectionId, ConnectionInfo, ConsumerId, ConsumerInfo,
    Destination, DestinationInfo, ProducerId, ProducerInfo, SessionId, SessionInfo,
};

/// What a client has declared, in the order in which it did.
#[derive(Debug, Default)]
pub struct ConnectionStateTracker {
    connection: Option<ConnectionInfo>,
    temporary: Vec<DestinationInfo>,
    sessions: Vec<SessionState>,
}

#[derive(Debug)]
struct SessionState {
    info: SessionInfo,
    producers: Vec<ProducerInfo>,
    consumers: Vec<ConsumerInfo>,
}

impl ConnectionStateTracker {
    /// Watches a command on its way to the broker. True when it is remembered: then a replay brings it
    /// back, with its original number, and it need not be sent again for its own sake.
    pub fn track(&mut self, command: &Command) -> bool {
        match command {
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
                };
                self.sessions.push(state);
                true
            }
            Command::ProducerInfo(info) => {
                let session = info.producer_id.as_ref().map(ProducerId::session);
                self.session(session.as_ref())
                    .is_some_and(|session| remember(&mut session.producers, info.clone()))
            }
            Command::ConsumerInfo(info) => {
                let session = info.consumer_id.as_ref().map(ConsumerId::session);
                self.session(session.as_ref())
                    .is_some_and(|session| remember(&mut session.consumers, (**info).clone()))
            }
            Command::RemoveInfo(info) => {
                if let Some(id) = &info.object_id {
                    self.forget(id);
                }
                false
            }
            _ => false,
        }
    }

    /// Forgets what an id names, and everything below it.
    pub fn forget(&mut self, id: &Command) {
        match id {
            Command::ConnectionId(_) => *self = Self::default(),
            Command::SessionId(id) => {
                self.sessions.retain(|session| session.info.session_id.as_ref() != Some(id));
            }
            Command::ProducerId(id) => {
                for session in &mut self.sessions {
                    session.producers.retain(|info| info.producer_id.as_ref() != Some(id));
                }
            }
            Command::ConsumerId(id) => {
                for session in &mut self.sessions {
                    session.consumers.retain(|info| info.consumer_id.as_ref() != Some(id));
                }
            }
            _ => {}
        }
    }

    /// Forgets what a command declared, because the broker refused it.
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
                self.sessions.iter().any(|session| session.info.command_id == number)
            }
            Command::ProducerInfo(_) => {
                let mut producers = self.sessions.iter().flat_map(|session| &session.producers);
                producers.any(|info| info.command_id == number)
            }
            Command::ConsumerInfo(_) => {
                let mut consumers = self.sessions.iter().flat_map(|session| &session.consumers);
                consumers.any(|info| info.command_id == number)
            }
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

    /// All that a new broker must hear, in order, each with its original number.
    ///
    /// Every declaration asks for an answer, whether it did at first or not: what is refused must not
    /// go missing in silence.
    #[must_use]
    pub fn replay(&self) -> Vec<Command> {
        let Some(connection) = &self.connection else { return Vec::new() };
        let control = ConnectionControl { fault_tolerant: true, ..ConnectionControl::default() };
        // Java: FailoverTransport.restoreTransport says this before anything else.
        let mut replay = vec![Command::from(control)];
        let reconnected = ConnectionInfo { failover_reconnect: true, ..connection.clone() };
        replay.push(reconnected.into());
        replay.extend(self.temporary.iter().cloned().map(Command::from));
        for session in &self.sessions {
            replay.push(session.info.clone().into());
            replay.extend(session.producers.iter().cloned().map(Command::from));
            replay.extend(session.consumers.iter().cloned().map(Command::from));
        }
        for command in replay.iter_mut().skip(1) {
            command.set_response_required(true);
        }
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

fn remember<T>(list: &mut Vec<T>, info: T) -> bool {
    list.push(info);
    true
}

#[cfg(test)]
mod tests;
