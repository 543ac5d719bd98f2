//! A TCP proxy between a client and its broker that fails as networks do, when it is told to.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::wait::eventually;

/// How long a change of the listener may take.
const SOON: Duration = Duration::from_secs(10);

/// A proxy on a port of its own, with threads of its own: for tests with a runtime and without.
///
/// It passes everything on until it is told otherwise. What it is told holds for the connections that are
/// open and for those to come, unless it says which. Dropping it closes all of them.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    orders: watch::Sender<Orders>,
    gauges: Arc<Gauges>,
    /// Ends with the proxy. `None` only while it is dropped.
    runtime: Option<Runtime>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the broker.
    ToBroker,
    /// From the broker to the client.
    ToClient,
    /// Both.
    Both,
}

/// What every connection is to do.
#[derive(Clone, Copy, Debug)]
struct Orders {
    target: SocketAddr,
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
    /// After how many bytes a connection is reset, from its beginning.
    cut_after: Option<u64>,
    /// Connections accepted before so many closings were ordered are closed this way.
    closings: u64,
}

#[derive(Debug, Default)]
struct Gauges {
    accepted: AtomicUsize,
    open: AtomicUsize,
    listening: AtomicUsize,
}

impl FaultProxy {
    /// A proxy for the broker on this port of this machine, which need not be there yet.
    ///
    /// # Panics
    ///
    /// When no port is to be had.
    #[must_use]
    pub fn start(broker_port: u16) -> Self {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        listener.set_nonblocking(true).expect("a socket can be asked without waiting");
        let (orders, given) = watch::channel(Orders {
            target: (Ipv4Addr::LOCALHOST, broker_port).into(),
            refuses: false,
            to_broker: Way::default(),
            to_client: Way::default(),
            resets: 0,
        });
        let gauges = Arc::new(Gauges::default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        runtime.spawn(serve(listener, given, gauges.clone()));
        Self { port, orders, gauges, runtime: Some(runtime) }
    }

    /// Where clients connect to: `tcp://127.0.0.1:PORT`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// The port clients connect to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How many connections clients have made so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.gauges.accepted.load(Ordering::SeqCst)
    }

