//! The real core in its world: what a shell does for it, with virtual links, a virtual clock and a virtual disk;
//! and what can be seen of it.

mod seeing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rewire_broker::core::{
    BrokerConfig, BrokerCore, Input, LinkId, LoadId, Now, Outgoing, Output, Ticket,
};
use rewire_broker::store::{Place, Store as _, StoreWrite};
use rewire_protocol::{Command, ExceptionResponse};

use super::{Death, Store};
use crate::agenda::Time;
use crate::invariants::number_of;
use crate::network::{Parcel, Way};
use crate::seen::{AtBroker, MessageKey};
use crate::world::{Ctx, Happening};

/// The calendar at the beginning of a world.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// A consumer, by the link it is on, its session and its number there.
type Consumer = (usize, i64, i64);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Core {
    core: BrokerCore,
    broker: usize,
    life: u64,
    store: usize,
    published: String,
    links: BTreeMap<usize, Link>,
    /// What is still to be written.
    writes: VecDeque<(Ticket, Vec<StoreWrite>)>,
    /// What is still to be read.
    loads: Vec<(LoadId, Place, Vec<u64>)>,
    is_writing: bool,
    wakes_at: Option<Time>,
    /// The messages it has, by their numbers.
    kept: BTreeMap<u64, (MessageKey, bool)>,
    /// The same, by their numbers: they are dense.
    is_kept: Vec<bool>,
    /// The messages it has had written.
    added: BTreeMap<u64, (MessageKey, bool)>,
    /// The numbers of those it had.
    gone: BTreeSet<u64>,
    /// All that it has or had in this life.
    had: BTreeSet<MessageKey>,
    /// Who was given what, and has not said that it is done with it.
    given: BTreeMap<u64, Consumer>,
    /// How often it was woken at this moment.
    wakes: (Time, u32),
    /// Who has said so last.
    acknowledged: BTreeMap<MessageKey, usize>,
    /// The transactions of messages, by their clients and numbers there.
    transactions: BTreeMap<MessageKey, (usize, i64)>,
}

#[derive(Debug, Default)]
struct Link {
    /// Whether its client has said who it is.
    is_named: bool,
    /// Whether it is not read for now, and what came meanwhile.
    is_held: bool,
    held: VecDeque<Arc<Command>>,
}

impl Core {
    pub(super) fn new(
        ctx: &mut Ctx,
        (broker, life): (usize, u64),
        store: usize,
        published: &str,
        on: &Store,
    ) -> Self {
        let mut config = BrokerConfig::default();
        config.name = format!("b{broker}");
        config.id = format!("ID:b{broker}-{life}");
        config.persistent = true;
        // In some worlds four messages are a page.
        config.limits.page_memory = [4 << 20, 4 << 10][usize::from(ctx.rng.random_bool(0.5))];
        let recovered = on.disk.clone().recover().expect("a store in memory can be read");
        let core = BrokerCore::new(now(ctx), config, recovered);
        let mut this = Self {
            core,
            broker,
            life,
            store,
            published: published.to_owned(),
            links: BTreeMap::new(),
            writes: VecDeque::new(),
            loads: Vec::new(),
            is_writing: false,
            wakes_at: None,
            kept: BTreeMap::new(),
            is_kept: Vec::new(),
            added: BTreeMap::new(),
            gone: BTreeSet::new(),
            had: BTreeSet::new(),
            wakes: (Time::ZERO, 0),
            given: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            transactions: BTreeMap::new(),
        };
        this.see(ctx, AtBroker::Serves { store });
        for (number, key) in on.kept() {
            this.keep(number, (key, true));
            this.see(ctx, AtBroker::Recovered { key, store });
        }
        this.set_timers(ctx);
        this
    }

    // ---- what comes in ---------------------------------------------------------------------------

    pub(super) fn has(&self, wire: usize) -> bool {
        self.links.contains_key(&wire)
    }

    pub(super) fn is_held(&self, wire: usize) -> bool {
        self.links.get(&wire).is_some_and(|link| link.is_held)
    }

    pub(super) fn hold(&mut self, wire: usize, command: Arc<Command>) {
        if let Some(link) = self.links.get_mut(&wire) {
            link.held.push_back(command);
        }
    }

    pub(super) fn open(&mut self, ctx: &mut Ctx, wire: usize) {
        self.links.insert(wire, Link::default());
        let (link, peer, url) = (id(wire), format!("tcp://c{wire}"), self.published.clone());
        self.input(ctx, Input::Opened { link, peer, url });
    }

