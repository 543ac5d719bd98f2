//! How a measurement beside Java begins: as one of its own clients, or with its options and all that it needs.

use std::env::Args;
use std::iter::{Peekable, Skip};
use std::process::ExitCode;

use rewire_test_support::java_requirements;

/// What follows the name of the program.
pub type Arguments = Peekable<Skip<Args>>;

/// The first argument of a program that is one of its own clients.
pub(crate) const AS_CLIENT: &str = "--as-client";

/// Runs `work` with the options as `plan` reads them, or `client` where the first argument says so.
pub fn begin<P>(
    name: &str,
    client: fn(Arguments),
    plan: fn(Arguments) -> Result<P, String>,
    work: impl FnOnce(P),
) -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == AS_CLIENT).is_some() {
        client(arguments);
        return ExitCode::SUCCESS;
    }
    let plan = match plan(arguments) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("{name}: {why}");
            return ExitCode::from(2);
        }
    };
    if let Err(missing) = java_requirements() {
        eprintln!("{name}: {missing}");
        return ExitCode::FAILURE;
    }
    work(plan);
    ExitCode::SUCCESS
}
