//! `Outbox`: what waits to be written to one link, as its owner sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, watch};

use crate::core::Outgoing;

/// Batches that may be on their way to a link.
pub(super) const BATCHES: usize = 8;
/// Bytes that wait for a link before nothing more is dispatched to it, at most and at least.
const MOST: usize = 1 << 20;
const LEAST: usize = 32 << 10;
/// The part of them at which it is dispatched to again, and of which bytes are on their way to the socket.
const RELIEVED: usize = 4;
/// So many times as much of answers may wait before a link is read no more.
const CHOKED: usize = 4;
/// What each thing to send counts beside the body of its message.
const OVERHEAD: usize = 128;

/// How many bytes may wait for each link: the more links there are, the fewer.
#[derive(Clone, Debug)]
pub(super) struct Share(Arc<AtomicUsize>);

impl Default for Share {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(MOST)))
    }
}

impl Share {
    /// So many links share so many bytes from now on.
    pub(super) fn divide(&self, bytes: usize, links: usize) {
        self.0.store((bytes / links.max(1)).clamp(LEAST, MOST), Ordering::Relaxed);
    }

    /// Bytes that wait for a link before nothing more is dispatched to it.
    pub(super) fn congested(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Bytes at which it is dispatched to again; bytes that may be on their way to its socket.
    pub(super) fn relieved(&self) -> usize {
        self.congested() / RELIEVED
    }

    fn choked(&self) -> usize {
        self.congested() * CHOKED
    }
}

/// What a link is told beside what it is to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Control {
    /// Read no more for now.
    pub(super) paused: bool,
    /// It asks and does not read what it is answered: it has to read soon.
    pub(super) choked: bool,
    /// Write what waits, then close.
    pub(super) hang_up: bool,
}

/// What a link is to send, and how much of it waits.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) items: Vec<Outgoing>,
    /// To be reported when it is written.
    pub(super) bytes: usize,
}

/// One link's way out.
#[derive(Debug)]
pub(super) struct Outbox {
    /// Gone when nothing more is to be sent.
    sender: Option<mpsc::Sender<Batch>>,
    share: Share,
    control: watch::Sender<Control>,
    waiting: Vec<Outgoing>,
    waiting_bytes: usize,
    /// Bytes that are with the link and not reported as written.
    unwritten: usize,
    congested: bool,
    /// Whether the core wants it not to be read.
    paused: bool,
    closing: bool,
}

impl Outbox {
    pub(super) fn new(share: Share) -> (Self, mpsc::Receiver<Batch>, watch::Receiver<Control>) {
        let (sender, batches) = mpsc::channel(BATCHES);
        let (control, follow) = watch::channel(Control::default());
        let outbox = Self {
            sender: Some(sender),
            share,
            control,
            waiting: Vec::new(),
            waiting_bytes: 0,
            unwritten: 0,
            congested: false,
            paused: false,
            closing: false,
        };
        (outbox, batches, follow)
    }

    /// Whether it is the first to wait, so that the outbox is to be [flushed](Self::flush).
    pub(super) fn push(&mut self, outgoing: Outgoing) -> bool {
        if self.closing {
            return false;
        }
        self.waiting_bytes += outgoing.bytes() + OVERHEAD;
        self.waiting.push(outgoing);
        self.waiting.len() == 1
    }

    /// Hands on what waits, if the link takes it. Otherwise it is flushed again when something is
    /// reported as written.
    pub(super) fn flush(&mut self) {
        if let Some(sender) = &self.sender
            && !self.waiting.is_empty()
            && let Ok(permit) = sender.try_reserve()
        {
            let bytes = std::mem::take(&mut self.waiting_bytes);
            let items = std::mem::take(&mut self.waiting);
            self.unwritten += bytes;
            permit.send(Batch { items, bytes });
        }
        if self.closing && self.waiting.is_empty() {
            self.sender = None;
        }
        self.steer();
    }

    pub(super) fn on_written(&mut self, bytes: usize) {
        self.unwritten = self.unwritten.saturating_sub(bytes);
    }

    /// The core wants the link to be read, or not.
    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.steer();
    }

    pub(super) fn hang_up(&mut self) {
        self.closing = true;
        self.flush();
    }

    fn steer(&self) {
        let choked = self.waiting_bytes + self.unwritten > self.share.choked();
        let control = Control { paused: self.paused || choked, choked, hang_up: self.closing };
        self.control.send_if_modified(|current| {
            let changed = *current != control;
            *current = control;
            changed
        });
    }

    /// Whether the link has just become congested, or has just been relieved.
    pub(super) fn poll_congestion(&mut self) -> Option<bool> {
        let bytes = self.waiting_bytes + self.unwritten;
        let (share, was) = (&self.share, self.congested);
        let congested = bytes > if was { share.relieved() } else { share.congested() };
        (congested != std::mem::replace(&mut self.congested, congested)).then_some(congested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Outgoing {
        Outgoing::Command(rewire_protocol::Response::default().into())
    }

    #[test]
    fn the_more_links_there_are_the_less_may_wait_for_each() {
        let share = Share::default();
        for (links, congested) in [(0, MOST), (100, MOST), (1000, 268_435), (10_000, LEAST)] {
            share.divide(256 << 20, links);
            assert_eq!(share.congested(), congested, "{links}");
        }
    }

    #[test]
    fn a_link_that_takes_nothing_is_congested_then_read_no_more_and_then_relieved() {
        let (mut outbox, mut batches, control) = Outbox::new(Share::default());
        let mut congested_at = None;
        for count in 1.. {
            outbox.push(answer());
            outbox.flush();
            if outbox.poll_congestion() == Some(true) {
                congested_at = Some(count);
            }
            if control.borrow().paused {
                assert!(control.borrow().choked);
                break;
            }
        }
        assert_eq!(congested_at, Some(MOST / OVERHEAD + 1));
        let mut relieved = false;
        while let Ok(batch) = batches.try_recv() {
            outbox.on_written(batch.bytes);
            outbox.flush();
            relieved |= outbox.poll_congestion() == Some(false);
        }
        assert!(relieved && !control.borrow().paused);
    }

    #[test]
    fn what_waits_is_handed_on_before_a_link_is_hung_up() {
        let (mut outbox, mut batches, control) = Outbox::new(Share::default());
        for _ in 0..=BATCHES {
            outbox.push(answer());
            outbox.flush();
        }
        outbox.hang_up();
        assert!(control.borrow().hang_up && !outbox.push(answer()));
        let mut items = 0;
        while let Ok(batch) = batches.try_recv() {
            items += batch.items.len();
            outbox.flush();
        }
        assert_eq!(items, BATCHES + 1);
        assert_eq!(batches.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
    }
}
