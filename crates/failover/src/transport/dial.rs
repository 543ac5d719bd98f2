//! From a broker's address to a link: the name, each of its addresses, TLS, the handshake.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::{
    Limits, LinkConfig, LinkCore, LinkEvent, Peer, ShutdownInfo, Str, WireFormatOffer,
};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::TransportConfig;
use super::link::{Link, Step, now};
#[cfg(test)]
use super::stream::Counted;
use super::stream::Stream;
use super::tls::{Secure, Tls};
use crate::core::{DialTimes, Greeting, LinkId};
use crate::credentials::{Credentials, CredentialsProvider};
use crate::error::DialError;
use crate::uri::{BrokerUri, FailoverUri, TransportOptions};

/// How long a connection over which a broker was only looked at may take to say that it is over.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// What became of a dial, and how long its parts took.
#[derive(Debug)]
pub(super) struct Dialed {
    pub(super) id: LinkId,
    pub(super) result: Result<(Link, Greeting), DialError>,
    pub(super) times: DialTimes,
}

/// Whether the broker of a silent link has said who it is over another connection.
#[derive(Debug)]
pub(super) struct Looked {
    /// The silent link.
    pub(super) id: LinkId,
    pub(super) is_alive: bool,
}

/// Measures the parts of a dial, one after the other.
#[derive(Debug, Default)]
pub(super) struct Stopwatch {
    times: DialTimes,
    running: Option<(Part, Instant)>,
}

/// Names the time of a part.
type Part = fn(&mut DialTimes) -> &mut Option<Duration>;

impl Stopwatch {
    const RESOLVE: Part = |times| &mut times.resolve;
    const CONNECT: Part = |times| &mut times.connect;
    const TLS: Part = |times| &mut times.tls;
    const HANDSHAKE: Part = |times| &mut times.handshake;

    /// The part before is over, this one begins. One that begins again goes on.
    fn begin(&mut self, part: Part) {
        self.stop();
        self.running = Some((part, now()));
    }

    fn stop(&mut self) {
        if let Some((part, began)) = self.running.take() {
            *part(&mut self.times).get_or_insert_default() += now() - began;
        }
    }
}

/// What all dials of a transport have in common.
#[derive(Debug)]
pub(super) struct Dialer {
    uri: FailoverUri,
    limits: Limits,
    tls: Arc<Tls>,
    provider: Option<Arc<dyn CredentialsProvider>>,
    credentials_timeout: Duration,
    #[cfg(test)]
    pipes: Option<Pipes>,
}

/// One dial.
struct Dial {
    id: LinkId,
    broker: BrokerUri,
    options: TransportOptions,
    config: LinkConfig,
    limits: Limits,
    tls: Arc<Tls>,
    provider: Option<Arc<dyn CredentialsProvider>>,
    credentials_timeout: Duration,
    #[cfg(test)]
    pipes: Option<Pipes>,
}

/// Where the far ends of pipes go that stand in for sockets, with the address that was dialled.
#[cfg(test)]
pub(super) type Pipes = tokio::sync::mpsc::Sender<(String, tokio::io::DuplexStream)>;

impl Dialer {
    pub(super) fn new(uri: FailoverUri, config: &TransportConfig) -> Self {
        Self {
            uri,
            limits: config.limits,
            tls: Arc::new(Tls::new(config)),
            provider: config.credentials.clone(),
            credentials_timeout: config.credentials_timeout,
            #[cfg(test)]
            pipes: config.pipes.clone(),
        }
    }

    /// Whether time is what the system says it is: behind pipes, tests make it.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "only tests have pipes"))]
    pub(super) const fn has_real_time(&self) -> bool {
        #[cfg(test)]
        return self.pipes.is_none();
        #[cfg(not(test))]
        return true;
    }

    pub(super) fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// Connects to a broker and does the handshake, within `connectTimeout` as a whole.
    pub(super) fn dial(
        &self,
        id: LinkId,
        broker: &BrokerUri,
    ) -> Pin<Box<dyn Future<Output = Dialed> + Send>> {
        let whole = self.uri.options().connect_timeout;
        let dial = self.prepare(id, broker);
        // Boxed: with a TLS handshake in it, it is too large to be handed around.
        Box::pin(async move {
            let mut watch = Stopwatch::default();
            let result = within(whole, dial.run(&mut watch)).await;
            // A part that was under way when the time was over has its time too.
            watch.stop();
            Dialed { id, result, times: watch.times }
        })
    }

