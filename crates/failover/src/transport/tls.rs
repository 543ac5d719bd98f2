//! TLS: from what is asked for to a stream that is encrypted, with the right peer at its end.
//!
//! - [`TlsOptions`]: whom the client trusts, and how it shows who it is.
//! - `material`: what files and bytes hold, read on each dial.
//! - `settings`: what a broker's URI says of protocols, cipher suites and names.
//! - `explain`: what went wrong, as a sentence.

mod explain;
mod material;
mod options;
mod settings;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(super) use self::explain::problem;
use self::material::Material;
pub use self::options::{Pem, TlsOptions};
use self::settings::Settings;
use super::TransportConfig;
use super::stream::{Counted, Stream};
use crate::error::DialError;
use crate::uri::{BrokerUri, TransportOptions};

/// How many configurations are kept: brokers may differ in their settings, but few do.
const MAX_KEPT: usize = 8;

/// Makes the links of a transport secure.
#[derive(Debug)]
pub(super) struct Tls {
    options: TlsOptions,
    /// Dials run beside each other. Nothing awaits while this is locked.
    kept: Mutex<Kept>,
}

/// What was made of the material the last time. A configuration also holds the sessions that can be
/// resumed, so it is worth keeping.
#[derive(Debug, Default)]
struct Kept {
    material: Material,
    configs: Vec<(Settings, Arc<ClientConfig>)>,
}

/// All that a handshake needs but the socket.
pub(super) struct Secure {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl Tls {
    pub(super) fn new(config: &TransportConfig) -> Self {
        Self { options: config.tls.clone(), kept: Mutex::default() }
    }

    /// Reads what the handshake with this broker needs.
    pub(super) async fn prepare(
        self: Arc<Self>,
        broker: &BrokerUri,
        options: &TransportOptions,
    ) -> Result<Secure, DialError> {
        let name = server_name(broker.host())?;
        let settings = Settings::read(options)?;
        // Files, and the authorities of the system, may be slow to read.
        let config = tokio::task::spawn_blocking(move || self.config(settings))
            .await
            .map_err(|error| DialError::Tls(format!("it could not be prepared: {error}")))?;
        Ok(Secure { name, config: config.map_err(DialError::Tls)? })
    }

    fn config(&self, settings: Settings) -> Result<Arc<ClientConfig>, String> {
        let material = Material::read(&self.options)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.material != material {
            *kept = Kept { material, configs: Vec::new() };
        }
        if let Some((_, config)) = kept.configs.iter().find(|(known, _)| *known == settings) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(kept.material.config(&settings)?);
        if kept.configs.len() >= MAX_KEPT {
            kept.configs.clear();
        }
        kept.configs.push((settings, Arc::clone(&config)));
        Ok(config)
    }
}

impl Secure {
    /// Does the handshake, and makes sure of the peer.
    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<Stream, DialError> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        match connector.connect(self.name.clone(), Counted::new(stream)).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => Err(DialError::Tls(explain::handshake(&error))),
        }
    }
}

/// The name that the certificate must be for: the host as written.
fn server_name(host: &str) -> Result<ServerName<'static>, DialError> {
    // The zone of an IPv6 address means something on this machine only.
    let without_zone = host.split_once('%').map_or(host, |(address, _)| address);
    if let Ok(address) = without_zone.parse::<IpAddr>() {
        return Ok(ServerName::from(address));
    }
    ServerName::try_from(host.to_owned()).map_err(|_| {
        DialError::Unsupported(format!("{host} is not a name that a certificate can be for"))
    })
}
