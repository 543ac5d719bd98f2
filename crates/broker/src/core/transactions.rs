//! What is done together or not at all: local transactions, and the branches of XA ones.
//!
//! ```text
//!   Active ──END──▶ Active ──PREPARE──▶ Prepared ──COMMIT_TWO_PHASE──▶ done
//!     ├──COMMIT_ONE_PHASE──▶ done           └──────ROLLBACK──────────▶ undone
//!     └──ROLLBACK, its connection ends──▶ undone
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use rewire_protocol::{
    Command, DataArrayResponse, Destination, IntegerResponse, Message, ProducerId, TransactionId,
    TransactionInfo, XaTransactionId,
};

use super::BrokerCore;
use super::error::{BrokerError, ErrorKind};
use super::io::LinkId;
use super::keys::{ConnectionKey, QueueKey, SubKey};
use super::persist::{Route, Work};
use super::reference::{Dispatched, Reference, size};
use crate::store::{Place, StoreWrite};

/// XA's codes for errors and votes.
mod xa {
    pub(super) const RBROLLBACK: i32 = 100;
    pub(super) const NOTA: i32 = -4;
    pub(super) const PROTO: i32 = -6;
    pub(super) const OK: i32 = 0;
    pub(super) const RDONLY: i32 = 3;
}

/// A transaction that is not decided.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Whose it is, as long as that connection lasts.
    owner: Option<ConnectionKey>,
    state: State,
    /// What consumers are done with if it commits.
    acks: Vec<Settled>,
    /// What of it was refused when nobody waited for an answer, and why: it is not committed without that.
    missing: Option<String>,
}

#[derive(Debug)]
enum State {
    Active {
        sends: Vec<Send>,
        bytes: usize,
    },
    /// All is ready to be done, and the store has it.
    Prepared(Work),
}

/// A message that is sent when its transaction commits.
#[derive(Debug)]
struct Send {
    message: Message,
    members: Vec<Destination>,
    connection: ConnectionKey,
    producer: ProducerId,
    sequence: Option<i64>,
}

/// A message that a consumer is done with.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) sub: SubKey,
    pub(super) dispatched: Dispatched,
}

/// What a step of a transaction is answered with.
pub(super) enum Vote {
    Done,
    /// It is answered when it is stored.
    Later,
    Command(Box<Command>),
}

impl BrokerCore {
    pub(super) fn on_transaction_info(
        &mut self,
        link: LinkId,
        info: &TransactionInfo,
    ) -> Result<Vote, BrokerError> {
        let connection = self.connected(link)?;
        if info.transaction_type == TransactionInfo::RECOVER {
            return Ok(Vote::Command(Box::new(self.prepared())));
        }
        let Some(id) = &info.transaction_id else {
            return Err(BrokerError::jms("a transaction without a name"));
        };
        match info.transaction_type {
            TransactionInfo::BEGIN => self.begin(connection, id),
            TransactionInfo::END => self.active_transaction(id).map(|_| Vote::Done),
            TransactionInfo::PREPARE => self.prepare(link, info, id),
            TransactionInfo::COMMIT_ONE_PHASE | TransactionInfo::COMMIT_TWO_PHASE => {
                let wants_prepared = info.transaction_type == TransactionInfo::COMMIT_TWO_PHASE;
                let transaction = self.transactions.get(id).ok_or_else(|| unknown(id))?;
                if transaction.is_prepared() != wants_prepared {
                    let problem = format!("{} is committed out of order", show(id));
                    return Err(refusal(id, xa::PROTO, problem));
                }
                let answer = info.response_required.then_some(info.command_id);
                self.commit(link, answer, id)
            }
            TransactionInfo::ROLLBACK => {
                if !self.transactions.contains_key(id) {
                    return Err(unknown(id));
                }
                self.roll_back(id);
                Ok(Vote::Done)
            }
            TransactionInfo::FORGET => Ok(Vote::Done),
            other => Err(BrokerError::jms(format!("a transaction cannot be asked for {other}"))),
        }
    }

    /// Java: a transaction that is there already is not begun again, which a failover does.
    fn begin(&mut self, owner: ConnectionKey, id: &TransactionId) -> Result<Vote, BrokerError> {
        if self.transactions.contains_key(id) {
            return Ok(Vote::Done);
        }
        let limit = self.config.limits.per_connection;
        let Some(connection) = self.registry.connection(owner) else { return Ok(Vote::Done) };
        if connection.transactions.len() >= limit {
            return Err(BrokerError::limit("open transactions of one connection", limit));
        }
        connection.transactions.push(id.clone());
        let state = State::Active { sends: Vec::new(), bytes: 0 };
        let transaction =
            Transaction { owner: Some(owner), state, acks: Vec::new(), missing: None };
        self.transactions.insert(id.clone(), transaction);
        Ok(Vote::Done)
    }

