//! The program `rewire` against a real broker.
