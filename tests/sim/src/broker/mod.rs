//! A broker: the real core of the reference broker, what a shell does for it, and the lies that a real broker does
//! not tell.

mod core;
mod lies;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use rewire_broker::MemoryStore;
use rewire_broker::store::{Place, Store as _};
use rewire_protocol::{Command, Destination};

use self::core::Core;
use crate::network::{Parcel, Way};
use crate::seen::{AtBroker, MessageKey, Registered, Seen};
use crate::world::Ctx;

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

/// How a broker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// In order: all is written, all is sent.
    Stop,
    /// Its process dies; its machine tells the clients.
    Crash,
    /// Nobody tells them.
    PowerOff,
}

/// What one broker, or a master and its slaves, keep.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// The broker that works on it.
    pub(crate) owner: Option<usize>,
    disk: MemoryStore,
}

impl Store {
    /// The messages on it, by their numbers at the brokers.
    pub(crate) fn kept(&self) -> BTreeMap<u64, MessageKey> {
        let mut disk = self.disk.clone();
        let recovered = disk.recover().expect("a store in memory can be read");
        let mut kept = BTreeMap::new();
        for (queue, messages) in recovered.queues {
            let numbers: Vec<u64> = messages.iter().map(|message| message.sequence).collect();
            let read = disk.load(&Place::Queue(queue), &numbers);
            let read = read.expect("a store in memory can be read");
            for (number, message) in numbers.into_iter().zip(read) {
                let id = message.as_ref().and_then(|message| message.message_id.as_ref());
                kept.extend(id.and_then(MessageKey::of).map(|key| (number, key)));
            }
        }
        kept
    }
}

/// A broker.
#[derive(Debug)]
pub(crate) struct Broker {
    number: usize,
    /// The address it publishes.
    published: String,
    pub(crate) store: usize,
    pub(crate) condition: Condition,
    /// While it works on its store.
    core: Option<Core>,
    /// How often it began to.
    lives: u64,
    /// What came while it stood still.
    unread: VecDeque<(usize, Parcel)>,
    pub(crate) refuses: f64,
    pub(crate) refuses_connections: Option<&'static str>,
    /// Transactions of which a message was refused that no answer was wanted for, by their links.
    broken: BTreeSet<(usize, i64)>,
}

impl Broker {
    pub(crate) const fn new(number: usize, published: String, store: usize) -> Self {
        Self {
            number,
            published,
            store,
            condition: Condition::Running,
            core: None,
            lives: 0,
            unread: VecDeque::new(),
            refuses: 0.0,
            refuses_connections: None,
            broken: BTreeSet::new(),
        }
    }

    /// Begins to work on its store, with what is there.
    pub(crate) fn serve(&mut self, ctx: &mut Ctx, store: &Store) {
        self.lives += 1;
        let name = (self.number, self.lives);
        self.core = Some(Core::new(ctx, name, self.store, &self.published, store));
    }

    /// Takes a link that was just made.
    pub(crate) fn open(&mut self, ctx: &mut Ctx, wire: usize) {
        ctx.send(wire, Way::Down, Parcel::Opened);
        let (client, link) = ctx.who(wire);
        ctx.see(&Seen::Broker(self.number, AtBroker::Opened { client, link }));
        if let Some(core) = &mut self.core {
            core.open(ctx, wire);
        }
    }

    /// Something came over a link.
    pub(crate) fn arrive(&mut self, ctx: &mut Ctx, wire: usize, parcel: Parcel) {
        match self.condition {
            Condition::Running => self.read(ctx, wire, parcel),
            Condition::Paused => self.unread.push_back((wire, parcel)),
            // Its machine says that nobody is there.
            Condition::Down => ctx.send(wire, Way::Down, Parcel::Fin),
            Condition::Off => {}
        }
    }

    fn read(&mut self, ctx: &mut Ctx, wire: usize, parcel: Parcel) {
        let Some(core) = self.core.as_mut().filter(|core| core.has(wire)) else {
            if !matches!(parcel, Parcel::Fin) {
                ctx.send(wire, Way::Down, Parcel::Fin);
            }
            return;
        };
        ctx.net.wires[wire].broker_end.heard = ctx.now;
        match parcel {
            Parcel::Opened | Parcel::KeepAlive => {}
            Parcel::Frame(command) if core.is_held(wire) => core.hold(wire, command),
            Parcel::Frame(command) => self.hear(ctx, wire, &command),
            Parcel::Fin => core.end(ctx, wire),
        }
    }

    fn hear(&mut self, ctx: &mut Ctx, wire: usize, command: &Arc<Command>) {
        let (client, link) = ctx.who(wire);
        ctx.see(&Seen::Broker(self.number, AtBroker::Heard { client, link, command }));
        if self.lies(ctx, wire, command) {
            return;
        }
        if let Some(core) = &mut self.core {
            core.hear(ctx, wire, command);
        }
    }

    /// Ends a link, and tells its client. One that stands still hears of it when it goes on.
    pub(crate) fn end(&mut self, ctx: &mut Ctx, wire: usize) {
        if self.condition == Condition::Paused {
            self.unread.push_back((wire, Parcel::Fin));
        } else if let Some(core) = &mut self.core {
            core.end(ctx, wire);
        }
    }

    /// The broker ends.
    pub(crate) fn die(&mut self, ctx: &mut Ctx, store: &Store, death: Death) {
        self.unread.clear();
        if let Some(core) = self.core.take() {
            core.die(ctx, store, death);
        }
    }

    /// Goes on after it stood still, with all that came in between.
    pub(crate) fn go_on(&mut self, ctx: &mut Ctx, store: &Store) {
        self.condition = Condition::Running;
        if let Some(core) = &mut self.core {
            core.written(ctx, store);
            core.wake(ctx);
        }
        for (wire, parcel) in std::mem::take(&mut self.unread) {
            self.read(ctx, wire, parcel);
        }
    }

    /// The core of this life, if it can do anything now.
    fn alive(&mut self, life: u64) -> Option<&mut Core> {
        let is_it = self.condition == Condition::Running && self.lives == life;
        self.core.as_mut().filter(|_| is_it)
    }

    /// What the core wanted to be woken for is due.
    pub(crate) fn on_wakes(&mut self, ctx: &mut Ctx, life: u64) {
        if let Some(core) = self.alive(life) {
            core.wake(ctx);
        }
    }

    /// What was to be written is.
    pub(crate) fn on_written(&mut self, ctx: &mut Ctx, store: &Store, life: u64) {
        if let Some(core) = self.alive(life) {
            core.written(ctx, store);
        }
    }

    /// What it knows of a client that is on this link.
    pub(crate) fn knows(&self, wire: usize) -> Option<Registered> {
        self.core.as_ref()?.knows(wire)
    }

    /// All clients are gone: what is left of them.
    pub(crate) fn see_what_is_left(&mut self, ctx: &mut Ctx, store: &Store) {
        if let Some(core) = &mut self.core {
            core.see_what_is_left(ctx, store);
        }
    }
}

/// The name of a queue of this world.
pub(crate) fn queue_name(queue: usize) -> Destination {
    Destination::queue(format!("Q{queue}"))
}
