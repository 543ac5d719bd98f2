//! What a world consists of: its brokers, clients, network and faults, drawn from a seed or written by
//! hand.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rewire_failover::core::QueueLimits;
use rewire_failover::uri::{Attempts, BrokerUri, FailoverOptions, StartupAttempts};

use crate::agenda::Time;
use crate::faults::Fault;

/// A world before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What all that is left to chance comes from.
    pub seed: u64,
    /// For each broker, the store it works on. Brokers with the same store are master and slave.
    pub brokers: Vec<usize>,
    /// The clients.
    pub clients: Vec<ClientPlan>,
    /// What the network is like.
    pub network: NetworkPlan,
    /// What goes wrong, and when.
    pub faults: Vec<(Time, Fault)>,
    /// When all that is wrong is put right, and stays so.
    pub heal_at: Time,
    /// Whether what is in flight when a link dies may still reach its client.
    pub late_frames: bool,
    /// The share of answers that come twice.
    pub twice: f64,
    /// For each broker, whether it publishes another address than the name it is configured by.
    pub aliases: Vec<bool>,
}

/// How fast the network is, and what is noticed when.
#[derive(Clone, Copy, Debug)]
pub struct NetworkPlan {
    /// How long a frame takes at least.
    pub delay: Duration,
    /// How much longer it may take.
    pub jitter: Duration,
    /// How long a link may be silent.
    pub silence: Duration,
    /// How long a dial may take.
    pub dial_timeout: Duration,
}

/// A client before it begins.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// The option `initialReconnectDelay`.
    pub initial_delay: Duration,
    /// The option `maxReconnectDelay`.
    pub max_delay: Duration,
    /// The option `reconnectDelayExponent`; `None` without `useExponentialBackOff`.
    pub multiplier: Option<f64>,
    /// The option `maxReconnectAttempts`; `None` for no limit.
    pub attempts: Option<u32>,
    /// The option `startupMaxReconnectAttempts`; `None` when not set.
    pub startup_attempts: Option<u32>,
    /// The option `timeout`.
    pub timeout: Option<Duration>,
    /// The option `randomize`.
    pub randomize: bool,
    /// The option `reconnectJitter`.
    pub jitter: f64,
    /// The option `backupPoolSize`; `None` without `backup`.
    pub standbys: Option<u32>,
    /// The option `priorityURIs`, by names; `None` without `priorityBackup`.
    pub priority: Option<Vec<usize>>,
    /// How many brokers it is told of, from the first on.
    pub configured: usize,
    /// How much may wait.
    pub limits: QueueLimits,
    /// What the application does.
    pub work: Work,
}

/// What a client's application does.
#[derive(Clone, Debug)]
pub struct Work {
    /// Sessions that are opened at the start.
    pub sessions: u32,
    /// Producers in each.
    pub producers: u32,
    /// Consumers in each.
    pub consumers: u32,
    /// The time between two messages of a producer, on average.
    pub pace: Duration,
    /// How many messages a producer sends at a time, at most.
    pub burst: u32,
    /// How long a consumer thinks about a message, at most.
    pub thinking: Duration,
    /// How many messages a consumer has in its hands at a time.
    pub hands: u32,
    /// The share of messages that are dropped without an acknowledgement.
    pub gives_up: f64,
    /// How much later than its transport the application hears of something, at most.
    pub lag: Duration,
    /// How many messages a consumer may hold.
    pub prefetch: i32,
    /// The share of messages that are to survive their broker.
    pub persistent: f64,
    /// The share of messages whose sender does not wait for an answer.
    pub transmitted: f64,
    /// The time between two steps of a transaction, on average; zero without transactions.
    pub transacted: Duration,
    /// How often a session is closed and another opened; zero for never.
    pub turnover: Duration,
    /// The share of messages that are larger than some brokers take.
    pub large: f64,
    /// When the application closes; `None` for after all is done.
    pub close_at: Option<Time>,
    /// When it takes no deliveries, from and for how long.
    pub naps: Vec<(Time, Duration)>,
}

