//! Makes the seeds of the fuzz targets out of golden vectors: a frame of each type in the first and the last
//! version and both encodings, every sequence, every edge case and every invalid frame that is not long.
//!
//! `cargo run -p rewire-protocol --example seeds -- VECTORS fuzz/seeds`

#[path = "vectors/bodies.rs"]
#[allow(dead_code, reason = "part of the checks of the vectors")]
mod bodies;
#[path = "vectors/check.rs"]
#[allow(dead_code, reason = "reads records and their settings")]
mod check;
#[path = "vectors/fields.rs"]
#[allow(dead_code, reason = "part of the checks of the vectors")]
mod fields;

use std::collections::BTreeMap;
use std::process::ExitCode;

use rewire_protocol::fuzzing;
use serde_json::Value as Json;

/// Longer inputs make a fuzzer slow and teach it nothing.
const MAX_SEED: usize = 2048;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vectors, folder] = arguments.as_slice() else {
        eprintln!("usage: seeds VECTORS FOLDER");
        return ExitCode::from(2);
    };
    match seeds(vectors).and_then(|seeds| write(&seeds, folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("seeds: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Inputs by name, each content once.
fn seeds(vectors: &str) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut seeds = BTreeMap::new();
    for (number, record) in check::read(vectors)?.iter().enumerate() {
        let kind = record["kind"].as_str().unwrap_or_default();
        let Some(name) = name(kind, number, record) else { continue };
        let mut input = fuzzing::header(&check::format(record)?).to_vec();
        match record["frames"].as_array() {
            Some(frames) => {
                for frame in frames {
                    input.extend(check::raw(frame)?);
                }
            }
            None => input.extend(check::raw(record)?),
        }
        if input.len() <= MAX_SEED && !seeds.values().any(|seed| *seed == input) {
            seeds.entry(name).or_insert(input);
        }
    }
    Ok(seeds)
}

/// What a record's seed is called; records of one name are as good as each other.
fn name(kind: &str, number: usize, record: &Json) -> Option<String> {
    let (version, encoding) = (&record["version"], record["encoding"].as_str()?);
    match kind {
        "command" if version == 1 || version == 12 => {
            let class = record["fields"]["@type"].as_str().unwrap_or("null");
            Some(format!("{class}-v{version}-{encoding}"))
        }
        "edge" | "invalid" | "sequence" => Some(format!("{kind}-{number}")),
        _ => None,
    }
}

/// The same seeds for all targets: each reads them in its own way.
fn write(seeds: &BTreeMap<String, Vec<u8>>, folder: &str) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    for (name, seed) in seeds {
        std::fs::write(format!("{folder}/{name}"), seed).map_err(|error| error.to_string())?;
    }
    println!("{} seeds, {} bytes", seeds.len(), seeds.values().map(Vec::len).sum::<usize>());
    Ok(())
}
