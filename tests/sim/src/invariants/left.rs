//! When all clients are gone, nothing of them is left at a broker; what it counts as its memory is the messages it
//! has; and it has those that are persistent on its store, no more and no less. Until then it never spins: what is
//! due is done when it is woken.
//!
//! Catches: a link, consumer or transaction that outlives its client; memory that is taken and not given
//! back, or given back twice; a write that is forgotten.

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, Seen};

#[derive(Debug)]
pub(super) struct Left;

impl Invariant for Left {
    fn name(&self) -> &'static str {
        "left"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        if let Seen::Broker(broker, AtBroker::Spins { due }) = seen {
            return Err(format!("b{broker} is woken again and again, for {due}"));
        }
        let Seen::Broker(broker, AtBroker::IsLeft { census, on_disk, persistent }) = seen else {
            return Ok(());
        };
        let is_empty = census.links == 0
            && census.connections.is_empty()
            && census.consumers == 0
            && census.transactions == 0
            && census.temporary == 0;
        ensure!(is_empty, "b{broker} has something left of its clients: {census:?}");
        ensure!(
            census.memory_used == census.message_bytes,
            "b{broker} counts {} bytes and has {}",
            census.memory_used,
            census.message_bytes
        );
        ensure!(
            on_disk == persistent,
            "b{broker} has {persistent} persistent messages and {on_disk} on its store"
        );
        Ok(())
    }
}
