//! A world: brokers, clients and a network between them, from the first moment to the last.

mod faults;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rewire_failover::core::LinkId;

use crate::agenda::{Agenda, Time};
use crate::broker::{Broker, Condition, Store};
use crate::client::Client;
use crate::network::{Network, Parcel, Way};
use crate::plan::{Plan, Work, address, alias};
use crate::seen::Seen;
use crate::watch::Watch;

/// What is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// What is next on its way arrives.
    Arrives {
        wire: usize,
        way: Way,
    },
    /// A dial reaches the name of a broker.
    Knocks {
        client: usize,
        link: LinkId,
        name: usize,
    },
    /// A dial is answered with no.
    Unanswered {
        client: usize,
        link: LinkId,
        why: NoAnswer,
    },
    /// A core wanted to be woken.
    Wakes {
        client: usize,
    },
    /// The ends of a link look after each other.
    Ticks {
        wire: usize,
    },
    /// A broker ends a link whose connection it refused.
    Expels {
        wire: usize,
    },
    /// A producer sends.
    Sends {
        client: usize,
        session: i64,
        producer: i64,
    },
    /// A consumer has thought about a message.
    Acks {
        client: usize,
        delivery: u64,
    },
    /// An application opens a session.
    OpensSession {
        client: usize,
    },
    /// An application closes a session.
    ClosesSession {
        client: usize,
    },
    /// An application goes on with a transaction, or begins one.
    Transacts {
        client: usize,
    },
    /// An application takes no deliveries for a while.
    Naps {
        client: usize,
        time: Duration,
    },
    /// It takes them again.
    WakesUp {
        client: usize,
    },
    /// A link that is gone speaks.
    Haunts {
        client: usize,
        link: LinkId,
    },
    /// An application hears what its transport has delivered.
    Hears {
        client: usize,
    },
    /// A broker's core wanted to be woken, in one of its lives.
    BrokerWakes {
        broker: usize,
        life: u64,
    },
    /// What a broker wanted to be written is.
    Written {
        broker: usize,
        life: u64,
    },
    /// An application closes its connection.
    Closes {
        client: usize,
    },
    /// A slave may become master.
    TakesOver {
        store: usize,
    },
    Fault(usize),
    Heals,
    /// All has to be well; there is some last work.
    LastWork,
    /// All has to be done.
    Ends,
}

/// Why a dial failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The name has no address.
    Unknown,
    /// Nobody listens.
    Refused,
    /// Nothing came in time.
    TimedOut,
}

/// What everything in a world has a part in.
#[derive(Debug)]
pub(crate) struct Ctx {
    pub(crate) now: Time,
    base: Instant,
    pub(crate) rng: SmallRng,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) net: Network,
    /// The share of answers that come twice.
    pub(crate) twice: f64,
    watch: Watch,
}

impl Ctx {
    /// The time as a core is told it.
    pub(crate) fn instant(&self) -> Instant {
        self.base + self.now
    }

    /// The time that a core tells.
    pub(crate) fn time(&self, instant: Instant) -> Time {
        instant.saturating_duration_since(self.base)
    }

    pub(crate) fn see(&mut self, seen: &Seen<'_>) {
        self.watch.see(self.now, seen);
    }

    pub(crate) fn send(&mut self, wire: usize, way: Way, parcel: Parcel) {
        self.net.send((self.now, &mut self.rng, &mut self.agenda), wire, way, parcel);
    }

    /// The client of a link, and what it calls the link.
    pub(crate) fn who(&self, wire: usize) -> (usize, LinkId) {
        (self.net.wires[wire].client, self.net.wires[wire].link)
    }

    /// Something happens after a while.
    pub(crate) fn later(&mut self, after: Duration, what: Happening) {
        self.agenda.add(self.now + after, what);
    }
}

/// A world.
#[derive(Debug)]
pub(crate) struct World {
    plan: Plan,
    ctx: Ctx,
    brokers: Vec<Broker>,
    stores: Vec<Store>,
    clients: Vec<Client>,
}

impl World {
    pub(crate) fn new(plan: Plan, watch: Watch) -> Self {
        #[expect(clippy::disallowed_methods, reason = "something to count from; never looked at")]
        let base = Instant::now();
        let ctx = Ctx {
            now: Time::ZERO,
            base,
            rng: SmallRng::seed_from_u64(plan.seed),
            agenda: Agenda::new(),
            net: Network::new(plan.network, plan.brokers.len()),
            twice: plan.twice,
            watch,
        };
        let broker =
            |(number, store): (usize, &usize)| Broker::new(number, plan.published(number), *store);
        let brokers = plan.brokers.iter().enumerate().map(broker).collect();
        let stores = plan.brokers.iter().max().map_or(0, |last| last + 1);
        let clients = (0..plan.clients.len()).map(|number| Client::new(number, &plan)).collect();
        let stores = (0..stores).map(|_| Store::default()).collect();
        Self { plan, ctx, brokers, stores, clients }
    }