    /// How many of them are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.gauges.open.load(Ordering::SeqCst)
    }

    /// Swallows what goes this way, as a network does that has lost its route: nothing is forwarded, nothing
    /// is closed. What had come but was not forwarded yet waits for [`heal`](Self::heal).
    pub fn black_hole(&self, direction: Direction) {
        self.ways(direction, |way| way.held = true);
    }

    /// Forwards each piece so much later.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.ways(direction, |way| way.delay = delay);
    }

    /// Resets each connection once so many bytes were forwarded this way, counted from its beginning.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.ways(direction, |way| way.cut_after = Some(bytes));
    }

    /// Ends black holes, delays, cuts and refusals. What was closed stays closed.
    ///
    /// # Panics
    ///
    /// When the port is taken by somebody else meanwhile.
    pub fn heal(&self) {
        self.orders.send_modify(|orders| {
            orders.refuses = false;
            for way in [&mut orders.to_broker, &mut orders.to_client] {
                *way = Way { closings: way.closings, ..Way::default() };
            }
        });
        eventually(SOON, "the proxy listens", || self.is_listening());
    }

    /// Resets every open connection, both ends (RST).
    pub fn reset(&self) {
        self.orders.send_modify(|orders| orders.resets += 1);
        eventually(SOON, "no connection is open", || self.open() == 0);
    }

    /// Says to one end of every open connection that no more comes (FIN); the other way goes on.
    pub fn half_close(&self, direction: Direction) {
        self.ways(direction, |way| way.closings += 1);
    }

    /// Refuses connections from now on, as a machine without the broker does. Open ones go on.
    ///
    /// # Panics
    ///
    /// When it does not stop to listen.
    pub fn refuse(&self) {
        self.orders.send_modify(|orders| orders.refuses = true);
        eventually(SOON, "the proxy refuses", || !self.is_listening());
    }

    /// Sends connections made from now on to the broker on another port.
    pub fn redirect(&self, broker_port: u16) {
        self.orders.send_modify(|orders| orders.target.set_port(broker_port));
    }

    fn is_listening(&self) -> bool {
        self.gauges.listening.load(Ordering::SeqCst) > 0
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

/// A count of something that is there, which ends with the guard.
struct Counted(Arc<Gauges>, fn(&Gauges) -> &AtomicUsize);

impl Counted {
    fn new(gauges: &Arc<Gauges>, which: fn(&Gauges) -> &AtomicUsize) -> Self {
        which(gauges).fetch_add(1, Ordering::SeqCst);
        Self(gauges.clone(), which)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_sub(1, Ordering::SeqCst);
    }
}

/// Accepts connections, except while they are refused.
async fn serve(listener: StdListener, given: watch::Receiver<Orders>, gauges: Arc<Gauges>) {
    let address = listener.local_addr().expect("a listener has an address");
    let mut listener = Some(TcpListener::from_std(listener).expect("the listener is usable"));
    let mut orders = given.clone();
    loop {
        // Listening again takes the port that nobody else was given.
        let listening = match listener.take() {
            Some(listening) => listening,
            None => TcpListener::bind(address).await.expect("the port is free again"),
        };
        let counted = Counted::new(&gauges, |gauges| &gauges.listening);
        loop {
            tokio::select! {
                biased;
                refuses = orders.wait_for(|orders| orders.refuses) => {
                    if refuses.is_err() {
                        return;
                    }
                    break;
                }
                accepted = listening.accept() => {
                    let Ok((client, _)) = accepted else { continue };
                    // Before it can be seen to be open: what is ordered then is for it too.
                    let begun = *given.borrow();
                    gauges.accepted.fetch_add(1, Ordering::SeqCst);
                    let open = Counted::new(&gauges, |gauges| &gauges.open);
                    let given = given.clone();
                    tokio::spawn(async move {
                        carry(client, given, begun).await;
                        drop(open);
                    });
                }
            }
        }
        drop(listening);
        drop(counted);
        if orders.wait_for(|orders| !orders.refuses).await.is_err() {
            return;
        }
    }
}

/// Carries one connection until it ends: both ways are over, or it is reset.
async fn carry(client: TcpStream, mut given: watch::Receiver<Orders>, begun: Orders) {
    // The broker hears of a client that is lost in a black hole as little as the client of it.
    let is_lost = |orders: &Orders| orders.to_broker.held && orders.to_client.held;
    let was_reset = |orders: &Orders| orders.resets != begun.resets;
    let found = given.wait_for(|orders| !is_lost(orders) || was_reset(orders)).await;
    let Ok(now) = found.map(|now| *now) else { return };
    if was_reset(&now) {
        reset(client);
        return;
    }
    let Ok(broker) = TcpStream::connect(now.target).await else {
        // A broker that is not there: the client is told so as well as can be.
        reset(client);
        return;
    };
    for socket in [&client, &broker] {
        // What is forwarded is not to be held back for more.
        let _ = socket.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let up = Pump::new(from_client, to_broker, given.clone(), begun, |orders| orders.to_broker);
    let down = Pump::new(from_broker, to_client, given.clone(), begun, |orders| orders.to_client);
    let (mut up, mut down) = (up, down);
    let both = async { tokio::try_join!(up.run(), down.run()) };
    let ended = tokio::select! {
        biased;
        _ = given.wait_for(was_reset) => None,
        ended = both => ended.ok(),
    };
    if ended.is_none() {
        for (read, write) in [(up.from, down.to), (down.from, up.to)] {
            if let Ok(socket) = read.reunite(write) {
                reset(socket);
            }
        }
    }
}

/// One way of a connection.
struct Pump {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    given: watch::Receiver<Orders>,
    closings: u64,
    which: fn(&Orders) -> Way,
    forwarded: u64,
}

impl Pump {
    fn new(
        from: OwnedReadHalf,
        to: OwnedWriteHalf,
        given: watch::Receiver<Orders>,
        begun: Orders,
        which: fn(&Orders) -> Way,
    ) -> Self {
        Self { from, to, given, closings: which(&begun).closings, which, forwarded: 0 }
    }

    /// Forwards until the source ends; an error is for the whole connection to end.
    async fn run(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let (which, closings) = (self.which, self.closings);
            let is_closed = |orders: &Orders| which(orders).closings != closings;
            let read = tokio::select! {
                biased;
                _ = self.given.wait_for(is_closed) => 0,
                read = self.from.read(&mut buffer) => read?,
            };
            // What came before the hole opened is swallowed with the rest.
            let let_through = |orders: &Orders| !which(orders).held || is_closed(orders);
            let way = match self.given.wait_for(let_through).await {
                Ok(orders) => which(&orders),
                Err(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
            if read == 0 {
                return self.to.shutdown().await;
            }
            pause(way.delay).await;
            let room = way.cut_after.map(|bytes| bytes.saturating_sub(self.forwarded));
            let fits = room.and_then(|room| usize::try_from(room).ok()).unwrap_or(read).min(read);
            self.to.write_all(&buffer[..fits]).await?;
            self.forwarded += fits as u64;
            if way.cut_after.is_some_and(|bytes| self.forwarded >= bytes) {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a network that is slow is what is wanted")]
async fn pause(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// Closes a socket so that its peer sees an error (RST) and not an end.
fn reset(socket: TcpStream) {
    let _ = socket.set_zero_linger();
    drop(socket);
}

#[cfg(test)]
mod tests;
