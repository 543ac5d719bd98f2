//! Faults, as they come over a world, and as all of them are put right.

use std::time::Duration;

use rand::RngExt;

use super::{Happening, World};
use crate::broker::{Condition, Death};
use crate::faults::Fault;
use crate::seen::Seen;

impl World {
    pub(super) fn apply(&mut self, fault: &Fault) {
        self.ctx.see(&Seen::Fault(fault));
        let ctx = &mut self.ctx;
        match *fault {
            Fault::Crash(broker) => self.go_down(broker, Death::Crash),
            Fault::PowerOff(broker) => self.go_down(broker, Death::PowerOff),
            Fault::Stop(broker) => self.go_down(broker, Death::Stop),
            Fault::Restart(broker) => self.restart(broker),
            Fault::Pause(broker) => {
                if self.brokers[broker].condition == Condition::Running {
                    self.brokers[broker].condition = Condition::Paused;
                }
            }
            Fault::Resume(broker) => self.resume(broker),
            Fault::Reset(client, broker) => {
                for wire in 0..ctx.net.wires.len() {
                    let of = &ctx.net.wires[wire];
                    if of.client == client && of.broker == broker && of.client_end.is_open {
                        self.clients[client].reset(ctx, wire);
                        self.brokers[broker].end(ctx, wire);
                    }
                }
            }
            Fault::Partition(client, broker, way) => ctx.net.part(client, broker, way),
            Fault::Mend(client, broker) => {
                ctx.net.mend((ctx.now, &mut ctx.rng, &mut ctx.agenda), client, broker);
            }
            Fault::Refuse(broker, share) => self.brokers[broker].refuses = share,
            Fault::RefuseConnections(broker, class) => {
                self.brokers[broker].refuses_connections = Some(class);
            }
            Fault::Welcome(broker) => {
                self.brokers[broker].refuses = 0.0;
                self.brokers[broker].refuses_connections = None;
            }
            Fault::Swap(one, other) => ctx.net.names.swap(one, other),
            Fault::Forget(name) => {
                ctx.net.unknown.insert(name);
            }
            Fault::Learn(name) => {
                ctx.net.unknown.remove(&name);
            }
            Fault::Hang(broker) => {
                ctx.net.hanging.insert(broker);
            }
            Fault::Unhang(broker) => {
                ctx.net.hanging.remove(&broker);
            }
            Fault::Narrow(broker) => {
                ctx.net.narrow.insert(broker);
            }
            Fault::Widen(broker) => {
                ctx.net.narrow.remove(&broker);
            }
            Fault::Announce(broker, _)
            | Fault::Rebalance(broker, _)
            | Fault::AskToMove(broker, ..) => {
                if self.brokers[broker].condition == Condition::Running {
                    self.speak(broker, fault);
                }
            }
            Fault::Evict(broker) => {
                let broker = &mut self.brokers[broker];
                if broker.condition == Condition::Running {
                    broker.evict(ctx);
                }
            }
        }
    }

    /// A broker tells its clients of other brokers.
    fn speak(&mut self, broker: usize, fault: &Fault) {
        let Self { ctx, plan, brokers, .. } = self;
        match fault {
            Fault::Announce(_, names) | Fault::Rebalance(_, names) => {
                let list = names.iter().map(|name| plan.published(*name)).collect();
                let is_rebalance = matches!(fault, Fault::Rebalance(..));
                brokers[broker].announce(ctx, list, is_rebalance);
            }
            Fault::AskToMove(_, client, target) => {
                brokers[broker].ask_to_move(ctx, *client, &plan.published(*target));
            }
            _ => {}
        }
    }

    fn go_down(&mut self, number: usize, death: Death) {
        let broker = &mut self.brokers[number];
        if matches!(broker.condition, Condition::Down | Condition::Off) {
            return;
        }
        // One that stands still cannot stop in order.
        let is_paused = broker.condition == Condition::Paused;
        let death = if is_paused && death == Death::Stop { Death::Crash } else { death };
        let is_off = death == Death::PowerOff;
        broker.condition = if is_off { Condition::Off } else { Condition::Down };
        let store = &mut self.stores[broker.store];
        let has_owned = store.owner == Some(number);
        if has_owned {
            broker.die(&mut self.ctx, store, death);
            store.owner = None;
            let after = Duration::from_millis(self.ctx.rng.random_range(50..1000));
            self.ctx.later(after, Happening::TakesOver { store: broker.store });
        }
        if is_off {
            self.ctx.net.power_off(number);
        }
    }

    fn restart(&mut self, number: usize) {
        let broker = &mut self.brokers[number];
        match broker.condition {
            Condition::Running | Condition::Paused => return,
            Condition::Down => {}
            Condition::Off => self.ctx.net.power_on(number),
        }
        broker.condition = Condition::Running;
        let after = Duration::from_millis(self.ctx.rng.random_range(1..300));
        self.ctx.later(after, Happening::TakesOver { store: broker.store });
    }

    fn resume(&mut self, number: usize) {
        let broker = &mut self.brokers[number];
        if broker.condition == Condition::Paused {
            broker.go_on(&mut self.ctx, &self.stores[broker.store]);
            // It may have stood still since before it was anybody's turn.
            self.ctx.later(Duration::from_millis(1), Happening::TakesOver { store: broker.store });
        }
    }

    /// Puts right all that is wrong.
    pub(super) fn heal(&mut self) {
        self.ctx.see(&Seen::Healed);
        for broker in 0..self.brokers.len() {
            self.restart(broker);
            self.resume(broker);
            self.brokers[broker].refuses = 0.0;
            self.brokers[broker].refuses_connections = None;
        }
        let ctx = &mut self.ctx;
        ctx.net.unknown.clear();
        ctx.net.hanging.clear();
        ctx.net.narrow.clear();
        for client in 0..self.clients.len() {
            for broker in 0..self.brokers.len() {
                ctx.net.mend((ctx.now, &mut ctx.rng, &mut ctx.agenda), client, broker);
            }
        }
    }
}
