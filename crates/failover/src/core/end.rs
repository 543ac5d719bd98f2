//! The end: given up, or closed as asked.

use std::sync::Arc;
use std::time::Instant;

use rewire_protocol::Command;

use super::FailoverCore;
use super::incident::IncidentEnd;
use super::io::{Event, Incoming, Output};
use super::state::State;
use crate::error::GaveUp;

impl FailoverCore {
    pub(super) fn give_up(&mut self, now: Instant, reason: GaveUp) {
        self.drop_standbys();
        self.fail_requests(&reason);
        self.event(Event::GaveUp(Arc::new(reason.clone())));
        let outage = self.outage.take();
        self.report(now, outage, IncidentEnd::GaveUp(reason.clone()), 0);
        self.deliver(Incoming::Ended(reason.clone()));
        self.state = State::Failed(reason);
    }

    pub(super) fn on_close(&mut self, now: Instant) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Connected(active) | State::Leaving(active, _) => {
                let goodbye = Command::from(rewire_protocol::ShutdownInfo::default());
                self.outputs.push_back(Output::Transmit(active.link, Arc::new(goodbye), None));
                self.outputs.push_back(Output::Hangup(active.link));
            }
            State::Dialing(attempt) | State::Replaying(attempt, _) => {
                self.outputs.push_back(Output::Hangup(attempt.active.link));
            }
            State::Idle | State::Waiting(_) => {}
            over @ (State::Failed(_) | State::Closed) => {
                self.state = over;
                return;
            }
        }
        self.drop_standbys();
        self.fail_requests(&GaveUp::Closed);
        self.event(Event::Closed);
        let outage = self.outage.take();
        self.report(now, outage, IncidentEnd::Closed, 0);
        self.deliver(Incoming::Ended(GaveUp::Closed));
    }

    pub(super) fn fail_requests(&mut self, reason: &GaveUp) {
        for entry in self.requests.drain() {
            let (id, error) = entry.fail(reason.clone());
            self.outputs.push_back(Output::Complete(id, Err(error)));
        }
    }
}
