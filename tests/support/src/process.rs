//! A child process whose output is read as it comes, and which never outlives its handle.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::wait::{Deadline, eventually_some, monotonic_ns};

/// Lines of stdout kept until a test reads them; past that the child waits at its pipe.
const STDOUT_LINES: usize = 1024;
/// Bytes of stderr kept; the rest is read and dropped, so that the child never waits for us.
const STDERR_BYTES: usize = 1 << 20;

/// A child process. Dropping it kills it, and waits until it is gone.
pub struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

/// How a process ended, and all it printed that was not read before.
#[derive(Clone, Debug)]
pub struct Finished {
    name: String,
    status: ExitStatus,
    stdout: Vec<String>,
    stderr: String,
}

impl Running {
    /// Starts `command` with pipes for stdin, stdout and stderr. `name` is what panics call it.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    #[must_use]
    pub fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{name} ({}) does not start: {error}", command.get_program().display())
        });
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (lines, received) = sync_channel(STDOUT_LINES);
        std::thread::spawn(move || pass_lines(stdout, &lines));
        let stderr = std::thread::spawn(move || keep_some(stderr));
        let stdin = child.stdin.take();
        Self { name: name.to_owned(), child, stdin, stdout: received, stderr: Some(stderr) }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to its stdin.
    ///
    /// # Panics
    ///
    /// When it reads no more, or its stdin was handed over before.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is still ours");
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .unwrap_or_else(|error| panic!("{} takes no more input: {error}", self.name));
    }

    /// Writes all of `text` to its stdin, beside us, and closes it. An empty text only closes.
    pub fn feed(&mut self, text: String) {
        if let Some(mut stdin) = self.stdin.take() {
            // A child that ends before it has read everything shows in its exit code.
            std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        }
    }

    /// Its next line on stdout; `None` at the end of its output.
    ///
    /// # Panics
    ///
    /// When neither comes within `deadline`.
    pub fn line(&mut self, deadline: Duration) -> Option<String> {
        match self.stdout.recv_timeout(deadline) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                self.fail(&format!("printed nothing within {deadline:?}"))
            }
        }
    }

    /// Its next line on stdout that is a JSON object with `key`; other lines are passed over.
    ///
    /// # Panics
    ///
    /// When none comes within `deadline`, or the output ends before.
    pub fn json_with(&mut self, key: &str, deadline: Duration) -> Value {
        let until = Deadline::after(deadline);
        while let Some(line) = self.line(until.left()) {
            if let Some(found) = json(&line).filter(|value| value.get(key).is_some()) {
                return found;
            }
        }
        self.fail(&format!("ended and never printed {key:?}"))
    }

    /// Sends SIGKILL, waits until it is gone, and returns the [`monotonic_ns`] just before.
    pub fn kill(&mut self) -> u64 {
        let at_ns = monotonic_ns();
        // Only fails when the process has ended and was waited for: what was wanted.
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
        at_ns
    }

    /// Asks it to end (SIGTERM) and waits for that.
    ///
    /// # Panics
    ///
    /// When it has not ended at the deadline.
    pub fn terminate(&mut self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(deadline)
    }

    /// Asks it to end as a person does at a terminal (SIGINT), and does not wait.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// Holds it (SIGSTOP): its sockets stay open and nobody answers.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets a held process go on (SIGCONT).
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end without reading its output.
    ///
    /// # Panics
    ///
    /// When it has not ended at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        eventually_some(deadline, &what, || {
            self.child.try_wait().expect("our own child can be waited for")
        })
    }

    /// Closes its stdin unless it is in use, reads everything it prints, and waits for its end.
    ///
    /// # Panics
    ///
    /// When it has not ended at the deadline.
    #[must_use]
    pub fn finish(mut self, deadline: Duration) -> Finished {
        let until = Deadline::after(deadline);
        let mut stdout = Vec::new();
        loop {
            match self.stdout.recv_timeout(until.left()) {
                Ok(line) => stdout.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let said = last_of(&stdout);
                    self.fail(&format!("has not ended within {deadline:?}\n{said}"))
                }
            }
        }
        let status = self.wait(until.left());
        let stderr = self.stderr();
        Finished { name: self.name.clone(), status, stdout, stderr }
    }

    /// Kills it, and panics with what it said on stderr.
    fn fail(&mut self, why: &str) -> ! {
        self.kill();
        let stderr = self.stderr();
        panic!("{} {why}\n{stderr}", self.name)
    }

    fn stderr(&mut self) -> String {
        self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }

    fn signal(&mut self, signal: Signal) {
        // A child that was waited for has given its id away: asked first, never signalled after.
        assert!(self.is_running(), "{} is not running", self.name);
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("our own child takes a signal");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("name", &self.name).field("pid", &self.pid()).finish()
    }
}

impl Finished {
    /// The exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The lines on stdout that were not read before.
    #[must_use]
    pub fn stdout(&self) -> &[String] {
        &self.stdout
    }

    /// What came on stderr, up to a MiB.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Itself, if the exit code is 0.
    ///
    /// # Panics
    ///
    /// Otherwise, with what it said.
    pub fn success(self) -> Self {
        assert!(
            self.status.success(),
            "{} ended with {}\n{}\n{}",
            self.name,
            self.status,
            last_of(&self.stdout),
            self.stderr
        );
        self
    }

    /// Every line on stdout that is a JSON object.
    #[must_use]
    pub fn json(&self) -> Vec<Value> {
        self.stdout.iter().filter_map(|line| json(line)).collect()
    }

    /// The last JSON object on stdout.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn last_json(&self) -> Value {
        self.json().pop().unwrap_or_else(|| {
            panic!(
                "{} printed no JSON object\n{}\n{}",
                self.name,
                last_of(&self.stdout),
                self.stderr
            )
        })
    }
}

fn json(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok().filter(Value::is_object)
}

fn last_of(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn pass_lines(stdout: impl Read, lines: &SyncSender<String>) {
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
        if lines.send(text).is_err() {
            return;
        }
        line.clear();
    }
}

fn keep_some(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 8192];
    while let Ok(read @ 1..) = stderr.read(&mut chunk) {
        let room = STDERR_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests;
