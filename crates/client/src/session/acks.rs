//! The task that acknowledges for all consumers of a session together, in client mode.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_failover::core::LinkId;
use rewire_protocol::{ConsumerId, MessageId};
use tokio::sync::{mpsc, oneshot};

use super::AckMode;
use crate::consumer::ConsumerShared;
use crate::consumer::core::AckCore;

/// Notes that may wait; whoever has one more waits.
const NOTES: usize = 256;

/// What consumers and deliveries tell the task.
pub(crate) enum Note {
    /// A message is about to be handed out.
    Delivered { consumer: Arc<ConsumerShared>, link: LinkId, id: MessageId, prefetch: u32 },
    /// All that was handed out is done.
    Acknowledge { done: oneshot::Sender<()> },
    /// A consumer is gone.
    Gone(ConsumerId),
}

/// Starts the task. It ends with the sender that is returned.
pub(super) fn start() -> mpsc::Sender<Note> {
    let (sender, notes) = mpsc::channel(NOTES);
    tokio::spawn(run(notes));
    sender
}

async fn run(mut notes: mpsc::Receiver<Note>) {
    // A consumer keeps its session: it is held here only while something of it is unacknowledged.
    let mut consumers: HashMap<ConsumerId, (AckCore, Option<Arc<ConsumerShared>>)> = HashMap::new();
    while let Some(note) = notes.recv().await {
        match note {
            Note::Delivered { consumer, link, id, prefetch } => {
                let entry = consumers.entry(consumer.id.clone());
                let (core, owner) = entry.or_insert_with(|| (AckCore::new(AckMode::Client), None));
                core.on_delivered(link, &id);
                if let Some(ack) = core.take_due(prefetch) {
                    consumer.send(ack).await;
                }
                *owner = Some(consumer);
            }
            Note::Acknowledge { done } => {
                for (core, owner) in consumers.values_mut() {
                    if let (Some(ack), Some(consumer)) = (core.take_all(), owner.take()) {
                        consumer.send(ack).await;
                        if let Some(settled) = consumer.buffer.hands.put_down_all() {
                            consumer.settled(settled).await;
                        }
                    }
                }
                // Whoever asked may have gone.
                let _ = done.send(());
            }
            Note::Gone(id) => {
                consumers.remove(&id);
            }
        }
    }
}
