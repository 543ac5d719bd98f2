//! Runs worlds: `--seeds N` from `--from S` on, or one, `--seed S`, with `--trace` line by line.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rewire_sim::{Broken, run_seed};

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

/// Runs worlds on all cores, and shows the first of each rule that is broken.
fn many(from: u64, seeds: u64) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, happenings) = (AtomicU64::new(from), AtomicU64::new(0));
    let found = Mutex::new(BTreeMap::<&str, (u64, Broken, u64)>::new());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    let outcome = run_seed(seed, false);
                    happenings.fetch_add(outcome.happenings, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(broken) = outcome.broken {
                        let first = (seed, broken.clone(), 0);
                        let known = found.entry(broken.invariant).or_insert(first);
                        if seed < known.0 {
                            (known.0, known.1) = (seed, broken);
                        }
                        known.2 += 1;
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (invariant, (seed, broken, worlds)) in &found {
        println!("{invariant}, in {worlds} worlds, first at {}: {}", broken.at, broken.what);
        println!("  replay it: cargo xtask sim --seed {seed} --trace");
    }
    let (happenings, broken) = (happenings.into_inner(), found.len());
    println!("{seeds} worlds, {happenings} happenings, {broken} rules broken");
    found.is_empty()
}
