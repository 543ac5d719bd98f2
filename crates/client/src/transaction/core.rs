//! What an open transaction has received, and what its end makes of that; pure.

use std::collections::HashMap;

use rewire_failover::core::LinkId;
use rewire_protocol::{
    Command, ConnectionId, ConsumerId, LocalTransactionId, MessageAck, MessageId, TransactionId,
    TransactionInfo,
};

use crate::consumer::unacknowledged::{Delivered, RolledBack, Unacknowledged};

/// One transaction after the other, of one session.
#[derive(Debug)]
pub(super) struct TransactionCore {
    connection: ConnectionId,
    open: Option<TransactionId>,
    /// Whether it received from a link that is gone: the broker behind it will not hear that it did.
    is_doomed: bool,
    consumers: HashMap<ConsumerId, Received>,
}

/// What one consumer has handed out in the open transaction.
#[derive(Debug)]
struct Received {
    messages: Unacknowledged,
    /// What is to be said when the transaction has ended, the consumer being gone.
    goodbye: Option<Command>,
}

/// Whether the open transaction can be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// On whichever link there is: it has received nothing.
    Free,
    /// On this link alone, which dispatched what it received.
    Bound(LinkId),
    /// No more.
    Doomed,
}

impl TransactionCore {
    pub(super) fn new(connection: ConnectionId) -> Self {
        Self { connection, open: None, is_doomed: false, consumers: HashMap::new() }
    }

    pub(super) const fn id(&self) -> Option<&TransactionId> {
        self.open.as_ref()
    }

    /// Begins a transaction with this number, unless one is open. What to tell the broker.
    pub(super) fn begin(&mut self, number: impl FnOnce() -> i64) -> Option<TransactionInfo> {
        if self.open.is_some() {
            return None;
        }
        let connection_id = Some(self.connection.clone());
        let local = LocalTransactionId { value: number(), connection_id };
        self.open = Some(TransactionId::Local(local));
        self.step(TransactionInfo::BEGIN)
    }

    /// A branch of a transaction manager is worked in.
    pub(super) fn open(&mut self, id: TransactionId) {
        self.open = Some(id);
    }

    /// The branch is worked in no longer, and not decided.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// A step of the open transaction.
    pub(super) fn step(&self, transaction_type: i8) -> Option<TransactionInfo> {
        Some(TransactionInfo {
            connection_id: Some(self.connection.clone()),
            transaction_id: Some(self.open.clone()?),
            transaction_type,
            ..TransactionInfo::default()
        })
    }

    /// A message is about to be handed out. What to tell the broker, over the link of the message.
    pub(super) fn on_delivered(&mut self, delivered: Delivered) -> Option<MessageAck> {
        let received = self.consumers.entry(delivered.consumer.clone());
        let received = received.or_insert_with(|| Received {
            messages: Unacknowledged::of(&delivered),
            goodbye: None,
        });
        let Delivered { prefetch, generation, dispatched, .. } = delivered;
        // Java: ActiveMQMessageConsumer.inProgressClearRequired makes it one to be rolled back.
        self.is_doomed |= received.messages.add(generation, dispatched);
        let ack = received.messages.announce(prefetch)?;
        Some(MessageAck { transaction_id: self.open.clone(), ..ack })
    }

    /// A message that came over this link had expired before it could be handed out.
    pub(super) fn on_expired(&mut self, consumer: &ConsumerId, link: LinkId) {
        if let Some(received) = self.consumers.get_mut(consumer) {
            received.messages.on_expired(link);
        }
    }

    /// Whether it can be committed, this being the link there is.
    pub(super) fn standing(&self, current: Option<LinkId>) -> Standing {
        let all = self.consumers.values().map(|received| &received.messages);
        let mut standing = if self.is_doomed { Standing::Doomed } else { Standing::Free };
        for messages in all.filter(|messages| !messages.is_empty()) {
            if Some(messages.link()) != current {
                if messages.comes_again() {
                    standing = Standing::Doomed;
                }
            } else if standing == Standing::Free {
                standing = Standing::Bound(messages.link());
            }
        }
        standing
    }

