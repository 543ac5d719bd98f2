//! What the crates log, to standard error: what `RUST_LOG` asks for; else what a broker warns of.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::Verb;
use crate::run::complain;

const VARIABLE: &str = "RUST_LOG";

/// Begins to log.
pub(crate) fn begin(verb: &Verb) {
    let layer =
        tracing_subscriber::fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
    tracing_subscriber::registry().with(layer).with(targets(verb)).init();
}

/// What is logged. The clients say themselves what they cannot do: only a broker has nobody to tell.
fn targets(verb: &Verb) -> Targets {
    let level = match verb {
        Verb::Broker(_) | Verb::Proxy(_) => LevelFilter::WARN,
        _ => LevelFilter::OFF,
    };
    let default = Targets::new().with_default(level);
    match std::env::var(VARIABLE) {
        Ok(wanted) if !wanted.trim().is_empty() => wanted.parse().unwrap_or_else(|error| {
            complain(&format!(
                "{VARIABLE}: {error}: {wanted}; for example warn, or rewire_broker=debug"
            ));
            default
        }),
        _ => default,
    }
}
