//! `Pages`: what waits in a queue, in order. Of what the store has, only the next to go is in memory too.
//!
//! Of any other stored message there is a [`Stub`]: its place, when it expires, and what it will count when it
//! is read again. Nothing is decided about a message by its stub but that it has expired.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rewire_protocol::Message;

use super::memory::Memory;
use super::reference::{Reference, SEQUENCES};
use crate::store::StoredMessage;

/// What a stub counts against the limit of all memory.
pub(super) const STUB: usize = 64;
/// Reading is asked for in parts of a page, so that a page is there while the next part is read.
const PARTS: usize = 4;

/// A stored message that is not in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub {
    expiration: i64,
    /// What it counts when it is in memory.
    size: u32,
    redeliveries: i32,
}

/// A message that waits.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Here(Reference),
    /// Only the store has it.
    There(Stub),
}

/// What a queue's messages in memory count, in all and of its own.
pub(super) struct Account<'c> {
    pub(super) bytes: &'c mut usize,
    pub(super) memory: &'c mut Memory,
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Want {
    from: u64,
    /// Only messages that have expired at this time: they are to be buried. The first is there or later.
    expired_at: Option<i64>,
}

/// What is being read.
#[derive(Debug)]
struct Reading {
    places: Vec<u64>,
    want: Want,
}

/// What came of reading.
pub(super) struct Read {
    /// What was read because it has expired; it is taken out.
    pub(super) expired: Vec<Reference>,
    /// Whether all that was asked for was found.
    pub(super) found_all: bool,
}

#[derive(Debug)]
pub(super) struct Pages {
    entries: BTreeMap<u64, Entry>,
    /// Places of stored messages that are in memory.
    here: BTreeSet<u64>,
    here_bytes: usize,
    stubs: usize,
    /// Bytes of stored messages that are kept in memory.
    limit: usize,
    /// What each counts beside its body and properties.
    least: u16,
    /// Whether a message that can expire was ever put in.
    can_expire: bool,
    /// In the order in which it was asked for.
    wanted: VecDeque<Want>,
    reading: Option<Reading>,
}

impl Account<'_> {
    fn page_out(&mut self, size: usize) {
        *self.bytes = self.bytes.saturating_sub(size);
        self.memory.free(size);
        self.memory.take(STUB);
    }

    fn page_in(&mut self, size: usize) {
        *self.bytes += size;
        self.memory.take(size);
        self.memory.free(STUB);
    }
}

