//! Which option a name means where it stands, and which one was meant when it means none.

use super::declare::{OptionSet, Row};
use super::jms::JmsOptions;
use super::options::FailoverOptions;
use super::query::Space;
use super::transport::TransportOptions;

/// Where a query stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// After the list of a failover URI.
    Failover,
    /// After the list of a failover URI that is itself in a list.
    InnerFailover,
    /// After a broker in a list.
    Broker,
    /// After a broker at the very end, with no list around it: `jms.` can stand there.
    LoneBroker,
}

/// A name that means nothing where it stands.
#[derive(Debug)]
pub(super) enum Missing {
    /// It means something elsewhere; this says where, and how it is written there.
    Elsewhere(String),
    /// It means nothing anywhere; the nearest name that does, if one is near.
    Nowhere(Option<String>),
}

/// Finds the option that `name` means.
///
/// As in Java the case of the first letter does not matter (the name is made into a setter's), that
/// of the others does.
pub(super) fn find(place: Place, name: &str) -> Result<(Space, &'static Row), Missing> {
    match place {
        Place::Failover => find_outer(name),
        Place::InnerFailover => match find_outer(name)? {
            found @ (Space::Nested, _) => Ok(found),
            (space, row) => Err(Missing::Elsewhere(format!(
                "a failover inside of another has no options but `nested.`: write `{}{}` in the \
                 outer query",
                space.prefix(),
                row.name
            ))),
        },
        Place::Broker | Place::LoneBroker => find_inner(place, name),
    }
}

fn find_outer(name: &str) -> Result<(Space, &'static Row), Missing> {
    if let Some(rest) = name.strip_prefix("nested.") {
        return match broker_row(rest) {
            Some(row) => Ok((Space::Nested, row)),
            None => Err(missing_nested(rest)),
        };
    }
    if let Some(rest) = name.strip_prefix("jms.") {
        return jms_row(rest).map(|row| (Space::Jms, row)).ok_or_else(|| {
            failover_row(rest).map_or_else(
                || Missing::Nowhere(nearest(name, names(Space::Jms))),
                |row| elsewhere("an option of failover", row.name),
            )
        });
    }
    if let Some(row) = failover_row(name) {
        return Ok((Space::Failover, row));
    }
    if let Some(row) = broker_row(name).or_else(|| unprefixed(name)) {
        return Err(Missing::Elsewhere(format!(
            "it is an option of a broker: write `{0}` in the broker's own query, or `nested.{0}` \
             here for all of them",
            row.name
        )));
    }
    if let Some(row) = jms_row(name) {
        return Err(elsewhere("an option of the connection", &format!("jms.{}", row.name)));
    }
    if let Some(row) = name.strip_prefix("transport.").and_then(failover_row) {
        return Err(elsewhere("an option of failover, which has no prefix", row.name));
    }
    if name == "backOffMultiplier" {
        // Java's field has this name, and its .NET client the option; Java's option has another.
        return Err(Missing::Nowhere(Some("reconnectDelayExponent".to_owned())));
    }
    let all = names(Space::Failover)
        .chain(names(Space::Nested))
        .chain(names(Space::Jms))
        // `conectionTimeout` is as near to `nested.connectionTimeout` as to the name alone.
        .chain(names(Space::Broker).map(|(bare, _)| (bare.clone(), format!("nested.{bare}"))));
    Err(Missing::Nowhere(nearest(name, all)))
}

fn missing_nested(rest: &str) -> Missing {
    if let Some(row) = failover_row(rest) {
        return elsewhere("an option of failover itself", row.name);
    }
    if let Some(row) = rest.strip_prefix("jms.").and_then(jms_row) {
        return elsewhere("an option of the connection", &format!("jms.{}", row.name));
    }
    if let Some(row) = unprefixed(rest) {
        return elsewhere("an option with a prefix", &format!("nested.{}", row.name));
    }
    Missing::Nowhere(nearest(&format!("nested.{rest}"), names(Space::Nested)))
}

