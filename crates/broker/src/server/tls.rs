//! TLS for a listener: certificates as they are on disk now, and a handshake that has an end.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::address::{ClientAuth, ListenerTls};
use super::now;

/// Handshakes of one listener that may be under way; more wait, within their own time.
const HANDSHAKES: usize = 64;
/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of the largest file that is read.
const MAX_PEM: u64 = 4 << 20;

/// What makes the links of a listener secure.
#[derive(Debug)]
pub(super) struct Tls {
    files: ListenerTls,
    config: Arc<ServerConfig>,
    stamps: Vec<Stamp>,
    looked: Instant,
    handshakes: Arc<Semaphore>,
}

/// What tells whether a file is another than before.
type Stamp = Option<(SystemTime, u64)>;

/// One handshake to be done.
#[derive(Debug)]
pub(super) struct Handshake {
    config: Arc<ServerConfig>,
    handshakes: Arc<Semaphore>,
    timeout: Duration,
}

impl Tls {
    /// Reads the files. They are few and small.
    pub(super) fn new(files: ListenerTls) -> Result<Self, String> {
        let stamps = stamps(&files);
        let config = Arc::new(read(&files)?);
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
        Ok(Self { files, config, stamps, looked: now(), handshakes })
    }

    /// The handshake for a client that has just come: with the certificates of now. Files that have
    /// become unusable change nothing.
    pub(super) async fn handshake(&mut self) -> Handshake {
        if now().saturating_duration_since(self.looked) >= LOOK {
            self.looked = now();
            self.look().await;
        }
        let (config, handshakes) = (Arc::clone(&self.config), Arc::clone(&self.handshakes));
        Handshake { config, handshakes, timeout: self.files.handshake_timeout }
    }

    async fn look(&mut self) {
        let (files, known) = (self.files.clone(), self.stamps.clone());
        let changed = tokio::task::spawn_blocking(move || {
            let stamps = stamps(&files);
            (stamps != known).then(|| (stamps, read(&files)))
        });
        let Ok(Some((stamps, read))) = changed.await else { return };
        self.stamps = stamps;
        match read {
            Ok(config) => {
                tracing::info!(certificates = %self.files.certificates.display(), "read again");
                self.config = Arc::new(config);
            }
            Err(problem) => tracing::warn!(problem, "the certificates stay as they were"),
        }
    }
}

impl Handshake {
    /// Does it, or says why not.
    pub(super) async fn run(self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let Self { config, handshakes, timeout } = self;
        let work = async {
            let _turn = handshakes.acquire().await.map_err(|error| error.to_string())?;
            let accepted = TlsAcceptor::from(config).accept(stream).await;
            accepted.map_err(|error| error.to_string())
        };
        let late = || format!("no handshake within {} ms", timeout.as_millis());
        tokio::time::timeout(timeout, work).await.map_err(|_| late())?
    }
}

fn stamps(files: &ListenerTls) -> Vec<Stamp> {
    let authorities = match &files.client_auth {
        ClientAuth::None => None,
        ClientAuth::Want(file) | ClientAuth::Need(file) => Some(file),
    };
    let stamp = |file: &PathBuf| {
        let found = fs::metadata(file).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    [Some(&files.certificates), Some(&files.key), authorities]
        .into_iter()
        .flatten()
        .map(stamp)
        .collect()
}

fn read(files: &ListenerTls) -> Result<ServerConfig, String> {
    let chain = certificates(&files.certificates)?;
    let text = bytes(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| format!("{} has no private key: {error}", files.key.display()))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match verifier(&files.client_auth, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(chain, key).map_err(|error| {
        let (chain, key) = (files.certificates.display(), files.key.display());
        format!("the certificate in {chain} and the key in {key} do not go together: {error}")
    })
}

fn verifier(
    auth: &ClientAuth,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let (file, is_needed) = match auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Want(file) => (file, false),
        ClientAuth::Need(file) => (file, true),
    };
    let refuse = |error: String| format!("{} cannot be trusted: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for authority in certificates(file)? {
        roots.add(authority).map_err(|error| refuse(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if is_needed { builder } else { builder.allow_unauthenticated() };
    builder.build().map(|built| Some(built as _)).map_err(|error| refuse(error.to_string()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = bytes(file)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let read = read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    if read.is_empty() {
        return Err(format!("{} has no certificate in PEM form", file.display()));
    }
    Ok(read)
}

fn bytes(file: &Path) -> Result<Vec<u8>, String> {
    let refuse = |problem: String| format!("{}: {problem}", file.display());
    let found = fs::metadata(file).map_err(|error| refuse(error.to_string()))?;
    if found.len() > MAX_PEM {
        return Err(refuse(format!("is larger than {MAX_PEM} bytes")));
    }
    fs::read(file).map_err(|error| refuse(error.to_string()))
}
