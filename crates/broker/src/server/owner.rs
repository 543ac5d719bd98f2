//! The one task that owns the core: what links and the store report goes in, what comes out is done.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use rewire_protocol::{BrokerInfo, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::bridge::{Bridge, Orders, connection};
use super::listener::{Door, Listener};
use super::outbox::{Outbox, Share};
use super::passwords::Gate;
use super::writer::{Answer, Commit, Stored, Writer};
use super::{Clock, Mode, Order, left, now, sleep_until};
use crate::cluster::BridgeId;
use crate::core::{BrokerConfig, BrokerCore, Event, Input, LinkId, Output, StoreReport, Ticket};

/// Reports taken in before what they brought is handed on: a burst is one batch for each link.
const MAX_BURST: usize = 256;
/// Sockets beyond the limit of connections whose clients have not introduced themselves, or are told that
/// they are too many; at least, and a quarter of that limit otherwise.
const STRANGERS: usize = 64;
/// How long a stop may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a link reports.
#[derive(Debug)]
pub(super) enum Report {
    /// Its handshake is done.
    Opened { link: LinkId, peer: String, url: String, provider: Option<String>, outbox: Outbox },
    /// Who is there has the password of this user.
    Proven(LinkId, String),
    /// Commands have come.
    Received(LinkId, Vec<Command>),
    /// So much of what it was to send is written.
    Written(LinkId, usize),
    /// It is over.
    Closed(LinkId),
    /// A broker that was dialled says who it is.
    Peer(BridgeId, Box<BrokerInfo>),
    /// The link to it is over.
    PeerLost(BridgeId),
}

pub(super) struct Owner {
    core: BrokerCore,
    clock: Clock,
    reports: mpsc::Receiver<Report>,
    orders: mpsc::Receiver<Order>,
    mode: watch::Receiver<Mode>,
    writer: Option<Writer>,
    stored: Option<mpsc::Receiver<Stored>>,
    /// Up to where the store has answered.
    settled: Ticket,
    /// What it has done, if there is one.
    commits: Option<StoreReport>,
    outboxes: HashMap<LinkId, Outbox>,
    /// What each of them may hold, of how much in all.
    share: Share,
    outgoing_bytes: usize,
    /// What the links are to say that were dialled to other brokers.
    bridges: HashMap<BridgeId, watch::Sender<Orders>>,
    /// Links for which something waits that did not before.
    touched: Vec<LinkId>,
    /// Why the store has failed, if it has.
    failure: watch::Sender<Option<String>>,
    #[cfg(feature = "testkit")]
    watch: super::probe::Watch,
}

impl Owner {
    pub(super) fn new(
        core: BrokerCore,
        clock: Clock,
        reports: mpsc::Receiver<Report>,
        orders: mpsc::Receiver<Order>,
        mode: watch::Receiver<Mode>,
        store: Option<(Writer, mpsc::Receiver<Stored>)>,
        outgoing_bytes: usize,
    ) -> Self {
        let commits = store.as_ref().map(|_| StoreReport::default());
        let (writer, stored) = store.unzip();
        Self {
            core,
            clock,
            reports,
            orders,
            mode,
            writer,
            stored,
            settled: Ticket(0),
            commits,
            outboxes: HashMap::new(),
            share: Share::default(),
            outgoing_bytes,
            bridges: HashMap::new(),
            touched: Vec::new(),
            failure: watch::Sender::default(),
            #[cfg(feature = "testkit")]
            watch: super::probe::Watch::default(),
        }
    }

    /// Why the store has failed, once it has.
    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    #[cfg(feature = "testkit")]
    pub(super) fn watched_by(&mut self, watch: super::probe::Watch) {
        self.watch = watch;
    }

    /// Runs until the broker is stopped or killed.
    pub(super) async fn run(
        mut self,
        listeners: Vec<Listener>,
        inbox: mpsc::Sender<Report>,
        config: &BrokerConfig,
    ) {
        let limit = config.limits.connections;
        let door = Door {
            inbox,
            mode: self.mode.clone(),
            next_link: Arc::new(AtomicU64::new(1)),
            open: Arc::new(AtomicUsize::new(0)),
            limit: limit.saturating_add((limit / 4).max(STRANGERS)),
            share: self.share.clone(),
            gate: Gate::new(config),
        };
        let mut tasks = JoinSet::new();
        for bridge in self.bridges(config, &door.inbox) {
            tasks.spawn(bridge.run());
        }
        for listener in listeners {
            tasks.spawn(listener.run(door.clone()));
        }
        self.serve().await;
        // From now on the end of the last link is the end of reports.
        drop(door);
        if *self.mode.borrow() == Mode::Stop {
            let stopped = tokio::time::timeout(PATIENCE, self.wind_up()).await;
            if stopped.is_err() {
                tracing::warn!("some clients did not take what was to be sent to them in time");
            }
            self.settle().await;
        }
        self.stored = None;
        if let Some(writer) = self.writer.take() {
            writer.finish().await;
        }
        // The addresses are free again when this returns.
        tasks.shutdown().await;
    }

