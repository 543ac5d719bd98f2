//! The marshalling cache: ids and destinations that both peers know by a number.
//!
//! Each direction has a cache of its own. The writer decides what stands in which slot; the reader
//! only follows. The order in which slots are given out and taken back is Java's, so that the bytes are.
//!
//! One quirk is hidden in the callers: for a cached object inside a cached object, **loose encoding
//! numbers the outer one first, tight encoding the inner one**. Null is cached like any value.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::command::{
    BrokerId, Command, ConnectionId, ConsumerId, Destination, ProducerId, SessionId, TransactionId,
};
use crate::error::DecodeErrorKind;
use crate::string::Str;
use crate::wire::field::Nested;

/// What a slot can hold.
#[derive(Clone, Debug)]
pub(crate) enum Cached {
    Null,
    Broker(BrokerId),
    Connection(ConnectionId),
    Session(SessionId),
    Consumer(ConsumerId),
    Producer(ProducerId),
    Destination(Destination),
    Transaction(TransactionId),
    /// A class that Java compares by identity: it is never found again.
    Other(Box<Command>),
    /// The same in the writer's half, which has no use for its fields.
    Forgotten,
}

impl Cached {
    pub(crate) const fn class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Broker(_) => "BrokerId",
            Self::Connection(_) => "ConnectionId",
            Self::Session(_) => "SessionId",
            Self::Consumer(_) => "ConsumerId",
            Self::Producer(_) => "ProducerId",
            Self::Destination(_) => "ActiveMQDestination",
            Self::Transaction(_) => "TransactionId",
            Self::Other(command) => command.name(),
            Self::Forgotten => "forgotten",
        }
    }
}

impl Cached {
    /// The same with strings of its own: a slot must not keep the frame alive that a value came from. A
    /// value that is never found again is forgotten.
    pub(crate) fn detached(self) -> Self {
        match self {
            Self::Null | Self::Other(_) | Self::Forgotten => Self::Forgotten,
            Self::Broker(id) => Self::Broker(BrokerId { value: detached(id.value) }),
            Self::Connection(id) => Self::Connection(ConnectionId { value: detached(id.value) }),
            Self::Session(id) => {
                Self::Session(SessionId { connection_id: detached(id.connection_id), ..id })
            }
            Self::Consumer(id) => {
                Self::Consumer(ConsumerId { connection_id: detached(id.connection_id), ..id })
            }
            Self::Producer(id) => {
                Self::Producer(ProducerId { connection_id: detached(id.connection_id), ..id })
            }
            Self::Destination(destination) => Self::Destination(Destination {
                physical_name: destination.physical_name.detached(),
                ..destination
            }),
            Self::Transaction(id) => Self::Transaction(id.detached()),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Broker(a), Self::Broker(b)) => a == b,
            (Self::Connection(a), Self::Connection(b)) => a == b,
            (Self::Session(a), Self::Session(b)) => a == b,
            (Self::Consumer(a), Self::Consumer(b)) => a == b,
            (Self::Producer(a), Self::Producer(b)) => a == b,
            (Self::Destination(a), Self::Destination(b)) => a == b,
            (Self::Transaction(a), Self::Transaction(b)) => a == b,
            _ => false,
        }
    }
}

fn detached(text: Option<Str>) -> Option<Str> {
    text.map(|text| text.detached())
}

/// Where to look first for a value: a number that costs next to nothing and tells apart the values that
/// usually occur together. Equality is checked in any case.
#[derive(Clone, Copy)]
pub(crate) struct Hint(u8);

/// As many as a [`Hint`] has values.
const HINTS: usize = 1 << u8::BITS;

impl Hint {
    pub(crate) const NONE: Self = Self(0);

    /// From the last letters of a name and the numbers beside it.
    #[inline]
    pub(crate) fn new(class: u8, text: Option<&Str>, number: i64, other: i64) -> Self {
        let wire = text.map_or(&[][..], Str::as_wire);
        let letters = match wire.last_chunk::<8>() {
            Some(letters) => u64::from_le_bytes(*letters),
            None => wire.iter().fold(0, |letters, byte| letters << 8 | u64::from(*byte)),
        };
        let numbers = number.cast_unsigned().rotate_left(16) ^ other.cast_unsigned();
        let mixed = (letters ^ numbers).wrapping_add(u64::from(class));
        let [.., hint] = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        Self(hint)
    }
}