    /// A transaction that can still be added to.
    pub(super) fn active_transaction(
        &mut self,
        id: &TransactionId,
    ) -> Result<&mut Transaction, BrokerError> {
        match self.transactions.get_mut(id) {
            Some(transaction) if !transaction.is_prepared() => Ok(transaction),
            Some(_) => Err(refusal(id, xa::PROTO, format!("{} is prepared", show(id)))),
            None => Err(unknown(id)),
        }
    }

    pub(super) fn send_in_transaction(
        &mut self,
        message: Message,
        members: Vec<Destination>,
        connection: ConnectionKey,
        producer: ProducerId,
        sequence: Option<i64>,
    ) -> Result<(), BrokerError> {
        // It stays in the message. Java: consumers see it as JMSXProducerTXID.
        let Some(id) = message.transaction_id.clone() else { return Ok(()) };
        if self.memory.is_exhausted(0, usize::MAX) {
            let problem = "no memory is left for messages of transactions";
            return Err(BrokerError::new(ErrorKind::ResourceAllocation, problem));
        }
        let limit = self.config.limits.transaction_memory;
        let State::Active { sends, bytes } = &mut self.active_transaction(&id)?.state else {
            return Ok(());
        };
        let size = size(&message);
        if bytes.saturating_add(size) > limit {
            let what = "bytes of messages in one transaction";
            return Err(BrokerError::limit(what, limit));
        }
        *bytes += size;
        sends.push(Send { message, members, connection, producer, sequence });
        self.memory.take(size);
        Ok(())
    }

    pub(super) fn ack_in_transaction(
        &mut self,
        id: &TransactionId,
        settled: Vec<Settled>,
    ) -> Result<(), BrokerError> {
        self.active_transaction(id)?.acks.extend(settled);
        Ok(())
    }

    /// A part of a transaction was refused, and nobody waits for its answer. Java:
    /// `rollbackOnlyOnAsyncException`.
    pub(super) fn break_transaction(&mut self, id: &TransactionId, error: &BrokerError) {
        if let Some(transaction) = self.transactions.get_mut(id) {
            transaction.missing.get_or_insert_with(|| error.to_string());
        }
    }

    /// Undoes a transaction that something is missing of, when it is to be committed or prepared.
    fn ensure_whole(&mut self, id: &TransactionId) -> Result<(), BrokerError> {
        let transaction = self.transactions.get(id);
        let Some(why) = transaction.and_then(|transaction| transaction.missing.clone()) else {
            return Ok(());
        };
        self.roll_back(id);
        let problem = format!("{} is rolled back, as a part of it was refused: {why}", show(id));
        Err(BrokerError::new(ErrorKind::Xa(xa::RBROLLBACK), problem))
    }

    fn commit(
        &mut self,
        link: LinkId,
        answer: Option<i32>,
        id: &TransactionId,
    ) -> Result<Vote, BrokerError> {
        self.ensure_whole(id)?;
        let Some(transaction) = self.take_transaction(id) else { return Err(unknown(id)) };
        let mut work = match transaction.state {
            State::Prepared(work) => {
                let writes = self.settlement(id, true);
                Work { writes, ..work }
            }
            State::Active { sends, bytes } => {
                self.memory.free(bytes);
                match self.gather(sends, &transaction.acks) {
                    Ok(work) => work,
                    Err(error) => {
                        // Nothing was sent; the consumers get back what they gave.
                        self.give_back(transaction.acks);
                        return Err(error);
                    }
                }
            }
        };
        (work.link, work.answer, work.settled) = (Some(link), answer, transaction.acks);
        self.submit(work);
        Ok(Vote::Later)
    }

    /// What a transaction does, and what of it is to be stored.
    fn gather(&mut self, sends: Vec<Send>, acks: &[Settled]) -> Result<Work, BrokerError> {
        // All or nothing: whether each can be sent is found out before any is.
        for send in &sends {
            let by = self.registry.connections.get(&send.connection).map(|c| c.id.clone());
            for member in &send.members {
                self.ensure(member, by.as_ref())?;
            }
        }
        let mut work = Work::default();
        for Send { message, members, connection, producer, sequence } in sends {
            if let Some(sequence) = sequence {
                self.note_sent(producer, sequence, message.persistent, &mut work);
            }
            self.route_all(message, &members, connection, &mut work)?;
        }
        for Settled { dispatched, .. } in acks {
            work.writes.extend(self.removal(dispatched.queue, &dispatched.reference));
        }
        Ok(work)
    }

