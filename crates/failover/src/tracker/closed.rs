//! What is removed: forgotten, unless something that was sent before still needs it.

use rewire_protocol::{Command, ProducerId, ProducerInfo};

use super::{ConnectionStateTracker, ProducerState, SessionState};

impl ConnectionStateTracker {
    /// Forgets what an id names, and everything below it.
    pub fn forget(&mut self, id: &Command) {
        match id {
            Command::ConnectionId(_) => *self = Self::new(self.limits),
            Command::SessionId(id) => {
                self.sessions.retain(|session| session.info.session_id.as_ref() != Some(id));
                self.transactions.session_closed(id);
                self.pulls.session_closed(id);
            }
            Command::ProducerId(id) => {
                for session in &mut self.sessions {
                    let is_other = |it: &ProducerState| it.info.producer_id.as_ref() != Some(id);
                    session.producers.retain(is_other);
                }
            }
            Command::ConsumerId(id) => {
                for session in &mut self.sessions {
                    session.consumers.retain(|info| info.consumer_id.as_ref() != Some(id));
                }
                self.pulls.close(id);
            }
            _ => {}
        }
    }

    /// Something was removed. Producers, and sessions for them, stay until [`keep_closed`] says that they
    /// are not needed.
    ///
    /// [`keep_closed`]: Self::keep_closed
    pub(super) fn close(&mut self, id: &Command) {
        match id {
            Command::SessionId(id) => {
                if let Some(session) = self.session(Some(id)) {
                    session.is_closed = true;
                    session.consumers.clear();
                    session.producers.iter_mut().for_each(|producer| producer.is_closed = true);
                }
                self.transactions.session_closed(id);
                self.pulls.session_closed(id);
            }
            Command::ProducerId(id) => {
                if let Some(session) = self.session(Some(&id.session())) {
                    let is_it = |producer: &&mut ProducerState| {
                        producer.info.producer_id.as_ref() == Some(id)
                    };
                    session.producers.iter_mut().filter(is_it).for_each(|it| it.is_closed = true);
                }
            }
            other => self.forget(other),
        }
    }

    /// Forgets what was removed and has no message on its way any more: none that waits for a broker or
    /// its answer, as `is_needed` says, and none in the cache.
    pub(crate) fn keep_closed(&mut self, is_needed: impl Fn(&ProducerId) -> bool) {
        let Self { sessions, cache, .. } = self;
        let is_needed = |info: &ProducerInfo| {
            info.producer_id.as_ref().is_some_and(|id| is_needed(id) || cache.is_needed(id))
        };
        for session in &mut *sessions {
            session.producers.retain(|producer| !producer.is_closed || is_needed(&producer.info));
        }
        sessions.retain(|session| !session.is_closed || !session.producers.is_empty());
    }

    /// Whether something was removed and is still kept.
    pub(crate) fn has_closed(&self) -> bool {
        let is_closed = |producer: &ProducerState| producer.is_closed;
        self.sessions
            .iter()
            .any(|session| session.is_closed || session.producers.iter().any(is_closed))
    }

    /// What was removed and declared again for what was still on its way: the broker is to remove it
    /// again. The last of a session is its own removal.
    pub(crate) fn closed(&self) -> Vec<Command> {
        let mut closed = Vec::new();
        for session in &self.sessions {
            if session.is_closed {
                closed.extend(session.info.session_id.clone().map(Command::from));
                continue;
            }
            let producers = session.producers.iter().filter(|producer| producer.is_closed);
            closed.extend(
                producers
                    .filter_map(|producer| producer.info.producer_id.clone().map(Command::from)),
            );
        }
        closed
    }

    /// A producer that goes may be needed again, to repeat what it sent in a transaction.
    pub(super) fn keep_transaction_producer(&mut self, id: &Command) {
        let Command::ProducerId(id) = id else { return };
        if !self.limits.transaction_producers {
            return;
        }
        let of = |session: &mut SessionState| {
            let is_it = |info: &&ProducerInfo| info.producer_id.as_ref() == Some(id);
            session.open_producers().find(is_it).cloned()
        };
        if let Some(info) = self.session(Some(&id.session())).and_then(of) {
            self.transactions.producer_closed(&info);
        }
    }
}
