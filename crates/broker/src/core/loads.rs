//! `Loads`: what the store is reading, and for whom.

use std::sync::Arc;

use rewire_protocol::Message;

use super::BrokerCore;
use super::io::{LoadId, Output};
use super::keys::{Map, QueueKey, SubKey};
use super::reference::{Reference, SEQUENCES};
use super::subscription::Seen;

/// Messages that are read for a browser at once.
const BROWSED: usize = 256;
/// Bytes of those, unless one alone has more.
const BROWSED_BYTES: usize = 1 << 20;

/// Who waits for messages to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loader {
    Queue(QueueKey),
    Browser(SubKey),
}

/// What is being read.
#[derive(Debug, Default)]
pub(super) struct Loads {
    last: u64,
    loaders: Map<LoadId, Loader>,
}

impl Loads {
    pub(super) fn begin(&mut self, loader: Loader) -> LoadId {
        self.last += 1;
        self.loaders.insert(LoadId(self.last), loader);
        LoadId(self.last)
    }
}

impl BrokerCore {
    pub(super) fn on_loaded(&mut self, load: LoadId, messages: Vec<Option<Arc<Message>>>) {
        match self.loads.loaders.remove(&load) {
            Some(Loader::Queue(key)) => {
                let Some((queue, mut desk)) = self.at_queue(key) else { return };
                let (destination, found_all) =
                    (queue.destination.to_string(), queue.on_read(messages, &mut desk));
                if !found_all {
                    let problem = format!("the store has lost messages of {destination}");
                    self.on_store_failed(problem);
                }
            }
            Some(Loader::Browser(key)) => self.on_browsed(key, messages),
            None => {}
        }
    }

    /// A browser gets what was read for it. What is there no more it has missed.
    fn on_browsed(&mut self, key: SubKey, messages: Vec<Option<Arc<Message>>>) {
        let Some(sub) = self.subs.get_mut(&key) else { return };
        let count = std::mem::take(&mut sub.stream.reading).min(sub.stream.pending.len());
        let asked: Vec<Seen> = sub.stream.pending.drain(..count).collect();
        for (seen, message) in asked.into_iter().zip(messages).rev() {
            let (Seen::There(_, place, _), Some(message)) = (seen, message) else { continue };
            let reference = Reference::new(message, place & SEQUENCES, true);
            if !reference.is_expired(self.now.unix_ms) && sub.selects(&reference.message) {
                sub.stream.pending.push_front(Seen::Here(None, reference));
            }
        }
        self.pump(key);
    }

    /// Has the next messages read that a browser is to see.
    pub(super) fn read_for_browser(&mut self, key: SubKey) {
        let Some(sub) = self.subs.get_mut(&key).filter(|sub| sub.stream.reading == 0) else {
            return;
        };
        let Some(Seen::There(queue, ..)) = sub.stream.pending.front() else { return };
        let queue = *queue;
        let (mut sequences, mut room) = (Vec::new(), BROWSED_BYTES);
        for seen in sub.stream.pending.iter().take(BROWSED) {
            let Seen::There(of, place, stub) = seen else { break };
            if *of != queue || !sequences.is_empty() && stub.size() > room {
                break;
            }
            room = room.saturating_sub(stub.size());
            sequences.push(place & SEQUENCES);
        }
        let Some(place) = self.destinations.peek(queue).map(super::queue::Queue::place) else {
            // The queue is gone, and what waited in it.
            sub.stream.pending.retain(|seen| !matches!(seen, Seen::There(of, ..) if *of == queue));
            return self.pump(key);
        };
        sub.stream.reading = sequences.len();
        let load = self.loads.begin(Loader::Browser(key));
        self.outputs.push_back(Output::Load(load, place, sequences));
    }
}
