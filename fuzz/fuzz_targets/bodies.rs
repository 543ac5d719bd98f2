//! `cargo +nightly fuzz run bodies`; see `rewire_protocol::fuzzing::bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rewire_protocol::fuzzing::bodies(input));
