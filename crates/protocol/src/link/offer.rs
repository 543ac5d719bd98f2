//! What each side would like, and what comes of two such wishes.

use std::time::Duration;

use crate::command::WireFormatInfo;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::message::{Primitive, PrimitiveMap};
use crate::string::Str;
use crate::wire::format::{MAX_VERSION, WireFormat, cache_slots};

/// The settings of one side of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// What is announced to the peer.
    pub offer: WireFormatOffer,
    /// The oldest version accepted. Default 1.
    pub minimum_version: u8,
    /// How long the peer has for its introduction. Default 10 s: Java's writers wait for
    /// `maxInactivityDurationInitalDelay`.
    pub handshake_timeout: Duration,
    /// Whether silence is noticed and keep-alives are sent, as both sides agree. Default true.
    pub use_inactivity_monitor: bool,
    /// Who is on the other end. Default a broker.
    pub peer: Peer,
    /// How long a broker has to answer, whatever was agreed on, when it is asked for a sign of life, as it is
    /// after a fifth of this time in silence; one that was slow to answer lately has up to five times as long.
    /// Not for a client, which cannot be asked. Default none.
    pub detect_timeout: Option<Duration>,
}

/// Who is on the other end of a link, and with that whether it can be asked for a sign of life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// A broker, which answers every request.
    #[default]
    Broker,
    /// A client, which answers none. Java's client would answer a keep-alive, but beside the lock of its
    /// other writes: bytes of either can get lost. It is waited for as Java's broker waits, whose
    /// first check comes after `maxInactivityDurationInitalDelay`.
    Client,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            offer: WireFormatOffer::default(),
            minimum_version: 1,
            handshake_timeout: Duration::from_secs(10),
            use_inactivity_monitor: true,
            peer: Peer::Broker,
            detect_timeout: None,
        }
    }
}

/// A `WireFormatInfo`, its properties read. `None` is a property that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireFormatOffer {
    /// The newest version spoken.
    pub version: i32,
    /// Whether ids may be cached.
    pub cache_enabled: Option<bool>,
    /// Slots of the cache; 0 stands for 16,383.
    pub cache_size: Option<i32>,
    /// Whether tight encoding may be used.
    pub tight_encoding_enabled: Option<bool>,
    /// Whether frames may go without their sizes.
    pub size_prefix_disabled: Option<bool>,
    /// Whether exceptions may carry stack traces.
    pub stack_trace_enabled: Option<bool>,
    /// Whether `TCP_NODELAY` is wanted.
    pub tcp_no_delay_enabled: Option<bool>,
    /// Milliseconds of silence after which the peer counts as dead; 0 for never.
    pub max_inactivity_duration: Option<i64>,
    /// Milliseconds before the first check; the spelling is that on the wire.
    pub max_inactivity_duration_inital_delay: Option<i64>,
    /// The largest frame accepted; not positive: whatever the other side says.
    pub max_frame_size: Option<i64>,
    /// Whether the sender checks that.
    pub max_frame_size_enabled: Option<bool>,
    /// The host the client dialled, as it was written.
    pub host: Option<Str>,
    /// The implementation's name.
    pub provider_name: Option<Str>,
    /// The implementation's version.
    pub provider_version: Option<Str>,
    /// What it runs on.
    pub platform_details: Option<Str>,
}

impl Default for WireFormatOffer {
    /// What Java's client announces, under our own name.
    fn default() -> Self {
        Self {
            version: i32::from(MAX_VERSION),
            cache_enabled: Some(true),
            cache_size: Some(1024),
            tight_encoding_enabled: Some(true),
            size_prefix_disabled: Some(false),
            stack_trace_enabled: Some(true),
            tcp_no_delay_enabled: Some(true),
            max_inactivity_duration: Some(30_000),
            max_inactivity_duration_inital_delay: Some(10_000),
            max_frame_size: Some(i64::MAX),
            max_frame_size_enabled: Some(true),
            host: None,
            provider_name: Some(Str::from_static("Rewire")),
            provider_version: Some(Str::from_static(env!("CARGO_PKG_VERSION"))),
            platform_details: Some(Str::from_static("Rust")),
        }
    }
}

