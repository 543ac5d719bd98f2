//! What two peers agreed on: the version, the encoding, the cache, the largest frame.

/// The newest version of OpenWire: ActiveMQ 5.14 and all later ones.
pub const MAX_VERSION: u8 = 12;

/// How many slots a marshalling cache has when the peers announce a size of zero.
pub const DEFAULT_CACHE_SLOTS: u16 = 16_383;

/// The settings in force on a connection, as the two peers negotiate them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFormat {
    /// The version, 1 to 12.
    pub version: u8,
    /// Tight encoding; otherwise loose.
    pub tight: bool,
    /// Slots of the marshalling cache in each direction; `None` when there is none.
    pub cache_slots: Option<u16>,
    /// Whether exceptions travel with their stack traces and causes.
    pub stack_trace: bool,
    /// Whether each frame is led by its size.
    pub size_prefix: bool,
    /// Whether both sides asked for `TCP_NODELAY`.
    pub tcp_no_delay: bool,
    /// The largest frame either side takes, without its size prefix, as Java would have it: a value
    /// that is not positive is no limit. See [`frame_limit`](Self::frame_limit).
    pub max_frame_size: i64,
}

impl WireFormat {
    /// The format of the `WireFormatInfo` that opens a connection, whatever is agreed on later.
    pub const HANDSHAKE: Self = Self {
        version: 1,
        tight: false,
        cache_slots: None,
        stack_trace: false,
        size_prefix: true,
        tcp_no_delay: false,
        max_frame_size: i64::MAX,
    };

    /// What two peers of today agree on by default.
    pub const DEFAULT: Self = Self {
        version: MAX_VERSION,
        tight: true,
        cache_slots: Some(1024),
        stack_trace: true,
        size_prefix: true,
        tcp_no_delay: true,
        max_frame_size: i64::MAX,
    };

    /// The largest frame that was agreed on.
    ///
    /// Java refuses every frame when neither side gives a limit; here that is no limit.
    #[must_use]
    pub fn frame_limit(&self) -> usize {
        if self.max_frame_size <= 0 {
            return usize::MAX;
        }
        usize::try_from(self.max_frame_size).unwrap_or(usize::MAX)
    }
}

/// The slots that a negotiated `CacheSize` stands for; `None` for a size that makes no sense.
///
/// Java: zero means the default, a negative size is an error. Slots are numbered by signed 16-bit
/// integers, so no more can be used.
#[must_use]
pub fn cache_slots(size: i32) -> Option<u16> {
    match size {
        ..0 => None,
        0 => Some(DEFAULT_CACHE_SLOTS),
        1.. => Some(u16::try_from(size).unwrap_or(u16::MAX).min(i16::MAX.unsigned_abs())),
    }
}
