//! An application: sessions with producers and consumers, that come, work and go.

mod hearing;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use rewire_failover::core::{Completion, LinkId};
use rewire_failover::{GaveUp, RequestError};
use rewire_protocol::{
    Command, ConnectionId, ConnectionInfo, ConsumerId, ConsumerInfo, Destination, DestinationInfo,
    DestinationKind, Message, ProducerInfo, RemoveInfo, SessionId, SessionInfo,
};

use super::Submission;
use super::consumer::{Consumer, Delivery, NONE_DELIVERED};
use super::transacted::{PRODUCER, SESSION, Transacted};
use crate::agenda::Time;
use crate::broker::queue_name;
use crate::plan::Work;
use crate::seen::{AtClient, Registered, Seen, connection_name};
use crate::world::{Ctx, Happening};

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Connection,
    Temporary(String),
    Session(i64),
    Producer(i64, i64),
    Consumer(i64, i64),
    Message,
    Acknowledgement,
    Removal,
    /// A part of a transaction: its beginning, or the message of this number.
    InTransaction(i64, i64),
    /// A commit or a rollback.
    EndOfTransaction(i64),
}

/// An application.
#[derive(Debug)]
pub(crate) struct App {
    client: usize,
    connection: ConnectionId,
    work: Work,
    heal_at: Time,
    /// What is to be submitted.
    pub(crate) outbox: Vec<Submission>,
    pub(crate) wants_close: bool,
    /// How much waits for room in the core.
    pub(crate) backlog: usize,
    /// The link that is there, by what was delivered.
    pub(crate) link: Option<LinkId>,
    sessions: BTreeMap<i64, Session>,
    next_session: i64,
    temporary: Vec<String>,
    /// What consumers have in their hands.
    deliveries: BTreeMap<u64, Delivery>,
    next_delivery: u64,
    transacted: Transacted,
    is_over: bool,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    is_there: bool,
    producers: BTreeMap<i64, Producer>,
    consumers: BTreeMap<i64, Consumer>,
}

#[derive(Debug)]
struct Producer {
    is_there: bool,
    queue: usize,
    next: i64,
}

/// How many queues a world has.
pub(crate) const QUEUES: usize = 2;

impl App {
    pub(crate) fn new(client: usize, work: Work, heal_at: Time) -> Self {
        let connection = ConnectionId::new(connection_name(client));
        Self {
            client,
            transacted: Transacted::new(connection.clone(), work.transacted, work.large),
            connection,
            work,
            heal_at,
            outbox: Vec::new(),
            wants_close: false,
            backlog: 0,
            link: None,
            sessions: BTreeMap::new(),
            next_session: 1,
            temporary: Vec::new(),
            deliveries: BTreeMap::new(),
            next_delivery: 0,
            is_over: false,
        }
    }

    pub(crate) fn begin(&mut self, ctx: &mut Ctx) {
        let client = self.client;
        let connection_id = Some(self.connection.clone());
        let client_id = Some(connection_name(client).into());
        let info = ConnectionInfo { connection_id, client_id, ..ConnectionInfo::default() };
        self.ask(info.into(), Purpose::Connection);
        if ctx.rng.random_bool(0.3) {
            self.open_temporary();
        }
        if !self.transacted.pace.is_zero() {
            self.open_transacted(ctx);
        }
        for _ in 0..self.work.sessions {
            self.open_session(ctx);
        }
        if let Some(at) = self.work.close_at {
            ctx.agenda.add(at, Happening::Closes { client });
        }
        for (at, time) in self.work.naps.clone() {
            ctx.agenda.add(at, Happening::Naps { client, time });
        }
        if !self.work.turnover.is_zero() {
            ctx.later(self.work.turnover, Happening::ClosesSession { client });
        }
    }

    /// It closes, or the core gave up: nothing more is wanted.
    pub(crate) fn end(&mut self) {
        self.is_over = true;
        self.link = None;
    }

