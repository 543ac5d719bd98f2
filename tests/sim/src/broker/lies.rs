//! What a broker says and does that the real core does not: refusals without a reason, clients that are sent away,
//! consumers that are closed, and news of the cluster, true or not.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rewire_protocol::{
    Command, ConnectionControl, ConsumerControl, ExceptionResponse, RemoveInfo, Throwable,
    TransactionInfo,
};

use super::Broker;
use crate::invariants::number_of;
use crate::network::{Parcel, Way};
use crate::seen::{AtBroker, Seen};
use crate::world::{Ctx, Happening};

impl Broker {
    /// Refuses a command that its core does not get to see, or not.
    pub(super) fn lies(&mut self, ctx: &mut Ctx, wire: usize, command: &Command) -> bool {
        let (class, why) = match (command, self.refuses_connections) {
            _ if self.rolls_back(ctx, wire, command) => {
                ("javax.jms.TransactionRolledBackException", "a message is missing")
            }
            (Command::ConnectionInfo(_), Some(class)) => {
                // Java: the broker closes the socket two seconds after it refused a connection.
                ctx.agenda.add(ctx.now + Duration::from_secs(2), Happening::Expels { wire });
                (class, "not you")
            }
            (
                Command::ConnectionInfo(_)
                | Command::RemoveInfo(_)
                | Command::ConnectionControl(_)
                | Command::ConsumerControl(_)
                | Command::ShutdownInfo(_),
                _,
            ) => return false,
            _ if self.refuses > 0.0 && ctx.rng.random_bool(self.refuses) => {
                ("javax.jms.JMSException", "not in the mood")
            }
            _ => return false,
        };
        let (client, link) = ctx.who(wire);
        let number = command.command_id();
        ctx.see(&Seen::Broker(self.number, AtBroker::Refused { client, link, number }));
        if let (Command::Message(message), false) = (command, command.is_response_required())
            && let Some(transaction) = number_of(message.transaction_id.as_ref())
        {
            self.broken.insert((wire, transaction));
        }
        if command.is_response_required() {
            let answer = ExceptionResponse {
                correlation_id: number,
                exception: Some(Box::new(Throwable::new(class, why))),
                ..ExceptionResponse::default()
            };
            self.say(ctx, wire, answer);
        }
        true
    }

    /// Undoes a transaction instead of committing it, if a message of it was refused and nobody was told.
    /// Java: `rollbackOnlyOnAsyncException`.
    fn rolls_back(&mut self, ctx: &mut Ctx, wire: usize, command: &Command) -> bool {
        let Command::TransactionInfo(info) = command else { return false };
        let Some(number) = number_of(info.transaction_id.as_ref()) else { return false };
        let is_commit = info.transaction_type == TransactionInfo::COMMIT_ONE_PHASE;
        let is_undone = is_commit && self.broken.remove(&(wire, number));
        if let Some(core) = self.core.as_mut().filter(|_| is_undone) {
            let undo = TransactionInfo {
                transaction_type: TransactionInfo::ROLLBACK,
                response_required: false,
                ..info.clone()
            };
            core.hear(ctx, wire, &Arc::new(undo.into()));
        }
        is_undone
    }

    /// Closes one consumer of each client, as a broker does with slow ones.
    pub(crate) fn evict(&mut self, ctx: &mut Ctx) {
        let Some(core) = &mut self.core else { return };
        for (wire, consumer_id) in core.first_consumers() {
            let consumer = Some(consumer_id.clone());
            let control = ConsumerControl {
                close: true,
                consumer_id: consumer,
                ..ConsumerControl::default()
            };
            ctx.send(wire, Way::Down, Parcel::Frame(Arc::new(control.into())));
            let info = RemoveInfo {
                object_id: Some(Box::new(consumer_id.into())),
                // Java: `RemoveInfo.LAST_DELIVERED_UNKNOWN`.
                last_delivered_sequence_id: -2,
                ..RemoveInfo::default()
            };
            core.hear(ctx, wire, &Arc::new(info.into()));
        }
    }

    /// Tells its clients which brokers there are; if they are to be balanced, each in another order.
    pub(crate) fn announce(&self, ctx: &mut Ctx, mut list: Vec<String>, is_rebalance: bool) {
        for wire in self.clients() {
            if is_rebalance && !list.is_empty() {
                // Java: TransportConnector.getConnectionControl rotates the list by one each time.
                list.rotate_left(1);
            }
            let control = ConnectionControl {
                connected_brokers: Some(list.join(",").into()),
                rebalance_connection: is_rebalance,
                ..ConnectionControl::default()
            };
            self.say(ctx, wire, control);
        }
    }

    /// Asks a client, or all, to go to another broker.
    pub(crate) fn ask_to_move(&self, ctx: &mut Ctx, client: Option<usize>, target: &str) {
        for wire in self.clients() {
            if client.is_none_or(|client| ctx.who(wire).0 == client) {
                let reconnect_to = Some(target.into());
                self.say(
                    ctx,
                    wire,
                    ConnectionControl { reconnect_to, ..ConnectionControl::default() },
                );
            }
        }
    }

    /// The links over which a client has said who it is.
    fn clients(&self) -> Vec<usize> {
        self.core.as_ref().map(super::Core::clients).unwrap_or_default()
    }

    fn say(&self, ctx: &mut Ctx, wire: usize, command: impl Into<Command>) {
        ctx.send(wire, Way::Down, Parcel::Frame(Arc::new(command.into())));
    }
}
