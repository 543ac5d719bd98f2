//! A real ActiveMQ broker in a JVM of its own, to be killed, held and brought back.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::java::Java;
use crate::process::Running;

/// A start takes about a second; a busy machine and a recovery of the store take their time.
const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(20);

/// A broker. Dropping it kills its JVM, and so does the end of the process that started it.
#[derive(Debug)]
pub struct ActiveMq {
    options: ActiveMqOptions,
    port: u16,
    running: Option<Running>,
    data: TempDir,
}

/// What a broker is started with.
#[derive(Clone, Debug, Default)]
pub struct ActiveMqOptions {
    arguments: Vec<String>,
}

/// The counters of one destination since the broker was started; `size` is what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DestinationStats {
    /// Messages held.
    pub size: i64,
    /// Messages that came.
    pub enqueued: i64,
    /// Messages that were acknowledged or expired.
    pub dequeued: i64,
    /// Messages dispatched and not acknowledged.
    pub in_flight: i64,
    /// Consumers subscribed.
    pub consumers: i64,
    /// Producers registered.
    pub producers: i64,
}

impl ActiveMq {
    /// A broker in memory, open to everyone.
    #[must_use]
    pub fn start() -> Self {
        Self::options().start()
    }

    /// The options of a broker in memory, open to everyone, to be added to.
    #[must_use]
    pub fn options() -> ActiveMqOptions {
        ActiveMqOptions::default()
    }

    /// Where it accepts connections: `tcp://127.0.0.1:PORT`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// The port, which the system chose, and which stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it (SIGKILL), and returns the [`monotonic_ns`](crate::monotonic_ns) just before.
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn kill(&mut self) -> u64 {
        let at_ns = self.running().kill();
        self.running = None;
        at_ns
    }

    /// Stops it in order (SIGTERM).
    ///
    /// # Panics
    ///
    /// When it is not running, or does not end in time.
    pub fn stop(&mut self) {
        self.running().terminate(STOP);
        self.running = None;
    }

    /// Holds it (SIGSTOP): its connections stay open, and nothing answers.
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn pause(&mut self) {
        self.running().pause();
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn resume(&mut self) {
        self.running().resume();
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port and
    /// with the same store; a broker still running is killed first.
    ///
    /// # Panics
    ///
    /// When it does not accept connections in time.
    pub fn restart(&mut self) {
        self.running = None;
        let (running, port) = launch(&self.options, self.port, self.data.path());
        assert_eq!(port, self.port, "a restarted broker keeps its port");
        self.running = Some(running);
    }

    /// The counters of every destination, by name: `queue://ORDERS`.
    ///
    /// # Panics
    ///
    /// When it is not running, or held.
    pub fn stats(&mut self) -> BTreeMap<String, DestinationStats> {
        let answer = self.ask("stats", "stats");
        let all = answer["stats"].as_array().expect("the answer is a list").iter();
        all.map(|one| (one["destination"].as_str().unwrap_or_default().to_owned(), counters(one)))
            .collect()
    }

    /// The counters of one queue; all zero when the broker does not know it.
    ///
    /// # Panics
    ///
    /// When it is not running, or held.
    pub fn queue(&mut self, name: &str) -> DestinationStats {
        self.stats().remove(&format!("queue://{name}")).unwrap_or_default()
    }

    /// How many clients are connected.
    ///
    /// # Panics
    ///
    /// When it is not running, or held.
    pub fn connections(&mut self) -> u64 {
        count(&self.ask("connections", "connections"), "connections")
    }

    /// How many consumers there are, those of advisories left out, and the
    /// [`monotonic_ns`](crate::monotonic_ns) at which the last was registered, 0 if none was.
    ///
    /// # Panics
    ///
    /// When it is not running, or held.
    pub fn consumers(&mut self) -> (u64, u64) {
        let answer = self.ask("consumers", "consumers");
        (count(&answer, "consumers"), count(&answer, "last_ns"))
    }

    /// Closes every client's connection, and returns how many there were.
    ///
    /// # Panics
    ///
    /// When it is not running, or held.
    pub fn drop_connections(&mut self) -> u64 {
        count(&self.ask("drop", "dropped"), "dropped")
    }

    /// The process of the broker, for what is not offered here.
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("the broker was stopped: restart it first")
    }

    fn ask(&mut self, command: &str, key: &str) -> Value {
        let running = self.running();
        running.say(command);
        running.json_with(key, ANSWER)
    }
}

impl ActiveMqOptions {
    /// Starts a broker with these options, on a port the system chooses.
    ///
    /// # Panics
    ///
    /// When it does not accept connections in time.
    #[must_use]
    pub fn start(self) -> ActiveMq {
        let data = tempfile::tempdir().expect("a temporary directory can be made");
        let (running, port) = launch(&self, 0, data.path());
        ActiveMq { options: self, port, running: Some(running), data }
    }

