//! Messages that end without a consumer: expired, or called poison.

use std::sync::Arc;
use std::time::Duration;

use rewire_protocol::{Destination, Limits, Message, Primitive};

use super::BrokerCore;
use super::keys::QueueKey;
use super::names;
use super::persist::Work;
use super::reference::{Reference, is_expired};

impl BrokerCore {
    /// What was found to have expired while something else was done, in the order in which it was found.
    pub(super) fn bury_expired(&mut self) {
        while let Some((queue, reference)) = self.expired.pop_front() {
            self.expire(queue, &reference);
        }
    }

    /// Searches the queues for what has expired for which it is done so often.
    pub(super) fn sweep(&mut self, period: Duration) {
        let default = self.config.expire_messages_period;
        for key in self.destinations.queue_keys() {
            let own = self.destinations.peek(key).map(|queue| queue.policy.expire_messages_period);
            if own.flatten().unwrap_or(default) != period {
                continue;
            }
            if let Some((queue, mut desk)) = self.at_queue(key) {
                queue.take_expired(&mut desk);
            }
            self.bury_expired();
        }
    }

    /// A message of a queue has expired, and is taken out of it already.
    pub(super) fn expire(&mut self, key: QueueKey, reference: &Reference) {
        let cause = format!(
            "java.lang.Throwable: Message Expired. Expiration:{}",
            reference.message.expiration
        );
        if let Some(queue) = self.destinations.queue(key) {
            queue.counts.expired += 1;
            let (destination, policy) = (queue.destination.clone(), Arc::clone(&queue.policy));
            self.advise_expired(&destination, &reference.message, &policy);
        }
        self.bury(key, reference, &cause);
    }

    /// A message leaves a queue for the dead letter queue, if it is one that goes there.
    pub(super) fn bury(&mut self, key: QueueKey, reference: &Reference, cause: &str) {
        let mut work = Work::default();
        work.writes.extend(self.removal(key, reference));
        self.forget(key, reference);
        if let Some(queue) = self.dead_letter_queue(key, &reference.message)
            && let Ok(home) = self.ensure_dead_letters(&queue)
        {
            let dead = dead_letter(&reference.message, queue, cause);
            self.route(dead, home, &mut work);
            if let Some(queue) = self.destinations.queue(key) {
                queue.counts.dead += 1;
                let (from, policy) = (queue.destination.clone(), Arc::clone(&queue.policy));
                self.advise_dead(&from, &reference.message, &policy);
            }
        }
        self.submit(work);
    }
}

impl BrokerCore {
    /// Where a message goes that is dead, if it is one that goes anywhere.
    fn dead_letter_queue(&self, key: QueueKey, message: &Message) -> Option<Destination> {
        let queue = self.destinations.peek(key)?;
        let strategy = &queue.policy.dead_letter_strategy;
        let from = message.destination.as_ref().unwrap_or(&queue.destination);
        let is_dropped = !message.persistent && !strategy.process_non_persistent
            || is_expired(message, self.now.unix_ms) && !strategy.process_expired
            || names::is_advisory(from);
        strategy.target.queue_for(from).filter(|_| !is_dropped)
    }
}

/// The message as it stands in the dead letter queue.
fn dead_letter(message: &Message, queue: Destination, cause: &str) -> Message {
    let mut dead = Message {
        original_destination: message.destination.clone(),
        original_transaction_id: message.transaction_id.clone(),
        transaction_id: None,
        destination: Some(queue),
        redelivery_counter: 0,
        expiration: 0,
        persistent: true,
        jmsx_group_first_for_consumer: false,
        ..message.clone()
    };
    // Properties that cannot be read are left as they are: the letter is worth more than the note on it.
    if let Ok(mut properties) = dead.properties(&Limits::DEFAULT) {
        if !properties.contains("originalExpiration") {
            properties.insert("originalExpiration", Primitive::Long(message.expiration));
        }
        properties.insert("dlqDeliveryFailureCause", Primitive::from(cause));
        if !message.persistent {
            // Java: dead letters outlive the broker, and say what they were.
            properties.insert("originalDeliveryMode", Primitive::from("NON_PERSISTENT"));
        }
        let _ = dead.set_properties(&properties);
    }
    dead
}
