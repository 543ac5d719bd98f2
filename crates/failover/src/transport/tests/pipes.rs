//! Brokers at the ends of pipes: nothing leaves the process, so that time can be virtual.

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::*;

/// The brokers `a` and `b`, as far as they do something.
pub(super) struct Pipes {
    pub(super) config: TransportConfig,
    dialled: mpsc::Receiver<(String, DuplexStream)>,
}

impl Pipes {
    pub(super) fn new() -> Self {
        let (pipes, dialled) = mpsc::channel(1);
        let config = TransportConfig { pipes: Some(pipes), ..TransportConfig::default() };
        Self { config, dialled }
    }

    /// A transport that knows both brokers.
    pub(super) fn start(&self, options: &str) -> (FailoverTransport, Deliveries) {
        let uri = format!("failover:(tcp://a:1,tcp://b:1)?randomize=false{options}");
        FailoverTransport::start(&uri.parse().unwrap(), self.config.clone())
    }

    /// The next connection, with which nothing is done.
    pub(super) async fn dialled(&mut self) -> (String, DuplexStream) {
        within(self.dialled.recv()).await.unwrap()
    }

    /// Takes the next connection and does the handshake.
    pub(super) async fn accept(&mut self) -> (String, Client<DuplexStream>) {
        let (location, stream) = self.dialled().await;
        (location, Client::greet(stream).await)
    }

    /// Connected, with the connection declared.
    pub(super) async fn connected(
        &mut self,
        transport: &FailoverTransport,
        deliveries: &mut Deliveries,
    ) -> Client<DuplexStream> {
        let (client, declared) = tokio::join!(
            async {
                let (_, mut client) = self.accept().await;
                client.expect("ConnectionInfo").await;
                client
            },
            within(transport.request(connection_info())),
        );
        declared.unwrap();
        assert!(matches!(deliveries.next().await, Some(Incoming::Resumed(_))));
        client
    }
}