    /// Starts a broker whose store is another's, which runs: it waits for that one's end. Its port is free
    /// now, and taken when its turn comes.
    ///
    /// # Panics
    ///
    /// When the system has no port left.
    #[must_use]
    pub fn start_slave(self) -> Slave {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port is free").port();
        let data = tempfile::tempdir().expect("a temporary directory can be made");
        let running = begin(&self, port, data.path());
        Slave { options: self, port, running, data }
    }

    /// The broker's name, which a network of brokers needs to be distinct.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// Keeps persistent messages in a KahaDB store in this directory, which outlives the broker.
    #[must_use]
    pub fn kahadb(self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        self.with("kahadb", &directory.display().to_string())
    }

    /// When KahaDB writes to the disk: `always` (the default), `periodic` or `never`.
    #[must_use]
    pub fn journal_sync(self, strategy: &str) -> Self {
        self.with("journal-sync", strategy)
    }

    /// Lets only such users in. To be called once a user.
    #[must_use]
    pub fn user(self, name: &str, password: &str) -> Self {
        self.with("user", &format!("{name}:{password}"))
    }

    /// Without advisory messages.
    #[must_use]
    pub fn without_advisories(self) -> Self {
        self.with("advisory", "false")
    }

    /// Keeps messages that are to be delivered later until then.
    #[must_use]
    pub fn scheduler(self) -> Self {
        self.with("scheduler", "true")
    }

    /// Has room for so many MiB of messages, instead of 256; who sends more than that is held up.
    #[must_use]
    pub fn memory_mib(self, mib: u32) -> Self {
        self.with("memory-mib", &mib.to_string())
    }

    /// After how much silence the broker takes a connection for dead.
    #[must_use]
    pub fn max_inactivity(self, duration: Duration) -> Self {
        let option = format!("wireFormat.maxInactivityDuration={}", duration.as_millis());
        self.connector_option(&option)
    }

    /// An option of the transport connector's URI: `KEY=VALUE`.
    #[must_use]
    pub fn connector_option(self, option: &str) -> Self {
        self.with("connector-option", option)
    }

    /// Tells failover clients of the brokers of the cluster.
    #[must_use]
    pub fn update_cluster_clients(self) -> Self {
        self.with("update-cluster-clients", "true")
    }

    /// Asks failover clients to spread over the cluster when a broker joins.
    #[must_use]
    pub fn rebalance_cluster_clients(self) -> Self {
        self.with("rebalance-cluster-clients", "true")
    }

    /// Tells failover clients also when a broker leaves.
    #[must_use]
    pub fn update_cluster_clients_on_remove(self) -> Self {
        self.with("update-cluster-clients-on-remove", "true")
    }

    /// Tells failover clients only of brokers whose name matches one of these expressions.
    #[must_use]
    pub fn update_cluster_filter(self, filter: &str) -> Self {
        self.with("update-cluster-filter", filter)
    }

    /// A bridge to other brokers: `static:(tcp://..)`.
    #[must_use]
    pub fn network(self, uri: &str) -> Self {
        self.with("network", uri)
    }

    /// Makes the bridges carry messages both ways.
    #[must_use]
    pub fn duplex(self) -> Self {
        self.with("network-duplex", "true")
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.arguments.push(format!("--{key}={value}"));
        self
    }
}

/// A broker that waits for the store it shares with another: it accepts no connection before that one is gone.
#[derive(Debug)]
pub struct Slave {
    options: ActiveMqOptions,
    port: u16,
    running: Running,
    data: TempDir,
}

impl Slave {
    /// Where it will accept connections.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Waits until it has the store, and accepts connections.
    ///
    /// # Panics
    ///
    /// When it does not in time.
    #[must_use]
    pub fn take_over(mut self) -> ActiveMq {
        await_ready(&mut self.running);
        let Self { options, port, running, data } = self;
        ActiveMq { options, port, running: Some(running), data }
    }
}

fn launch(options: &ActiveMqOptions, port: u16, data: &Path) -> (Running, u16) {
    let mut running = begin(options, port, data);
    let port = await_ready(&mut running);
    (running, port)
}

fn begin(options: &ActiveMqOptions, port: u16, data: &Path) -> Running {
    Java::program("Broker")
        .jvm("-Xmx512m")
        .jvm("-XX:TieredStopAtLevel=1")
        .arg(format!("--port={port}"))
        .arg(format!("--data={}", data.display()))
        .args(options.arguments.clone())
        .start()
}

fn await_ready(running: &mut Running) -> u16 {
    let ready = running.json_with("ready", START);
    u16::try_from(count(&ready, "port")).expect("a port has sixteen bits")
}

fn counters(stats: &Value) -> DestinationStats {
    let field = |name: &str| stats[name].as_i64().expect("a counter is a number");
    DestinationStats {
        size: field("size"),
        enqueued: field("enqueued"),
        dequeued: field("dequeued"),
        in_flight: field("in_flight"),
        consumers: field("consumers"),
        producers: field("producers"),
    }
}

fn count(answer: &Value, key: &str) -> u64 {
    answer[key].as_u64().unwrap_or_else(|| panic!("no number {key:?} in {answer}"))
}
