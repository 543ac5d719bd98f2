//! `cargo xtask interop`: the tests against a real ActiveMQ, and nothing left running after them.

use rewire_test_support::java_requirements;

use crate::chore::{self, Done, cargo, target_directory};
use crate::leftovers;

/// The variable that every process of a run inherits, and is recognized by.
const MARK: &str = "REWIRE_INTEROP_RUN";

/// Runs the interop tests whose names contain one of `filters`, or all.
pub(crate) fn run(filters: &[String]) -> Done {
    java_requirements()?;
    chore::run(cargo(["build", "--release", "-p", "rewire-cli"]))?;
    let program = target_directory()?.join("release").join("rewire");

    let mark = std::process::id().to_string();
    let mut tests = cargo(["test", "-p", "rewire-interop", "-p", "rewire-benches", "--"]);
    tests.args(["--ignored", "--test-threads=1"]).args(filters);
    tests.env("REWIRE_BIN", program).env(MARK, &mark);
    let tested = chore::run(tests);

    let left = leftovers::end_all(&format!("{MARK}={mark}"))?;
    if left.is_empty() {
        return tested;
    }
    let mut why = format!("these were left running, and ended now:\n  {}", left.join("\n  "));
    if let Err(failed) = tested {
        why = format!("{failed}; {why}");
    }
    Err(why)
}
