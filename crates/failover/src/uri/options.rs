//! The options of the failover transport: Java's names, defaults and units, and five of our own.

use std::num::NonZeroU32;
use std::time::Duration;

use super::attempts::{Attempts, StartupAttempts};
use super::broker::BrokerUri;
use super::builder::FailoverUriBuilder;
use super::declare::{
    BROKERS, BYTES, COUNT, FLAG, MILLIS, MILLIS_OR_NEVER, MILLIS_OR_OFF, PASSES, PASSES_OR_OFF,
    SOME_TEXT, factor, option_set,
};

option_set! {
    /// Everything that can be said about a failover link, after the list of brokers.
    ///
    /// [`Default`] is what Java does when nothing is said. Options that Java does not have are off
    /// by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use rewire_failover::uri::FailoverOptions;
    ///
    /// let options = FailoverOptions::default();
    /// assert_eq!(options.initial_reconnect_delay, Duration::from_millis(10));
    /// assert_eq!(options.timeout, None);
    /// ```
    pub struct FailoverOptions, builder FailoverUriBuilder {
        /// Wait once after a lost link before the first pass over the brokers, and the start of the
        /// back-off. With 0, Java tries again without end and without a pause; here the back-off then
        /// starts at 10 ms.
        initial_reconnect_delay: Duration = Duration::from_millis(10),
            "initialReconnectDelay", MILLIS;
        /// The delay before the next pass. It starts the back-off only where it differs from its
        /// default, and each success sets it back to `initialReconnectDelay`.
        reconnect_delay: Duration = Duration::from_millis(10), "reconnectDelay", MILLIS;
        /// The most that exponential back-off makes of the delay. Does not cap
        /// `initialReconnectDelay`.
        max_reconnect_delay: Duration = Duration::from_secs(30), "maxReconnectDelay", MILLIS;
        /// Multiply the delay after each failed pass; otherwise it stays as it starts.
        use_exponential_back_off: bool = true, "useExponentialBackOff", FLAG;
        /// What the delay is multiplied by. At least 1: Java takes less, and its delay then shrinks
        /// to nothing.
        reconnect_delay_exponent: f64 = 2.0, "reconnectDelayExponent", factor(1.0, f64::MAX);
        /// Passes over all brokers before giving up after a loss.
        max_reconnect_attempts: Attempts = Attempts::Unlimited, "maxReconnectAttempts", PASSES;
        /// Passes over all brokers before giving up while no link was up yet.
        startup_max_reconnect_attempts: StartupAttempts = StartupAttempts::AsLater,
            "startupMaxReconnectAttempts", PASSES;
        /// How long a message may wait for a link before its send fails; none is for ever, written
        /// with -1, 0 or any number below.
        timeout: Option<Duration> = None, "timeout", MILLIS_OR_NEVER;
        /// Try the brokers in random order instead of in the order they are listed.
        randomize: bool = true, "randomize", FLAG;
        /// Keep links to other brokers ready.
        backup: bool = false, "backup", FLAG;
        /// How many links to keep ready when `backup` is on.
        backup_pool_size: u32 = 1, "backupPoolSize", COUNT;
        /// While on a broker that has no priority, look for one that has, and move to it.
        priority_backup: bool = false, "priorityBackup", FLAG;
        /// The brokers that have priority when `priorityBackup` is on; empty stands for the first
        /// of the list. Java skips one it cannot read; here it is an error.
        priority_uris: Vec<BrokerUri> = Vec::new(), "priorityURIs", BROKERS;
        /// Keep sent messages, up to `maxCacheSize`, and send them again after a failover.
        track_messages: bool = false, "trackMessages", FLAG;
        /// How many bytes of messages are kept at most.
        max_cache_size: u32 = 131_072, "maxCacheSize", BYTES;
        /// Remember producers that were closed inside a transaction, so that it can be replayed.
        track_transaction_producers: bool = true, "trackTransactionProducers", FLAG;
        /// Take the lists of brokers that a broker sends, and those of `updateURIsURL`.
        update_uris_supported: bool = true, "updateURIsSupported", FLAG;
        /// Where more brokers are listed, on lines of their own or between commas, with `#` before
        /// comments: a `file:`, `http:` or `https:` URL, or the path of a file. A file is read every
        /// second and a page every ten; without brokers in the URI the first reading is waited for.
        update_uris_url: Option<String> = None, "updateURIsURL", SOME_TEXT;
        /// Move to another broker when what `updateURIsURL` lists has changed.
        rebalance_update_uris: bool = true, "rebalanceUpdateURIs", FLAG;
        /// Do as a broker says that sends a client elsewhere.
        reconnect_supported: bool = true, "reconnectSupported", FLAG;
        /// Warn at the first failed pass and at each of so many after it; none, written with 0 or a
        /// number below, is silence.
        warn_after_reconnect_attempts: Option<NonZeroU32> = NonZeroU32::new(10),
            "warnAfterReconnectAttempts", PASSES_OR_OFF;
        /// Ours: the part of each delay that is left to chance, from 0 to 1, so that the clients of
        /// a lost broker do not all return at once. 0 is Java's behaviour.
        reconnect_jitter: f64 = 0.0, "reconnectJitter", factor(0.0, 1.0);
        /// Ours: how long one dial may take as a whole: name, connect, TLS and negotiation. 0 is no
        /// such limit; the broker's own `connectionTimeout` holds either way.
        connect_timeout: Option<Duration> = None, "connectTimeout", MILLIS_OR_OFF;
        /// Ours: how long a broker has to answer when it is asked for a sign of life, on a standby too. It is
        /// asked after a fifth of this time in silence, and its link lost if it does not answer, as it does
        /// not while it holds up a producer (its flow control) or is busy elsewhere: a JVM under load pauses.
        /// 0 leaves silence to the inactivity monitor.
        detect_timeout: Option<Duration> = None, "detectTimeout", MILLIS_OR_OFF;
        /// Ours: how long a request may wait for its answer, failovers included. Then it ends as not sent
        /// or in doubt, and is not sent again. 0 is for ever.
        request_timeout: Option<Duration> = None, "requestTimeout", MILLIS_OR_OFF;
        /// Ours: how long closing may take as a whole before the link is cut. 0 leaves it to
        /// `jms.closeTimeout`, or else to Java's 15 seconds.
        close_timeout: Option<Duration> = None, "closeTimeout", MILLIS_OR_OFF;
    }
}

impl FailoverOptions {
    /// The limit in force: `startupMaxReconnectAttempts`, if set, until a link was up for the first
    /// time, and `maxReconnectAttempts` from then on.
    ///
    /// ```
    /// use rewire_failover::uri::{Attempts, FailoverUri};
    ///
    /// let uri = FailoverUri::parse("failover:(tcp://a:61616)?startupMaxReconnectAttempts=5")?;
    /// assert_eq!(uri.options().attempts(false), Attempts::at_most(5));
    /// assert_eq!(uri.options().attempts(true), Attempts::Unlimited);
    /// # Ok::<(), rewire_failover::uri::UriError>(())
    /// ```
    #[must_use]
    pub const fn attempts(&self, was_connected: bool) -> Attempts {
        match (was_connected, self.startup_max_reconnect_attempts) {
            (true, _) | (false, StartupAttempts::AsLater) => self.max_reconnect_attempts,
            (false, StartupAttempts::Once) => Attempts::Never,
            (false, StartupAttempts::AtMost(passes)) => Attempts::AtMost(passes),
        }
    }
}
