//! Java and Rust in turn: a slice of one, a slice of the other, so that both see the same machine.

use std::time::Duration;

use rewire_test_support::monotonic_ns;

use super::java::{Case, Frames, JavaCodec, JavaSlice};

/// Runs the measured operation so many times.
pub type Operation = Box<dyn FnMut(u64)>;

/// The codec that is measured beside Java's.
pub trait Codec {
    /// What to measure for this case, on the frames that Java measures; `None` where it cannot yet.
    ///
    /// The operation is to be made with [`repeat`]. Whatever is done once a connection, such as
    /// reading the first frame, is done here.
    fn prepare(&self, case: &Case, frames: &Frames) -> Option<Operation>;
}

/// How long and how often is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// For each case and codec, before anything counts.
    pub warm: Duration,
    /// The length of a slice.
    pub slice: Duration,
    /// Slices of each codec.
    pub slices: usize,
    /// Only the cases whose `COMMAND ENCODING OPERATION` contains this.
    pub only: String,
}

/// What one case came to: medians over the slices.
#[derive(Clone, Debug)]
pub struct Row {
    /// The case.
    pub case: Case,
    /// Java's.
    pub java: JavaSlice,
    /// Rust's nanoseconds and allocations an operation; `None` where it was not measured.
    pub rust: Option<(f64, f64)>,
}

/// A closure to be measured, as the loop that a slice runs: what is called is known inside of it.
pub fn repeat<T>(mut operation: impl FnMut() -> T + 'static) -> Operation {
    Box::new(move |times| {
        for _ in 0..times {
            std::hint::black_box(operation());
        }
    })
}

/// Measures every case of the plan, handing over each row when it is there.
pub fn compare(java: &mut JavaCodec, codec: &dyn Codec, plan: &Plan, mut done: impl FnMut(&Row)) {
    let mut cases = java.cases().to_vec();
    cases.retain(|case| {
        format!("{} {} {}", case.command, case.encoding, case.operation).contains(&plan.only)
    });
    // All of them once before any counts: the JVM compiles what the cases share for all of them.
    for case in &cases {
        java.slice(case, plan.warm);
    }
    for case in cases {
        let mut rust = codec.prepare(&case, &java.frames(&case));
        java.slice(&case, plan.warm);
        let allocations = rust.as_mut().map(|operation| {
            slice(operation, plan.warm);
            allocations(operation)
        });
        let mut of_java = Vec::new();
        let mut of_rust = Vec::new();
        for _ in 0..plan.slices.max(1) {
            of_java.push(java.slice(&case, plan.slice));
            of_rust.extend(rust.as_mut().map(|operation| slice(operation, plan.slice)));
        }
        let java = JavaSlice {
            ns: median(of_java.iter().map(|slice| slice.ns).collect()),
            allocated_bytes: median(of_java.iter().map(|slice| slice.allocated_bytes).collect()),
        };
        let rust = allocations.map(|allocations| (median(of_rust), allocations));
        done(&Row { case, java, rust });
    }
}

/// Nanoseconds an operation, over so long.
fn slice(operation: &mut Operation, length: Duration) -> f64 {
    const BATCH: u64 = 256;
    let length_ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let begin = monotonic_ns();
    let mut operations = 0_u64;
    loop {
        operation(BATCH);
        operations += BATCH;
        let took_ns = monotonic_ns() - begin;
        if took_ns >= length_ns {
            return took_ns as f64 / operations as f64;
        }
    }
}

/// Allocations an operation.
fn allocations(operation: &mut Operation) -> f64 {
    const TIMES: u64 = 1000;
    let counted = allocation_counter::measure(|| operation(TIMES));
    counted.count_total as f64 / TIMES as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{allocations, median, repeat, slice};

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middles() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn an_allocation_an_operation_is_counted_as_one() {
        assert_eq!(allocations(&mut repeat(|| Box::new(1))), 1.0);
        assert_eq!(allocations(&mut repeat(|| 1)), 0.0);
    }

    #[test]
    fn more_work_takes_longer() {
        let work = |bytes: usize| {
            let from = vec![1_u8; bytes];
            let mut operation = repeat(move || from.iter().fold(0_u8, |a, b| a.rotate_left(1) ^ b));
            slice(&mut operation, Duration::from_millis(2))
        };
        assert!(work(1000) > work(10));
    }
}
