//! Runs worlds: `--seeds N` from `--from S` on, or one, `--seed S`, with `--trace` line by line.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rewire_sim::run_seed;

const USAGE: &str = "usage: rewire-sim --seeds N [--from S] | --seed S [--trace]";

/// What was asked for.
#[derive(Default)]
struct Asked {
    seeds: Option<u64>,
    from: u64,
    seed: Option<u64>,
    trace: bool,
}

fn main() -> ExitCode {
    let done = match parse() {
        Some(Asked { seed: Some(seed), trace, .. }) => one(seed, trace),
        Some(Asked { seeds: Some(seeds), from, .. }) => many(from, seeds),
        Some(_) | None => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse() -> Option<Asked> {
    let mut asked = Asked::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--trace" => asked.trace = true,
            "--seeds" => asked.seeds = Some(arguments.next()?.parse().ok()?),
            "--from" => asked.from = arguments.next()?.parse().ok()?,
            "--seed" => asked.seed = Some(arguments.next()?.parse().ok()?),
            _ => return None,
        }
    }
    Some(asked)
}

fn one(seed: u64, trace: bool) -> bool {
    let outcome = run_seed(seed, trace);
    for line in &outcome.trace {
        println!("{line}");
    }
    let Some(broken) = outcome.broken else {
        println!("seed {seed}: {} happenings, all is well", outcome.happenings);
        return true;
    };
    println!("{} broken at {}: {}", broken.invariant, broken.at, broken.what);
    false
}

/// Runs worlds on all cores until one breaks a rule.
fn many(from: u64, seeds: u64) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, is_broken) = (AtomicU64::new(from), AtomicBool::new(false));
    let happenings = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !is_broken.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    let outcome = run_seed(seed, false);
                    happenings.fetch_add(outcome.happenings, Ordering::Relaxed);
                    if let Some(broken) = outcome.broken {
                        is_broken.store(true, Ordering::Relaxed);
                        println!("{} broken at {}: {}", broken.invariant, broken.at, broken.what);
                        println!("replay it: cargo xtask sim --seed {seed} --trace");
                    }
                }
            });
        }
    });
    let is_well = !is_broken.load(Ordering::Relaxed);
    if is_well {
        println!("{seeds} worlds, {} happenings, all is well", happenings.load(Ordering::Relaxed));
    }
    is_well
}
