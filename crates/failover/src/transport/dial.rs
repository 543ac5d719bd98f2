//! From a broker's address to a link: the name, each of its addresses, TLS, the handshake.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::{Limits, LinkConfig, LinkCore, LinkEvent, Str, WireFormatOffer};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::TransportConfig;
use super::link::{Link, Step, now};
use super::stream::Stream;
use super::tls::Tls;
use crate::core::{DialTimes, LinkId};
use crate::error::DialError;
use crate::uri::{BrokerUri, FailoverUri, TransportOptions};

/// What became of a dial, and how long its parts took.
#[derive(Debug)]
pub(super) struct Dialed {
    pub(super) id: LinkId,
    pub(super) result: Result<Link, DialError>,
    pub(super) times: DialTimes,
}

/// Measures the parts of a dial, one after the other.
#[derive(Debug, Default)]
struct Stopwatch {
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
}

impl Dialer {
    pub(super) fn new(uri: FailoverUri, config: &TransportConfig) -> Self {
        Self { uri, limits: config.limits, tls: Arc::new(Tls::new(config)) }
    }

    /// Connects to a broker and does the handshake, within `connectTimeout` as a whole.
    pub(super) fn dial(
        &self,
        id: LinkId,
        broker: &BrokerUri,
    ) -> Pin<Box<dyn Future<Output = Dialed> + Send>> {
        let options = self.uri.transport(broker);
        let whole = self.uri.options().connect_timeout;
        let (broker, limits, tls) = (broker.clone(), self.limits, Arc::clone(&self.tls));
        // Boxed: with a TLS handshake in it, it is too large to be handed around.
        Box::pin(async move {
            let mut watch = Stopwatch::default();
            let dial = dial(id, broker, options, limits, tls, &mut watch);
            let result = match whole {
                Some(limit) => within(limit, dial).await,
                None => dial.await,
            };
            // A part that was under way when the time was over has its time too.
            watch.stop();
            Dialed { id, result, times: watch.times }
        })
    }
}

async fn dial(
    id: LinkId,
    broker: BrokerUri,
    options: TransportOptions,
    limits: Limits,
    tls: Arc<Tls>,
    watch: &mut Stopwatch,
) -> Result<Link, DialError> {
    let open = open(&broker, &options, tls, watch);
    let stream = match options.tcp.connection_timeout {
        Some(limit) => within(limit, open).await?,
        None => open.await?,
    };
    watch.begin(Stopwatch::HANDSHAKE);
    let mut link = greet(id, stream, link_config(&options), limits).await?;
    link.set_write_timeout(options.tcp.so_write_timeout);
    Ok(link)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    timeout(limit, work).await.unwrap_or(Err(DialError::TimedOut(limit)))
}

/// Connects, and makes the connection secure if the scheme says so.
async fn open(
    broker: &BrokerUri,
    options: &TransportOptions,
    tls: Arc<Tls>,
    watch: &mut Stopwatch,
) -> Result<Stream, DialError> {
    if !broker.scheme().is_tls() {
        return Ok(Stream::Tcp(connect(broker, options, watch).await?));
    }
    watch.begin(Stopwatch::TLS);
    // Before it connects: a file that is missing is no reason to bother a broker.
    let secure = tls.prepare(broker, options).await?;
    let stream = connect(broker, options, watch).await?;
    watch.begin(Stopwatch::TLS);
    secure.handshake(stream).await
}

/// Tries each address of the name, in the resolver's order.
async fn connect(
    broker: &BrokerUri,
    options: &TransportOptions,
    watch: &mut Stopwatch,
) -> Result<TcpStream, DialError> {
    watch.begin(Stopwatch::RESOLVE);
    let local = match broker.local_address() {
        Some(local) => resolve(&local.host, local.port).await?.first().copied(),
        None => None,
    };
    let mut last = DialError::Resolve("the name has no address".to_owned());
    let addresses = resolve(broker.host(), broker.port()).await?;
    watch.begin(Stopwatch::CONNECT);
    for address in addresses {
        match connect_to(address, local, options).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = DialError::Connect(format!("{address}: {error}")),
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
fn link_config(options: &TransportOptions) -> LinkConfig {
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
    }
}

async fn greet(
    id: LinkId,
    stream: Stream,
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
            Err(reason) => return Err(reason.into()),
        }
        let deadline = link.poll_timeout().unwrap_or_else(now);
        tokio::select! {
            step = poll_fn(|cx| link.poll_step(cx, false)) => {
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
