//! The options of one broker's transport: its socket, its inactivity monitor, its wire format.

use std::time::Duration;

use super::declare::{
    ANY_INT, BYTES, DIFF_SERV, FLAG, INT_MILLIS_OR_OFF, LONG_BYTES, MILLIS, MILLIS_OR_OFF,
    MILLIS_OR_UNSET, OptionSet, Row, SOME_TEXT, TEXT, TEXT_LIST, between, option_set, seconds_from,
};
use super::value::OptionValue;

/// Java's `OpenWireFormat.DEFAULT_WIRE_VERSION`: the newest version there is.
const NEWEST_VERSION: i64 = 12;

/// What holds for the link to one broker: the query of its URI, and `nested.*` over it.
///
/// ```
/// use std::time::Duration;
/// use rewire_failover::uri::FailoverUri;
///
/// let uri = FailoverUri::parse(
///     "failover:(tcp://a:61616?soTimeout=5000)?nested.wireFormat.maxInactivityDuration=0",
/// )?;
/// let transport = uri.transport(&uri.brokers()[0]);
/// assert_eq!(transport.tcp.so_timeout, Some(Duration::from_secs(5)));
/// assert_eq!(transport.wire_format.max_inactivity_duration, None);
/// # Ok::<(), rewire_failover::uri::UriError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TransportOptions {
    /// The transport and its inactivity monitor.
    pub tcp: TcpOptions,
    /// `socket.*`.
    pub socket: SocketOptions,
    /// `wireFormat.*`.
    pub wire_format: WireFormatOptions,
}

impl TransportOptions {
    /// True if the name in a broker's certificate must be the broker's: unless `verifyHostName` or
    /// else `socket.verifyHostName` says no.
    #[must_use]
    pub fn verifies_host_name(&self) -> bool {
        self.tcp.verify_host_name.or(self.socket.verify_host_name).unwrap_or(true)
    }

    pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
        TcpOptions::rows().iter().chain(SocketOptions::rows()).chain(WireFormatOptions::rows())
    }

    pub(super) fn set(&mut self, name: &str, value: &OptionValue) -> bool {
        self.tcp.set(name, value)
            || self.socket.set(name, value)
            || self.wire_format.set(name, value)
    }

    pub(super) fn value(&self, row: &Row) -> OptionValue {
        match row.name.split_once('.') {
            Some(("socket", _)) => self.socket.value(row),
            Some(("wireFormat", _)) => self.wire_format.value(row),
            Some(_) | None => self.tcp.value(row),
        }
    }
}

