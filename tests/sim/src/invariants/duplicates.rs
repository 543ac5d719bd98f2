//! Nothing is delivered twice without a mark, but for copies that brokers have counted.
//!
//! Catches: a dispatch delivered twice; a message sent again although it was confirmed, which another
//! broker then stores once more.

use std::collections::BTreeMap;

use rewire_failover::core::Incoming;
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, AtClient, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct Duplicates {
    /// For each message: copies stored, and deliveries that were not marked.
    messages: BTreeMap<MessageKey, (u32, u32)>,
}

impl Invariant for Duplicates {
    fn name(&self) -> &'static str {
        "duplicates"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Broker(_, AtBroker::Stored { key, .. }) => {
                self.messages.entry(*key).or_default().0 += 1;
            }
            Seen::Client(_, AtClient::Delivered(Incoming::Command(_, command))) => {
                if let Command::MessageDispatch(dispatch) = command
                    && dispatch.redelivery_counter == 0
                    && let Some(key) = MessageKey::of_command(command)
                {
                    let (copies, deliveries) = self.messages.entry(key).or_default();
                    *deliveries += 1;
                    ensure!(
                        deliveries <= copies,
                        "{key} was delivered {deliveries} times as new, and there were {copies}"
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }
}