fn find_inner(place: Place, name: &str) -> Result<(Space, &'static Row), Missing> {
    if let Some(row) = broker_row(name) {
        return Ok((Space::Broker, row));
    }
    let connection = "an option of the connection";
    if let Some(rest) = name.strip_prefix("jms.") {
        return match (place, jms_row(rest)) {
            (Place::LoneBroker, Some(row)) => Ok((Space::Jms, row)),
            (Place::Broker | Place::Failover | Place::InnerFailover, Some(row)) => {
                Err(elsewhere(connection, &format!("failover:(..)?jms.{}=..", row.name)))
            }
            (_, None) => Err(Missing::Nowhere(nearest(name, names(Space::Jms)))),
        };
    }
    if let Some(row) = name.strip_prefix("nested.").and_then(broker_row) {
        return Err(elsewhere("for the query after a list", row.name));
    }
    let bare = name.strip_prefix("transport.").unwrap_or(name);
    if let Some(row) = failover_row(bare) {
        let form = format!("failover:(..)?{}=..", row.name);
        return Err(elsewhere("an option of failover", &form));
    }
    if let Some(row) = unprefixed(name) {
        return Err(elsewhere("an option with a prefix", row.name));
    }
    if let Some(row) = jms_row(name) {
        return Err(elsewhere(connection, &format!("jms.{}", row.name)));
    }
    Err(Missing::Nowhere(nearest(name, names(Space::Broker))))
}

fn elsewhere(what: &str, write: &str) -> Missing {
    Missing::Elsewhere(format!("it is {what}: write `{write}`"))
}

fn failover_row(name: &str) -> Option<&'static Row> {
    FailoverOptions::rows().iter().find(|row| is_same(name, row.name))
}

fn jms_row(name: &str) -> Option<&'static Row> {
    JmsOptions::rows().iter().find(|row| is_same(name, row.name))
}

/// The option of a broker. `transport.` may stand before those without a prefix: the .NET client
/// wants it there, and Java's brokers want it in the URIs they listen on.
fn broker_row(name: &str) -> Option<&'static Row> {
    let bare = name.strip_prefix("transport.").filter(|rest| !rest.contains('.'));
    TransportOptions::rows().find(|row| is_same(bare.unwrap_or(name), row.name))
}

/// The option of a broker whose prefix, `wireFormat.` or `socket.`, was forgotten.
fn unprefixed(name: &str) -> Option<&'static Row> {
    TransportOptions::rows()
        // `wireFormat.` is the likelier of the two.
        .filter(|row| row.name.starts_with("wireFormat."))
        .chain(TransportOptions::rows())
        .find(|row| row.name.split_once('.').is_some_and(|(_, bare)| is_same(name, bare)))
}

/// True for equal names, but for the case of the first letter after the last dot.
fn is_same(name: &str, known: &str) -> bool {
    if name.len() != known.len() {
        return false;
    }
    let letter = known.rfind('.').map_or(0, |dot| dot + 1);
    name.bytes().zip(known.bytes()).enumerate().all(|(at, (given, known))| {
        given == known || at == letter && given.eq_ignore_ascii_case(&known)
    })
}

/// All names of a space, to compare with and to suggest.
fn names(space: Space) -> impl Iterator<Item = (String, String)> {
    let rows: Vec<&'static Row> = match space {
        Space::Failover => FailoverOptions::rows().iter().collect(),
        Space::Broker | Space::Nested => TransportOptions::rows().collect(),
        Space::Jms => JmsOptions::rows().iter().collect(),
    };
    rows.into_iter().map(move |row| {
        let name = format!("{}{}", space.prefix(), row.name);
        (name.clone(), name)
    })
}

/// The nearest of some names, unless even that one is far: more than a third of the letters off.
fn nearest(name: &str, known: impl Iterator<Item = (String, String)>) -> Option<String> {
    let far = (name.chars().count() / 3).max(1);
    known
        .map(|(compared, suggested)| (distance(name, &compared), suggested))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, suggested)| suggested)
}

/// The nearest of some words, likewise.
pub(super) fn nearest_of(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let far = (name.chars().count() / 3).max(1);
    known
        .iter()
        .map(|word| (distance(name, word), *word))
        .filter(|(distance, _)| *distance <= far)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The longest name that is compared; all known ones are shorter.
const MAX_COMPARED: usize = 64;

/// How many letters must be added, taken away, replaced or swapped to make one of the other; upper
/// and lower case are the same.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<u8> = left.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let right: Vec<u8> = right.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    if left.len() > MAX_COMPARED || right.len() > MAX_COMPARED {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, &letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &other) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            let swapped =
                row > 0 && column > 0 && letter == right[column - 1] && left[row - 1] == other;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}