option_set! {
    /// The transport of one broker and its inactivity monitor: options without a prefix.
    ///
    /// `transport.` before a name, as the .NET client has it, is taken as well.
    pub struct TcpOptions {
        /// How long connecting may take; none is for ever.
        connection_timeout: Option<Duration> = Some(Duration::from_secs(30)),
            "connectionTimeout", INT_MILLIS_OR_OFF;
        /// How long one read may wait; none is for ever.
        so_timeout: Option<Duration> = None, "soTimeout", INT_MILLIS_OR_OFF;
        /// How long one write may take before the socket is closed; none is for ever.
        so_write_timeout: Option<Duration> = None, "soWriteTimeout", MILLIS_OR_OFF;
        /// TCP's own keep-alive; unset leaves it to the system.
        keep_alive: Option<bool> = None, "keepAlive", FLAG;
        /// Send small segments at once; unset takes what the brokers agree on.
        tcp_no_delay: Option<bool> = None, "tcpNoDelay", FLAG;
        /// Seconds to linger on close, -1 not to; unset leaves it to the system.
        so_linger: Option<i32> = None, "soLinger", seconds_from(-1);
        /// Bytes of the system's buffer for each direction.
        socket_buffer_size: u32 = 65_536, "socketBufferSize", BYTES;
        /// Bytes of the buffer for reading and writing.
        io_buffer_size: u32 = 8_192, "ioBufferSize", BYTES;
        /// Close the socket in the background.
        close_async: bool = true, "closeAsync", FLAG;
        /// Take `localhost` instead of the name of this machine.
        use_local_host: bool = false, "useLocalHost", FLAG;
        /// Differentiated services code point. Not together with `typeOfService`.
        diff_serv: Option<u8> = None, "diffServ", DIFF_SERV;
        /// Type of service, all eight bits. Not together with `diffServ`.
        type_of_service: Option<u8> = None, "typeOfService", between(0, 255);
        /// The oldest wire format version that is accepted of a peer.
        minmum_wire_format_version: u32 = 0, "minmumWireFormatVersion", between(0, NEWEST_VERSION);
        /// Watch the link and give it up when it is silent for too long.
        use_inactivity_monitor: bool = true, "useInactivityMonitor", FLAG;
        /// Send something when there is nothing to send, so that the peer does not give up.
        use_keep_alive: bool = true, "useKeepAlive", FLAG;
        /// Ask for an answer to what is sent to keep the link alive.
        keep_alive_response_required: bool = false, "keepAliveResponseRequired", FLAG;
        /// How long the peer's first words may take.
        connect_attempt_timeout: Duration = Duration::from_secs(30),
            "connectAttemptTimeout", MILLIS;
        /// How often reads are checked; unset follows the wire format.
        read_check_time: Option<u64> = None, "readCheckTime", MILLIS_OR_UNSET;
        /// How often writes are checked; unset follows the wire format.
        write_check_time: Option<u64> = None, "writeCheckTime", MILLIS_OR_UNSET;
        /// When the first check is made; unset follows the wire format.
        initial_delay_time: Option<u64> = None, "initialDelayTime", MILLIS_OR_UNSET;
        /// Let the monitor go by this side's wire format alone.
        ignore_remote_wire_format: bool = false, "ignoreRemoteWireFormat", FLAG;
        /// Let the monitor start at once, without waiting for the peer's wire format.
        ignore_all_wire_format_info: bool = false, "ignoreAllWireFormatInfo", FLAG;
        /// How long a write may wait for the peer's wire format.
        negotiate_timeout: Duration = Duration::from_secs(15), "negotiateTimeout", MILLIS;
        /// Check that the certificate is that of the host; unset leaves it to
        /// `socket.verifyHostName`.
        verify_host_name: Option<bool> = None, "verifyHostName", FLAG;
        /// Log all commands.
        trace: bool = false, "trace", FLAG;
        /// Java's: the writer of that log. Taken, without effect.
        log_writer_name: String = "default".to_owned(), "logWriterName", TEXT;
        /// Java's: manage that log by JMX. Taken, without effect.
        dynamic_management: bool = false, "dynamicManagement", FLAG;
        /// Java's: begin to log at once. Taken, without effect.
        start_logging: bool = true, "startLogging", FLAG;
        /// Java's: the port of JMX. Taken, without effect.
        jmx_port: u32 = 1_099, "jmxPort", between(0, 65_535);
    }
}

