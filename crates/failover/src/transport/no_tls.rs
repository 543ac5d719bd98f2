//! Where TLS would be: without the feature `tls`, addresses that need it are refused.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::TransportConfig;
use super::stream::Stream;
use crate::error::DialError;
use crate::uri::{BrokerUri, TransportOptions};

/// Makes nothing secure.
#[derive(Debug)]
pub(super) struct Tls;

/// There is none.
pub(super) enum Secure {}

impl Tls {
    pub(super) const fn new(_config: &TransportConfig) -> Self {
        Self
    }

    #[allow(clippy::unused_async, reason = "with TLS there is something to wait for")]
    pub(super) async fn prepare(
        self: Arc<Self>,
        broker: &BrokerUri,
        _options: &TransportOptions,
    ) -> Result<Secure, DialError> {
        let scheme = broker.scheme();
        Err(DialError::Unsupported(format!(
            "the scheme {scheme} needs TLS, which is not built in: rewire-failover has the feature \
             `tls` for it"
        )))
    }
}

impl Secure {
    #[allow(clippy::unused_async, reason = "with TLS there is something to wait for")]
    pub(super) async fn handshake(&self, _stream: TcpStream) -> Result<Stream, DialError> {
        match *self {}
    }
}

/// No error is one of TLS.
pub(super) const fn problem(_error: &io::Error) -> Option<String> {
    None
}
