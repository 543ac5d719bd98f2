//! One address: who comes there gets a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rewire_protocol::{Limits, LinkConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::link::LinkTask;
use super::outbox::Share;
use super::owner::Report;
use super::passwords::Gate;
use super::tls::{Handshake, Tls};
use super::{Mode, left, now, sleep_until};
use crate::core::LinkId;

/// How long to wait when no socket can be accepted: the process has too many open, most likely.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// An address that is listened on.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) listener: TcpListener,
    pub(super) uri: String,
    pub(super) config: (LinkConfig, Limits),
    /// How many sockets may be open here.
    pub(super) maximum_connections: Option<usize>,
    /// What makes its links secure, if they are to be.
    pub(super) tls: Option<Tls>,
}

/// What all listeners share.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) inbox: mpsc::Sender<Report>,
    pub(super) mode: watch::Receiver<Mode>,
    pub(super) next_link: Arc<AtomicU64>,
    pub(super) open: Arc<AtomicUsize>,
    /// How many sockets may be open. More than connections: a client that is one too many is told so by
    /// the core, and who has not introduced himself takes nobody's place.
    pub(super) limit: usize,
    pub(super) share: Share,
    pub(super) gate: Gate,
}

/// Counts one socket for as long as it is open.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    fn enter(&self) -> Option<Place> {
        Place::take(&self.open, self.limit)
    }
}

impl Place {
    fn take(open: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let place = Self(Arc::clone(open));
        // The place gives back what was taken, also when there was none.
        (open.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Listener {
    /// Accepts until the broker stops.
    pub(super) async fn run(mut self, mut door: Door) {
        let open_here = Arc::new(AtomicUsize::new(0));
        let limit_here = self.maximum_connections.unwrap_or(usize::MAX);
        loop {
            let accepted = tokio::select! {
                biased;
                () = left(&mut door.mode, |mode| mode == Mode::Run) => return,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, uri = self.uri, "no connection can be accepted");
                    sleep_until(Some(now() + EXHAUSTED)).await;
                    continue;
                }
            };
            let (Some(here), Some(place)) = (Place::take(&open_here, limit_here), door.enter())
            else {
                let limit = door.limit.min(limit_here);
                tracing::warn!(%peer, limit, uri = self.uri, "too many connections");
                continue;
            };
            let _ = stream.set_nodelay(true);
            let id = LinkId(door.next_link.fetch_add(1, Ordering::Relaxed));
            let (config, limits) = self.config.clone();
            let handshake = match &mut self.tls {
                Some(tls) => Some(tls.handshake().await),
                None => None,
            };
            let scheme = if handshake.is_some() { "ssl" } else { "tcp" };
            let task = LinkTask {
                id,
                peer: format!("{scheme}://{peer}"),
                is_secure: handshake.is_some(),
                url: self.uri.clone(),
                inbox: door.inbox.clone(),
                mode: door.mode.clone(),
                share: door.share.clone(),
                gate: door.gate.clone(),
            };
            tokio::spawn(async move {
                match handshake {
                    None => task.run(stream, config, limits).await,
                    Some(handshake) => secure(handshake, task, stream, (config, limits)).await,
                }
                drop((here, place));
            });
        }
    }
}

/// Does the handshake, and then what there is to do on a link.
async fn secure(
    handshake: Handshake,
    mut task: LinkTask,
    stream: TcpStream,
    (config, limits): (LinkConfig, Limits),
) {
    let done = tokio::select! {
        biased;
        () = left(&mut task.mode, |mode| mode == Mode::Run) => return,
        done = handshake.run(stream) => done,
    };
    match done {
        Ok(stream) => Box::pin(task.run(stream, config, limits)).await,
        Err(problem) => tracing::warn!(peer = task.peer, problem, "no TLS"),
    }
}
