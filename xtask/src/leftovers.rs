//! Processes that a run started and did not end: known by a variable they inherited, never by name.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::chore::Done;

/// Kills every process whose environment holds `mark` (`NAME=value`), and says which they were.
pub(crate) fn end_all(mark: &str) -> Done<Vec<String>> {
    let processes = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let mut ended = Vec::new();
    for process in processes.flatten() {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let marked = environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes());
        let Some(pid) = marked.then(|| pid(&process.file_name())).flatten() else { continue };
        let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        // Gone in between is as good as ended here, but it was left running all the same.
        let _gone = kill_process(pid, Signal::KILL);
        ended.push(format!("{} {words}", pid.as_raw_nonzero()));
    }
    Ok(ended)
}

fn pid(name: &OsStr) -> Option<Pid> {
    let number = std::str::from_utf8(name.as_bytes()).ok()?.parse().ok()?;
    Pid::from_raw(number)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use super::end_all;

    #[test]
    fn a_process_left_by_a_run_is_found_by_its_mark_and_killed_and_no_other_is() {
        let started = |mark: &str| {
            let mut command = Command::new("cat");
            command.env("REWIRE_LEFTOVER_TEST", mark).stdin(Stdio::piped()).spawn()
        };
        let own = std::process::id();
        let mut left = started(&format!("{own}")).expect("cat starts");
        let mut other = started(&format!("{own}-other")).expect("cat starts");

        let ended = end_all(&format!("REWIRE_LEFTOVER_TEST={own}")).expect("/proc is there");

        assert_eq!(ended.len(), 1, "{ended:?}");
        assert!(ended[0].starts_with(&format!("{} cat", left.id())), "{ended:?}");
        assert_eq!(left.wait().expect("it ended").signal(), Some(9));
        assert!(matches!(other.try_wait(), Ok(None)));
        drop(other.stdin.take());
        assert!(other.wait().expect("it ended").success());
        assert_eq!(end_all(&format!("REWIRE_LEFTOVER_TEST={own}")), Ok(Vec::new()));
    }
}
