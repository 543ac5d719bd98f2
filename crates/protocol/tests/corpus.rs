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
