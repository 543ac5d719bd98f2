//! An acknowledgement goes over the link that dispatched what it is for, and over no other.
//!
//! Catches: an acknowledgement that waited and is sent over the next link.

use super::{Invariant, Verdict};
use crate::agenda::Time;
use crate::seen::{AtBroker, Seen};

#[derive(Debug)]
pub(super) struct Acks;

impl Invariant for Acks {
    fn name(&self) -> &'static str {
        "acks"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Broker(broker, AtBroker::StrayAck { client, link }) => {
                Err(format!("b{broker} hears of c{client} over {link} what it did not dispatch"))
            }
            _ => Ok(()),
        }
    }
}