impl WireFormatOffer {
    /// Reads a peer's introduction.
    ///
    /// # Errors
    ///
    /// When the magic is wrong, the properties cannot be read or one is not of its type. Unknown
    /// properties are ignored.
    pub fn from_info(info: &WireFormatInfo) -> Result<Self, DecodeError> {
        if info.magic != WireFormatInfo::MAGIC {
            return Err(fault(DecodeErrorKind::BadMagic, "magic"));
        }
        let mut offer = Self {
            version: info.version,
            cache_enabled: None,
            cache_size: None,
            tight_encoding_enabled: None,
            size_prefix_disabled: None,
            stack_trace_enabled: None,
            tcp_no_delay_enabled: None,
            max_inactivity_duration: None,
            max_inactivity_duration_inital_delay: None,
            max_frame_size: None,
            max_frame_size_enabled: None,
            host: None,
            provider_name: None,
            provider_version: None,
            platform_details: None,
        };
        let Some(properties) = &info.marshalled_properties else { return Ok(offer) };
        let properties = PrimitiveMap::decode_wire_format(properties)?;
        for (name, value) in properties.iter() {
            offer.set(&name.to_str(), value)?;
        }
        Ok(offer)
    }

    /// Java casts strictly: a property of another primitive type is an error.
    fn set(&mut self, name: &str, value: &Primitive) -> Result<(), DecodeError> {
        match (name, value) {
            ("CacheEnabled", Primitive::Boolean(value)) => self.cache_enabled = Some(*value),
            ("CacheSize", Primitive::Int(value)) => self.cache_size = Some(*value),
            ("TightEncodingEnabled", Primitive::Boolean(value)) => {
                self.tight_encoding_enabled = Some(*value);
            }
            ("SizePrefixDisabled", Primitive::Boolean(value)) => {
                self.size_prefix_disabled = Some(*value);
            }
            ("StackTraceEnabled", Primitive::Boolean(value)) => {
                self.stack_trace_enabled = Some(*value);
            }
            ("TcpNoDelayEnabled", Primitive::Boolean(value)) => {
                self.tcp_no_delay_enabled = Some(*value);
            }
            ("MaxInactivityDuration", Primitive::Long(value)) => {
                self.max_inactivity_duration = Some(*value);
            }
            ("MaxInactivityDurationInitalDelay", Primitive::Long(value)) => {
                self.max_inactivity_duration_inital_delay = Some(*value);
            }
            ("MaxFrameSize", Primitive::Long(value)) => self.max_frame_size = Some(*value),
            ("MaxFrameSizeEnabled", Primitive::Boolean(value)) => {
                self.max_frame_size_enabled = Some(*value);
            }
            ("Host", Primitive::String(value)) => self.host = Some(value.clone()),
            ("ProviderName", Primitive::String(value)) => self.provider_name = Some(value.clone()),
            ("ProviderVersion", Primitive::String(value)) => {
                self.provider_version = Some(value.clone());
            }
            ("PlatformDetails", Primitive::String(value)) => {
                self.platform_details = Some(value.clone());
            }
            (name, value) if KNOWN.contains(&name) && !matches!(value, Primitive::Null) => {
                let found = value.type_name();
                return Err(fault(
                    DecodeErrorKind::MisplacedPrimitive { found },
                    "marshalled_properties",
                ));
            }
            // Unknown, or null like one that is not there.
            _ => {}
        }
        Ok(())
    }