    /// The links to other brokers, to be kept up.
    fn bridges(&mut self, config: &BrokerConfig, inbox: &mpsc::Sender<Report>) -> Vec<Bridge> {
        let mut bridges = Vec::new();
        for (id, connector, uri) in config.cluster.bridges() {
            let (orders, follow) = watch::channel(Orders::default());
            self.bridges.insert(id, orders);
            bridges.push(Bridge {
                id,
                uri: uri.clone(),
                connection: connection(&config.name, &config.id, id.0, connector),
                inbox: inbox.clone(),
                orders: follow,
                mode: self.mode.clone(),
            });
        }
        bridges
    }

    async fn serve(&mut self) {
        let mut reports = Vec::with_capacity(MAX_BURST);
        loop {
            let due = self.core.poll_timeout();
            tokio::select! {
                biased;
                () = left(&mut self.mode, |mode| mode == Mode::Run) => return,
                Some(stored) = next(&mut self.stored) => self.on_stored(stored),
                Some(order) = self.orders.recv() => self.on_order(order),
                _ = self.reports.recv_many(&mut reports, MAX_BURST) => {
                    for report in reports.drain(..) {
                        self.on_report(report);
                    }
                }
                () = sleep_until(due) => self.input(Input::Timeout),
            }
            self.flush();
        }
    }

    /// Hangs everybody up, and waits until they are gone.
    async fn wind_up(&mut self) {
        self.input(Input::Stop);
        self.flush();
        while !self.outboxes.is_empty() {
            let due = self.core.poll_timeout();
            tokio::select! {
                biased;
                Some(stored) = next(&mut self.stored) => self.on_stored(stored),
                report = self.reports.recv() => match report {
                    Some(report) => self.on_report(report),
                    None => return,
                },
                () = sleep_until(due) => self.input(Input::Timeout),
            }
            self.flush();
        }
    }

    /// Waits until all is stored, answered or not, however slow the disk is: who stops in order forgets
    /// nothing.
    async fn settle(&mut self) {
        while self.writer.as_ref().is_some_and(|w| !w.is_idle() || self.settled < w.last()) {
            let Some(stored) = next(&mut self.stored).await else { return };
            self.on_stored(stored);
            self.flush();
        }
    }

    fn on_report(&mut self, report: Report) {
        match report {
            Report::Opened { link, peer, url, provider, outbox } => {
                #[cfg(feature = "testkit")]
                let url = self.watch.published.clone().unwrap_or(url);
                self.outboxes.insert(link, outbox);
                self.share.divide(self.outgoing_bytes, self.outboxes.len());
                self.input(Input::Opened { link, peer, url });
                if let Some(provider) = provider {
                    self.input(Input::Introduced { link, provider });
                }
                if *self.mode.borrow() != Mode::Run {
                    self.hang_up(link);
                }
            }
            Report::Proven(link, user) => self.input(Input::Proven { link, user }),
            Report::Received(link, commands) => {
                for command in commands {
                    #[cfg(feature = "testkit")]
                    self.watch.hear(&command);
                    self.input(Input::Received(link, command));
                }
            }
            Report::Written(link, bytes) => {
                if let Some(outbox) = self.outboxes.get_mut(&link) {
                    outbox.on_written(bytes);
                    self.touched.push(link);
                }
            }
            Report::Closed(link) => {
                self.outboxes.remove(&link);
                self.share.divide(self.outgoing_bytes, self.outboxes.len());
                self.input(Input::Closed(link));
            }
            Report::Peer(bridge, info) => self.input(Input::Peer(bridge, info)),
            Report::PeerLost(bridge) => self.input(Input::PeerLost(bridge)),
        }
    }

    fn on_stored(&mut self, stored: Stored) {
        match stored {
            Ok(Answer { loaded, stored }) => {
                for (load, messages) in loaded {
                    self.input(Input::Loaded(load, messages));
                }
                if let Some(Commit { ticket, took }) = stored {
                    self.commits.iter_mut().for_each(|commits| commits.on_commit(took));
                    self.settled = ticket;
                    self.input(Input::Stored(ticket));
                }
            }
            Err(error) => {
                // The thread is gone: what is said to it from now on is not heard.
                (self.writer, self.stored) = (None, None);
                self.input(Input::StoreFailed(error.to_string()));
            }
        }
    }

