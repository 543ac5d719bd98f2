//! Local transactions at a broker: kept with their link, and gone with it.

use std::collections::BTreeMap;

use rewire_protocol::{Message, TransactionInfo};

use super::{Broker, Refusal, Store, refusal};
use crate::invariants::number_of;
use crate::seen::{AtBroker, MessageKey};
use crate::world::Ctx;

/// The open transactions of a link.
#[derive(Debug, Default)]
pub(super) struct Transactions(BTreeMap<i64, Open>);

#[derive(Debug, Default)]
struct Open {
    messages: Vec<Message>,
    /// Whether something of it was refused that nobody was told of. Java: rollbackOnlyOnAsyncException.
    is_broken: bool,
}

impl Transactions {
    /// A message is to come with the commit of its transaction.
    pub(super) fn keep(&mut self, message: &Message) -> Result<(), Refusal> {
        let open = number_of(message.transaction_id.as_ref()).and_then(|id| self.0.get_mut(&id));
        let Some(open) = open else { return Err(unknown()) };
        open.messages.push(message.clone());
        Ok(())
    }

    /// A message was refused that no answer was wanted for.
    pub(super) fn break_of(&mut self, message: &Message) {
        let open = number_of(message.transaction_id.as_ref()).and_then(|id| self.0.get_mut(&id));
        if let Some(open) = open {
            open.is_broken = true;
        }
    }
}

fn unknown() -> Refusal {
    refusal("javax.jms.JMSException", "no such transaction")
}

impl Broker {
    pub(super) fn transact(
        &mut self,
        ctx: &mut Ctx,
        store: &mut Store,
        wire: usize,
        info: &TransactionInfo,
    ) -> Result<(), Refusal> {
        let Some(transaction) = number_of(info.transaction_id.as_ref()) else { return Ok(()) };
        let Some(connection) = self.connections.get_mut(&wire) else { return Ok(()) };
        let open = &mut connection.transactions.0;
        match info.transaction_type {
            TransactionInfo::BEGIN => {
                open.entry(transaction).or_default();
                Ok(())
            }
            TransactionInfo::COMMIT_ONE_PHASE => {
                let Some(Open { messages, is_broken }) = open.remove(&transaction) else {
                    return Err(unknown());
                };
                if is_broken {
                    return Err(refusal("javax.jms.TransactionRolledBackException", "broken"));
                }
                let key = |message: &Message| MessageKey::of(message.message_id.as_ref()?);
                let keys: Vec<_> = messages.iter().filter_map(key).collect();
                let client = ctx.who(wire).0;
                self.see(ctx, AtBroker::Committed { client, transaction, messages: &keys });
                for message in &messages {
                    self.keep(ctx, store, wire, message)?;
                }
                Ok(())
            }
            TransactionInfo::ROLLBACK => open.remove(&transaction).map(|_| ()).ok_or_else(unknown),
            _ => Ok(()),
        }
    }
}
