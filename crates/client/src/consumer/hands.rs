//! What of a consumer is in the application's hands, and whether the link that sent it is being left.
//!
//! A link is left when every consumer has settled what it held. The router says that the link is being
//! left, the application that it is done; whoever is second says so to the transport, once.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use rewire_failover::core::LinkId;
use tokio::sync::Notify;

use crate::connection::NONE_DELIVERED;

/// It is not known which messages were handed out. Java: `RemoveInfo.LAST_DELIVERED_UNKNOWN`.
const UNKNOWN_DELIVERED: i64 = -2;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Hands {
    /// The link that sent what is held; 0 for none, which is no link's number.
    link: AtomicU64,
    /// How many messages were handed out and are not done.
    held: AtomicU32,
    /// How many messages were handed out and not acknowledged, where each is for itself.
    unacknowledged: AtomicU32,
    /// The broker's number of the message handed out last.
    last_delivered: AtomicI64,
    /// Whether that one was acknowledged for itself.
    is_last_acknowledged: AtomicBool,
    /// The link that is being left and was not settled yet; 0 for none.
    leaving: AtomicU64,
    /// Told when nothing is held any more.
    emptied: Notify,
}

/// A consumer has done with all it got over a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the transport waits to hear of it"]
pub(crate) struct Settled {
    pub(crate) link: LinkId,
    pub(crate) last_delivered: i64,
}

impl Default for Hands {
    fn default() -> Self {
        Self {
            link: AtomicU64::new(0),
            held: AtomicU32::new(0),
            unacknowledged: AtomicU32::new(0),
            last_delivered: AtomicI64::new(NONE_DELIVERED),
            is_last_acknowledged: AtomicBool::new(false),
            leaving: AtomicU64::new(0),
            emptied: Notify::new(),
        }
    }
}

impl Hands {
    /// A message that came over this link is handed out.
    pub(crate) fn take(&self, link: LinkId, broker_sequence_id: i64) {
        if self.link.swap(link.number(), Ordering::SeqCst) != link.number() {
            self.held.store(0, Ordering::SeqCst);
            self.unacknowledged.store(0, Ordering::SeqCst);
        }
        self.unacknowledged.fetch_add(1, Ordering::SeqCst);
        self.is_last_acknowledged.store(false, Ordering::SeqCst);
        self.last_delivered.store(broker_sequence_id, Ordering::SeqCst);
        self.held.fetch_add(1, Ordering::SeqCst);
    }

