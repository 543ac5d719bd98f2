//! What deliveries have of their consumer, and what it says to the broker.

use std::sync::Arc;

use rewire_failover::core::LinkId;
use rewire_protocol::{ConsumerId, Destination, MessageAck, MessagePull};

use super::Outgoing;
use super::buffer::{Buffer, Dispatched};
use super::core::Ack;
use super::hands::Settled;
use super::redelivery;
use super::unacknowledged::{Delivered, Unacknowledged};
use crate::connection::chance;
use crate::options::RedeliveryPolicy;
use crate::session::SessionShared;
use crate::telemetry::Meter;
use crate::transaction::Work;

/// What deliveries have of their consumer.
pub(crate) struct ConsumerShared {
    pub(crate) session: Arc<SessionShared>,
    pub(crate) id: ConsumerId,
    pub(crate) destination: Destination,
    pub(crate) redelivery: RedeliveryPolicy,
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) meter: Arc<Meter>,
}

/// Where a message that was handed out came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) link: LinkId,
    /// Of the consumer's buffer when it was taken out.
    pub(crate) generation: u64,
    /// Its place in the order of dispatch.
    pub(crate) number: u64,
}

impl ConsumerShared {
    /// What is noted of a message that is about to be handed out.
    pub(super) fn delivered(&self, generation: u64, dispatched: &Dispatched) -> Box<Delivered> {
        Box::new(Delivered {
            consumer: self.id.clone(),
            destination: self.destination.clone(),
            prefetch: self.buffer.prefetch(),
            comes_again: self.buffer.comes_again(),
            generation,
            policy: self.redelivery,
            dispatched: dispatched.clone(),
        })
    }

    /// Hands out again one message that was handed out and is not acknowledged, or calls it poison: what to
    /// tell the broker of it.
    pub(crate) fn redeliver(
        &self,
        origin: Origin,
        again: Dispatched,
        cause: &str,
    ) -> Vec<MessageAck> {
        let Some(id) = again.message.message_id.clone() else { return Vec::new() };
        let mut messages = Unacknowledged::of(&self.delivered(origin.generation, &again));
        messages.add(origin.generation, again);
        let connection = &self.session.connection;
        let current = *connection.link.borrow();
        let Some(mut rolled_back) = messages.roll_back(current, chance(), cause) else {
            return Vec::new();
        };
        if rolled_back.again.is_empty() {
            self.buffer.hands.acknowledge(origin.link, id.broker_sequence_id);
        }
        let acks = std::mem::take(&mut rolled_back.acks);
        redelivery::schedule(connection, &self.buffer, rolled_back);
        acks
    }

    /// Tells the broker that dispatched over this link.
    pub(crate) async fn say_all(&self, acks: Vec<MessageAck>, link: LinkId) {
        for ack in acks {
            self.session.connection.say(ack.into(), Some(link)).await;
        }
    }

    /// Asks the broker for one message.
    pub(super) async fn pull(self: Arc<Self>, timeout: i64) {
        let pull = MessagePull {
            consumer_id: Some(self.id.clone()),
            destination: Some(self.destination.clone()),
            timeout,
            ..MessagePull::default()
        };
        self.session.connection.say(pull.into(), None).await;
    }

    /// Tells the transaction, in a session that has them.
    pub(super) async fn work(&self, work: Work) {
        if let Some(transaction) = self.session.work() {
            // The task lives as long as the session.
            let _ = transaction.send(work).await;
        }
    }

    /// Hands an acknowledgement to the link it belongs to. If that is gone, so is what it was about.
    pub(crate) async fn send(&self, ack: Ack) {
        let link = Some(ack.link);
        let ack = ack.into_command(self.id.clone(), self.destination.clone());
        self.session.connection.say(ack.into(), link).await;
    }

    /// Acknowledges all that was handed out: at once if there is room for that, as there nearly always is;
    /// else what is left to do is given back.
    pub(super) fn acknowledge_all(self: &Arc<Self>, ack: Ack) -> Option<Outgoing> {
        let link = Some(ack.link);
        let ack = ack.into_command(self.id.clone(), self.destination.clone());
        let Err(ack) = self.session.connection.transport.try_say(ack.into(), link) else {
            let settled = self.buffer.hands.put_down_all()?;
            let shared = self.clone();
            return Some(Box::pin(async move { shared.settled(settled).await }));
        };
        let shared = self.clone();
        Some(Box::pin(async move {
            shared.session.connection.say(ack, link).await;
            if let Some(settled) = shared.buffer.hands.put_down_all() {
                shared.settled(settled).await;
            }
        }))
    }

    /// Tells the transport that a link that is being left may be left, as far as this consumer goes.
    pub(crate) async fn settled(&self, settled: Settled) {
        let Settled { link, last_delivered } = settled;
        let transport = &self.session.connection.transport;
        transport.settled(link, self.id.clone(), last_delivered).await;
    }

    /// Whether what this link dispatched can still be acknowledged.
    pub(crate) fn is_current(&self, link: LinkId) -> bool {
        *self.session.connection.link.borrow() == Some(link)
    }
}
