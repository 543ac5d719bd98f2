//! `ClusterConfig`: which other brokers there are, and what clients are told of them.

use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use rewire_failover::uri::{FailoverUri, MAX_BROKERS, MAX_URI_LENGTH};

use super::BridgeId;

/// What clients are told of the cluster, and which brokers are dialled to make one.
///
/// The names are ActiveMQ's, of its transport connectors; here they hold for all listeners.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ClusterConfig {
    /// `updateClusterClients`: whether clients are told which brokers there are. Default false.
    pub update_clients: bool,
    /// `rebalanceClusterClients`: whether clients are spread over the brokers, and told which there are.
    /// Default false. Java does nothing unless `updateClusterClients` is set too.
    pub rebalance_clients: bool,
    /// `updateClusterClientsOnRemove`: whether clients are told to forget a broker that is gone. Default
    /// false: they go on trying it.
    pub update_clients_on_remove: bool,
    /// `updateClusterFilter`: of which brokers clients are told, by their names. Default all.
    pub filter: Option<ClusterFilter>,
    /// The brokers to dial.
    pub connectors: Vec<NetworkConnector>,
    /// Where clients reach this broker: the published address of each listener. A broker that is started
    /// fills it in.
    pub addresses: Vec<String>,
}

impl ClusterConfig {
    /// Whether clients are told of the cluster.
    #[must_use]
    pub const fn tells_clients(&self) -> bool {
        self.update_clients || self.rebalance_clients
    }

    /// The links to dial, as they are named.
    pub(crate) fn bridges(
        &self,
    ) -> impl Iterator<Item = (BridgeId, &NetworkConnector, &FailoverUri)> {
        let links = self
            .connectors
            .iter()
            .flat_map(|connector| connector.links.iter().map(move |link| (connector, link)));
        links.zip(0..).map(|((connector, link), number)| (BridgeId(number), connector, link))
    }

    pub(super) fn connector(&self, bridge: BridgeId) -> Option<&NetworkConnector> {
        self.bridges().find(|(id, ..)| *id == bridge).map(|(_, connector, _)| connector)
    }

    pub(super) fn tells_of(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(name))
    }
}

/// What is wrong with a part of the cluster's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ClusterConfigError(String);

/// `updateClusterFilter`: regular expressions between commas; a broker is told of if one matches all of
/// its name.
///
/// ```
/// use rewire_broker::cluster::ClusterFilter;
///
/// let filter: ClusterFilter = "east-.*, west-[0-9]+".parse()?;
/// assert!(filter.matches("east-a") && !filter.matches("the-east-a"));
/// let error = "*A*".parse::<ClusterFilter>().unwrap_err();
/// assert!(error.to_string().contains(".*A.*"), "{error}");
/// # Ok::<(), rewire_broker::cluster::ClusterConfigError>(())
/// ```
#[derive(Clone)]
pub struct ClusterFilter {
    text: String,
    patterns: Vec<Regex>,
}

/// Bytes of a filter.
const MAX_FILTER: usize = 4 << 10;
/// Bytes that one expression may take when it is compiled.
const MAX_COMPILED: usize = 1 << 20;

impl ClusterFilter {
    /// Whether clients are told of a broker of this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(name))
    }
}

impl FromStr for ClusterFilter {
    type Err = ClusterConfigError;

    /// Java finds out that an expression is bad when the first broker joins, and its bridge fails then.
    fn from_str(text: &str) -> Result<Self, ClusterConfigError> {
        if text.len() > MAX_FILTER {
            let problem = format!("a filter of {} bytes is longer than {MAX_FILTER}", text.len());
            return Err(ClusterConfigError(problem));
        }
        let mut patterns = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            // The part by itself first: what closes a group that it did not open is an error.
            let compiled = compile(part).and_then(|_| compile(&format!("^(?:{part})$")));
            patterns.push(compiled.map_err(|error| not_a_pattern(part, &error))?);
        }
        if patterns.is_empty() {
            return Err(ClusterConfigError("a filter without an expression".to_owned()));
        }
        Ok(Self { text: text.to_owned(), patterns })
    }
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build()
}

