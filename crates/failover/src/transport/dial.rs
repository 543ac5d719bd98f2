//! From a broker's address to a link: the name, each of its addresses, the handshake.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rewire_protocol::{Limits, LinkConfig, LinkCore, LinkEvent};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::link::{Link, Step, now};
use crate::core::LinkId;
use crate::error::DialError;
use crate::uri::BrokerUri;

/// Connects to a broker and does the handshake.
pub(super) async fn dial(id: LinkId, broker: BrokerUri, limits: Limits) -> Result<Link, DialError> {
    let options = broker.transport_options();
    if broker.is_tls() {
        let scheme = broker.scheme();
        let problem = format!("the scheme {scheme} needs TLS, which is not built in yet");
        return Err(DialError::Unsupported(problem));
    }
    let stream = match options.connection_timeout {
        Some(limit) => within(limit, connect(&broker)).await?,
        None => connect(&broker).await?,
    };
    stream.set_nodelay(options.tcp_no_delay).map_err(connect_error)?;
    greet(id, stream, options.link_config(broker.host()), limits).await
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    timeout(limit, work).await.unwrap_or(Err(DialError::TimedOut(limit)))
}

/// Tries each address of the name, in the resolver's order.
async fn connect(broker: &BrokerUri) -> Result<TcpStream, DialError> {
    let host = (broker.host(), broker.port());
    let addresses: Vec<SocketAddr> =
        lookup_host(host).await.map_err(|error| DialError::Resolve(error.to_string()))?.collect();
    let mut last = DialError::Resolve("the name has no address".to_owned());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = DialError::Connect(format!("{address}: {error}")),
        }
    }
    Err(last)
}

async fn greet(
    id: LinkId,
    stream: TcpStream,
    config: LinkConfig,
    limits: Limits,
) -> Result<Link, DialError> {
    let core = LinkCore::new(now(), config, limits)
        .map_err(|error| DialError::Unsupported(error.to_string()))?;
    let mut link = Link::new(id, stream, core);
    loop {
        match link.poll_event(now()) {
            Ok(Some(LinkEvent::Opened { .. })) => return Ok(link),
            Ok(Some(LinkEvent::Command(_)) | None) => {}
            Err(reason) => return Err(DialError::Handshake(reason.to_string())),
        }
        let deadline = link.poll_timeout().unwrap_or_else(now);
        tokio::select! {
            step = link.step(false) => {
                if let Step::Lost(reason) = step {
                    return Err(DialError::Handshake(reason.to_string()));
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => {
                if let Err(reason) = link.handle_timeout(now()) {
                    return Err(DialError::Handshake(reason.to_string()));
                }
            }
        }
    }
}

fn connect_error(error: io::Error) -> DialError {
    DialError::Connect(error.to_string())
}
