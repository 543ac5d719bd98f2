//! The program `rewire`, as built, run beside a test.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::process::{Finished, Running};

/// One run of the program `rewire`.
///
/// It is the one `REWIRE_BIN` names, which `cargo xtask interop` sets; else the one built beside
/// the running test.
#[derive(Debug)]
pub struct Program {
    command: Command,
    name: String,
}

impl Program {
    /// `rewire` with these arguments.
    ///
    /// # Panics
    ///
    /// When the program was not built.
    #[must_use]
    pub fn rewire<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let verb = arguments.first().map(|verb| verb.display().to_string()).unwrap_or_default();
        let mut command = Command::new(binary());
        command.args(arguments);
        Self { command, name: format!("rewire {verb}") }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.command.arg(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it.
    #[must_use]
    pub fn start(self) -> Running {
        Running::start(&self.name, self.command)
    }

    /// Runs it to its end with nothing on stdin, whatever its exit code.
    ///
    /// # Panics
    ///
    /// When it has not ended at the deadline.
    #[must_use]
    pub fn run(self, deadline: Duration) -> Finished {
        let mut running = self.start();
        running.feed(String::new());
        running.finish(deadline)
    }
}

/// Where cargo put what belongs to the running program: the directory of its profile.
pub(crate) fn profile_directory() -> PathBuf {
    let mut directory = std::env::current_exe().expect("a running program has a file");
    directory.pop();
    if directory.ends_with("deps") || directory.ends_with("examples") {
        directory.pop();
    }
    directory
}

fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("REWIRE_BIN") {
        return named.into();
    }
    let beside = profile_directory().join("rewire");
    assert!(
        beside.is_file(),
        "{} was not built: cargo build -p rewire-cli, or name it in REWIRE_BIN",
        beside.display()
    );
    beside
}
