//! The log of a run: a line of JSON a message, that a watcher can follow.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::run::Failure;

/// How long a line may stay unwritten.
const FLUSH_EVERY: Duration = Duration::from_millis(100);

/// A file that is written in large pieces, but not late.
pub(crate) struct Log {
    file: Option<BufWriter<File>>,
    tick: Interval,
    error: Option<std::io::Error>,
}

impl Log {
    /// Makes the file, or nothing if none is wanted.
    pub(crate) fn create(path: Option<&Path>) -> Result<Self, Failure> {
        let create = |path: &Path| {
            let problem =
                |error| Failure::failed(format!("cannot write {}: {error}", path.display()));
            File::create(path).map(|file| BufWriter::with_capacity(1 << 16, file)).map_err(problem)
        };
        let mut tick = interval(FLUSH_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { file: path.map(create).transpose()?, tick, error: None })
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if let Some(file) = &mut self.file {
            let written = writeln!(file, "{line}");
            self.note(written);
        }
    }

    /// Waits for something, and writes what is due meanwhile.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                _ = self.tick.tick() => self.flush(),
                done = &mut work => return done,
            }
        }
    }

    /// Writes all there is; fails if anything could not be written.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush();
        match self.error {
            Some(error) => Err(Failure::failed(format!("the log is not complete: {error}"))),
            None => Ok(()),
        }
    }

    fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            let flushed = file.flush();
            self.note(flushed);
        }
    }

    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
    }
}