    fn ask(&mut self, command: Command, purpose: Purpose) {
        let completion = Completion::Answered;
        let command = Box::new(command);
        self.outbox.push(Submission::Request { command, completion, link: None, purpose });
    }

    // ---- what it has ---------------------------------------------------------------------------

    fn open_temporary(&mut self) {
        let name = format!("{}:1", self.connection);
        let destination =
            Destination { kind: DestinationKind::TempQueue, physical_name: (&name).into() };
        let info = DestinationInfo {
            connection_id: Some(self.connection.clone()),
            destination: Some(destination),
            operation_type: DestinationInfo::ADD,
            ..DestinationInfo::default()
        };
        self.ask(info.into(), Purpose::Temporary(name));
    }

    /// Opens the session of the transactions.
    fn open_transacted(&mut self, ctx: &mut Ctx) {
        let id = self.connection.session(SESSION);
        let info = SessionInfo { session_id: Some(id.clone()), ..SessionInfo::default() };
        self.ask(info.into(), Purpose::Session(SESSION));
        let producer_id = Some(id.producer(PRODUCER));
        let info = ProducerInfo { producer_id, ..ProducerInfo::default() };
        self.ask(info.into(), Purpose::Producer(SESSION, PRODUCER));
        let producer = Producer { is_there: false, queue: 0, next: 1 };
        let producers = BTreeMap::from([(PRODUCER, producer)]);
        let session = Session { id, is_there: false, producers, consumers: BTreeMap::new() };
        self.sessions.insert(SESSION, session);
        ctx.later(self.transacted.pace, Happening::Transacts { client: self.client });
    }

    /// Goes on with a transaction, or begins one.
    pub(crate) fn on_transacts(&mut self, ctx: &mut Ctx) {
        if self.is_over {
            return;
        }
        // What is open by the end of the faults is still ended.
        let may_begin = ctx.now < self.heal_at && self.backlog + self.outbox.len() < 32;
        let is_there = |session: &Session| {
            session.is_there && session.producers.values().all(|producer| producer.is_there)
        };
        let has_session = self.sessions.get(&SESSION).is_some_and(is_there);
        if may_begin || self.transacted.is_open() {
            self.outbox.extend(self.transacted.step(ctx, has_session));
        }
        let after = self.transacted.pace.mul_f64(2.0 * ctx.rng.random::<f64>());
        let after = after.max(Duration::from_millis(1));
        if ctx.now < self.heal_at || self.transacted.is_open() {
            ctx.later(after, Happening::Transacts { client: self.client });
        }
    }

    pub(crate) fn open_session(&mut self, ctx: &mut Ctx) {
        if self.is_over {
            return;
        }
        let value = self.next_session;
        self.next_session += 1;
        let id = self.connection.session(value);
        let session_id = Some(id.clone());
        self.ask(
            SessionInfo { session_id, ..SessionInfo::default() }.into(),
            Purpose::Session(value),
        );
        let mut session = Session {
            id: id.clone(),
            is_there: false,
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
        };
        for producer in 1..=i64::from(self.work.producers) {
            let queue = ctx.rng.random_range(0..QUEUES);
            session.producers.insert(producer, Producer { is_there: false, queue, next: 1 });
            let producer_id = Some(id.producer(producer));
            let info = ProducerInfo { producer_id, ..ProducerInfo::default() };
            self.ask(info.into(), Purpose::Producer(value, producer));
            let after = self.work.pace.mul_f64(ctx.rng.random());
            ctx.later(after, Happening::Sends { client: self.client, session: value, producer });
        }
        for consumer in 1..=i64::from(self.work.consumers) {
            session.consumers.insert(consumer, Consumer::new(self.work.hands));
            let is_large = ctx.rng.random_bool(self.work.large);
            let info = ConsumerInfo {
                consumer_id: Some(id.consumer(consumer)),
                destination: Some(queue_name(ctx.rng.random_range(0..QUEUES))),
                prefetch_size: self.work.prefetch,
                selector: is_large.then(|| format!("TRUE{}", " ".repeat(2000)).into()),
                ..ConsumerInfo::default()
            };
            self.ask(info.into(), Purpose::Consumer(value, consumer));
        }
        self.sessions.insert(value, session);
    }

