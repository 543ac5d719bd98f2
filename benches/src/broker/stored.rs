//! A broker with nothing, and with many stored messages: how long until it is ready, and what memory it takes then.

use rewire_test_support::monotonic_ns;
use tempfile::TempDir;

use super::{Broker, CASES, Case, DEADLINE, Start, rewire};
use crate::proc::resident_bytes;
use crate::spread::{Spread, ratio, show};

/// What one broker came to.
#[derive(Clone, Debug, Default)]
struct Found {
    empty_ms: Vec<f64>,
    empty_mb: Vec<f64>,
    full_ms: Vec<f64>,
    full_mb: Vec<f64>,
}

/// Fills a store of each broker with so many messages of 1 KiB, and starts each broker on it again and again.
///
/// # Panics
///
/// When something does not start, or does not end in time.
#[must_use]
pub fn stored(count: u64, rounds: usize) -> String {
    let activemq = look(Broker::activemq, count, rounds);
    let rewire = look(Broker::rewire, count, rounds);
    let of = |name: String, value: fn(&Found) -> &Vec<f64>| {
        let spread = |found: &Found| Spread::of(value(found).iter().copied());
        let (activemq, rewire) = (spread(&activemq), spread(&rewire));
        format!(
            "| {name} | {} | {} | {} |\n",
            show(activemq),
            show(rewire),
            ratio(rewire, activemq)
        )
    };
    let mut text =
        String::from("| | ActiveMQ | Rewire | Rewire/ActiveMQ |\n|---|---:|---:|---:|\n");
    text += &of("ready, nothing stored, ms".to_owned(), |found| &found.empty_ms);
    text += &of("memory, nothing stored, MB".to_owned(), |found| &found.empty_mb);
    text += &of(format!("ready, {count} messages stored, ms"), |found| &found.full_ms);
    text += &of(format!("memory, {count} messages stored, MB"), |found| &found.full_mb);
    text
}

fn look(broker: Start, count: u64, rounds: usize) -> Found {
    let mut found = Found::default();
    for _ in 0..rounds {
        let data = tempfile::tempdir().expect("a folder for the store");
        let (ms, mb) = start_and_stop(broker, &data);
        found.empty_ms.push(ms);
        found.empty_mb.push(mb);
    }
    let data = tempfile::tempdir().expect("a folder for the store");
    let mut full = broker(true, &data);
    let count = count / 5 * 4;
    let Some(asynchronous) = CASES.iter().find(|case| case.persistent && !case.awaited) else {
        return found;
    };
    // A quarter of it comes before, as the part that is not measured.
    let case = Case { count, ..*asynchronous };
    let mut client = rewire(&case, &full.uri());
    client.json_with("warm", DEADLINE);
    client.say("go");
    client.json_with("done", DEADLINE);
    full.stop();
    drop(full);
    for _ in 0..rounds {
        let (ms, mb) = start_and_stop(broker, &data);
        found.full_ms.push(ms);
        found.full_mb.push(mb);
    }
    found
}

/// Milliseconds until it is ready, and megabytes of memory then.
fn start_and_stop(broker: Start, data: &TempDir) -> (f64, f64) {
    let since_ns = monotonic_ns();
    let mut broker = broker(true, data);
    let ms = (monotonic_ns() - since_ns) as f64 / 1e6;
    let mb = resident_bytes(broker.pid()) / 1e6;
    broker.stop();
    (ms, mb)
}
