//! When all is quiet, a broker knows of a client what the client has, no less and no more.
//!
//! Catches: a removal that is forgotten, or not sent because it was taken for done; a declaration that no
//! new broker was told of; a consumer that comes back after its broker has closed it.

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::Seen;

#[derive(Debug)]
pub(super) struct Registrations;

impl Invariant for Registrations {
    fn name(&self) -> &'static str {
        "registrations"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        if let Seen::Compared { client, believed, known } = seen {
            ensure!(
                *known == Some(*believed),
                "c{client} has {believed:?}, and its broker knows {known:?}"
            );
        }
        Ok(())
    }
}
