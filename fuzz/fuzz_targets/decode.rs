//! `cargo +nightly fuzz run decode`; see `rewire_protocol::fuzzing::decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rewire_protocol::fuzzing::decode(input));
