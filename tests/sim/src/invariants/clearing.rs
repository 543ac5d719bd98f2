//! After a loss, consumers stay closed until the application has dealt with the lost link: until then nothing
//! of what comes again may reach it. Then each is opened, once.
//!
//! Catches: a consumer restored open too early; one that is opened before the application is done, twice,
//! with another prefetch than its own, or never.

use std::collections::{BTreeMap, BTreeSet};

use rewire_failover::core::{Incoming, LinkId};
use rewire_protocol::{Command, ConsumerControl, ConsumerId, ConsumerInfo};

use super::{Invariant, Verdict, ensure};
use crate::agenda::Time;
use crate::seen::{AtClient, Seen, Subject};

#[derive(Debug)]
pub(super) struct Clearing {
    clients: Vec<Client>,
}

#[derive(Debug, Default)]
struct Client {
    /// What each consumer wants to be sent at a time.
    prefetch: BTreeMap<Subject, i32>,
    /// Consumers that a link was told of which the application has heard is gone.
    known: BTreeSet<Subject>,
    /// Consumers that this link was told of, by the numbers of what told it, and those of them that are
    /// closed.
    told: BTreeMap<i32, Subject>,
    closed: BTreeSet<Subject>,
    /// Closed ones whose removal was submitted at this time: they may still be opened behind a commit that waits,
    /// before the broker hears of that.
    ending: Option<(Time, BTreeSet<Subject>)>,
    /// The link that is spoken over.
    link: Option<LinkId>,
    is_resumed: bool,
    is_leaving: bool,
    /// The link whose end the application has not dealt with.
    lost: Option<LinkId>,
    /// Since when some are closed and nothing is in the way but a commit that waits until its messages are on the
    /// wire, which takes no time.
    overdue: Option<Time>,
}

impl Clearing {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients: (0..clients).map(|_| Client::default()).collect() }
    }
}

impl Invariant for Clearing {
    fn name(&self) -> &'static str {
        "clearing"
    }

    fn see(&mut self, now: Time, seen: &Seen<'_>) -> Verdict {
        match seen {
            Seen::Client(client, at) => self.clients[*client].see(now, at),
            _ => Ok(()),
        }
    }
}

fn subject(id: Option<&ConsumerId>) -> Option<Subject> {
    id.map(|id| Subject::Consumer(id.session_id, id.value))
}

impl Client {
    fn see(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        match at {
            AtClient::Submitted { command, .. } => {
                if let Command::ConsumerInfo(info) = command
                    && let Some(consumer) = subject(info.consumer_id.as_ref())
                {
                    self.prefetch.insert(consumer, info.prefetch_size);
                }
                if let Some(ended) = Subject::removed_by(command) {
                    let ending = self.closed.extract_if(.., |consumer| consumer.ends_with(&ended));
                    self.ending = Some((now, ending.collect()));
                }
            }
            AtClient::Transmitted { link, command } => {
                if self.link.replace(*link) != Some(*link) {
                    self.told.clear();
                    self.closed.clear();
                }
                match command {
                    Command::ConsumerInfo(info) => return self.on_told(*link, info),
                    Command::ConsumerControl(control) => {
                        return self.on_opened(now, *link, control);
                    }
                    _ => {}
                }
            }
            AtClient::Received { command: Command::ExceptionResponse(response), .. } => {
                let refused = self.told.get(&response.correlation_id);
                self.closed.retain(|consumer| Some(consumer) != refused);
            }
            AtClient::Unsendable { number, .. } => {
                let unsendable = self.told.get(number);
                self.closed.retain(|consumer| Some(consumer) != unsendable);
            }
            AtClient::Delivered(incoming) => return self.on_delivered(incoming),
            AtClient::Cleared { link } => {
                self.lost.take_if(|lost| lost == link);
            }
            AtClient::Closing => self.is_resumed = false,
            AtClient::Waiting { .. } => {
                let may = self.lost.is_some()
                    || self.is_leaving
                    || !self.is_resumed
                    || self.closed.is_empty();
                if may {
                    self.overdue = None;
                } else {
                    let in_time = now <= *self.overdue.get_or_insert(now);
                    ensure!(in_time, "{:?} are closed, and nothing is in the way", self.closed);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A broker is told of a consumer.
    fn on_told(&mut self, link: LinkId, info: &ConsumerInfo) -> Verdict {
        let Some(consumer) = subject(info.consumer_id.as_ref()) else { return Ok(()) };
        let wanted = self.prefetch.get(&consumer).copied().unwrap_or_default();
        let is_closed = info.prefetch_size == 0 && wanted > 0;
        let has_to_be = self.lost.is_some() && self.known.contains(&consumer);
        ensure!(is_closed || !has_to_be, "{link}: {consumer:?} is restored open");
        ensure!(is_closed || info.prefetch_size == wanted, "{link}: {consumer:?} wants {wanted}");
        let may = !is_closed || (self.lost.is_some() && !self.is_resumed);
        ensure!(may, "{link}: {consumer:?} is restored closed, and nothing is in the way");
        if is_closed {
            self.closed.insert(consumer.clone());
        }
        self.told.insert(info.command_id, consumer);
        Ok(())
    }

    /// A broker is told to send to a consumer.
    fn on_opened(&mut self, now: Time, link: LinkId, control: &ConsumerControl) -> Verdict {
        let Some(consumer) = subject(control.consumer_id.as_ref()) else { return Ok(()) };
        ensure!(
            self.lost.is_none(),
            "{link}: {consumer:?} is opened, and {:?} was lost",
            self.lost
        );
        ensure!(self.is_resumed, "{link}: {consumer:?} is opened in the replay");
        let ending = self.ending.as_mut().filter(|(since, _)| *since == now);
        let may = self.closed.remove(&consumer)
            || ending.is_some_and(|(_, ending)| ending.remove(&consumer));
        ensure!(may, "{link}: {consumer:?} is opened again");
        let wanted = self.prefetch.get(&consumer);
        ensure!(Some(&control.prefetch) == wanted, "{link}: {consumer:?} wants {wanted:?}");
        Ok(())
    }

    fn on_delivered(&mut self, incoming: &Incoming) -> Verdict {
        match incoming {
            Incoming::Resumed(_) => self.is_resumed = true,
            Incoming::Leaving(_) => self.is_leaving = true,
            Incoming::Interrupted(link) => {
                self.is_resumed = false;
                self.is_leaving = false;
                self.lost = Some(*link);
                self.known.extend(std::mem::take(&mut self.told).into_values());
            }
            Incoming::Refused { command, .. } => {
                if let Some(refused) = Subject::of(command) {
                    self.closed.retain(|consumer| !consumer.ends_with(&refused));
                }
            }
            Incoming::Command(_, Command::ConsumerControl(control)) if control.close => {
                if let Some(closed) = subject(control.consumer_id.as_ref()) {
                    self.closed.remove(&closed);
                }
            }
            Incoming::Command(link, Command::MessageDispatch(dispatch)) => {
                let to = subject(dispatch.consumer_id.as_ref());
                let is_known = to.is_some_and(|to| self.known.contains(&to));
                let lost = self.lost.filter(|_| is_known);
                ensure!(lost.is_none(), "{link} delivers to a consumer, and {lost:?} was lost");
            }
            _ => {}
        }
        Ok(())
    }
}