    /// Closes a session, and opens another after a while.
    pub(crate) fn on_closes_session(&mut self, ctx: &mut Ctx) {
        if self.is_over || ctx.now >= self.heal_at {
            return;
        }
        let client = self.client;
        let after = self.work.turnover.mul_f64(2.0 * ctx.rng.random::<f64>());
        ctx.later(after, Happening::ClosesSession { client });
        let open = self.sessions.keys().copied().filter(|session| *session != SESSION);
        let open: Vec<i64> = open.collect();
        if open.is_empty() {
            return;
        }
        let session = open[ctx.rng.random_range(0..open.len())];
        if ctx.rng.random_bool(0.5)
            && let Some(open) = self.sessions.get_mut(&session)
            && let Some((consumer, gone)) = open.consumers.pop_first()
        {
            let id = open.id.consumer(consumer);
            self.drop_what_is_held(ctx, |delivery| delivery.consumer == id);
            self.remove(ctx, id.into(), gone.last_delivered());
        } else {
            self.replace(ctx, session);
        }
    }

    /// What is in the hands of consumers that are closed is not acknowledged any more.
    fn drop_what_is_held(&self, ctx: &mut Ctx, of: impl Fn(&Delivery) -> bool) {
        for delivery in self.deliveries.values().filter(|delivery| of(delivery)) {
            self.see(ctx, AtClient::GivenUp { key: delivery.key });
        }
    }

    /// Closes a session, and opens another in its place.
    fn replace(&mut self, ctx: &mut Ctx, session: i64) {
        if let Some(session) = self.sessions.remove(&session) {
            self.drop_what_is_held(ctx, |delivery| delivery.consumer.session() == session.id);
            self.remove(ctx, session.id.into(), NONE_DELIVERED);
            let after = Duration::from_millis(ctx.rng.random_range(0..400));
            ctx.later(after, Happening::OpensSession { client: self.client });
        }
    }

    fn remove(&mut self, ctx: &mut Ctx, id: Command, last_delivered_sequence_id: i64) {
        let object_id = Some(Box::new(id));
        let info = RemoveInfo { object_id, last_delivered_sequence_id, ..RemoveInfo::default() };
        let completion =
            [Completion::Answered, Completion::Transmitted][usize::from(ctx.rng.random_bool(0.3))];
        let (command, link, purpose) = (Box::new(info.into()), None, Purpose::Removal);
        self.outbox.push(Submission::Request { command, completion, link, purpose });
    }

    pub(crate) fn some_consumer(&self) -> Option<ConsumerId> {
        let session = self.sessions.values().find(|session| !session.consumers.is_empty())?;
        session.consumers.keys().next().map(|consumer| session.id.consumer(*consumer))
    }

    pub(crate) fn believes(&self) -> Registered {
        let mut believed =
            Registered { temporary: self.temporary.clone(), ..Registered::default() };
        for (value, session) in self.sessions.iter().filter(|(_, session)| session.is_there) {
            believed.sessions.push(*value);
            let producers = session.producers.iter().filter(|(_, producer)| producer.is_there);
            believed.producers.extend(producers.map(|(producer, _)| (*value, *producer)));
            let consumers = session.consumers.iter().filter(|(_, consumer)| consumer.is_there);
            let prefetch = self.work.prefetch;
            believed.consumers.extend(consumers.map(|(number, _)| (*value, *number, prefetch)));
        }
        believed
    }

    // ---- what it does --------------------------------------------------------------------------

    pub(crate) fn on_sends(&mut self, ctx: &mut Ctx, session: i64, producer: i64) {
        if self.is_over || ctx.now >= self.heal_at {
            return;
        }
        for _ in 0..ctx.rng.random_range(1..=self.work.burst) {
            self.send(ctx, session, producer);
        }
        if self.sessions.contains_key(&session) {
            let after = self.work.pace.mul_f64(2.0 * ctx.rng.random::<f64>());
            ctx.later(after, Happening::Sends { client: self.client, session, producer });
        }
    }