    /// A branch promises to commit when it is asked to.
    fn prepare(
        &mut self,
        link: LinkId,
        info: &TransactionInfo,
        id: &TransactionId,
    ) -> Result<Vote, BrokerError> {
        let TransactionId::Xa(name) = id else {
            return Err(BrokerError::jms("a local transaction is not prepared"));
        };
        self.ensure_whole(id)?;
        let limit = self.config.limits.prepared_transactions;
        let prepared = self.transactions.values().filter(|other| other.is_prepared()).count();
        let transaction = self.active_transaction(id)?;
        let State::Active { sends, bytes } = &mut transaction.state else { return Ok(Vote::Done) };
        let vote = |result| IntegerResponse { result, ..IntegerResponse::default() };
        if sends.is_empty() && transaction.acks.is_empty() {
            self.take_transaction(id);
            return Ok(Vote::Command(Box::new(vote(xa::RDONLY).into())));
        }
        if prepared >= limit {
            return Err(BrokerError::limit("prepared transactions", limit));
        }
        let (sends, bytes) = (std::mem::take(sends), std::mem::take(bytes));
        let acks = std::mem::take(&mut transaction.acks);
        self.memory.free(bytes);
        let gathered = self.gather(sends, &acks);
        let Some(transaction) = self.transactions.get_mut(id) else { return Ok(Vote::Done) };
        transaction.acks = acks;
        let mut work = gathered?;
        let writes = std::mem::take(&mut work.writes);
        transaction.state = State::Prepared(work);
        let mut promise = Work { link: Some(link), ..Work::default() };
        let correlation_id = info.command_id;
        let promised = IntegerResponse { correlation_id, ..vote(xa::OK) };
        promise.reply = info.response_required.then(|| Box::new(promised.into()));
        if !writes.is_empty() {
            promise.writes.push(StoreWrite::Prepare(name.clone(), writes));
        }
        self.submit(promise);
        Ok(Vote::Later)
    }

    /// The branches that wait for their transaction manager.
    fn prepared(&self) -> Command {
        let mut ids: Vec<&XaTransactionId> = self
            .transactions
            .iter()
            .filter(|(_, transaction)| transaction.is_prepared())
            .filter_map(|(id, _)| match id {
                TransactionId::Xa(id) => Some(&**id),
                TransactionId::Local(_) => None,
            })
            .collect();
        ids.sort_by(|a, b| {
            let key = |id: &XaTransactionId| {
                (id.format_id, id.global_transaction_id.clone(), id.branch_qualifier.clone())
            };
            key(a).cmp(&key(b))
        });
        let data = ids.into_iter().map(|id| Some(Box::new(Command::from(id.clone()))));
        DataArrayResponse { data: Some(data.collect()), ..DataArrayResponse::default() }.into()
    }

    /// What a transaction did is undone. Java: the client delivers its messages again by itself.
    pub(super) fn roll_back(&mut self, id: &TransactionId) {
        let Some(transaction) = self.take_transaction(id) else { return };
        match transaction.state {
            State::Active { bytes, .. } => self.memory.free(bytes),
            State::Prepared(work) => {
                for route in &work.routes {
                    if let Route::Queue(queue, reference) = route {
                        self.forget(*queue, reference);
                    }
                }
                let writes = self.settlement(id, false);
                if !writes.is_empty() {
                    self.write(writes);
                }
            }
        }
        self.give_back(transaction.acks);
    }

    /// The write that decides a prepared branch.
    fn settlement(&self, id: &TransactionId, commit: bool) -> Vec<StoreWrite> {
        match id {
            TransactionId::Xa(id) if self.config.persistent => {
                vec![StoreWrite::Settle { transaction: id.clone(), commit }]
            }
            TransactionId::Xa(_) | TransactionId::Local(_) => Vec::new(),
        }
    }

    fn take_transaction(&mut self, id: &TransactionId) -> Option<Transaction> {
        let transaction = self.transactions.remove(id)?;
        let owner = transaction.owner.and_then(|owner| self.registry.connection(owner));
        if let Some(owner) = owner {
            owner.transactions.retain(|own| own != id);
        }
        Some(transaction)
    }

