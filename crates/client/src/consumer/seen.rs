//! What a consumer has handed out, so that what comes again after a failover says so; pure.

use std::collections::{HashSet, VecDeque};

use rewire_failover::core::LinkId;
use rewire_protocol::{MessageId, ProducerId, Str};

/// How many messages are remembered: as many as Java's audit does.
const REMEMBERED: usize = 2048;

/// The messages handed out last, and which of them may come again.
///
/// A broker that was killed does not know what it had delivered: ActiveMQ's KahaDB keeps no count of it. Only the
/// consumer knows. While a link lasts, its broker does, and nothing is looked up.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    link: Option<LinkId>,
    recent: VecDeque<Name>,
    /// Handed out when they came over earlier links.
    before: HashSet<Name>,
}

/// A message by its producer, without the number that a broker gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    text_view: Option<Str>,
    producer: Option<ProducerId>,
    number: i64,
}

impl Seen {
    /// Notes that a message is handed out; true when it was before, over an earlier link.
    pub(crate) fn hand_out(&mut self, link: LinkId, id: &MessageId) -> bool {
        if self.link.replace(link) != Some(link) {
            self.before = self.recent.iter().cloned().collect();
        }
        let name = Name {
            text_view: id.text_view.clone(),
            producer: id.producer_id.clone(),
            number: id.producer_sequence_id,
        };
        let is_again = !self.before.is_empty() && self.before.remove(&name);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(name);
        is_again
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::link;

    fn id(number: i64) -> MessageId {
        let producer = ProducerId { connection_id: Some("c".into()), ..ProducerId::default() };
        MessageId {
            producer_id: Some(producer),
            producer_sequence_id: number,
            ..MessageId::default()
        }
    }

    #[test]
    fn what_was_handed_out_over_an_earlier_link_comes_again_whatever_number_the_broker_gives_it() {
        let [first, second] = [1, 2].map(link);
        let mut seen = Seen::default();
        assert!(!seen.hand_out(first, &id(7)) && !seen.hand_out(first, &id(8)));
        let renumbered = MessageId { broker_sequence_id: 99, ..id(7) };
        assert!(seen.hand_out(second, &renumbered));
        assert!(!seen.hand_out(second, &id(9)));
        assert!(seen.hand_out(second, &id(8)));
    }

    #[test]
    fn over_one_link_the_broker_says_what_comes_again() {
        let mut seen = Seen::default();
        let [first, second] = [1, 2].map(link);
        assert!(!seen.hand_out(first, &id(7)) && !seen.hand_out(first, &id(7)));
        assert!(seen.hand_out(second, &id(7)));
        assert!(!seen.hand_out(second, &id(7)), "it was said once");
    }

    #[test]
    fn no_more_than_so_many_are_remembered_over_any_number_of_links() {
        let mut seen = Seen::default();
        let many = 3 * i64::try_from(REMEMBERED).unwrap();
        for number in 0..many {
            assert!(!seen.hand_out(link(u64::try_from(number / 100).unwrap()), &id(number)));
            assert!(seen.recent.len() <= REMEMBERED && seen.before.len() <= REMEMBERED);
        }
        assert!(!seen.hand_out(link(1000), &id(0)), "long forgotten");
        assert!(seen.hand_out(link(1000), &id(many - 1)));
    }
}