    /// Finds out whether the broker of a link is alive, whatever keeps it from saying so there: by a handshake
    /// over another connection, within `detectTimeout`.
    pub(super) fn look(
        &self,
        id: LinkId,
        broker: &BrokerUri,
    ) -> Pin<Box<dyn Future<Output = Looked> + Send>> {
        let limit = self.uri.options().detect_timeout;
        let dial = self.prepare(id, broker);
        Box::pin(async move {
            let greeted = within(limit, dial.greeted(&mut Stopwatch::default())).await;
            let is_alive = greeted.is_ok();
            if let Ok((mut link, _)) = greeted {
                // A broker writes of a client in its log that leaves without a word.
                let _ = link.send(&ShutdownInfo::default().into());
                let _ = timeout(LEAVE_TIMEOUT, link.finish()).await;
            }
            Looked { id, is_alive }
        })
    }

    fn prepare(&self, id: LinkId, broker: &BrokerUri) -> Dial {
        let options = self.uri.transport(broker);
        Dial {
            id,
            broker: broker.clone(),
            config: link_config(&options, self.uri.options().detect_timeout),
            options,
            limits: self.limits,
            tls: Arc::clone(&self.tls),
            provider: self.provider.clone(),
            credentials_timeout: self.credentials_timeout,
            #[cfg(test)]
            pipes: self.pipes.clone(),
        }
    }
}

impl Dial {
    async fn run(self, watch: &mut Stopwatch) -> Result<(Link, Greeting), DialError> {
        let credentials = self.credentials().await?;
        let (link, version) = self.greeted(watch).await?;
        Ok((link, Greeting { version, credentials }))
    }

    /// Connects and does the handshake: the link, and the version of OpenWire that is spoken over it.
    async fn greeted(self, watch: &mut Stopwatch) -> Result<(Link, u8), DialError> {
        let stream = self.open(watch).await?;
        watch.begin(Stopwatch::HANDSHAKE);
        let detects = self.config.detect_timeout.is_some();
        let (mut link, version) = greet(self.id, stream, self.config, self.limits).await?;
        link.set_write_timeout(self.options.tcp.so_write_timeout);
        if detects {
            link.set_broker(self.broker);
        }
        Ok((link, version))
    }

    /// Asks the provider, if there is one. Before it connects: brokers do not wait for who is slow to say
    /// who it is.
    async fn credentials(&self) -> Result<Option<Credentials>, DialError> {
        let Some(provider) = self.provider.clone() else { return Ok(None) };
        let broker = self.broker.location();
        // A task of its own: what others have written may panic.
        let mut asked = JoinSet::new();
        asked.spawn(async move { provider.credentials(broker).await });
        let limit = self.credentials_timeout;
        match timeout(limit, asked.join_next()).await {
            Ok(Some(Ok(Ok(credentials)))) => Ok(Some(credentials)),
            Ok(Some(Ok(Err(error)))) => Err(DialError::Credentials(error.to_string())),
            Ok(Some(Err(_)) | None) => {
                Err(DialError::Credentials("the provider has panicked".to_owned()))
            }
            Err(_) => {
                let problem = format!("the provider said nothing within {} ms", limit.as_millis());
                Err(DialError::Credentials(problem))
            }
        }
    }

    async fn open(&self, watch: &mut Stopwatch) -> Result<Stream, DialError> {
        let Self { broker, options, tls, .. } = self;
        #[cfg(test)]
        if let Some(pipes) = &self.pipes {
            let (near, far) = tokio::io::duplex(64 << 10);
            let refused = |_| DialError::Connect("nobody takes the pipe".to_owned());
            pipes.send((broker.location(), far)).await.map_err(refused)?;
            return Ok(Stream::Pipe(Counted::new(near)));
        }
        open(broker, options, Arc::clone(tls), watch).await
    }
}

async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    match limit {
        Some(limit) => timeout(limit, work).await.unwrap_or(Err(DialError::TimedOut(limit))),
        None => work.await,
    }
}

/// Connects, and makes the connection secure if the scheme says so.
pub(super) async fn open(
    broker: &BrokerUri,
    options: &TransportOptions,
    tls: Arc<Tls>,
    watch: &mut Stopwatch,
) -> Result<Stream, DialError> {
    // Before it connects: a file that is missing is no reason to bother a broker.
    let secure = match broker.scheme().is_tls() {
        true => {
            watch.begin(Stopwatch::TLS);
            Some(tls.prepare(broker, options).await?)
        }
        false => None,
    };
    watch.begin(Stopwatch::RESOLVE);
    let limit = options.tcp.connection_timeout;
    let local = match broker.local_address() {
        Some(local) => within(limit, resolve(&local.host, local.port)).await?.first().copied(),
        None => None,
    };
    let addresses = within(limit, resolve(broker.host(), broker.port())).await?;
    open_any(&addresses, local, options, secure.as_ref(), watch).await
}

