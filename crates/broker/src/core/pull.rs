//! Consumers that ask for each message, and those whose window changes.

use std::sync::Arc;
use std::time::Duration;

use rewire_protocol::{ConsumerControl, MessagePull};

use super::error::BrokerError;
use super::io::LinkId;
use super::keys::SubKey;
use super::names;
use super::subscription::{Gaze, Seen, Until, Window};
use super::timers::Timer;
use super::{BrokerCore, Desk, after};

impl BrokerCore {
    /// A consumer with prefetch 0 asks for a message. Java: a timeout of -1 asks for one that is there, 0
    /// waits for ever.
    pub(super) fn on_pull(&mut self, link: LinkId, pull: &MessagePull) -> Result<(), BrokerError> {
        let Some(key) = self.consumer(link, pull.consumer_id.as_ref()) else {
            return Err(BrokerError::jms("the subscription does not exist"));
        };
        let Some(sub) = self.subs.get_mut(&key) else { return Ok(()) };
        let Window::Pull { wanted, .. } = &mut sub.window else { return Ok(()) };
        *wanted = 1;
        let before = sub.deliveries;
        self.pump(key);
        let Some(sub) = self.subs.get_mut(&key) else { return Ok(()) };
        if sub.deliveries != before {
            return Ok(());
        }
        if pull.timeout < 0 && sub.is_waiting() && !self.store_failed {
            if let Window::Pull { until, .. } = &mut sub.window {
                *until = Until::Read;
            }
        } else if pull.timeout < 0 {
            sub.dispatch_nothing(&mut self.outputs);
        } else if pull.timeout > 0 {
            let wait = Duration::from_millis(pull.timeout.unsigned_abs());
            let due = after(self.now.instant, wait);
            if let Window::Pull { until, .. } = &mut sub.window
                && let Until::Deadline(old) = std::mem::replace(until, Until::Deadline(due))
            {
                self.timers.clear(old, Timer::Pull(key));
            }
            self.timers.set(due, Timer::Pull(key));
        }
        Ok(())
    }

    /// A client changes the prefetch of a consumer. Java: after a failover its transport restores
    /// consumers with prefetch 0 first.
    pub(super) fn on_consumer_control(&mut self, link: LinkId, control: &ConsumerControl) {
        let Some(key) = self.consumer(link, control.consumer_id.as_ref()) else { return };
        let Some(sub) = self.subs.get_mut(&key) else { return };
        sub.info.prefetch_size = control.prefetch;
        if let Some(destination) = &sub.info.destination {
            // Java: the policy counts here too.
            let policy = self.config.policies.find(destination);
            sub.info.prefetch_size = policy.prefetch_of(&sub.info);
        }
        match (&mut sub.window, Window::of_prefetch(sub.info.prefetch_size)) {
            (Window::Prefetch { size, .. }, Window::Prefetch { size: new, .. }) => *size = new,
            (window, new) if std::mem::discriminant(window) != std::mem::discriminant(&new) => {
                *window = new;
            }
            _ => {}
        }
        self.pump(key);
    }

    /// Sends a consumer what waits for it, as long as it has room.
    pub(super) fn pump(&mut self, key: SubKey) {
        if !self.pump_stream(key) {
            return self.read_for_browser(key);
        }
        let Self { subs, outputs, destinations, memory, loads, expired, marked, now, .. } = self;
        let Some(sub) = subs.get_mut(&key) else { return };
        // Each queue in its turn, so that none starves behind another.
        let count = sub.seats.len();
        sub.next_seat = if count == 0 { 0 } else { (sub.next_seat + 1) % count };
        let first = sub.next_seat;
        for seat in 0..count {
            let Some(sub) = subs.get(&key) else { return };
            let Some(seat) = sub.seats.get((first + seat) % count) else { return };
            if seat.gaze != Gaze::Looking {
                continue;
            }
            if let Some(queue) = destinations.queue(seat.queue) {
                let now = *now;
                queue.pull(key, &mut Desk { subs, outputs, expired, marked, memory, loads, now });
            }
        }
    }

    /// Sends a consumer what waits for it of topics, or of a queue that it browses. Whether nothing has to
    /// be read before there can be more.
    fn pump_stream(&mut self, key: SubKey) -> bool {
        let Self { subs, outputs, destinations, memory, now, .. } = self;
        let Some(sub) = subs.get_mut(&key) else { return true };
        let mut late = Vec::new();
        while sub.has_room()
            && let Some(seen) = sub.stream.pending.pop_front()
        {
            let (topic, reference) = match seen {
                Seen::Here(topic, reference) => (topic, reference),
                there @ Seen::There(..) => {
                    sub.stream.pending.push_front(there);
                    return false;
                }
            };
            if let Some(of) = topic {
                let size = reference.size();
                memory.free(size);
                let is_expired = reference.is_expired(now.unix_ms);
                if let Some(topic) = destinations.topic(of) {
                    topic.bytes = topic.bytes.saturating_sub(size);
                    topic.counts.expired += u64::from(is_expired);
                    topic.counts.dequeued += u64::from(!is_expired);
                }
                if is_expired {
                    sub.stream.discarded += 1;
                    late.push((of, reference, sub.stream.discarded));
                    continue;
                }
            }
            sub.dispatch_once(&reference, outputs);
            if topic.is_none() {
                sub.stream.note_browsed();
            }
        }
        if sub.stream.ends && sub.stream.pending.is_empty() {
            sub.stream.ends = false;
            sub.dispatch_nothing(outputs);
        }
        for (topic, reference, count) in late {
            let Some(topic) = self.destinations.topic(topic) else { continue };
            let (policy, destination) = (Arc::clone(&topic.policy), topic.destination.clone());
            // Java: it was discarded, as what does not fit.
            if policy.advisory_for_discarding_messages && !names::is_advisory(&destination) {
                self.advise_discarded(&destination, key, &reference.message, count, &policy);
            }
        }
        true
    }

    /// A link has too much to write, or no more.
    pub(super) fn on_congested(&mut self, link: LinkId, congested: bool) {
        let Some(entry) = self.registry.links.get_mut(&link) else { return };
        entry.congested = congested;
        let Some(connection) = entry.connection else { return };
        let Some(connection) = self.registry.connections.get(&connection) else { return };
        let keys: Vec<SubKey> = connection.consumers.values().copied().collect();
        for key in keys {
            if let Some(sub) = self.subs.get_mut(&key) {
                sub.stalled = congested;
            }
            if !congested {
                self.pump(key);
            }
        }
    }
}
