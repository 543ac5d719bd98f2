//! Whom a client trusts, and how it shows who it is itself.

use std::fmt;
use std::path::PathBuf;

/// Text in PEM form: certificates, or a private key.
///
/// A file is read again on each dial, so that what it holds may be replaced at any time.
///
/// ```
/// use rewire_failover::transport::Pem;
///
/// let authority = Pem::file("/etc/mq/ca.pem");
/// let embedded = Pem::bytes("-----BEGIN CERTIFICATE-----\n..");
/// // What bytes hold may be a key, and is not shown.
/// assert_eq!(format!("{embedded:?}"), "Pem(30 bytes)");
/// # drop(authority);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(Source);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl Pem {
    /// What is in this file at the time of a dial. At most 4 MiB.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// What is given here.
    pub fn bytes(text: impl Into<Vec<u8>>) -> Self {
        Self(Source::Bytes(text.into()))
    }

    pub(super) const fn source(&self) -> &Source {
        &self.0
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::File(path) => write!(f, "Pem({})", path.display()),
            Source::Bytes(bytes) => write!(f, "Pem({} bytes)", bytes.len()),
        }
    }
}

/// How the brokers behind `ssl:`, `nio+ssl:`, `auto+ssl:` and `auto+nio+ssl:` are spoken to.
///
/// By default the authorities of this system are trusted and the client shows no certificate.
/// Always, whatever is set here:
///
/// - TLS 1.3 and 1.2 are spoken, and of these only what `socket.enabledProtocols` names if it names
///   any; `socket.enabledCipherSuites` narrows the cipher suites in the same way. No protocol of
///   the application is negotiated (ALPN).
/// - The certificate of a broker must be for its host as written in the URI, be it a name or an IP
///   address. A common name does not count, only subject alternative names do.
/// - `socket.verifyHostName=false` in a URI drops that one check. The certificate must still come
///   from an authority that is trusted and be valid now; but **whoever holds any such certificate
///   can then pose as the broker**, so this is for authorities that certify brokers alone.
/// - The TLS handshake counts within `connectionTimeout` and `connectTimeout`.
/// - Files are read on each dial. As long as they hold the same, sessions are resumed; the
///   authorities of the system are read again when something else has changed.
///
/// What fails is a failed attempt like any other, [`DialError::Tls`](crate::DialError::Tls), and
/// the next broker is tried. Only what can never work, a host that no certificate can have or a
/// protocol that is not spoken, is [`DialError::Unsupported`](crate::DialError::Unsupported).
///
/// ```no_run
/// use rewire_failover::transport::{FailoverTransport, Pem, TlsOptions, TransportConfig};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsOptions::default()
///     .only_trust(Pem::file("/etc/mq/ca.pem"))
///     .identify_with(Pem::file("/etc/mq/client.pem"), Pem::file("/etc/mq/client.key"));
/// let uri = "failover:(ssl://mq1:61617,ssl://mq2:61617)".parse()?;
/// let config = TransportConfig { tls, ..TransportConfig::default() };
/// let (transport, deliveries) = FailoverTransport::start(&uri, config);
/// # drop((transport, deliveries));
/// # Ok(()) }
/// ```
///
/// Its `Debug` names files and sizes, never what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    pub(super) roots: Vec<Root>,
    pub(super) identity: Option<Identity>,
}

/// Whose word is taken for who a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The authorities of this system.
    Platform,
    /// These certificates.
    Pem(Pem),
}

/// How the client shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) certificates: Pem,
    pub(super) key: Pem,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { roots: vec![Root::Platform], identity: None }
    }
}

impl TlsOptions {
    /// Trusts these authorities and no others: what was trusted so far is not any more.
    ///
    /// A broker's own self-signed certificate may be named as well.
    ///
    /// ```
    /// # use rewire_failover::transport::{Pem, TlsOptions};
    /// let ours_alone = TlsOptions::default().only_trust(Pem::file("/etc/mq/ca.pem"));
    /// # drop(ours_alone);
    /// ```
    #[must_use]
    pub fn only_trust(mut self, authorities: Pem) -> Self {
        self.roots = vec![Root::Pem(authorities)];
        self
    }

    /// Trusts these authorities besides those that are trusted so far.
    ///
    /// ```
    /// # use rewire_failover::transport::{Pem, TlsOptions};
    /// let ours_too = TlsOptions::default().also_trust(Pem::file("/etc/mq/ca.pem"));
    /// # drop(ours_too);
    /// ```
    #[must_use]
    pub fn also_trust(mut self, authorities: Pem) -> Self {
        self.roots.push(Root::Pem(authorities));
        self
    }

    /// Shows this certificate to brokers that ask for one: the client's own first, then those
    /// between it and the authority. The key must not be encrypted. Both may be in one file.
    ///
    /// ```
    /// # use rewire_failover::transport::{Pem, TlsOptions};
    /// let both = Pem::file("/etc/mq/client.pem");
    /// let known = TlsOptions::default().identify_with(both.clone(), both);
    /// # drop(known);
    /// ```
    #[must_use]
    pub fn identify_with(mut self, certificates: Pem, private_key: Pem) -> Self {
        self.identity = Some(Identity { certificates, key: private_key });
        self
    }
}
