//! What a consumer that acknowledges by itself tells the broker, and when; pure.

use rewire_failover::core::LinkId;
use rewire_protocol::{ConsumerId, Destination, MessageAck, MessageId, Throwable};

use crate::session::AckMode;

/// The acknowledgements of one consumer that makes them by itself.
///
/// Of what was handed out only the two ends and the count are kept: an acknowledgement covers a range.
#[derive(Debug)]
pub(crate) struct AckCore {
    how: How,
    /// The link that dispatched what is unacknowledged; another's cannot be acknowledged.
    link: Option<LinkId>,
    /// Handed out and not acknowledged.
    unacknowledged: Option<Range>,
}

/// How much is acknowledged at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Each message.
    Each,
    /// As soon as so many percent of the prefetch are handed out.
    Batch(u64),
    /// Nothing from here: others do it.
    Never,
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
    /// Why a message is poison.
    cause: Option<Box<Throwable>>,
}

impl AckCore {
    pub(crate) const fn new(mode: AckMode) -> Self {
        let how = match mode {
            AckMode::Auto => How::Each,
            // Java: ActiveMQMessageConsumer.ackLater moves the window at half the prefetch.
            AckMode::DupsOk => How::Batch(50),
            AckMode::Client | AckMode::Individual => How::Never,
        };
        Self { how, link: None, unacknowledged: None }
    }

    /// With the option `optimizeAcknowledge`. Java: ActiveMQMessageConsumer.afterMessageIsConsumed.
    pub(crate) const fn optimized() -> Self {
        Self { how: How::Batch(65), link: None, unacknowledged: None }
    }

    /// A message was handed to the application.
    pub(crate) fn on_delivered(&mut self, link: LinkId, id: &MessageId) {
        if self.link != Some(link) {
            // What the link before dispatched comes again.
            self.link = Some(link);
            self.unacknowledged = None;
        }
        if self.how == How::Never {
            return;
        }
        match &mut self.unacknowledged {
            Some(range) => {
                range.last = id.clone();
                range.count = range.count.saturating_add(1);
            }
            None => {
                self.unacknowledged = Some(Range { first: id.clone(), last: id.clone(), count: 1 });
            }
        }
    }

    /// What is due when the application asks for the next message, having done with those before.
    pub(crate) fn take_due(&mut self, prefetch: u32) -> Option<Ack> {
        let count = u64::from(self.unacknowledged.as_ref()?.count.unsigned_abs());
        match self.how {
            How::Batch(percent) if count * 100 < u64::from(prefetch) * percent => None,
            How::Each | How::Batch(_) => self.take_rest(),
            How::Never => None,
        }
    }

    /// Whether acknowledgements wait for more of them.
    pub(crate) const fn is_collecting(&self) -> bool {
        matches!(self.how, How::Batch(_)) && self.unacknowledged.is_some()
    }

    /// What is left to acknowledge.
    pub(crate) fn take_rest(&mut self) -> Option<Ack> {
        let range = self.unacknowledged.take()?;
        Some(Ack { link: self.link?, kind: MessageAck::STANDARD, range, cause: None })
    }
}

impl Ack {
    /// The acknowledgement of one message, whatever came before it.
    pub(crate) fn individual(link: LinkId, id: MessageId) -> Self {
        Self::one(link, id, MessageAck::INDIVIDUAL, None)
    }

    /// A message had expired when it was to be handed out.
    pub(crate) fn expired(link: LinkId, id: MessageId) -> Self {
        Self::one(link, id, MessageAck::EXPIRED, None)
    }

    /// A message is to become a dead letter.
    pub(crate) fn poison(link: LinkId, id: MessageId, cause: Box<Throwable>) -> Self {
        Self::one(link, id, MessageAck::POISON, Some(cause))
    }

    fn one(link: LinkId, id: MessageId, kind: i8, cause: Option<Box<Throwable>>) -> Self {
        Self { link, kind, range: Range { first: id.clone(), last: id, count: 1 }, cause }
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
            poison_cause: self.cause,
            ..MessageAck::default()
        }
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
        let range = Range { first: id(first), last: id(last), count };
        Some(Ack { link: link(on), kind, range, cause: None })
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
    fn dups_ok_acknowledges_at_half_the_prefetch_and_the_rest_when_it_is_asked_to() {
        let mut core = AckCore::new(AckMode::DupsOk);
        deliver(&mut core, 1, 1..=4);
        assert_eq!((core.take_due(10), core.is_collecting()), (None, true));
        deliver(&mut core, 1, 5..=5);
        assert_eq!(core.take_due(10), ack(1, MessageAck::STANDARD, 1, 5));
        assert!(!core.is_collecting());
        deliver(&mut core, 1, 6..=6);
        assert_eq!(core.take_rest(), ack(1, MessageAck::STANDARD, 6, 6));
    }

    #[test]
    fn an_optimized_consumer_acknowledges_at_65_percent_of_the_prefetch() {
        let mut core = AckCore::optimized();
        deliver(&mut core, 1, 1..=6);
        assert_eq!(core.take_due(10), None);
        deliver(&mut core, 1, 7..=7);
        assert_eq!(core.take_due(10), ack(1, MessageAck::STANDARD, 1, 7));
    }

    #[test]
    fn what_a_dead_link_dispatched_is_not_acknowledged_over_the_next() {
        let mut core = AckCore::new(AckMode::DupsOk);
        deliver(&mut core, 1, 1..=3);
        deliver(&mut core, 2, 1..=1);
        assert_eq!(core.take_rest(), ack(2, MessageAck::STANDARD, 1, 1));
    }

    #[test]
    fn other_modes_leave_acknowledging_to_others() {
        for mode in [AckMode::Individual, AckMode::Client] {
            let mut core = AckCore::new(mode);
            deliver(&mut core, 1, 1..=9);
            assert_eq!((core.take_due(1), core.take_rest()), (None, None));
        }
    }
}
