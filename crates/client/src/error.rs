//! `Error`: what went wrong, who erred, and whether trying again can help.

use std::fmt;
use std::sync::Arc;

use rewire_failover::{DialError, GaveUp, RequestError};
use rewire_protocol::{EncodeError, Throwable};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Ask [`kind`](Self::kind) what to do about it, and show it to say what happened.
///
/// It never holds a password, a message body or a property. A clone is cheap.
///
/// ```
/// use rewire::{Connection, ErrorKind};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let error = Connection::builder("not a URI").await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert!(!error.is_retryable());
/// # });
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    broker: Option<Box<Throwable>>,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URI or an option cannot be used. The caller's.
    Config,
    /// The call cannot be made like this: a property of an impossible type, a client id that is
    /// missing. The caller's, never caused by the network.
    Misuse,
    /// The broker does not let this user do this.
    Security,
    /// The broker said no, for another reason than security. It was not done.
    Refused,
    /// It never left. It was not done.
    NotSent,
    /// It was sent and no answer came. A broker may have done it.
    InDoubt,
    /// The transaction was rolled back instead: nothing of it was done.
    RolledBack,
    /// What was received cannot be read, or broke the rules.
    Protocol,
    /// No broker could be reached, within what the options of the URI allow.
    Unreachable,
    /// The option `timeout` of the URI, or a deadline, ran out before a broker was there.
    Timeout,
    /// The connection, or this part of it, is closed.
    Closed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Arc::new(Inner { kind, message: message.into(), broker: None }) }
    }

    pub(crate) fn config(problem: &dyn fmt::Display) -> Self {
        Self::new(ErrorKind::Config, problem.to_string())
    }

    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misuse, message)
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the connection is closed")
    }

    pub(crate) fn unsendable(error: &EncodeError) -> Self {
        Self::misuse(format!("the message cannot be sent: {error}"))
    }

    /// What a broker said when it refused something.
    pub(crate) fn refused(what: &str, cause: Box<Throwable>) -> Self {
        let class = cause.class.to_str();
        let kind =
            if class.contains("Security") { ErrorKind::Security } else { ErrorKind::Refused };
        let short = class.rsplit('.').next().unwrap_or_default();
        let said = match &cause.message {
            // The class often says what the message leaves out: which kind of thing is wrong.
            Some(text) if kind == ErrorKind::Security || short == "JMSException" => {
                text.to_string()
            }
            Some(text) => format!("{short}: {text}"),
            None => short.to_owned(),
        };
        let message = format!("the broker refused {what}: {said}");
        Self { inner: Arc::new(Inner { kind, message, broker: Some(cause) }) }
    }

    /// A broker refused a commit, and so has rolled the transaction back.
    pub(crate) fn rolled_back_by(cause: Box<Throwable>) -> Self {
        let message = format!("the transaction was rolled back: {cause}");
        let kind = ErrorKind::RolledBack;
        Self { inner: Arc::new(Inner { kind, message, broker: Some(cause) }) }
    }

    /// Why something that was asked of a broker was not done, or is in doubt.
    pub(crate) fn request(what: &str, error: RequestError) -> Self {
        let message = format!("{what}: {error}");
        let kind = match error {
            RequestError::Refused(cause) => return Self::refused(what, cause),
            RequestError::NotSent(reason) => {
                let kind = kind_of(&reason, ErrorKind::NotSent);
                return Self::given_up(kind, format!("{what}: {reason}"), &reason);
            }
            RequestError::InDoubt { reason, .. } => {
                return Self::given_up(ErrorKind::InDoubt, message, &reason);
            }
            RequestError::Unsendable(_) | RequestError::TransactionFull { .. } => ErrorKind::Misuse,
            RequestError::TransactionBroken(_) => ErrorKind::RolledBack,
            _ => ErrorKind::Protocol,
        };
        Self::new(kind, message)
    }

    /// Why everything ended.
    pub(crate) fn ended(reason: &GaveUp) -> Self {
        Self::given_up(kind_of(reason, ErrorKind::Unreachable), reason.to_string(), reason)
    }

    /// With what a broker said, if the reason is that one refused.
    fn given_up(kind: ErrorKind, message: String, reason: &GaveUp) -> Self {
        let broker = match reason {
            GaveUp::Refused(cause) | GaveUp::Exhausted { error: DialError::Refused(cause), .. } => {
                Some(cause.clone())
            }
            _ => None,
        };
        Self { inner: Arc::new(Inner { kind, message, broker }) }
    }

    /// Whether a broker said that what was named is not there.
    pub(crate) fn says_there_is_none(&self) -> bool {
        let said = self.broker_exception();
        said.is_some_and(|cause| cause.class.to_str().ends_with("InvalidDestinationException"))
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Whether the same call can succeed later, without a change to the program or its settings.
    ///
    /// [`InDoubt`](ErrorKind::InDoubt) is not: trying again may do it twice, which is for the caller to
    /// decide.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            ErrorKind::NotSent
            | ErrorKind::Unreachable
            | ErrorKind::Timeout
            | ErrorKind::RolledBack => true,
            ErrorKind::Config
            | ErrorKind::Misuse
            | ErrorKind::Security
            | ErrorKind::Refused
            | ErrorKind::InDoubt
            | ErrorKind::Protocol
            | ErrorKind::Closed => false,
        }
    }

    /// What the broker said, if it was the broker: the class of its exception and its message.
    #[must_use]
    pub fn broker_exception(&self) -> Option<&Throwable> {
        self.inner.broker.as_deref()
    }
}