    /// The acknowledgements of all it received over this link.
    pub(super) fn acks(&self, link: LinkId) -> Vec<MessageAck> {
        let acks = self.consumers.values().flat_map(|received| received.messages.acks(link));
        acks.map(|ack| MessageAck { transaction_id: self.open.clone(), ..ack }).collect()
    }

    /// It ended, and what it received does not come again from here. What is to be said of consumers
    /// that are gone.
    pub(super) fn ended(&mut self) -> Vec<Command> {
        self.open = None;
        self.is_doomed = false;
        self.consumers.values_mut().for_each(|received| received.messages.clear());
        let gone = self.take_goodbyes();
        self.consumers.retain(|_, received| !received.messages.is_balanced());
        gone
    }

    /// It was rolled back. What it received over the link that is there is handed out again, in the same
    /// order, or is poison; the rest comes again from the broker. `chance` is from -1 to 1.
    pub(super) fn rolled_back(
        &mut self,
        current: Option<LinkId>,
        chance: f64,
    ) -> Vec<(ConsumerId, RolledBack)> {
        self.open = None;
        self.is_doomed = false;
        let mut all = Vec::new();
        for (consumer, received) in &mut self.consumers {
            if received.goodbye.is_some() {
                received.messages.clear();
            } else if let Some(rolled_back) = received.messages.roll_back(current, chance, "") {
                all.push((consumer.clone(), rolled_back));
            }
        }
        all
    }

    /// What is to be said of consumers that are gone, when their transaction has ended.
    pub(super) fn take_goodbyes(&mut self) -> Vec<Command> {
        let gone = self.consumers.extract_if(|_, received| received.goodbye.is_some());
        gone.filter_map(|(_, received)| received.goodbye).collect()
    }

    /// A consumer is gone. `unseen` was noted as handed out and was not. Gives the goodbye back when it
    /// can be said at once; else it is said when the transaction has ended.
    ///
    /// Java: ActiveMQMessageConsumer.close waits for the transaction. A broker ignores the
    /// acknowledgements of a consumer that it has removed.
    pub(super) fn on_gone(
        &mut self,
        consumer: &ConsumerId,
        unseen: Option<&MessageId>,
        goodbye: Command,
    ) -> Option<Command> {
        let Some(received) = self.consumers.get_mut(consumer) else { return Some(goodbye) };
        if let Some(unseen) = unseen {
            received.messages.forget_last(unseen);
        }
        if received.messages.is_empty() {
            self.consumers.remove(consumer);
            return Some(goodbye);
        }
        received.goodbye = Some(goodbye);
        None
    }
}

#[cfg(test)]
mod tests {
    use rewire_protocol::{Destination, Message};

    use super::*;
    use crate::consumer::buffer::Dispatched;
    use crate::options::RedeliveryPolicy;
    use crate::tests::link;

    fn connection() -> ConnectionId {
        ConnectionId::new("ID:t:1")
    }

    fn consumer() -> ConsumerId {
        connection().session(1).consumer(1)
    }

    fn core() -> TransactionCore {
        let mut core = TransactionCore::new(connection());
        assert!(core.begin(|| 7).is_some());
        core
    }

    type Shown = (i8, i64, i64, i32);

    fn deliver(core: &mut TransactionCore, on: u64, number: i64) -> Option<Shown> {
        deliver_of(core, on, number, true)
    }

    fn deliver_of(
        core: &mut TransactionCore,
        on: u64,
        number: i64,
        comes_again: bool,
    ) -> Option<Shown> {
        let message_id = Some(connection().session(1).producer(1).message(number));
        let message = Box::new(Message { message_id, ..Message::default() });
        let ack = core.on_delivered(Delivered {
            consumer: consumer(),
            destination: Destination::queue("Q"),
            prefetch: 4,
            comes_again,
            generation: on,
            policy: RedeliveryPolicy::default(),
            dispatched: Dispatched {
                link: link(on),
                message,
                redelivery_counter: 0,
                number: number.unsigned_abs(),
                is_again: false,
            },
        });
        ack.map(|ack| show(&ack))
    }

