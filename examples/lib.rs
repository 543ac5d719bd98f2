//! Small programs, one thing each: `cargo run -p rewire-examples --example send`.
