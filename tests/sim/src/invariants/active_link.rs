//! At most one link is spoken over, never one that is gone; there are no two to the same broker; and the
//! application hears of links in order: there, gone, there, and at last the end.
//!
//! Catches: a transmission over a link that was lost or hung up; a second link spoken over beside the
//! first; a standby kept on a broker that is dialled for good; an interruption told twice, or a resumption
//! without one; a delivery before the link is called there; anything after the end.

use std::collections::BTreeMap;

use rewire_failover::core::{Incoming, LinkId};

use super::names::Names;
use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen};

#[derive(Debug)]
pub(super) struct ActiveLinks {
    clients: Vec<Client>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Dialing,
    Open,
    Gone,
}

#[derive(Debug, Default)]
struct Client {
    links: BTreeMap<LinkId, Link>,
    names: Names,
    /// The link that was spoken over last, while it is there.
    spoken: Option<LinkId>,
    /// The link that the application was told of.
    resumed: Option<LinkId>,
    has_ended: bool,
}

impl ActiveLinks {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Client::default()).collect() }
    }
}

impl Invariant for ActiveLinks {
    fn name(&self) -> &'static str {
        "active link"
    }

    fn see(&mut self, _: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, at) => self.clients[*client].see(at),
            _ => Ok(()),
        }
    }
}

impl Client {
    fn see(&mut self, at: &AtClient<'_>) -> Verdict {
        let verdict = self.judge(at);
        self.names.see(at);
        verdict
    }

    fn judge(&mut self, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Dialing { link, broker } => {
                ensure!(!self.has_ended, "{link} is dialled after the end");
                let other = self.links.iter().find(|(other, state)| {
                    **state != Link::Gone && self.names.is_same(self.names.address(**other), broker)
                });
                ensure!(
                    other.is_none(),
                    "{link} is dialled beside {other:?}, to the same {broker}"
                );
                let known = self.links.insert(*link, Link::Dialing);
                ensure!(known.is_none(), "{link} is dialled again");
            }
            AtClient::Dialed { link, result } => {
                let state = if result.is_ok() { Link::Open } else { Link::Gone };
                self.links.insert(*link, state);
            }
            AtClient::HungUp { link } | AtClient::Lost { link, .. } => {
                self.links.insert(*link, Link::Gone);
                self.spoken.take_if(|spoken| spoken == link);
            }
            AtClient::Transmitted { link, .. } => {
                let state = self.links.get(link);
                ensure!(state == Some(&Link::Open), "{link} is spoken over and is {state:?}");
                let other = self.spoken.replace(*link).filter(|spoken| spoken != link);
                ensure!(other.is_none(), "{link} is spoken over beside {other:?}");
            }
            AtClient::Delivered(incoming) => return self.on_delivered(incoming),
            _ => {}
        }
        Ok(())
    }

    fn on_delivered(&mut self, incoming: &Incoming) -> Verdict {
        ensure!(!self.has_ended, "something is delivered after the end");
        match incoming {
            Incoming::Command(link, _) => {
                let state = self.links.get(link);
                ensure!(state == Some(&Link::Open), "{link} delivers and is {state:?}");
                ensure!(self.resumed == Some(*link), "{link} delivers and was not called there");
            }
            Incoming::Resumed(link) => {
                let state = self.links.get(link);
                ensure!(state == Some(&Link::Open), "{link} is called there and is {state:?}");
                let before = self.resumed.replace(*link);
                ensure!(before.is_none(), "{link} is there, and {before:?} was not called gone");
            }
            Incoming::Interrupted(link) => {
                let before = self.resumed.take();
                ensure!(before == Some(*link), "{link} is called gone, and {before:?} was there");
            }
            Incoming::Ended(_) => self.has_ended = true,
            _ => {}
        }
        Ok(())
    }
}