    fn show(ack: &MessageAck) -> Shown {
        assert!(ack.transaction_id.is_some());
        let number = |id: &Option<MessageId>| id.as_ref().unwrap().producer_sequence_id;
        let (first, last) = (number(&ack.first_message_id), number(&ack.last_message_id));
        (ack.ack_type, first, last, ack.message_count)
    }

    fn acks(core: &TransactionCore, on: u64) -> Vec<Shown> {
        core.acks(link(on)).iter().map(show).collect()
    }

    #[test]
    fn it_begins_with_the_first_work_and_once() {
        let mut core = TransactionCore::new(connection());
        assert!(core.step(TransactionInfo::ROLLBACK).is_none());
        let begin = core.begin(|| 7).unwrap();
        assert_eq!(begin.transaction_type, TransactionInfo::BEGIN);
        assert!(core.begin(|| unreachable!()).is_none());
        core.ended();
        assert_ne!(core.begin(|| 8).unwrap().transaction_id, begin.transaction_id);
    }

    #[test]
    fn the_window_moves_at_half_the_prefetch_and_all_is_acknowledged_at_the_end() {
        let mut core = core();
        assert_eq!(deliver(&mut core, 1, 1), None);
        assert_eq!(deliver(&mut core, 1, 2), Some((MessageAck::DELIVERED, 1, 2, 2)));
        assert_eq!(deliver(&mut core, 1, 3), None);
        assert_eq!(core.standing(Some(link(1))), Standing::Bound(link(1)));
        assert_eq!(acks(&core, 1), [(MessageAck::STANDARD, 1, 3, 3)]);
        assert!(core.ended().is_empty());
        assert_eq!((acks(&core, 1), core.standing(None)), (vec![], Standing::Free));
    }

    #[test]
    fn what_was_rolled_back_is_handed_out_again_counted_and_not_announced_twice() {
        let mut core = core();
        for number in 1..=3 {
            deliver(&mut core, 1, number);
        }
        let returned = core.rolled_back(Some(link(1)), 0.0);
        let (to, rolled_back) = &returned[0];
        assert_eq!((returned.len(), to, rolled_back.generation), (1, &consumer(), 1));
        assert!(rolled_back.acks.is_empty());
        let counted: Vec<_> = rolled_back
            .again
            .iter()
            .map(|m| {
                (m.message.message_id.as_ref().unwrap().producer_sequence_id, m.redelivery_counter)
            })
            .collect();
        assert_eq!(counted, [(1, 1), (2, 1), (3, 1)]);
        core.begin(|| 8);
        for number in 1..=3 {
            assert_eq!(deliver(&mut core, 1, number), None, "{number} was announced");
        }
        assert_eq!(deliver(&mut core, 1, 4), Some((MessageAck::DELIVERED, 3, 4, 2)));
    }

    #[test]
    fn what_a_dead_link_dispatched_dooms_it_and_is_not_handed_out_again() {
        let mut core = core();
        deliver(&mut core, 1, 1);
        assert_eq!(core.standing(None), Standing::Doomed);
        assert_eq!(core.standing(Some(link(2))), Standing::Doomed);
        deliver(&mut core, 2, 1);
        assert_eq!(core.standing(Some(link(2))), Standing::Doomed);
        assert_eq!(acks(&core, 2), [(MessageAck::STANDARD, 1, 1, 1)]);
        assert_eq!(core.rolled_back(Some(link(2)), 0.0).len(), 1);
        core.begin(|| 8);
        deliver(&mut core, 2, 1);
        assert_eq!(core.standing(Some(link(2))), Standing::Bound(link(2)));
        assert!(core.rolled_back(None, 0.0).is_empty());
    }

    #[test]
    fn what_does_not_come_again_neither_dooms_it_nor_is_lost_by_a_rollback() {
        let mut core = core();
        deliver_of(&mut core, 1, 1, false);
        assert_eq!(core.standing(None), Standing::Free);
        deliver_of(&mut core, 2, 2, false);
        assert_eq!(core.standing(Some(link(2))), Standing::Bound(link(2)));
        assert_eq!(acks(&core, 2), [(MessageAck::STANDARD, 2, 2, 1)]);
        let returned = core.rolled_back(Some(link(3)), 0.0);
        assert_eq!(returned[0].1.again.len(), 2);
    }

