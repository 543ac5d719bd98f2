//! `DiskStore`: a store on disk, in one file of redb. All that waits is one commit.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use rewire_protocol::{Command, ProducerId, SubscriptionInfo};

use super::format::{
    decode, decode_record, decode_writes, encode, encode_message, encode_writes, message_key,
    place_key, read_head, split_place,
};
use super::{
    Loaded, Place, Recovered, Store, StoreError, StoreWrite, StoredMessage, SubscriptionKey,
    removals,
};
use crate::core::ProducerAudit;

type Result<T> = std::result::Result<T, StoreError>;
type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Where messages wait, and the messages.
const MESSAGES: Table = Table::new("messages");
/// Queues, with or without messages.
const QUEUES: Table = Table::new("queues");
/// Durable subscriptions.
const SUBSCRIPTIONS: Table = Table::new("subscriptions");
/// What was taken in of each producer, behind the number of its last change.
const PRODUCERS: Table = Table::new("producers");
/// What transactions that are prepared will write.
const PREPARED: Table = Table::new("prepared");
/// Single values.
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");

/// The highest number a message has had.
const SEQUENCE: &str = "sequence";
/// The layout of the tables.
const LAYOUT: (&str, u64) = ("layout", 2);
/// Bytes of the file that are kept in memory.
const CACHE: usize = 32 << 20;
/// Producers that are kept; those whose last message is the longest ago are forgotten.
const MAX_PRODUCERS: usize = 10_000;

