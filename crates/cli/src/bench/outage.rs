//! Times without a link, as the connections tell of them.

use std::fmt;

use rewire::{Cause, Event};
use tokio::sync::mpsc;

use crate::clock::now_ns;

/// Outages that may wait to be written down; what comes beyond them is dropped.
const WAITING: usize = 256;
/// Outages that are kept one by one.
const KEPT: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Sender,
    Receiver,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        })
    }
}

/// A time without a link.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(crate) side: Side,
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    /// The broker that was lost or left, and why.
    pub(crate) cause: String,
}

impl Outage {
    pub(crate) const fn ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }

    /// What an event tells of one that is over; nothing of the time before the first link.
    fn of(side: Side, event: &Event, now_ns: u64) -> Option<Self> {
        let Event::Incident(incident) = event else { return None };
        let cause = match incident.cause.as_ref()? {
            Cause::Lost { broker, reason, .. } => format!("lost {broker}: {reason}"),
            Cause::Left { broker, reason } => format!("left {broker}: {reason}"),
            other => other.broker().to_owned(),
        };
        let ns = u64::try_from(incident.outage.as_nanos()).unwrap_or(u64::MAX);
        Some(Self { side, from_ns: now_ns.saturating_sub(ns), to_ns: now_ns, cause })
    }
}

/// Outages of both connections, in the order in which they ended.
pub(crate) struct Outages {
    sender: mpsc::Sender<Outage>,
    receiver: mpsc::Receiver<Outage>,
    kept: Vec<Outage>,
    pub(crate) count: u64,
}

impl Outages {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver, kept: Vec::new(), count: 0 }
    }

    /// What a connection calls with its events.
    pub(crate) fn listener(&self, side: Side) -> impl FnMut(Event) + Send + 'static {
        let sender = self.sender.clone();
        move |event| {
            if let Some(outage) = Outage::of(side, &event, now_ns()) {
                // They are taken once a second, and there are never so many in one.
                let _ = sender.try_send(outage);
            }
        }
    }

    /// Writes down what was told meanwhile.
    pub(crate) fn take(&mut self) {
        while let Ok(outage) = self.receiver.try_recv() {
            self.count += 1;
            if self.kept.len() < KEPT {
                self.kept.push(outage);
            }
        }
    }

    pub(crate) fn finish(mut self) -> (Vec<Outage>, u64) {
        self.take();
        (self.kept, self.count)
    }
}
