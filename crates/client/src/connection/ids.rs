//! Names that no other client has: where a connection's name comes from.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rewire_protocol::ConnectionId;

/// Connections named in this process so far.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// A name for a connection: `ID:host-number-millis-n:1`, the form Java gives it.
///
/// Brokers drop what they take for a message sent twice, by its connection's name and number. So the
/// second part, a port in Java, is drawn at random: a host name, a process id and a clock can all be
/// the same in two containers.
pub(super) fn connection_id() -> ConnectionId {
    let n = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let random = RandomState::new().hash_one(n) >> 32;
    ConnectionId::new(format!("ID:{}-{random}-{}-{n}:1", host(), now_ms()))
}

/// Milliseconds since 1970, as messages carry them.
#[expect(clippy::disallowed_methods, reason = "the one place where the client reads the date")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
        let (a, b) = (connection_id(), connection_id());
        assert_ne!(a, b);
        assert!(a.to_string().starts_with("ID:") && a.to_string().ends_with(":1"), "{a}");
    }
}
