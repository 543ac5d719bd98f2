//! Composite URIs and their options: `failover:(tcp://a:61616,tcp://b:61616)?randomize=false`.
//!
//! [`FailoverUri::parse`] takes what Java's client takes and refuses what it would misread: after
//! it, nothing is checked again. Where the two differ, Java's behaviour is named at the place; the
//! main ones:
//!
//! | written | Java | here |
//! |---|---|---|
//! | `randomize=maybe` | false | an error |
//! | an unknown option, scheme or host of a broker | tried again without end | an error |
//! | `tcp://my_host:1,tcp://your_host:1` | no host, both this machine: one broker | two brokers |
//! | `(..)randomize=false` | a path, without effect | an error |
//! | `?a?b=1` | `a` is forgotten | an error; a `?` in a value stays |
//! | `(a,,b)` | a broker that cannot exist | an error |
//! | `%252B` after a broker | decoded twice | decoded once |
//! | white space around brokers | an error | taken |
//! | `tcp://user:password@host:1` | left out in silence | an error |
//!
//! With the feature `serde` a configuration file can hold a [`FailoverUri`], as text or as a table of its brokers
//! and options (`brokers`, `randomize`, the tables `nested` and `jms`), [`FailoverOptions`] under the same names,
//! and a [`BrokerUri`]. Secrets are not written: `***` stands for one, and is refused when it is read.

mod attempts;
mod broker;
mod builder;
mod composite;
mod declare;
mod error;
mod explain;
#[cfg(feature = "serde")]
mod files;
mod jms;
mod lookup;
mod options;
mod pushed;
mod query;
mod transport;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use attempts::{Attempts, StartupAttempts};
pub use broker::{BrokerUri, HostPort, Scheme};
pub use builder::FailoverUriBuilder;
pub use declare::Unit;
pub use error::{Shown, UriError, UriErrorKind};
pub use explain::{BrokerExplanation, Explanation, OptionExplanation};
pub use jms::JmsOptions;
pub use options::FailoverOptions;
pub use pushed::{PushedBrokers, RefusedBroker};
pub use transport::{SocketOptions, TcpOptions, TransportOptions, WireFormatOptions};
pub use value::OptionValue;

use declare::OptionSet;
use query::{Settings, Space};

/// The most bytes of a URI, or of a pushed list.
pub const MAX_URI_LENGTH: usize = 64 << 10;
/// The most brokers of a list.
pub const MAX_BROKERS: usize = 256;
/// The most options of one query.
pub const MAX_OPTIONS: usize = 256;
/// How deep `failover:(..)` can stand inside of `failover:(..)`.
pub const MAX_NESTING: usize = 8;

fn too_long(count: usize) -> UriError {
    let what = "bytes of a URI";
    UriError::at(UriErrorKind::TooMany { what, count, limit: MAX_URI_LENGTH }, MAX_URI_LENGTH)
}

/// Where brokers are and how to stay connected to one of them.
///
/// All spellings of Java's client are read: `failover:(a,b)?x=y`, `failover://(a,b)?x=y`,
/// `failover:a,b` and `failover://a`, lists inside of lists, and one broker alone
/// (`tcp://a:61616`), which is connected to once and not again. A list can be empty: its brokers
/// then come from `updateURIsURL`, or from discovery.
///
/// ```
/// use rewire_failover::uri::FailoverUri;
///
/// let uri = FailoverUri::parse(
///     "failover:(tcp://a:61616,ssl://b:61617?soTimeout=500)?randomize=false&jms.userName=billing",
/// )?;
/// assert_eq!(uri.brokers().len(), 2);
/// assert_eq!(uri.brokers()[1].host(), "b");
/// assert!(!uri.options().randomize);
/// assert_eq!(uri.jms().user_name(), Some("billing"));
/// # Ok::<(), rewire_failover::uri::UriError>(())
/// ```
///
/// `Display` and `Debug` show `***` for secrets; [`reveal`](Self::reveal) writes all of it.
#[derive(Clone)]
pub struct FailoverUri {
    /// The scheme, if it is that of one broker alone.
    plain: Option<Scheme>,
    brokers: Vec<BrokerUri>,
    settings: Settings,
    options: FailoverOptions,
    jms: JmsOptions,
    notes: Vec<String>,
}