    /// A message that was handed out before, and put down since, is handed out again. It is not the last
    /// that was delivered, and is counted already among those that are not acknowledged.
    pub(crate) fn take_again(&self, link: LinkId) {
        if self.link.load(Ordering::SeqCst) == link.number() {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// One message that came over this link is acknowledged for itself, whatever came before it.
    pub(crate) fn acknowledge(&self, link: LinkId, broker_sequence_id: i64) {
        if self.link.load(Ordering::SeqCst) != link.number() {
            return;
        }
        let less = |count: u32| Some(count.saturating_sub(1));
        let _ = self.unacknowledged.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        if self.last_delivered.load(Ordering::SeqCst) == broker_sequence_id {
            self.is_last_acknowledged.store(true, Ordering::SeqCst);
        }
    }

    /// One message that came over this link is done: acknowledged, or dropped without.
    pub(crate) fn put_down(&self, link: LinkId) -> Option<Settled> {
        if self.link.load(Ordering::SeqCst) != link.number() {
            return None;
        }
        let less = |held: u32| Some(held.saturating_sub(1));
        let before = self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        if before.is_ok_and(|before| before <= 1) { self.settle() } else { None }
    }

    /// All messages are put down, to be handed out again.
    pub(crate) fn put_down_for_later(&self) -> Option<Settled> {
        self.held.store(0, Ordering::SeqCst);
        self.settle()
    }

    /// All messages are done.
    pub(crate) fn put_down_all(&self) -> Option<Settled> {
        self.held.store(0, Ordering::SeqCst);
        self.unacknowledged.store(0, Ordering::SeqCst);
        self.settle()
    }

    /// The link is being left.
    pub(crate) fn leave(&self, link: LinkId) -> Option<Settled> {
        self.leaving.store(link.number(), Ordering::SeqCst);
        self.settle()
    }

    /// Whether a link is being left and something is still held of it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst) != 0
    }

    /// The link is gone, and with it the numbers it gave.
    pub(crate) fn clear(&self) {
        self.leaving.store(0, Ordering::SeqCst);
        self.link.store(0, Ordering::SeqCst);
        self.held.store(0, Ordering::SeqCst);
        self.unacknowledged.store(0, Ordering::SeqCst);
        self.last_delivered.store(NONE_DELIVERED, Ordering::SeqCst);
        self.emptied.notify_waiters();
    }

    /// Waits until nothing is held.
    pub(crate) async fn emptied(&self) {
        loop {
            // What happens from here on is heard of.
            let emptied = self.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            emptied.as_mut().enable();
            if self.held.load(Ordering::SeqCst) == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// What a broker is told of what was seen: the number of the message handed out last, or -1.
    ///
    /// It marks as redelivered what is not acknowledged up to that one, and nothing if it does not find it
    /// (`Queue.removeSubscription`). So where that one is acknowledged and one before it is not, it is told
    /// that nobody knows, and marks all.
    pub(crate) fn last_delivered(&self) -> i64 {
        let is_hidden = self.is_last_acknowledged.load(Ordering::SeqCst)
            && self.unacknowledged.load(Ordering::SeqCst) > 0;
        if is_hidden { UNKNOWN_DELIVERED } else { self.last_delivered.load(Ordering::SeqCst) }
    }

    fn settle(&self) -> Option<Settled> {
        if self.held.load(Ordering::SeqCst) > 0 {
            return None;
        }
        self.emptied.notify_waiters();
        match self.leaving.swap(0, Ordering::SeqCst) {
            0 => None,
            number => {
                Some(Settled { link: LinkId::new(number), last_delivered: self.last_delivered() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::link;

    #[test]
    fn who_holds_nothing_has_settled_at_once_and_says_so_once() {
        let hands = Hands::default();
        let settled = Settled { link: link(3), last_delivered: NONE_DELIVERED };
        assert_eq!(hands.leave(link(3)), Some(settled));
        assert_eq!(hands.put_down_all(), None);
    }

    #[test]
    fn who_holds_something_has_settled_when_the_last_of_it_is_done() {
        let hands = Hands::default();
        hands.take(link(3), 7);
        hands.take(link(3), 8);
        assert_eq!(hands.leave(link(3)), None);
        assert_eq!(hands.put_down(link(3)), None);
        assert_eq!(hands.put_down(link(3)), Some(Settled { link: link(3), last_delivered: 8 }));
        assert_eq!(hands.put_down(link(3)), None);
    }

    #[test]
    fn an_unacknowledged_message_behind_an_acknowledged_one_is_not_hidden_by_it() {
        let hands = Hands::default();
        hands.take(link(3), 7);
        hands.take(link(3), 8);
        assert_eq!(hands.last_delivered(), 8);
        hands.acknowledge(link(3), 8);
        assert_eq!(hands.last_delivered(), UNKNOWN_DELIVERED);
        hands.acknowledge(link(3), 7);
        assert_eq!(hands.last_delivered(), 8);
    }

    #[test]
    fn what_a_lost_link_sent_is_not_waited_for() {
        let hands = Hands::default();
        hands.take(link(3), 7);
        assert_eq!(hands.leave(link(3)), None);
        hands.clear();
        hands.take(link(4), 1);
        assert_eq!(hands.put_down(link(3)), None);
        assert_eq!(hands.leave(link(4)), None);
        assert_eq!(hands.put_down(link(4)), Some(Settled { link: link(4), last_delivered: 1 }));
    }
}
