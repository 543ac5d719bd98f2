//! Who is let in, and what of which destinations users may read, write and administer.

use std::collections::BTreeSet;
use std::fmt;

use rewire_protocol::{ConnectionInfo, Destination};

use super::BrokerCore;
use super::error::{BrokerError, ErrorKind};
use super::io::LinkId;
use super::keys::ConnectionKey;
use super::names;

/// The name, and the group, of those who give none. Java: `SimpleAuthenticationPlugin`'s.
const ANONYMOUS: &str = "anonymous";
/// Java: stands for everybody in a right.
const EVERYBODY: &str = "*";

/// What users and groups may do with the destinations of a name or a pattern. Rights add up: something
/// is allowed when one right that covers the destination allows it, and nothing is that none covers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Right {
    /// Of which destinations: a name, or a pattern with `*` and `>`. A pattern of temporary ones is for
    /// all of their kind.
    pub destination: Destination,
    /// Who may consume and browse. `*` is everybody who is let in.
    pub read: BTreeSet<String>,
    /// Who may send.
    pub write: BTreeSet<String>,
    /// Who may make a destination that does not exist yet, by using it too, and remove one.
    pub admin: BTreeSet<String>,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    Create,
    Remove,
}

impl Right {
    /// A right that allows nobody anything yet.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        let (read, write, admin) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { destination, read, write, admin }
    }

    const fn who(&self, operation: Operation) -> &BTreeSet<String> {
        match operation {
            Operation::Read => &self.read,
            Operation::Write => &self.write,
            Operation::Create | Operation::Remove => &self.admin,
        }
    }

    fn covers(&self, destination: &Destination) -> bool {
        if self.destination.kind.is_temporary() {
            return self.destination.kind == destination.kind;
        }
        covers(&self.destination, destination)
    }
}

/// Whether a pattern stands for all that a name, or another pattern, stands for.
fn covers(pattern: &Destination, other: &Destination) -> bool {
    if pattern.kind != other.kind {
        return false;
    }
    let mut words = other.physical_name.as_wire().split(|byte| *byte == b'.');
    for own in pattern.physical_name.as_wire().split(|byte| *byte == b'.') {
        match (own, words.next()) {
            (b">", _) => return true,
            (b"*", Some(word)) if word != b">" => {}
            (own, Some(word)) if own == word => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Java: AuthorizationBroker.
        f.write_str(match self {
            Self::Read => "read from",
            Self::Write => "write to",
            Self::Create => "create",
            Self::Remove => "remove",
        })
    }
}

impl BrokerCore {
    /// Whether a client is who it says it is.
    pub(super) fn authenticate(
        &self,
        link: LinkId,
        info: &ConnectionInfo,
    ) -> Result<(), BrokerError> {
        let gives_none = info.user_name.is_none() && info.password.is_none();
        if !self.config.has_users() || self.config.anonymous_access && gives_none {
            return Ok(());
        }
        let user = info.user_name.as_ref().map(|user| user.to_str()).unwrap_or_default();
        let given = info.password.as_ref().map(|password| password.to_str()).unwrap_or_default();
        let password = self.config.users.get(&*user);
        // Somebody unknown is compared as well, so that time does not tell who is known.
        let ours = password.map_or("", String::as_str);
        let is_same = is_same_password(ours.as_bytes(), given.as_bytes()) & password.is_some();
        if is_same || self.is_proven(link, &user) {
            return Ok(());
        }
        let user = if info.user_name.is_some() { &*user } else { "null" };
        let problem = format!("User name [{user}] or password is invalid.");
        Err(BrokerError::new(ErrorKind::Security, problem))
    }

    /// Whether who is at a link was found to have the password of a user.
    fn is_proven(&self, link: LinkId, user: &str) -> bool {
        let proven = self.registry.links.get(&link).and_then(|link| link.proven.as_deref());
        proven == Some(user) && self.config.password_hashes.contains_key(user)
    }

    /// Who is at a link was found to have the password of a user.
    pub(super) fn on_proven(&mut self, link: LinkId, user: String) {
        if let Some(entry) = self.registry.links.get_mut(&link) {
            entry.proven = Some(user);
        }
    }

    /// Whether a connection may do this with all of these, and make those that do not exist.
    pub(super) fn permit_all(
        &self,
        connection: ConnectionKey,
        operation: Operation,
        members: &[Destination],
    ) -> Result<(), BrokerError> {
        if self.config.rights.is_empty() {
            return Ok(());
        }
        for member in members {
            self.permit(connection, operation, member)?;
            let is_new = self.destinations.home(member).is_none();
            if is_new && names::is_place(member) && !member.kind.is_temporary() {
                self.permit(connection, Operation::Create, member)?;
            }
        }
        Ok(())
    }

    /// Whether a connection may do this. Everybody may read advisories; temporary destinations are
    /// open unless a right is for them.
    pub(super) fn permit(
        &self,
        connection: ConnectionKey,
        operation: Operation,
        destination: &Destination,
    ) -> Result<(), BrokerError> {
        let rights = &self.config.rights;
        if rights.is_empty() {
            return Ok(());
        }
        if names::is_advisory(destination)
            && matches!(operation, Operation::Read | Operation::Create)
        {
            return Ok(());
        }
        let covering: Vec<&Right> = rights.iter().filter(|own| own.covers(destination)).collect();
        if covering.is_empty() && destination.kind.is_temporary() {
            return Ok(());
        }
        let info = self.registry.connections.get(&connection).map(|connection| &connection.info);
        let user = info.and_then(|info| info.user_name.as_ref()).map(|user| user.to_str());
        let user = user.as_deref().unwrap_or(ANONYMOUS);
        let groups = self.config.groups.get(user);
        let is_one = |name: &String| {
            name == EVERYBODY || name == user || groups.is_some_and(|own| own.contains(name))
        };
        if covering.iter().any(|right| right.who(operation).iter().any(is_one)) {
            return Ok(());
        }
        let problem = format!("User {user} is not authorized to {operation}: {destination}");
        Err(BrokerError::new(ErrorKind::Security, problem))
    }
}

/// Compares without saying by its time how much is right.
pub(crate) fn is_same_password(ours: &[u8], given: &[u8]) -> bool {
    let differences = ours.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b));
    ours.len() == given.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_another_only_if_it_stands_for_all_of_it() {
        for (pattern, other, expected) in [
            ("A.>", "A.B", true),
            ("A.>", "A.>", true),
            ("A.>", "A.*", true),
            ("A.*", "A.*", true),
            ("A.*", "A.B", true),
            ("A.*", "A.>", false),
            ("A.B", "A.*", false),
            ("A.B", ">", false),
            ("*.B", "A.*", false),
            (">", ">", true),
        ] {
            let found = covers(&Destination::queue(pattern), &Destination::queue(other));
            assert_eq!(found, expected, "{pattern} {other}");
        }
        assert!(!covers(&Destination::queue(">"), &Destination::topic("A")));
    }
}
