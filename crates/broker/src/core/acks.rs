//! What consumers say of messages they were sent.

use std::ops::Range;

use rewire_protocol::{ConsumerId, MessageAck, MessageId};

use super::BrokerCore;
use super::error::BrokerError;
use super::io::LinkId;
use super::keys::SubKey;
use super::persist::Work;
use super::reference::Dispatched;
use super::subscription::Subscription;
use super::transactions::Settled;

impl BrokerCore {
    pub(super) fn on_ack(&mut self, link: LinkId, ack: &MessageAck) -> Result<(), BrokerError> {
        let Some(key) = self.consumer(link, ack.consumer_id.as_ref()) else {
            // After a failover such acknowledgements are on their way; who waits for the answer hears of it.
            return if self.is_reconnected(link) && !ack.response_required {
                Ok(())
            } else {
                let id = ack.consumer_id.as_ref().map(ConsumerId::to_string).unwrap_or_default();
                Err(BrokerError::jms(format!("The subscription does not exist: {id}")))
            };
        };
        let Some(sub) = self.subs.get_mut(&key) else { return Ok(()) };
        if sub.deliveries == 0 {
            // Java: the acknowledgement of a message that another link dispatched; it comes again.
            return Ok(());
        }
        let answered = if sub.seats.is_empty() || sub.info.browser {
            stream_ack(sub, ack);
            Ok(())
        } else {
            match self.queue_ack(key, ack) {
                Err(_) if self.subs.get(&key).is_some_and(|sub| !sub.topics.is_empty()) => {
                    if let Some(sub) = self.subs.get_mut(&key) {
                        stream_ack(sub, ack);
                    }
                    Ok(())
                }
                answered => answered,
            }
        };
        self.pump(key);
        answered
    }

    fn queue_ack(&mut self, key: SubKey, ack: &MessageAck) -> Result<(), BrokerError> {
        let Some(sub) = self.subs.get_mut(&key) else { return Ok(()) };
        match ack.ack_type {
            MessageAck::DELIVERED => {
                let last = ack.last_message_id.as_ref();
                if last.and_then(|id| find(sub, id)).is_none() {
                    return Err(uncorrelated(ack));
                }
                sub.extend_window(usize::try_from(ack.message_count).unwrap_or(0));
                Ok(())
            }
            MessageAck::REDELIVERED => range(sub, ack).map(|_| ()).ok_or_else(|| uncorrelated(ack)),
            MessageAck::INDIVIDUAL => {
                let Some(at) = ack.last_message_id.as_ref().and_then(|id| find(sub, id)) else {
                    return Ok(());
                };
                self.consume(key, at..at + 1, ack)
            }
            MessageAck::STANDARD | MessageAck::UNMATCHED => {
                let range = range(sub, ack).ok_or_else(|| unmatched(ack))?;
                let is_short = i32::try_from(range.len()) != Ok(ack.message_count);
                if is_short && ack.transaction_id.is_none() {
                    return Err(unmatched(ack));
                }
                self.consume(key, range, ack)
            }
            MessageAck::POISON if ack.transaction_id.is_some() => {
                Err(BrokerError::jms("Poison ack cannot be transacted"))
            }
            MessageAck::POISON | MessageAck::EXPIRED => {
                let range = range(sub, ack).ok_or_else(|| uncorrelated(ack))?;
                let taken: Vec<Dispatched> = sub.dispatched.drain(range).collect();
                sub.contract_window(taken.len());
                let cause = ack.poison_cause.as_ref().map(ToString::to_string);
                for dispatched in taken {
                    if let Some(queue) = self.destinations.queue(dispatched.queue) {
                        queue.in_flight = queue.in_flight.saturating_sub(1);
                    }
                    if ack.ack_type == MessageAck::EXPIRED {
                        self.expire(dispatched.queue, &dispatched.reference);
                    } else {
                        let cause = cause.as_deref().unwrap_or("poison");
                        self.bury(dispatched.queue, &dispatched.reference, cause);
                    }
                }
                Ok(())
            }
            other => Err(BrokerError::jms(format!("there is no acknowledgement of type {other}"))),
        }
    }

    /// Messages are consumed, at once or when their transaction commits.
    fn consume(
        &mut self,
        key: SubKey,
        range: Range<usize>,
        ack: &MessageAck,
    ) -> Result<(), BrokerError> {
        if let Some(id) = &ack.transaction_id {
            self.active_transaction(id)?;
        }
        let Some(sub) = self.subs.get_mut(&key) else { return Ok(()) };
        let count = range.len();
        let settled: Vec<Settled> = sub
            .dispatched
            .drain(range)
            .map(|dispatched| Settled { sub: key, dispatched })
            .collect();
        sub.contract_window(count);
        if let Some(id) = &ack.transaction_id {
            return self.ack_in_transaction(id, settled);
        }
        let mut work = Work::default();
        for settled in settled {
            let Settled { dispatched: Dispatched { queue, reference, .. }, .. } = &settled;
            work.writes.extend(self.removal(*queue, reference));
            self.settle(settled);
        }
        if !work.writes.is_empty() {
            self.write(work.writes);
        }
        Ok(())
    }

    /// A message was consumed, and is gone.
    pub(super) fn settle(&mut self, settled: Settled) {
        let Dispatched { queue: key, reference, .. } = settled.dispatched;
        self.forget(key, &reference);
        if let Some(queue) = self.destinations.queue(key) {
            queue.counts.dequeued += 1;
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
        self.tell_consumed(key, &reference.message);
    }

    fn is_reconnected(&self, link: LinkId) -> bool {
        let connection = self.registry.of_link(link);
        connection
            .and_then(|key| self.registry.connections.get(&key))
            .is_some_and(|connection| connection.info.failover_reconnect)
    }
}

/// What comes from topics is not kept: only its number counts.
fn stream_ack(sub: &mut Subscription, ack: &MessageAck) {
    let count = usize::try_from(ack.message_count).unwrap_or(0);
    match ack.ack_type {
        MessageAck::DELIVERED => sub.extend_window(count),
        MessageAck::REDELIVERED => {}
        _ => {
            let count = count.min(sub.stream.in_flight);
            sub.stream.in_flight -= count;
            sub.contract_window(count);
        }
    }
}

fn find(sub: &Subscription, id: &MessageId) -> Option<usize> {
    sub.dispatched.iter().position(|dispatched| dispatched.reference.is(id))
}

/// The messages that are meant: from the first, or the oldest, to the last.
fn range(sub: &Subscription, ack: &MessageAck) -> Option<Range<usize>> {
    let first = match &ack.first_message_id {
        Some(id) => find(sub, id)?,
        None => 0,
    };
    let last = ack.last_message_id.as_ref()?;
    let count = sub.dispatched.iter().skip(first).position(|d| d.reference.is(last))?;
    Some(first..first + count + 1)
}

fn unmatched(ack: &MessageAck) -> BrokerError {
    let id = |id: &Option<MessageId>| id.as_ref().map(ToString::to_string).unwrap_or_default();
    BrokerError::jms(format!(
        "Unmatched acknowledge: {} messages from {} to {} are not what was dispatched",
        ack.message_count,
        id(&ack.first_message_id),
        id(&ack.last_message_id),
    ))
}

fn uncorrelated(ack: &MessageAck) -> BrokerError {
    let id = ack.last_message_id.as_ref().map(ToString::to_string).unwrap_or_default();
    BrokerError::jms(format!("Could not correlate acknowledgment with dispatched message: {id}"))
}
