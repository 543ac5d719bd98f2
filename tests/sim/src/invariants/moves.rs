//! A move to another broker is asked for, or leads to a preferred one; it is made in order; and nobody moves
//! without a reason, to where it is already, or straight after it came.
//!
//! - The old link serves until the new one is there: whatever is submitted is sent at once.
//! - Over a link that is being left only acknowledgements and removals go, and those at once; and the rest of
//!   a transaction that was begun on it.
//! - It is left as soon as all consumers have settled and all is answered, and after two seconds at the
//!   latest; the broker is told of each consumer that has settled.
//! - When all is well, whoever prefers a broker is at such a one, if one is there.
//!
//! Catches: a link left before its consumers have settled, or much later; one left for a link that is not
//! ready; new work sent over a link that is left, or held back before; an acknowledgement held back until
//! it is too late; a move within the first second, or long after it was due; a preferred broker
//! that is never looked for again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rewire_failover::core::{Event, Incoming, LinkId, MoveReason};
use rewire_protocol::{Command, TransactionInfo};

use super::wishes::{LEAST_STAY, SPREAD, Wishes};
use super::{Invariant, Verdict, ensure, number_of};
use crate::agenda::Time;
use crate::plan::Plan;
use crate::seen::{AtClient, Seen, Subject};

/// How long a link is being left at most.
const SETTLE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Moves {
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    wishes: Wishes,
    /// Links on their way or there, and since when they are there.
    links: BTreeMap<LinkId, Option<Time>>,
    /// Consumers that the broker in use was told of, by the numbers of what told it.
    consumers: BTreeMap<i32, Subject>,
    /// What the application has removed.
    removed: BTreeSet<Subject>,
    /// Numbers of what it has not answered.
    unanswered: BTreeSet<i32>,
    /// What was submitted, when, and has to be sent at once, in this order: before any time goes by. A commit that
    /// waits until its messages are on the wire holds up what comes after it, for no longer.
    expected: VecDeque<(&'static str, Time)>,
    /// The move that was told of.
    told: Option<(String, String, MoveReason)>,
    leaving: Option<Leaving>,
    /// The transaction begun last, and on which link.
    begun: (LinkId, i64),
    is_closing: bool,
}

/// A link that is being left.
#[derive(Debug)]
struct Leaving {
    link: LinkId,
    since: Time,
    /// With the number of the message that was handed out last.
    settled: BTreeMap<Subject, i64>,
    /// What the broker was told the end of.
    removed: Vec<Subject>,
    /// Since when there is nothing to wait for.
    done: Option<Time>,
}

impl Moves {
    pub(super) fn new(plan: &Plan) -> Self {
        let client = |plan| Client {
            wishes: Wishes::new(plan),
            links: BTreeMap::new(),
            consumers: BTreeMap::new(),
            removed: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            expected: VecDeque::new(),
            told: None,
            leaving: None,
            begun: (LinkId::new(0), 0),
            is_closing: false,
        };
        Self { clients: plan.clients.iter().map(client).collect() }
    }
}

impl Invariant for Moves {
    fn name(&self) -> &'static str {
        "moves"
    }

    fn see(&mut self, now: Time, seen: &Seen<'_>) -> Verdict {
        for (number, client) in self.clients.iter().enumerate() {
            client.in_time(now).map_err(|why| format!("c{number}: {why}"))?;
        }
        match seen {
            Seen::Client(client, at) => {
                let client = &mut self.clients[*client];
                let verdict = client.judge(now, at);
                client.wishes.see(now, at);
                client.note(now, at);
                verdict
            }
            Seen::Reachable { client, addresses } => {
                self.clients[*client].is_where_it_wants(addresses)
            }
            _ => Ok(()),
        }
    }
}

impl Client {
    /// Nothing is put off.
    fn in_time(&self, now: Time) -> Verdict {
        if let Some(Leaving { link, since, done, .. }) = &self.leaving {
            ensure!(now <= *since + SETTLE, "{link} is being left since {since:?}");
            let may = done.is_none_or(|done| now <= done);
            ensure!(may, "{link} was to be left when all was settled, at {done:?}");
        }
        if let Some(wish) = self.wishes.wish.as_ref().filter(|wish| !wish.is_off) {
            let names = &self.wishes.names;
            let is_target = |link: LinkId| names.is_same(names.address(link), &wish.target);
            let due = wish.from + SPREAD;
            // What was dialled for it may be slower than a standby that leads there as well, as is known only
            // by the name that the broker gives itself there.
            let mut links = self.links.iter().filter(|(link, _)| is_target(**link));
            let may = now <= due
                || links.any(|(link, since)| {
                    Some(*link) == self.wishes.link || since.is_none_or(|since| now <= since)
                });
            ensure!(may, "it was to move by now: {wish:?}");
        }
        Ok(())
    }

