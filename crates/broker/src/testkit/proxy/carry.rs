//! The tasks of a proxy: one that accepts, and one for each connection.

use std::collections::VecDeque;
use std::collections::btree_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::frames::{Fate, Frames};
use super::{Ending, Orders, Port, ProxyEvent, Shared, Way};

/// Bytes that wait one way before no more is read.
const MAX_WAITING: usize = 4 << 20;
/// With a throttle, how much goes at once: what fits into so much time.
const SLICE: Duration = Duration::from_millis(20);
/// How long to wait when nothing can be accepted: the process has too many files open, most likely.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Accepts connections, except while they are refused.
pub(super) async fn serve(port: Port, given: watch::Receiver<Orders>, shared: Arc<Shared>) {
    let mut orders = given.clone();
    let mut connection = 0;
    loop {
        let listener = match port.listen() {
            Ok(listener) => listener,
            Err(error) => {
                // Whoever waits for it to listen says so.
                tracing::error!(%error, "the proxy cannot listen");
                return;
            }
        };
        shared.count(|counts| counts.is_listening = true);
        loop {
            tokio::select! {
                biased;
                refuses = orders.wait_for(|orders| orders.refuses) => {
                    if refuses.is_err() {
                        return;
                    }
                    break;
                }
                (client, peer) = accept(&listener) => {
                    connection += 1;
                    // What is ordered once it can be seen to be open is for it too.
                    let begun = shared.count(|counts| {
                        let begun = given.borrow().clone();
                        counts.accepted += 1;
                        *counts.open.entry(begun.resets).or_default() += 1;
                        begun
                    });
                    shared.tell(ProxyEvent::Opened { connection, peer });
                    let line = Line { connection, given: given.clone(), begun, shared: Arc::clone(&shared) };
                    tokio::spawn(line.carry(client));
                }
            }
        }
        drop(listener);
        shared.count(|counts| counts.is_listening = false);
        if orders.wait_for(|orders| !orders.refuses).await.is_err() {
            return;
        }
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => tracing::warn!(%error, "no connection can be accepted"),
        }
        sleep_until(Instant::now() + EXHAUSTED).await;
    }
}

/// One connection.
struct Line {
    connection: u64,
    given: watch::Receiver<Orders>,
    begun: Orders,
    shared: Arc<Shared>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.count(|counts| {
            if let Entry::Occupied(mut open) = counts.open.entry(self.begun.resets) {
                *open.get_mut() -= 1;
                if *open.get() == 0 {
                    open.remove();
                }
            }
        });
    }
}

impl Line {
    /// Carries until it ends: both ways are over, or it is reset.
    async fn carry(mut self, client: TcpStream) {
        let connection = self.connection;
        let (why, to_broker, to_client) = match self.reach(&client).await {
            Ok(broker) => self.forward(client, broker).await,
            Err(why) => {
                // A broker that is not there: the client is told so as well as can be.
                reset(client);
                (why, 0, 0)
            }
        };
        self.shared.tell(ProxyEvent::Closed { connection, why, to_broker, to_client });
    }

    /// The other end of the connection. The broker hears of a client that is lost in a black hole as little
    /// as the client of it.
    async fn reach(&mut self, client: &TcpStream) -> Result<TcpStream, Ending> {
        let resets = self.begun.resets;
        let was_reset = |orders: &Orders| orders.resets != resets;
        let is_lost = |orders: &Orders| orders.to_broker.held && orders.to_client.held;
        let found = self.given.wait_for(|orders| !is_lost(orders) || was_reset(orders)).await;
        let found = found.map(|orders| (was_reset(&orders), Arc::clone(&orders.target)));
        let Ok((false, target)) = found else { return Err(Ending::Reset) };
        let broker = tokio::select! {
            biased;
            _ = self.given.wait_for(was_reset) => return Err(Ending::Reset),
            broker = TcpStream::connect(&*target) => broker,
        };
        let broker = broker.map_err(|error| Ending::Unreachable(error.to_string()))?;
        for socket in [client, &broker] {
            // What is forwarded is not to be held back for more.
            let _ = socket.set_nodelay(true);
        }
        Ok(broker)
    }

    async fn forward(&mut self, client: TcpStream, broker: TcpStream) -> (Ending, u64, u64) {
        let resets = self.begun.resets;
        let (from_client, to_client) = client.into_split();
        let (from_broker, to_broker) = broker.into_split();
        let mut up = self.pump(from_client, to_broker, None, |orders| orders.to_broker);
        let frames = Some(Frames::new());
        let mut down = self.pump(from_broker, to_client, frames, |orders| orders.to_client);
        let both = async { tokio::try_join!(up.run(), down.run()) };
        let why = tokio::select! {
            biased;
            _ = self.given.wait_for(|orders| orders.resets != resets) => Ending::Reset,
            ended = both => ended.map_or_else(|why| why, |_| Ending::Closed),
        };
        let forwarded = (up.forwarded, down.forwarded);
        if why != Ending::Closed {
            for (read, write) in [(up.from, down.to), (down.from, up.to)] {
                if let Ok(socket) = read.reunite(write) {
                    reset(socket);
                }
            }
        }
        (why, forwarded.0, forwarded.1)
    }

    fn pump(
        &self,
        from: OwnedReadHalf,
        to: OwnedWriteHalf,
        frames: Option<Frames>,
        which: fn(&Orders) -> Way,
    ) -> Pump {
        Pump {
            connection: self.connection,
            from,
            to,
            given: self.given.clone(),
            shared: Arc::clone(&self.shared),
            frames,
            which,
            closings: which(&self.begun).closings,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            next_write: Instant::now(),
            has_ended: false,
            ends_with: None,
            forwarded: 0,
        }
    }
}

