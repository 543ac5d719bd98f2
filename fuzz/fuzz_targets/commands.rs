//! `cargo +nightly fuzz run commands`; see `rewire_broker::fuzzing::commands`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rewire_broker::fuzzing::commands(input));