impl Pages {
    pub(super) fn new(limit: usize, least: u16) -> Self {
        Self {
            entries: BTreeMap::new(),
            here: BTreeSet::new(),
            here_bytes: 0,
            stubs: 0,
            limit,
            least,
            can_expire: false,
            wanted: VecDeque::new(),
            reading: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What those that are not in memory count against the limit of all.
    pub(super) const fn stub_bytes(&self) -> usize {
        self.stubs * STUB
    }

    /// The first message at this place or behind it.
    pub(super) fn first(&self, from: u64) -> Option<(u64, &Entry)> {
        self.entries.range(from..).next().map(|(place, entry)| (*place, entry))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(place, entry)| (*place, entry))
    }

    /// A message is to wait here. It stays in memory if the store has not got it, or it is soon to go.
    pub(super) fn insert(&mut self, place: u64, reference: Reference, mut account: Account<'_>) {
        self.can_expire |= reference.message.expiration > 0;
        let size = reference.size();
        if !reference.stored {
            self.entries.insert(place, Entry::Here(reference));
            return;
        }
        let is_next = self.stubs == 0 || self.here.last().is_some_and(|last| place < *last);
        let has_room = self.here_bytes + size <= self.limit && !account.memory.is_pressed();
        if is_next && has_room {
            self.keep(place, reference);
        } else {
            account.page_out(size);
            self.entries.insert(place, Entry::There(Stub::of(&reference)));
            self.stubs += 1;
        }
    }

    fn keep(&mut self, place: u64, reference: Reference) {
        self.here.insert(place);
        self.here_bytes += reference.size();
        self.entries.insert(place, Entry::Here(reference));
    }

    /// Takes a message out that is in memory.
    pub(super) fn take(&mut self, place: u64) -> Option<Reference> {
        match self.entries.remove(&place)? {
            Entry::Here(reference) => {
                if self.here.remove(&place) {
                    self.here_bytes -= reference.size();
                }
                Some(reference)
            }
            there @ Entry::There(_) => {
                self.entries.insert(place, there);
                None
            }
        }
    }

    /// Starts with what a store held.
    pub(super) fn recover(
        &mut self,
        stored: impl Iterator<Item = (u64, StoredMessage)>,
        account: &mut Account<'_>,
    ) {
        // All at once: a tree that is built of sorted entries has full nodes.
        self.entries = stored
            .map(|(place, stored)| {
                self.can_expire |= stored.expiration > 0;
                (place, Entry::There(Stub::stored(&stored, self.least)))
            })
            .collect();
        self.stubs = self.entries.len();
        account.memory.take(self.stub_bytes());
    }

    /// Takes a message out of which only a stub is left, and which was read by other means.
    pub(super) fn claim(
        &mut self,
        place: u64,
        message: Arc<Message>,
        mut account: Account<'_>,
    ) -> Option<Reference> {
        let Some(Entry::There(_)) = self.entries.get(&place) else { return None };
        self.entries.remove(&place);
        self.stubs -= 1;
        let reference = Reference::new(message, place & SEQUENCES, true).at_least(self.least);
        account.page_in(reference.size());
        Some(reference)
    }

    /// Somebody wants what is at this place.
    pub(super) fn want(&mut self, from: u64) {
        self.ask(Want { from, expired_at: None });
    }

    fn ask(&mut self, want: Want) {
        if !self.wanted.contains(&want) {
            self.wanted.push_back(want);
        }
    }

    /// The messages to be read now, by their numbers; none while others are read.
    pub(super) fn poll_read(&mut self) -> Option<Vec<u64>> {
        if self.reading.is_some() {
            return None;
        }
        while let Some(want) = self.wanted.pop_front() {
            let places = self.part(want);
            if !places.is_empty() {
                let sequences = places.iter().map(|place| place & SEQUENCES).collect();
                self.reading = Some(Reading { places, want });
                return Some(sequences);
            }
        }
        None
    }

    /// What of a wish is read at once.
    fn part(&self, want: Want) -> Vec<u64> {
        let mut room = self.limit / PARTS;
        let mut places = Vec::new();
        if want.expired_at.is_none()
            && !matches!(self.entries.get(&want.from), Some(Entry::There(_)))
        {
            // It was read for somebody else.
            return places;
        }
        for (place, entry) in self.entries.range(want.from..) {
            let Entry::There(stub) = entry else { continue };
            if want.expired_at.is_some_and(|at| !stub.is_expired(at)) {
                continue;
            }
            // One in any case, however large it is.
            let size = stub.size();
            if !places.is_empty() && size > room {
                break;
            }
            room = room.saturating_sub(size);
            places.push(*place);
        }
        places
    }

    /// What was asked for is read.
    pub(super) fn on_read(
        &mut self,
        messages: Vec<Option<Arc<Message>>>,
        account: &mut Account<'_>,
    ) -> Read {
        let mut read = Read { expired: Vec::new(), found_all: true };
        let Some(Reading { places, want }) = self.reading.take() else { return read };
        self.make_room(account);
        read.found_all = places.len() == messages.len();
        for (place, message) in places.iter().zip(messages) {
            let Some(Entry::There(stub)) = self.entries.get(place).cloned() else { continue };
            self.stubs -= 1;
            let Some(message) = message else {
                self.entries.remove(place);
                account.memory.free(STUB);
                read.found_all = false;
                continue;
            };
            let mut reference =
                Reference::new(message, place & SEQUENCES, true).at_least(self.least);
            // The store may know of a delivery before the broker was started.
            reference.redeliveries = reference.redeliveries.max(stub.redeliveries);
            account.page_in(reference.size());
            if want.expired_at.is_some() {
                self.entries.remove(place);
                read.expired.push(reference);
            } else {
                self.keep(*place, reference);
            }
        }
        if let (Some(_), Some(last)) = (want.expired_at, places.last()) {
            self.ask(Want { from: last + 1, ..want });
        }
        read
    }

    /// Lets go of what is read again when its turn comes: the last first.
    fn make_room(&mut self, account: &mut Account<'_>) {
        let limit = if account.memory.is_pressed() { 0 } else { self.limit };
        while self.here_bytes > limit {
            let Some(place) = self.here.pop_last() else { return };
            let Some(Entry::Here(reference)) = self.entries.get(&place) else { continue };
            let size = reference.size();
            let stub = Entry::There(Stub::of(reference));
            self.entries.insert(place, stub);
            self.here_bytes -= size;
            self.stubs += 1;
            account.page_out(size);
        }
    }

    /// Takes out what has expired and is in memory, and asks for what is not.
    pub(super) fn take_expired(&mut self, unix_ms: i64) -> Vec<Reference> {
        if !self.can_expire {
            return Vec::new();
        }
        self.can_expire = false;
        let (mut expired, mut first) = (Vec::new(), None);
        for (place, entry) in &self.entries {
            let (expiration, is_here) = match entry {
                Entry::Here(reference) => (reference.message.expiration, true),
                Entry::There(stub) => (stub.expiration, false),
            };
            self.can_expire |= expiration > 0;
            if expiration > 0 && expiration <= unix_ms {
                if is_here {
                    expired.push(*place);
                } else {
                    first = first.or(Some(*place));
                }
            }
        }
        if let Some(from) = first {
            self.ask(Want { from, expired_at: Some(unix_ms) });
        }
        expired.into_iter().filter_map(|place| self.take(place)).collect()
    }
}

impl Stub {
    fn of(reference: &Reference) -> Self {
        let size = u32::try_from(reference.size()).unwrap_or(u32::MAX);
        let (expiration, redeliveries) = (reference.message.expiration, reference.redeliveries);
        Self { expiration, size, redeliveries }
    }

