//! What a consumer has handed out, so that what comes again without saying so is marked; pure.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher;

use rewire_protocol::{Destination, MessageId};

/// How many messages are remembered: as many as Java's audit does.
const REMEMBERED: usize = 2048;

/// The messages handed out last.
///
/// A broker that was killed does not know what it had delivered: ActiveMQ's KahaDB keeps no count of it. And one
/// whose durable subscriber returns while messages arrive may give it the same ones twice over one link, as new
/// (seen with ActiveMQ 5.17.2). Only the consumer knows. Java drops what its audit knows; here it is given, and
/// marked, because what was handed out before may not have been handled.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    hasher: RandomState,
    /// What was handed out, oldest first, each message by the hash of its name: to take one for another would
    /// mark it, and not lose it.
    recent: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Seen {
    /// Notes that a message is handed out; true when it was before.
    ///
    /// The number that a broker gave it says nothing: another one gives another. What is copied to several
    /// queues has one id in all of them.
    pub(crate) fn hand_out(&mut self, to: Option<&Destination>, id: &MessageId) -> bool {
        let MessageId { text_view, producer_id, producer_sequence_id, .. } = id;
        let name = self.hasher.hash_one((to, text_view, producer_id, producer_sequence_id));
        if !self.known.insert(name) {
            return true;
        }
        if self.recent.len() == REMEMBERED
            && let Some(oldest) = self.recent.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.recent.push_back(name);
        false
    }
}

#[cfg(test)]
mod tests {
    use rewire_protocol::ProducerId;

    use super::*;

    fn id(number: i64) -> MessageId {
        let producer = ProducerId { connection_id: Some("c".into()), ..ProducerId::default() };
        MessageId {
            producer_id: Some(producer),
            producer_sequence_id: number,
            ..MessageId::default()
        }
    }

    #[test]
    fn what_was_handed_out_comes_again_whatever_number_the_broker_gives_it() {
        let mut seen = Seen::default();
        assert!(!seen.hand_out(None, &id(7)) && !seen.hand_out(None, &id(8)));
        let renumbered = MessageId { broker_sequence_id: 99, ..id(7) };
        assert!(seen.hand_out(None, &renumbered));
        assert!(!seen.hand_out(None, &id(9)));
        assert!(seen.hand_out(None, &id(8)) && seen.hand_out(None, &id(8)), "and again");
    }

    #[test]
    fn the_copies_of_a_message_in_several_queues_are_messages_of_their_own() {
        let mut seen = Seen::default();
        let [a, b] = ["A", "B"].map(Destination::queue);
        assert!(!seen.hand_out(Some(&a), &id(1)) && !seen.hand_out(Some(&b), &id(1)));
        assert!(seen.hand_out(Some(&a), &id(1)));
    }

    #[test]
    fn a_name_that_is_no_openwire_clients_tells_messages_apart() {
        let mut seen = Seen::default();
        let named = |name: &str| MessageId { text_view: Some(name.into()), ..MessageId::default() };
        assert!(!seen.hand_out(None, &named("x")) && !seen.hand_out(None, &named("y")));
        assert!(seen.hand_out(None, &named("x")));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let mut seen = Seen::default();
        let many = 3 * i64::try_from(REMEMBERED).unwrap();
        for number in 0..many {
            assert!(!seen.hand_out(None, &id(number)));
            assert!(seen.recent.len() <= REMEMBERED && seen.known.len() == seen.recent.len());
        }
        assert!(!seen.hand_out(None, &id(0)), "long forgotten");
        assert!(seen.hand_out(None, &id(many - 1)));
    }
}
