//! Tests of the whole room: grammar, options, errors, secrets, and the way there and back.

mod errors;
mod grammar;
mod options;
mod roundtrip;
mod secrets;

use super::{FailoverUri, OptionValue, UriError, UriErrorKind};

fn parse(text: &str) -> FailoverUri {
    match FailoverUri::parse(text) {
        Ok(uri) => uri,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn fail(text: &str) -> UriError {
    match FailoverUri::parse(text) {
        Ok(uri) => panic!("{text} was taken as {uri}"),
        Err(error) => error,
    }
}

/// The brokers as they are printed.
fn brokers(text: &str) -> Vec<String> {
    parse(text).brokers().iter().map(ToString::to_string).collect()
}

/// The value of an option of failover, as explained.
fn option(text: &str, name: &str) -> OptionValue {
    let explained = parse(text).explain();
    match explained.options.into_iter().find(|option| option.name == name) {
        Some(option) => option.value,
        None => panic!("no option {name}"),
    }
}

fn is_unknown(error: &UriError, name: &str, suggestion: Option<&str>) -> bool {
    matches!(&error.kind, UriErrorKind::UnknownOption { option, nearest, .. }
        if option == name && nearest.as_deref() == suggestion)
}

fn is_misplaced(error: &UriError, write: &str) -> bool {
    matches!(&error.kind, UriErrorKind::Misplaced { instead, .. }
        if instead.contains(&format!("`{write}`")))
}
