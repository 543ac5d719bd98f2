//! Users, their groups, and what these may do.

use std::collections::BTreeSet;

use rewire_protocol::{Destination, DestinationKind};

use super::reader::Table;
use super::{SettingsError, suggestion, tables};
use crate::core::{BrokerConfig, Right};

/// Reads `[[user]]`, `[[right]]` and `anonymousAccessAllowed`.
pub(super) fn read(table: &mut Table<'_>, config: &mut BrokerConfig) -> Result<(), SettingsError> {
    if let Some(allowed) = table.take("anonymousAccessAllowed") {
        config.anonymous_access = allowed.boolean()?;
    }
    for user in tables(table, "user")? {
        read_user(user, config)?;
    }
    for right in tables(table, "right")? {
        let right = read_right(right, config)?;
        config.rights.push(right);
    }
    Ok(())
}

fn read_user(mut table: Table<'_>, config: &mut BrokerConfig) -> Result<(), SettingsError> {
    let name = table.need("name")?;
    let twice = name.error("is that of another user too");
    let name = name.text()?;
    if config.users.contains_key(&name) || config.password_hashes.contains_key(&name) {
        return Err(twice);
    }
    match (table.take("password"), table.take("password_hash")) {
        (Some(password), None) => {
            config.users.insert(name.clone(), password.text()?);
        }
        (None, Some(hash)) => {
            let wrong = |problem| hash.error(format!("of user {name:?} {problem}"));
            let read = hash.as_text()?.parse().map_err(wrong)?;
            config.password_hashes.insert(name.clone(), read);
        }
        (Some(_), Some(second)) => {
            return Err(
                second.error(format!("of user {name:?} is beside its `password`: one will do"))
            );
        }
        (None, None) => {
            let problem = format!("user {name:?} needs a `password`, or a `password_hash`");
            return Err(table.error(problem));
        }
    }
    if let Some(groups) = table.take("groups") {
        config.groups.insert(name, groups.texts()?.into_iter().collect());
    }
    table.finish()
}

fn read_right(mut table: Table<'_>, config: &BrokerConfig) -> Result<Right, SettingsError> {
    if !config.has_users() {
        return Err(table.error("a right needs a [[user]]: anybody could take any name"));
    }
    let mut right = Right::new(destination(&mut table)?);
    let known: BTreeSet<&str> = config
        .users
        .keys()
        .chain(config.password_hashes.keys())
        .chain(config.groups.values().flatten())
        .map(String::as_str)
        .chain(["*", "anonymous"])
        .collect();
    let lists: [(&'static str, &mut BTreeSet<String>); 3] =
        [("read", &mut right.read), ("write", &mut right.write), ("admin", &mut right.admin)];
    for (name, list) in lists {
        let Some(value) = table.take(name) else { continue };
        let names = value.names(|name| {
            let all: Vec<&str> = known.iter().copied().collect();
            let unknown = || {
                let hint = suggestion(name, &all);
                format!("has {name:?}, which is neither a user nor a group{hint}")
            };
            if known.contains(name) { Ok(()) } else { Err(unknown()) }
        })?;
        *list = names.into_iter().collect();
    }
    table.finish()?;
    Ok(right)
}

/// Which destinations a table is for: `queue` or `topic` with a name or a pattern, or `tempQueue` or
/// `tempTopic` for all of that kind.
pub(super) fn destination(table: &mut Table<'_>) -> Result<Destination, SettingsError> {
    optional_destination(table)?
        .ok_or_else(|| table.error("say of what: `queue`, `topic`, `tempQueue` or `tempTopic`"))
}

/// The same, where it may be left out.
pub(super) fn optional_destination(
    table: &mut Table<'_>,
) -> Result<Option<Destination>, SettingsError> {
    let mut found = None;
    let kinds = [
        ("queue", DestinationKind::Queue),
        ("topic", DestinationKind::Topic),
        ("tempQueue", DestinationKind::TempQueue),
        ("tempTopic", DestinationKind::TempTopic),
    ];
    for (name, kind) in kinds {
        let Some(value) = table.take(name) else { continue };
        let second = value.error("is a second destination: write two tables");
        let destination = if kind.is_temporary() {
            let wrong = value.error("can only be true: a right to temporary ones is for all");
            if !value.boolean()? {
                return Err(wrong);
            }
            Destination { kind, physical_name: ">".into() }
        } else {
            let wrong = value.error("has to be one name, or one pattern");
            let text = value.text()?;
            if text.is_empty() || text.contains(',') {
                return Err(wrong);
            }
            Destination { kind, physical_name: text.into() }
        };
        if found.replace(destination).is_some() {
            return Err(second);
        }
    }
    Ok(found)
}
