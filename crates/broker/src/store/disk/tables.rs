//! `Tables`: what a store keeps for long, in one file of redb.

use std::collections::HashSet;
use std::path::Path;

use redb::{
    Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use rewire_protocol::{Command, ProducerId};

use super::fresh::Fresh;
use super::journal::Lap;
use super::known::Known;
use super::{Result, StoreError, failed};
use crate::core::ProducerAudit;
use crate::store::format::{
    decode, decode_record, decode_writes, encode, encode_message, encode_writes, head, message_key,
    place_key, read_head, split_place,
};
use crate::store::{Loaded, Place, Recovered, StoreWrite, StoredMessage, removals};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Where messages wait, and the messages.
pub(super) const MESSAGES: Table = Table::new("messages");
/// Under the same keys what a start has to know of each: little, so that it need not read the messages.
pub(super) const HEADS: Table = Table::new("heads");
/// Queues, with or without messages.
pub(super) const QUEUES: Table = Table::new("queues");
/// Durable subscriptions.
const SUBSCRIPTIONS: Table = Table::new("subscriptions");
/// What was taken in of each producer, behind the number of its last change.
const PRODUCERS: Table = Table::new("producers");
/// What transactions that are prepared will write.
const PREPARED: Table = Table::new("prepared");
/// Single values.
pub(super) const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");

/// The highest number a message has had.
const SEQUENCE: &str = "sequence";
/// The last group of the journal that is in the tables, and the salt of those that are not.
const LAST: &str = "journal";
const SALT: &str = "salt";
/// The layout of the tables.
pub(super) const LAYOUT: (&str, u64) = ("layout", 3);
/// The layout before, without heads and without a journal.
pub(super) const BEFORE: u64 = 2;
/// Bytes of the file that are kept in memory.
const CACHE: usize = 8 << 20;

/// The file.
pub(super) struct Tables {
    database: Database,
}

impl Tables {
    /// Opens the file in this folder, or makes it. None but this process has it.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let mut builder = Database::builder();
        let database = builder.set_cache_size(CACHE).create(folder.join("rewire.redb"));
        Ok(Self { database: database.map_err(failed)? })
    }

    /// Up to where they have what is in the journal; none when there is no journal yet.
    pub(super) fn lap(&self) -> Result<Option<Lap>> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let meta = match transaction.open_table(META) {
            Ok(meta) => meta,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let value = |name| Ok(meta.get(name).map_err(failed)?.map(|found| found.value()));
        match value(LAYOUT.0)? {
            None | Some(BEFORE) => Ok(None),
            Some(found) if found == LAYOUT.1 => {
                Ok(Some(Lap { last: value(LAST)?.unwrap_or(0), salt: value(SALT)?.unwrap_or(0) }))
            }
            Some(found) => Err(StoreError(format!("layout {found} is not known here"))),
        }
    }

    /// Brings a new or an older file to the present layout. There is a journal now.
    pub(super) fn upgrade(&self, lap: Lap) -> Result<()> {
        let transaction = self.database.begin_write().map_err(failed)?;
        {
            let mut meta = transaction.open_table(META).map_err(failed)?;
            let (name, layout) = LAYOUT;
            let before = meta.get(name).map_err(failed)?.map(|found| found.value());
            if before == Some(BEFORE) {
                collect_heads(&transaction)?;
            }
            meta.insert(name, layout).map_err(failed)?;
            meta.insert(LAST, lap.last).map_err(failed)?;
            meta.insert(SALT, lap.salt).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    /// Calls `each` with every record of a table.
    pub(super) fn read(
        &self,
        table: Table,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let Some(table) = self.table(table)? else { return Ok(()) };
        for record in table.iter().map_err(failed)? {
            let (key, value) = record.map_err(failed)?;
            each(key.value(), value.value())?;
        }
        Ok(())
    }

    /// A table as it is now; none when nothing was ever written to it.
    fn table(
        &self,
        table: Table,
    ) -> Result<Option<redb::ReadOnlyTable<&'static [u8], &'static [u8]>>> {
        let transaction = self.database.begin_read().map_err(failed)?;
        match transaction.open_table(table) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) fn sequence(&self) -> Result<u64> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let meta = transaction.open_table(META).map_err(failed)?;
        Ok(meta.get(SEQUENCE).map_err(failed)?.map_or(0, |found| found.value()))
    }

    pub(super) fn known(&self) -> Result<Known> {
        let mut known = Known::default();
        self.read(PRODUCERS, |key, value| {
            let record = value.split_first_chunk();
            let read = record.and_then(|(at, audit)| Some((at, ProducerAudit::from_bytes(audit)?)));
            if let (Command::ProducerId(producer), Some((at, audit))) = (decode(key)?, read) {
                known.insert(producer, u64::from_be_bytes(*at), audit);
            }
            Ok(())
        })?;
        Ok(known)
    }

    /// Queues, subscriptions, and transactions that are prepared.
    pub(super) fn recover(&self) -> Result<Recovered> {
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
            recovered.subscriptions.push((subscription, *info, self.waiting(key)?));
            Ok(())
        })?;
        self.read(PREPARED, |key, value| {
            if let Command::XaTransactionId(id) = decode(key)? {
                recovered.prepared.push((*id, decode_writes(value)?));
            }
            Ok(())
        })?;
        let taken = removals(recovered.prepared.iter().map(|(_, writes)| writes));
        let taken: Vec<_> = taken.map(|(place, sequence)| (place.clone(), sequence)).collect();
        for (place, sequence) in taken {
            if let Some(Some(message)) = self.load(&place, &[sequence])?.pop() {
                recovered.taken.push((place, sequence, message));
            }
        }
        Ok(recovered)
    }

    /// What waits in a place.
    fn waiting(&self, place: &[u8]) -> Result<Vec<StoredMessage>> {
        let Some(heads) = self.table(HEADS)? else { return Ok(Vec::new()) };
        let (first, last) = bounds(place);
        let mut waiting = Vec::new();
        for record in heads.range(first.as_slice()..=last.as_slice()).map_err(failed)? {
            let (key, record) = record.map_err(failed)?;
            // A place may be the beginning of a longer one.
            let sequence = key.value().get(place.len()..).and_then(|rest| rest.try_into().ok());
            let Some(sequence) = sequence else { continue };
            waiting.push(read_head(u64::from_be_bytes(sequence), record.value())?);
        }
        Ok(waiting)
    }

    pub(super) fn load(&self, place: &Place, sequences: &[u64]) -> Result<Loaded> {
        let Some(messages) = self.table(MESSAGES)? else { return Ok(vec![None; sequences.len()]) };
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

    /// Makes what the journal has, and then these writes, one commit. When it returns all is safe, and nothing
    /// in the journal is needed any more.
    pub(super) fn commit(
        &self,
        fresh: &Fresh,
        writes: Vec<StoreWrite>,
        known: &mut Known,
        sequence: u64,
        lap: Lap,
    ) -> Result<u64> {
        // No quick repair: after a crash all is read once, and what was damaged is found.
        let transaction = self.database.begin_write().map_err(failed)?;
        let sequence = {
            let mut change = Change {
                transaction: &transaction,
                messages: transaction.open_table(MESSAGES).map_err(failed)?,
                heads: transaction.open_table(HEADS).map_err(failed)?,
                sent: fresh.sent.clone(),
                known,
                sequence,
            };
            for key in &fresh.removed {
                change.remove(key)?;
            }
            for (key, message) in &fresh.added {
                change.add(key, &encode_message(message)?)?;
            }
            writes.into_iter().try_for_each(|write| change.make(write))?;
            change.keep_producers()?;
            let mut meta = transaction.open_table(META).map_err(failed)?;
            for (name, value) in [(SEQUENCE, change.sequence), (LAST, lap.last), (SALT, lap.salt)] {
                meta.insert(name, value).map_err(failed)?;
            }
            change.sequence
        };
        // Durable when this returns: redb syncs the file.
        transaction.commit().map_err(failed)?;
        Ok(sequence)
    }

    #[cfg(test)]
    pub(super) fn begin_write(&self) -> WriteTransaction {
        self.database.begin_write().unwrap()
    }
}

