//! What can be wrong with bytes, and with values that should become bytes.

use std::fmt;

/// Bytes that are not the command they should be.
///
/// Names the structure, the field and the offset in the frame. Fatal to the connection: the decoder's
/// cache may have been left half filled, so nothing after the bad frame can be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What was wrong.
    pub kind: DecodeErrorKind,
    /// The structure that was being read, by its name here; empty outside of any.
    pub structure: &'static str,
    /// Its field, by its name here; empty when the structure itself is at fault.
    pub field: &'static str,
    /// Where, in bytes from the start of the frame (after the size prefix).
    pub offset: usize,
}

/// What was wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes stop before the value does.
    #[error("ends early: {needed} bytes needed, {remaining} left")]
    UnexpectedEnd {
        /// Bytes the value needs.
        needed: usize,
        /// Bytes there are.
        remaining: usize,
    },
    /// Bytes are left after the command.
    #[error("{0} bytes left over")]
    TrailingBytes(usize),
    /// No structure has this type code, at the version in force.
    #[error("type code {code} is unknown in version {version}")]
    UnknownType {
        /// The code.
        code: u8,
        /// The version in force.
        version: u8,
    },
    /// The structure exists but cannot stand here.
    #[error("a {found} cannot stand here, a {expected} is expected")]
    WrongType {
        /// The class the field has, by Java's name.
        expected: &'static str,
        /// The class that came.
        found: &'static str,
    },
    /// A length or count is negative.
    #[error("negative length {0}")]
    NegativeLength(i64),
    /// A limit of [`Limits`](crate::Limits) is passed.
    #[error("{what} of {size} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is, or would be.
        size: u64,
        /// The limit in force.
        limit: u64,
    },
    /// More nesting than [`Limits::max_nesting`](crate::Limits::max_nesting).
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The limit in force.
        limit: usize,
    },
    /// Not modified UTF-8.
    #[error("not modified UTF-8: byte {at} of the string")]
    BadString {
        /// The byte in the string.
        at: usize,
    },
    /// A reference to a cache slot that is out of range or was never filled.
    #[error("cache slot {index} {problem}")]
    BadCacheIndex {
        /// The slot.
        index: i16,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The boolean stream has fewer booleans than the command needs.
    #[error("the boolean stream is too short")]
    BooleansExhausted,
    /// The bit that announces a pre-marshalled object is set; no writer sets it.
    #[error("a pre-marshalled object, which no writer sends")]
    PreMarshalled,
    /// A tag of a primitive value that does not exist.
    #[error("unknown primitive type {0}")]
    UnknownPrimitive(u8),
    /// A tag of a primitive value that cannot stand here.
    #[error("a {found} cannot stand here")]
    MisplacedPrimitive {
        /// The primitive type.
        found: &'static str,
    },
    /// A null where Java cannot take one.
    #[error("null, where a value is required")]
    UnexpectedNull,
    /// The magic of a `WireFormatInfo` is not `ActiveMQ`.
    #[error("the magic is not ActiveMQ's: the peer does not speak OpenWire")]
    BadMagic,
    /// Something other than a `WireFormatInfo` came first.
    #[error("the first frame must be a WireFormatInfo")]
    NotAHandshake,
    /// A compressed body that does not inflate.
    #[error("the compressed body does not inflate: {0}")]
    Inflate(&'static str),
}

impl DecodeError {
    pub(crate) const fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self { kind, structure: "", field: "", offset }
    }

    /// Adds the place, unless a place further in has been named already.
    #[cold]
    pub(crate) const fn within(mut self, structure: &'static str, field: &'static str) -> Self {
        if self.structure.is_empty() {
            self.structure = structure;
            self.field = field;
        }
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.structure, self.field)?;
        write!(f, "{} (offset {})", self.kind, self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// A value that cannot be written so that a Java peer could read it back.
///
/// Nothing was written, and the encoder is as it was before: the connection can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// What was wrong.
    pub kind: EncodeErrorKind,
    /// The structure that was being written, by its name here; empty outside of any.
    pub structure: &'static str,
    /// Its field, by its name here.
    pub field: &'static str,
}

/// What was wrong with the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// A string is longer than its encoding allows.
    #[error("a string of {len} bytes is over the limit of {limit}")]
    StringTooLong {
        /// Bytes of the string as modified UTF-8.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// An array, map or stack trace has more elements than its count can say.
    #[error("{len} elements are over the limit of {limit}")]
    TooManyElements {
        /// Elements there are.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// The frame is larger than the negotiated maximum.
    #[error("a frame of {len} bytes is over the peer's limit of {limit}")]
    FrameTooLarge {
        /// Bytes of the frame.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// Objects are nested deeper than a reader accepts.
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The structure does not exist in the negotiated version.
    #[error("it exists since version {since}, the peers agreed on {version}")]
    NotInVersion {
        /// The first version that has it.
        since: u8,
        /// The version in force.
        version: u8,
    },
    /// A value that Java's reader cannot take.
    #[error("{0}")]
    Unreadable(&'static str),
}

impl EncodeError {
    pub(crate) const fn new(kind: EncodeErrorKind) -> Self {
        Self { kind, structure: "", field: "" }
    }

    #[cold]
    pub(crate) const fn within(mut self, structure: &'static str, field: &'static str) -> Self {
        if self.structure.is_empty() {
            self.structure = structure;
            self.field = field;
        }
        self
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.structure, self.field)?;
        write!(f, "{}", self.kind)
    }
}

impl std::error::Error for EncodeError {}

fn place(f: &mut fmt::Formatter<'_>, structure: &str, field: &str) -> fmt::Result {
    match (structure, field) {
        ("", _) => Ok(()),
        (structure, "") => write!(f, "{structure}: "),
        (structure, field) => write!(f, "{structure}.{field}: "),
    }
}