    fn send(&mut self, ctx: &mut Ctx, session: i64, producer: i64) {
        // An application that is too fast waits.
        if self.backlog + self.outbox.len() > 32 {
            return;
        }
        let Some(open) = self.sessions.get_mut(&session) else { return };
        let Some(from) = open.producers.get_mut(&producer) else { return };
        let id = open.id.producer(producer);
        let number = from.next;
        from.next += 1;
        let is_large = ctx.rng.random_bool(self.work.large);
        let message = Message {
            message_id: Some(id.message(number)),
            producer_id: Some(id),
            destination: Some(queue_name(from.queue)),
            persistent: ctx.rng.random_bool(self.work.persistent),
            content: is_large.then(|| Bytes::from_static(&[0; 2000])),
            ..Message::default()
        };
        let completion = if ctx.rng.random_bool(self.work.transmitted) {
            Completion::Transmitted
        } else {
            Completion::Answered
        };
        let (command, link, purpose) = (Box::new(message.into()), None, Purpose::Message);
        self.outbox.push(Submission::Request { command, completion, link, purpose });
    }

    /// When nothing goes wrong any more, every producer sends once more.
    pub(crate) fn last_work(&mut self, ctx: &mut Ctx) {
        let producers: Vec<(i64, i64)> = self
            .sessions
            .iter()
            .filter(|(session, _)| **session != SESSION)
            .flat_map(|(session, open)| open.producers.keys().map(|producer| (*session, *producer)))
            .collect();
        for (session, producer) in producers {
            self.send(ctx, session, producer);
        }
    }

    fn consumer(&mut self, id: &ConsumerId) -> Option<&mut Consumer> {
        self.sessions.get_mut(&id.session_id)?.consumers.get_mut(&id.value)
    }

    fn see(&self, ctx: &mut Ctx, at: AtClient<'_>) {
        ctx.see(&Seen::Client(self.client, at));
    }

    // ---- what it hears -------------------------------------------------------------------------

    pub(crate) fn on_completed(
        &mut self,
        ctx: &mut Ctx,
        purpose: Purpose,
        outcome: &Result<Command, RequestError>,
    ) {
        let is_over = matches!(
            outcome,
            Err(RequestError::NotSent(why) | RequestError::InDoubt { reason: why, .. })
                if !matches!(why, GaveUp::TimedOut(_)
                        | GaveUp::LinkGone
                        | GaveUp::Removed
                        | GaveUp::Refused(_))
        );
        match (purpose, outcome) {
            (Purpose::Connection, Err(_)) => self.wants_close = true,
            (Purpose::InTransaction(number, part), outcome) => {
                self.transacted.on_part(number, part, outcome.is_err());
            }
            (Purpose::EndOfTransaction(number), outcome) => {
                self.transacted.on_end(number, outcome.as_ref().err());
            }
            (Purpose::Temporary(name), Ok(_)) => self.temporary.push(name),
            (Purpose::Session(session), Ok(_)) => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.is_there = true;
                }
            }
            (Purpose::Producer(session, producer), Ok(_)) => {
                let session = self.sessions.get_mut(&session);
                let known = session.and_then(|session| session.producers.get_mut(&producer));
                if let Some(producer) = known {
                    producer.is_there = true;
                }
            }
            (Purpose::Consumer(session, consumer), Ok(_)) => {
                let session = self.sessions.get_mut(&session);
                let known = session.and_then(|session| session.consumers.get_mut(&consumer));
                if let Some(consumer) = known {
                    consumer.is_there = true;
                }
            }
            (Purpose::Session(session), Err(_)) if !is_over => self.lost_session(ctx, session),
            (Purpose::Producer(session, _) | Purpose::Consumer(session, _), Err(_)) if !is_over => {
                self.replace(ctx, session);
            }
            _ => {}
        }
    }
}
