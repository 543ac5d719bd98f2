//! Consumers that stay closed after a failover until the application has dealt with the lost link.
//!
//! What the lost link had delivered comes again. An application that still has the old copies in its hands
//! would see it twice, so its consumers are restored with a prefetch of 0 and opened when it says that
//! it is done. Java: `ConnectionStateTracker.restoreConsumers`, `connectionInterruptProcessingComplete`.

use rewire_protocol::{Command, ConsumerControl, ConsumerId};

use super::FailoverCore;
use super::io::{Incoming, LinkId};
use super::state::State;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Clearing {
    /// The link whose end the application has not dealt with yet.
    lost: Option<LinkId>,
    /// Consumers that the last replay restored closed.
    closed: Vec<ConsumerId>,
}

impl Clearing {
    /// Takes a replay on its way: its consumers are closed, if they have to be.
    pub(super) fn close_consumers(&mut self, replay: &mut [Command]) {
        self.closed.clear();
        if self.lost.is_none() {
            return;
        }
        for command in replay {
            if let Command::ConsumerInfo(info) = command
                && info.prefetch_size > 0
                && let Some(id) = &info.consumer_id
            {
                self.closed.push(id.clone());
                info.prefetch_size = 0;
            }
        }
    }
}

impl FailoverCore {
    /// Tells the application that a link is gone.
    pub(super) fn interrupt(&mut self, link: LinkId) {
        self.clearing.lost = self.tracker.consumers().next().map(|_| link);
        self.deliver(Incoming::Interrupted(link));
    }

    /// The application has dealt with the end of a link.
    pub(super) fn on_cleared(&mut self, link: LinkId) {
        if self.clearing.lost == Some(link) {
            self.clearing.lost = None;
            if let State::Connected(active) = &self.state {
                let link = active.link;
                self.open_consumers(link);
            }
        }
    }

    /// Opens the consumers that were restored closed, if nothing is in the way any more: not what is left of the
    /// link before, nor what is to be sent first.
    pub(super) fn open_consumers(&mut self, link: LinkId) {
        if self.clearing.lost.is_some() || self.has_stopped() {
            return;
        }
        for id in std::mem::take(&mut self.clearing.closed) {
            let Some(info) = self.tracker.consumer(&id) else { continue };
            let control = ConsumerControl {
                command_id: self.requests.next_number(),
                destination: info.destination.clone(),
                prefetch: info.prefetch_size,
                consumer_id: Some(id),
                ..ConsumerControl::default()
            };
            self.requests.push(None);
            self.transmit(link, control);
        }
    }
}
