//! Open transactions: what a new broker must hear of them, and how much of them may be kept.
//!
//! Acknowledgements are not kept: they belong to the link that dispatched (as in Java). Nor is a
//! one-phase commit: a broker that died over it may have done it, and to send it again could do it
//! twice. Java answers it with a rollback that nobody knows to have happened; here it is in doubt.
//!
//! A branch that is prepared is the broker's, which keeps it in its store: to commit it or to roll it back
//! is a request like any other. Java repeats it from the beginning, and a broker that comes back on its
//! store then counts its messages twice, or says of a commit it has done that it knows no such branch. So is one
//! that may be prepared, the vote being unanswered: that is in doubt, and the broker can be asked for what it has
//! prepared. Where it has not, another may have, so that it cannot be repeated there either.

use std::sync::Arc;

use rewire_protocol::{
    Command, Message, ProducerId, ProducerInfo, RemoveInfo, SessionId, TransactionId,
    TransactionInfo,
};

use super::{TrackerLimits, weight};
use crate::error::RequestError;

/// The open transactions, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: Vec<Transaction>,
    /// What is kept, but for what began them.
    commands: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Transaction {
    id: TransactionId,
    /// In the order of their numbers.
    commands: Vec<Kept>,
    /// Those that sent in it and were removed since: without them their messages would be refused.
    producers: Vec<ProducerInfo>,
    /// Why it can only be rolled back, if it can.
    broken: Option<String>,
}

#[derive(Debug)]
struct Kept {
    command: Arc<Command>,
    /// Whether a broker has answered it, so that nobody waits for another answer.
    is_answered: bool,
}

impl Transactions {
    /// Why a command of a transaction is not to be sent.
    pub(super) fn refusal(&self, command: &Command, limits: TrackerLimits) -> Option<RequestError> {
        let count = match command {
            Command::Message(message) if self.of_message(message).is_some() => self.commands,
            Command::TransactionInfo(info) => match info.transaction_type {
                TransactionInfo::BEGIN => self.open.len(),
                TransactionInfo::END if self.of_info(info).is_some() => self.commands,
                TransactionInfo::COMMIT_ONE_PHASE
                | TransactionInfo::COMMIT_TWO_PHASE
                | TransactionInfo::PREPARE => {
                    let broken = self.of_info(info)?.broken.clone()?;
                    return Some(RequestError::TransactionBroken(broken));
                }
                _ => return None,
            },
            _ => return None,
        };
        let is_full =
            count >= limits.commands || self.bytes.saturating_add(weight(command)) > limits.bytes;
        is_full.then_some(RequestError::TransactionFull {
            commands: limits.commands,
            bytes: limits.bytes,
        })
    }

    /// Watches a step of a transaction; true when it is remembered.
    pub(super) fn track_step(&mut self, info: &TransactionInfo, command: &Arc<Command>) -> bool {
        let Some(id) = &info.transaction_id else { return false };
        match info.transaction_type {
            // Java's resource joins a transaction that is open with another BEGIN; brokers ignore it.
            TransactionInfo::BEGIN if self.of_info(info).is_some() => false,
            TransactionInfo::BEGIN => {
                self.open.push(Transaction {
                    id: id.clone(),
                    commands: Vec::new(),
                    producers: Vec::new(),
                    broken: None,
                });
                self.keep(id, command)
            }
            TransactionInfo::END | TransactionInfo::ROLLBACK => self.keep(id, command),
            _ => false,
        }
    }

    /// Watches a message; true when it is part of an open transaction.
    pub(super) fn track_message(&mut self, message: &Message, command: &Arc<Command>) -> bool {
        message.transaction_id.as_ref().is_some_and(|id| self.keep(id, command))
    }

    fn keep(&mut self, id: &TransactionId, command: &Arc<Command>) -> bool {
        let Some(transaction) = self.open.iter_mut().find(|open| open.id == *id) else {
            return false;
        };
        transaction.commands.push(Kept { command: command.clone(), is_answered: false });
        self.commands += usize::from(!begins(command));
        self.bytes += weight(command);
        true
    }

    /// A broker has done what a command of a transaction asked for.
    pub(super) fn done(&mut self, command: &Command) {
        match command {
            Command::TransactionInfo(info)
                if ends(info) || info.transaction_type == TransactionInfo::PREPARE =>
            {
                self.forget(info);
            }
            Command::TransactionInfo(_) | Command::Message(_) => {
                if let Some((transaction, at)) = self.find(command.command_id()) {
                    transaction.commands[at].is_answered = true;
                }
            }
            _ => {}
        }
    }

    /// A command of a transaction was not done and is not to be sent again.
    pub(super) fn not_done(&mut self, command: &Command) {
        match command {
            Command::TransactionInfo(info)
                if ends(info) || info.transaction_type == TransactionInfo::BEGIN =>
            {
                self.forget(info);
            }
            Command::TransactionInfo(_) | Command::Message(_) => {
                self.remove(command.command_id());
            }
            _ => {}
        }
    }

