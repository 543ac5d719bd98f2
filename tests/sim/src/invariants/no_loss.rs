//! A persistent message whose sender was told that a broker has it is in a store, or was consumed.
//!
//! Catches: a message completed by an answer to another; messages sent again out of order, which a broker
//! then drops as known; a message given up after it was confirmed by a broker that only queued it.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::core::Completion;
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, AtClient, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct NoLoss {
    open: BTreeMap<(usize, u64), MessageKey>,
    confirmed: BTreeSet<MessageKey>,
    /// Consumed, or in a store at the end.
    is_safe: BTreeSet<MessageKey>,
}

impl Invariant for NoLoss {
    fn name(&self) -> &'static str {
        "no loss"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, AtClient::Submitted { request, command, completion, .. }) => {
                if let Command::Message(message) = command
                    && message.persistent
                    && *completion == Completion::Answered
                    && let Some(key) = MessageKey::of_command(command)
                {
                    self.open.insert((*client, *request), key);
                }
            }
            Seen::Client(client, AtClient::Completed { request, outcome }) => {
                let key = self.open.remove(&(*client, *request));
                self.confirmed.extend(key.filter(|_| outcome.is_ok()));
            }
            Seen::Broker(_, AtBroker::Consumed { key }) => {
                self.is_safe.insert(*key);
            }
            Seen::End => {
                let lost = self.confirmed.difference(&self.is_safe).next();
                ensure!(lost.is_none(), "confirmed and lost: {}", lost.map_or("".into(), show));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_kept(&mut self, key: MessageKey) {
        self.is_safe.insert(key);
    }
}

fn show(key: &MessageKey) -> String {
    key.to_string()
}
