//! What one consumer has handed out and is not acknowledged, with the messages: what its acknowledgement says,
//! and what becomes of it when it is rolled back; pure.

use std::time::Duration;

use rewire_failover::core::LinkId;
use rewire_protocol::{ConsumerId, Destination, MessageAck, MessageId, Throwable};

use super::buffer::Dispatched;
use crate::options::RedeliveryPolicy;

/// So many messages are announced to the broker as delivered. It sends no more than the prefetch beyond
/// them, because each is kept until it is acknowledged.
const MOST_KEPT: usize = 10_000;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    consumer: ConsumerId,
    destination: Destination,
    /// The link of the last message.
    link: LinkId,
    /// Whether a broker sends again what was not acknowledged. Of a topic without a durable subscription it
    /// does not: what a dead link sent of it is good, and needs no acknowledgement.
    comes_again: bool,
    /// Of the consumer's buffer when it was taken out.
    generation: u64,
    messages: Vec<Dispatched>,
    /// How many of the last the broker has not heard to be delivered; below zero when it has heard of
    /// more than are handed out, because they were rolled back.
    unannounced: i32,
    policy: RedeliveryPolicy,
}

/// A message on its way to the application.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) consumer: ConsumerId,
    pub(crate) destination: Destination,
    pub(crate) prefetch: u32,
    pub(crate) comes_again: bool,
    pub(crate) generation: u64,
    pub(crate) policy: RedeliveryPolicy,
    pub(crate) dispatched: Dispatched,
}

/// What is to be done with what was rolled back.
#[derive(Debug)]
pub(crate) struct RolledBack {
    /// What to tell the broker, over this link: of poison, and of what is delivered again.
    pub(crate) acks: Vec<MessageAck>,
    pub(crate) link: LinkId,
    /// To be handed out again, in the order of the first time, after the delay.
    pub(crate) again: Vec<Dispatched>,
    pub(crate) generation: u64,
    pub(crate) delay: Duration,
}

impl Unacknowledged {
    /// Of a consumer that is about to hand out this message, which is not among them yet.
    pub(crate) fn of(delivered: &Delivered) -> Self {
        Self {
            consumer: delivered.consumer.clone(),
            destination: delivered.destination.clone(),
            link: delivered.dispatched.link,
            comes_again: delivered.comes_again,
            generation: delivered.generation,
            messages: Vec::new(),
            unannounced: 0,
            policy: delivered.policy,
        }
    }

    /// A message is about to be handed out. Whether others were forgotten for it, which came over a link
    /// that is gone and come again.
    pub(crate) fn add(&mut self, generation: u64, dispatched: Dispatched) -> bool {
        let mut has_lost = false;
        if self.link != dispatched.link {
            if self.comes_again {
                has_lost = !self.messages.is_empty();
                self.messages.clear();
            }
            self.unannounced = 0;
            self.link = dispatched.link;
        }
        self.generation = generation;
        self.messages.push(dispatched);
        self.unannounced = self.unannounced.saturating_add(1);
        has_lost
    }

    /// What to tell the broker so that it sends more, if that is due.
    pub(crate) fn announce(&mut self, prefetch: u32) -> Option<MessageAck> {
        // Java: ActiveMQMessageConsumer.ackLater moves the window at half the prefetch.
        let unannounced = usize::try_from(self.unannounced).unwrap_or_default();
        let is_due = unannounced > 0 && prefetch > 0 && unannounced * 2 >= prefetch as usize;
        if !is_due || self.messages.len() > MOST_KEPT {
            return None;
        }
        self.unannounced = 0;
        let from = self.messages.len().saturating_sub(unannounced);
        let messages = self.messages.get(from..)?;
        Some(self.ack(MessageAck::DELIVERED, messages))
    }

    /// A message of this link that was to be handed out had expired, and the broker hears so. It takes one off
    /// what was announced then (`PrefetchSubscription.acknowledge`).
    pub(crate) fn on_expired(&mut self, link: LinkId) {
        if self.link == link && self.announced() > 0 {
            self.unannounced = self.unannounced.saturating_add(1);
        }
    }

    /// The acknowledgements of all that came over this link, each of messages that were dispatched one after
    /// the other: a broker takes all that is between the first and the last.
    pub(crate) fn acks(&self, link: LinkId) -> Vec<MessageAck> {
        let mut messages: Vec<&Dispatched> =
            self.messages.iter().filter(|message| message.link == link).collect();
        messages.sort_by_key(|message| message.number);
        let runs = messages.chunk_by(|one, next| one.number + 1 == next.number);
        runs.map(|run| {
            let (first, last) = (run.first().copied(), run.last().copied());
            self.range(MessageAck::STANDARD, first, last, run.len())
        })
        .collect()
    }

