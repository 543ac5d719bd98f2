//! `cargo +nightly fuzz run roundtrip`; see `rewire_protocol::fuzzing::roundtrip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rewire_protocol::fuzzing::roundtrip(input));
