//! A fixed set of worlds, and that a seed is a world.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::run_seed;

/// How many worlds are run in every test run; `cargo xtask sim` runs more.
const WORLDS: u64 = 2000;

#[test]
fn no_rule_is_broken_in_a_few_thousand_worlds() {
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= WORLDS {
                        break;
                    }
                    let broken = run_seed(seed, false).broken;
                    assert!(broken.is_none(), "cargo xtask sim --seed {seed} --trace\n{broken:?}");
                }
            });
        }
    });
}

#[test]
fn two_runs_of_a_seed_are_equal() {
    for seed in 0..10 {
        let first = run_seed(seed, true);
        assert!(first.trace.len() > 10, "{first:?}");
        assert_eq!(first, run_seed(seed, true), "seed {seed}");
    }
}