/// Tries each address of a name, in the resolver's order; `connectionTimeout` is for each of them.
///
/// One where TLS fails may be of another host than the next, behind a name that several share.
pub(super) async fn open_any(
    addresses: &[SocketAddr],
    local: Option<SocketAddr>,
    options: &TransportOptions,
    secure: Option<&Secure>,
    watch: &mut Stopwatch,
) -> Result<Stream, DialError> {
    let mut last = DialError::Resolve("the name has no address".to_owned());
    for address in addresses {
        watch.begin(Stopwatch::CONNECT);
        let open = async {
            let connected = connect_to(*address, local, options).await;
            let refused = |error| DialError::Connect(format!("{address}: {error}"));
            let stream = connected.map_err(refused)?;
            let Some(secure) = secure else { return Ok(Stream::tcp(stream)) };
            watch.begin(Stopwatch::TLS);
            secure.handshake(stream).await
        };
        match within(options.tcp.connection_timeout, open).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    match lookup_host((host, port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(DialError::Resolve(format!("{host}: {error}"))),
    }
}

async fn connect_to(
    address: SocketAddr,
    local: Option<SocketAddr>,
    options: &TransportOptions,
) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(keep_alive) = options.socket.keep_alive.or(options.tcp.keep_alive) {
        socket.set_keepalive(keep_alive)?;
    }
    if let Some(size) = options.socket.receive_buffer_size {
        socket.set_recv_buffer_size(size)?;
    }
    if let Some(size) = options.socket.send_buffer_size {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(reuse) = options.socket.reuse_address {
        socket.set_reuseaddr(reuse)?;
    }
    if let Some(local) = local {
        socket.bind(local)?;
    }
    let no_delay = options.socket.tcp_no_delay.or(options.tcp.tcp_no_delay);
    // Commands are written in bursts; holding a burst back for more gains nothing.
    socket.set_nodelay(no_delay.unwrap_or(true))?;
    socket.connect(address).await
}

/// The settings of a link, as the options have them.
fn link_config(options: &TransportOptions, detect_timeout: Option<Duration>) -> LinkConfig {
    let TransportOptions { tcp, wire_format, .. } = options;
    let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let text = |text: &Option<String>| text.as_deref().map(Str::from);
    let ours = WireFormatOffer::default();
    let first_check = wire_format.max_inactivity_duration_inital_delay;
    let offer = WireFormatOffer {
        version: i32::try_from(wire_format.version).unwrap_or(i32::MAX),
        cache_enabled: Some(wire_format.cache_enabled),
        cache_size: Some(wire_format.cache_size),
        tight_encoding_enabled: Some(wire_format.tight_encoding_enabled),
        size_prefix_disabled: Some(wire_format.size_prefix_disabled),
        stack_trace_enabled: Some(wire_format.stack_trace_enabled),
        tcp_no_delay_enabled: Some(wire_format.tcp_no_delay_enabled),
        max_inactivity_duration: Some(wire_format.max_inactivity_duration.map_or(0, millis)),
        max_inactivity_duration_inital_delay: Some(millis(first_check)),
        max_frame_size: Some(i64::try_from(wire_format.max_frame_size).unwrap_or(i64::MAX)),
        max_frame_size_enabled: Some(wire_format.max_frame_size_enabled),
        host: text(&wire_format.host),
        provider_name: text(&wire_format.provider_name).or(ours.provider_name),
        provider_version: text(&wire_format.provider_version).or(ours.provider_version),
        platform_details: text(&wire_format.platform_details).or(ours.platform_details),
    };
    LinkConfig {
        offer,
        minimum_version: u8::try_from(tcp.minmum_wire_format_version).unwrap_or(u8::MAX),
        // Java: writers wait for the peer's WireFormatInfo as long as for the first check.
        handshake_timeout: if first_check.is_zero() {
            tcp.connect_attempt_timeout
        } else {
            first_check
        },
        use_inactivity_monitor: tcp.use_inactivity_monitor,
        peer: Peer::Broker,
        detect_timeout,
    }
}

/// Does the handshake: the link, and the version of OpenWire that is spoken over it.
async fn greet(
    id: LinkId,
    stream: Stream,
    config: LinkConfig,
    limits: Limits,
) -> Result<(Link, u8), DialError> {
    let core = LinkCore::new(now(), config, limits)
        .map_err(|error| DialError::Unsupported(error.to_string()))?;
    let mut link = Link::new(id, stream, core);
    loop {
        match link.poll_event(now()) {
            Ok(Some(LinkEvent::Opened { format, .. })) => return Ok((link, format.version)),
            Ok(Some(LinkEvent::Command(_)) | None) => {}
            Err(reason) => return Err(reason.into()),
        }
        let deadline = link.poll_timeout().unwrap_or_else(now);
        tokio::select! {
            biased;
            step = poll_fn(|cx| link.poll_step(cx)) => {
                if let Step::Lost(reason) = step {
                    return Err(reason.into());
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => {
                if let Err(reason) = link.handle_timeout(now()) {
                    return Err(reason.into());
                }
            }
        }
    }
}
