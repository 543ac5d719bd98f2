//! `ListenerConfig`: where clients come in, and what is allowed there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rewire_protocol::{Limits, LinkConfig, Peer, WireFormatOffer};
use tokio::net::TcpListener;

use super::StartError;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// The address: `tcp://127.0.0.1:61616`; port 0 for any that is free, host `0.0.0.0` for all
    /// addresses of the machine. `nio:` and `auto:` are other names for `tcp:`.
    ///
    /// With certificates `ssl:`; `nio+ssl:`, `auto+ssl:` and `auto+nio+ssl:` are the same.
    ///
    /// It may say, as in ActiveMQ, `?maximumConnections=1000&wireFormat.maxFrameSize=1048576&
    /// wireFormat.maxInactivityDuration=30000`; and, with files in PEM form, `?certificates=FILE&
    /// key=FILE&clientAuthorities=FILE&needClientAuth=true`.
    pub uri: String,
    /// The address that clients are told, if it is another. Default: the host as written in the URI and
    /// the port that is listened on; of a broker in a cluster that listens on `0.0.0.0`, the name of this
    /// machine if it leads somewhere.
    pub published: Option<String>,
    /// Connections through this listener. Default none beside that of all.
    pub maximum_connections: Option<usize>,
    /// Bytes of a frame. Default: the broker's.
    pub max_frame_size: Option<usize>,
    /// How long a client may be silent, if it agrees; zero is for ever. Default 30 s, as Java's.
    pub max_inactivity: Option<Duration>,
    /// Certificates, for `ssl:` and its kin.
    pub tls: Option<ListenerTls>,
}

/// How a listener shows who it is, in files that are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerTls {
    /// The broker's certificate first, then those between it and the authority; in PEM form.
    pub certificates: PathBuf,
    /// Its private key, not encrypted, in PEM form. May be in the same file.
    pub key: PathBuf,
    /// Whether clients show who they are.
    pub client_auth: ClientAuth,
    /// How long a client has for its handshake. Default 10 s.
    pub handshake_timeout: Duration,
}

/// Whether clients show certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    None,
    /// Who shows one must have it from an authority of this file. Java: `wantClientAuth`.
    Want(PathBuf),
    /// Everybody must. Java: `needClientAuth`.
    Need(PathBuf),
}

/// What is said of TLS, before it is one thing.
#[derive(Debug, Default)]
pub(crate) struct TlsWords {
    pub(crate) certificates: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) needs: Option<bool>,
    pub(crate) wants: Option<bool>,
}

impl ListenerTls {
    /// With this certificate and this key; clients are not asked for one.
    #[must_use]
    pub fn new(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (certificates, key) = (certificates.into(), key.into());
        let handshake_timeout = Duration::from_secs(10);
        Self { certificates, key, client_auth: ClientAuth::None, handshake_timeout }
    }
}

impl TlsWords {
    pub(crate) fn read(self) -> Result<Option<ListenerTls>, String> {
        let Self { certificates, key, authorities, needs, wants } = self;
        let says_more = key.is_some() || authorities.is_some() || needs.or(wants).is_some();
        let Some(certificates) = certificates else {
            return if says_more { Err("`certificates` is missing".to_owned()) } else { Ok(None) };
        };
        let mut tls = ListenerTls::new(certificates.clone(), key.unwrap_or(certificates));
        let is_asked = needs == Some(true) || wants == Some(true);
        tls.client_auth = match authorities {
            None if is_asked => return Err("`clientAuthorities` is missing".to_owned()),
            None => ClientAuth::None,
            Some(file) if needs == Some(true) || (needs, wants) == (None, None) => {
                ClientAuth::Need(file)
            }
            Some(file) if wants == Some(true) => ClientAuth::Want(file),
            Some(_) => ClientAuth::None,
        };
        Ok(Some(tls))
    }
}

/// The names of plain listeners, as ActiveMQ has them.
const PLAIN: [&str; 4] = ["tcp", "nio", "auto", "auto+nio"];
/// Those with TLS.
const SECURE: [&str; 4] = ["ssl", "nio+ssl", "auto+ssl", "auto+nio+ssl"];
/// What is said of an address that clients could do nothing with.
pub(super) const NOT_TO_PUBLISH: &str =
    "this is no address to publish: tcp://host:port is expected";
/// The options a URI may have.
const OPTIONS: [&str; 8] = [
    "maximumConnections",
    "wireFormat.maxFrameSize",
    "wireFormat.maxInactivityDuration",
    "certificates",
    "key",
    "clientAuthorities",
    "needClientAuth",
    "wantClientAuth",
];