    /// Goes from the first moment to the last, or to the first that breaks a rule.
    pub(crate) fn run(mut self) -> Watch {
        self.begin();
        while !self.ctx.watch.is_broken()
            && let Some((at, what)) = self.ctx.agenda.next()
        {
            self.ctx.now = at;
            if matches!(what, Happening::Ends) {
                self.end();
                break;
            }
            self.happen(what);
        }
        self.ctx.watch
    }

    fn begin(&mut self) {
        for store in 0..self.stores.len() {
            self.take_over(store);
        }
        for (number, (at, _)) in self.plan.faults.iter().enumerate() {
            self.ctx.agenda.add(*at, Happening::Fault(number));
        }
        self.ctx.agenda.add(self.plan.heal_at, Happening::Heals);
        let well = self.plan.heal_at + self.plan.heals_within();
        self.ctx.agenda.add(well, Happening::LastWork);
        self.ctx.agenda.add(well + self.settles_within(), Happening::Ends);
        for client in &mut self.clients {
            client.begin(&mut self.ctx);
        }
    }

    /// How long the last work takes at most, when nothing goes wrong.
    fn settles_within(&self) -> Duration {
        let slowness = |work: &Work| work.thinking * 2 + work.lag * 2;
        let slowness = self.plan.clients.iter().map(|client| slowness(&client.work)).max();
        (self.plan.network.delay + self.plan.network.jitter) * 300
            + slowness.unwrap_or_default()
            + Duration::from_secs(2)
    }

    fn happen(&mut self, what: Happening) {
        let Self { ctx, clients, .. } = self;
        match what {
            Happening::Arrives { wire, way } => self.arrive(wire, way),
            Happening::Knocks { client, link, name } => self.knock(client, link, name),
            Happening::Unanswered { client, link, why } => {
                clients[client].undialed(ctx, link, why);
            }
            Happening::Wakes { client } => clients[client].wake(ctx),
            Happening::Ticks { wire } => self.tick(wire),
            Happening::Expels { wire } => {
                let broker = ctx.net.wires[wire].broker;
                if self.brokers[broker].condition == Condition::Running {
                    self.brokers[broker].end(ctx, wire);
                }
            }
            Happening::Sends { client, session, producer } => {
                clients[client].on_sends(ctx, session, producer);
            }
            Happening::Acks { client, delivery } => clients[client].on_acks(ctx, delivery),
            Happening::OpensSession { client } => clients[client].on_opens_session(ctx),
            Happening::ClosesSession { client } => clients[client].on_closes_session(ctx),
            Happening::Transacts { client } => clients[client].on_transacts(ctx),
            Happening::Naps { client, time } => clients[client].nap(ctx, time),
            Happening::WakesUp { client } => clients[client].wake_up(ctx),
            Happening::Haunts { client, link } => clients[client].haunt(ctx, link),
            Happening::Hears { client } => clients[client].hear(ctx),
            Happening::Closes { client } => clients[client].close(ctx),
            Happening::TakesOver { store } => self.take_over(store),
            Happening::BrokerWakes { broker, life } => self.brokers[broker].on_wakes(ctx, life),
            Happening::Written { broker, life } => {
                let broker = &mut self.brokers[broker];
                broker.on_written(ctx, &self.stores[broker.store], life);
            }
            Happening::Fault(number) => {
                let fault = self.plan.faults[number].1.clone();
                if ctx.now < self.plan.heal_at {
                    self.apply(&fault);
                }
            }
            Happening::Heals => self.heal(),
            Happening::LastWork => {
                ctx.see(&Seen::MustBeWell);
                for client in clients {
                    client.last_work(ctx);
                }
            }
            Happening::Ends => {}
        }
    }

    fn arrive(&mut self, wire: usize, way: Way) {
        let Some(parcel) = self.ctx.net.let_through(wire, way) else { return };
        let (client, broker) = (self.ctx.net.wires[wire].client, self.ctx.net.wires[wire].broker);
        match way {
            Way::Down => self.clients[client].arrive(&mut self.ctx, wire, parcel),
            Way::Up => {
                self.brokers[broker].arrive(&mut self.ctx, wire, parcel);
            }
        }
    }

