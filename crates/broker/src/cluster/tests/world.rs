//! A small world: brokers with links between them, and clients that do what they are told, each kind in its
//! own way. Time goes from one thing that happens to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rewire_protocol::{BrokerInfo, ConnectionControl, Str};

use crate::cluster::{BridgeId, Cluster, ClusterConfig, NewClient, Say, Via};
use crate::core::LinkId;

/// What a client does when it is told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// This project's: goes where `reconnectTo` says, in order.
    Rewire,
    /// Java's without `randomize`: to the first of a list that names other brokers than before.
    Java,
    /// Java's as it is by default: to any of them.
    JavaByChance,
}

#[derive(Debug)]
pub(super) struct SimClient {
    pub(super) kind: Kind,
    pub(super) at: Option<usize>,
    /// The brokers it was told of, in order.
    pub(super) known: Vec<usize>,
    /// How often it has gone from a broker because it was told to.
    pub(super) moves: usize,
    /// How often it has lost its broker.
    pub(super) losses: usize,
    /// Counts connections: what was to happen to an earlier one does not.
    link: u64,
}

pub(super) struct SimBroker {
    pub(super) cluster: Cluster,
    /// How often it was started.
    life: usize,
}

#[derive(Debug)]
enum Happening {
    /// A broker has made a link to another.
    Linked(usize, usize),
    /// A broker is told by another, over a link.
    Told(usize, Via, Box<BrokerInfo>),
    Unlinked(usize, Via),
    Arrives(usize, usize),
    Leaves(usize, u64, usize),
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) brokers: BTreeMap<usize, SimBroker>,
    pub(super) clients: Vec<SimClient>,
    pub(super) config: ClusterConfig,
    agenda: BTreeMap<(Instant, u64), Happening>,
    /// Brokers that have stopped in order, and have hung everybody up.
    emptied: BTreeSet<usize>,
    lives: usize,
    count: u64,
    pub(super) rng: SmallRng,
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) fn address(broker: usize) -> String {
    format!("tcp://b{broker}:61616")
}

