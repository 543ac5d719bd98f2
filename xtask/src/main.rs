//! The project's chores: `cargo xtask interop`, `examples`, `fuzz`, `sim`, `wall`.

mod chore;
mod examples;
mod fuzz;
mod interop;
mod leftovers;
mod package;
mod sim;
mod wall;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask CHORE

  interop [FILTER..]                     the tests against a real ActiveMQ (needs Java and ActiveMQ)
  examples                               every example, each on a fresh broker (the same need)
  fuzz [--seconds N] [--list] [TARGET..] every fuzz target, or these, N seconds each (30)
  sim [--seeds N [--from S]] [--seed S [--trace]]
                                         the failover core in virtual worlds: many, or one line by line
  package                                what would be published can be packed, and says what it is
  wall                                   what a crate must not depend on, it does not depend on";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match arguments.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("", [].as_slice()),
    };
    let done = match chore {
        "interop" => interop::run(rest),
        "examples" if rest.is_empty() => examples::run(),
        "fuzz" => fuzz::run(rest),
        "sim" => sim::run(rest),
        "package" if rest.is_empty() => package::run(),
        "wall" if rest.is_empty() => wall::run(),
        _unknown => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("cargo xtask {chore}: {why}");
            ExitCode::FAILURE
        }
    }
}
