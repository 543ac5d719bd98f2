//! `MemoryStore`: what a durable store does, without a disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use rewire_protocol::{Destination, Message, ProducerId, SubscriptionInfo, XaTransactionId};

use super::{
    Loaded, Place, Recovered, Store, StoreError, StoreWrite, StoredMessage, SubscriptionKey,
    removals,
};
use crate::core::ProducerAudit;

type Messages = BTreeMap<u64, Arc<Message>>;

/// A store that outlives its broker but not its process. A clone is the same store: give one to a
/// broker, and another to the broker that takes over.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    queues: HashMap<Destination, Messages>,
    subscriptions: BTreeMap<SubscriptionKey, (SubscriptionInfo, Messages)>,
    producers: HashMap<ProducerId, ProducerAudit>,
    prepared: HashMap<XaTransactionId, Vec<StoreWrite>>,
    sequence: u64,
    added: u64,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages wait in it, counted in each place.
    #[must_use]
    pub fn len(&self) -> usize {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queues = contents.queues.values().map(BTreeMap::len);
        let subscriptions = contents.subscriptions.values().map(|(_, messages)| messages.len());
        queues.sum::<usize>() + subscriptions.sum::<usize>()
    }

    /// Whether no message waits in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages were ever put into it, counted in each place.
    #[must_use]
    pub fn messages_added(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).added
    }

    /// The highest number a message that was ever stored has.
    #[must_use]
    pub fn highest_sequence(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sequence
    }
}

impl Store for MemoryStore {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let subscriptions = contents.subscriptions.iter();
        let known = |messages: &Messages| {
            messages.iter().map(|(number, message)| StoredMessage::of(*number, message)).collect()
        };
        let taken = removals(contents.prepared.values()).filter_map(|(place, number)| {
            let message = contents.get(place)?.get(&number)?;
            Some((place.clone(), number, Arc::clone(message)))
        });
        let mut recovered = Recovered {
            queues: contents.queues.iter().map(|(d, m)| (d.clone(), known(m))).collect(),
            subscriptions: subscriptions
                .map(|(key, (info, messages))| (key.clone(), info.clone(), known(messages)))
                .collect(),
            taken: taken.collect(),
            producers: contents.producers.iter().map(|(p, a)| (p.clone(), a.clone())).collect(),
            prepared: contents.prepared.iter().map(|(x, w)| (x.clone(), w.clone())).collect(),
            sequence: contents.sequence,
        };
        // Tables of hashes have an order of their own each time.
        recovered.queues.sort_by(|a, b| a.0.physical_name.cmp(&b.0.physical_name));
        recovered.producers.sort_by_key(|(producer, _)| producer.to_string());
        Ok(recovered)
    }

    fn write(&mut self, batches: Vec<Vec<StoreWrite>>) -> Result<(), StoreError> {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        batches.into_iter().flatten().for_each(|write| contents.write(write));
        Ok(())
    }

    fn load(&mut self, place: &Place, sequences: &[u64]) -> Result<Loaded, StoreError> {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = contents.get(place);
        Ok(sequences.iter().map(|number| messages?.get(number).cloned()).collect())
    }
}

impl Contents {
    fn write(&mut self, write: StoreWrite) {
        match write {
            StoreWrite::CreateQueue(queue) => {
                self.queues.entry(queue).or_default();
            }
            StoreWrite::DeleteQueue(queue) => {
                self.queues.remove(&queue);
            }
            StoreWrite::Add { place, sequence, message } => {
                self.sequence = self.sequence.max(sequence);
                self.added += 1;
                if let Some(messages) = self.messages(place) {
                    messages.insert(sequence, message);
                }
            }
            StoreWrite::Remove { place, sequence } => {
                if let Some(messages) = self.messages(place) {
                    messages.remove(&sequence);
                }
            }
            StoreWrite::Sent { producer, sequence } => {
                self.producers.entry(producer).or_default().record(sequence);
            }
            StoreWrite::Subscribe(key, info) => {
                self.subscriptions.entry(key).or_default().0 = *info;
            }
            StoreWrite::Unsubscribe(key) => {
                self.subscriptions.remove(&key);
            }
            StoreWrite::Prepare(transaction, writes) => {
                self.prepared.insert(*transaction, writes);
            }
            StoreWrite::Settle { transaction, commit } => {
                let writes = self.prepared.remove(&transaction).unwrap_or_default();
                if commit {
                    writes.into_iter().for_each(|write| self.write(write));
                }
            }
        }
    }

    fn get(&self, place: &Place) -> Option<&Messages> {
        match place {
            Place::Queue(queue) => self.queues.get(queue),
            Place::Subscription(key) => Some(&self.subscriptions.get(key)?.1),
        }
    }

    fn messages(&mut self, place: Place) -> Option<&mut Messages> {
        match place {
            Place::Queue(queue) => Some(self.queues.entry(queue).or_default()),
            Place::Subscription(key) => Some(&mut self.subscriptions.get_mut(&key)?.1),
        }
    }
}