    pub(super) fn hear(&mut self, ctx: &mut Ctx, wire: usize, command: &Arc<Command>) {
        match &**command {
            Command::ConnectionInfo(_) => {
                if let Some(link) = self.links.get_mut(&wire) {
                    link.is_named = true;
                }
                // Java: the older link of the same client is ended.
                let client = ctx.who(wire).0;
                self.given.retain(|_, by| by.0 == wire || ctx.who(by.0).0 != client);
            }
            Command::Message(message) => {
                let known = MessageKey::of_command(command).filter(|key| self.had.contains(key));
                if let Some(key) = known {
                    self.see(ctx, AtBroker::Known { key });
                }
                let transaction = number_of(message.transaction_id.as_ref());
                if let (Some(number), Some(key)) = (transaction, MessageKey::of_command(command)) {
                    self.transactions.insert(key, (ctx.who(wire).0, number));
                }
            }
            Command::MessageAck(ack) => {
                let number = ack.last_message_id.as_ref().map_or(0, |id| id.broker_sequence_id);
                let number = u64::try_from(number).unwrap_or_default();
                let by = ack.consumer_id.as_ref().map(|id| (wire, id.session_id, id.value));
                let (client, link) = ctx.who(wire);
                if by.is_some() && self.given.get(&number).copied() == by {
                    self.given.remove(&number);
                    let key = ack.last_message_id.as_ref().and_then(MessageKey::of);
                    self.acknowledged.extend(key.map(|key| (key, client)));
                } else if by.is_some_and(|by| self.has_consumer(by)) {
                    self.see(ctx, AtBroker::StrayAck { client, link });
                }
            }
            Command::RemoveInfo(info) => {
                // What ends has nothing any more, and is given nothing.
                let ending = match info.object_id.as_deref() {
                    Some(Command::SessionId(id)) => Some((id.value, None)),
                    Some(Command::ConsumerId(id)) => Some((id.session_id, Some(id.value))),
                    _ => None,
                };
                self.given.retain(|_, (on, session, value)| {
                    let is_it = |(of, one): (i64, Option<i64>)| {
                        of == *session && one.is_none_or(|one| one == *value)
                    };
                    *on != wire || !ending.is_some_and(is_it)
                });
            }
            _ => {}
        }
        self.input(ctx, Input::Received(id(wire), (**command).clone()));
    }

    fn has_consumer(&self, (wire, session, value): Consumer) -> bool {
        let known = self.knows(wire);
        known.is_some_and(|known| known.consumers.iter().any(|it| (it.0, it.1) == (session, value)))
    }

    /// Ends a link, and tells its client.
    pub(super) fn end(&mut self, ctx: &mut Ctx, wire: usize) {
        if self.links.remove(&wire).is_none() {
            return;
        }
        let (client, link) = ctx.who(wire);
        self.see(ctx, AtBroker::Ended { client, link });
        ctx.net.wires[wire].broker_end.is_open = false;
        ctx.send(wire, Way::Down, Parcel::Fin);
        self.given.retain(|_, by| by.0 != wire);
        self.input(ctx, Input::Closed(id(wire)));
    }

    pub(super) fn wake(&mut self, ctx: &mut Ctx) {
        self.wakes_at = None;
        let again = if self.wakes.0 == ctx.now { self.wakes.1 + 1 } else { 0 };
        self.wakes = (ctx.now, again);
        if again > 100 {
            let due = format!("{:?}", self.core.poll_timeout().map(|due| ctx.time(due)));
            self.see(ctx, AtBroker::Spins { due });
        }
        self.input(ctx, Input::Timeout);
    }

    /// All that waits is on the disk at once, and what is to be read is.
    pub(super) fn written(&mut self, ctx: &mut Ctx, store: &Store) {
        self.is_writing = false;
        for (load, place, numbers) in std::mem::take(&mut self.loads) {
            let read = store.disk.clone().load(&place, &numbers);
            self.input(ctx, Input::Loaded(load, read.expect("a store in memory can be read")));
        }
        let Some((last, _)) = self.writes.back() else { return };
        let last = *last;
        self.write(store, self.writes.len());
        self.input(ctx, Input::Stored(last));
    }

    fn write(&mut self, store: &Store, batches: usize) {
        let batches = self.writes.drain(..batches).map(|(_, writes)| writes).collect();
        store.disk.clone().write(batches).expect("a store in memory can be written");
    }

    pub(super) fn die(mut self, ctx: &mut Ctx, store: &Store, death: Death) {
        if death == Death::Stop {
            self.written(ctx, store);
            self.input(ctx, Input::Stop);
            self.written(ctx, store);
        } else {
            // The disk may have taken some of it, and nobody was told.
            let some = ctx.rng.random_range(0..=self.writes.len());
            self.write(store, some);
        }
        for wire in std::mem::take(&mut self.links).into_keys() {
            let (client, link) = ctx.who(wire);
            self.see(ctx, AtBroker::Ended { client, link });
            ctx.net.wires[wire].broker_end.is_open = false;
            if death != Death::PowerOff {
                ctx.send(wire, Way::Down, Parcel::Fin);
            }
        }
        let on_disk = store.kept();
        let store = self.store;
        // It was written, and the core was not told any more.
        let is_new = |number: &u64| !self.kept.contains_key(number) && !self.gone.contains(number);
        let new = on_disk.iter().filter(|(number, _)| is_new(number));
        let new: Vec<(MessageKey, bool)> = new.map(|(_, key)| (*key, true)).collect();
        self.see_stored(ctx, &new, store, false);
        for (number, (key, _)) in &self.kept {
            if !on_disk.contains_key(number) {
                self.see(ctx, AtBroker::Forgotten { key: *key });
            }
        }
    }

