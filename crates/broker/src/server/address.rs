//! `ListenerConfig`: where clients come in, and what is allowed there.

use std::net::SocketAddr;
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
    /// It may say, as in ActiveMQ, `?maximumConnections=1000&wireFormat.maxFrameSize=1048576&
    /// wireFormat.maxInactivityDuration=30000`.
    pub uri: String,
    /// The address that clients are told, if it is another. Default: the host as written in the URI and
    /// the port that is listened on.
    pub published: Option<String>,
    /// Connections through this listener. Default none beside that of all.
    pub maximum_connections: Option<usize>,
    /// Bytes of a frame. Default: the broker's.
    pub max_frame_size: Option<usize>,
    /// How long a client may be silent, if it agrees; zero is for ever. Default 30 s, as Java's.
    pub max_inactivity: Option<Duration>,
}

/// The names of plain listeners, as ActiveMQ has them.
const PLAIN: [&str; 4] = ["tcp", "nio", "auto", "auto+nio"];
/// The options a URI may have.
const OPTIONS: [&str; 3] =
    ["maximumConnections", "wireFormat.maxFrameSize", "wireFormat.maxInactivityDuration"];

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
        }
    }

    /// Takes what the URI says into the fields, where they say nothing. The address, to listen on.
    pub(super) fn resolve(&mut self) -> Result<Address, StartError> {
        let uri = self.uri.clone();
        let refuse = |problem: String| StartError::Address { uri: uri.clone(), problem };
        let (scheme, rest) = uri
            .split_once("://")
            .ok_or_else(|| refuse("an address looks like tcp://host:port".to_owned()))?;
        if !PLAIN.contains(&scheme) {
            let known = PLAIN.join(", ");
            return Err(refuse(format!("{scheme} is not spoken, only {known}")));
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        for option in query.split('&').filter(|option| !option.is_empty()) {
            self.option(option).map_err(&refuse)?;
        }
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        Ok(Address { bind: address.to_owned(), host: host.to_owned() })
    }

    fn option(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let number = || {
            let problem = format!("{name} has to be a whole number, and is {value:?}");
            value.parse::<u32>().map_err(|_| problem)
        };
        // What is said by a field counts.
        match name {
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
        format!("tcp://{host}:{}", bound.port())
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