    /// A dial comes to whatever a name leads to now.
    fn knock(&mut self, client: usize, link: LinkId, name: usize) {
        let Some(deadline) = self.clients[client].dial_deadline(link) else { return };
        let ctx = &mut self.ctx;
        let number = ctx.net.names[name];
        let broker = &mut self.brokers[number];
        let hangs = ctx.net.is_parted(client, number)
            || ctx.net.hanging.contains(&number)
            || matches!(broker.condition, Condition::Off | Condition::Paused);
        let is_open = broker.condition == Condition::Running
            && self.stores[broker.store].owner == Some(number);
        let delay = ctx.net.delay(&mut ctx.rng);
        if ctx.net.unknown.contains(&name) {
            let why = NoAnswer::Unknown;
            ctx.later(delay, Happening::Unanswered { client, link, why });
        } else if hangs && ctx.now >= deadline {
            self.clients[client].undialed(ctx, link, NoAnswer::TimedOut);
        } else if hangs {
            let again = (ctx.now + Duration::from_millis(700)).min(deadline);
            ctx.agenda.add(again, Happening::Knocks { client, link, name });
        } else if is_open {
            let wire = ctx.net.open(ctx.now, client, link, number);
            self.clients[client].answered(link, wire);
            broker.open(ctx, wire);
            ctx.later(ctx.net.plan().silence / 3, Happening::Ticks { wire });
            let why = NoAnswer::TimedOut;
            ctx.agenda.add(deadline, Happening::Unanswered { client, link, why });
        } else {
            let why = NoAnswer::Refused;
            ctx.later(delay, Happening::Unanswered { client, link, why });
        }
    }

    fn tick(&mut self, number: usize) {
        let ctx = &mut self.ctx;
        let silence = ctx.net.plan().silence;
        let wire = &ctx.net.wires[number];
        let (client, broker) = (wire.client, wire.broker);
        let is_over = !wire.client_end.is_open && !wire.broker_end.is_open;
        let client_hears = wire.client_end.heard + silence >= ctx.now;
        let broker_hears = wire.broker_end.heard + silence >= ctx.now;
        let (at_client, at_broker) = (wire.client_end.is_open, wire.broker_end.is_open);
        if is_over {
            return;
        }
        if at_client && client_hears {
            ctx.send(number, Way::Up, Parcel::KeepAlive);
        } else if at_client {
            self.clients[client].silent(ctx, number);
        }
        let broker = &mut self.brokers[broker];
        if at_broker && broker.condition == Condition::Running {
            if broker_hears {
                ctx.send(number, Way::Down, Parcel::KeepAlive);
            } else {
                broker.end(ctx, number);
            }
        }
        ctx.later(silence / 3, Happening::Ticks { wire: number });
    }

    fn take_over(&mut self, store: usize) {
        if self.stores[store].owner.is_none() {
            let heir = self
                .brokers
                .iter()
                .position(|broker| broker.store == store && broker.condition == Condition::Running);
            self.stores[store].owner = heir;
            if let Some(heir) = heir {
                self.brokers[heir].serve(&mut self.ctx, &self.stores[store]);
            }
        }
    }

    /// The addresses at which a broker serves.
    fn reachable(&self) -> Vec<String> {
        let Self { ctx, brokers, stores, .. } = self;
        let count = brokers.len();
        let serves = |name: &usize| {
            let number = ctx.net.names[*name];
            let broker = &brokers[number];
            broker.condition == Condition::Running && stores[broker.store].owner == Some(number)
        };
        let names = (0..ctx.net.names.len()).filter(serves);
        names.map(|name| if name < count { address(name) } else { alias(name - count) }).collect()
    }

    fn end(&mut self) {
        let addresses = self.reachable();
        let Self { ctx, clients, brokers, .. } = self;
        for client in clients.iter_mut() {
            if let Some((number, wire)) = client.is_connected() {
                let known = brokers[ctx.net.wires[wire].broker].knows(wire);
                let believed = &client.believes();
                let known = known.as_ref();
                ctx.see(&Seen::Compared { client: number, believed, known });
                ctx.see(&Seen::Reachable { client: number, addresses: &addresses });
            }
            client.close(ctx);
        }
        for broker in brokers.iter_mut() {
            broker.see_what_is_left(ctx, &self.stores[broker.store]);
        }
        for key in self.stores.iter().flat_map(|store| store.kept().into_values()) {
            ctx.watch.is_kept(key);
        }
        ctx.see(&Seen::End);
    }
}
