//! A fixed set of worlds, that a seed is a world, and that lessons are held.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::run_seed;

/// How many worlds are run in every test run; `cargo xtask sim` runs more.
const WORLDS: u64 = 300;

/// In these, what waited for a link was sent up to a commit, and more happened before the rest was.
const STOPPED_BEFORE_A_COMMIT: [u64; 4] = [1728, 2714, 5279, 54815];

/// In this, a message waited for the disk while the next was given away at once, past a consumer that chooses.
const LATE_FROM_THE_DISK: u64 = 100_833;

#[test]
fn a_message_that_waited_for_the_disk_is_not_passed_over_by_a_consumer_that_chooses() {
    let broken = run_seed(LATE_FROM_THE_DISK, false).broken;
    assert!(broken.is_none(), "cargo xtask sim --seed {LATE_FROM_THE_DISK} --trace\n{broken:?}");
}

#[test]
fn what_happens_while_a_commit_waits_for_its_messages_keeps_the_rules() {
    for seed in STOPPED_BEFORE_A_COMMIT {
        let broken = run_seed(seed, false).broken;
        assert!(broken.is_none(), "cargo xtask sim --seed {seed} --trace\n{broken:?}");
    }
}

#[test]
fn no_rule_is_broken_in_a_few_hundred_worlds() {
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

/// A standby turns out to lead to where a slower dial leads for a move that was asked for.
#[test]
fn a_move_may_wait_for_what_was_dialled_for_it() {
    assert_eq!(run_seed(24_733, false).broken, None);
}

#[test]
fn two_runs_of_a_seed_are_equal() {
    for seed in 0..10 {
        let first = run_seed(seed, true);
        assert!(first.trace.len() > 10, "{first:?}");
        assert_eq!(first, run_seed(seed, true), "seed {seed}");
    }
}

/// The sources below a folder, as one text.
fn sources(folder: &Path, into: &mut String) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_and_invariant_that_a_lesson_names_is_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    sources(&here.join("../../crates"), &mut all);
    sources(&here.join(".."), &mut all);
    let lessons = include_str!("lessons.md");
    let held = lessons.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let mut count = 0;
    for (lesson, by) in held.filter(|(lesson, _)| *lesson != "lesson") {
        count += 1;
        let names: Vec<&str> = by.split('`').skip(1).step_by(2).collect();
        for name in names.iter().filter(|name| name.contains('_')) {
            assert!(all.contains(&format!("fn {name}(")), "{lesson}: no {name}");
        }
        if by.starts_with("invariant") {
            let file = format!("src/invariants/{}.rs", names[0].replace(' ', "_"));
            assert!(here.join(file).exists(), "{lesson}: no {}", names[0]);
        }
    }
    assert!(count > 70, "{count}");
}
