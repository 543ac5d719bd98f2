//! What the kernel says of a process: the CPU it used, the memory it takes up.

/// Seconds of CPU, of the user and the system, that a process used so far.
///
/// # Panics
///
/// When there is no such process.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    /// Clock ticks a second, the same on every Linux.
    const TICKS: f64 = 100.0;
    let stat = read(pid, "stat");
    // The name of the program, in parentheses, may have spaces.
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |place: usize| after_name.split(' ').nth(place)?.parse::<f64>().ok();
    let used = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
    used.expect("the kernel counts its CPU") / TICKS
}

/// Bytes of memory that a process takes up.
///
/// # Panics
///
/// When there is no such process.
pub(crate) fn resident_bytes(pid: u32) -> f64 {
    let status = read(pid, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.expect("the kernel counts its memory") * 1024.0
}

/// Whether a process is held (SIGSTOP).
pub(crate) fn is_stopped(pid: u32) -> bool {
    read(pid, "status").lines().any(|line| line.starts_with("State:") && line.contains('T'))
}

/// The load of the machine, as the kernel puts it.
#[must_use]
pub fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

fn read(pid: u32, file: &str) -> String {
    let file = format!("/proc/{pid}/{file}");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_up_memory_and_uses_cpu() {
        let pid = std::process::id();
        assert!(resident_bytes(pid) > 100_000.0);
        assert!(cpu_seconds(pid) >= 0.0);
        assert!(!is_stopped(pid));
    }
}