    /// All of it is consumed, or is not to be handed out again from here.
    pub(crate) fn clear(&mut self) {
        let left = self.announced().saturating_sub(self.messages.len());
        self.messages.clear();
        self.unannounced = i32::try_from(left).map_or(i32::MIN, |left| -left);
    }

    /// Takes all of it back; `None` when there is nothing that could be handed out again. `current` is the
    /// link that is there, `chance` from -1 to 1.
    pub(crate) fn roll_back(
        &mut self,
        current: Option<LinkId>,
        chance: f64,
        cause: &str,
    ) -> Option<RolledBack> {
        if self.comes_again && Some(self.link) != current {
            // It comes again from the next broker.
            self.messages.clear();
            self.unannounced = 0;
            return None;
        }
        let announced = self.announced();
        let messages = std::mem::take(&mut self.messages);
        if messages.is_empty() {
            return None;
        }
        let (mut again, mut acks, mut delay, mut poison) =
            (Vec::new(), Vec::new(), Duration::ZERO, 0);
        for mut message in messages {
            let before = message.redelivery_counter;
            message.redelivery_counter = before.saturating_add(1);
            let is_acknowledged = Some(message.link) == current;
            if self.policy.is_exceeded_by(message.redelivery_counter) {
                if is_acknowledged {
                    poison += 1;
                    // One by one: a broker takes one off what was announced for each of them.
                    acks.push(self.poison(&message, cause));
                }
                continue;
            }
            if before > 0 && is_acknowledged {
                // Java: ActiveMQMessageConsumer.rollback says nothing of the first time.
                acks.push(self.range(MessageAck::REDELIVERED, Some(&message), Some(&message), 1));
            }
            delay = delay.max(self.policy.delay(before.max(0).unsigned_abs(), chance));
            message.is_again = true;
            again.push(message);
        }
        let left = announced.saturating_sub(poison);
        self.unannounced = i32::try_from(left).map_or(i32::MIN, |left| -left);
        let (link, generation) = (self.link, self.generation);
        Some(RolledBack { acks, link, again, generation, delay })
    }

    /// The last message was not handed out after all.
    pub(crate) fn forget_last(&mut self, unseen: &MessageId) {
        if self.messages.last().is_some_and(|last| last.message.message_id.as_ref() == Some(unseen))
        {
            self.messages.pop();
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether the broker and we agree on the window, so that it can be begun anew.
    pub(crate) const fn is_balanced(&self) -> bool {
        self.messages.is_empty() && self.unannounced == 0
    }

    pub(crate) const fn link(&self) -> LinkId {
        self.link
    }

    pub(crate) const fn comes_again(&self) -> bool {
        self.comes_again
    }

    /// How many the broker has heard to be delivered and not what became of them.
    fn announced(&self) -> usize {
        let kept = i64::try_from(self.messages.len()).unwrap_or(i64::MAX);
        usize::try_from(kept.saturating_sub(self.unannounced.into())).unwrap_or_default()
    }

    fn poison(&self, message: &Dispatched, cause: &str) -> MessageAck {
        let ack = self.range(MessageAck::POISON, Some(message), Some(message), 1);
        MessageAck {
            poison_cause: Some(poison_cause(message.redelivery_counter, &self.policy, cause)),
            ..ack
        }
    }

    fn ack(&self, ack_type: i8, messages: &[Dispatched]) -> MessageAck {
        self.range(ack_type, messages.first(), messages.last(), messages.len())
    }

    fn range(
        &self,
        ack_type: i8,
        first: Option<&Dispatched>,
        last: Option<&Dispatched>,
        count: usize,
    ) -> MessageAck {
        let id = |message: Option<&Dispatched>| message?.message.message_id.clone();
        MessageAck {
            destination: Some(self.destination.clone()),
            consumer_id: Some(self.consumer.clone()),
            ack_type,
            first_message_id: id(first),
            last_message_id: id(last),
            message_count: i32::try_from(count).unwrap_or(i32::MAX),
            ..MessageAck::default()
        }
    }
}

/// Why a message is poison, as the broker keeps it with the dead letter.
pub(crate) fn poison_cause(
    redeliveries: i32,
    policy: &RedeliveryPolicy,
    cause: &str,
) -> Box<Throwable> {
    let most = policy.maximum_redeliveries.unwrap_or_default();
    let problem = format!("delivery {redeliveries} is more than the policy's {most} redeliveries");
    let problem = if cause.is_empty() { problem } else { format!("{problem}: {cause}") };
    Box::new(Throwable::new("java.lang.Throwable", problem))
}