impl ListenerConfig {
    /// Listens on this address, with nothing else said.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            published: None,
            maximum_connections: None,
            max_frame_size: None,
            max_inactivity: None,
            tls: None,
        }
    }

    /// Whether it can be listened on, as far as that can be told without a try.
    ///
    /// # Errors
    ///
    /// When something is wrong with the address, or with what is said of TLS: a sentence.
    pub fn check(&self) -> Result<(), String> {
        match self.clone().resolve() {
            Err(StartError::Address { problem, .. }) => return Err(problem),
            Err(other) => return Err(other.to_string()),
            Ok(_) => {}
        }
        let published = self.published.as_deref().map(crate::cluster::Address::read);
        if published.is_some_and(|address| address.is_none()) {
            return Err(NOT_TO_PUBLISH.to_owned());
        }
        Ok(())
    }

    /// Takes what the URI says into the fields, where they say nothing. The address, to listen on.
    pub(super) fn resolve(&mut self) -> Result<Address, StartError> {
        let uri = self.uri.clone();
        let refuse = |problem: String| StartError::Address { uri: uri.clone(), problem };
        let (scheme, rest) = uri
            .split_once("://")
            .ok_or_else(|| refuse("an address looks like tcp://host:port".to_owned()))?;
        let is_secure = SECURE.contains(&scheme);
        if !is_secure && !PLAIN.contains(&scheme) {
            let known = [PLAIN, SECURE].concat().join(", ");
            return Err(refuse(format!("{scheme} is not spoken, only {known}")));
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut words = TlsWords::default();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            self.option(option, &mut words).map_err(&refuse)?;
        }
        if let Some(tls) = words.read().map_err(&refuse)? {
            self.tls.get_or_insert(tls);
        }
        match &self.tls {
            None if is_secure => {
                return Err(refuse(format!("{scheme} needs `certificates` and a `key`")));
            }
            Some(_) if !is_secure => {
                return Err(refuse(format!("{scheme} has no use for certificates, ssl has")));
            }
            None | Some(_) => {}
        }
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        Ok(Address { bind: address.to_owned(), host: host.to_owned() })
    }

    fn option(&mut self, option: &str, words: &mut TlsWords) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let number = || {
            let problem = format!("{name} has to be a whole number, and is {value:?}");
            value.parse::<u32>().map_err(|_| problem)
        };
        let truth = || match value {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(format!("{name} has to be true or false, and is {value:?}")),
        };
        // What is said by a field counts. Java: options of the socket have this before them.
        match name.strip_prefix("transport.").unwrap_or(name) {
            "certificates" => words.certificates = Some(value.into()),
            "key" => words.key = Some(value.into()),
            "clientAuthorities" => words.authorities = Some(value.into()),
            "needClientAuth" => words.needs = truth()?,
            "wantClientAuth" => words.wants = truth()?,
            "maximumConnections" => {
                self.maximum_connections.get_or_insert(number()? as usize);
            }
            "wireFormat.maxFrameSize" => {
                self.max_frame_size.get_or_insert(number()? as usize);
            }
            "wireFormat.maxInactivityDuration" => {
                self.max_inactivity.get_or_insert(Duration::from_millis(number()?.into()));
            }
            _ => {
                let known = OPTIONS.join(", ");
                return Err(format!("a listener has no option {name}, only {known}"));
            }
        }
        Ok(())
    }

    /// How links of this listener are spoken to.
    pub(super) fn link(&self, max_frame_size: Option<usize>) -> (LinkConfig, Limits) {
        let mut limits = Limits::DEFAULT;
        if let Some(bytes) = self.max_frame_size.or(max_frame_size) {
            limits.max_frame_size = bytes;
        }
        let max_frame_size = i64::try_from(limits.max_frame_size).ok();
        let mut offer = WireFormatOffer { max_frame_size, ..WireFormatOffer::default() };
        if let Some(silence) = self.max_inactivity {
            offer.max_inactivity_duration = i64::try_from(silence.as_millis()).ok();
        }
        (LinkConfig { offer, peer: Peer::Client, ..LinkConfig::default() }, limits)
    }

    /// The address that clients are told.
    pub(super) fn published(&self, address: &Address, bound: SocketAddr) -> String {
        if let Some(published) = &self.published {
            return published.clone();
        }
        let host = if bound.ip().is_unspecified() { "localhost" } else { &address.host };
        // What clients of all kinds know.
        let scheme = if self.tls.is_some() { "ssl" } else { "tcp" };
        format!("{scheme}://{host}:{}", bound.port())
    }
}

/// Where a listener is to be.
#[derive(Debug)]
pub(super) struct Address {
    bind: String,
    host: String,
}

impl Address {
    pub(super) async fn bind(&self) -> std::io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(&self.bind).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
}