    fn judge(&mut self, now: Time, at: &AtClient<'_>) -> Verdict {
        if self.wishes.link.is_none() || self.is_closing {
            self.expected.clear();
        }
        if let Some((expected, submitted)) = self.expected.front() {
            let is_sent =
                matches!(at, AtClient::Transmitted { command, .. } if command.name() == *expected);
            ensure!(is_sent || now <= *submitted, "a {expected} was to be sent at once");
            if is_sent {
                self.expected.pop_front();
            }
        }
        match at {
            AtClient::Submitted { command, link, .. } => self.on_submitted(now, command, *link),
            AtClient::Transmitted { link, command } => return self.on_transmitted(*link, command),
            AtClient::Told(Event::Rebalancing { from, to, reason }) => {
                self.told = Some((from.clone(), to.clone(), *reason));
            }
            AtClient::Delivered(Incoming::Leaving(link)) => return self.on_leaving(now, *link),
            AtClient::HungUp { link } if self.wishes.link == Some(*link) && !self.is_closing => {
                return self.on_left(now, *link);
            }
            AtClient::Settled { link, consumer: (session, consumer), last_delivered } => {
                if let Some(leaving) = self.leaving.as_mut().filter(|it| it.link == *link) {
                    let consumer = Subject::Consumer(*session, *consumer);
                    leaving.settled.insert(consumer, *last_delivered);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn on_submitted(&mut self, now: Time, command: &Command, link: Option<LinkId>) {
        let Some(current) = self.wishes.link.filter(|_| !self.is_closing) else { return };
        let is_for_it = link == Some(current);
        let is_removal = matches!(command, Command::RemoveInfo(_));
        let is_sent = match &self.leaving {
            Some(_) => is_for_it || is_removal,
            None => is_for_it || link.is_none(),
        };
        // What is part of a transaction may be refused for what that is.
        let is_part = match command {
            Command::TransactionInfo(_) => true,
            Command::Message(message) => message.transaction_id.is_some(),
            _ => false,
        };
        if is_sent && !is_part {
            self.expected.push_back((command.name(), now));
        }
    }

    fn on_transmitted(&mut self, link: LinkId, command: &Command) -> Verdict {
        let (transaction, begins) = match command {
            Command::TransactionInfo(info) => (
                number_of(info.transaction_id.as_ref()),
                info.transaction_type == TransactionInfo::BEGIN,
            ),
            Command::Message(message) => (number_of(message.transaction_id.as_ref()), false),
            _ => (None, false),
        };
        if let Some(number) = transaction.filter(|_| begins) {
            self.begun = (link, number);
        }
        let Some(leaving) = self.leaving.as_mut().filter(|_| !self.is_closing) else {
            return Ok(());
        };
        ensure!(link == leaving.link, "{link} is spoken over, and {} is left", leaving.link);
        match command {
            Command::RemoveInfo(info) => {
                let subject = Subject::removed_by(command);
                let last = subject.and_then(|subject| leaving.settled.get(&subject).copied());
                let told = info.last_delivered_sequence_id;
                let may = last.is_none_or(|last| last == told);
                ensure!(may, "{link}: {last:?} was handed out last, and {told} is said");
                leaving.removed.extend(Subject::removed_by(command));
                Ok(())
            }
            Command::MessageAck(_) => Ok(()),
            // What was begun on it is ended on it.
            Command::TransactionInfo(_) | Command::Message(_)
                if !begins && transaction.is_some_and(|number| self.begun == (link, number)) =>
            {
                Ok(())
            }
            Command::ShutdownInfo(_) => {
                let is_told = |settled: &&Subject| {
                    leaving.removed.iter().any(|removed| settled.ends_with(removed))
                };
                let mut settled =
                    self.consumers.values().filter(|known| leaving.settled.contains_key(known));
                let untold = settled.find(|settled| !is_told(settled));
                ensure!(untold.is_none(), "{link} is left without a word of {untold:?}");
                Ok(())
            }
            other => Err(format!("{link} is being left, and a {} is sent", other.name())),
        }
    }

    fn on_leaving(&mut self, now: Time, link: LinkId) -> Verdict {
        let Wishes { names, since, wish, .. } = &self.wishes;
        ensure!(
            self.wishes.link == Some(link),
            "{link} is left, and {:?} is used",
            self.wishes.link
        );
        let Some((from, to, reason)) = self.told.take() else {
            return Err(format!("{link} is left, and nobody was told"));
        };
        ensure!(from == names.address(link), "{link} is left, and {from} was named");
        ensure!(!names.is_same(&from, &to), "{from} is left for {to}, which it is");
        ensure!(now >= *since + LEAST_STAY, "{from} is left, and is used since {since:?} only");
        let mut targets =
            self.links.iter().filter(|(ready, since)| **ready != link && since.is_some());
        let is_ready = targets.any(|(ready, _)| names.is_same(names.address(*ready), &to));
        ensure!(is_ready, "{from} is left for {to}, which is not ready");
        if reason == MoveReason::Priority {
            let is_better = self.wishes.is_preferred(&to) && !self.wishes.is_preferred(&from);
            ensure!(is_better, "{from} is left for {to}, which is not preferred");
        } else {
            let is_wanted = wish.as_ref().is_some_and(|wish| {
                names.is_same(&wish.target, &to) && wish.reason == reason && wish.from <= now
            });
            ensure!(is_wanted, "{from} is left for {to}: {reason:?}, and {wish:?}");
        }
        let (settled, removed) = (BTreeMap::new(), Vec::new());
        self.leaving = Some(Leaving { link, since: now, settled, removed, done: None });
        Ok(())
    }

    fn on_left(&mut self, now: Time, link: LinkId) -> Verdict {
        let Some(leaving) = self.leaving.take() else {
            return Err(format!("{link} is hung up, and was well"));
        };
        if now < leaving.since + SETTLE {
            let unanswered = &self.unanswered;
            ensure!(unanswered.is_empty(), "{link} is left, and did not answer {unanswered:?}");
            let mut consumers = self.consumers.values();
            let unsettled = consumers.find(|known| !leaving.settled.contains_key(known));
            ensure!(unsettled.is_none(), "{link} is left, and {unsettled:?} has not settled");
        }
        Ok(())
    }

    /// Keeps count of what there is.
    fn note(&mut self, now: Time, at: &AtClient<'_>) {
        match at {
            AtClient::Dialing { link, .. } => {
                self.links.insert(*link, None);
            }
            AtClient::Dialed { link, result: Ok(()) } => {
                self.links.insert(*link, Some(now));
            }
            AtClient::Dialed { link, result: Err(_) }
            | AtClient::HungUp { link }
            | AtClient::Lost { link, .. } => {
                self.links.remove(link);
            }
            AtClient::Transmitted { command, .. } => {
                if command.is_response_required() {
                    self.unanswered.insert(command.command_id());
                }
                match Subject::of(command) {
                    // A new broker is told of all there is.
                    Some(Subject::Connection) => {
                        self.consumers.clear();
                        self.unanswered = BTreeSet::from([command.command_id()]);
                    }
                    Some(subject @ Subject::Consumer(..))
                        if !self.removed.iter().any(|removed| subject.ends_with(removed)) =>
                    {
                        self.consumers.insert(command.command_id(), subject);
                    }
                    _ => {}
                }
            }
            AtClient::Submitted { command, .. } => {
                if let Some(ended) = Subject::removed_by(command) {
                    self.consumers.retain(|_, consumer| !consumer.ends_with(&ended));
                    self.removed.insert(ended);
                }
            }
            AtClient::Unsendable { number, .. } => {
                self.unanswered.remove(number);
                self.consumers.remove(number);
            }
            AtClient::Received { command, .. } => self.note_what_came(command),
            AtClient::Delivered(Incoming::Interrupted(_)) => self.leaving = None,
            AtClient::Closing => {
                self.is_closing = true;
                self.leaving = None;
            }
            _ => {}
        }
        if self.expected.is_empty()
            && let Some(leaving) = self.leaving.as_mut().filter(|leaving| leaving.done.is_none())
        {
            let mut consumers = self.consumers.values();
            let is_done = self.unanswered.is_empty()
                && consumers.all(|consumer| leaving.settled.contains_key(consumer));
            leaving.done = is_done.then_some(now);
        }
    }

    fn note_what_came(&mut self, command: &Command) {
        if let Some(number) = command.correlation_id() {
            self.unanswered.remove(&number);
            if matches!(command, Command::ExceptionResponse(_)) {
                self.consumers.remove(&number);
            }
        }
        if let Command::ConsumerControl(control) = command
            && control.close
            && let Some(id) = &control.consumer_id
        {
            let closed = Subject::Consumer(id.session_id, id.value);
            self.consumers.retain(|_, consumer| *consumer != closed);
        }
    }

    /// When all is well.
    fn is_where_it_wants(&self, addresses: &[String]) -> Verdict {
        let Some(link) = self.wishes.link else { return Ok(()) };
        let current = self.wishes.names.address(link);
        let better = addresses.iter().find(|address| self.wishes.prefers(address));
        let may = better.is_none() || self.wishes.is_preferred(current);
        ensure!(may, "it is at {current}, and prefers {better:?}, which is there");
        Ok(())
    }
}
