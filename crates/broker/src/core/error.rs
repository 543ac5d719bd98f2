//! `BrokerError`: why a client's command failed, and as which Java exception it hears of it.

use rewire_protocol::Throwable;

/// Why a command failed. Each kind knows the Java class it becomes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct BrokerError {
    kind: ErrorKind,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    Jms,
    InvalidClientId,
    InvalidDestination,
    InvalidSelector,
    IllegalState,
    ResourceAllocation,
    Security,
    DestinationDoesNotExist,
    /// XA's `XAER_NOTA` or `XAER_PROTO`.
    Xa(i32),
}

impl BrokerError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = match kind {
            // Java: the client finds the code in the text.
            ErrorKind::Xa(code) => format!("{message} xaErrorCode:{code}"),
            _ => message,
        };
        Self { kind, message }
    }

    pub(crate) fn jms(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Jms, message)
    }

    /// Something there may be only so many of.
    pub(crate) fn limit(what: &str, limit: usize) -> Self {
        Self::new(ErrorKind::ResourceAllocation, format!("no more than {limit} {what}"))
    }

    pub(crate) fn to_throwable(&self) -> Throwable {
        let class = match self.kind {
            ErrorKind::Jms => "javax.jms.JMSException",
            ErrorKind::InvalidClientId => "javax.jms.InvalidClientIDException",
            ErrorKind::InvalidDestination => "javax.jms.InvalidDestinationException",
            ErrorKind::InvalidSelector => "javax.jms.InvalidSelectorException",
            ErrorKind::IllegalState => "javax.jms.IllegalStateException",
            ErrorKind::ResourceAllocation => "javax.jms.ResourceAllocationException",
            ErrorKind::Security => "java.lang.SecurityException",
            ErrorKind::DestinationDoesNotExist => {
                "org.apache.activemq.DestinationDoesNotExistException"
            }
            ErrorKind::Xa(_) => "javax.transaction.xa.XAException",
        };
        Throwable::new(class, self.message.as_str())
    }
}