/// The hash of a value that can be cached. `class` keeps ids of different classes apart.
#[inline]
pub(crate) fn hash_of(class: u8, value: &impl Hash) -> u64 {
    // A fixed seed will do: an attacker can at most fill the slots of his own connection.
    FixedState::with_seed(u64::from(class)).hash_one(value)
}

/// How many slots Java keeps free: it evicts before a command until at most `slots - 100` are taken.
const FREE_SPACE: usize = 100;

/// The writer's half: which value has which slot.
#[derive(Debug)]
pub(crate) struct WriteCache {
    slots: Vec<Option<(u64, Cached)>>,
    capacity: usize,
    /// Slots by the hash of what they hold, null apart.
    index: HashTable<u16>,
    /// The slot that was last found or given out for each hint.
    hints: Box<[u16; HINTS]>,
    null: Option<u16>,
    /// Values whose slot was given to another value while they were in it; see [`insert`](Self::insert).
    displaced: Vec<(u64, Cached)>,
    next: usize,
    evict: usize,
    /// Slots filled by the command being written, to be emptied again if it is refused.
    filled: Vec<u16>,
    next_before: usize,
}

impl WriteCache {
    pub(crate) fn new(capacity: u16) -> Self {
        Self {
            slots: Vec::new(),
            capacity: usize::from(capacity.min(i16::MAX.unsigned_abs())),
            index: HashTable::new(),
            hints: Box::new([0; HINTS]),
            null: None,
            displaced: Vec::new(),
            next: 0,
            evict: 0,
            filled: Vec::new(),
            next_before: 0,
        }
    }

    /// How many values Java's map would hold.
    fn len(&self) -> usize {
        self.index.len() + usize::from(self.null.is_some()) + self.displaced.len()
    }

    /// Makes room before a command, oldest first.
    pub(crate) fn begin(&mut self) {
        self.filled.clear();
        self.next_before = self.next;
        // Java subtracts without care and never returns when fewer than 100 slots were negotiated.
        let keep = self.capacity.saturating_sub(FREE_SPACE);
        let mut round = 0;
        while self.len() > keep {
            if round == self.capacity {
                // Java never gets rid of displaced values, and never returns when they are too many.
                self.displaced.clear();
                round = 0;
            }
            round += 1;
            let slot = self.evict;
            self.evict = if slot + 1 >= self.capacity { 0 } else { slot + 1 };
            self.empty(slot);
        }
    }

    /// Takes back what the command being written has put in.
    pub(crate) fn roll_back(&mut self) {
        while let Some(slot) = self.filled.pop() {
            self.empty(usize::from(slot));
        }
        self.next = self.next_before;
    }

    #[inline]
    pub(crate) fn find_null(&self) -> Option<u16> {
        self.null
    }

    /// The slot of a value, or the hash of one that has none.
    #[inline]
    pub(crate) fn find<T: Nested>(&mut self, value: &T) -> Result<u16, u64> {
        let Hint(hint) = value.cache_hint();
        let slot = self.hints.get(usize::from(hint)).copied().unwrap_or(0);
        match self.slots.get(usize::from(slot)) {
            Some(Some((_, cached))) if value.is_cached(cached) => Ok(slot),
            _ => self.search(value, hint),
        }
    }

    fn search<T: Nested>(&mut self, value: &T, hint: u8) -> Result<u16, u64> {
        let hash = value.cache_hash();
        let same = |slot: &u16| match self.slots.get(usize::from(*slot)) {
            Some(Some((hashed, cached))) => *hashed == hash && value.is_cached(cached),
            Some(None) | None => false,
        };
        let slot = *self.index.find(hash, same).ok_or(hash)?;
        if let Some(hint) = self.hints.get_mut(usize::from(hint)) {
            *hint = slot;
        }
        Ok(slot)
    }

