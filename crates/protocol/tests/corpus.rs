//! The seeds of the fuzz targets and what fuzzing has found, replayed without a fuzzer.

use std::path::Path;

use rewire_protocol::fuzzing;

fn replay(target: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut replayed = 0;
    for folder in ["seeds", "findings"] {
        for entry in std::fs::read_dir(fuzz.join(folder)).expect("a folder of inputs") {
            let path = entry.expect("an input").path();
            println!("{}", path.display());
            target(&std::fs::read(path).expect("an input"));
            replayed += 1;
        }
    }
    assert!(replayed > 100, "only {replayed} inputs");
}

#[test]
fn every_seed_decodes_to_commands_or_errors() {
    replay(fuzzing::decode);
}

#[test]
fn every_seed_gives_the_same_frames_however_it_is_cut() {
    replay(fuzzing::frames);
}

#[test]
fn every_seed_goes_there_and_back() {
    replay(fuzzing::roundtrip);
}

#[test]
fn every_seed_is_a_body_or_an_error() {
    replay(fuzzing::bodies);
}

#[test]
fn every_golden_body_is_written_and_read_again() {
    let data =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openwire/vectors-public.jsonl");
    let text = std::fs::read_to_string(data).expect("the vectors");
    let mut replayed = 0;
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        if record["kind"] != "body" {
            continue;
        }
        for field in ["content", "marshalledProperties"] {
            let Some(digits) = record["fields"][field]["$hex"].as_str() else { continue };
            let bytes: Vec<u8> = (0..digits.len() / 2)
                .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hex"))
                .collect();
            for choice in 0..14 {
                fuzzing::bodies(&[&[choice], bytes.as_slice()].concat());
                replayed += 1;
            }
        }
    }
    assert!(replayed > 500, "only {replayed} bodies");
}