    fn stored(stored: &StoredMessage, least: u16) -> Self {
        let size = usize::from(least).saturating_add(stored.bytes);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Self { expiration: stored.expiration, size, redeliveries: 0 }
    }

    /// What it will count when it is read.
    pub(super) fn size(self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    const fn is_expired(self, unix_ms: i64) -> bool {
        self.expiration > 0 && self.expiration <= unix_ms
    }
}

#[cfg(test)]
impl Pages {
    pub(super) fn check(&self) -> (usize, usize) {
        let (mut bytes, mut stored, mut stubs, mut here_bytes) = (0, 0, 0, 0);
        for (place, entry) in &self.entries {
            match entry {
                Entry::Here(reference) => {
                    bytes += reference.size();
                    if reference.stored {
                        stored += 1;
                        here_bytes += reference.size();
                    }
                    assert_eq!(self.here.contains(place), reference.stored);
                }
                Entry::There(_) => (stubs, stored) = (stubs + 1, stored + 1),
            }
        }
        assert_eq!((self.stubs, self.here_bytes), (stubs, here_bytes));
        assert!(self.here.iter().all(|place| self.entries.contains_key(place)));
        (bytes, stored)
    }

    pub(super) const fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) const fn in_memory(&self) -> usize {
        self.here_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;

    #[test]
    fn a_million_messages_that_are_not_in_memory_take_tens_of_megabytes() {
        assert!(size_of::<(u64, Entry)>() <= 32, "{}", size_of::<(u64, Entry)>());
    }
}
