//! Stands in for TLS where the crate is built without its feature: a secure listener does not start.

use std::convert::Infallible;

use tokio::net::TcpStream;

use super::address::ListenerTls;

/// There is none.
#[derive(Debug)]
pub(super) struct Tls(Infallible);

/// There is none.
#[derive(Debug)]
pub(super) struct Handshake(Infallible);

impl Tls {
    pub(super) fn new(_: ListenerTls) -> Result<Self, String> {
        Err("this broker was built without the feature tls".to_owned())
    }

    #[expect(clippy::unused_async, reason = "as the other")]
    pub(super) async fn handshake(&mut self) -> Handshake {
        match self.0 {}
    }
}

impl Handshake {
    #[expect(clippy::unused_async, reason = "as the other")]
    pub(super) async fn run(self, _: TcpStream) -> Result<TcpStream, String> {
        match self.0 {}
    }
}