    /// The transactions of a connection that is over are undone; prepared branches wait for their
    /// manager.
    pub(super) fn end_transactions(&mut self, ids: Vec<TransactionId>) {
        for id in ids {
            match self.transactions.get_mut(&id) {
                Some(transaction) if transaction.is_prepared() => transaction.owner = None,
                Some(_) => self.roll_back(&id),
                None => {}
            }
        }
    }

    /// Messages go back to the consumers that had acknowledged them, or to their queues.
    fn give_back(&mut self, acks: Vec<Settled>) {
        let mut touched: Vec<SubKey> = Vec::new();
        for Settled { sub: key, dispatched } in acks {
            if let Some(sub) = self.subs.get_mut(&key) {
                sub.dispatched.push_back(dispatched);
                touched.push(key);
            } else {
                self.put_back(dispatched, true);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for key in touched {
            if let Some(sub) = self.subs.get_mut(&key) {
                sub.dispatched.make_contiguous().sort_by_key(|dispatched| dispatched.delivery);
            }
        }
    }

    /// A message that a consumer had goes back to its queue.
    pub(super) fn put_back(&mut self, dispatched: Dispatched, redelivered: bool) {
        let Dispatched { queue: key, mut reference, .. } = dispatched;
        reference.redeliveries += i32::from(redelivered);
        if let Some(queue) = self.destinations.queue(key) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
            self.put(key, reference);
        }
    }

    /// A branch that was prepared before the broker was started, as the store has it.
    /// `taken` has the messages that it takes out when it commits.
    pub(super) fn recover_transaction(
        &mut self,
        id: XaTransactionId,
        writes: Vec<StoreWrite>,
        taken: &mut HashMap<(Place, u64), Arc<Message>>,
    ) {
        let (mut work, mut acks) = (Work::default(), Vec::new());
        for write in writes {
            match write {
                StoreWrite::Add { place, sequence, message } => {
                    if let Some(queue) = self.find_place(&place) {
                        let least = self.least_at(queue);
                        let reference = Reference::new(message, sequence, true).at_least(least);
                        self.account(queue, &reference);
                        work.routes.push(Route::Queue(queue, reference));
                    }
                }
                StoreWrite::Remove { place, sequence } => {
                    let queue = self.find_place(&place);
                    if let Some(queue) = queue.and_then(|key| self.destinations.queue(key))
                        && let Some(message) = taken.remove(&(place, sequence))
                        && let Some(reference) = queue.claim(sequence, message, &mut self.memory)
                    {
                        let dispatched = Dispatched { queue: queue.key, reference, delivery: 0 };
                        acks.push(Settled { sub: SubKey(0), dispatched });
                    }
                }
                _ => {}
            }
        }
        let transaction =
            Transaction { owner: None, state: State::Prepared(work), acks, missing: None };
        self.transactions.insert(TransactionId::Xa(Box::new(id)), transaction);
    }

    /// The queue that a place of the store is.
    fn find_place(&self, place: &Place) -> Option<QueueKey> {
        match place {
            Place::Queue(queue) => Some(self.destinations.find_queue(queue)?.key),
            Place::Subscription(key) => self.durables.get(key).copied(),
        }
    }
}

#[cfg(test)]
impl Transaction {
    pub(super) fn acked(&self) -> impl Iterator<Item = &Dispatched> {
        self.acks.iter().map(|settled| &settled.dispatched)
    }

    pub(super) const fn held_bytes(&self) -> usize {
        match self.state {
            State::Active { bytes, .. } => bytes,
            State::Prepared(_) => 0,
        }
    }
}

impl Transaction {
    const fn is_prepared(&self) -> bool {
        matches!(self.state, State::Prepared(_))
    }
}

fn show(id: &TransactionId) -> String {
    match id {
        TransactionId::Local(id) => {
            let connection = id.connection_id.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("TX:{connection}:{}", id.value)
        }
        TransactionId::Xa(id) => format!("XID:{}", id.format_id),
    }
}

fn unknown(id: &TransactionId) -> BrokerError {
    refusal(id, xa::NOTA, format!("Transaction '{}' has not been started.", show(id)))
}

fn refusal(id: &TransactionId, code: i32, problem: String) -> BrokerError {
    match id {
        TransactionId::Local(_) => BrokerError::jms(problem),
        TransactionId::Xa(_) => BrokerError::new(ErrorKind::Xa(code), problem),
    }
}
