//! A broker gives a message to one consumer at a time, and the messages of a producer in the order in which they
//! were sent to its queue.
//!
//! Catches: a message that is given to another while the first may still acknowledge it; a queue that loses
//! its order; messages that overtake those that wait for the disk.
//!
//! What was sent again may come late: a broker had refused it and its refusal was lost with the link, or the broker
//! died with it when what followed was answered already.

use std::collections::{BTreeMap, BTreeSet};

use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct Dispatches {
    brokers: BTreeMap<usize, Broker>,
    /// The queues of messages.
    heard: BTreeMap<MessageKey, String>,
    heard_again: BTreeSet<MessageKey>,
}

#[derive(Debug, Default)]
struct Broker {
    given: BTreeSet<MessageKey>,
    /// The number of the last message that was given for the first time, by queue, client, session and
    /// producer.
    last: BTreeMap<(String, usize, i64, i64), i64>,
}

impl Invariant for Dispatches {
    fn name(&self) -> &'static str {
        "dispatch"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        let Seen::Broker(number, at) = seen else { return Ok(()) };
        let broker = self.brokers.entry(*number).or_default();
        match at {
            AtBroker::Serves { .. } => *broker = Broker::default(),
            AtBroker::Heard { command: command @ Command::Message(message), .. } => {
                let queue = message.destination.as_ref().map(|name| name.physical_name.to_string());
                let key = MessageKey::of_command(command);
                let is_known =
                    |key: &MessageKey| self.heard.insert(*key, queue.unwrap_or_default()).is_some();
                self.heard_again.extend(key.filter(is_known));
            }
            AtBroker::Dispatched { key, beside, .. } => {
                ensure!(beside.is_none(), "b{number} gives {key} away, and {beside:?} has it");
                if !broker.given.insert(*key) || self.heard_again.contains(key) {
                    return Ok(());
                }
                let queue = self.heard.get(key).cloned().unwrap_or_default();
                let producer = (queue, key.client, key.session, key.producer);
                let last = broker.last.insert(producer, key.sequence);
                ensure!(
                    last.is_none_or(|last| last < key.sequence),
                    "b{number} gives {key} away after {last:?}"
                );
            }
            _ => {}
        }
        Ok(())
    }
}
