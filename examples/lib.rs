//! Small programs, one thing each: `cargo run -p rewire-examples --example send`.

/// The programs of that page are compiled.
#[cfg(doctest)]
#[doc = include_str!("../docs/coming-from-java.md")]
struct ComingFromJava;