/// A store in a folder of its own. Only one broker at a time can open it.
pub struct DiskStore {
    database: Database,
    sequence: u64,
    /// What is known of producers, with the number of the last change.
    producers: HashMap<ProducerId, (u64, ProducerAudit)>,
    changes: u64,
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
    /// Opens the store in this folder; makes both when they are not there.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used, another broker has it open, or it holds something else.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut builder = Database::builder();
        let database = builder.set_cache_size(CACHE).create(folder.join("rewire.redb"));
        let database = database.map_err(failed)?;
        let store = Self { database, sequence: 0, producers: HashMap::new(), changes: 0 };
        store.check_layout()?;
        Ok(store)
    }

    fn check_layout(&self) -> Result<()> {
        let transaction = self.database.begin_write().map_err(failed)?;
        {
            let mut meta = transaction.open_table(META).map_err(failed)?;
            let (name, wanted) = LAYOUT;
            let found = meta.get(name).map_err(failed)?.map(|found| found.value());
            match found {
                Some(found) if found == wanted => {}
                Some(found) => {
                    return Err(StoreError(format!("layout {found} is not known here")));
                }
                None => drop(meta.insert(name, wanted).map_err(failed)?),
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Calls `each` with every record of a table.
    fn read(&self, table: Table, mut each: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = match transaction.open_table(table) {
            Ok(table) => table,
            // Nothing was ever written to it.
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for record in table.iter().map_err(failed)? {
            let (key, value) = record.map_err(failed)?;
            each(key.value(), value.value())?;
        }
        Ok(())
    }

    /// What waits in a place.
    fn waiting(&self, place: &[u8]) -> Result<Vec<StoredMessage>> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let messages = match transaction.open_table(MESSAGES) {
            Ok(messages) => messages,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let (first, last) = bounds(place);
        let mut waiting = Vec::new();
        for record in messages.range(first.as_slice()..=last.as_slice()).map_err(failed)? {
            let (key, record) = record.map_err(failed)?;
            // A place may be the beginning of a longer one.
            let sequence = key.value().get(place.len()..).and_then(|rest| rest.try_into().ok());
            let Some(sequence) = sequence else { continue };
            waiting.push(read_head(u64::from_be_bytes(sequence), record.value())?);
        }
        Ok(waiting)
    }

    fn make(&mut self, to: &mut Tables<'_>, write: StoreWrite) -> Result<()> {
        match write {
            StoreWrite::CreateQueue(queue) => {
                put(to.transaction, QUEUES, &place_key(&Place::Queue(queue)), &[])
            }
            StoreWrite::DeleteQueue(queue) => {
                let key = place_key(&Place::Queue(queue));
                remove(to.transaction, QUEUES, &key)?;
                to.remove_all(&key)
            }
            StoreWrite::Add { place, sequence, message } => {
                self.sequence = self.sequence.max(sequence);
                let record = encode_message(&message)?;
                let key = message_key(&place, sequence);
                to.messages.insert(key.as_slice(), record.as_slice()).map_err(failed)?;
                Ok(())
            }
            StoreWrite::Remove { place, sequence } => {
                let key = message_key(&place, sequence);
                to.messages.remove(key.as_slice()).map_err(failed)?;
                Ok(())
            }
            StoreWrite::Sent { producer, sequence } => {
                self.changes += 1;
                let known = match self.producers.get_mut(&producer) {
                    Some(known) => known,
                    None => self.producers.entry(producer.clone()).or_default(),
                };
                known.0 = self.changes;
                known.1.record(sequence);
                if !to.sent.contains(&producer) {
                    to.sent.insert(producer);
                }
                Ok(())
            }
            StoreWrite::Subscribe(key, info) => {
                let info = encode(&(*info).into())?;
                put(to.transaction, SUBSCRIPTIONS, &place_key(&Place::Subscription(key)), &info)
            }
            StoreWrite::Unsubscribe(key) => {
                let key = place_key(&Place::Subscription(key));
                remove(to.transaction, SUBSCRIPTIONS, &key)?;
                to.remove_all(&key)
            }
            StoreWrite::Prepare(transaction, writes) => {
                let writes = encode_writes(&writes)?;
                put(to.transaction, PREPARED, &encode(&(*transaction).into())?, &writes)
            }
            StoreWrite::Settle { transaction, commit } => {
                let key = encode(&(*transaction).into())?;
                let Some(writes) = remove(to.transaction, PREPARED, &key)? else {
                    return Ok(());
                };
                let writes = decode_writes(&writes)?;
                let made = writes.into_iter().filter(|_| commit);
                made.into_iter().try_for_each(|write| self.make(to, write))
            }
        }
    }

    /// Writes what has changed of producers, once each however many messages they sent.
    fn keep_producers(&mut self, to: &WriteTransaction, sent: HashSet<ProducerId>) -> Result<()> {
        for producer in sent {
            let Some((change, audit)) = self.producers.get(&producer) else { continue };
            let mut value = change.to_be_bytes().to_vec();
            value.extend(audit.to_bytes());
            put(to, PRODUCERS, &encode(&producer.into())?, &value)?;
        }
        if self.producers.len() > MAX_PRODUCERS * 2 {
            let changes: BTreeSet<u64> = self.producers.values().map(|(at, _)| *at).collect();
            let oldest = changes.iter().rev().nth(MAX_PRODUCERS - 1).copied().unwrap_or(0);
            let gone: Vec<ProducerId> = self
                .producers
                .extract_if(|_, (change, _)| *change < oldest)
                .map(|(producer, _)| producer)
                .collect();
            for producer in gone {
                remove(to, PRODUCERS, &encode(&producer.into())?)?;
            }
        }
        Ok(())
    }
}

/// A write transaction, with what nearly every write touches.
struct Tables<'t> {
    transaction: &'t WriteTransaction,
    messages: redb::Table<'t, &'static [u8], &'static [u8]>,
    /// Producers with something new.
    sent: HashSet<ProducerId>,
}

impl Tables<'_> {
    /// Removes all messages of a place.
    fn remove_all(&mut self, place: &[u8]) -> Result<()> {
        let (first, last) = bounds(place);
        let all = first.as_slice()..=last.as_slice();
        self.messages.retain_in(all, |_, _| false).map_err(failed)
    }
}

/// The first and the last key that a message of a place can have.
fn bounds(place: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut first, mut last) = (place.to_vec(), place.to_vec());
    first.extend([0; 8]);
    last.extend([0xFF; 8]);
    (first, last)
}

fn put(to: &WriteTransaction, table: Table, key: &[u8], value: &[u8]) -> Result<()> {
    let mut table = to.open_table(table).map_err(failed)?;
    table.insert(key, value).map_err(failed)?;
    Ok(())
}

fn remove(to: &WriteTransaction, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut table = to.open_table(table).map_err(failed)?;
    let removed = table.remove(key).map_err(failed)?;
    Ok(removed.map(|value| value.value().to_vec()))
}

