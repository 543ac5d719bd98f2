//! `TestCluster`: some brokers in this process, to test an application against.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::broker::{Setup, TestBroker};
use crate::BrokerBuilder;

/// How long [`eventually`] waits.
const SOON: Duration = Duration::from_secs(10);
/// How long between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Brokers that run in this process, each with a thread and an address of its own, and that fail when they are
/// told to. They start in milliseconds, on ports that are free, and nothing of them is left when the cluster is
/// dropped.
///
/// Messages that are persistent survive a kill, as on a disk; everything else is lost with its broker. Brokers
/// do not forward messages to each other: what was sent to one is consumed there. Nor do they know each other,
/// unless they are [`joined`](TestClusterBuilder::joined).
///
/// The brokers are in real time: do not stop the clock of the runtime in such a test.
///
/// ```
/// # use rewire_broker::testkit::TestCluster;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cluster = TestCluster::start(2).await;
/// println!("connect to {}", cluster.failover_uri());
/// cluster[0].kill().await;
/// assert_eq!(cluster[1].messages("ORDERS").await, 0);
/// cluster[0].restart().await;
/// # }
/// ```
pub struct TestCluster {
    brokers: Vec<TestBroker>,
    setup: Setup,
    is_joined: bool,
}

impl fmt::Debug for TestCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCluster").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

/// A cluster to be set up.
pub struct TestClusterBuilder {
    brokers: usize,
    setup: Setup,
    is_joined: bool,
}

impl fmt::Debug for TestClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TestClusterBuilder");
        shown.field("brokers", &self.brokers).finish_non_exhaustive()
    }
}

impl TestClusterBuilder {
    /// How many brokers there are to begin with. Default 1.
    #[must_use]
    pub const fn brokers(mut self, count: usize) -> Self {
        self.brokers = count;
        self
    }

    /// Sets up each broker, whenever it starts: users, limits, and whatever else a [`BrokerBuilder`] takes. Its
    /// name, address and store are the cluster's.
    #[must_use]
    pub fn configure(
        mut self,
        setup: impl Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync + 'static,
    ) -> Self {
        self.setup = Arc::new(setup);
        self
    }

    /// Lets the brokers know each other, as network connectors do: clients are told which brokers there are and
    /// which have gone, and are spread evenly over them (`updateClusterClients`, `rebalanceClusterClients`,
    /// `updateClusterClientsOnRemove`; [`configure`](Self::configure) may switch them off). Default not.
    ///
    /// The brokers reach each other over the same networks as clients do: who is cut off is cut off from both.
    /// That one is gone is noticed at once, and that one is back within 50 ms; clients are spread anew within
    /// seconds. Where brokers have users they log in to each other as the first of them, by name.
    ///
    /// ```
    /// # use rewire_broker::testkit::{TestCluster, eventually};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut cluster = TestCluster::builder().brokers(2).joined().start().await;
    /// cluster.add().await;
    /// eventually("all three know each other", async || cluster[0].cluster().await.len() == 3).await;
    /// cluster[2].stop().await; // its clients are told where to go, and go
    /// # }
    /// ```
    #[must_use]
    pub const fn joined(mut self) -> Self {
        self.is_joined = true;
        self
    }

    /// Starts the brokers. They accept connections when this returns.
    ///
    /// # Panics
    ///
    /// When one does not start.
    pub async fn start(self) -> TestCluster {
        let Self { brokers, setup, is_joined } = self;
        let mut cluster = TestCluster { brokers: Vec::new(), setup, is_joined };
        for _ in 0..brokers {
            cluster.add().await;
        }
        cluster
    }
}

impl TestCluster {
    /// So many brokers, which are set up as by default.
    ///
    /// # Panics
    ///
    /// When one does not start.
    pub async fn start(brokers: usize) -> Self {
        Self::builder().brokers(brokers).start().await
    }

    /// A cluster to be set up.
    #[must_use]
    pub fn builder() -> TestClusterBuilder {
        TestClusterBuilder { brokers: 1, setup: Arc::new(|builder| builder), is_joined: false }
    }

    /// One more broker joins. Its number is the next.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn add(&mut self) -> &TestBroker {
        let number = self.brokers.len();
        let broker = TestBroker::start(format!("broker{number}"), self.setup()).await;
        self.brokers.push(broker);
        &self.brokers[number]
    }

    /// How the next broker is set up.
    fn setup(&self) -> Setup {
        let setup = Arc::clone(&self.setup);
        if !self.is_joined {
            return setup;
        }
        // Those that come later find it.
        let others: Vec<String> =
            self.brokers.iter().map(|broker| broker.uri().to_owned()).collect();
        Arc::new(move |builder| {
            let builder = builder
                .update_cluster_clients(true)
                .rebalance_cluster_clients(true)
                .update_cluster_clients_on_remove(true);
            setup(builder).join(&others)
        })
    }

    /// The brokers, in order.
    #[must_use]
    pub fn brokers(&self) -> &[TestBroker] {
        &self.brokers
    }

    /// A URI of all brokers that there are by now, with options for a test: they are tried in order, from the
    /// first, and again within milliseconds.
    #[must_use]
    pub fn failover_uri(&self) -> String {
        let uris: Vec<&str> = self.brokers.iter().map(TestBroker::uri).collect();
        let options = "randomize=false&initialReconnectDelay=1&maxReconnectDelay=20";
        format!("failover:({})?{options}", uris.join(","))
    }
}

impl Index<usize> for TestCluster {
    type Output = TestBroker;

    fn index(&self, number: usize) -> &TestBroker {
        let count = self.brokers.len();
        self.brokers.get(number).unwrap_or_else(|| panic!("no broker {number}, there are {count}"))
    }
}

/// Waits until something holds, in place of a sleep.
///
/// # Panics
///
/// When it does not within ten seconds, with what was waited for.
///
/// # Cancel safety
///
/// It is not looked at any more when the future is dropped.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let held = timeout(SOON, async {
        while !holds().await {
            sleep_until(Instant::now() + BETWEEN_LOOKS).await;
        }
    });
    assert!(held.await.is_ok(), "not within {SOON:?}: {what}");
}
