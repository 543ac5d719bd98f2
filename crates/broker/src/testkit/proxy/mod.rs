//! `FaultProxy`: a TCP proxy between a client and its broker that fails as networks do, when it is told to.

mod carry;
mod frames;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};

use super::fault::{Direction, Fault, target_of};

/// How long a change of the listener may take.
const SOON: Duration = Duration::from_secs(10);
/// Events that whoever looks at them may be behind.
const EVENTS: usize = 1024;

/// A proxy on a port of its own, with a thread of its own: for tests with a runtime and without.
///
/// It passes everything on until it is told otherwise. What it is told holds for the connections that are
/// open and for those to come, unless it says which. The port stays its own while connections are refused.
/// Dropping it closes all connections.
///
/// It works in real time, whatever the clock of the runtime that it is used in.
///
/// ```
/// use rewire_broker::testkit::{Direction, FaultProxy};
///
/// let proxy = FaultProxy::start(61616);
/// println!("connect to failover:({})", proxy.uri());
/// proxy.black_hole(Direction::ToClient);
/// proxy.clear();
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    uri: String,
    orders: watch::Sender<Orders>,
    shared: Arc<Shared>,
    /// Ends with the proxy. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// What was given is no address of a broker.
    #[error("{uri}: {problem}")]
    Address {
        /// As it was given.
        uri: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The system does not give it a thread.
    #[error("no thread for the proxy: {0}")]
    Thread(std::io::Error),
}

/// Something that happened to a connection. Connections are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyEvent {
    /// A client is there.
    Opened {
        /// Which connection.
        connection: u64,
        /// The client's address.
        peer: SocketAddr,
    },
    /// An answer of the broker was left out.
    ReplyDropped {
        /// Of which connection.
        connection: u64,
    },
    /// A connection is over.
    Closed {
        /// Which.
        connection: u64,
        /// Why.
        why: Ending,
        /// Bytes that were forwarded to the broker.
        to_broker: u64,
        /// Bytes that were forwarded to the client.
        to_client: u64,
    },
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Both ends have closed it.
    Closed,
    /// One end has reset it, or it was reset by order.
    Reset,
    /// So many bytes had been forwarded.
    Cut,
    /// In place of an answer.
    ReplyCut,
    /// There is no broker.
    Unreachable(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Reset => f.write_str("reset"),
            Self::Cut => f.write_str("cut"),
            Self::ReplyCut => f.write_str("cut in place of a reply"),
            Self::Unreachable(problem) => write!(f, "no broker: {problem}"),
        }
    }
}

/// What every connection is to do.
#[derive(Clone, Debug)]
struct Orders {
    target: Arc<str>,
    refuses: bool,
    to_broker: Way,
    to_client: Way,
    /// Connections accepted before so many resets were ordered are reset.
    resets: u64,
}

/// What becomes of bytes that go one way.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    held: bool,
    delay: Duration,
    /// Bytes a second.
    rate: Option<u64>,
    /// After how many bytes a connection is reset, from its beginning.
    cut_after: Option<u64>,
    /// Connections accepted before so many closings were ordered are closed this way.
    closings: u64,
}

/// What connections tell, and what they share of orders.
#[derive(Debug)]
struct Shared {
    counts: Mutex<Counts>,
    changed: Condvar,
    replies_to_drop: AtomicU64,
    replies_to_cut: AtomicU64,
    events: broadcast::Sender<ProxyEvent>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: usize,
    /// Connections that are open, by how many resets had been ordered before them.
    open: BTreeMap<u64, usize>,
    is_listening: bool,
}

impl Shared {
    fn count<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        let changed = change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
        changed
    }

    fn look<T>(&self, at: impl FnOnce(&Counts) -> T) -> T {
        at(&self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the proxy's own thread, which does what it was told at once.
    #[track_caller]
    fn wait_for(&self, what: &str, is_so: impl Fn(&Counts) -> bool) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(counts, SOON, |counts| !is_so(counts))
            .unwrap_or_else(PoisonError::into_inner)
            .1;
        assert!(!waited.timed_out(), "not within {SOON:?}: {what}");
    }

    fn tell(&self, event: ProxyEvent) {
        // Nobody may be looking.
        let _ = self.events.send(event);
    }
}

