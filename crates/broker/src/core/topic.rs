//! `Topic`: who gets a copy of each message, and what was sent last.

use std::collections::VecDeque;
use std::sync::Arc;

use rewire_protocol::{ConnectionId, Destination};

use super::config::BrokerLimits;
use super::idle::Idle;
use super::io::body_bytes;
use super::keys::{QueueKey, SubKey};
use super::policies::{DestinationPolicy, SubscriptionRecoveryPolicy};
use super::reference::Reference;
use super::report::Counts;

/// Recent messages of one topic, whatever its policy says.
const MAX_RECENT: usize = 65_536;

/// A topic and its subscribers.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) destination: Destination,
    pub(super) policy: Arc<DestinationPolicy>,
    /// The connection it belongs to, if it is temporary.
    pub(super) owner: Option<ConnectionId>,
    pub(super) consumers: Vec<SubKey>,
    pub(super) durables: Vec<QueueKey>,
    /// Queues that are subscriptions to this virtual topic.
    pub(super) virtual_queues: Vec<QueueKey>,
    /// How many producers have said that they send to it.
    pub(super) producers: usize,
    /// Bytes of what waits for its consumers.
    pub(super) bytes: usize,
    pub(super) counts: Counts,
    /// Since when nobody uses it, as far as it was looked at.
    pub(super) idle: Option<Idle>,
    pub(super) recent: Recent,
}

/// The last messages of a topic, for retroactive consumers.
#[derive(Debug, Default)]
pub(super) struct Recent {
    pub(super) messages: VecDeque<Reference>,
    pub(super) bytes: usize,
}

impl Recent {
    /// Remembers a message, and forgets older ones for it. `all` is what all topics remember together.
    pub(super) fn add(
        &mut self,
        reference: &Reference,
        policy: &DestinationPolicy,
        limits: &BrokerLimits,
        all: &mut usize,
    ) {
        use SubscriptionRecoveryPolicy as Policy;
        self.forget_old(policy, reference.message.broker_in_time, all);
        let (most, most_bytes) = match policy.subscription_recovery_policy {
            None => (limits.recent_messages, limits.recent_bytes),
            Some(Policy::None) => (0, 0),
            Some(Policy::FixedCount(count)) => (count.min(MAX_RECENT), usize::MAX),
            Some(Policy::FixedSized(bytes)) => (MAX_RECENT, bytes),
            Some(Policy::LastImage) => (1, usize::MAX),
            Some(Policy::Timed(_)) => (MAX_RECENT, usize::MAX),
        };
        let bytes = body_bytes(&reference.message);
        while !self.messages.is_empty()
            && (self.messages.len() >= most
                || self.bytes + bytes > most_bytes
                || *all + bytes > limits.all_recent_bytes)
        {
            self.forget_oldest(all);
        }
        let has_room =
            most > 0 && self.bytes + bytes <= most_bytes && *all + bytes <= limits.all_recent_bytes;
        if has_room {
            self.bytes += bytes;
            *all += bytes;
            self.messages.push_back(reference.clone());
        }
    }

    /// Forgets what is older than the policy says.
    pub(super) fn forget_old(&mut self, policy: &DestinationPolicy, unix_ms: i64, all: &mut usize) {
        let Some(SubscriptionRecoveryPolicy::Timed(time)) = policy.subscription_recovery_policy
        else {
            return;
        };
        let since = unix_ms.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        while self.messages.front().is_some_and(|oldest| oldest.message.broker_in_time < since) {
            self.forget_oldest(all);
        }
    }

    fn forget_oldest(&mut self, all: &mut usize) {
        let Some(oldest) = self.messages.pop_front() else { return };
        let bytes = body_bytes(&oldest.message);
        self.bytes = self.bytes.saturating_sub(bytes);
        *all = all.saturating_sub(bytes);
    }
}

impl Topic {
    pub(super) fn new(
        destination: Destination,
        owner: Option<ConnectionId>,
        policy: Arc<DestinationPolicy>,
    ) -> Self {
        Self {
            destination,
            policy,
            owner,
            consumers: Vec::new(),
            durables: Vec::new(),
            virtual_queues: Vec::new(),
            producers: 0,
            bytes: 0,
            counts: Counts::default(),
            idle: None,
            recent: Recent::default(),
        }
    }
}