    #[test]
    fn a_consumer_that_is_gone_is_removed_when_what_it_received_is_settled() {
        let goodbye = || Command::from(rewire_protocol::RemoveInfo::default());
        let mut core = core();
        assert!(core.on_gone(&consumer(), None, goodbye()).is_some());
        deliver(&mut core, 1, 1);
        assert!(core.on_gone(&consumer(), None, goodbye()).is_none());
        assert_eq!(acks(&core, 1).len(), 1);
        assert_eq!(core.ended().len(), 1);

        core.begin(|| 8);
        deliver(&mut core, 1, 2);
        core.on_gone(&consumer(), None, goodbye());
        assert!(core.rolled_back(Some(link(1)), 0.0).is_empty());
        assert_eq!(core.take_goodbyes().len(), 1);
    }

    #[test]
    fn a_message_that_nobody_got_to_see_is_not_acknowledged() {
        let mut core = core();
        deliver(&mut core, 1, 1);
        deliver(&mut core, 1, 2);
        let unseen = connection().session(1).producer(1).message(2);
        let goodbye = Command::from(rewire_protocol::RemoveInfo::default());
        core.on_gone(&consumer(), Some(&unseen), goodbye);
        assert_eq!(acks(&core, 1), [(MessageAck::STANDARD, 1, 1, 1)]);
    }

    #[test]
    fn a_message_that_expired_makes_room_in_the_window() {
        let mut core = core();
        deliver(&mut core, 1, 1);
        assert_eq!(deliver(&mut core, 1, 2), Some((MessageAck::DELIVERED, 1, 2, 2)));
        core.on_expired(&consumer(), link(1));
        assert_eq!(deliver(&mut core, 1, 4), Some((MessageAck::DELIVERED, 2, 4, 2)));
    }

    #[test]
    fn a_consumer_that_has_received_nothing_since_binds_and_dooms_nothing() {
        let mut core = core();
        deliver(&mut core, 1, 1);
        deliver(&mut core, 1, 2);
        core.rolled_back(Some(link(1)), 0.0);
        core.begin(|| 8);
        assert_eq!(core.standing(Some(link(2))), Standing::Free);
        assert_eq!(core.standing(Some(link(1))), Standing::Free);
    }

    #[test]
    fn what_doomed_a_transaction_does_not_doom_the_next() {
        let mut core = core();
        deliver(&mut core, 1, 1);
        deliver(&mut core, 2, 2);
        assert_eq!(core.standing(Some(link(2))), Standing::Doomed);
        core.ended();
        core.begin(|| 8);
        assert_eq!(core.standing(Some(link(2))), Standing::Free);
    }

    #[test]
    fn what_was_rolled_back_and_is_not_handed_out_again_yet_stays_announced() {
        let mut core = core();
        deliver(&mut core, 1, 1);
        deliver(&mut core, 1, 2);
        core.rolled_back(Some(link(1)), 0.0);
        core.begin(|| 8);
        deliver(&mut core, 1, 1);
        core.ended();
        core.begin(|| 9);
        // The broker has heard of the second before.
        assert_eq!(deliver(&mut core, 1, 2), None);
        assert_eq!(deliver(&mut core, 1, 3), None);
        assert_eq!(deliver(&mut core, 1, 4), Some((MessageAck::DELIVERED, 3, 4, 2)));
    }

    #[test]
    fn a_consumer_whose_only_message_nobody_got_to_see_is_removed_at_once() {
        let mut core = core();
        deliver(&mut core, 1, 1);
        let unseen = connection().session(1).producer(1).message(1);
        let goodbye = Command::from(rewire_protocol::RemoveInfo::default());
        assert!(core.on_gone(&consumer(), Some(&unseen), goodbye).is_some());
        assert!(core.ended().is_empty());
    }
}