impl ClientPlan {
    /// The one place that knows how options are made.
    pub(crate) fn options(&self) -> FailoverOptions {
        let mut options = FailoverOptions::default();
        options.initial_reconnect_delay = self.initial_delay;
        options.max_reconnect_delay = self.max_delay;
        options.use_exponential_back_off = self.multiplier.is_some();
        options.reconnect_delay_exponent = self.multiplier.unwrap_or(2.0);
        options.randomize = self.randomize;
        options.reconnect_jitter = self.jitter;
        options.backup = self.standbys.is_some();
        options.backup_pool_size = self.standbys.unwrap_or(1);
        options.priority_backup = self.priority.is_some();
        let priority = self.priority.iter().flatten();
        options.priority_uris = priority.filter_map(|name| address(*name).parse().ok()).collect();
        options.timeout = self.timeout;
        options.max_reconnect_attempts =
            self.attempts.map_or(Attempts::Unlimited, Attempts::at_most);
        options.startup_max_reconnect_attempts =
            self.startup_attempts.map_or(StartupAttempts::AsLater, StartupAttempts::at_most);
        options
    }

    /// How many passes over all brokers may fail; `None` for any number.
    pub(crate) fn limit(&self, had_link: bool) -> Option<u32> {
        match (had_link, self.startup_attempts) {
            (false, Some(startup)) => Some(startup.max(1)),
            (false, None) => self.attempts.map(|attempts| attempts.max(1)),
            (true, _) => self.attempts,
        }
    }
}

/// The address of a broker, by its name in this world.
pub(crate) fn address(name: usize) -> String {
    format!("tcp://broker{name}:61616")
}

/// The other address of a broker, which leads to it whatever becomes of its name.
pub(crate) fn alias(broker: usize) -> String {
    format!("tcp://host{broker}:61616")
}

impl Plan {
    /// The addresses a client is given.
    pub(crate) fn uris(&self, client: usize) -> Vec<BrokerUri> {
        let names = 0..self.clients[client].configured;
        names.filter_map(|name| address(name).parse().ok()).collect()
    }

    /// The address that a broker publishes.
    pub(crate) fn published(&self, broker: usize) -> String {
        if self.aliases.get(broker).copied().unwrap_or_default() {
            alias(broker)
        } else {
            address(broker)
        }
    }

    /// How long after the end of all faults every client has to be connected again.
    ///
    /// A link that is half open has to be noticed; then one wait and one round, and another of each when
    /// a slave takes over just then. Whoever prefers a broker gets there after one more wait.
    pub(crate) fn heals_within(&self) -> Duration {
        let delay = |client: &ClientPlan| client.initial_delay + client.max_delay;
        let delay = self.clients.iter().map(delay).max().unwrap_or_default();
        let brokers = u32::try_from(self.brokers.len()).unwrap_or(u32::MAX);
        self.network.silence * 2
            + delay * 3
            + self.network.dial_timeout * 2 * brokers
            + Duration::from_secs(5)
    }

    /// Draws a world.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let rng = &mut rng;
        let heal_at = Duration::from_millis(rng.random_range(3_000..40_000));
        let brokers: u32 = rng.random_range(1..=4);
        let shared = rng.random_bool(0.5);
        let stores = (0..brokers as usize).map(|broker| if shared { broker / 2 } else { broker });
        // Whoever knows a slave alone would never find the master.
        let known = if shared { brokers as usize } else { rng.random_range(1..=brokers as usize) };
        let clients = (0..rng.random_range(1..=4)).map(|_| draw_client(rng, heal_at, known));
        let clients = clients.collect();
        let aliases = (0..brokers).map(|_| rng.random_bool(0.25)).collect();
        let mut plan = Self {
            seed,
            brokers: stores.collect(),
            clients,
            network: NetworkPlan {
                delay: Duration::from_micros(rng.random_range(100..20_000)),
                jitter: Duration::from_micros(rng.random_range(1..30_000)),
                silence: Duration::from_secs(rng.random_range(1..15)),
                dial_timeout: Duration::from_millis(rng.random_range(500..8_000)),
            },
            faults: Vec::new(),
            heal_at,
            late_frames: rng.random_bool(0.5),
            twice: if rng.random_bool(0.3) { 0.1 } else { 0.0 },
            aliases,
        };
        plan.faults = crate::faults::draw(rng, &plan);
        plan
    }
}

