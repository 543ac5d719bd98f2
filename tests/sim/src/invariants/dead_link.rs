//! A link that is gone has no say: late answers, refusals, controls, losses and successes change nothing.
//!
//! Catches: a request completed by a link that is not the active one. What changes without a trace, such
//! as a consumer forgotten because a dead link said so, is caught by `replay` and `registrations`.

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct DeadLinks;

impl Invariant for DeadLinks {
    fn name(&self) -> &'static str {
        "dead link"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        if let Seen::Client(_, AtClient::Stale { link, what, outputs, is_due_changed }) = seen {
            ensure!(outputs.is_empty(), "{link} is gone, says {what}, and {outputs:?} comes of it");
            ensure!(!is_due_changed, "{link} is gone, says {what}, and another time is waited for");
        }
        Ok(())
    }
}
