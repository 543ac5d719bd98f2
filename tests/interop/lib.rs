//! Holds nothing: the suite is the test binary `interop`, run by `cargo xtask interop`.
