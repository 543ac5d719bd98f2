//! `cargo xtask examples`: runs the programs under `examples/`, each on a broker of its own, to its end.

use std::process::Command;
use std::time::Duration;

use rewire_test_support::{ActiveMq, Running, java_requirements};
use serde_json::Value;

use crate::chore::{self, Done, cargo, target_directory};

/// An example ends by itself, and soon.
const EXAMPLE: Duration = Duration::from_secs(60);

/// Builds all examples and runs each with a `failover:` URI as its only argument.
pub(crate) fn run() -> Done {
    let metadata = chore::output(cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let names = examples(&metadata)?;
    if names.is_empty() {
        eprintln!("there are no examples");
        return Ok(());
    }
    java_requirements()?;
    chore::run(cargo(["build", "--package", PACKAGE, "--examples"]))?;
    let built = target_directory()?.join("debug").join("examples");
    for name in names {
        let broker = ActiveMq::start();
        let mut command = Command::new(built.join(&name));
        command.arg(format!("failover:({})", broker.uri()));
        eprintln!("+ {name}");
        let mut example = Running::start(&name, command);
        example.feed(String::new());
        for line in example.finish(EXAMPLE).success().stdout() {
            println!("{line}");
        }
    }
    Ok(())
}

/// The package of the programs that show how Rewire is used; other packages' examples are tools.
const PACKAGE: &str = "rewire-examples";

/// The names of the examples, out of what `cargo metadata` prints.
fn examples(metadata: &str) -> Done<Vec<String>> {
    let metadata: Value =
        serde_json::from_str(metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let targets = list(&metadata["packages"])
        .into_iter()
        .filter(|package| package["name"] == PACKAGE)
        .flat_map(|package| list(&package["targets"]));
    let is_example = |target: &Value| list(&target["kind"]).iter().any(|kind| kind == "example");
    let mut names: Vec<String> = targets
        .filter(is_example)
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::examples;

    #[test]
    fn the_examples_are_found_and_the_tools_of_other_packages_left_out() {
        let metadata = r#"{"packages":[
            {"name":"rewire-examples","targets":[{"kind":["lib"],"name":"a"},
             {"kind":["example"],"name":"send"},{"kind":["example"],"name":"receive"}]},
            {"name":"other","targets":[{"kind":["example"],"name":"tool"}]}]}"#;
        assert_eq!(examples(metadata), Ok(vec!["receive".to_owned(), "send".to_owned()]));
        assert!(examples("").is_err());
    }
}