fn not_a_pattern(part: &str, error: &regex::Error) -> ClusterConfigError {
    let why = error.to_string();
    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
    // A star by itself is what people write who think of file names.
    let meant = part.split('*').collect::<Vec<_>>().join(".*");
    let is_glob =
        part.contains('*') && part.bytes().all(|b| b == b'*' || b.is_ascii_alphanumeric());
    let hint = if is_glob { format!("; as an expression it is {meant:?}") } else { String::new() };
    ClusterConfigError(format!("{part:?} is no regular expression: {why}{hint}"))
}

impl fmt::Debug for ClusterFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClusterFilter").field(&self.text).finish()
    }
}

/// Other brokers to dial: `static:(tcp://b:61616,tcp://c:61616)`, one link to each and all kept up, or
/// `masterslave:(tcp://b:61616,tcp://c:61616)`, one link to whichever of them is there.
///
/// Options, as of ActiveMQ's: `initialReconnectDelay` (1000 ms), `maxReconnectDelay` (30000 ms),
/// `useExponentialBackOff` (true), `backOffMultiplier` (2), and `nested.` before those of a socket. Beside
/// them `userName` and `password`, which the other broker is told and nobody else.
///
/// ```
/// use rewire_broker::cluster::NetworkConnector;
///
/// let connector: NetworkConnector = "static:(tcp://b:61616,tcp://c:61616)".parse()?;
/// assert_eq!(connector.links().len(), 2);
/// let error = "multicast://default".parse::<NetworkConnector>().unwrap_err();
/// assert!(error.to_string().contains("static:"), "{error}");
/// # Ok::<(), rewire_broker::cluster::ClusterConfigError>(())
/// ```
#[derive(Clone)]
pub struct NetworkConnector {
    links: Vec<FailoverUri>,
    /// What its links are called at the other end.
    pub(crate) name: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl NetworkConnector {
    /// Where each of its links goes.
    #[must_use]
    pub fn links(&self) -> &[FailoverUri] {
        &self.links
    }

    /// Says who dials.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        (self.user, self.password) = (Some(user.into()), Some(password.into()));
        self
    }
}

impl fmt::Debug for NetworkConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkConnector")
            .field("links", &self.links)
            .field("name", &self.name)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What holds for every link to a broker, whatever is given: it goes to that broker and to no other.
const ALWAYS: &str = "updateURIsSupported=false&reconnectSupported=false&backup=false\
    &priorityBackup=false&randomize=false&maxReconnectAttempts=-1&startupMaxReconnectAttempts=-1";
/// Java: `SimpleDiscoveryAgent`.
const DEFAULTS: &str = "initialReconnectDelay=1000&maxReconnectDelay=30000";

impl FromStr for NetworkConnector {
    type Err = ClusterConfigError;

