//! `Writer`: a thread on which the store reads and writes, many batches at once.

use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use super::now;
use crate::core::{LoadId, Ticket};
use crate::store::{Loaded, Place, Store, StoreError, StoreWrite};

/// Groups that may wait for the store. It takes all that wait as one.
const GROUPS: usize = 16;

/// All that waited for the store when it was handed over.
#[derive(Debug, Default)]
struct Group {
    loads: Vec<(LoadId, Place, Vec<u64>)>,
    writes: Vec<Vec<StoreWrite>>,
    /// The last of the writes.
    last: Option<Ticket>,
}

/// What the store has done of a group.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) loaded: Vec<(LoadId, Loaded)>,
    pub(super) stored: Option<Commit>,
}

/// All that was written up to here is stored.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) ticket: Ticket,
    pub(super) took: Duration,
}

/// What the store has answered.
pub(super) type Stored = Result<Answer, StoreError>;

impl Group {
    const fn is_empty(&self) -> bool {
        self.loads.is_empty() && self.writes.is_empty()
    }

    /// Another group comes behind this one.
    fn join(&mut self, mut other: Self) {
        self.loads.append(&mut other.loads);
        self.writes.append(&mut other.writes);
        self.last = other.last.or(self.last);
    }
}

/// All that waits, as one group; none when there will be no more, or the store has failed.
fn next(
    groups: &std_mpsc::Receiver<Group>,
    store: &mut dyn Store,
    answer: &mpsc::Sender<Stored>,
) -> Option<Group> {
    let mut group = match groups.try_recv() {
        Ok(group) => group,
        Err(std_mpsc::TryRecvError::Disconnected) => return None,
        Err(std_mpsc::TryRecvError::Empty) => {
            if let Err(error) = store.tidy() {
                let _ = answer.blocking_send(Err(error));
                return None;
            }
            groups.recv().ok()?
        }
    };
    groups.try_iter().for_each(|other| group.join(other));
    Some(group)
}

/// Reads and writes a group.
fn obey(store: &mut dyn Store, group: Group, answer: &mpsc::Sender<Stored>) -> Stored {
    let Group { loads, writes, last } = group;
    let load =
        |(load, place, sequences): (_, _, Vec<u64>)| Ok((load, store.load(&place, &sequences)?));
    let loaded = loads.into_iter().map(load).collect::<Result<Vec<_>, StoreError>>()?;
    if !loaded.is_empty() && last.is_some() {
        // Who waits for messages need not wait for the disk too. The owner that is gone needs neither.
        let _ = answer.blocking_send(Ok(Answer { loaded, stored: None }));
        return Ok(Answer { loaded: Vec::new(), stored: commit(store, writes, last)? });
    }
    Ok(Answer { loaded, stored: commit(store, writes, last)? })
}

fn commit(
    store: &mut dyn Store,
    writes: Vec<Vec<StoreWrite>>,
    last: Option<Ticket>,
) -> Result<Option<Commit>, StoreError> {
    let Some(ticket) = last else { return Ok(None) };
    let since = now();
    store.write(writes)?;
    Ok(Some(Commit { ticket, took: now().saturating_duration_since(since) }))
}

/// The way to the store.
#[derive(Debug)]
pub(super) struct Writer {
    groups: std_mpsc::SyncSender<Group>,
    thread: thread::JoinHandle<()>,
    waiting: Group,
    last: Ticket,
}

impl Writer {
    pub(super) fn start(
        mut store: Box<dyn Store>,
    ) -> std::io::Result<(Self, mpsc::Receiver<Stored>)> {
        let (groups, to_write) = std_mpsc::sync_channel::<Group>(GROUPS);
        // As many answers as there are groups, one of them in the making, and two for each.
        let (answer, stored) = mpsc::channel(2 * (GROUPS + 2));
        let work = move || {
            while let Some(group) = next(&to_write, &mut *store, &answer) {
                let done = obey(&mut *store, group, &answer);
                let has_failed = done.is_err();
                if answer.blocking_send(done).is_err() || has_failed {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("rewire-store".to_owned()).spawn(work)?;
        Ok((Self { groups, thread, waiting: Group::default(), last: Ticket(0) }, stored))
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
        self.waiting.writes.push(writes);
        self.waiting.last = Some(ticket);
        self.last = ticket;
    }

    pub(super) fn load(&mut self, load: LoadId, place: Place, sequences: Vec<u64>) {
        self.waiting.loads.push((load, place, sequences));
    }

    /// Hands on all that waits as one group, if the store is not behind. Otherwise it is flushed again
    /// when the store has answered.
    pub(super) fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let group = std::mem::take(&mut self.waiting);
        if let Err(std_mpsc::TrySendError::Full(group)) = self.groups.try_send(group) {
            self.waiting = group;
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) const fn last(&self) -> Ticket {
        self.last
    }
}
