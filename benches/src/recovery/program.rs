//! Our client through failovers: what `Recovering.java` is for Java's, run as a process of its own.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rewire::{Connection, Message, Queue};
use rewire_test_support::monotonic_ns;

const PERIOD_NS: u64 = 1_000_000;

/// What happened so far.
#[derive(Default)]
struct Seen {
    /// When each send was confirmed.
    confirmed_ns: Vec<u64>,
    /// By the text of a message: how many, the first, the last.
    heard: HashMap<String, (u64, u64, u64)>,
}

type Shared = Arc<Mutex<Seen>>;

/// Sends one message a millisecond and waits for each answer, or consumes; until its stdin ends.
///
/// # Panics
///
/// When it cannot connect, or something fails for good.
pub fn run_as_client(arguments: impl Iterator<Item = String>) {
    let arguments: HashMap<String, String> = arguments
        .filter_map(|argument| {
            let (key, value) = argument.strip_prefix("--")?.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        })
        .collect();
    let is_producer = arguments["role"] == "producer";
    let is_persistent = arguments.get("persistent").is_none_or(|value| value == "true");
    let seen = Shared::default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let queue = Queue::new(&arguments["queue"]);
    let connect = async {
        let connection = Connection::builder(&arguments["uri"]).await?;
        Ok::<_, rewire::Error>((connection.session().await?, connection))
    };
    let (session, _connection) = runtime.block_on(connect).expect("a broker is there");
    if is_producer {
        let producer = runtime.block_on(session.producer(&queue)).expect("a broker is there");
        let (seen, runtime) = (seen.clone(), runtime.handle().clone());
        std::thread::spawn(move || {
            let template = Message::text("x".repeat(256)).persistent(is_persistent);
            let mut next_ns = monotonic_ns();
            loop {
                wait_until(next_ns);
                runtime.block_on(producer.send(template.clone())).expect("it waits for a broker");
                let now_ns = monotonic_ns();
                lock(&seen).confirmed_ns.push(now_ns);
                // What was missed in a pause is not made up for.
                next_ns = now_ns.max(next_ns + PERIOD_NS);
            }
        });
    } else {
        let seen = seen.clone();
        let consumer = runtime.block_on(session.consumer(&queue).into_future());
        let mut consumer = consumer.expect("a broker is there");
        runtime.spawn(async move {
            while let Some(delivery) = consumer.next().await {
                let now_ns = monotonic_ns();
                let delivery = delivery.expect("it waits for a broker");
                let text = delivery.message().body_text().expect("texts are sent");
                let mut seen = lock(&seen);
                let of = seen.heard.entry(text.unwrap_or_default()).or_insert((0, now_ns, now_ns));
                (of.0, of.2) = (of.0 + 1, now_ns);
            }
        });
    }
    say("{\"ready\":true}");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let seen = lock(&seen);
        match line.split_once(' ') {
            Some(("after", moment)) => {
                let moment_ns = moment.parse().expect("a moment is a number");
                let (count, from_ns, to_ns) = pause(&seen.confirmed_ns, moment_ns);
                say(&format!("{{\"count\":{count},\"from_ns\":{from_ns},\"to_ns\":{to_ns}}}"));
            }
            Some(("heard", label)) => {
                let (count, first, last) = seen.heard.get(label).copied().unwrap_or_default();
                say(&format!("{{\"count\":{count},\"first_ns\":{first},\"last_ns\":{last}}}"));
            }
            _ => panic!("unknown question {line:?}"),
        }
    }
    std::process::exit(0);
}

/// How many sends were confirmed after the moment, and the longest pause it is part of.
fn pause(confirmed_ns: &[u64], moment_ns: u64) -> (usize, u64, u64) {
    /// What was answered already when the broker died arrives a little later.
    const LATE_NS: u64 = 2_000_000;
    let count = confirmed_ns.iter().rev().take_while(|at_ns| **at_ns > moment_ns).count();
    let pauses = confirmed_ns.windows(2).rev().take(count).map(|pair| (pair[0], pair[1]));
    let longest = pauses
        .filter(|(from_ns, _)| *from_ns <= moment_ns + LATE_NS)
        .max_by_key(|(from_ns, to_ns)| to_ns - from_ns);
    let (from_ns, to_ns) = longest.unwrap_or_default();
    (count, from_ns, to_ns)
}

/// A period of one millisecond is kept by waiting in place for the last of it.
#[expect(clippy::disallowed_methods, reason = "a measured load has a pace")]
fn wait_until(time_ns: u64) {
    loop {
        match time_ns.saturating_sub(monotonic_ns()) {
            0 => return,
            left_ns @ 120_000.. => std::thread::sleep(Duration::from_nanos(left_ns - 60_000)),
            _ => std::hint::spin_loop(),
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading any more.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::pause;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_pause_is_the_longest_that_the_moment_is_part_of() {
        let confirmed = [MS, 2 * MS, 30 * MS, 31 * MS, 99 * MS];
        assert_eq!(pause(&confirmed, 20 * MS), (3, 2 * MS, 30 * MS));
    }

    #[test]
    fn an_answer_that_was_under_way_does_not_end_the_pause() {
        let confirmed = [MS, 11 * MS, 40 * MS];
        assert_eq!(pause(&confirmed, 10 * MS), (2, 11 * MS, 40 * MS));
    }

    #[test]
    fn nothing_confirmed_since_is_no_pause_yet() {
        assert_eq!(pause(&[MS], 2 * MS), (0, 0, 0));
    }
}
