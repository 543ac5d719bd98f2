//! `Fresh`: what the journal has and the tables have not.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use rewire_protocol::{Message, ProducerId};

/// What has changed since the tables were given anything. A message that came and went meanwhile is not in it.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// Messages that were added, by their keys.
    pub(super) added: BTreeMap<Vec<u8>, Arc<Message>>,
    /// Keys of messages that were removed before those were added.
    pub(super) removed: BTreeSet<Vec<u8>>,
    /// Producers of which something was taken in.
    pub(super) sent: HashSet<ProducerId>,
}

impl Fresh {
    /// A message is removed. Whether the tables may have it.
    pub(super) fn remove(&mut self, key: Vec<u8>, is_old: bool) {
        if self.added.remove(&key).is_none() || is_old {
            self.removed.insert(key);
        }
    }
}
