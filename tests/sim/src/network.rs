//! The network: links with delays, in order each way, that can be cut, held up and half open.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use rewire_failover::core::LinkId;
use rewire_protocol::Command;

use crate::agenda::{Agenda, Time};
use crate::plan::NetworkPlan;
use crate::world::Happening;

/// A way along a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the client to the broker.
    Up,
    /// From the broker to the client.
    Down,
}

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Parcel {
    /// The handshake is done.
    Opened,
    /// A command.
    Frame(Arc<Command>),
    /// A sign of life.
    KeepAlive,
    /// The end of the link.
    Fin,
}

/// A link between a client and a broker, as the network has it.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) client: usize,
    pub(crate) link: LinkId,
    pub(crate) broker: usize,
    pub(crate) client_end: End,
    pub(crate) broker_end: End,
    up: Path,
    down: Path,
}

/// One end of a link.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) is_open: bool,
    /// When something last came.
    pub(crate) heard: Time,
}

#[derive(Debug, Default)]
struct Path {
    /// What is on its way, in order.
    under_way: VecDeque<Parcel>,
    /// Nothing sent now arrives before.
    free_at: Time,
    /// How much of it would have arrived, but for a partition.
    held: usize,
    /// Whether what is sent goes nowhere: the sender's machine is dead.
    is_dead: bool,
}

/// All links, and what is wrong between whom.
#[derive(Debug)]
pub(crate) struct Network {
    plan: NetworkPlan,
    pub(crate) wires: Vec<Wire>,
    parted: BTreeSet<(usize, usize, Way)>,
    /// For each name, the broker it leads to.
    pub(crate) names: Vec<usize>,
    pub(crate) unknown: BTreeSet<usize>,
    pub(crate) hanging: BTreeSet<usize>,
    pub(crate) narrow: BTreeSet<usize>,
}

impl Network {
    pub(crate) fn new(plan: NetworkPlan, brokers: usize) -> Self {
        Self {
            plan,
            wires: Vec::new(),
            parted: BTreeSet::new(),
            // Each has a name, and another address.
            names: (0..brokers).chain(0..brokers).collect(),
            unknown: BTreeSet::new(),
            hanging: BTreeSet::new(),
            narrow: BTreeSet::new(),
        }
    }

    pub(crate) const fn plan(&self) -> &NetworkPlan {
        &self.plan
    }

    /// How long something takes from one machine to another.
    pub(crate) fn delay(&self, rng: &mut SmallRng) -> Duration {
        self.plan.delay + self.plan.jitter.mul_f64(rng.random())
    }

    pub(crate) fn open(&mut self, now: Time, client: usize, link: LinkId, broker: usize) -> usize {
        let end = || End { is_open: true, heard: now };
        self.wires.push(Wire {
            client,
            link,
            broker,
            client_end: end(),
            broker_end: end(),
            up: Path::default(),
            down: Path::default(),
        });
        self.wires.len() - 1
    }

    /// Whether nothing passes between a client and a broker, one way at least.
    pub(crate) fn is_parted(&self, client: usize, broker: usize) -> bool {
        [Way::Up, Way::Down].iter().any(|way| self.parted.contains(&(client, broker, *way)))
    }

    /// Sends something along a link.
    pub(crate) fn send(
        &mut self,
        (now, rng, agenda): (Time, &mut SmallRng, &mut Agenda<Happening>),
        wire: usize,
        way: Way,
        parcel: Parcel,
    ) {
        let delay = self.delay(rng);
        let path = self.wires[wire].path(way);
        if path.is_dead {
            return;
        }
        path.under_way.push_back(parcel);
        path.free_at = path.free_at.max(now + delay);
        agenda.add(path.free_at, Happening::Arrives { wire, way });
    }

    /// What arrives, unless it is held up on its way.
    pub(crate) fn let_through(&mut self, wire: usize, way: Way) -> Option<Parcel> {
        let parted = self.is_held(wire, way);
        let path = self.wires[wire].path(way);
        if parted {
            path.held += 1;
            return None;
        }
        path.under_way.pop_front()
    }

    fn is_held(&self, wire: usize, way: Way) -> bool {
        let Wire { client, broker, .. } = self.wires[wire];
        self.parted.contains(&(client, broker, way))
    }

    pub(crate) fn part(&mut self, client: usize, broker: usize, way: Option<Way>) {
        let ways = way.map_or_else(|| vec![Way::Up, Way::Down], |way| vec![way]);
        self.parted.extend(ways.into_iter().map(|way| (client, broker, way)));
    }

    /// Lets everything pass again; what was held up comes, in order.
    pub(crate) fn mend(
        &mut self,
        (now, rng, agenda): (Time, &mut SmallRng, &mut Agenda<Happening>),
        client: usize,
        broker: usize,
    ) {
        for way in [Way::Up, Way::Down] {
            self.parted.remove(&(client, broker, way));
            for wire in 0..self.wires.len() {
                if self.wires[wire].client != client || self.wires[wire].broker != broker {
                    continue;
                }
                let delay = self.delay(rng);
                let path = self.wires[wire].path(way);
                path.free_at = path.free_at.max(now + delay);
                for _ in 0..std::mem::take(&mut path.held) {
                    agenda.add(path.free_at, Happening::Arrives { wire, way });
                }
            }
        }
    }

    /// The machine of a broker dies: its ends are gone, and it says nothing more.
    pub(crate) fn power_off(&mut self, broker: usize) {
        for wire in self.wires.iter_mut().filter(|wire| wire.broker == broker) {
            wire.broker_end.is_open = false;
            wire.down.is_dead = true;
            wire.down.under_way.drain(..wire.down.held);
            wire.down.held = 0;
        }
    }

    /// The machine of a broker runs again, and knows nothing of its old links.
    pub(crate) fn power_on(&mut self, broker: usize) {
        for wire in self.wires.iter_mut().filter(|wire| wire.broker == broker) {
            wire.down.is_dead = false;
        }
    }
}

impl Wire {
    const fn path(&mut self, way: Way) -> &mut Path {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
