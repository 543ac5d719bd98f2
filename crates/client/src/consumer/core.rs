//! What a consumer has handed out and not acknowledged, and what to tell the broker of it; pure.

use rewire_failover::core::LinkId;
use rewire_protocol::{ConsumerId, Destination, MessageAck, MessageId};

use crate::session::AckMode;

/// The acknowledgements of one consumer.
///
/// Of what was handed out only the two ends and the count are kept: an acknowledgement covers a range.
#[derive(Debug)]
pub(crate) struct AckCore {
    mode: AckMode,
    /// The link that dispatched what is unacknowledged; another's cannot be acknowledged.
    link: Option<LinkId>,
    /// Handed out and not acknowledged.
    unacknowledged: Option<Range>,
    /// Those of them of which the broker has not heard that they arrived.
    unannounced: Option<Range>,
}

/// Messages in the order of their dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: MessageId,
    last: MessageId,
    count: i32,
}

/// An acknowledgement to be sent, over the link it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) link: LinkId,
    kind: i8,
    range: Range,
}

impl AckCore {
    pub(crate) const fn new(mode: AckMode) -> Self {
        Self { mode, link: None, unacknowledged: None, unannounced: None }
    }

    /// A message was handed to the application.
    pub(crate) fn on_delivered(&mut self, link: LinkId, id: &MessageId) {
        if self.link != Some(link) {
            // What the link before dispatched comes again.
            *self = Self { link: Some(link), ..Self::new(self.mode) };
        }
        match self.mode {
            AckMode::Auto | AckMode::DupsOk => extend(&mut self.unacknowledged, id),
            AckMode::Client => {
                extend(&mut self.unacknowledged, id);
                extend(&mut self.unannounced, id);
            }
            AckMode::Individual => {}
        }
    }

    /// What is due when the application asks for the next message, having done with those before.
    pub(crate) fn take_due(&mut self, prefetch: u32) -> Option<Ack> {
        // Java: ActiveMQMessageConsumer.ackLater moves the window at half the prefetch.
        let is_half = |range: &Option<Range>| {
            range.as_ref().is_some_and(|range| range.count.unsigned_abs() * 2 >= prefetch)
        };
        match self.mode {
            AckMode::Auto => self.take_all(),
            AckMode::DupsOk if is_half(&self.unacknowledged) => self.take_all(),
            AckMode::Client if is_half(&self.unannounced) => {
                let range = self.unannounced.take()?;
                Some(Ack { link: self.link?, kind: MessageAck::DELIVERED, range })
            }
            AckMode::DupsOk | AckMode::Client | AckMode::Individual => None,
        }
    }

    /// What is left to acknowledge when there is nothing to do, or at the end, without being asked to.
    pub(crate) fn take_rest(&mut self) -> Option<Ack> {
        match self.mode {
            AckMode::Auto | AckMode::DupsOk => self.take_all(),
            AckMode::Client | AckMode::Individual => None,
        }
    }

    /// Acknowledges all that was handed out.
    pub(crate) fn take_all(&mut self) -> Option<Ack> {
        self.unannounced = None;
        let range = self.unacknowledged.take()?;
        Some(Ack { link: self.link?, kind: MessageAck::STANDARD, range })
    }
}

impl Ack {
    /// The acknowledgement of one message, whatever came before it.
    pub(crate) fn individual(link: LinkId, id: MessageId) -> Self {
        let range = Range { first: id.clone(), last: id, count: 1 };
        Self { link, kind: MessageAck::INDIVIDUAL, range }
    }

    pub(crate) fn into_command(self, consumer: ConsumerId, destination: Destination) -> MessageAck {
        let Range { first, last, count } = self.range;
        MessageAck {
            destination: Some(destination),
            consumer_id: Some(consumer),
            ack_type: self.kind,
            first_message_id: Some(first),
            last_message_id: Some(last),
            message_count: count,
            ..MessageAck::default()
        }
    }
}

fn extend(range: &mut Option<Range>, id: &MessageId) {
    match range {
        Some(range) => {
            range.last = id.clone();
            range.count = range.count.saturating_add(1);
        }
        None => *range = Some(Range { first: id.clone(), last: id.clone(), count: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use rewire_protocol::ConnectionId;

    use super::*;
    use crate::tests::link;

    fn id(n: i64) -> MessageId {
        ConnectionId::new("ID:t:1").session(1).producer(1).message(n)
    }

    fn deliver(core: &mut AckCore, on: u64, numbers: std::ops::RangeInclusive<i64>) {
        for n in numbers {
            core.on_delivered(link(on), &id(n));
        }
    }

    fn ack(on: u64, kind: i8, first: i64, last: i64) -> Option<Ack> {
        let count = i32::try_from(last - first + 1).unwrap();
        Some(Ack { link: link(on), kind, range: Range { first: id(first), last: id(last), count } })
    }

    #[test]
    fn auto_acknowledges_each_message_when_the_next_is_asked_for() {
        let mut core = AckCore::new(AckMode::Auto);
        assert_eq!(core.take_due(100), None);
        deliver(&mut core, 1, 1..=1);
        assert_eq!(core.take_due(100), ack(1, MessageAck::STANDARD, 1, 1));
        assert_eq!(core.take_due(100), None);
    }

    #[test]
    fn dups_ok_acknowledges_at_half_the_prefetch_and_when_there_is_nothing_to_do() {
        let mut core = AckCore::new(AckMode::DupsOk);
        deliver(&mut core, 1, 1..=4);
        assert_eq!(core.take_due(10), None);
        deliver(&mut core, 1, 5..=5);
        assert_eq!(core.take_due(10), ack(1, MessageAck::STANDARD, 1, 5));
        deliver(&mut core, 1, 6..=6);
        assert_eq!(core.take_rest(), ack(1, MessageAck::STANDARD, 6, 6));
    }

    #[test]
    fn client_moves_the_window_at_half_the_prefetch_and_acknowledges_all_when_asked() {
        let mut core = AckCore::new(AckMode::Client);
        deliver(&mut core, 1, 1..=5);
        assert_eq!(core.take_due(10), ack(1, MessageAck::DELIVERED, 1, 5));
        deliver(&mut core, 1, 6..=7);
        assert_eq!(core.take_due(10), None);
        assert_eq!(core.take_rest(), None);
        assert_eq!(core.take_all(), ack(1, MessageAck::STANDARD, 1, 7));
        assert_eq!(core.take_all(), None);
    }

    #[test]
    fn what_a_dead_link_dispatched_is_not_acknowledged_over_the_next() {
        let mut core = AckCore::new(AckMode::Client);
        deliver(&mut core, 1, 1..=3);
        deliver(&mut core, 2, 1..=1);
        assert_eq!(core.take_all(), ack(2, MessageAck::STANDARD, 1, 1));
    }

    #[test]
    fn individual_leaves_acknowledging_to_the_delivery() {
        let mut core = AckCore::new(AckMode::Individual);
        deliver(&mut core, 1, 1..=9);
        assert_eq!((core.take_due(1), core.take_rest()), (None, None));
    }
}