impl FaultProxy {
    /// A proxy for the broker on this port of this machine, which need not be there yet.
    ///
    /// # Panics
    ///
    /// When no port or thread is to be had.
    #[must_use]
    pub fn start(broker_port: u16) -> Self {
        let started = Self::between("tcp://127.0.0.1:0", &format!("tcp://127.0.0.1:{broker_port}"));
        started.unwrap_or_else(|error| panic!("no proxy: {error}"))
    }

    /// A proxy that listens on one address, port 0 for any that is free, and forwards to another:
    /// `tcp://host:port` both. The broker need not be there yet; its name is resolved for each connection.
    ///
    /// # Errors
    ///
    /// When an address is none, or cannot be listened on.
    pub fn between(listen: &str, to: &str) -> Result<Self, ProxyError> {
        let refuse =
            |uri: &str, problem: String| ProxyError::Address { uri: uri.to_owned(), problem };
        let target = target_of(to).map_err(|problem| refuse(to, problem.to_owned()))?;
        let host_and_port = listen.strip_prefix("tcp://");
        let host_and_port = host_and_port
            .ok_or_else(|| refuse(listen, "only tcp://host:port can be listened on".to_owned()))?;
        // Looked up here, so that a name may be given; the port is kept by `Port`.
        let found = StdListener::bind(host_and_port).and_then(|listener| listener.local_addr());
        let address = found.map_err(|error| refuse(listen, error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("rewire-proxy")
            .enable_all()
            .build()
            .map_err(ProxyError::Thread)?;
        let port = {
            let _inside = runtime.enter();
            Port::take(address).map_err(|error| refuse(listen, error.to_string()))?
        };
        let (orders, given) = watch::channel(Orders {
            target: target.into(),
            refuses: false,
            to_broker: Way::default(),
            to_client: Way::default(),
            resets: 0,
        });
        let shared = Arc::new(Shared {
            counts: Mutex::default(),
            changed: Condvar::new(),
            replies_to_drop: AtomicU64::new(0),
            replies_to_cut: AtomicU64::new(0),
            events: broadcast::Sender::new(EVENTS),
        });
        runtime.spawn(carry::serve(port, given, Arc::clone(&shared)));
        shared.wait_for("the proxy listens", |counts| counts.is_listening);
        let uri = format!("tcp://{address}");
        Ok(Self { address, uri, orders, shared, runtime: Some(runtime) })
    }

    /// Where clients connect to: `tcp://127.0.0.1:PORT`.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The port clients connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections clients have made so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.look(|counts| counts.accepted)
    }

    /// How many of them are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.look(|counts| counts.open.values().sum())
    }