/// The kind for an end by this reason; `otherwise` where the reason says nothing closer.
fn kind_of(reason: &GaveUp, otherwise: ErrorKind) -> ErrorKind {
    match reason {
        GaveUp::TimedOut(_) | GaveUp::NoAnswer(_) => ErrorKind::Timeout,
        GaveUp::Closed => ErrorKind::Closed,
        GaveUp::Exhausted { error: DialError::Refused(cause), .. }
            if cause.class.to_str().contains("Security") =>
        {
            ErrorKind::Security
        }
        GaveUp::Exhausted { .. } | GaveUp::Lost(_) | GaveUp::NoBrokers => ErrorKind::Unreachable,
        // As it says, and whatever reasons are added.
        GaveUp::LinkGone | _ => otherwise,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {})", self.inner.kind, self.inner.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_security_is_told_from_others_and_shows_what_the_broker_said() {
        let cause = Throwable::new("javax.jms.JMSSecurityException", "no such user");
        let error = Error::refused("the connection", Box::new(cause));
        assert_eq!(error.kind(), ErrorKind::Security);
        assert_eq!(error.to_string(), "the broker refused the connection: no such user");
        let cause = Throwable::new("javax.jms.InvalidSelectorException", "x");
        assert_eq!(Error::refused("it", Box::new(cause)).kind(), ErrorKind::Refused);
    }

    #[test]
    fn what_may_have_been_done_is_not_to_be_tried_again_blindly() {
        let doubt =
            RequestError::InDoubt { tried: vec!["tcp://a:1".into()], reason: GaveUp::Closed };
        let error = Error::request("the message", doubt);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InDoubt, false));
        let said = Box::new(Throwable::new("javax.jms.InvalidDestinationException", "gone"));
        let refused = RequestError::InDoubt {
            tried: vec!["tcp://a:1".into()],
            reason: GaveUp::Refused(said),
        };
        let error = Error::request("the message", refused);
        assert_eq!(error.kind(), ErrorKind::InDoubt);
        assert!(error.says_there_is_none(), "{error}");
        let unsent = RequestError::NotSent(GaveUp::LinkGone);
        let error = Error::request("the message", unsent);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotSent, true));
    }
}
