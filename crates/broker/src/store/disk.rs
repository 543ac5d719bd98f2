//! `DiskStore`: a store on disk. What is written goes to a journal first, in one piece that is synced; the tables
//! get what is left of it later, much at once. So a message that is soon consumed never reaches them.

mod fresh;
mod journal;
mod known;
mod tables;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use self::fresh::Fresh;
use self::journal::{Journal, Lap};
use self::known::Known;
use self::tables::Tables;
use super::format::{decode_writes, encode_writes, message_key};
use super::{Loaded, Place, Recovered, Store, StoreError, StoreWrite};

type Result<T> = std::result::Result<T, StoreError>;

/// A store in a folder of its own. Only one broker at a time can open it.
pub struct DiskStore {
    tables: Tables,
    journal: Journal,
    fresh: Fresh,
    known: Known,
    /// The highest number a message has had, and the highest that the tables may have.
    sequence: u64,
    old: u64,
    has_failed: bool,
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

fn failed(error: impl fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

impl DiskStore {
    /// Opens the store in this folder; makes both when they are not there. One that an earlier version has left is
    /// brought up to date.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, another broker has it open, it holds something else, or what a broker was
    /// told to be safe is not there any more.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(failed)?;
        let tables = Tables::open(folder)?;
        let (journal, groups) = match tables.lap()? {
            Some(lap) => Journal::open(folder, lap)?,
            None => {
                let lap = Lap { last: 0, salt: new_salt() };
                let journal = Journal::create(folder, lap)?;
                tables.upgrade(lap)?;
                (journal, Vec::new())
            }
        };
        let (known, sequence) = (tables.known()?, tables.sequence()?);
        let fresh = Fresh::default();
        let mut store =
            Self { tables, journal, fresh, known, sequence, old: sequence, has_failed: false };
        for group in &groups {
            decode_writes(group)?.into_iter().for_each(|write| store.note(write));
        }
        store.empty(Vec::new())?;
        Ok(store)
    }

    /// Whether this goes by way of the journal: only what is frequent.
    const fn is_journaled(write: &StoreWrite) -> bool {
        match write {
            StoreWrite::Add { .. } | StoreWrite::Remove { .. } | StoreWrite::Sent { .. } => true,
            StoreWrite::CreateQueue(_)
            | StoreWrite::DeleteQueue(_)
            | StoreWrite::Subscribe(..)
            | StoreWrite::Unsubscribe(_)
            | StoreWrite::Prepare(..)
            | StoreWrite::Settle { .. } => false,
        }
    }

    fn put(&mut self, writes: Vec<StoreWrite>) -> Result<()> {
        if writes.iter().all(Self::is_journaled) {
            let group = encode_writes(&writes)?;
            if !self.journal.has_room(group.len()) {
                self.empty(Vec::new())?;
            }
            if self.journal.has_room(group.len()) {
                self.journal.append(&group)?;
                writes.into_iter().for_each(|write| self.note(write));
                return Ok(());
            }
        }
        self.empty(writes)
    }

    /// What is in the journal is seen from now on.
    fn note(&mut self, write: StoreWrite) {
        match write {
            StoreWrite::Add { place, sequence, message } => {
                self.sequence = self.sequence.max(sequence);
                self.fresh.added.insert(message_key(&place, sequence), message);
            }
            StoreWrite::Remove { place, sequence } => {
                self.fresh.remove(message_key(&place, sequence), sequence <= self.old);
            }
            StoreWrite::Sent { producer, sequence } => {
                self.known.record(&producer, sequence);
                self.fresh.sent.insert(producer);
            }
            StoreWrite::CreateQueue(_)
            | StoreWrite::DeleteQueue(_)
            | StoreWrite::Subscribe(..)
            | StoreWrite::Unsubscribe(_)
            | StoreWrite::Prepare(..)
            | StoreWrite::Settle { .. } => {}
        }
    }

    /// Gives the tables what the journal has, and these writes, and begins the journal anew.
    fn empty(&mut self, writes: Vec<StoreWrite>) -> Result<()> {
        if self.journal.is_empty() && writes.is_empty() {
            return Ok(());
        }
        // A number is left out, so that what comes is never taken for what would have come without this.
        let lap = Lap { last: self.journal.lap().last + 1, salt: new_salt() };
        let fresh = std::mem::take(&mut self.fresh);
        self.sequence = self.tables.commit(&fresh, writes, &mut self.known, self.sequence, lap)?;
        self.old = self.sequence;
        self.journal.restart(lap)
    }

    /// Nothing is done any more once something has failed.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.has_failed {
            return Err(StoreError("it has failed before".to_owned()));
        }
        let done = work(self);
        self.has_failed = done.is_err();
        done
    }
}

fn new_salt() -> u64 {
    RandomState::new().hash_one(0)
}

impl Store for DiskStore {
    fn recover(&mut self) -> Result<Recovered> {
        self.attempt(|store| {
            store.empty(Vec::new())?;
            let (producers, sequence) = (store.known.by_age(), store.sequence);
            Ok(Recovered { producers, sequence, ..store.tables.recover()? })
        })
    }

    fn write(&mut self, batches: Vec<Vec<StoreWrite>>) -> Result<()> {
        self.attempt(|store| store.put(batches.into_iter().flatten().collect()))
    }

    fn tidy(&mut self) -> Result<()> {
        if !self.journal.is_long() {
            return Ok(());
        }
        self.attempt(|store| store.empty(Vec::new()))
    }

    fn load(&mut self, place: &Place, sequences: &[u64]) -> Result<Loaded> {
        let fresh = |sequence: &u64| {
            let key = message_key(place, *sequence);
            let is_gone = || self.fresh.removed.contains(&key).then_some(None);
            self.fresh.added.get(&key).cloned().map(Some).or_else(is_gone)
        };
        let mut loaded: Vec<_> = sequences.iter().map(fresh).collect();
        let old = sequences.iter().zip(&loaded).filter(|(_, found)| found.is_none());
        let old: Vec<u64> = old.map(|(sequence, _)| *sequence).collect();
        let mut old = if old.is_empty() { Vec::new() } else { self.tables.load(place, &old)? };
        let mut old = old.drain(..);
        Ok(loaded.drain(..).map(|found| found.or_else(|| old.next()).flatten()).collect())
    }
}

impl Drop for DiskStore {
    /// What the tables have not is read from the journal otherwise, so that nothing depends on this.
    fn drop(&mut self) {
        let _ = self.attempt(|store| store.empty(Vec::new()));
    }
}

#[cfg(test)]
mod tests;
