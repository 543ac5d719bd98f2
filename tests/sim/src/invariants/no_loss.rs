//! A persistent message whose sender was told that a broker has it is in a store, or was consumed.
//!
//! Catches: a message completed by an answer to another; messages sent again out of order, which a broker
//! then drops as known.
//!
//! One thing is not held against the core: a broker that refuses a message and stores the next one of its
//! producer takes the first for known when it comes again, because ActiveMQ looks at numbers alone. When
//! the refusal is lost with its link, the sender hears that the message is there. That can happen to
//! whoever does not wait for each answer before the next message.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::core::Completion;
use rewire_protocol::Command;

use super::{Invariant, Verdict};
use crate::agenda::Time;
use crate::seen::{AtBroker, AtClient, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct NoLoss {
    open: BTreeMap<(usize, u64), MessageKey>,
    confirmed: BTreeSet<MessageKey>,
    /// What a broker heard last.
    heard: Option<MessageKey>,
    refused: BTreeSet<MessageKey>,
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
                    // What is in a transaction is there when that is committed.
                    && message.transaction_id.is_none()
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
            Seen::Broker(_, AtBroker::Heard { command, .. }) => {
                self.heard = MessageKey::of_command(command);
            }
            Seen::Broker(_, AtBroker::Refused { .. }) => self.refused.extend(self.heard),
            Seen::Broker(_, AtBroker::Consumed { key, .. }) => {
                self.is_safe.insert(*key);
            }
            Seen::End => {
                let mut lost = self.confirmed.difference(&self.is_safe);
                let lost = lost.find(|key| !self.refused.contains(key));
                if let Some(lost) = lost {
                    return Err(format!("{lost} was confirmed and is lost"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_kept(&mut self, key: MessageKey) {
        self.is_safe.insert(key);
    }
}