/// A write transaction, with what nearly every write touches.
struct Change<'t> {
    transaction: &'t WriteTransaction,
    messages: redb::Table<'t, &'static [u8], &'static [u8]>,
    heads: redb::Table<'t, &'static [u8], &'static [u8]>,
    /// Producers with something new.
    sent: HashSet<ProducerId>,
    known: &'t mut Known,
    sequence: u64,
}

impl Change<'_> {
    fn make(&mut self, write: StoreWrite) -> Result<()> {
        match write {
            StoreWrite::CreateQueue(queue) => {
                self.put(QUEUES, &place_key(&Place::Queue(queue)), &[])
            }
            StoreWrite::DeleteQueue(queue) => {
                let key = place_key(&Place::Queue(queue));
                self.take(QUEUES, &key)?;
                self.remove_all(&key)
            }
            StoreWrite::Add { place, sequence, message } => {
                self.sequence = self.sequence.max(sequence);
                self.add(&message_key(&place, sequence), &encode_message(&message)?)
            }
            StoreWrite::Remove { place, sequence } => self.remove(&message_key(&place, sequence)),
            StoreWrite::Sent { producer, sequence } => {
                self.known.record(&producer, sequence);
                self.sent.insert(producer);
                Ok(())
            }
            StoreWrite::Subscribe(key, info) => {
                let info = encode(&(*info).into())?;
                self.put(SUBSCRIPTIONS, &place_key(&Place::Subscription(key)), &info)
            }
            StoreWrite::Unsubscribe(key) => {
                let key = place_key(&Place::Subscription(key));
                self.take(SUBSCRIPTIONS, &key)?;
                self.remove_all(&key)
            }
            StoreWrite::Prepare(transaction, writes) => {
                let writes = encode_writes(&writes)?;
                self.put(PREPARED, &encode(&(*transaction).into())?, &writes)
            }
            StoreWrite::Settle { transaction, commit } => {
                let key = encode(&(*transaction).into())?;
                let Some(writes) = self.take(PREPARED, &key)? else { return Ok(()) };
                let writes = decode_writes(&writes)?;
                let made = writes.into_iter().filter(|_| commit);
                made.into_iter().try_for_each(|write| self.make(write))
            }
        }
    }

    fn add(&mut self, key: &[u8], record: &[u8]) -> Result<()> {
        self.messages.insert(key, record).map_err(failed)?;
        self.heads.insert(key, head(record)?).map_err(failed)?;
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.messages.remove(key).map_err(failed)?;
        self.heads.remove(key).map_err(failed)?;
        Ok(())
    }

    /// Removes all messages of a place.
    fn remove_all(&mut self, place: &[u8]) -> Result<()> {
        let (first, last) = bounds(place);
        let all = first.as_slice()..=last.as_slice();
        self.messages.retain_in(all.clone(), |_, _| false).map_err(failed)?;
        self.heads.retain_in(all, |_, _| false).map_err(failed)
    }

    /// Writes what has changed of producers, once each however many messages they sent.
    fn keep_producers(&mut self) -> Result<()> {
        for producer in std::mem::take(&mut self.sent) {
            let Some((change, audit)) = self.known.get(&producer) else { continue };
            let mut value = change.to_be_bytes().to_vec();
            value.extend(audit.to_bytes());
            self.put(PRODUCERS, &encode(&producer.into())?, &value)?;
        }
        for producer in self.known.forget() {
            self.take(PRODUCERS, &encode(&producer.into())?)?;
        }
        Ok(())
    }

    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<()> {
        let mut table = self.transaction.open_table(table).map_err(failed)?;
        table.insert(key, value).map_err(failed)?;
        Ok(())
    }

    fn take(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut table = self.transaction.open_table(table).map_err(failed)?;
        let removed = table.remove(key).map_err(failed)?;
        Ok(removed.map(|value| value.value().to_vec()))
    }
}

/// Gives a store that has none what a start reads.
fn collect_heads(transaction: &WriteTransaction) -> Result<()> {
    let messages = transaction.open_table(MESSAGES).map_err(failed)?;
    let mut heads = transaction.open_table(HEADS).map_err(failed)?;
    for record in messages.iter().map_err(failed)? {
        let (key, record) = record.map_err(failed)?;
        heads.insert(key.value(), head(record.value())?).map_err(failed)?;
    }
    Ok(())
}

/// The first and the last key that a message of a place can have.
fn bounds(place: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut first, mut last) = (place.to_vec(), place.to_vec());
    first.extend([0; 8]);
    last.extend([0xFF; 8]);
    (first, last)
}
