//! Nothing is handed out twice without a mark, but for copies that brokers have counted; and nothing that a
//! client has acknowledged, and its broker heard, is handed out there again.
//!
//! Catches: a dispatch delivered twice; a message sent again although it was confirmed, which another
//! broker then stores once more; a link that is left before what was handed out is acknowledged, or
//! without a word of what was.
//!
//! What a consumer gave up without an acknowledgement, or whose acknowledgement its broker refused, may come
//! again without a mark: the broker is told the last message handed out, and takes what was handed out
//! before for seen only if that one still waits for its acknowledgement. And so may whatever was in the store of a
//! broker that ended: who was given what is not stored.

use std::collections::{BTreeMap, BTreeSet};

use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, AtClient, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct Duplicates {
    messages: BTreeMap<MessageKey, Message>,
    /// Acknowledged by a client, and how many copies of it.
    consumed: BTreeMap<(MessageKey, usize), u32>,
    /// Where it was consumed, by the stores.
    gone_from: BTreeSet<(MessageKey, usize)>,
    /// What may come again without a mark.
    unmarked: BTreeSet<MessageKey>,
    /// What the acknowledgement is for that a broker heard last.
    heard: Option<MessageKey>,
}

#[derive(Debug, Default)]
struct Message {
    /// Copies stored.
    copies: u32,
    /// How often it was handed out without a mark.
    handed_out: u32,
}

impl Invariant for Duplicates {
    fn name(&self) -> &'static str {
        "duplicates"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Broker(_, AtBroker::Stored { key, .. }) => {
                self.messages.entry(*key).or_default().copies += 1;
            }
            Seen::Broker(_, AtBroker::Heard { command, .. }) => {
                let is_ack = matches!(command, Command::MessageAck(_));
                self.heard = MessageKey::of_command(command).filter(|_| is_ack);
            }
            Seen::Broker(_, AtBroker::Refused { .. }) => self.unmarked.extend(self.heard),
            Seen::Broker(_, AtBroker::Recovered { key, store }) => {
                // No store keeps who was given what; and what was acknowledged may not have been written.
                self.unmarked.insert(*key);
                if self.gone_from.remove(&(*key, *store)) {
                    self.messages.entry(*key).or_default().copies += 1;
                }
            }
            Seen::Broker(_, AtBroker::Consumed { key, by, store }) => {
                self.gone_from.insert((*key, *store));
                *self.consumed.entry((*key, *by)).or_default() += 1;
            }
            Seen::Client(_, AtClient::GivenUp { key }) => {
                self.unmarked.insert(*key);
            }
            Seen::Client(client, AtClient::HandedOut { key, redelivered }) => {
                let Message { copies, handed_out } = self.messages.entry(*key).or_default();
                let consumed = self.consumed.get(&(*key, *client)).copied().unwrap_or_default();
                ensure!(consumed < *copies, "{key} was acknowledged, and is handed out again");
                if *redelivered == 0 && !self.unmarked.contains(key) {
                    *handed_out += 1;
                    ensure!(
                        handed_out <= copies,
                        "{key} was handed out {handed_out} times as new, and there were {copies}"
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }
}
