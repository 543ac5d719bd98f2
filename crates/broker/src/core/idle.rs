//! Destinations that nobody uses any more, where the policy says that they go.

use std::time::{Duration, Instant};

use rewire_protocol::Destination;

use super::destinations::Home;
use super::names;
use super::{BrokerCore, after};

/// Destinations are looked at no more often.
const SHORTEST: Duration = Duration::from_millis(100);
/// How often they are looked at in the time after which they go.
const LOOKS: u32 = 4;

/// Since when nobody uses a destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    since: Instant,
    /// How many messages it had been sent then.
    enqueued: u64,
}

impl BrokerCore {
    /// How often destinations are looked at, if any of them may go.
    pub(super) fn idle_period(&self) -> Option<Duration> {
        let shortest = self.config.policies.shortest_inactive_timeout()?;
        Some((shortest / LOOKS).max(SHORTEST))
    }

    /// Removes what nobody has used for as long as its policy says. Java: `gcInactiveDestinations`.
    pub(super) fn remove_idle(&mut self) {
        let Some(period) = self.idle_period() else { return };
        let named: Vec<Destination> =
            self.destinations.iter().map(|(destination, _)| destination.clone()).collect();
        for destination in named {
            if !names::is_advisory(&destination) && self.has_been_idle(&destination) {
                // It is in nobody's use.
                let _ = self.remove_destination(&destination);
            }
        }
        self.timers.set(after(self.now.instant, period), super::timers::Timer::Idle);
    }

    /// Whether nobody has used a destination for long enough. Notes since when nobody does.
    fn has_been_idle(&mut self, destination: &Destination) -> bool {
        if destination.kind.is_temporary() {
            return false;
        }
        let now = self.now.instant;
        let (policy, is_used, enqueued, idle) = match self.destinations.home(destination) {
            Some(Home::Queue(key)) => {
                let Some(queue) = self.destinations.queue(key) else { return false };
                // What is on its way to the store has its bytes already.
                let holds = queue.len() + queue.in_flight + queue.bytes > 0;
                let is_used = holds || queue.producers > 0 || !queue.consumers.is_empty();
                (&queue.policy, is_used, queue.counts.enqueued, &mut queue.idle)
            }
            Some(Home::Topic(key)) => {
                let Some(topic) = self.destinations.topic(key) else { return false };
                let is_heard = !topic.consumers.is_empty()
                    || !topic.durables.is_empty()
                    || !topic.virtual_queues.is_empty();
                (
                    &topic.policy,
                    is_heard || topic.producers > 0,
                    topic.counts.enqueued,
                    &mut topic.idle,
                )
            }
            None => return false,
        };
        if is_used || !policy.gc_inactive_destinations {
            *idle = None;
            return false;
        }
        let own = idle.get_or_insert(Idle { since: now, enqueued });
        if own.enqueued != enqueued {
            *own = Idle { since: now, enqueued };
        }
        now.saturating_duration_since(own.since) >= policy.inactive_timeout_before_gc
    }
}
