//! How many passes over the brokers are made before giving up, with the meanings Java's numbers
//! have.

use std::num::NonZeroU32;

/// How often the whole list of brokers is tried after a link was lost: `maxReconnectAttempts`.
///
/// One attempt is one pass over all brokers, not one dial.
///
/// | in a URI | before the first success | after a link was up |
/// |---|---|---|
/// | -1 | for ever | for ever |
/// | 0 | one pass | none: the loss is final |
/// | n | n passes | n passes |
/// | -2 and below | one pass | one pass |
///
/// ```
/// use rewire_failover::uri::{Attempts, FailoverUri};
///
/// let uri = FailoverUri::parse("failover:(tcp://a:61616)?maxReconnectAttempts=3")?;
/// let limit = uri.options().max_reconnect_attempts;
/// assert_eq!(limit, Attempts::at_most(3));
/// assert!(!limit.is_exhausted(2));
/// assert!(limit.is_exhausted(3));
/// # Ok::<(), rewire_failover::uri::UriError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempts {
    /// Never give up.
    Unlimited,
    /// Do not reconnect. A first connect still gets its one pass.
    Never,
    /// Give up after this many failed passes.
    AtMost(NonZeroU32),
}

impl Attempts {
    /// `AtMost(passes)`, and `Never` for 0.
    #[must_use]
    pub const fn at_most(passes: u32) -> Self {
        match NonZeroU32::new(passes) {
            Some(passes) => Self::AtMost(passes),
            None => Self::Never,
        }
    }

    /// True if nothing more is tried after so many passes have failed in a row.
    #[must_use]
    pub const fn is_exhausted(self, failed_passes: u32) -> bool {
        match self {
            Self::Unlimited => false,
            Self::Never => true,
            Self::AtMost(limit) => failed_passes >= limit.get(),
        }
    }

    /// True unless the first loss of a link is final.
    #[must_use]
    pub const fn is_reconnecting(self) -> bool {
        match self {
            Self::Unlimited | Self::AtMost(_) => true,
            Self::Never => false,
        }
    }

    pub(super) fn from_java(number: i64) -> Self {
        match number {
            -1 => Self::Unlimited,
            // Java: `1 >= -2` holds after the first failed pass, and only 0 forbids that pass.
            i64::MIN..-1 => Self::at_most(1),
            0.. => Self::at_most(u32::try_from(number).unwrap_or(u32::MAX)),
        }
    }

    pub(super) fn to_java(self) -> i64 {
        match self {
            Self::Unlimited => -1,
            Self::Never => 0,
            Self::AtMost(passes) => passes.get().into(),
        }
    }
}

/// How often the whole list is tried before any link was up: `startupMaxReconnectAttempts`.
///
/// Java cannot say "for ever at the start, so many times later": -1 means "as later".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartupAttempts {
    /// As `maxReconnectAttempts` says.
    AsLater,
    /// One pass, as written with 0.
    Once,
    /// Give up after this many failed passes.
    AtMost(NonZeroU32),
}

impl StartupAttempts {
    /// `AtMost(passes)`, and `Once` for 0.
    #[must_use]
    pub const fn at_most(passes: u32) -> Self {
        match NonZeroU32::new(passes) {
            Some(passes) => Self::AtMost(passes),
            None => Self::Once,
        }
    }

    pub(super) fn from_java(number: i64) -> Self {
        match number {
            -1 => Self::AsLater,
            i64::MIN..-1 => Self::at_most(1),
            0.. => Self::at_most(u32::try_from(number).unwrap_or(u32::MAX)),
        }
    }

    pub(super) fn to_java(self) -> i64 {
        match self {
            Self::AsLater => -1,
            Self::Once => 0,
            Self::AtMost(passes) => passes.get().into(),
        }
    }
}
