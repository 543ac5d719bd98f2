//! Hands messages out again that were rolled back, when their delay is over.

use std::sync::Arc;

use tokio::time::sleep_until;

use super::buffer::Buffer;
use super::unacknowledged::RolledBack;
use crate::connection::{Shared, after};

/// Tells the broker what it has to hear, and hands out again what is to be.
pub(crate) async fn carry_out(
    connection: &Arc<Shared>,
    buffer: &Arc<Buffer>,
    mut rolled_back: RolledBack,
) {
    let link = rolled_back.link;
    for ack in std::mem::take(&mut rolled_back.acks) {
        connection.say(ack.into(), Some(link)).await;
    }
    schedule(connection, buffer, rolled_back);
}

/// Puts back what is to be handed out again, after its delay. Until then the consumer hands out nothing,
/// unless its redeliveries do not block.
pub(crate) fn schedule(connection: &Arc<Shared>, buffer: &Arc<Buffer>, rolled_back: RolledBack) {
    let RolledBack { again, generation, delay, .. } = rolled_back;
    if again.is_empty() || buffer.is_abandoned() {
        return;
    }
    let as_last = buffer.redelivers_as_last();
    if delay.is_zero() {
        buffer.put_back(generation, again, as_last);
        return;
    }
    if !as_last {
        buffer.hold();
    }
    let buffer = buffer.clone();
    drop(connection.runtime.spawn(async move {
        sleep_until(after(delay)).await;
        buffer.put_back(generation, again, as_last);
        if !as_last {
            buffer.let_go();
        }
    }));
}
