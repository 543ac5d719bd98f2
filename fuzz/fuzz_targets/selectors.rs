//! `cargo +nightly fuzz run selectors`; see `rewire_broker::fuzzing::selectors`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rewire_broker::fuzzing::selectors(input));
