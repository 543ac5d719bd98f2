//! `cargo xtask package`: what would be published can be packed, and says what it is.

use std::path::Path;

use serde_json::Value;

use crate::chore::{self, Done, cargo, target_directory};

/// What is for others to use, in the order of their dependencies.
const PUBLISHED: [&str; 5] =
    ["rewire-protocol", "rewire-failover", "rewire", "rewire-broker", "rewire-cli"];

/// Packs every published crate, and fails where one lacks what a registry or a reader needs.
pub(crate) fn run() -> Done {
    let metadata = chore::output(cargo(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let mut missing = Vec::new();
    for name in PUBLISHED {
        let Some(package) = packages.iter().find(|package| package["name"] == name) else {
            return Err(format!("there is no package {name}"));
        };
        missing.extend(lacks(package).into_iter().map(|what| format!("{name}: {what}")));
    }
    if !missing.is_empty() {
        return Err(format!("not ready to be published:\n  {}", missing.join("\n  ")));
    }
    // All at once, since they depend on each other and no registry has them. The code was built already.
    let mut pack = vec!["package", "--no-verify", "--allow-dirty"];
    pack.extend(PUBLISHED.iter().flat_map(|name| ["-p", name]));
    chore::run(cargo(pack))?;
    let folder = target_directory()?.join("package");
    for name in PUBLISHED {
        let version = packages.iter().find(|package| package["name"] == name);
        let version = version.and_then(|package| package["version"].as_str()).unwrap_or_default();
        let file = folder.join(format!("{name}-{version}.crate"));
        check_size(&file)?;
    }
    eprintln!("all can be packed");
    Ok(())
}

/// The most that a crate may be, packed: what a registry takes is ten times as much.
const LARGEST: u64 = 1 << 20;

fn check_size(file: &Path) -> Done {
    let size = std::fs::metadata(file)
        .map_err(|error| format!("{} was not packed: {error}", file.display()))?
        .len();
    if size > LARGEST {
        return Err(format!("{} has {size} bytes: what is in it?", file.display()));
    }
    Ok(())
}

/// What a package does not say of itself.
fn lacks(package: &Value) -> Vec<&'static str> {
    let has_text = |key: &str| package[key].as_str().is_some_and(|text| !text.is_empty());
    let has_some = |key: &str| package[key].as_array().is_some_and(|list| !list.is_empty());
    let mut lacks: Vec<_> = ["description", "license", "readme", "rust_version"]
        .into_iter()
        .filter(|key| !has_text(key))
        .collect();
    lacks.extend(["keywords", "categories"].into_iter().filter(|key| !has_some(key)));
    let is_library = package["targets"].as_array().is_some_and(|targets| {
        targets.iter().any(|target| {
            target["kind"].as_array().is_some_and(|kind| kind.contains(&"lib".into()))
        })
    });
    if is_library && package["metadata"]["docs"]["rs"].is_null() {
        lacks.push("metadata for docs.rs");
    }
    lacks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::lacks;

    #[test]
    fn what_a_package_does_not_say_of_itself_is_named() {
        let mut package = json!({
            "description": "d", "license": "MIT", "readme": "README.md", "rust_version": "1.95",
            "keywords": ["k"], "categories": ["c"], "targets": [{"kind": ["lib"]}],
            "metadata": {"docs": {"rs": {"all-features": true}}},
        });
        assert_eq!(lacks(&package), Vec::<&str>::new());
        package["readme"] = json!(null);
        package["keywords"] = json!([]);
        package["metadata"] = json!(null);
        assert_eq!(lacks(&package), ["readme", "keywords", "metadata for docs.rs"]);
    }
}
