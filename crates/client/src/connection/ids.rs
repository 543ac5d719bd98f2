//! What comes from outside: the time, chance, and a connection's name, which no other client has.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rewire_protocol::ConnectionId;
use tokio::time::Instant;

/// Connections named in this process so far.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// A name for a connection: `ID:host-number-millis-n:1`, the form Java gives it.
///
/// Brokers drop what they take for a message sent twice, by its connection's name and number. So the
/// second part, a port in Java, is drawn at random: a host name, a process id and a clock can all be
/// the same in two containers. A `prefix` stands in the place of `ID:` and the host's name.
pub(super) fn connection_id(prefix: Option<&str>) -> ConnectionId {
    match prefix {
        Some(prefix) => ConnectionId::new(format!("{}:1", unique(prefix))),
        None => ConnectionId::new(format!("{}:1", unique(&format!("ID:{}", host())))),
    }
}

/// A name that begins so and that nobody else has.
pub(super) fn unique(prefix: &str) -> String {
    let n = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(n) >> 32;
    format!("{prefix}-{random}-{}-{n}", now_ms())
}

/// Milliseconds since 1970, as messages carry them.
#[expect(clippy::disallowed_methods, reason = "the one place where the client reads the date")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The moment when this time is over; what is longer than ten years is taken as ten years.
pub(crate) fn after(time: Duration) -> Instant {
    const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
    Instant::now() + time.min(LONG)
}

/// What is left to chance: from -1 to 1.
pub(crate) fn chance() -> f64 {
    let drawn = RandomState::new().hash_one(()) >> 32;
    f64::from(u32::try_from(drawn).unwrap_or_default()) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// The host's name as the environment has it, in characters that every broker takes.
fn host() -> String {
    let name = ["HOSTNAME", "COMPUTERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let keep = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let name: String = name.unwrap_or_default().chars().filter(keep).take(64).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_of_a_process_has_a_name_of_its_own() {
        let (a, b) = (connection_id(None), connection_id(None));
        assert_ne!(a, b);
        assert!(a.to_string().starts_with("ID:") && a.to_string().ends_with(":1"), "{a}");
        let named = connection_id(Some("billing")).to_string();
        assert!(named.starts_with("billing-") && named.ends_with(":1"), "{named}");
    }
}
