//! `TestBroker`: one broker of a [`TestCluster`](super::TestCluster), and what can be done to it.

use std::time::Duration;

use rewire_protocol::{Command, Destination};
use tokio::sync::Mutex;

use super::process::Process;
use super::{Direction, FaultProxy};
use crate::core::{BrokerCore, DestinationStats};
use crate::{Broker, BrokerBuilder, MemoryStore};

/// How each broker is set up.
pub(super) type Setup = std::sync::Arc<dyn Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync>;

/// A broker with a thread of its own, an address that stays the same, and a network that fails when it is
/// told to. What it has stored survives it.
///
/// What is done to it has happened when the method returns, or the future is ready.
///
/// # Panics
///
/// Its methods panic with a sentence when what is asked cannot be: a question to a broker that is not running,
/// say. That is what a test wants.
pub struct TestBroker {
    name: String,
    proxy: FaultProxy,
    store: MemoryStore,
    setup: Setup,
    process: Mutex<Option<Process>>,
}

impl std::fmt::Debug for TestBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestBroker")
            .field("name", &self.name)
            .field("uri", &self.uri())
            .finish_non_exhaustive()
    }
}

impl TestBroker {
    pub(super) async fn start(name: String, setup: Setup) -> Self {
        // Where it forwards to is known when the broker is there.
        let proxy = FaultProxy::start(1);
        let store = MemoryStore::new();
        let broker = Self { name, proxy, store, setup, process: Mutex::new(None) };
        broker.restart().await;
        broker
    }

