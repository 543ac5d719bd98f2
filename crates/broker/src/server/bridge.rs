//! A link to another broker that is dialled here: the failover transport keeps it up, to that broker only.
//!
//! The other end is told who this broker is; what it says of itself is reported to the owner. Messages do
//! not come this way yet, and are not asked for.

use rewire_failover::core::{Completion, Incoming};
use rewire_failover::transport::{Deliveries, FailoverTransport, TransportConfig};
use rewire_failover::uri::FailoverUri;
use rewire_protocol::{BrokerInfo, Command, ConnectionId, ConnectionInfo};
use tokio::sync::{mpsc, watch};

use super::owner::Report;
use super::{Mode, left, now, sleep_until};
use crate::cluster::{BridgeId, NetworkConnector};

/// How long to wait before a broker that has refused this one is asked again.
const REFUSED: std::time::Duration = std::time::Duration::from_secs(5);
/// How long a goodbye may take.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(1);

/// What a link to a broker is to say. The last word counts.
#[derive(Clone, Debug, Default)]
pub(super) enum Orders {
    /// Nothing yet.
    #[default]
    Wait,
    /// Who this broker is, or how it is now.
    Introduce(Box<BrokerInfo>),
    /// It leads back to this broker: it ends for good.
    Over,
}

/// One link to be kept up.
pub(super) struct Bridge {
    pub(super) id: BridgeId,
    pub(super) uri: FailoverUri,
    pub(super) connection: ConnectionInfo,
    pub(super) inbox: mpsc::Sender<Report>,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) mode: watch::Receiver<Mode>,
}

/// Why a link ends.
enum End {
    /// The broker stops, or the link leads back to it.
    Over,
    /// The other broker does not want it.
    Refused,
}

/// Who dials: another one for each link and each start, so that no broker takes one for another.
pub(super) fn connection(
    name: &str,
    id: &str,
    number: u32,
    connector: &NetworkConnector,
) -> ConnectionInfo {
    let unique = id.trim_start_matches("ID:");
    let own = connector.name.as_deref().unwrap_or("rewire");
    ConnectionInfo {
        connection_id: Some(ConnectionId::new(format!("ID:{unique}-bridge:{number}"))),
        client_id: Some(format!("{own}_{name}_outbound_{unique}_{number}").as_str().into()),
        user_name: connector.user.as_deref().map(Into::into),
        password: connector.password.as_deref().map(Into::into),
        client_master: true,
        // Java: a bridge is not told where to go.
        manageable: false,
        ..ConnectionInfo::default()
    }
}

impl Bridge {
    /// Runs until the broker stops, or the link turns out to lead back to it.
    pub(super) async fn run(mut self) {
        loop {
            let (transport, deliveries) =
                FailoverTransport::start(&self.uri, TransportConfig::default());
            let end = self.keep(&transport, deliveries).await;
            transport.close(GOODBYE).await;
            let gone = self.inbox.send(Report::PeerLost(self.id)).await.is_err();
            if gone || matches!(end, End::Over) {
                return;
            }
            tokio::select! {
                () = left(&mut self.mode, |mode| mode == Mode::Run) => return,
                () = sleep_until(Some(now() + REFUSED)) => {}
            }
        }
    }

    async fn keep(&mut self, transport: &FailoverTransport, mut deliveries: Deliveries) -> End {
        let hello = self.connection.clone().into();
        let mut connected = Some(transport.submit(hello, Completion::Answered, None).await);
        let (mut link, mut held) = (None, None);
        self.orders.mark_unchanged();
        loop {
            tokio::select! {
                biased;
                () = left(&mut self.mode, |mode| mode != Mode::Kill) => return End::Over,
                changed = self.orders.changed() => {
                    let orders = self.orders.borrow_and_update().clone();
                    match orders {
                        _ if changed.is_err() => return End::Over,
                        Orders::Over => return End::Over,
                        Orders::Introduce(info) if link.is_some() => {
                            let info = Command::BrokerInfo(info);
                            // What becomes of it shows: if the link is lost, it is said anew over the next.
                            drop(transport.submit(info, Completion::Transmitted, link).await);
                        }
                        Orders::Introduce(_) | Orders::Wait => {}
                    }
                }
                answer = answered(&mut connected) => {
                    if let Err(error) = answer {
                        tracing::warn!(broker = %self.uri, %error, "another broker refuses this one");
                        return End::Refused;
                    }
                    if let Some(info) = held.take()
                        && self.inbox.send(Report::Peer(self.id, info)).await.is_err()
                    {
                        return End::Over;
                    }
                }
                incoming = deliveries.next() => match incoming {
                    Some(Incoming::Command(over, Command::BrokerInfo(info))) => {
                        link = Some(over);
                        if connected.is_some() {
                            // A broker counts when it has let this one in.
                            held = Some(info);
                        } else if self.inbox.send(Report::Peer(self.id, info)).await.is_err() {
                            return End::Over;
                        }
                    }
                    Some(Incoming::Command(_, Command::ConnectionError(error))) => {
                        let error = error.exception.map(|error| error.to_string());
                        tracing::warn!(broker = %self.uri, error, "another broker complains");
                    }
                    Some(Incoming::Interrupted(_)) => {
                        (link, held) = (None, None);
                        if self.inbox.send(Report::PeerLost(self.id)).await.is_err() {
                            return End::Over;
                        }
                    }
                    Some(Incoming::Ended(reason)) => {
                        tracing::warn!(broker = %self.uri, %reason, "a link to another broker ended");
                        return End::Refused;
                    }
                    Some(_) => {}
                    None => return End::Refused,
                },
            }
        }
    }
}

/// What the other broker said to the connection, once.
async fn answered(
    pending: &mut Option<rewire_failover::transport::Pending>,
) -> Result<(), rewire_failover::RequestError> {
    match pending {
        Some(answer) => {
            let answer = answer.await;
            *pending = None;
            answer.map(|_| ())
        }
        None => std::future::pending().await,
    }
}