fn broker_of(address: &str) -> Option<usize> {
    address.strip_prefix("tcp://b")?.strip_suffix(":61616")?.parse().ok()
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let config = ClusterConfig {
            update_clients: true,
            rebalance_clients: true,
            update_clients_on_remove: true,
            ..ClusterConfig::default()
        };
        #[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
        let now = Instant::now();
        Self {
            now,
            brokers: BTreeMap::new(),
            clients: Vec::new(),
            config,
            agenda: BTreeMap::new(),
            emptied: BTreeSet::new(),
            lives: 0,
            count: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        self.count += 1;
        self.agenda.insert((self.now + after, self.count), happening);
    }

    fn soon(&mut self, least: u64, most: u64) -> Duration {
        ms(self.rng.random_range(least..=most))
    }

    /// A broker starts, and dials all that are there.
    pub(super) fn start(&mut self, broker: usize) {
        self.lives += 1;
        let config = ClusterConfig { addresses: vec![address(broker)], ..self.config.clone() };
        let (id, name) = (format!("ID:{broker}-{}", self.lives), format!("b{broker}"));
        let cluster = Cluster::new(self.now, config, &id, &name);
        let others: Vec<usize> = self.brokers.keys().copied().collect();
        self.brokers.insert(broker, SimBroker { cluster, life: self.lives });
        for other in others {
            let delay = self.soon(1, 100);
            self.plan(delay, Happening::Linked(broker, other));
        }
    }

    /// A client comes to a broker.
    pub(super) fn come(&mut self, kind: Kind, broker: usize) {
        let known = vec![broker];
        self.clients.push(SimClient { kind, at: None, known, moves: 0, losses: 0, link: 0 });
        self.arrive(self.clients.len() - 1, broker);
    }

    /// A broker stops in order.
    pub(super) fn stop(&mut self, broker: usize) {
        let now = self.now;
        let waits = self.brokers.get_mut(&broker).unwrap().cluster.on_stop(now);
        self.hear(broker);
        if !waits {
            self.kill(broker);
            return;
        }
        while !self.emptied.remove(&broker) {
            assert!(
                self.step(now + Duration::from_secs(10)),
                "a broker that stops comes to an end"
            );
        }
        self.kill(broker);
    }

    /// A broker dies.
    pub(super) fn kill(&mut self, broker: usize) {
        self.brokers.remove(&broker);
        let others: Vec<usize> = self.brokers.keys().copied().collect();
        for other in others {
            for via in [dialed(broker), accepted(broker, other)] {
                let delay = self.soon(0, 5);
                self.plan(delay, Happening::Unlinked(other, via));
            }
        }
        for client in 0..self.clients.len() {
            if self.clients[client].at == Some(broker) {
                self.clients[client].losses += 1;
                self.clients[client].at = None;
                self.look_for_a_broker(client, broker);
            }
        }
    }

    /// Java, and this project's by default: any broker that is known, but the lost one last.
    fn look_for_a_broker(&mut self, client: usize, lost: usize) {
        let mut known: Vec<usize> =
            self.clients[client].known.iter().copied().filter(|known| *known != lost).collect();
        if known.is_empty() {
            known.push(lost);
        }
        let chosen = match self.clients[client].kind {
            Kind::Java => known[0],
            Kind::Rewire | Kind::JavaByChance => known[self.rng.random_range(0..known.len())],
        };
        let delay = self.soon(10, 300);
        self.clients[client].link += 1;
        self.plan(delay, Happening::Arrives(client, chosen));
    }

    /// Lets so much time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// The next thing before `end` happens.
    fn step(&mut self, end: Instant) -> bool {
        let timers = self
            .brokers
            .iter()
            .filter_map(|(broker, sim)| Some((sim.cluster.poll_timeout()?, *broker)));
        let timer = timers.min();
        let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
        match (next, timer) {
            (Some(at), timer) if timer.is_none_or(|(due, _)| at <= due) && at <= end => {
                self.now = self.now.max(at);
                if let Some((_, happening)) = self.agenda.pop_first() {
                    self.happen(happening);
                }
                true
            }
            (_, Some((due, broker))) if due <= end => {
                self.now = self.now.max(due);
                let now = self.now;
                self.brokers.get_mut(&broker).unwrap().cluster.on_timeout(now);
                self.hear(broker);
                true
            }
            _ => false,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Linked(from, to) => {
                let Some(greeting) =
                    self.brokers.get(&to).map(|sim| sim.cluster.greeting(&address(to)))
                else {
                    return;
                };
                self.tell(from, dialed(to), &greeting);
            }
            Happening::Told(broker, via, info) => self.tell(broker, via, &info),
            Happening::Unlinked(broker, via) => {
                let now = self.now;
                if let Some(sim) = self.brokers.get_mut(&broker) {
                    sim.cluster.on_peer_lost(now, via);
                    self.hear(broker);
                }
            }
            Happening::Arrives(client, broker) => self.arrive(client, broker),
            Happening::Leaves(client, link, target) => {
                let sim = &mut self.clients[client];
                let (Some(at), true) = (sim.at, sim.link == link) else { return };
                // This project's stays if nobody is there.
                let goes = sim.kind != Kind::Rewire || self.brokers.contains_key(&target);
                if goes && at != target {
                    sim.moves += 1;
                    sim.at = None;
                    self.gone(client, at);
                    let delay = self.soon(1, 20);
                    self.plan(delay, Happening::Arrives(client, target));
                }
            }
        }
    }

    fn tell(&mut self, broker: usize, via: Via, info: &BrokerInfo) {
        let now = self.now;
        if let Some(sim) = self.brokers.get_mut(&broker) {
            sim.cluster.on_peer(now, via, info);
            self.hear(broker);
        }
    }

    fn gone(&mut self, client: usize, broker: usize) {
        let now = self.now;
        if let Some(sim) = self.brokers.get_mut(&broker) {
            sim.cluster.on_client_gone(now, client as u64);
            self.hear(broker);
        }
    }

    fn arrive(&mut self, client: usize, broker: usize) {
        if self.clients[client].at.is_some() {
            return;
        }
        let now = self.now;
        let sim = &mut self.clients[client];
        sim.link += 1;
        let new = NewClient {
            link: LinkId(client as u64),
            address: address(broker),
            client_id: format!("client-{client}"),
            is_movable: true,
            moves_in_order: sim.kind == Kind::Rewire,
        };
        let Some(target) = self.brokers.get_mut(&broker) else {
            self.look_for_a_broker(client, broker);
            return;
        };
        sim.at = Some(broker);
        let control = target.cluster.on_client(now, client as u64, new);
        self.obey(client, &control);
        self.hear(broker);
    }

    /// A client does what it is told.
    fn obey(&mut self, client: usize, control: &ConnectionControl) {
        let text =
            |text: &Option<Str>| text.as_ref().map_or_else(String::new, |text| text.to_string());
        let list: Vec<usize> =
            text(&control.connected_brokers).split(',').filter_map(broker_of).collect();
        let unique: BTreeSet<usize> = list.iter().copied().collect();
        assert_eq!(unique.len(), list.len(), "a list names each broker once: {list:?}");
        let sim = &mut self.clients[client];
        let is_news = unique != sim.known.iter().copied().collect();
        if !list.is_empty() {
            sim.known.clone_from(&list);
        }
        let (link, kind) = (sim.link, sim.kind);
        let asked = broker_of(&text(&control.reconnect_to));
        match (kind, asked) {
            (Kind::Rewire, Some(target)) => {
                let delay = self.soon(0, 1500);
                self.plan(delay, Happening::Leaves(client, link, target));
            }
            (Kind::Rewire, None) => {
                assert!(!control.rebalance_connection, "it is told where to go")
            }
            (Kind::Java | Kind::JavaByChance, Some(_)) => {
                panic!("Java's client forgets all other brokers for `reconnectTo`")
            }
            (Kind::Java | Kind::JavaByChance, None) if control.rebalance_connection => {
                assert!(is_news, "Java's client goes only for a list that has changed");
                let chosen =
                    if kind == Kind::Java { 0 } else { self.rng.random_range(0..list.len()) };
                self.plan(ms(1), Happening::Leaves(client, link, list[chosen]));
            }
            (Kind::Java | Kind::JavaByChance, None) => {}
        }
    }

    /// What a broker says is on its way.
    fn hear(&mut self, broker: usize) {
        while let Some(say) = self.brokers.get_mut(&broker).and_then(|sim| sim.cluster.take()) {
            match say {
                Say::Control(link, control) => {
                    let client = usize::try_from(link.0).unwrap();
                    assert_eq!(self.clients[client].at, Some(broker));
                    self.obey(client, &control);
                }
                Say::Info(Via::Dialed(bridge), info) => {
                    let other = bridge.0 as usize;
                    self.plan(ms(1), Happening::Told(other, accepted(broker, other), info));
                }
                Say::Info(Via::Accepted(link), info) => {
                    let dialer = usize::try_from(link.0 / 1000).unwrap();
                    self.plan(ms(1), Happening::Told(dialer, dialed(broker), info));
                }
                Say::Refused(_, problem) => panic!("{problem}"),
                Say::Emptied => {
                    self.emptied.insert(broker);
                }
                Say::Drop(_)
                | Say::Started(..)
                | Say::Stopped(_)
                | Say::Joined(_)
                | Say::Left(_) => {}
            }
        }
    }

    /// How many clients each broker has.
    pub(super) fn spread(&self) -> BTreeMap<usize, usize> {
        let mut spread: BTreeMap<usize, usize> =
            self.brokers.keys().map(|broker| (*broker, 0)).collect();
        for at in self.clients.iter().filter_map(|client| client.at) {
            *spread.entry(at).or_default() += 1;
        }
        spread
    }

    pub(super) fn moves(&self) -> usize {
        self.clients.iter().map(|client| client.moves).sum()
    }

    pub(super) fn assert_even(&self, when: &str) {
        let spread = self.spread();
        assert_eq!(spread.values().sum::<usize>(), self.clients.len(), "{when}: {spread:?}");
        assert!(crate::cluster::balance::is_balanced(&spread), "{when}: {spread:?}");
    }

    /// Everybody knows all brokers, and nobody any other.
    pub(super) fn assert_all_know(&self, when: &str) {
        let there: BTreeSet<usize> = self.brokers.keys().copied().collect();
        for client in &self.clients {
            let known: BTreeSet<usize> = client.known.iter().copied().collect();
            assert_eq!(known, there, "{when}: {client:?}");
        }
        for (broker, sim) in &self.brokers {
            assert_eq!(
                sim.cluster.view().count(),
                there.len(),
                "{when}: {broker} of life {}",
                sim.life
            );
        }
    }
}

fn dialed(to: usize) -> Via {
    Via::Dialed(BridgeId(u32::try_from(to).unwrap()))
}

/// The link by which a broker has come to another.
fn accepted(from: usize, to: usize) -> Via {
    Via::Accepted(LinkId((from * 1000 + to) as u64))
}