    // ---- what comes out --------------------------------------------------------------------------

    fn input(&mut self, ctx: &mut Ctx, input: Input) {
        let may_change = match &input {
            Input::Stored(_) => true,
            Input::Received(_, command) => matches!(command, Command::TransactionInfo(_)),
            _ => false,
        };
        let used = self.core.memory_used();
        let outputs: Vec<Output> = self.core.handle(now(ctx), input).collect();
        for output in &outputs {
            if let Output::Store(_, writes) = output {
                self.added.extend(writes.iter().filter_map(added));
            }
        }
        // A look at all messages takes its time: none is looked at when nothing was taken in or let go.
        if may_change || self.core.memory_used() != used {
            self.look(ctx);
        }
        let mut hung_up = Vec::new();
        for output in outputs {
            match output {
                Output::Send(link, outgoing) => self.send(ctx, wire(link), outgoing),
                Output::Pause(link) => self.read_on(ctx, wire(link), false),
                Output::Resume(link) => self.read_on(ctx, wire(link), true),
                Output::HangUp(link) => hung_up.push(wire(link)),
                Output::Store(ticket, writes) => {
                    self.writes.push_back((ticket, writes));
                }
                Output::Load(load, place, numbers) => self.loads.push((load, place, numbers)),
                // These brokers dial no others.
                Output::Introduce(..) | Output::Unbridge(_) | Output::Event(_) => {}
            }
        }
        for wire in hung_up {
            self.end(ctx, wire);
        }
        let has_work = !self.writes.is_empty() || !self.loads.is_empty();
        if has_work && !self.is_writing {
            self.is_writing = true;
            let after = Duration::from_micros(ctx.rng.random_range(50..8_000));
            ctx.later(after, Happening::Written { broker: self.broker, life: self.life });
        }
        self.set_timers(ctx);
    }

    fn set_timers(&mut self, ctx: &mut Ctx) {
        let Some(due) = self.core.poll_timeout().map(|due| ctx.time(due).max(ctx.now)) else {
            return;
        };
        if self.wakes_at.is_none_or(|at| due < at) {
            self.wakes_at = Some(due);
            ctx.agenda.add(due, Happening::BrokerWakes { broker: self.broker, life: self.life });
        }
    }

    fn read_on(&mut self, ctx: &mut Ctx, wire: usize, goes_on: bool) {
        let Some(link) = self.links.get_mut(&wire) else { return };
        link.is_held = !goes_on;
        let held = if goes_on { std::mem::take(&mut link.held) } else { VecDeque::new() };
        for command in held {
            let (client, link) = ctx.who(wire);
            self.see(ctx, AtBroker::Heard { client, link, command: &command });
            self.hear(ctx, wire, &command);
        }
    }

    fn send(&mut self, ctx: &mut Ctx, wire: usize, outgoing: Outgoing) {
        let (client, link) = ctx.who(wire);
        let command = outgoing.into_command();
        match &command {
            Command::ExceptionResponse(ExceptionResponse { correlation_id: number, .. }) => {
                let number = *number;
                self.see(ctx, AtBroker::Refused { client, link, number });
            }
            Command::MessageDispatch(dispatch) => {
                let consumer = dispatch.consumer_id.as_ref().map(|id| (id.session_id, id.value));
                let id = dispatch.message.as_ref().and_then(|message| message.message_id.as_ref());
                if let (Some(consumer), Some(id)) = (consumer, id)
                    && let Some(key) = MessageKey::of(id)
                {
                    let number = u64::try_from(id.broker_sequence_id).unwrap_or_default();
                    let to = (wire, consumer.0, consumer.1);
                    let beside = self.given.insert(number, to);
                    let beside =
                        beside.map(|(wire, session, value)| (ctx.who(wire).0, session, value));
                    let at = AtBroker::Dispatched { client, link, consumer, key, number, beside };
                    self.see(ctx, at);
                }
            }
            _ => {}
        }
        let is_answer = command.correlation_id().is_some();
        let command = Arc::new(command);
        if is_answer && ctx.rng.random_bool(ctx.twice) {
            ctx.send(wire, Way::Down, Parcel::Frame(command.clone()));
        }
        ctx.send(wire, Way::Down, Parcel::Frame(command));
    }

    // ---- what is known of it ---------------------------------------------------------------------
}

fn added(write: &StoreWrite) -> Option<(u64, (MessageKey, bool))> {
    let StoreWrite::Add { sequence, message, .. } = write else { return None };
    Some((*sequence, (MessageKey::of(message.message_id.as_ref()?)?, message.persistent)))
}

fn slot(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

const fn id(wire: usize) -> LinkId {
    LinkId(wire as u64)
}

fn wire(link: LinkId) -> usize {
    usize::try_from(link.0).unwrap_or(usize::MAX)
}

fn now(ctx: &Ctx) -> Now {
    let passed = i64::try_from(ctx.now.as_millis()).unwrap_or(i64::MAX);
    Now { instant: ctx.instant(), unix_ms: EPOCH_MS.saturating_add(passed) }
}
