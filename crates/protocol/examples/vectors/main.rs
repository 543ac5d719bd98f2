//! Holds the codec against files of golden vectors and captured sessions: decodes each record, compares
//! it with its fields, encodes it again and compares the bytes.
//!
//! `cargo run --release -p rewire-protocol --example vectors -- FILE...` prints a line for each kind of
//! record and last `N passed, N failed`; exit 1 if any failed, 2 for a file it cannot read.

mod bodies;
mod check;
mod fields;

use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: vectors FILE...");
        return ExitCode::from(2);
    }
    let mut tally: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for file in &files {
        let records = match check::read(file) {
            Ok(records) => records,
            Err(problem) => {
                eprintln!("vectors: {file}: {problem}");
                return ExitCode::from(2);
            }
        };
        for record in records {
            let kind = record["kind"].as_str().unwrap_or("unknown").to_owned();
            let (passed, failed) = tally.entry(kind.clone()).or_default();
            match check::record(&record) {
                Ok(checks) => *passed += checks,
                Err(problem) => {
                    *failed += 1;
                    eprintln!("{file}: {kind} {}: {problem}", record["name"]);
                }
            }
        }
    }
    let (mut passed, mut failed) = (0, 0);
    for (kind, (kind_passed, kind_failed)) in &tally {
        println!("{kind}: {kind_passed} passed, {kind_failed} failed");
        passed += kind_passed;
        failed += kind_failed;
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
