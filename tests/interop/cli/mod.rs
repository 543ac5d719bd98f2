//! The program `rewire` against a real broker: what it says of a run is compared with what came.

mod failover;
mod faults;
mod java;
mod matrix;
mod security;
mod watch;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rewire_test_support::Program;
use serde_json::Value;

/// Long enough for every run here on a busy machine, failover included.
const RUN: Duration = Duration::from_secs(180);

/// `rewire VERB URI DESTINATION`, to be given more arguments.
fn rewire(verb: &str, uri: &str, destination: &str) -> Program {
    Program::rewire([verb, uri, destination])
}

/// A log that another process is writing, a line a message.
struct Log {
    path: PathBuf,
    file: Option<File>,
    lines: usize,
}

impl Log {
    fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, lines: 0 }
    }

    /// How many whole lines it has by now; reads only what is new.
    fn lines(&mut self) -> usize {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut fresh = Vec::new();
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut fresh).expect("the log can be read");
        }
        self.lines += fresh.iter().filter(|byte| **byte == b'\n').count();
        self.lines
    }

    /// Every whole line there is by now.
    fn read_so_far(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// Every line, once its writer has ended.
    fn read(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).expect("the log can be read");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

/// What a log of `rewire receive` says came, by the properties `pid` and `seq`.
#[derive(Default)]
struct Arrivals {
    seen: HashMap<String, BTreeSet<u64>>,
    /// The sequence numbers in the order in which each came for the first time.
    firsts: Vec<u64>,
    duplicates: u64,
}

impl Arrivals {
    fn of(log: &[Value]) -> Self {
        let mut arrivals = Self::default();
        for line in log {
            let pid = line["pid"].as_str().expect("a line names the producer").to_owned();
            let seq = line["seq"].as_u64().expect("a line has a sequence number");
            if arrivals.seen.entry(pid).or_default().insert(seq) {
                arrivals.firsts.push(seq);
            } else {
                arrivals.duplicates += 1;
            }
        }
        arrivals
    }

    /// Every number below `count` came, and first came after the one before it.
    fn assert_complete_and_in_order(&self, count: u64) {
        let wrong = self.firsts.iter().zip(0..).find(|(seq, expected)| *seq != expected);
        assert_eq!(wrong, None, "the first number out of its place, and what belongs there");
        assert_eq!(self.firsts.len() as u64, count);
    }
}