/// One way of a connection.
struct Pump {
    connection: u64,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    given: watch::Receiver<Orders>,
    shared: Arc<Shared>,
    /// Where answers are looked for.
    frames: Option<Frames>,
    which: fn(&Orders) -> Way,
    closings: u64,
    /// What is to be forwarded, and when.
    waiting: VecDeque<(Instant, Bytes)>,
    waiting_bytes: usize,
    /// When the throttle lets more through.
    next_write: Instant,
    /// Whether no more is read.
    has_ended: bool,
    /// What is to become of the connection when all that waits was forwarded.
    ends_with: Option<Ending>,
    forwarded: u64,
}

impl Pump {
    /// Forwards until the source ends; an error is for the whole connection to end.
    async fn run(&mut self) -> Result<(), Ending> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let way = (self.which)(&self.given.borrow_and_update());
            let is_closed = way.closings != self.closings;
            self.has_ended |= is_closed;
            let is_held = way.held && !is_closed;
            let due = self.waiting.front().map(|(due, _)| (*due).max(self.next_write));
            if due.is_none() && self.has_ended && !is_held {
                return self.finish().await;
            }
            let reads = !self.has_ended && self.waiting_bytes < MAX_WAITING;
            let Self { from, to, given, waiting, forwarded, .. } = self;
            let piece = waiting.front().map_or(&[][..], |(_, piece)| piece);
            let piece = &piece[..piece.len().min(way.room(*forwarded))];
            tokio::select! {
                biased;
                changed = given.changed() => changed.map_err(|_| Ending::Reset)?,
                read = from.read(&mut buffer), if reads => {
                    let read = read.map_err(|_| Ending::Reset)?;
                    self.take(way, &buffer[..read]);
                }
                wrote = write(to, piece, due), if due.is_some() && !is_held => {
                    self.on_wrote(way, wrote.map_err(|_| Ending::Reset)?)?;
                }
            }
        }
    }

    async fn finish(&mut self) -> Result<(), Ending> {
        match self.ends_with.take() {
            Some(ending) => Err(ending),
            None => self.to.shutdown().await.map_err(|_| Ending::Reset),
        }
    }

    /// Takes what was read; nothing is the end.
    fn take(&mut self, way: Way, came: &[u8]) {
        let Self { shared, connection, frames, .. } = self;
        let mut is_cut = false;
        let piece = match frames {
            None => came.to_vec(),
            Some(frames) if came.is_empty() => frames.rest(),
            Some(frames) => {
                let (piece, cut) =
                    frames.sift(came, shared.is_armed(), || shared.fate(*connection));
                is_cut = cut;
                piece
            }
        };
        if is_cut {
            self.ends_with = Some(Ending::ReplyCut);
        }
        self.has_ended |= came.is_empty() || is_cut;
        if !piece.is_empty() {
            self.waiting_bytes += piece.len();
            self.waiting.push_back((Instant::now() + way.delay, piece.into()));
        }
    }

    fn on_wrote(&mut self, way: Way, count: usize) -> Result<(), Ending> {
        self.waiting_bytes -= count;
        self.forwarded += count as u64;
        if let Some((_, piece)) = self.waiting.front_mut() {
            piece.advance(count);
            if piece.is_empty() {
                self.waiting.pop_front();
            }
        }
        if let Some(rate) = way.rate {
            #[expect(clippy::cast_precision_loss, reason = "a fraction of a second")]
            let takes = count as f64 / rate as f64;
            self.next_write = Instant::now() + Duration::from_secs_f64(takes);
        }
        let is_cut = way.cut_after.is_some_and(|bytes| self.forwarded >= bytes);
        if is_cut { Err(Ending::Cut) } else { Ok(()) }
    }
}

/// Writes when it is time. Nothing was written when it is dropped before it is done.
async fn write(to: &mut OwnedWriteHalf, piece: &[u8], due: Option<Instant>) -> io::Result<usize> {
    if let Some(due) = due {
        sleep_until(due).await;
    }
    if piece.is_empty() { Ok(0) } else { to.write(piece).await }
}

impl Way {
    /// How much may be forwarded at once, after so much was.
    fn room(&self, forwarded: u64) -> usize {
        let until_cut = self.cut_after.map_or(u64::MAX, |bytes| bytes.saturating_sub(forwarded));
        let slices = u64::try_from(Duration::from_secs(1).as_millis() / SLICE.as_millis());
        let slice = self.rate.map_or(u64::MAX, |rate| (rate / slices.unwrap_or(1)).max(1));
        usize::try_from(until_cut.min(slice)).unwrap_or(usize::MAX)
    }
}

impl Shared {
    fn is_armed(&self) -> bool {
        let of = |count: &AtomicU64| count.load(Ordering::SeqCst) > 0;
        of(&self.replies_to_cut) || of(&self.replies_to_drop)
    }

    /// What becomes of an answer.
    fn fate(&self, connection: u64) -> Fate {
        let take = |count: &AtomicU64| {
            let less = |count: u64| count.checked_sub(1);
            count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
        };
        if take(&self.replies_to_cut) {
            return Fate::Cut;
        }
        if take(&self.replies_to_drop) {
            self.tell(ProxyEvent::ReplyDropped { connection });
            return Fate::Drop;
        }
        Fate::Pass
    }
}

/// Closes a socket so that its peer sees an error (RST) and not an end.
fn reset(socket: TcpStream) {
    let _ = socket.set_zero_linger();
    drop(socket);
}
