//! `Writer`: a thread on which the store writes, many batches at once.

use std::sync::mpsc as std_mpsc;
use std::thread;

use tokio::sync::mpsc;

use crate::core::Ticket;
use crate::store::{Store, StoreError, StoreWrite};

/// Groups that may wait for the store: one is made up while another is written.
const GROUPS: usize = 1;

type Group = (Ticket, Vec<Vec<StoreWrite>>);

/// What the store has answered.
pub(super) type Stored = Result<Ticket, StoreError>;

/// The way to the store.
#[derive(Debug)]
pub(super) struct Writer {
    groups: std_mpsc::SyncSender<Group>,
    thread: thread::JoinHandle<()>,
    waiting: Vec<Vec<StoreWrite>>,
    last: Ticket,
}

impl Writer {
    pub(super) fn start(
        mut store: Box<dyn Store>,
    ) -> std::io::Result<(Self, mpsc::Receiver<Stored>)> {
        let (groups, to_write) = std_mpsc::sync_channel::<Group>(GROUPS);
        // As many answers as there are groups, one of them in the making.
        let (answer, stored) = mpsc::channel(GROUPS + 2);
        let work = move || {
            while let Ok((ticket, batches)) = to_write.recv() {
                let written = store.write(batches).map(|()| ticket);
                let has_failed = written.is_err();
                if answer.blocking_send(written).is_err() || has_failed {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("rewire-store".to_owned()).spawn(work)?;
        Ok((Self { groups, thread, waiting: Vec::new(), last: Ticket(0) }, stored))
    }

    /// Ends the thread. When this returns the store is not touched any more, so that another broker can
    /// take it over.
    pub(super) async fn finish(self) {
        let Self { groups, thread, .. } = self;
        drop(groups);
        // A panic of the store has been shown already.
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }

    pub(super) fn push(&mut self, ticket: Ticket, writes: Vec<StoreWrite>) {
        self.waiting.push(writes);
        self.last = ticket;
    }

    /// Hands on all that waits as one group, if the store is not behind. Otherwise it is flushed again
    /// when the store has answered.
    pub(super) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let group = (self.last, std::mem::take(&mut self.waiting));
        if let Err(std_mpsc::TrySendError::Full((_, batches))) = self.groups.try_send(group) {
            self.waiting = batches;
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) const fn last(&self) -> Ticket {
        self.last
    }
}
