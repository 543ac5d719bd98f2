//! What a chore is made of: commands that are shown, run in the workspace, and have to succeed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a chore ends with: nothing, or why it failed, for people.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo builds to: this program was built there, in a directory of its profile.
pub(crate) fn target_directory() -> Done<PathBuf> {
    let own = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let target = own.parent().and_then(Path::parent);
    target.map(Path::to_owned).ok_or_else(|| format!("{} is in no target directory", own.display()))
}

/// The cargo that runs this program, to be run in the workspace.
pub(crate) fn cargo<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root()).args(arguments.into_iter().map(Into::into));
    command
}

/// Shows a command, runs it, and fails when it fails.
pub(crate) fn run(mut command: Command) -> Done {
    let shown = show(&command);
    eprintln!("+ {shown}");
    let status = command.status().map_err(|error| format!("`{shown}` does not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed: {status}")) }
}

/// Runs a command in silence and returns what it printed; fails when it fails.
pub(crate) fn output(mut command: Command) -> Done<String> {
    let shown = show(&command);
    let output = command.output().map_err(|error| format!("`{shown}` does not start: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{shown}` failed: {}\n{}", output.status, said.trim_end()))
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).display().to_string();
    let arguments = command.get_args().map(|argument| argument.display().to_string());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{cargo, output, run};

    #[test]
    fn a_failing_command_fails_its_chore_with_its_name_and_words() {
        let why = output(cargo(["no-such-command"])).expect_err("there is no such command");
        assert!(why.contains("no-such-command` failed"), "{why}");
        assert!(why.contains("no such command"), "{why}");
        assert!(run(cargo(["--no-such-flag"])).is_err());
    }
}
