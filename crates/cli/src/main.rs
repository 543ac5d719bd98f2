//! The program `rewire`.

fn main() {}