impl Store for DiskStore {
    fn recover(&mut self) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        self.read(QUEUES, |key, _| {
            let (Place::Queue(queue), _) = split_place(key)? else { return Ok(()) };
            recovered.queues.push((queue, self.waiting(key)?));
            Ok(())
        })?;
        self.read(SUBSCRIPTIONS, |key, value| {
            let (Place::Subscription(subscription), _) = split_place(key)? else { return Ok(()) };
            let Command::SubscriptionInfo(info) = decode(value)? else {
                return Err(StoreError("a subscription cannot be read".to_owned()));
            };
            let row: (SubscriptionKey, SubscriptionInfo, _) =
                (subscription, *info, self.waiting(key)?);
            recovered.subscriptions.push(row);
            Ok(())
        })?;
        let mut producers = HashMap::new();
        self.read(PRODUCERS, |key, value| {
            let record = value.split_first_chunk();
            let read = record.and_then(|(at, audit)| Some((at, ProducerAudit::from_bytes(audit)?)));
            if let (Command::ProducerId(producer), Some((at, audit))) = (decode(key)?, read) {
                producers.insert(producer, (u64::from_be_bytes(*at), audit));
            }
            Ok(())
        })?;
        self.read(PREPARED, |key, value| {
            if let Command::XaTransactionId(id) = decode(key)? {
                recovered.prepared.push((*id, decode_writes(value)?));
            }
            Ok(())
        })?;
        let taken: Vec<(Place, u64)> =
            removals(recovered.prepared.iter().map(|(_, writes)| writes))
                .map(|(place, sequence)| (place.clone(), sequence))
                .collect();
        for (place, sequence) in taken {
            if let Some(Some(message)) = self.load(&place, &[sequence])?.pop() {
                recovered.taken.push((place, sequence, message));
            }
        }
        let transaction = self.database.begin_read().map_err(failed)?;
        let meta = transaction.open_table(META).map_err(failed)?;
        self.sequence = meta.get(SEQUENCE).map_err(failed)?.map_or(0, |found| found.value());
        recovered.sequence = self.sequence;
        self.changes = producers.values().map(|(at, _)| *at).max().unwrap_or(0);
        let mut by_age: Vec<_> =
            producers.iter().map(|(id, (at, audit))| (*at, id, audit)).collect();
        by_age.sort_by_key(|(at, ..)| *at);
        let known = by_age.into_iter().map(|(_, id, audit)| (id.clone(), audit.clone()));
        recovered.producers = known.collect();
        self.producers = producers;
        Ok(recovered)
    }

    fn write(&mut self, batches: Vec<Vec<StoreWrite>>) -> Result<()> {
        let transaction = self.database.begin_write().map_err(failed)?;
        let before = self.sequence;
        let sent = {
            let messages = transaction.open_table(MESSAGES).map_err(failed)?;
            let mut tables = Tables { transaction: &transaction, messages, sent: HashSet::new() };
            for write in batches.into_iter().flatten() {
                self.make(&mut tables, write)?;
            }
            tables.sent
        };
        self.keep_producers(&transaction, sent)?;
        if self.sequence != before {
            let mut meta = transaction.open_table(META).map_err(failed)?;
            meta.insert(SEQUENCE, self.sequence).map_err(failed)?;
        }
        // Durable when this returns: redb syncs the file.
        transaction.commit().map_err(failed)
    }

    fn load(&mut self, place: &Place, sequences: &[u64]) -> Result<Loaded> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let messages = match transaction.open_table(MESSAGES) {
            Ok(messages) => messages,
            Err(TableError::TableDoesNotExist(_)) => return Ok(vec![None; sequences.len()]),
            Err(error) => return Err(failed(error)),
        };
        let mut loaded = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            let key = message_key(place, *sequence);
            let record = messages.get(key.as_slice()).map_err(failed)?;
            let decoded = record.map(|record| decode_record(record.value())).transpose();
            loaded.push(decoded.map_err(|StoreError(problem)| {
                StoreError(format!("message {sequence} of {place} cannot be read: {problem}"))
            })?);
        }
        Ok(loaded)
    }
}

#[cfg(test)]
mod tests;