    fn from_str(text: &str) -> Result<Self, ClusterConfigError> {
        let fail = |problem: &str| ClusterConfigError(problem.to_owned());
        if text.len() > MAX_URI_LENGTH {
            return Err(fail("a URI that is too long"));
        }
        let Some((scheme, rest)) = text.trim().split_once(':') else {
            return Err(fail("not a URI: static:(tcp://host:port,..) is expected"));
        };
        let is_static = match scheme {
            "static" | "simple" => true,
            "masterslave" => false,
            "multicast" | "fanout" | "discovery" | "zeroconf" | "http" | "ldap" => {
                let problem = format!(
                    "brokers cannot be found by {scheme}: name them, static:(tcp://host:port,..)"
                );
                return Err(ClusterConfigError(problem));
            }
            "tcp" | "ssl" | "nio" | "nio+ssl" | "failover" => {
                let problem = format!("{scheme} is not enough: static:({scheme}:..) is expected");
                return Err(ClusterConfigError(problem));
            }
            _ => {
                let problem = format!(
                    "there is no {scheme:?} for brokers: static:(..) or masterslave:(..) is expected"
                );
                return Err(ClusterConfigError(problem));
            }
        };
        let (list, query) = split(rest.strip_prefix("//").unwrap_or(rest))?;
        let mut connector = Self { links: Vec::new(), name: None, user: None, password: None };
        let options = connector.take_query(query)?;
        let parts = if is_static { parts(list) } else { vec![list] };
        if parts.iter().all(|part| part.trim().is_empty()) {
            return Err(fail("no broker is named"));
        }
        if parts.len() > MAX_BROKERS {
            return Err(fail("too many brokers"));
        }
        for part in parts {
            let uri = format!("failover:({part})?{DEFAULTS}{options}&{ALWAYS}");
            if part.trim().is_empty() {
                return Err(fail("a broker without a name, between two commas"));
            }
            let uri = FailoverUri::parse(&uri).map_err(|error| {
                ClusterConfigError(error.kind.to_string() + &place(text, part, error.at))
            })?;
            if uri.brokers().is_empty() {
                return Err(fail("no broker is named"));
            }
            if !is_static && uri.brokers().len() < 2 {
                return Err(fail("masterslave: needs two brokers at least"));
            }
            connector.links.push(uri);
        }
        Ok(connector)
    }
}

impl NetworkConnector {
    /// The options that the transport has too, in its words; keeps what it has not.
    fn take_query(&mut self, query: &str) -> Result<String, ClusterConfigError> {
        let mut options = String::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "userName" | "remoteUserName" => self.user = Some(decode(value)?),
                "password" | "remotePassword" => self.password = Some(decode(value)?),
                "backOffMultiplier" => {
                    options.push_str(&format!("&reconnectDelayExponent={value}"))
                }
                // Java: 0 is for ever, and so it is here whatever is said; no broker is given up.
                "maxReconnectAttempts" if matches!(value, "0" | "-1") => {}
                "maxReconnectAttempts" => {
                    let problem = "maxReconnectAttempts: a broker of the cluster is never given up";
                    return Err(ClusterConfigError(problem.to_owned()));
                }
                _ => options.push_str(&format!("&{option}")),
            }
        }
        Ok(options)
    }
}

/// Where an error in `failover:(PART)..` is in the text that the part was taken from.
fn place(text: &str, part: &str, at: Option<usize>) -> String {
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    let in_part = at.and_then(|at| at.checked_sub("failover:(".len()));
    match in_part.filter(|at| *at <= part.len()) {
        Some(at) => format!(" (at byte {})", start + at),
        // Of an option, which is named.
        None => String::new(),
    }
}

/// `%41` is `A`.
fn decode(value: &str) -> Result<String, ClusterConfigError> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return Err(ClusterConfigError("a % without two hexadecimal digits".to_owned())),
        }
    }
    String::from_utf8(bytes).map_err(|_| ClusterConfigError("an option is not UTF-8".to_owned()))
}

/// The list between its brackets, and the query after them. Without brackets, one broker with its own.
fn split(rest: &str) -> Result<(&str, &str), ClusterConfigError> {
    let Some(inner) = rest.strip_prefix('(') else { return Ok((rest, "")) };
    let mut depth = 1;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let after = &inner[at + 1..];
            return match after.strip_prefix('?') {
                Some(query) => Ok((&inner[..at], query)),
                None if after.is_empty() => Ok((&inner[..at], "")),
                None => {
                    // What follows a = may be a password.
                    let after = after.split('=').next().unwrap_or_default();
                    Err(ClusterConfigError(format!("after the brokers, {after:?} means nothing")))
                }
            };
        }
    }
    Err(ClusterConfigError("a bracket is not closed".to_owned()))
}

/// The parts between commas, those inside of brackets not counted.
fn parts(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}
