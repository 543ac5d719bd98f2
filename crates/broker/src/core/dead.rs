//! Messages that end without a consumer: expired, or called poison.

use rewire_protocol::{Destination, Limits, Message, Primitive};

use super::BrokerCore;
use super::keys::QueueKey;
use super::names;
use super::persist::Work;
use super::reference::Reference;

/// Java: `SharedDeadLetterStrategy`, the default.
const DEAD_LETTER_QUEUE: &str = "ActiveMQ.DLQ";

impl BrokerCore {
    /// What was found to have expired while something else was done.
    pub(super) fn bury_expired(&mut self) {
        while let Some((queue, reference)) = self.expired.pop() {
            self.expire(queue, &reference);
        }
    }

    /// Searches all queues for what has expired.
    pub(super) fn sweep(&mut self) {
        for key in self.destinations.queue_keys() {
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
        if let Some(queue) = self.destinations.peek(key) {
            let destination = queue.destination.clone();
            self.advise_expired(&destination, &reference.message);
        }
        self.bury(key, reference, &cause);
    }

    /// A message leaves a queue for the dead letter queue, if it is one that goes there.
    pub(super) fn bury(&mut self, key: QueueKey, reference: &Reference, cause: &str) {
        let mut work = Work::default();
        work.writes.extend(self.removal(key, reference));
        self.forget(key, reference);
        let dead_letters = Destination::queue(DEAD_LETTER_QUEUE);
        let message = &reference.message;
        // Java: non-persistent messages are dropped, and what is dead already stays where it is.
        let is_kept = message.persistent
            && message.destination.as_ref() != Some(&dead_letters)
            && message.destination.as_ref().is_none_or(|from| !names::is_advisory(from));
        if is_kept && let Ok(home) = self.ensure(&dead_letters, None) {
            let dead = dead_letter(message, dead_letters, cause);
            self.route(dead, home, &mut work);
        }
        self.submit(work);
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
        jmsx_group_first_for_consumer: false,
        ..message.clone()
    };
    // Properties that cannot be read are left as they are: the letter is worth more than the note on it.
    if let Ok(mut properties) = dead.properties(&Limits::DEFAULT) {
        if !properties.contains("originalExpiration") {
            properties.insert("originalExpiration", Primitive::Long(message.expiration));
        }
        properties.insert("dlqDeliveryFailureCause", Primitive::from(cause));
        let _ = dead.set_properties(&properties);
    }
    dead
}
