//! What waits in a core stays within its limits, as long as `wants_submit` is asked first.
//!
//! Catches: a count that is not raised for what waits for its answer, or that forgets bytes; a core that
//! never wants more again is caught by `healing`.

use std::collections::BTreeMap;

use rewire_failover::core::QueueLimits;
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::plan::Plan;
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct Bounds {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    limits: QueueLimits,
    /// The requests that wait, and the bytes of each.
    open: BTreeMap<u64, usize>,
    is_closing: bool,
}

impl Bounds {
    pub(super) fn new(plan: &Plan) -> Self {
        let client = |limits| Client { limits, open: BTreeMap::new(), is_closing: false };
        Self { clients: plan.clients.iter().map(|plan| client(plan.limits)).collect() }
    }
}

impl Invariant for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        let Seen::Client(client, at) = seen else { return Ok(()) };
        let Client { limits, open, is_closing } = &mut self.clients[*client];
        match at {
            AtClient::Submitted { request, command, .. } => {
                let bytes: usize = open.values().sum();
                ensure!(
                    *is_closing || (open.len() < limits.requests && bytes < limits.bytes),
                    "more is wanted when {} requests of {bytes} bytes wait",
                    open.len()
                );
                let bytes = match command {
                    Command::Message(message) => message.content.as_ref().map_or(0, |it| it.len()),
                    _ => 0,
                };
                open.insert(*request, bytes);
            }
            AtClient::Completed { request, .. } => {
                open.remove(request);
            }
            AtClient::Closing => *is_closing = true,
            AtClient::Waiting { open: told, .. } => {
                ensure!(*told == open.len(), "{told} wait, and {} were counted", open.len());
            }
            _ => {}
        }
        Ok(())
    }
}
