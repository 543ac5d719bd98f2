//! The URI of one broker: how it is reached and which options its link has.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::error::{UriError, UriErrorKind, excerpt};
use super::lookup::{Place, nearest_of};
use super::query::{Settings, Space, read};
use super::transport::TransportOptions;
use super::{MAX_URI_LENGTH, too_long};

/// How a broker is spoken to.
///
/// What Java calls `nio` is a way to wait for bytes, and `auto` lets the broker find out the
/// protocol: to a client both are `tcp`, and with `ssl` they are `ssl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `tcp`
    Tcp,
    /// `nio`
    Nio,
    /// `auto`
    Auto,
    /// `auto+nio`
    AutoNio,
    /// `ssl`
    Ssl,
    /// `nio+ssl`
    NioSsl,
    /// `auto+ssl`
    AutoSsl,
    /// `auto+nio+ssl`
    AutoNioSsl,
}

impl Scheme {
    const ALL: [Self; 8] = [
        Self::Tcp,
        Self::Nio,
        Self::Auto,
        Self::AutoNio,
        Self::Ssl,
        Self::NioSsl,
        Self::AutoSsl,
        Self::AutoNioSsl,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Nio => "nio",
            Self::Auto => "auto",
            Self::AutoNio => "auto+nio",
            Self::Ssl => "ssl",
            Self::NioSsl => "nio+ssl",
            Self::AutoSsl => "auto+ssl",
            Self::AutoNioSsl => "auto+nio+ssl",
        }
    }

    /// True if the link is encrypted.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        match self {
            Self::Tcp | Self::Nio | Self::Auto | Self::AutoNio => false,
            Self::Ssl | Self::NioSsl | Self::AutoSsl | Self::AutoNioSsl => true,
        }
    }

    /// Java knows schemes in lower case only, and so do we.
    pub(super) fn find(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == text)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// As written; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// One broker: `tcp://host:port`, with options if there are any.
///
/// **Two brokers are equal when their host as written and their port are equal**, whatever their
/// scheme and options; upper and lower case are the same. Names are never resolved to find out.
/// (Java compares what the names resolve to, and so takes two names it cannot read, or that share
/// an address, for one broker.)
///
/// ```
/// use rewire_failover::uri::BrokerUri;
///
/// let broker = BrokerUri::parse("ssl://mq_1:61617?socket.verifyHostName=false")?;
/// assert_eq!((broker.host(), broker.port()), ("mq_1", 61617));
/// assert!(broker.scheme().is_tls());
/// assert!(!broker.transport().verifies_host_name());
/// assert_eq!(broker, BrokerUri::parse("tcp://MQ_1:61617")?);
/// # Ok::<(), rewire_failover::uri::UriError>(())
/// ```
///
/// A host is a name of letters, digits, `-`, `_` and `.`, or an IP address; the port has no
/// default. `tcp://host:port/local:port` binds the socket to a local address first.
#[derive(Clone)]
pub struct BrokerUri {
    scheme: Scheme,
    address: HostPort,
    local: Option<HostPort>,
    settings: Settings,
}

impl BrokerUri {
    /// Reads the URI of one broker.
    ///
    /// # Errors
    ///
    /// If it is not the URI of a broker, or has an option that does not exist or a bad value.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI_LENGTH {
            return Err(too_long(text.len()));
        }
        let mut reader = BrokerReader::new(text, Place::Broker);
        let at = text.len() - text.trim_start().len();
        reader.read(text.trim(), at)
    }

    /// A broker without options. An IPv6 address goes with or without its brackets.
    ///
    /// # Errors
    ///
    /// If the host is not one, or the port is 0.
    pub fn new(scheme: Scheme, host: &str, port: u16) -> Result<Self, UriError> {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = HostPort { host: host.to_owned(), port };
        Self::parse(&format!("{scheme}://{address}"))
            .map_err(|error| UriError { at: None, ..error })
    }

    /// How it is spoken to.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as written; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.address.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port
    }

    /// Host and port, which is what makes a broker this one and no other.
    #[must_use]
    pub const fn address(&self) -> &HostPort {
        &self.address
    }

    /// The address on this side that the socket is bound to, if one is asked for.
    #[must_use]
    pub const fn local_address(&self) -> Option<&HostPort> {
        self.local.as_ref()
    }

    /// What its own query says, over the defaults.
    /// [`FailoverUri::transport`](super::FailoverUri::transport) has what `nested.*` says on top.
    #[must_use]
    pub fn transport(&self) -> TransportOptions {
        let mut options = TransportOptions::default();
        self.apply(&mut options);
        options
    }

    pub(super) fn apply(&self, options: &mut TransportOptions) {
        for setting in self.settings.iter() {
            options.set(setting.row.name, &setting.value);
        }
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) const fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// `scheme://host:port`, without anything after it.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(super) fn write(&self, f: &mut dyn fmt::Write, with_secrets: bool) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.address)?;
        if let Some(local) = &self.local {
            write!(f, "/{local}")?;
        }
        self.settings.write(f, '?', with_secrets)
    }
}

impl PartialEq for BrokerUri {
    fn eq(&self, other: &Self) -> bool {
        self.port() == other.port() && self.host().eq_ignore_ascii_case(other.host())
    }
}

impl Eq for BrokerUri {}

impl Hash for BrokerUri {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.port().hash(state);
        for byte in self.host().bytes() {
            byte.to_ascii_lowercase().hash(state);
        }
    }
}

impl FromStr for BrokerUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// With its own options.
impl fmt::Display for BrokerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl fmt::Debug for BrokerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUri({self})")
    }
}