    /// The introduction, as it is sent.
    ///
    /// # Errors
    ///
    /// When a string is too long.
    pub fn to_info(&self) -> Result<WireFormatInfo, EncodeError> {
        let boolean = |value: Option<bool>| value.map(Primitive::Boolean);
        let long = |value: Option<i64>| value.map(Primitive::Long);
        let string = |value: &Option<Str>| value.clone().map(Primitive::String);
        let delay = self.max_inactivity_duration_inital_delay;
        let properties = [
            ("StackTraceEnabled", boolean(self.stack_trace_enabled)),
            ("PlatformDetails", string(&self.platform_details)),
            ("CacheEnabled", boolean(self.cache_enabled)),
            ("Host", string(&self.host)),
            ("TcpNoDelayEnabled", boolean(self.tcp_no_delay_enabled)),
            ("SizePrefixDisabled", boolean(self.size_prefix_disabled)),
            ("CacheSize", self.cache_size.map(Primitive::Int)),
            ("ProviderName", string(&self.provider_name)),
            ("TightEncodingEnabled", boolean(self.tight_encoding_enabled)),
            ("MaxFrameSize", long(self.max_frame_size)),
            ("MaxInactivityDuration", long(self.max_inactivity_duration)),
            ("MaxInactivityDurationInitalDelay", long(delay)),
            ("MaxFrameSizeEnabled", boolean(self.max_frame_size_enabled)),
            ("ProviderVersion", string(&self.provider_version)),
        ];
        let given = properties.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let map: PrimitiveMap = given.map(|(name, value)| (Str::from(name), value)).collect();
        Ok(WireFormatInfo {
            magic: WireFormatInfo::MAGIC,
            version: self.version,
            marshalled_properties: Some(map.encode()?),
        })
    }

    /// What comes of this wish and a peer's.
    ///
    /// Java: `OpenWireFormat.renegotiateWireFormat`. What only one side can do is not done; of two
    /// sizes the smaller counts.
    #[must_use]
    pub fn negotiate(&self, peer: &Self) -> WireFormat {
        let both = |ours: Option<bool>, theirs: Option<bool>| {
            ours.unwrap_or(false) && theirs.unwrap_or(false)
        };
        let version = match (self.version, peer.version) {
            (ours, ..=0) => ours,
            (..=0, theirs) => theirs,
            (ours, theirs) => ours.min(theirs),
        };
        let positive = |size: &i64| *size > 0;
        let max_frame_size =
            [self.max_frame_size, peer.max_frame_size].into_iter().flatten().filter(positive).min();
        let max_frame_size = max_frame_size.or(self.max_frame_size).unwrap_or(0);
        let cache_size = self.cache_size.unwrap_or(0).min(peer.cache_size.unwrap_or(0));
        let cache_enabled = both(self.cache_enabled, peer.cache_enabled);
        WireFormat {
            version: u8::try_from(version).unwrap_or(1).clamp(1, MAX_VERSION),
            tight: both(self.tight_encoding_enabled, peer.tight_encoding_enabled),
            cache_slots: if cache_enabled { cache_slots(cache_size) } else { None },
            stack_trace: both(self.stack_trace_enabled, peer.stack_trace_enabled),
            size_prefix: !both(self.size_prefix_disabled, peer.size_prefix_disabled),
            tcp_no_delay: both(self.tcp_no_delay_enabled, peer.tcp_no_delay_enabled),
            max_frame_size,
        }
    }
}

/// The properties Java reads.
const KNOWN: [&str; 14] = [
    "CacheEnabled",
    "CacheSize",
    "TightEncodingEnabled",
    "SizePrefixDisabled",
    "StackTraceEnabled",
    "TcpNoDelayEnabled",
    "MaxInactivityDuration",
    "MaxInactivityDurationInitalDelay",
    "MaxFrameSize",
    "MaxFrameSizeEnabled",
    "Host",
    "ProviderName",
    "ProviderVersion",
    "PlatformDetails",
];

fn fault(kind: DecodeErrorKind, field: &'static str) -> DecodeError {
    DecodeError::new(kind, 0).within("WireFormatInfo", field)
}
