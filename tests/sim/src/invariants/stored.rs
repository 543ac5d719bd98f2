//! A persistent message is stored once in each store, however often it is sent, over links and lives of brokers;
//! and a message leaves its queue when it was acknowledged, and not otherwise.
//!
//! Catches: an audit of producers that forgets, is not stored with the message, or is not taken up by the
//! next life; a message dropped on the way from one consumer to the next.

use std::collections::BTreeSet;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct Stores {
    stored: BTreeSet<(usize, MessageKey)>,
}

impl Invariant for Stores {
    fn name(&self) -> &'static str {
        "stored"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Broker(broker, AtBroker::Stored { key, persistent: true, store }) => {
                let is_new = self.stored.insert((*store, *key));
                ensure!(is_new, "b{broker} stores {key} again");
            }
            Seen::Broker(broker, AtBroker::Vanished { key }) => {
                return Err(format!("b{broker} has {key} no more, and nobody has acknowledged it"));
            }
            _ => {}
        }
        Ok(())
    }
}
