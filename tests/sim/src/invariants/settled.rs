//! An acknowledgement that was answered outlives its broker: the message does not come back with the store.
//!
//! Catches: an acknowledgement that is answered before it is on the disk; a removal that is not written.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::core::{Completion, LinkId};
use rewire_protocol::Command;

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtBroker, AtClient, MessageKey, Seen};

#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What each broker works on.
    stores: BTreeMap<usize, usize>,
    /// The store behind each link.
    links: BTreeMap<(usize, LinkId), usize>,
    open: BTreeMap<(usize, u64), (MessageKey, LinkId)>,
    settled: BTreeSet<(MessageKey, usize)>,
}

impl Invariant for Settled {
    fn name(&self) -> &'static str {
        "settled"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Broker(broker, AtBroker::Serves { store }) => {
                self.stores.insert(*broker, *store);
            }
            Seen::Broker(broker, AtBroker::Opened { client, link }) => {
                let store = self.stores.get(broker).copied();
                self.links.extend(store.map(|store| ((*client, *link), store)));
            }
            Seen::Client(client, AtClient::Submitted { request, command, completion, link }) => {
                if let (Command::MessageAck(_), Completion::Answered) = (command, completion)
                    && let (Some(key), Some(link)) = (MessageKey::of_command(command), link)
                {
                    self.open.insert((*client, *request), (key, *link));
                }
            }
            Seen::Client(client, AtClient::Completed { request, outcome: Ok(_) }) => {
                if let Some((key, link)) = self.open.remove(&(*client, *request))
                    && let Some(store) = self.links.get(&(*client, link))
                {
                    self.settled.insert((key, *store));
                }
            }
            Seen::Broker(broker, AtBroker::Recovered { key, store }) => {
                let was_settled = self.settled.contains(&(*key, *store));
                ensure!(!was_settled, "b{broker} finds {key}, whose acknowledgement was answered");
            }
            _ => {}
        }
        Ok(())
    }
}
