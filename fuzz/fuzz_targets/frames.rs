//! `cargo +nightly fuzz run frames`; see `rewire_protocol::fuzzing::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rewire_protocol::fuzzing::frames(input));
