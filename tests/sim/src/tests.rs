//! A fixed set of worlds, and that a seed is a world.

use super::*;

#[test]
fn two_runs_of_a_seed_are_equal() {
    for seed in 0..10 {
        let first = run_seed(seed, true);
        assert!(first.trace.len() > 10, "{first:?}");
        assert_eq!(first, run_seed(seed, true), "seed {seed}");
    }
}
