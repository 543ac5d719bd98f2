//! A broker, as far as a client can tell: what it answers, keeps, dispatches, and forgets.

mod store;
mod transactions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rewire_protocol::{
    BrokerInfo, Command, ConnectionControl, ConnectionInfo, ConsumerControl, ConsumerInfo,
    Destination, DestinationInfo, ExceptionResponse, Message, MessageAck, MessageDispatch,
    ProducerId, Response, SessionId, Throwable,
};

pub(crate) use self::store::Store;
use self::store::{Consumer, HandedOut, Held};
use self::transactions::Transactions;
use crate::network::{Parcel, Way};
use crate::seen::{AtBroker, MessageKey, Registered, Seen};
use crate::world::{Ctx, Happening};

/// How a broker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    /// It stands still, and its machine takes what comes.
    Paused,
    /// Its process is gone; its machine says so to whoever asks.
    Down,
    /// Its machine is gone.
    Off,
}

/// A broker.
#[derive(Debug)]
pub(crate) struct Broker {
    number: usize,
    /// The address it publishes.
    published: String,
    pub(crate) store: usize,
    pub(crate) condition: Condition,
    connections: BTreeMap<usize, Connection>,
    /// What came while it stood still.
    unread: VecDeque<(usize, Parcel)>,
    pub(crate) refuses: f64,
    pub(crate) refuses_connections: Option<&'static str>,
    /// Which consumer was served last.
    turn: usize,
}

/// What a broker knows of one link.
#[derive(Debug, Default)]
struct Connection {
    name: Option<String>,
    /// Whether the client said that it was somewhere else before.
    is_reconnect: bool,
    registered: Registered,
    consumers: BTreeMap<(i64, i64), Subscription>,
    transactions: Transactions,
}

#[derive(Debug)]
struct Subscription {
    info: ConsumerInfo,
    queue: usize,
    given: i32,
}

type Refusal = Box<Throwable>;

fn refusal(class: &str, why: &str) -> Refusal {
    Box::new(Throwable::new(class, why))
}

impl Broker {
    pub(crate) const fn new(number: usize, published: String, store: usize) -> Self {
        Self {
            number,
            published,
            store,
            condition: Condition::Running,
            connections: BTreeMap::new(),
            unread: VecDeque::new(),
            refuses: 0.0,
            refuses_connections: None,
            turn: 0,
        }
    }

    /// Takes a link that was just made.
    pub(crate) fn open(&mut self, ctx: &mut Ctx, wire: usize) {
        self.connections.insert(wire, Connection::default());
        ctx.send(wire, Way::Down, Parcel::Opened);
        let (client, link) = ctx.who(wire);
        self.see(ctx, AtBroker::Opened { client, link });
        let name = Some(format!("b{}", self.number).into());
        let broker_url = Some(self.published.as_str().into());
        let info = BrokerInfo { broker_name: name, broker_url, ..BrokerInfo::default() };
        ctx.send(wire, Way::Down, Parcel::Frame(Arc::new(info.into())));
    }

    /// Something came over a link.
    pub(crate) fn arrive(&mut self, ctx: &mut Ctx, store: &mut Store, wire: usize, parcel: Parcel) {
        match self.condition {
            Condition::Running => self.read(ctx, store, wire, parcel),
            Condition::Paused => self.unread.push_back((wire, parcel)),
            // Its machine says that nobody is there.
            Condition::Down => ctx.send(wire, Way::Down, Parcel::Fin),
            Condition::Off => {}
        }
    }

    fn read(&mut self, ctx: &mut Ctx, store: &mut Store, wire: usize, parcel: Parcel) {
        if !ctx.net.wires[wire].broker_end.is_open {
            if !matches!(parcel, Parcel::Fin) {
                ctx.send(wire, Way::Down, Parcel::Fin);
            }
            return;
        }
        ctx.net.wires[wire].broker_end.heard = ctx.now;
        match parcel {
            Parcel::Opened | Parcel::KeepAlive => {}
            Parcel::Frame(command) => self.hear(ctx, store, wire, &command),
            Parcel::Fin => self.end(ctx, store, wire),
        }
    }

