//! `cargo xtask sim`: the cores of client and broker in many virtual worlds, or in one, line by line.

use crate::chore::{self, Done, cargo};

/// Runs `--seeds N` worlds, 10,000 when nothing is said, or the one of `--seed S`, with its `--trace`.
pub(crate) fn run(arguments: &[String]) -> Done {
    let mut worlds = cargo(["run", "--quiet", "--release", "-p", "rewire-sim", "--"]);
    if arguments.is_empty() {
        worlds.args(["--seeds", "10000"]);
    }
    worlds.args(arguments);
    chore::run(worlds)
}
