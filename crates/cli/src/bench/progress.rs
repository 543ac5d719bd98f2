//! How far a run is: a bar on a terminal, a line now and then in a file.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::memory::resident_kib;
use crate::run::complain;

/// How often a file is told.
const LINE_EVERY: u64 = 60;

/// Counted by the tasks of a run, for those who watch.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) confirmed: AtomicU64,
    pub(crate) received: AtomicU64,
}

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    lines: u64,
}

impl Progress {
    pub(crate) fn new(duration: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}");
            ProgressBar::new(duration.as_secs().max(1))
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, lines: 0 }
    }

    /// To be called once a second.
    pub(crate) fn show(&mut self, passed: Duration, live: &Live, interruptions: u64) {
        let confirmed = live.confirmed.load(Ordering::Relaxed);
        let received = live.received.load(Ordering::Relaxed);
        let mut said = format!("{confirmed} confirmed, {received} received");
        if interruptions > 0 {
            said += &format!(", {interruptions} interruptions");
        }
        if let Some(bar) = &self.bar {
            bar.set_position(passed.as_secs());
            bar.set_message(said);
        } else if passed.as_secs() / LINE_EVERY > self.lines {
            self.lines = passed.as_secs() / LINE_EVERY;
            if let Some(kib) = resident_kib() {
                said += &format!(", {kib} KiB");
            }
            complain(&format!("{} s: {said}", passed.as_secs()));
        }
    }

    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
