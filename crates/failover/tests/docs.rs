//! `docs/failover.md` says what is true: every option with its default, held by a test that exists.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rewire_failover::uri::FailoverUri;

const PAGE: &str = include_str!("../../../docs/failover.md");

/// The rows of the failover options: the default and the test, by the name of the option.
fn rows() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let page = PAGE.split("## Options of each broker").next().unwrap_or_default();
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    let rows = page.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|row| (row[0].trim_matches('`'), (row[1], row[3].trim_matches('`')))).collect()
}

/// Adds the text of all sources in a folder.
fn read_sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_option_is_on_the_page_with_its_default() {
    let rows = rows();
    let options = FailoverUri::parse("failover:(tcp://a:1)").unwrap().explain().options;
    for option in &options {
        let (default, _) = rows.get(option.name).unwrap_or_else(|| panic!("{}", option.name));
        let value = option.value.to_string();
        let value = if value.is_empty() { "-" } else { &value };
        assert!(default.split(' ').next() == Some(value), "{}: {value}", option.name);
    }
    assert_eq!(rows.len(), options.len(), "no option is on the page that does not exist");
}

#[test]
fn every_option_is_held_by_a_test_that_exists() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut sources = String::new();
    read_sources(crates, &mut sources);
    read_sources(&crates.join("../tests"), &mut sources);
    for (option, (_, test)) in rows() {
        assert!(!test.is_empty(), "{option} is held by nothing");
        assert!(sources.contains(&format!("fn {test}(")), "{option}: there is no test {test}");
    }
}