/// Reads brokers, and knows what must not be repeated in a message.
pub(super) struct BrokerReader {
    place: Place,
    /// An `@` somewhere says that a password may be anywhere: a comma in it makes two brokers of
    /// one.
    hides: bool,
    /// `jms.*` that stood in the query of a lone broker.
    pub(super) jms: Settings,
    pub(super) notes: Vec<String>,
}

impl BrokerReader {
    /// `whole` is the text that everything read will be part of.
    pub(super) fn new(whole: &str, place: Place) -> Self {
        Self { place, hides: whole.contains('@'), jms: Settings::default(), notes: Vec::new() }
    }

    pub(super) const fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// Reads the trimmed text of one broker that starts at byte `at` of the whole.
    pub(super) fn read(&mut self, text: &str, at: usize) -> Result<BrokerUri, UriError> {
        let (location, query) = match text.split_once('?') {
            Some((location, query)) => (location, Some(query)),
            None => (text, None),
        };
        let wrong = |problem| {
            let text = if self.hides { "***".to_owned() } else { excerpt(location) };
            UriError::at(UriErrorKind::BadAddress { problem, text }, at)
        };
        let (scheme, rest) = self.scheme(text).map_err(|kind| UriError::at(kind, at))?;
        let Some(scheme) = Scheme::find(scheme) else {
            return Err(UriError::at(self.unknown_scheme(scheme), at));
        };
        let rest = &rest[..rest.len() - query.map_or(0, |query| query.len() + 1)];
        let rest = rest.strip_prefix("//").ok_or_else(|| wrong("no `//` before the host"))?;
        let (authority, local) = match rest.split_once('/') {
            Some((authority, path)) => (authority, path),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(wrong(
                "a user or password, which belong in jms.userName and jms.password,",
            ));
        }
        let address = host_port(authority).map_err(wrong)?;
        if address.port == 0 {
            return Err(wrong("port 0"));
        }
        let local = match local {
            "" => None,
            local => Some(
                host_port(local)
                    .map_err(|_| wrong("a path that is not a local address (/host:port)"))?,
            ),
        };
        let mut settings = Settings::default();
        if let Some(query) = query {
            let at = at + location.len() + 1;
            read(query, at, self.place, &mut settings, &mut self.notes)?;
        }
        let (own, jms) = settings.split(Space::Broker);
        self.jms = jms;
        Ok(BrokerUri { scheme, address, local, settings: own })
    }

    /// Splits `scheme:rest`.
    pub(super) fn scheme<'a>(&self, text: &'a str) -> Result<(&'a str, &'a str), UriErrorKind> {
        let valid = |scheme: &str| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        };
        // `localhost:61616` has a host where its scheme should be.
        let is_host = |scheme: &str, rest: &str| {
            rest.starts_with(|first: char| first.is_ascii_digit())
                && scheme != "failover"
                && Scheme::find(scheme).is_none()
        };
        match text.split_once(':') {
            Some((scheme, rest)) if valid(scheme) && !is_host(scheme, rest) => Ok((scheme, rest)),
            Some(_) | None => Err(UriErrorKind::NoScheme { text: self.shown(text) }),
        }
    }

    pub(super) fn unknown_scheme(&self, scheme: &str) -> UriErrorKind {
        let known: Vec<&'static str> =
            Scheme::ALL.into_iter().map(Scheme::as_str).chain(["failover"]).collect();
        let elsewhere = ELSEWHERE.contains(&scheme);
        let nearest = if elsewhere { None } else { nearest_of(scheme, &known) };
        let hidden = self.hides && nearest.is_none() && !elsewhere;
        let scheme = if hidden { "***".to_owned() } else { excerpt(scheme) };
        UriErrorKind::UnknownScheme { scheme, nearest, elsewhere }
    }

    /// Text for a message, up to what may be the value of an option.
    pub(super) fn shown(&self, text: &str) -> String {
        match text.split_once('=') {
            _ if self.hides => "***".to_owned(),
            Some((name, _)) => excerpt(&format!("{name}=..")),
            None => excerpt(text),
        }
    }
}

/// Transports that ActiveMQ has and that are not OpenWire over TCP.
const ELSEWHERE: [&str; 18] = [
    "vm",
    "http",
    "https",
    "udp",
    "ws",
    "wss",
    "multicast",
    "discovery",
    "static",
    "masterslave",
    "fanout",
    "peer",
    "mock",
    "zeroconf",
    "amqp",
    "mqtt",
    "stomp",
    "xmpp",
];

/// Reads `host:port` or `[address]:port`. The error says what is wrong.
pub(super) fn host_port(text: &str) -> Result<HostPort, &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("a `[` without `]`")?;
            (ipv6(host)?, if port.is_empty() { None } else { port.strip_prefix(':') })
        }
        None => match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => return Err("an IPv6 address without `[]`"),
            Some((host, port)) => (name(host)?, Some(port)),
            None => (name(text)?, None),
        },
    };
    let port = port.filter(|port| !port.is_empty()).ok_or("no port")?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a port that is not a number");
    }
    let port = port.parse().map_err(|_| "a port over 65535")?;
    Ok(HostPort { host: host.to_owned(), port })
}

/// The most bytes of a host: what a name in the DNS can have.
const MAX_HOST: usize = 253;

fn name(host: &str) -> Result<&str, &'static str> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match host {
        "" => Err("no host"),
        // Java reads no host from a name with an underscore, and takes this machine instead.
        _ if !host.bytes().all(valid) => Err("a character that no host has"),
        _ if host.len() > MAX_HOST => Err("a host that is too long"),
        _ => Ok(host),
    }
}

fn ipv6(host: &str) -> Result<&str, &'static str> {
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    let good_zone =
        !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    match address.parse::<Ipv6Addr>() {
        Ok(_) if good_zone => Ok(host),
        Ok(_) | Err(_) => Err("a malformed IPv6 address"),
    }
}
