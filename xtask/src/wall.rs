//! `cargo xtask wall`: the cores know no runtime, and nothing unmaintained is pulled in.

use std::collections::BTreeSet;

use crate::chore::{self, Done, cargo};

/// What would mean that the protocol does I/O.
const RUNTIMES: [&str; 8] =
    ["tokio", "tokio-util", "mio", "async-std", "smol", "async-io", "async-executor", "socket2"];
/// Unmaintained, or pulled in only by what is.
const UNWANTED: [&str; 5] = ["backoff", "instant", "async-std", "rustls-pemfile", "paste"];

/// Checks every wall, and fails at the first that has a hole.
pub(crate) fn run() -> Done {
    chore::run(cargo(["check", "-p", "rewire-protocol"]))?;
    let failover = ["check", "-p", "rewire-failover", "--no-default-features"];
    chore::run(cargo(failover))?;
    for features in ["tokio", "tokio,tls", "tokio,http", "serde"] {
        chore::run(cargo(failover.iter().copied().chain(["--features", features])))?;
    }
    let client = ["check", "-p", "rewire", "--no-default-features"];
    chore::run(cargo(client))?;
    for features in ["metrics", "serde", "metrics,serde,tls,http"] {
        chore::run(cargo(client.iter().copied().chain(["--features", features])))?;
    }
    let broker = ["check", "-p", "rewire-broker", "--no-default-features"];
    chore::run(cargo(broker))?;
    for features in ["tokio", "tokio,tls", "settings", "http"] {
        chore::run(cargo(broker.iter().copied().chain(["--features", features])))?;
    }
    let tree = |arguments: &[&str]| {
        let common = ["tree", "--prefix", "none", "--format", "{p}", "--target", "all"];
        chore::output(cargo(common.iter().chain(arguments).copied()))
    };
    let protocol = tree(&["-p", "rewire-protocol", "-e", "normal"])?;
    none_of(&RUNTIMES, &protocol, "rewire-protocol depends on")?;
    let core = tree(&["-p", "rewire-failover", "-e", "normal", "--no-default-features"])?;
    none_of(&RUNTIMES, &core, "rewire-failover without its shell depends on")?;
    let core = tree(&["-p", "rewire-broker", "-e", "normal", "--no-default-features"])?;
    none_of(&RUNTIMES, &core, "rewire-broker without its shell depends on")?;
    let all = tree(&["--workspace", "-e", "all", "--all-features"])?;
    none_of(&UNWANTED, &all, "the workspace depends on")?;
    eprintln!("the walls stand");
    Ok(())
}

/// Fails when the tree, a package a line, holds one of `names`.
fn none_of(names: &[&str], tree: &str, what: &str) -> Done {
    let packages: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // A format that this does not understand must not look like a wall that stands.
    if !packages.iter().any(|package| package.starts_with("rewire-")) {
        return Err(format!("cargo tree names no package of ours:\n{tree}"));
    }
    let found: Vec<&str> = names.iter().copied().filter(|name| packages.contains(name)).collect();
    if found.is_empty() { Ok(()) } else { Err(format!("{what} {}", found.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::{RUNTIMES, none_of};

    #[test]
    fn a_runtime_in_the_tree_is_a_hole() {
        let tree =
            "rewire-protocol v0.1.0 (somewhere)\nbytes v1.12.1\ntokio v1.54.0\nmio v1.1.0 (*)";
        let why = none_of(&RUNTIMES, tree, "it depends on").expect_err("there are two");
        assert_eq!(why, "it depends on tokio, mio");
    }

    #[test]
    fn a_name_that_only_begins_like_a_runtime_is_none() {
        let tree = "rewire-protocol v0.1.0\ntokio-macros v2.6.0\nsmol_str v0.3.0";
        assert_eq!(none_of(&RUNTIMES, tree, "it depends on"), Ok(()));
    }

    #[test]
    fn a_tree_without_our_packages_is_not_believed() {
        assert!(none_of(&RUNTIMES, "", "it depends on").is_err());
    }
}
