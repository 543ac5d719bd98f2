//! `cargo xtask fuzz`: the fuzz targets, each for some seconds, on a nightly compiler.

use std::process::Command;

use crate::chore::{self, Done, root};

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    seconds: u32,
    list: bool,
    targets: Vec<String>,
}

/// Fuzzes every target, or those named.
pub(crate) fn run(arguments: &[String]) -> Done {
    let asked = parse(arguments)?;
    let known = targets()?;
    if asked.list {
        known.iter().for_each(|target| println!("{target}"));
        return Ok(());
    }
    if let Some(unknown) = asked.targets.iter().find(|target| !known.contains(target)) {
        return Err(format!("no fuzz target {unknown:?}; there are: {}", known.join(", ")));
    }
    tools()?;
    let chosen = if asked.targets.is_empty() { &known } else { &asked.targets };
    for target in chosen {
        let corpus = format!("fuzz/corpus/{target}");
        std::fs::create_dir_all(root().join(&corpus))
            .map_err(|error| format!("{corpus}: {error}"))?;
        let mut command = nightly(["fuzz", "run", target, &corpus, seeds(target), "--"]);
        command.arg("-max_len=4096").arg(format!("-max_total_time={}", asked.seconds));
        chore::run(command)?;
    }
    Ok(())
}

/// What a target begins with: frames, unless it reads something else.
fn seeds(target: &str) -> &'static str {
    match target {
        "commands" => "fuzz/sequences",
        "selectors" => "fuzz/selectors",
        _ => "fuzz/seeds",
    }
}

fn parse(arguments: &[String]) -> Done<Asked> {
    let mut asked = Asked { seconds: 30, list: false, targets: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let given = rest.next().ok_or("--seconds needs a number")?;
            asked.seconds =
                given.parse().map_err(|_| format!("--seconds {given}: not a number"))?;
        } else if argument == "--list" {
            asked.list = true;
        } else if argument.starts_with('-') {
            return Err(format!("unknown option {argument}"));
        } else {
            asked.targets.push(argument.clone());
        }
    }
    Ok(asked)
}

/// The names of the targets: a file each, as `cargo fuzz init` lays them out.
fn targets() -> Done<Vec<String>> {
    let folder = root().join("fuzz").join("fuzz_targets");
    let files =
        std::fs::read_dir(&folder).map_err(|error| format!("fuzz/fuzz_targets: {error}"))?;
    let paths = files.flatten().map(|file| file.path());
    let rust = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut names: Vec<String> =
        rust.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    if names.is_empty() { Err("fuzz/fuzz_targets holds no target".to_owned()) } else { Ok(names) }
}

fn tools() -> Done {
    chore::output(nightly(["--version"]))
        .map_err(|_| "needs a nightly compiler: rustup toolchain install nightly")?;
    chore::output(nightly(["fuzz", "--version"]))
        .map_err(|_| "needs cargo-fuzz: cargo install --locked cargo-fuzz")?;
    Ok(())
}

/// The nightly cargo, by rustup's proxy: the cargo that runs this program knows no `+nightly`.
fn nightly<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root()).arg("+nightly").args(arguments);
    // Set for the toolchain that runs this program, and meant for that one only.
    for inherited in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS"] {
        command.env_remove(inherited);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::{Asked, parse};

    fn parsed(arguments: &[&str]) -> Result<Asked, String> {
        parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn targets_and_seconds_come_in_any_order() {
        let targets = vec!["decode".to_owned(), "uri".to_owned()];
        let asked = Asked { seconds: 5, list: false, targets };
        assert_eq!(parsed(&["decode", "--seconds", "5", "uri"]), Ok(asked));
        assert_eq!(parsed(&[]), Ok(Asked { seconds: 30, list: false, targets: Vec::new() }));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert_eq!(parsed(&["--second", "5"]), Err("unknown option --second".to_owned()));
        assert_eq!(parsed(&["--seconds"]), Err("--seconds needs a number".to_owned()));
        assert_eq!(parsed(&["--seconds", "x"]), Err("--seconds x: not a number".to_owned()));
    }
}
