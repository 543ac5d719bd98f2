//! How much memory this program takes up over time.

/// Samples that are kept; with more, every second one is dropped, and the next come half as often.
const SAMPLES: usize = 4096;

/// Samples of memory at even times.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    kib: Vec<u64>,
    /// Each sample that is kept stands for so many that came, as a power of two.
    shift: u32,
    came: u64,
    pub(crate) most_kib: u64,
}

impl Memory {
    /// Takes a sample, where the system tells.
    pub(crate) fn sample(&mut self) {
        if let Some(kib) = resident_kib() {
            self.note(kib);
        }
    }

    fn note(&mut self, kib: u64) {
        self.most_kib = self.most_kib.max(kib);
        if self.came.is_multiple_of(1 << self.shift) {
            self.kib.push(kib);
        }
        self.came += 1;
        if self.kib.len() == SAMPLES {
            let mut place = 0;
            self.kib.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.shift += 1;
        }
    }

    /// The median of each tenth of the time; of fewer samples, each.
    pub(crate) fn tenths(&self) -> Vec<u64> {
        if self.kib.len() < 10 {
            return self.kib.clone();
        }
        let median = |tenth: usize| {
            let (from, to) = (self.kib.len() * tenth / 10, self.kib.len() * (tenth + 1) / 10);
            let mut these = self.kib[from..to].to_vec();
            these.sort_unstable();
            these[these.len() / 2]
        };
        (0..10).map(median).collect()
    }
}

/// What is resident now; `None` where the system does not say so in Linux's way.
pub(crate) fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_shown_by_its_median() {
        let mut memory = Memory::default();
        for sample in 0..100 {
            memory.note(if sample % 10 == 3 { 9999 } else { 100 + sample / 10 });
        }
        assert_eq!(memory.tenths(), (100..110).collect::<Vec<_>>());
        assert_eq!(memory.most_kib, 9999);
    }

    #[test]
    fn many_samples_take_no_more_room_and_keep_their_times() {
        let mut memory = Memory::default();
        for sample in 0..1_000_000 {
            memory.note(sample);
        }
        assert!(memory.kib.len() < SAMPLES);
        let tenths = memory.tenths();
        assert_eq!(tenths.len(), 10);
        for (tenth, kib) in (0..).zip(tenths) {
            assert!(kib.abs_diff(100_000 * tenth + 50_000) < 5_000, "{tenth}: {kib}");
        }
    }
}
