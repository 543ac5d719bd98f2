//! `rewire completions`: the script that makes a shell complete the command line.

use std::io::Write;

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::run::Failure;

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<bool, Failure> {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rewire", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|error| Failure::failed(format!("the script cannot be printed: {error}")))?;
    Ok(true)
}
