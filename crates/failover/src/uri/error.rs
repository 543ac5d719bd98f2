//! What can be wrong with a URI, said so that whoever wrote it can mend it, and without its
//! secrets.

use std::fmt;

/// A URI that is not taken: what is wrong, and where.
///
/// The message names the option, the value, the byte and the nearest name that exists, as far as
/// each applies. It never repeats a secret: the value of anything that looks like a password, what
/// stands before an `@`, and names and values that may be the rest of a password are left out.
///
/// ```
/// use rewire_failover::uri::FailoverUri;
///
/// let error = FailoverUri::parse("failover:(tcp://a:61616)?maxReconectDelay=500").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "unknown option `maxReconectDelay` (value `500`): did you mean `maxReconnectDelay`? \
///      (at byte 25)"
/// );
/// assert_eq!(error.at, Some(25));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriError {
    /// What is wrong.
    pub kind: UriErrorKind,
    /// Where, in bytes from the start of the text; `None` for what did not come as text.
    pub at: Option<usize>,
}

/// What is wrong with a URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriErrorKind {
    /// More of something than is read.
    #[error("{what}: {count} is over the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are, or as many as were counted.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Text that should begin with `scheme:` and does not.
    #[error("no scheme in {}: write it as `tcp://host:port`", quoted(.text))]
    NoScheme {
        /// The text, without secrets.
        text: String,
    },
    /// A scheme nobody has heard of, or not one of this client.
    #[error("scheme `{scheme}` is not known{}", scheme_hint(*.nearest, *.elsewhere))]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// The nearest scheme that is known.
        nearest: Option<&'static str>,
        /// ActiveMQ has a transport of this name.
        elsewhere: bool,
    },
    /// `failover:` and nothing after it.
    #[error("no brokers: write `failover:(tcp://host:port,..)`")]
    NoBrokers,
    /// Nothing between two commas.
    #[error("nothing where a broker should be: a comma too many")]
    EmptyBroker,
    /// As many `(` as `)` are needed, in option values too.
    #[error("a `{parenthesis}` without its counterpart: inside a value write %28 and %29")]
    Unbalanced {
        /// The one that is alone.
        parenthesis: char,
    },
    /// Text after the list that is neither path nor query.
    #[error("{} after the list: options begin with `?`", quoted(.text))]
    AfterList {
        /// The text, without secrets.
        text: String,
    },
    /// Something in the address of a broker is missing or malformed.
    #[error("{problem} in {}", quoted(.text))]
    BadAddress {
        /// What.
        problem: &'static str,
        /// The address, without secrets.
        text: String,
    },
    /// White space, a control character or a malformed `%` in a query.
    #[error("{problem}{}", in_option(.option))]
    BadText {
        /// What.
        problem: &'static str,
        /// The option it is in, where that can be told.
        option: String,
    },
    /// `&&`, or `=value` without a name.
    #[error("an option without a name")]
    NoName,
    /// A name that does not exist.
    #[error("unknown option `{option}`{}{}", value_of(.value), did_you_mean(.nearest))]
    UnknownOption {
        /// The name as written.
        option: String,
        /// The value as written, unless it may be secret.
        value: Shown,
        /// The nearest name that exists here.
        nearest: Option<String>,
    },
    /// A name that exists elsewhere.
    #[error("option `{option}`{} does not belong here: {instead}", value_of(.value))]
    Misplaced {
        /// The name as written.
        option: String,
        /// The value as written, unless it may be secret.
        value: Shown,
        /// Where it belongs, and how it is written there.
        instead: String,
    },
    /// An option without `=`, or with nothing after it.
    #[error("option `{option}` has no value: it takes {expected}")]
    NoValue {
        /// The option.
        option: String,
        /// What it takes.
        expected: String,
    },
    /// A value the option does not take.
    #[error("option `{option}` takes {expected}{}", not_value(.value))]
    BadValue {
        /// The option.
        option: String,
        /// The value as written, unless it may be secret.
        value: Shown,
        /// What it takes.
        expected: String,
    },
    /// Two options of which only one can be given.
    #[error("options `{first}` and `{second}` set the same bits: give one of them")]
    Conflict {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

/// A value in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// There was none.
    Nothing,
    /// It may be secret, and is not repeated.
    Hidden,
    /// As written, cut to a length.
    Text(String),
}

impl UriError {
    pub(super) const fn at(kind: UriErrorKind, at: usize) -> Self {
        Self { kind, at: Some(at) }
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match self.at {
            Some(at) => write!(f, " (at byte {at})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UriError {}

/// The most characters of somebody's text that a message repeats.
const MAX_EXCERPT: usize = 80;

/// Text fit for a message: on one line and not too long.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_EXCERPT).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_EXCERPT).is_some() {
        shown.push_str("..");
    }
    shown
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "it".to_owned() } else { format!("`{text}`") }
}

fn scheme_hint(nearest: Option<&'static str>, elsewhere: bool) -> String {
    match (nearest, elsewhere) {
        (Some(nearest), _) => format!(": did you mean `{nearest}`?"),
        (None, true) => " here: ActiveMQ has it, this client does not".to_owned(),
        (None, false) => String::new(),
    }
}

fn in_option(option: &str) -> String {
    if option.is_empty() { String::new() } else { format!(" in option `{option}`") }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(": did you mean `{name}`?"))
}

fn value_of(value: &Shown) -> String {
    match value {
        Shown::Nothing => String::new(),
        Shown::Hidden => " (value not shown)".to_owned(),
        Shown::Text(text) => format!(" (value `{text}`)"),
    }
}

fn not_value(value: &Shown) -> String {
    match value {
        Shown::Nothing => String::new(),
        Shown::Hidden => ", not what is given (not shown)".to_owned(),
        Shown::Text(text) => format!(", not `{text}`"),
    }
}
