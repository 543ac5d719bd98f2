//! Prints what the codec costs: `cargo run --release -p rewire-benches --example rust_codec`, with a part of
//! a row's name to see only such rows.

#[path = "../src/rust_codec.rs"]
#[allow(unreachable_pub, reason = "a part of the library")]
mod rust_codec;

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    for row in rust_codec::rows(&only, rust_codec::Effort::default()) {
        println!(
            "{} {} {}: {} B, {:.1} ns (least {:.1}), {} allocations",
            row.command, row.encoding, row.op, row.frame_bytes, row.ns, row.ns_min, row.allocs
        );
    }
}