option_set! {
    /// What is set on the socket itself, as Java's `Socket` and `SSLSocket` name it: `socket.*`.
    pub struct SocketOptions {
        /// TCP's own keep-alive.
        keep_alive: Option<bool> = None, "socket.keepAlive", FLAG;
        /// Send small segments at once.
        tcp_no_delay: Option<bool> = None, "socket.tcpNoDelay", FLAG;
        /// How long one read may wait; none is for ever.
        so_timeout: Option<Duration> = None, "socket.soTimeout", INT_MILLIS_OR_OFF;
        /// Bytes of the system's buffer for what comes in.
        receive_buffer_size: Option<u32> = None, "socket.receiveBufferSize", BYTES;
        /// Bytes of the system's buffer for what goes out.
        send_buffer_size: Option<u32> = None, "socket.sendBufferSize", BYTES;
        /// Take a local address that was used a moment ago.
        reuse_address: Option<bool> = None, "socket.reuseAddress", FLAG;
        /// All eight bits of the traffic class.
        traffic_class: Option<u8> = None, "socket.trafficClass", between(0, 255);
        /// Leave urgent data in its place. Java's; without effect.
        oob_inline: Option<bool> = None, "socket.OOBInline", FLAG;
        /// Check that the certificate is that of the host. On unless said otherwise.
        verify_host_name: Option<bool> = None, "socket.verifyHostName", FLAG;
        /// The TLS protocols that may be spoken; empty leaves it to the TLS library.
        enabled_protocols: Vec<String> = Vec::new(), "socket.enabledProtocols", TEXT_LIST;
        /// The cipher suites that may be used; empty leaves it to the TLS library.
        enabled_cipher_suites: Vec<String> = Vec::new(), "socket.enabledCipherSuites", TEXT_LIST;
        /// Java's, of a server's socket: taken, without effect.
        need_client_auth: Option<bool> = None, "socket.needClientAuth", FLAG;
        /// Java's, of a server's socket: taken, without effect.
        want_client_auth: Option<bool> = None, "socket.wantClientAuth", FLAG;
        /// Java's: allow new TLS sessions. Taken, without effect.
        enable_session_creation: Option<bool> = None, "socket.enableSessionCreation", FLAG;
        /// Java's: be the client of the TLS handshake. Taken, without effect.
        use_client_mode: Option<bool> = None, "socket.useClientMode", FLAG;
    }
}

option_set! {
    /// What this side proposes when the wire format is negotiated: `wireFormat.*`.
    pub struct WireFormatOptions {
        /// The newest version to speak.
        version: u32 = 12, "wireFormat.version", between(1, NEWEST_VERSION);
        /// Send and ask for stack traces with errors.
        stack_trace_enabled: bool = true, "wireFormat.stackTraceEnabled", FLAG;
        /// Send small segments at once, if both sides say so.
        tcp_no_delay_enabled: bool = true, "wireFormat.tcpNoDelayEnabled", FLAG;
        /// Send repeated values once and refer to them later.
        cache_enabled: bool = true, "wireFormat.cacheEnabled", FLAG;
        /// Entries of the cache of repeated values.
        cache_size: i32 = 1_024, "wireFormat.cacheSize", ANY_INT;
        /// Encode tightly rather than loosely.
        tight_encoding_enabled: bool = true, "wireFormat.tightEncodingEnabled", FLAG;
        /// Leave out the size before each frame.
        size_prefix_disabled: bool = false, "wireFormat.sizePrefixDisabled", FLAG;
        /// How long a link may be silent before it counts as lost; none is for ever.
        max_inactivity_duration: Option<Duration> = Some(Duration::from_secs(30)),
            "wireFormat.maxInactivityDuration", MILLIS_OR_OFF;
        /// How long after the start the first check is made. Java's spelling, also on the wire.
        max_inactivity_duration_inital_delay: Duration = Duration::from_secs(10),
            "wireFormat.maxInactivityDurationInitalDelay", MILLIS;
        /// Bytes of the largest frame. The default is Java's `Long.MAX_VALUE`: no limit of its own.
        max_frame_size: u64 = i64::MAX.unsigned_abs(), "wireFormat.maxFrameSize", LONG_BYTES;
        /// Hold to `maxFrameSize`.
        max_frame_size_enabled: bool = true, "wireFormat.maxFrameSizeEnabled", FLAG;
        /// The host that is announced to the broker.
        host: Option<String> = None, "wireFormat.host", SOME_TEXT;
        /// The name of the client library that is announced.
        provider_name: Option<String> = None, "wireFormat.providerName", TEXT;
        /// The version of the client library that is announced.
        provider_version: Option<String> = None, "wireFormat.providerVersion", TEXT;
        /// What is announced about the platform, if it is.
        platform_details: Option<String> = None, "wireFormat.platformDetails", TEXT;
        /// Announce the platform.
        include_platform_details: bool = false, "wireFormat.includePlatformDetails", FLAG;
    }
}
