//! `Pages`: what waits in a queue, in order. Of what the store has, only the next to go is in memory too.
//!
//! Of any other stored message there is a [`Stub`]: its place, when it expires, and what it will count when it
//! is read again. Nothing is decided about a message by its stub but that it has expired.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;
use std::sync::Arc;

use rewire_protocol::Message;

use super::memory::Memory;
use super::reference::{Reference, SEQUENCES};
use crate::store::StoredMessage;

/// What a stub counts against the limit of all memory: about what it takes, with its share of a tree.
pub(super) const STUB: usize = 32;
/// Reading is asked for in parts of a page, so that a page is there while the next part is read.
const PARTS: usize = 4;

/// A stored message that is not in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub {
    /// What it counts when it is in memory.
    size: u32,
    rare: Rare,
}

/// What most messages have not: kept apart, so that there may be millions of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Rare {
    expiration: i64,
    redeliveries: i32,
}

/// A message that waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'p> {
    Here(&'p Reference),
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
    /// What is in memory.
    here: BTreeMap<u64, Reference>,
    /// Places of stored messages among it.
    kept: BTreeSet<u64>,
    kept_bytes: usize,
    /// What is not, by what it will count.
    there: BTreeMap<u64, u32>,
    /// Of those that have any.
    rare: BTreeMap<u64, Rare>,
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
            here: BTreeMap::new(),
            kept: BTreeSet::new(),
            kept_bytes: 0,
            there: BTreeMap::new(),
            rare: BTreeMap::new(),
            limit,
            least,
            can_expire: false,
            wanted: VecDeque::new(),
            reading: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.here.len() + self.there.len()
    }

    /// What those that are not in memory count against the limit of all.
    pub(super) fn stub_bytes(&self) -> usize {
        self.there.len() * STUB
    }

    /// The first message at this place or behind it.
    pub(super) fn first(&self, from: u64) -> Option<(u64, Entry<'_>)> {
        self.range(from).next()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Entry<'_>)> {
        self.range(0)
    }

    /// What is in memory and what is not, in one order.
    fn range(&self, from: u64) -> impl Iterator<Item = (u64, Entry<'_>)> {
        let mut here = self.here.range(from..).peekable();
        let mut there = self.there.range(from..).peekable();
        iter::from_fn(move || {
            let next = here.peek().map(|(place, _)| **place);
            if let Some((place, size)) =
                there.next_if(|(place, _)| next.is_none_or(|n| **place < n))
            {
                return Some((*place, Entry::There(self.stub(*place, *size))));
            }
            here.next().map(|(place, reference)| (*place, Entry::Here(reference)))
        })
    }

    fn stub(&self, place: u64, size: u32) -> Stub {
        Stub { size, rare: self.rare.get(&place).copied().unwrap_or_default() }
    }

    fn put_stub(&mut self, place: u64, stub: Stub) {
        self.there.insert(place, stub.size);
        if stub.rare != Rare::default() {
            self.rare.insert(place, stub.rare);
        }
    }

    fn take_stub(&mut self, place: u64) -> Option<Stub> {
        let size = self.there.remove(&place)?;
        Some(Stub { size, rare: self.rare.remove(&place).unwrap_or_default() })
    }

    /// A message is to wait here. It stays in memory if the store has not got it, or it is soon to go.
    pub(super) fn insert(&mut self, place: u64, reference: Reference, mut account: Account<'_>) {
        self.can_expire |= reference.message.expiration > 0;
        let size = reference.size();
        if !reference.stored {
            self.here.insert(place, reference);
            return;
        }
        let is_next = self.there.is_empty() || self.kept.last().is_some_and(|last| place < *last);
        let has_room = self.kept_bytes + size <= self.limit && !account.memory.is_pressed();
        if is_next && has_room {
            self.keep(place, reference);
        } else {
            account.page_out(size);
            self.put_stub(place, Stub::of(&reference));
        }
    }

    fn keep(&mut self, place: u64, reference: Reference) {
        self.kept.insert(place);
        self.kept_bytes += reference.size();
        self.here.insert(place, reference);
    }

    /// Takes a message out that is in memory.
    pub(super) fn take(&mut self, place: u64) -> Option<Reference> {
        let reference = self.here.remove(&place)?;
        if self.kept.remove(&place) {
            self.kept_bytes -= reference.size();
        }
        Some(reference)
    }

    /// Starts with what a store held.
    pub(super) fn recover(
        &mut self,
        stored: impl Iterator<Item = (u64, StoredMessage)>,
        account: &mut Account<'_>,
    ) {
        // All at once: a tree that is built of sorted entries has full nodes.
        let sizes = stored.map(|(place, stored)| {
            let Stub { size, rare } = Stub::stored(&stored, self.least);
            if rare != Rare::default() {
                self.rare.insert(place, rare);
            }
            (place, size)
        });
        self.there = sizes.collect();
        self.can_expire = !self.rare.is_empty();
        account.memory.take(self.stub_bytes());
    }

    /// Takes a message out of which only a stub is left, and which was read by other means.
    pub(super) fn claim(
        &mut self,
        place: u64,
        message: Arc<Message>,
        mut account: Account<'_>,
    ) -> Option<Reference> {
        self.take_stub(place)?;
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
        if let Some(at) = want.expired_at {
            let rare = self.rare.range(want.from..).filter(|(_, rare)| rare.is_expired(at));
            return self.fill(rare.map(|(place, _)| *place));
        }
        if !self.there.contains_key(&want.from) {
            // It was read for somebody else.
            return Vec::new();
        }
        self.fill(self.there.range(want.from..).map(|(place, _)| *place))
    }

    /// As many of these as are a part of a page; one in any case, however large it is.
    fn fill(&self, candidates: impl Iterator<Item = u64>) -> Vec<u64> {
        let mut room = self.limit / PARTS;
        let mut places = Vec::new();
        for place in candidates {
            let Some(size) =
                self.there.get(&place).copied().and_then(|size| usize::try_from(size).ok())
            else {
                continue;
            };
            if !places.is_empty() && size > room {
                break;
            }
            room = room.saturating_sub(size);
            places.push(place);
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
            let Some(stub) = self.take_stub(*place) else { continue };
            let Some(message) = message else {
                account.memory.free(STUB);
                read.found_all = false;
                continue;
            };
            let mut reference =
                Reference::new(message, place & SEQUENCES, true).at_least(self.least);
            // The store may know of a delivery before the broker was started.
            reference.redeliveries = reference.redeliveries.max(stub.rare.redeliveries);
            account.page_in(reference.size());
            if want.expired_at.is_some() {
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
        while self.kept_bytes > limit {
            let Some(place) = self.kept.pop_last() else { return };
            let Some(reference) = self.here.remove(&place) else { continue };
            let size = reference.size();
            self.put_stub(place, Stub::of(&reference));
            self.kept_bytes -= size;
            account.page_out(size);
        }
    }

    /// Takes out what has expired and is in memory, and asks for what is not.
    pub(super) fn take_expired(&mut self, unix_ms: i64) -> Vec<Reference> {
        if !self.can_expire {
            return Vec::new();
        }
        self.can_expire = self.rare.values().any(|rare| rare.expiration > 0);
        let mut expired = Vec::new();
        for (place, reference) in &self.here {
            self.can_expire |= reference.message.expiration > 0;
            if reference.is_expired(unix_ms) {
                expired.push(*place);
            }
        }
        let first = self.rare.iter().find(|(_, rare)| rare.is_expired(unix_ms));
        if let Some(from) = first.map(|(place, _)| *place) {
            self.ask(Want { from, expired_at: Some(unix_ms) });
        }
        expired.into_iter().filter_map(|place| self.take(place)).collect()
    }
}

impl Stub {
    fn of(reference: &Reference) -> Self {
        let size = u32::try_from(reference.size()).unwrap_or(u32::MAX);
        let (expiration, redeliveries) = (reference.message.expiration, reference.redeliveries);
        Self { size, rare: Rare { expiration, redeliveries } }
    }

    fn stored(stored: &StoredMessage, least: u16) -> Self {
        let size = usize::from(least).saturating_add(stored.bytes);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        Self { size, rare: Rare { expiration: stored.expiration, redeliveries: 0 } }
    }

    /// What it will count when it is read.
    pub(super) fn size(self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }
}

impl Rare {
    const fn is_expired(self, unix_ms: i64) -> bool {
        self.expiration > 0 && self.expiration <= unix_ms
    }
}

#[cfg(test)]
impl Pages {
    pub(super) fn check(&self) -> (usize, usize) {
        let (mut bytes, mut stored, mut kept_bytes) = (0, self.there.len(), 0);
        for (place, reference) in &self.here {
            bytes += reference.size();
            if reference.stored {
                stored += 1;
                kept_bytes += reference.size();
            }
            assert_eq!(self.kept.contains(place), reference.stored);
            assert!(!self.there.contains_key(place), "{place} is here and there");
        }
        assert_eq!(self.kept_bytes, kept_bytes);
        assert!(self.kept.iter().all(|place| self.here.contains_key(place)));
        assert!(self.rare.keys().all(|place| self.there.contains_key(place)));
        (bytes, stored)
    }

    pub(super) const fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) const fn in_memory(&self) -> usize {
        self.kept_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_messages_that_are_not_in_memory_take_a_few_bytes_each() {
        let mut memory = Memory::new(usize::MAX, usize::MAX);
        let mut bytes = 0;
        let mut pages = Pages::new(1 << 20, 1024);
        let stored = (1..=1000).map(|sequence| {
            let expiration = i64::from(sequence == 500);
            (sequence, StoredMessage { sequence, priority: 4, expiration, bytes: 1 << 10 })
        });
        pages.recover(stored, &mut Account { bytes: &mut bytes, memory: &mut memory });
        assert_eq!((pages.len(), pages.rare.len(), bytes), (1000, 1, 0));
        assert!(size_of_val(&(0_u64, 0_u32)) <= STUB);
        assert_eq!(memory.used(), 1000 * STUB);
    }
}