fn draw_client(rng: &mut SmallRng, heal_at: Time, configured: usize) -> ClientPlan {
    let pick = |rng: &mut SmallRng, list: &[u64]| list[rng.random_range(0..list.len())];
    let ms = Duration::from_millis;
    let initial = match rng.random_range(0..4) {
        0 => rng.random_range(1..3000),
        _ => pick(rng, &[0, 1, 5, 10, 10, 10, 10, 100, 1000]),
    };
    let max = pick(rng, &[50, 500, 2000, 10_000, 30_000]);
    let some_attempts =
        |rng: &mut SmallRng, share: f64| rng.random_bool(share).then(|| rng.random_range(0..12));
    ClientPlan {
        initial_delay: ms(initial),
        max_delay: ms(max),
        multiplier: rng
            .random_bool(0.75)
            .then(|| [1.0, 1.5, 2.0, 2.0, 3.7][rng.random_range(0..5)]),
        attempts: some_attempts(rng, 0.2),
        startup_attempts: some_attempts(rng, 0.15),
        timeout: rng.random_bool(0.3).then(|| ms(pick(rng, &[1, 100, 500, 3000, 10_000]))),
        randomize: rng.random_bool(0.5),
        jitter: if rng.random_bool(0.2) { rng.random() } else { 0.0 },
        standbys: rng.random_bool(0.3).then(|| rng.random_range(0..3)),
        priority: rng.random_bool(0.3).then(|| {
            let names = rng.random_range(0..=configured.min(2));
            (0..names).map(|_| rng.random_range(0..configured)).collect()
        }),
        configured,
        limits: QueueLimits {
            requests: rng.random_range(1..40),
            bytes: rng.random_range(1_000..200_000),
        },
        work: draw_work(rng, heal_at),
    }
}

fn draw_work(rng: &mut SmallRng, heal_at: Time) -> Work {
    let ms = Duration::from_millis;
    let moment = |rng: &mut SmallRng| heal_at.mul_f64(rng.random());
    Work {
        sessions: rng.random_range(1..3),
        producers: rng.random_range(0..3),
        consumers: rng.random_range(0..3),
        pace: ms(rng.random_range(20..1500)),
        burst: rng.random_range(1..6),
        thinking: ms([1, 50, 1000, 4000][rng.random_range(0..4)]),
        hands: rng.random_range(1..4),
        gives_up: [0.0, 0.0, 0.05][rng.random_range(0..3)],
        lag: ms([0, 0, 10, 300, 4000][rng.random_range(0..5)]),
        prefetch: rng.random_range(1..10),
        persistent: [0.0, 0.5, 1.0, 1.0][rng.random_range(0..4)],
        transmitted: [0.0, 0.2, 0.5][rng.random_range(0..3)],
        transacted: ms([0, 0, 30, 300][rng.random_range(0..4)]),
        turnover: ms([0, 700, 4000][rng.random_range(0..3)]),
        large: if rng.random_bool(0.2) { 0.2 } else { 0.0 },
        close_at: rng.random_bool(0.1).then(|| moment(rng)),
        naps: (0..rng.random_range(0..3))
            .map(|_| (moment(rng), ms(rng.random_range(1..5000))))
            .collect(),
    }
}