    /// What happens to connections from now on. Who looks too late is told how many events were missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<ProxyEvent> {
        self.shared.events.subscribe()
    }

    /// Does what a fault says.
    ///
    /// # Panics
    ///
    /// When the listener does not follow within ten seconds, and when [`Fault::To`] names no address.
    pub fn apply(&self, fault: &Fault) {
        match fault {
            Fault::Delay(direction, delay) => self.delay(*direction, *delay),
            Fault::Throttle(direction, rate) => self.throttle(*direction, *rate),
            Fault::CutAfter(direction, bytes) => self.cut_after(*direction, *bytes),
            Fault::BlackHole(direction) => self.black_hole(*direction),
            Fault::HalfClose(direction) => self.half_close(*direction),
            Fault::Reset => self.reset(),
            Fault::Refuse => self.refuse(),
            Fault::Accept => self.accept(),
            Fault::DropReply(count) => self.drop_replies(*count),
            Fault::CutReply(count) => self.cut_replies(*count),
            Fault::To(target) => self.redirect(target),
            Fault::Clear => self.clear(),
        }
    }

    /// Swallows what goes this way, as a network does that has lost its route: nothing is forwarded, nothing
    /// is closed. What had come but was not forwarded yet waits for [`clear`](Self::clear).
    pub fn black_hole(&self, direction: Direction) {
        self.ways(direction, |way| way.held = true);
    }

    /// Forwards what comes so much later. What waits already keeps its time.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.ways(direction, |way| way.delay = delay);
    }

    /// Forwards no more than so many bytes a second this way, on each connection; at least one.
    pub fn throttle(&self, direction: Direction, bytes_per_second: u64) {
        self.ways(direction, |way| way.rate = Some(bytes_per_second.max(1)));
    }

    /// Resets each connection once so many bytes were forwarded this way, counted from its beginning.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.ways(direction, |way| way.cut_after = Some(bytes));
    }

    /// Leaves out the next answers of the broker, so many of all connections together. The connections go
    /// on: a client without a limit on its requests waits for ever.
    pub fn drop_replies(&self, count: u64) {
        self.shared.replies_to_drop.fetch_add(count, Ordering::SeqCst);
    }

    /// Resets a connection in place of the broker's next answer, so many times: what was asked was done, and
    /// the client is not told.
    pub fn cut_replies(&self, count: u64) {
        self.shared.replies_to_cut.fetch_add(count, Ordering::SeqCst);
    }

    /// Ends black holes, delays, throttles, cuts and refusals, and forgets replies still to be dropped. What
    /// was closed stays closed.
    ///
    /// # Panics
    ///
    /// When it does not listen again within ten seconds.
    pub fn clear(&self) {
        self.shared.replies_to_drop.store(0, Ordering::SeqCst);
        self.shared.replies_to_cut.store(0, Ordering::SeqCst);
        self.orders.send_modify(|orders| {
            orders.refuses = false;
            for way in [&mut orders.to_broker, &mut orders.to_client] {
                *way = Way { closings: way.closings, ..Way::default() };
            }
        });
        self.shared.wait_for("the proxy listens", |counts| counts.is_listening);
    }

    /// Resets every open connection, both ends (RST).
    ///
    /// # Panics
    ///
    /// When they are not closed within ten seconds.
    pub fn reset(&self) {
        let mut resets = 0;
        self.orders.send_modify(|orders| {
            orders.resets += 1;
            resets = orders.resets;
        });
        // Clients may be back at once: only those that were there are waited for.
        self.shared.wait_for("all are reset", |counts| {
            counts.open.first_key_value().is_none_or(|(before, _)| *before >= resets)
        });
    }

    /// Says to one end of every open connection that no more comes (FIN); the other way goes on.
    pub fn half_close(&self, direction: Direction) {
        self.ways(direction, |way| way.closings += 1);
    }

    /// Refuses connections from now on, as a machine without the broker does. Open ones go on.
    ///
    /// # Panics
    ///
    /// When it does not stop to listen within ten seconds.
    pub fn refuse(&self) {
        self.orders.send_modify(|orders| orders.refuses = true);
        self.shared.wait_for("the proxy refuses", |counts| !counts.is_listening);
    }

    /// Takes connections again after [`refuse`](Self::refuse).
    ///
    /// # Panics
    ///
    /// When it does not listen again within ten seconds.
    pub fn accept(&self) {
        self.orders.send_modify(|orders| orders.refuses = false);
        self.shared.wait_for("the proxy listens", |counts| counts.is_listening);
    }

    /// Sends connections made from now on to another broker, `tcp://host:port`.
    ///
    /// # Panics
    ///
    /// When that is no address.
    pub fn redirect(&self, to: &str) {
        let target = target_of(to).unwrap_or_else(|problem| panic!("{to}: {problem}"));
        self.orders.send_modify(|orders| orders.target = target.into());
    }

    fn ways(&self, direction: Direction, change: impl Fn(&mut Way)) {
        self.orders.send_modify(|orders| {
            if direction != Direction::ToClient {
                change(&mut orders.to_broker);
            }
            if direction != Direction::ToBroker {
                change(&mut orders.to_client);
            }
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not waited for: it may be dropped where nothing may block.
            runtime.shutdown_background();
        }
    }
}

/// A port that stays ours while nobody listens on it.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    /// Bound and never listening: who connects meanwhile is refused, and nobody else is given the port.
    _reserved: TcpSocket,
}

impl Port {
    fn take(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { address, _reserved: bound(address)? })
    }

    fn listen(&self) -> std::io::Result<tokio::net::TcpListener> {
        bound(self.address)?.listen(1024)
    }
}

fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
