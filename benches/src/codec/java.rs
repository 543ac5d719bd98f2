//! The Java half of the codec measurement: a JVM that measures a slice whenever it is asked.

use std::path::Path;
use std::time::Duration;

use rewire_test_support::{Java, Running};
use serde_json::Value;
use tempfile::TempDir;

/// A slice takes as long as it is told; this is for a machine that is busy besides.
const ANSWER: Duration = Duration::from_secs(120);

/// One operation on one command in one encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The command, and the size of its text where there are several: `MessageDispatch/1024`.
    pub command: String,
    /// `tight` or `loose`, always at version 12 with the cache on.
    pub encoding: String,
    /// `marshal`, `unmarshal` or `build+marshal`.
    pub operation: String,
    /// Bytes of the frame measured, with its size prefix.
    pub frame_bytes: u64,
    index: usize,
}

/// The frames that Java measures, with their size prefix.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The first frame of a connection, which introduces the cached values.
    pub first: Vec<u8>,
    /// Every later one, which is what is measured.
    pub steady: Vec<u8>,
}

/// What one slice came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JavaSlice {
    /// Nanoseconds an operation.
    pub ns: f64,
    /// Bytes allocated an operation.
    pub allocated_bytes: f64,
}

/// The JVM.
#[derive(Debug)]
pub struct JavaCodec {
    running: Running,
    frames: TempDir,
    cases: Vec<Case>,
}

impl JavaCodec {
    /// Starts the JVM, which writes down its frames.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start() -> Self {
        let frames = tempfile::tempdir().expect("a temporary directory can be made");
        let mut running = Java::program("CodecBench")
            .with_sources(concat!(env!("CARGO_MANIFEST_DIR"), "/java"))
            .jvm("-Xms1g")
            .jvm("-Xmx1g")
            .arg("--serve")
            .arg("--dump")
            .arg(frames.path())
            .start();
        let answer = running.json_with("cases", ANSWER);
        let cases = answer["cases"].as_array().expect("the cases are a list").iter();
        let cases = cases.enumerate().map(|(index, case)| Case::from_json(index, case)).collect();
        Self { running, frames, cases }
    }

    /// Everything it can measure.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// The frames of one case.
    ///
    /// # Panics
    ///
    /// When they were not written.
    #[must_use]
    pub fn frames(&self, case: &Case) -> Frames {
        let name = format!("{}.{}", case.command.replace('/', "-"), case.encoding);
        let read = |which: &str| {
            let file = self.frames.path().join(format!("{name}.{which}.bin"));
            read(&file)
        };
        Frames { first: read("first"), steady: read("steady") }
    }

    /// Measures one case for so long.
    ///
    /// # Panics
    ///
    /// When the JVM does not answer.
    pub fn slice(&mut self, case: &Case, length: Duration) -> JavaSlice {
        self.running.say(&format!("{} {}", case.index, length.as_secs_f64()));
        let answer = self.running.json_with("ns_per_op", ANSWER + length);
        JavaSlice {
            ns: number(&answer, "ns_per_op"),
            allocated_bytes: number(&answer, "allocated_bytes_per_op"),
        }
    }
}

impl Case {
    fn from_json(index: usize, case: &Value) -> Self {
        let text = |key: &str| case[key].as_str().expect("a case has names").to_owned();
        Self {
            command: text("command"),
            encoding: text("encoding"),
            operation: text("operation"),
            frame_bytes: case["frame_bytes"].as_u64().expect("a frame has a size"),
            index,
        }
    }
}

fn number(answer: &Value, key: &str) -> f64 {
    answer[key].as_f64().unwrap_or_else(|| panic!("no number {key:?} in {answer}"))
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::JavaCodec;

    #[test]
    #[ignore = "needs Java and ActiveMQ"]
    fn the_jvm_names_its_cases_writes_their_frames_and_measures_slices() {
        let mut java = JavaCodec::start();
        let cases = java.cases().to_vec();
        assert_eq!(cases.len(), 2 * (6 * 2 + 3));
        for case in &cases {
            let frames = java.frames(case);
            assert_eq!(frames.steady.len() as u64, case.frame_bytes, "{case:?}");
            let size = [frames.steady[0], frames.steady[1], frames.steady[2], frames.steady[3]];
            assert_eq!(u32::from_be_bytes(size) as usize + 4, frames.steady.len(), "{case:?}");
            assert!(frames.first.len() >= frames.steady.len(), "{case:?}");
            let slice = java.slice(case, Duration::from_millis(5));
            assert!(slice.ns > 0.0 && slice.allocated_bytes >= 0.0, "{case:?}");
        }
    }
}
