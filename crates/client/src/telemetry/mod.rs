//! What operations leave behind: a span each, and numbers for whoever collects them, under the names of
//! OpenTelemetry's conventions for messaging.

#[cfg_attr(not(feature = "metrics"), path = "no_numbers.rs")]
mod numbers;

use std::sync::Arc;

use rewire_protocol::{Destination, MessageId};
use tracing::Span;
use tracing::field::{Empty, display};

use self::numbers::{Numbers, Watch};
pub(crate) use self::numbers::{count_events, describe};
use crate::error::{Error, ErrorKind};

/// `messaging.system`.
const SYSTEM: &str = "activemq";

/// What a client does that is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Connect,
    Send,
    Enqueue,
    SendAsync,
    Receive,
    Ack,
    Commit,
    Rollback,
}

/// Tells of what goes to or comes from one destination, or of a connection as a whole.
#[derive(Debug)]
pub(crate) struct Meter {
    destination: Option<Destination>,
    numbers: Numbers,
}

impl Meter {
    pub(crate) fn new(destination: Option<Destination>) -> Arc<Self> {
        let numbers = Numbers::of(destination.as_ref());
        Arc::new(Self { destination, numbers })
    }

    /// An operation begins.
    pub(crate) fn begin(self: &Arc<Self>, what: Operation) -> Begun {
        Begun { span: self.span(what), watch: Watch::start(self, what) }
    }

    /// A message was handed out, to somebody who did not wait for it.
    pub(crate) fn handed_out(self: &Arc<Self>, id: Option<&MessageId>) {
        let span = self.span(Operation::Receive);
        if let Some(id) = id {
            span.record("messaging.message.id", display(id));
        }
        self.numbers.count(Operation::Receive);
    }

    fn span(&self, what: Operation) -> Span {
        macro_rules! span {
            ($level:ident, $name:literal, $kind:literal $(, $type:literal)?) => {
                tracing::span!(
                    target: "rewire",
                    tracing::Level::$level,
                    $name,
                    otel.name = self.name($name),
                    otel.kind = $kind,
                    otel.status_code = Empty,
                    messaging.system = SYSTEM,
                    messaging.operation.name = $name,
                    $(messaging.operation.type = $type,)?
                    messaging.destination.name = self.destination.as_ref().map(|to| display(&to.physical_name)),
                    messaging.message.id = Empty,
                    error.type = Empty,
                )
            };
        }
        match what {
            Operation::Connect => span!(INFO, "connect", "client"),
            Operation::Send => span!(DEBUG, "send", "producer", "send"),
            Operation::Enqueue => span!(DEBUG, "enqueue", "producer", "send"),
            Operation::SendAsync => span!(DEBUG, "send_async", "producer", "send"),
            Operation::Receive => span!(DEBUG, "receive", "client", "receive"),
            Operation::Ack => span!(DEBUG, "ack", "client", "settle"),
            Operation::Commit => span!(INFO, "commit", "client"),
            Operation::Rollback => span!(INFO, "rollback", "client"),
        }
    }

    /// What a trace calls it: `send ORDERS`.
    fn name(&self, operation: &str) -> String {
        match &self.destination {
            Some(to) => format!("{operation} {}", to.physical_name),
            None => operation.to_owned(),
        }
    }
}

/// An operation that has begun, and is over when this is dropped at the latest.
#[derive(Debug)]
pub(crate) struct Begun {
    span: Span,
    watch: Watch,
}

impl Begun {
    pub(crate) const fn span(&self) -> &Span {
        &self.span
    }

    /// It is about this message.
    pub(crate) fn about(&self, id: &MessageId) {
        self.span.record("messaging.message.id", display(id));
    }

    /// Its message is on its way, and counts even where nobody waits to hear what became of it.
    pub(crate) const fn left(&mut self) {
        self.watch.left();
    }

    /// It is over, and this became of it.
    pub(crate) fn end<T>(&mut self, outcome: Result<&T, &Error>) {
        let failed = outcome.err().map(Error::kind);
        if let Some(kind) = failed {
            self.span.record("error.type", kind.name());
            self.span.record("otel.status_code", "ERROR");
        }
        self.watch.end(failed);
        // What is told afterwards is no part of it.
        self.span = Span::none();
    }
}

impl ErrorKind {
    /// `error.type`.
    const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Misuse => "misuse",
            Self::Security => "security",
            Self::Refused => "refused",
            Self::NotSent => "not_sent",
            Self::InDoubt => "in_doubt",
            Self::RolledBack => "rolled_back",
            Self::Protocol => "protocol",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
        }
    }
}