impl FailoverUri {
    /// Reads a URI. What it returns is good: every option exists and has a value it can have.
    ///
    /// # Errors
    ///
    /// If any part of it is not understood. The error says which, where, and what it could have
    /// been.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let parsed = composite::parse(text)?;
        Self::assemble(parsed.plain, parsed.brokers, parsed.settings, parsed.notes)
    }

    /// Builds a failover URI from values.
    pub fn builder() -> FailoverUriBuilder {
        FailoverUriBuilder::default()
    }

    fn assemble(
        plain: Option<Scheme>,
        brokers: Vec<BrokerUri>,
        settings: Settings,
        notes: Vec<String>,
    ) -> Result<Self, UriError> {
        let mut options = FailoverOptions::default();
        if plain.is_some() {
            options.max_reconnect_attempts = Attempts::Never;
        }
        let mut jms = JmsOptions::default();
        for setting in settings.iter() {
            match setting.space {
                Space::Failover => {
                    options.set(setting.row.name, &setting.value);
                }
                Space::Jms => jms.set(setting.row, setting.value.clone()),
                Space::Broker | Space::Nested => {}
            }
        }
        let mut uri = Self { plain, brokers: Vec::new(), settings, options, jms, notes };
        for broker in brokers {
            if !uri.brokers.contains(&broker) {
                uri.brokers.push(broker);
            }
        }
        let (what, count, limit) = ("brokers", uri.brokers.len(), MAX_BROKERS);
        if count > limit {
            return Err(UriError { kind: UriErrorKind::TooMany { what, count, limit }, at: None });
        }
        uri.check_conflicts()?;
        Ok(uri)
    }

    /// Java refuses a socket with both: they are the same bits of a packet.
    fn check_conflicts(&self) -> Result<(), UriError> {
        let mut all = TransportOptions::default();
        self.apply_nested(&mut all);
        let each = self.brokers.iter().map(|broker| self.transport(broker));
        if std::iter::once(all)
            .chain(each)
            .any(|options| options.tcp.diff_serv.is_some() && options.tcp.type_of_service.is_some())
        {
            let (first, second) = ("diffServ", "typeOfService");
            return Err(UriError { kind: UriErrorKind::Conflict { first, second }, at: None });
        }
        Ok(())
    }

    /// `failover`, or the scheme of the one broker.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self.plain {
            None => "failover",
            Some(scheme) => scheme.as_str(),
        }
    }

    /// False for one broker alone: when its link is lost, it stays lost.
    #[must_use]
    pub const fn is_failover(&self) -> bool {
        self.plain.is_none()
    }

    /// The brokers in the order of the list, each once.
    #[must_use]
    pub fn brokers(&self) -> &[BrokerUri] {
        &self.brokers
    }

    /// The options of failover. For one broker alone they are the defaults, except that
    /// `maxReconnectAttempts` is 0.
    #[must_use]
    pub const fn options(&self) -> &FailoverOptions {
        &self.options
    }

    /// The options of the connection.
    #[must_use]
    pub const fn jms(&self) -> &JmsOptions {
        &self.jms
    }

    /// What is legal and means nothing, or is said twice: worth a warning.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The options of the link to a broker, of the list or not: its own, and `nested.*` over them.
    ///
    /// A broker alone announces the host it is called by (`wireFormat.host`) unless it is told
    /// another, as in Java; one of a list announces none.
    #[must_use]
    pub fn transport(&self, broker: &BrokerUri) -> TransportOptions {
        let mut options = TransportOptions::default();
        if self.plain.is_some() {
            options.wire_format.host = Some(broker.host().to_owned());
        }
        broker.apply(&mut options);
        self.apply_nested(&mut options);
        options
    }

    fn apply_nested(&self, options: &mut TransportOptions) {
        for setting in self.settings.of(Space::Nested) {
            options.set(setting.row.name, &setting.value);
        }
    }

    /// The same for one of its brokers and a single attempt: to find out how that broker is.
    ///
    /// ```
    /// use rewire_failover::uri::{Attempts, FailoverUri};
    ///
    /// let uri = FailoverUri::parse("failover:(tcp://a:1,tcp://b:1)?backup=true&timeout=500")?;
    /// let alone = uri.for_one_attempt(&uri.brokers()[1]);
    /// assert_eq!(alone.brokers(), &uri.brokers()[1..]);
    /// assert_eq!(alone.options().attempts(false), Attempts::at_most(1));
    /// assert_eq!(alone.options().timeout, uri.options().timeout);
    /// # Ok::<(), rewire_failover::uri::UriError>(())
    /// ```
    #[must_use]
    pub fn for_one_attempt(&self, broker: &BrokerUri) -> Self {
        const ONCE: &str = "startupMaxReconnectAttempts=1&maxReconnectAttempts=0&backup=false\
            &priorityBackup=false&updateURIsSupported=false";
        if self.plain.is_some() {
            return self.clone();
        }
        let alone = Self { brokers: vec![broker.clone()], ..self.clone() };
        let text = alone.reveal();
        let separator = if text.ends_with(')') { '?' } else { '&' };
        // What was read once is read again; of an option said twice the last counts.
        Self::parse(&format!("{text}{separator}{ONCE}")).unwrap_or(alone)
    }

    /// The whole URI, **secrets included**: to hand on, not to print.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text, true);
        text
    }

    fn write(&self, f: &mut dyn fmt::Write, with_secrets: bool) -> fmt::Result {
        if self.plain.is_some() {
            let mut separator = '?';
            for broker in &self.brokers {
                broker.write(f, with_secrets)?;
                if broker.settings().iter().next().is_some() {
                    separator = '&';
                }
            }
            return self.settings.write(f, separator, with_secrets);
        }
        f.write_str("failover:(")?;
        for (index, broker) in self.brokers.iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            broker.write(f, with_secrets)?;
        }
        f.write_char(')')?;
        self.settings.write(f, '?', with_secrets)
    }
}

/// Equal when they say the same in the same order, options of brokers included.
impl PartialEq for FailoverUri {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl FromStr for FailoverUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// In one spelling, with `***` for secrets.
impl fmt::Display for FailoverUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl fmt::Debug for FailoverUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailoverUri({self})")
    }
}
