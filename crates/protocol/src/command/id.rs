//! What names things: connections, sessions, consumers, producers, messages and brokers.

use std::fmt;

use crate::macros::{attr, cached, fields, structure};
use crate::string::Str;

structure! {
    /// Names a connection, for as long as the client keeps it up, on whichever broker it is.
    #[wire(code = 120)]
    pub struct ConnectionId {
        /// The name, chosen by the client.
        pub value: Option<Str>,
    }
}

structure! {
    /// Names a session of a connection.
    #[wire(code = 121)]
    pub struct SessionId {
        /// The connection's name.
        pub connection_id: Option<Str>,
        /// The session's number in its connection; Java counts from 1 and has -1 for its own.
        pub value: i64,
    }
}

structure! {
    /// Names a consumer of a session.
    #[wire(code = 122)]
    pub struct ConsumerId {
        /// The connection's name.
        pub connection_id: Option<Str>,
        /// The session's number.
        pub session_id: i64,
        /// The consumer's number in its session.
        pub value: i64,
    }
}

structure! {
    /// Names a producer of a session. Brokers detect a message sent twice by its producer and number.
    #[wire(code = 123)]
    pub struct ProducerId {
        /// The connection's name.
        pub connection_id: Option<Str>,
        /// The producer's number in its session.
        pub value: i64,
        /// The session's number.
        pub session_id: i64,
    }
}

structure! {
    /// Names a broker; a new one each time the broker is set up, unless it keeps a store.
    #[wire(code = 124)]
    pub struct BrokerId {
        /// The name.
        pub value: Option<Str>,
    }
}

structure! {
    /// Names a message: its producer, and its number there.
    #[wire(code = 110)]
    pub struct MessageId {
        /// A name given by something other than an OpenWire client, instead of the parts below.
        #[wire(since = 10)]
        pub text_view: Option<Str>,
        /// Who sent it.
        #[wire(cached)]
        pub producer_id: Option<ProducerId>,
        /// Its number among those of its producer, rising.
        pub producer_sequence_id: i64,
        /// Its number at the broker; 0 until the broker has given one.
        pub broker_sequence_id: i64,
    }
}

impl ConnectionId {
    /// A connection of this name.
    #[must_use]
    pub fn new(value: impl Into<Str>) -> Self {
        Self { value: Some(value.into()) }
    }

    /// The name of a session of this connection.
    #[must_use]
    pub fn session(&self, value: i64) -> SessionId {
        SessionId { connection_id: self.value.clone(), value }
    }
}

impl SessionId {
    /// The name of a consumer of this session.
    #[must_use]
    pub fn consumer(&self, value: i64) -> ConsumerId {
        ConsumerId { connection_id: self.connection_id.clone(), session_id: self.value, value }
    }

    /// The name of a producer of this session.
    #[must_use]
    pub fn producer(&self, value: i64) -> ProducerId {
        ProducerId { connection_id: self.connection_id.clone(), value, session_id: self.value }
    }
}

impl ConsumerId {
    /// The session the consumer belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId { connection_id: self.connection_id.clone(), value: self.session_id }
    }
}

impl ProducerId {
    /// The session the producer belongs to.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId { connection_id: self.connection_id.clone(), value: self.session_id }
    }

    /// The name of this producer's message number `sequence`.
    #[must_use]
    pub fn message(&self, sequence: i64) -> MessageId {
        MessageId {
            producer_id: Some(self.clone()),
            producer_sequence_id: sequence,
            ..MessageId::default()
        }
    }
}

fn part(id: Option<&Str>) -> &dyn fmt::Display {
    id.map_or(&"null", |id| id)
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        part(self.value.as_ref()).fmt(f)
    }
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        part(self.value.as_ref()).fmt(f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", part(self.connection_id.as_ref()), self.value)
    }
}

impl fmt::Display for ConsumerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", part(self.connection_id.as_ref()), self.session_id, self.value)
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", part(self.connection_id.as_ref()), self.session_id, self.value)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.text_view, &self.producer_id) {
            (Some(text), _) => text.fmt(f),
            (None, Some(producer)) => write!(f, "{producer}:{}", self.producer_sequence_id),
            (None, None) => write!(f, "null:{}", self.producer_sequence_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_java_shows_them() {
        let session = ConnectionId::new("ID:host-1-2:1").session(3);
        assert_eq!(session.consumer(4).to_string(), "ID:host-1-2:1:3:4");
        assert_eq!(session.producer(5).message(6).to_string(), "ID:host-1-2:1:3:5:6");
    }
}