    /// A command without which its transaction must not be committed was lost.
    pub(super) fn break_by(&mut self, number: i32, reason: &str) {
        if let Some((transaction, _)) = self.find(number) {
            transaction.broken.get_or_insert_with(|| reason.to_owned());
            self.remove(number);
        }
    }

    /// The same of one that was not even kept.
    pub(super) fn break_of(&mut self, message: &Message, reason: &str) {
        let is_its = |open: &&mut Transaction| Some(&open.id) == message.transaction_id.as_ref();
        if let Some(transaction) = self.open.iter_mut().find(is_its) {
            transaction.broken.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// A producer is removed, and its transactions may still have to be repeated.
    pub(super) fn producer_closed(&mut self, info: &ProducerInfo) {
        let sent = |kept: &Kept| match &*kept.command {
            Command::Message(message) => message.producer_id == info.producer_id,
            _ => false,
        };
        for transaction in &mut self.open {
            if transaction.commands.iter().rev().any(sent) {
                transaction.producers.push(info.clone());
            }
        }
    }

    /// A session is removed: nothing can be made in it any more.
    pub(super) fn session_closed(&mut self, id: &SessionId) {
        for transaction in &mut self.open {
            transaction.producers.retain(|info| {
                info.producer_id.as_ref().map(ProducerId::session).as_ref() != Some(id)
            });
        }
    }

    /// The number of what began the transaction of this command.
    pub(super) fn began_with(&self, command: &Command) -> Option<i32> {
        let transaction = match command {
            Command::Message(message) => self.of_message(message),
            Command::TransactionInfo(info) => self.of_info(info),
            _ => None,
        };
        let begin = transaction?.commands.first()?.command.command_id();
        (begin != command.command_id()).then_some(begin)
    }

    pub(super) fn tracks(&self, number: i32) -> bool {
        self.open.iter().any(|transaction| transaction.place(number).is_some())
    }

    /// What a new broker must hear. The order is Java's (`ConnectionStateTracker.restoreTransactions`).
    ///
    /// A message that was answered asks for no answer again: then a broker that refuses it now makes
    /// the transaction one that can only be rolled back.
    pub(super) fn replay(&self, replay: &mut Vec<Command>) {
        for transaction in &self.open {
            for producer in &transaction.producers {
                replay.push(ProducerInfo { response_required: false, ..producer.clone() }.into());
            }
            for Kept { command, is_answered } in &transaction.commands {
                let mut command = Command::clone(command);
                if *is_answered && matches!(command, Command::Message(_)) {
                    command.set_response_required(false);
                }
                replay.push(command);
            }
            for producer in &transaction.producers {
                let object_id = producer.producer_id.clone().map(|id| Box::new(id.into()));
                replay.push(RemoveInfo { object_id, ..RemoveInfo::default() }.into());
            }
        }
    }

    fn of_info(&self, info: &TransactionInfo) -> Option<&Transaction> {
        let id = info.transaction_id.as_ref()?;
        self.open.iter().find(|transaction| transaction.id == *id)
    }

    fn of_message(&self, message: &Message) -> Option<&Transaction> {
        let id = message.transaction_id.as_ref()?;
        self.open.iter().find(|transaction| transaction.id == *id)
    }

    fn find(&mut self, number: i32) -> Option<(&mut Transaction, usize)> {
        self.open.iter_mut().find_map(|transaction| {
            let at = transaction.place(number)?;
            Some((transaction, at))
        })
    }

    fn remove(&mut self, number: i32) {
        let Some((transaction, at)) = self.find(number) else { return };
        let kept = transaction.commands.remove(at);
        self.commands -= usize::from(!begins(&kept.command));
        self.bytes -= weight(&kept.command);
    }

    fn forget(&mut self, info: &TransactionInfo) {
        let Some(id) = &info.transaction_id else { return };
        let Some(at) = self.open.iter().position(|open| open.id == *id) else { return };
        for kept in self.open.remove(at).commands {
            self.commands -= usize::from(!begins(&kept.command));
            self.bytes -= weight(&kept.command);
        }
    }
}

impl Transaction {
    /// Where the command of this number is. Numbers rise, and may go around.
    fn place(&self, number: i32) -> Option<usize> {
        let first = self.commands.first()?.command.command_id();
        let since = |number: i32| number.wrapping_sub(first).cast_unsigned();
        let at = self
            .commands
            .binary_search_by_key(&since(number), |kept| since(kept.command.command_id()));
        at.ok()
    }
}

/// Whether nothing of a transaction is left when this was answered.
pub(super) fn ends(info: &TransactionInfo) -> bool {
    matches!(
        info.transaction_type,
        TransactionInfo::COMMIT_ONE_PHASE
            | TransactionInfo::COMMIT_TWO_PHASE
            | TransactionInfo::ROLLBACK
    )
}

fn begins(command: &Command) -> bool {
    matches!(command, Command::TransactionInfo(info)
        if info.transaction_type == TransactionInfo::BEGIN)
}