    /// Its name: `broker0` is the first of a cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, which stays the same when it is restarted: `tcp://127.0.0.1:PORT`.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.proxy.uri()
    }

    /// The network between it and its clients: delays, black holes, resets and more.
    #[must_use]
    pub const fn network(&self) -> &FaultProxy {
        &self.proxy
    }

    /// What it keeps when it ends.
    #[must_use]
    pub const fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Stops it in order: its clients are told, what is on its way to them is sent, at most for five
    /// seconds. Then its address refuses. Nothing happens when it is not running.
    pub async fn stop(&self) {
        let process = self.process.lock().await.take();
        if let Some(mut process) = process {
            process.resume();
            process.stop().await;
        }
        self.proxy.refuse();
        self.proxy.reset();
    }

    /// Kills it, as SIGKILL does: its links break in the middle of whatever they carry, nobody is told,
    /// what was not stored is lost, and its address refuses. Nothing happens when it is not running.
    pub async fn kill(&self) {
        let process = self.process.lock().await.take();
        self.proxy.refuse();
        if let Some(process) = process {
            process.kill().await;
        }
        self.proxy.reset();
    }

    /// Starts it again, at the same address and with what it has stored. It is killed first if it is running.
    pub async fn restart(&self) {
        self.kill().await;
        let builder = Broker::builder().name(&self.name).store(self.store.clone());
        let builder = (self.setup)(builder).listen("tcp://127.0.0.1:0").watch(self.uri());
        let started = Process::start(builder, &self.name).await;
        let process =
            started.unwrap_or_else(|error| panic!("{} does not start: {error}", self.name));
        self.proxy.redirect(&format!("tcp://{}", process.address));
        *self.process.lock().await = Some(process);
        self.proxy.accept();
    }

    /// Lets it stand still, as SIGSTOP does: it hears and says nothing, and its sockets stay open. Clients can
    /// connect, and wait.
    pub async fn pause(&self) {
        let mut process = self.process.lock().await;
        let process = process.as_mut().unwrap_or_else(|| panic!("{} is not running", self.name));
        if !process.is_paused() {
            process.pause().await;
        }
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub async fn resume(&self) {
        if let Some(process) = self.process.lock().await.as_mut() {
            process.resume();
        }
    }

    /// Whether it runs, paused or not.
    pub async fn is_running(&self) -> bool {
        self.process.lock().await.is_some()
    }

    /// Resets the links of all its clients. They can come back at once.
    pub fn cut(&self) {
        self.proxy.reset();
    }

    /// Lets everything come so much later, both ways.
    pub fn delay(&self, delay: Duration) {
        self.proxy.delay(Direction::Both, delay);
    }

    /// Loses all that goes between it and its clients, as a broken route does, until [`mend`](Self::mend).
    pub fn black_hole(&self) {
        self.proxy.black_hole(Direction::Both);
    }

    /// Ends delays, black holes and other faults of its network.
    ///
    /// # Panics
    ///
    /// When the broker is not running: it is not the network that is broken then.
    pub async fn mend(&self) {
        assert!(self.is_running().await, "{} is not running: restart it", self.name);
        self.proxy.clear();
    }

    /// Leaves out its next answer. The link goes on: a client without a limit on its requests waits for
    /// ever.
    pub fn drop_next_reply(&self) {
        self.proxy.drop_replies(1);
    }

    /// Resets a link in place of its next answer: what was asked is done, and the client does not know.
    pub fn cut_next_reply(&self) {
        self.proxy.cut_replies(1);
    }

    /// Refuses whoever connects from now on, as if the password were wrong, until
    /// [`admit_logins`](Self::admit_logins) or a restart. Who is connected stays.
    pub async fn refuse_logins(&self) {
        self.ask(|core| core.refuse_logins(true)).await;
    }

    /// Lets clients in again.
    pub async fn admit_logins(&self) {
        self.ask(|core| core.refuse_logins(false)).await;
    }

    /// Has no memory left: what producers send waits, until [`free_memory`](Self::free_memory) or a restart.
    pub async fn fill_memory(&self) {
        self.ask(|core| core.fill_memory(true)).await;
    }

    /// Has memory again.
    pub async fn free_memory(&self) {
        self.ask(|core| core.fill_memory(false)).await;
    }

    /// How many messages a queue holds, with those at consumers that are not acknowledged yet. `queue://ORDERS`,
    /// `topic://NEWS`, or a bare name for a queue.
    pub async fn messages(&self, destination: &str) -> usize {
        let stats = self.stats(destination).await;
        stats.pending + stats.in_flight
    }

    /// What a queue or topic holds, and who is there; all zero when there is no such destination.
    pub async fn stats(&self, destination: &str) -> DestinationStats {
        let destination = match destination.split_once("://") {
            None => Destination::queue(destination),
            Some(("queue", name)) => Destination::queue(name),
            Some(("topic", name)) => Destination::topic(name),
            Some(_) => {
                panic!("{destination}: give queue://NAME, topic://NAME or the name of a queue")
            }
        };
        self.ask(move |core| core.stats(&destination)).await.unwrap_or_default()
    }

    /// The names of the brokers that it knows, itself first, if they are
    /// [`joined`](super::TestClusterBuilder::joined).
    pub async fn cluster(&self) -> Vec<String> {
        self.ask(|core| core.cluster().map(|member| member.name).collect()).await
    }

    /// The ids of the clients that are connected, in order; other brokers are none.
    pub async fn clients(&self) -> Vec<String> {
        self.ask(|core| core.client_ids()).await
    }

    /// How many commands of a kind it has heard since it was started: `Message`, `ConnectionInfo`,
    /// `ConsumerInfo`, `MessageAck` and so on.
    pub async fn heard(&self, kind: &str) -> u64 {
        let is_known = kind == "Message" || Command::named(kind).is_some();
        assert!(is_known, "there is no command {kind}: Message, ConnectionInfo, MessageAck ..");
        let probe = self.running().await;
        probe.heard(kind).await.unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut BrokerCore) -> T + Send + 'static,
    ) -> T {
        let probe = self.running().await;
        probe.ask(question).await.unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    async fn running(&self) -> crate::server::Probe {
        match &*self.process.lock().await {
            Some(process) if process.is_paused() => panic!("{} is paused: resume it", self.name),
            Some(process) => process.probe.clone(),
            None => panic!("{} is not running: restart it", self.name),
        }
    }
}
