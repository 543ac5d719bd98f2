//! The task that acknowledges for all consumers of a session together, in client mode.

use std::collections::HashMap;
use std::sync::Arc;

use rewire_failover::core::LinkId;
use rewire_protocol::{ConsumerId, MessageAck};
use tokio::sync::{mpsc, oneshot};

use crate::connection::chance;
use crate::consumer::core::Ack;
use crate::consumer::hands::{Hands, Settled};
use crate::consumer::unacknowledged::{Delivered, Unacknowledged};
use crate::consumer::{ConsumerShared, redelivery};

/// Notes that may wait; whoever has one more waits.
const NOTES: usize = 256;

/// What consumers and deliveries tell the task.
pub(crate) enum Note {
    /// A message is about to be handed out.
    Delivered { consumer: Arc<ConsumerShared>, delivered: Box<Delivered> },
    /// A message is not handed out, and the broker is told why.
    Refused { consumer: Arc<ConsumerShared>, ack: Box<Ack> },
    /// All that was handed out is done.
    Acknowledge { done: oneshot::Sender<()> },
    /// All that was handed out is to be handed out again.
    Recover { done: oneshot::Sender<()> },
    /// A consumer is gone.
    Gone(ConsumerId),
}

/// Starts the task. It ends with the sender that is returned.
pub(super) fn start() -> mpsc::Sender<Note> {
    let (sender, notes) = mpsc::channel(NOTES);
    tokio::spawn(Acknowledger::default().run(notes));
    sender
}

#[derive(Default)]
struct Acknowledger {
    consumers: HashMap<ConsumerId, Held>,
}

/// Of one consumer. It keeps its session, so it is held here only while something of it is unacknowledged.
struct Held {
    messages: Unacknowledged,
    owner: Option<Arc<ConsumerShared>>,
}

impl Acknowledger {
    async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        while let Some(note) = notes.recv().await {
            match note {
                Note::Delivered { consumer, delivered } => {
                    self.on_delivered(consumer, *delivered).await;
                }
                Note::Refused { consumer, ack } => {
                    if let Some(held) = self.consumers.get_mut(&consumer.id) {
                        held.messages.on_expired(ack.link);
                    }
                    consumer.send(*ack).await;
                }
                Note::Acknowledge { done } => {
                    self.acknowledge().await;
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                Note::Recover { done } => {
                    self.recover().await;
                    let _ = done.send(());
                }
                Note::Gone(id) => {
                    self.consumers.remove(&id);
                }
            }
        }
    }

    async fn on_delivered(&mut self, consumer: Arc<ConsumerShared>, delivered: Delivered) {
        let held = self.consumers.entry(consumer.id.clone());
        let held =
            held.or_insert_with(|| Held { messages: Unacknowledged::of(&delivered), owner: None });
        let Delivered { prefetch, generation, dispatched, .. } = delivered;
        let link = dispatched.link;
        held.messages.add(generation, dispatched);
        if let Some(ack) = held.messages.announce(prefetch) {
            say(&consumer, ack, link).await;
        }
        held.owner = Some(consumer);
    }

    async fn acknowledge(&mut self) {
        for held in self.consumers.values_mut() {
            let Some(consumer) = held.owner.take() else { continue };
            let link = held.messages.link();
            for ack in held.messages.acks(link) {
                say(&consumer, ack, link).await;
            }
            held.messages.clear();
            settle(&consumer, Hands::put_down_all).await;
        }
    }

    async fn recover(&mut self) {
        for held in self.consumers.values_mut() {
            let Some(consumer) = held.owner.take() else { continue };
            let connection = &consumer.session.connection;
            let current = *connection.link.borrow();
            let rolled_back = held.messages.roll_back(current, chance(), "");
            if let Some(rolled_back) = rolled_back {
                redelivery::carry_out(connection, &consumer.buffer, rolled_back).await;
            }
            settle(&consumer, Hands::put_down_for_later).await;
        }
    }
}

async fn say(consumer: &ConsumerShared, ack: MessageAck, link: LinkId) {
    consumer.session.connection.say(ack.into(), Some(link)).await;
}

async fn settle(consumer: &ConsumerShared, how: fn(&Hands) -> Option<Settled>) {
    if let Some(settled) = how(&consumer.buffer.hands) {
        consumer.settled(settled).await;
    }
}
