//! What Rewire's codec costs, without Java beside it: for each frame in a folder that `CodecBench --dump`
//! has written. `cargo run --release -p rewire-benches --example rust_codec -- FOLDER [PART OF A NAME]`

#[path = "../src/rust_codec.rs"]
#[allow(unreachable_pub, dead_code, reason = "a part of the library")]
mod rust_codec;

use std::path::Path;
use std::time::{Duration, Instant};

use rust_codec::Operation;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (folder, only) = (arguments.next().unwrap_or_default(), arguments.next());
    let mut names: Vec<String> = std::fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".steady.bin").map(str::to_owned))
        .collect();
    names.sort_unstable();
    for name in names {
        let read = |which| std::fs::read(Path::new(&folder).join(format!("{name}.{which}.bin")));
        let (first, steady) = (read("first")?, read("steady")?);
        for (operation, word) in
            [(Operation::Marshal, "marshal"), (Operation::Unmarshal, "unmarshal")]
        {
            let row = format!("{name} {word}");
            if row.contains(only.as_deref().unwrap_or_default()) {
                let tight = name.ends_with("tight");
                let mut run = rust_codec::prepare(operation, tight, &first, &steady);
                let allocations = allocation_counter::measure(|| run(1)).count_total;
                let (median, least) = measure(&mut *run);
                println!("{row}: {median:.1} ns (least {least:.1}), {allocations} allocations");
            }
        }
    }
    Ok(())
}

/// Nanoseconds: the median of short slices and the least of them.
#[allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(run: &mut dyn FnMut(u64)) -> (f64, f64) {
    let mut slice = |time: Duration| {
        let (begin, mut runs) = (Instant::now(), 0_u32);
        while begin.elapsed() < time {
            run(256);
            runs += 256;
        }
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(runs)
    };
    slice(Duration::from_millis(50));
    let mut slices = [(); 15].map(|()| slice(Duration::from_millis(20)));
    slices.sort_by(f64::total_cmp);
    (slices[slices.len() / 2], slices[0])
}