    /// Gives the value a slot; -1 when all are taken.
    pub(crate) fn insert(&mut self, hash: u64, value: Cached) -> i16 {
        let slot = self.next;
        // Java: the number is used up even when the value is then not stored.
        self.next = if slot + 1 >= self.capacity { 0 } else { slot + 1 };
        if self.len() >= self.capacity {
            return -1;
        }
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        // A command with more distinct objects than free slots comes around to slots in use. In Java
        // the value there keeps its number, which now means another one: the peer would be told
        // wrong things. Here it is not found any more, but it counts, so that evictions come when
        // Java's do.
        if let Some(Some((hash, displaced))) = self.slots.get(slot).cloned() {
            self.empty(slot);
            if !matches!(displaced, Cached::Null) {
                self.displaced.push((hash, displaced));
            }
        }
        if !self.displaced.is_empty() {
            self.displaced
                .retain(|(other, displaced)| *other != hash || !displaced.is_same(&value));
        }
        let Ok(number) = u16::try_from(slot) else { return -1 };
        self.filled.push(number);
        if matches!(value, Cached::Null) {
            self.null = Some(number);
        } else {
            let slots = &self.slots;
            self.index.insert_unique(hash, number, |other| stored_hash(slots, *other));
        }
        if let Some(entry) = self.slots.get_mut(slot) {
            *entry = Some((hash, value));
        }
        i16::try_from(number).unwrap_or(-1)
    }

    fn empty(&mut self, slot: usize) {
        match self.slots.get_mut(slot).and_then(Option::take) {
            // Java: evicting an empty slot removes the null key.
            None | Some((_, Cached::Null)) => self.null = None,
            Some((hash, _)) => {
                if let Ok(entry) =
                    self.index.find_entry(hash, |number| usize::from(*number) == slot)
                {
                    entry.remove();
                }
            }
        }
    }
}

fn stored_hash(slots: &[Option<(u64, Cached)>], slot: u16) -> u64 {
    slots.get(usize::from(slot)).and_then(Option::as_ref).map_or(0, |(hash, _)| *hash)
}

/// The reader's half: what stands in which slot.
#[derive(Debug)]
pub(crate) struct ReadCache {
    /// Grows with the highest slot used, not with what was announced.
    slots: Vec<Option<Cached>>,
    capacity: usize,
    /// What stood in the slots that the frame being read has filled; kept only while asked to.
    undo: Option<Vec<(usize, Option<Cached>)>>,
}

impl ReadCache {
    pub(crate) const fn new(capacity: u16) -> Self {
        Self { slots: Vec::new(), capacity: capacity as usize, undo: None }
    }

    pub(crate) fn get(&self, index: i16) -> Result<&Cached, DecodeErrorKind> {
        let slot = self.slot(index)?;
        // Java reads null from a slot that was never filled.
        let problem = DecodeErrorKind::BadCacheIndex { index, problem: "was never filled" };
        self.slots.get(slot).and_then(Option::as_ref).ok_or(problem)
    }

    /// Stores a value, unless its index is -1: "not stored, the cache is full".
    pub(crate) fn set(&mut self, index: i16, value: Cached) -> Result<(), DecodeErrorKind> {
        if index == -1 {
            return Ok(());
        }
        let slot = self.slot(index)?;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        let Some(entry) = self.slots.get_mut(slot) else { return Ok(()) };
        let before = entry.replace(value);
        if let Some(undo) = &mut self.undo {
            undo.push((slot, before));
        }
        Ok(())
    }

    fn slot(&self, index: i16) -> Result<usize, DecodeErrorKind> {
        usize::try_from(index)
            .ok()
            .filter(|slot| *slot < self.capacity)
            .ok_or(DecodeErrorKind::BadCacheIndex { index, problem: "is out of range" })
    }

    /// From here on changes can be undone.
    pub(crate) fn begin(&mut self) {
        self.undo = Some(Vec::new());
    }

    pub(crate) fn commit(&mut self) {
        self.undo = None;
    }

    pub(crate) fn roll_back(&mut self) {
        for (slot, before) in self.undo.take().into_iter().flatten().rev() {
            if let Some(entry) = self.slots.get_mut(slot) {
                *entry = before;
            }
        }
    }
}