    #[cfg_attr(
        not(feature = "testkit"),
        expect(clippy::needless_pass_by_ref_mut, reason = "only read")
    )]
    fn on_order(&mut self, order: Order) {
        // Whoever asked may have gone.
        match order {
            Order::Stats(destination, reply) => {
                let _ = reply.send(self.core.stats(&destination));
            }
            Order::Connections(reply) => {
                let _ = reply.send(self.core.connections());
            }
            Order::Cluster(reply) => {
                let _ = reply.send(self.core.cluster().collect());
            }
            Order::MemoryUsed(reply) => {
                let _ = reply.send(self.core.memory_used());
            }
            Order::Report(most, reply) => {
                let mut report = self.core.report(most);
                report.store = self.commits.clone().filter(|_| !report.store_failed);
                let _ = reply.send(report);
            }
            #[cfg(feature = "testkit")]
            Order::Probe(question) => {
                question.ask(&mut self.core, &self.watch);
                // What was changed may let somebody go on.
                self.input(Input::Timeout);
            }
        }
    }

    /// Hands an input to the core and does what it says.
    fn input(&mut self, input: Input) {
        let now = self.clock.now();
        let Self { core, outboxes, bridges, touched, writer, failure, .. } = self;
        for output in core.handle(now, input) {
            match output {
                Output::Send(link, outgoing) => {
                    if let Some(outbox) = outboxes.get_mut(&link)
                        && outbox.push(outgoing)
                    {
                        touched.push(link);
                    }
                }
                Output::Pause(link) => {
                    outboxes.get_mut(&link).into_iter().for_each(|outbox| outbox.pause(true));
                }
                Output::Resume(link) => {
                    outboxes.get_mut(&link).into_iter().for_each(|outbox| outbox.pause(false));
                }
                Output::HangUp(link) => {
                    outboxes.get_mut(&link).into_iter().for_each(Outbox::hang_up);
                }
                Output::Introduce(bridge, info) => {
                    order(bridges, bridge, Orders::Introduce(info));
                }
                Output::Unbridge(bridge) => order(bridges, bridge, Orders::Over),
                Output::Store(ticket, writes) => {
                    if let Some(writer) = writer {
                        writer.push(ticket, writes);
                    }
                }
                Output::Load(load, place, sequences) => {
                    if let Some(writer) = writer {
                        writer.load(load, place, sequences);
                    }
                }
                Output::Event(event) => {
                    trace(&event);
                    if let Event::StoreFailed(problem) = event {
                        failure.send_replace(Some(problem));
                    }
                }
            }
        }
    }

    fn hang_up(&mut self, link: LinkId) {
        if let Some(outbox) = self.outboxes.get_mut(&link) {
            outbox.hang_up();
        }
    }

    /// Hands on what waits for links and for the store.
    fn flush(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.flush();
        }
        let mut touched = VecDeque::from(std::mem::take(&mut self.touched));
        while let Some(link) = touched.pop_front() {
            let Some(outbox) = self.outboxes.get_mut(&link) else { continue };
            outbox.flush();
            let congestion = outbox.poll_congestion();
            match congestion {
                Some(true) => self.input(Input::Congested(link)),
                Some(false) => self.input(Input::Relieved(link)),
                None => {}
            }
            touched.extend(self.touched.drain(..));
        }
        // Taken up again, so that it is not made anew each time.
        self.touched = touched.into();
        if let Some(writer) = &mut self.writer {
            writer.flush();
        }
    }
}

fn order(bridges: &HashMap<BridgeId, watch::Sender<Orders>>, bridge: BridgeId, orders: Orders) {
    if let Some(sender) = bridges.get(&bridge) {
        sender.send_replace(orders);
    }
}

async fn next(stored: &mut Option<mpsc::Receiver<Stored>>) -> Option<Stored> {
    match stored {
        Some(stored) => stored.recv().await,
        None => std::future::pending().await,
    }
}

/// The one place where events become lines.
fn trace(event: &Event) {
    match event {
        Event::Connected { client_id, peer } => tracing::info!(client_id, peer, "connected"),
        Event::Disconnected { client_id } => tracing::info!(client_id, "disconnected"),
        Event::Refused { peer, reason } => tracing::warn!(peer, reason, "refused"),
        Event::MemoryFull { peer } => tracing::warn!(peer, "waits for memory"),
        Event::Joined { name, address } => tracing::info!(name, address, "a broker has joined"),
        Event::Left { name } => tracing::info!(name, "a broker has left"),
        Event::PeerRefused { peer, reason } => {
            tracing::error!(peer, reason, "not one of the cluster")
        }
        Event::Loop { peer } => {
            tracing::info!(peer, "leads back to this broker: not dialled any more")
        }
        Event::StoreFailed(problem) => tracing::error!(problem, "the store failed"),
    }
}

/// When a link that is hung up has to be gone.
pub(super) fn linger() -> std::time::Instant {
    const LINGER: Duration = Duration::from_secs(2);
    now() + LINGER
}
