//! A client of either language, asked over its stdin how it fares.

use std::time::Duration;

use rewire_test_support::{Java, Running, monotonic_ns};

use super::{Case, Fault, Role};
use crate::begin::AS_CLIENT;

/// Long enough for a client that waits as long as it may between two attempts.
pub(super) const SOON: Duration = Duration::from_secs(90);
const ANSWER: Duration = Duration::from_secs(30);

/// A client program.
pub(super) struct Side {
    running: Running,
}

/// The longest pause that a moment is part of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pause {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

/// When messages of one label came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

impl Side {
    pub(super) fn java(case: &Case, uri: &str) -> Self {
        let program = Java::program("Recovering")
            .with_sources(concat!(env!("CARGO_MANIFEST_DIR"), "/java"))
            .args(arguments(case, uri));
        Self::ready(program.start())
    }

    pub(super) fn rewire(case: &Case, uri: &str) -> Self {
        let ourselves = std::env::current_exe().expect("a running program has a file");
        let mut command = std::process::Command::new(ourselves);
        command.arg(AS_CLIENT).args(arguments(case, uri));
        Self::ready(Running::start("recovery, the client", command))
    }

    fn ready(mut running: Running) -> Self {
        running.json_with("ready", SOON);
        Self { running }
    }

    /// The pause that `moment_ns` is part of, once there were that many confirmed sends after it.
    pub(super) fn pause(&mut self, moment_ns: u64, at_least: u64) -> Option<Pause> {
        let [count, from_ns, to_ns] =
            self.ask(&format!("after {moment_ns}"), ["count", "from_ns", "to_ns"]);
        (count >= at_least).then_some(Pause { from_ns, to_ns })
    }

    /// When messages of this label came, once there are that many.
    pub(super) fn heard(&mut self, label: &str, at_least: u64) -> Option<Heard> {
        let [count, first_ns, last_ns] =
            self.ask(&format!("heard {label}"), ["count", "first_ns", "last_ns"]);
        (count >= at_least).then_some(Heard { first_ns, last_ns })
    }

    fn ask<const N: usize>(&mut self, question: &str, keys: [&str; N]) -> [u64; N] {
        self.running.say(question);
        let answer = self.running.json_with("count", ANSWER);
        keys.map(|key| answer[key].as_u64().unwrap_or_else(|| panic!("no {key} in {answer}")))
    }
}

fn arguments(case: &Case, uri: &str) -> Vec<String> {
    let role = match case.role {
        Role::Producer { persistent } => format!("--role=producer --persistent={persistent}"),
        Role::Consumer => "--role=consumer".to_owned(),
    };
    let uri = format!("--uri={uri}");
    let arguments = role.split(' ').map(str::to_owned);
    arguments.chain([uri, "--queue=RECOVERY".to_owned()]).collect()
}

/// Asks nothing while the client has to work: there are few cores.
#[expect(clippy::disallowed_methods, reason = "what is measured is not to be disturbed by asking")]
pub(super) fn leave_alone(fault: Fault) {
    let until_ns = monotonic_ns() + if fault == Fault::Kill { 100_000_000 } else { 200_000_000 };
    while monotonic_ns() < until_ns {
        std::thread::sleep(Duration::from_nanos(until_ns.saturating_sub(monotonic_ns())));
    }
}