    fn hear(&mut self, ctx: &mut Ctx, store: &mut Store, wire: usize, command: &Command) {
        let (client, link) = ctx.who(wire);
        self.see(ctx, AtBroker::Heard { client, link, command });
        let done = self.obey(ctx, store, wire, command);
        if let (Err(_), Command::Message(message)) = (&done, command)
            && !command.is_response_required()
            && let Some(connection) = self.connections.get_mut(&wire)
        {
            connection.transactions.break_of(message);
        }
        let number = command.command_id();
        let answer = match done {
            Ok(()) => Response { correlation_id: number, ..Response::default() }.into(),
            Err(exception) => {
                self.see(ctx, AtBroker::Refused { client, link, number });
                let exception = Some(exception);
                Command::from(ExceptionResponse {
                    correlation_id: number,
                    exception,
                    ..ExceptionResponse::default()
                })
            }
        };
        if command.is_response_required() {
            let answer = Arc::new(answer);
            if ctx.rng.random_bool(ctx.twice) {
                ctx.send(wire, Way::Down, Parcel::Frame(answer.clone()));
            }
            ctx.send(wire, Way::Down, Parcel::Frame(answer));
        }
        self.dispatch(ctx, store);
    }

    fn obey(
        &mut self,
        ctx: &mut Ctx,
        store: &mut Store,
        wire: usize,
        command: &Command,
    ) -> Result<(), Refusal> {
        let can_be_refused = !matches!(
            command,
            Command::ConnectionInfo(_)
                | Command::RemoveInfo(_)
                | Command::ConnectionControl(_)
                | Command::ConsumerControl(_)
                | Command::ShutdownInfo(_)
        );
        if can_be_refused && self.refuses > 0.0 && ctx.rng.random_bool(self.refuses) {
            return Err(refusal("javax.jms.JMSException", "not in the mood"));
        }
        if let Command::ConnectionInfo(info) = command {
            return self.connect(ctx, store, wire, info);
        }
        let Some(connection) = self.connections.get_mut(&wire) else { return Ok(()) };
        if can_be_refused && connection.name.is_none() {
            return Err(refusal("javax.jms.IllegalStateException", "no connection"));
        }
        match command {
            Command::Message(message) if message.transaction_id.is_some() => {
                connection.transactions.keep(message)
            }
            Command::TransactionInfo(info) => self.transact(ctx, store, wire, info),
            Command::Message(message) => self.keep(ctx, store, wire, message),
            Command::MessageAck(ack) => self.acknowledge(ctx, store, wire, ack),
            Command::DestinationInfo(info) => connection.destination(info),
            Command::SessionInfo(info) => connection.session(info.session_id.as_ref()),
            Command::ProducerInfo(info) => connection.producer(info.producer_id.as_ref()),
            Command::ConsumerInfo(info) => connection.consumer(info),
            Command::ConsumerControl(control) => {
                let id = control.consumer_id.as_ref().map(|id| (id.session_id, id.value));
                if let Some(consumer) = id.and_then(|id| connection.consumers.get_mut(&id)) {
                    consumer.info.prefetch_size = control.prefetch;
                }
                Ok(())
            }
            Command::RemoveInfo(info) => {
                if let Some(id) = info.object_id.as_deref() {
                    connection.remove(id);
                    let left = &connection.consumers;
                    let handed_out = match info.last_delivered_sequence_id {
                        -2 => HandedOut::Unknown,
                        last => HandedOut::UpTo(last),
                    };
                    store.give_back(handed_out, |(on, session, value)| {
                        on == wire && !left.contains_key(&(session, value))
                    });
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn connect(
        &mut self,
        ctx: &mut Ctx,
        store: &mut Store,
        wire: usize,
        info: &ConnectionInfo,
    ) -> Result<(), Refusal> {
        if let Some(class) = self.refuses_connections {
            // Java: the broker closes the socket two seconds after it refused a connection.
            ctx.agenda.add(ctx.now + Duration::from_secs(2), Happening::Expels { wire });
            return Err(refusal(class, "not you"));
        }
        let name = info.connection_id.as_ref().map(ToString::to_string);
        let old = self.connections.iter().find(|(_, other)| other.name == name);
        if let Some(old) = old.map(|(wire, _)| *wire).filter(|old| *old != wire) {
            // Java: TransportConnection.processAddConnection ends the older link of the same name.
            self.end(ctx, store, old);
        }
        if let Some(connection) = self.connections.get_mut(&wire) {
            connection.name = name;
            connection.is_reconnect = info.failover_reconnect;
        }
        Ok(())
    }

    fn keep(
        &self,
        ctx: &mut Ctx,
        store: &mut Store,
        wire: usize,
        message: &Message,
    ) -> Result<(), Refusal> {
        let key = message.message_id.as_ref().and_then(MessageKey::of);
        let Some(key) = key else { return Err(refusal("java.lang.Exception", "no message id")) };
        let is_reconnect = self.connections.get(&wire).is_some_and(|known| known.is_reconnect);
        if message.persistent && is_reconnect && store.knows(key) {
            self.see(ctx, AtBroker::Known { key });
            return Ok(());
        }
        self.see(ctx, AtBroker::Stored { key, persistent: message.persistent });
        store.put(queue_of(message.destination.as_ref()), key, message.clone());
        Ok(())
    }

    fn acknowledge(
        &mut self,
        ctx: &mut Ctx,
        store: &mut Store,
        wire: usize,
        ack: &MessageAck,
    ) -> Result<(), Refusal> {
        let key = ack.last_message_id.as_ref().and_then(MessageKey::of);
        let consumer = ack.consumer_id.as_ref().map(|id| (wire, id.session_id, id.value));
        if let (Some(key), Some(consumer)) = (key, consumer)
            && store.take(queue_of(ack.destination.as_ref()), key, consumer)
        {
            let known = self.connections.get_mut(&wire);
            let subscription =
                known.and_then(|known| known.consumers.get_mut(&(consumer.1, consumer.2)));
            if let Some(subscription) = subscription {
                subscription.given -= 1;
            }
            let by = ctx.who(wire).0;
            self.see(ctx, AtBroker::Consumed { key, by });
            return Ok(());
        }
        // What was given to a consumer that ended in between came over this link all the same.
        let is_gone = consumer.is_none_or(|(_, session, value)| {
            let known = self.connections.get(&wire);
            known.is_none_or(|known| !known.consumers.contains_key(&(session, value)))
        });
        if !is_gone {
            let (client, link) = ctx.who(wire);
            self.see(ctx, AtBroker::StrayAck { client, link });
        }
        Err(refusal("javax.jms.JMSException", "could not correlate acknowledgment"))
    }

    /// Gives messages to consumers that have room, to each in its turn.
    fn dispatch(&mut self, ctx: &mut Ctx, store: &mut Store) {
        for queue in 0..store.queues.len() {
            let mut from = 0;
            while let Some(consumer) = self.with_room(queue) {
                let waiting = store.queues[queue].iter().skip(from);
                let Some(skipped) = waiting.map(|held| held.given_to).position(|to| to.is_none())
                else {
                    break;
                };
                from += skipped;
                self.give(ctx, consumer, store.give(queue, from, consumer));
            }
        }
    }

    fn with_room(&mut self, queue: usize) -> Option<Consumer> {
        let room: Vec<Consumer> = self
            .connections
            .iter()
            .flat_map(|(wire, known)| known.consumers.iter().map(move |entry| (*wire, entry)))
            .filter(|(_, (_, to))| to.queue == queue && to.given < to.info.prefetch_size)
            .map(|(wire, (id, _))| (wire, id.0, id.1))
            .collect();
        self.turn += 1;
        room.get(self.turn % room.len().max(1)).copied()
    }

    fn give(&mut self, ctx: &mut Ctx, (wire, session, value): Consumer, held: &Held) {
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        let Some(consumer) = connection.consumers.get_mut(&(session, value)) else { return };
        consumer.given += 1;
        let dispatch = MessageDispatch {
            consumer_id: consumer.info.consumer_id.clone(),
            destination: consumer.info.destination.clone(),
            message: Some(Box::new(held.message.clone())),
            redelivery_counter: held.redelivered,
            ..MessageDispatch::default()
        };
        ctx.send(wire, Way::Down, Parcel::Frame(Arc::new(dispatch.into())));
    }

    /// Ends a link, and tells its client.
    pub(crate) fn end(&mut self, ctx: &mut Ctx, store: &mut Store, wire: usize) {
        if self.connections.remove(&wire).is_none() {
            return;
        }
        let (client, link) = ctx.who(wire);
        self.see(ctx, AtBroker::Ended { client, link });
        ctx.net.wires[wire].broker_end.is_open = false;
        ctx.send(wire, Way::Down, Parcel::Fin);
        store.give_back(HandedOut::Unknown, |(on, ..)| on == wire);
        self.dispatch(ctx, store);
    }

    /// Ends all links, each client told, or none of them.
    pub(crate) fn end_all(&mut self, ctx: &mut Ctx, store: &mut Store, are_told: bool) {
        self.unread.clear();
        for (wire, _) in std::mem::take(&mut self.connections) {
            let (client, link) = ctx.who(wire);
            self.see(ctx, AtBroker::Ended { client, link });
            ctx.net.wires[wire].broker_end.is_open = false;
            if are_told {
                ctx.send(wire, Way::Down, Parcel::Fin);
            }
        }
        for key in store.lose_memory() {
            self.see(ctx, AtBroker::Forgotten { key });
        }
    }

    /// Goes on after it stood still, with all that came in between.
    pub(crate) fn go_on(&mut self, ctx: &mut Ctx, store: &mut Store) {
        self.condition = Condition::Running;
        for (wire, parcel) in std::mem::take(&mut self.unread) {
            self.read(ctx, store, wire, parcel);
        }
    }

    /// Closes one consumer of each client, as a broker does with slow ones.
    pub(crate) fn evict(&mut self, ctx: &mut Ctx, store: &mut Store) {
        let mut evicted = Vec::new();
        for (wire, connection) in &mut self.connections {
            let Some((id, consumer)) = connection.consumers.pop_first() else { continue };
            evicted.push((*wire, id));
            let consumer_id = consumer.info.consumer_id;
            let control =
                ConsumerControl { close: true, consumer_id, ..ConsumerControl::default() };
            ctx.send(*wire, Way::Down, Parcel::Frame(Arc::new(control.into())));
        }
        store.give_back(HandedOut::Unknown, |(wire, session, value)| {
            evicted.contains(&(wire, (session, value)))
        });
        self.dispatch(ctx, store);
    }

    /// Tells its clients which brokers there are; if they are to be balanced, each in another order.
    pub(crate) fn announce(&self, ctx: &mut Ctx, mut list: Vec<String>, is_rebalance: bool) {
        for wire in self.clients() {
            if is_rebalance && !list.is_empty() {
                // Java: TransportConnector.getConnectionControl rotates the list by one each time.
                list.rotate_left(1);
            }
            let connected_brokers = Some(list.join(",").into());
            let control = ConnectionControl {
                connected_brokers,
                rebalance_connection: is_rebalance,
                ..ConnectionControl::default()
            };
            ctx.send(wire, Way::Down, Parcel::Frame(Arc::new(control.into())));
        }
    }

    /// Asks a client, or all, to go to another broker.
    pub(crate) fn ask_to_move(&self, ctx: &mut Ctx, client: Option<usize>, target: &str) {
        for wire in self.clients() {
            if client.is_none_or(|client| ctx.who(wire).0 == client) {
                let reconnect_to = Some(target.into());
                let control = ConnectionControl { reconnect_to, ..ConnectionControl::default() };
                ctx.send(wire, Way::Down, Parcel::Frame(Arc::new(control.into())));
            }
        }
    }

    /// The links over which a client has said who it is.
    fn clients(&self) -> Vec<usize> {
        let named = self.connections.iter().filter(|(_, known)| known.name.is_some());
        named.map(|(wire, _)| *wire).collect()
    }

    /// What it knows of a client that is on this link.
    pub(crate) fn knows(&self, wire: usize) -> Option<Registered> {
        let connection = self.connections.get(&wire)?;
        let consumers = connection.consumers.iter();
        let consumers = consumers
            .map(|((session, value), known)| (*session, *value, known.info.prefetch_size))
            .collect();
        Some(Registered { consumers, ..connection.registered.clone() })
    }

    fn see(&self, ctx: &mut Ctx, at: AtBroker<'_>) {
        ctx.see(&Seen::Broker(self.number, at));
    }
}

impl Connection {
    fn session(&mut self, id: Option<&SessionId>) -> Result<(), Refusal> {
        let value = id.map_or(0, |id| id.value);
        add(&mut self.registered.sessions, value);
        Ok(())
    }

    fn producer(&mut self, id: Option<&ProducerId>) -> Result<(), Refusal> {
        let Some(id) = id else { return Err(refusal("java.lang.Exception", "no id")) };
        self.in_session(id.session_id)?;
        add(&mut self.registered.producers, (id.session_id, id.value));
        Ok(())
    }

    fn consumer(&mut self, info: &ConsumerInfo) -> Result<(), Refusal> {
        let Some(id) = &info.consumer_id else {
            return Err(refusal("java.lang.Exception", "no id"));
        };
        self.in_session(id.session_id)?;
        let id = (id.session_id, id.value);
        let queue = queue_of(info.destination.as_ref());
        // Java: a consumer that is there already is left as it is.
        self.consumers.entry(id).or_insert(Subscription { info: info.clone(), queue, given: 0 });
        Ok(())
    }

    fn destination(&mut self, info: &DestinationInfo) -> Result<(), Refusal> {
        if let Some(destination) = &info.destination {
            add(&mut self.registered.temporary, destination.physical_name.to_string());
        }
        Ok(())
    }

    fn in_session(&self, session: i64) -> Result<(), Refusal> {
        if self.registered.sessions.contains(&session) {
            return Ok(());
        }
        Err(refusal("java.lang.IllegalStateException", "no such session"))
    }

    fn remove(&mut self, id: &Command) {
        let Self { consumers, registered: Registered { sessions, producers, .. }, .. } = self;
        match id {
            Command::SessionId(id) => {
                sessions.retain(|known| *known != id.value);
                producers.retain(|(session, _)| *session != id.value);
                consumers.retain(|(session, _), _| *session != id.value);
            }
            Command::ProducerId(id) => {
                producers.retain(|known| *known != (id.session_id, id.value));
            }
            Command::ConsumerId(id) => {
                consumers.remove(&(id.session_id, id.value));
            }
            _ => {}
        }
    }
}

fn add<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(place) = list.binary_search(&item) {
        list.insert(place, item);
    }
}

/// The name of a queue of this world.
pub(crate) fn queue_name(queue: usize) -> Destination {
    Destination::queue(format!("Q{queue}"))
}

fn queue_of(destination: Option<&Destination>) -> usize {
    let name = destination.and_then(|queue| queue.physical_name.as_str());
    name.and_then(|name| name.strip_prefix('Q')?.parse().ok()).unwrap_or_default()
}
