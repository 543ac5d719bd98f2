//! Every limit of the protocol in one place: what is refused before memory is spent on it.

/// What a decoder refuses, checked before anything is allocated.
///
/// The defaults let through everything a real broker sends. [`max_frame_size`](Self::max_frame_size)
/// is lowered further by negotiation.
///
/// ```
/// use rewire_protocol::Limits;
///
/// let strict = Limits { max_frame_size: 1 << 20, ..Limits::DEFAULT };
/// assert_eq!(strict.max_nesting, Limits::DEFAULT.max_nesting);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame after its size prefix. Default 100 MiB, the `maxFrameSize` in ActiveMQ's
    /// distributed configuration.
    pub max_frame_size: usize,
    /// Bytes of the one frame accepted before negotiation. Default 64 KiB.
    pub max_handshake_size: usize,
    /// Elements of all arrays and stack traces of one frame together. Default 65,536: one array of
    /// Java's greatest length fits twice. A null costs one bit on the wire, so counting bytes is not
    /// enough.
    pub max_elements: usize,
    /// Objects inside objects, causes inside throwables, maps inside maps. Default 127, as Java's
    /// limit for primitive maps; real traffic stays below 10.
    pub max_nesting: usize,
    /// Entries of one primitive map with all maps and lists inside of it, and values of one stream
    /// message when it is read at once. Default 65,536. A null costs one byte on the wire and forty in
    /// memory.
    pub max_map_entries: usize,
    /// Bytes of one string. Default 100 MiB, as a frame: only the text of a message and "big strings"
    /// can be longer than 65,535 bytes.
    pub max_string: usize,
    /// Bytes a compressed body may inflate to. Default 100 MiB, as ActiveMQ's broker.
    pub max_inflated_size: usize,
}

impl Limits {
    /// The limits used when none are given.
    pub const DEFAULT: Self = Self {
        max_frame_size: 100 << 20,
        max_handshake_size: 64 << 10,
        max_elements: 65_536,
        max_nesting: 127,
        max_map_entries: 65_536,
        max_string: 100 << 20,
        max_inflated_size: 100 << 20,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The most entries of the property map in a `WireFormatInfo`. Java 5.19.8 and later refuse more.
pub const MAX_WIRE_FORMAT_ENTRIES: usize = 64;
/// The most bytes of one key or value in the property map of a `WireFormatInfo`, likewise.
pub const MAX_WIRE_FORMAT_VALUE: usize = 512;
/// The most elements of one array: its count is a signed 16-bit integer.
pub const MAX_ARRAY: usize = 32_767;
/// The most bytes of a string in tight encoding. Java's writer refuses longer ones.
pub const MAX_TIGHT_STRING: usize = 32_766;
/// The most bytes of a string in loose encoding, in map keys and in short map strings.
pub const MAX_LOOSE_STRING: usize = 65_535;
/// How many times as much memory as the largest frame is long a frame may take up, besides its own bytes.
///
/// A null in an array costs a bit on the wire and fifty bytes here, an empty message costs twenty and
/// seven hundred: the count of elements alone does not bound what they take.
pub(crate) const MAX_AMPLIFICATION: usize = 2;
/// Memory that a frame may take up however small the largest frame is: a few structures must fit.
pub(crate) const LEAST_FRAME_MEMORY: usize = 64 << 10;
