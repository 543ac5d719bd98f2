//! A tour: a cluster of three brokers in this process, producers and consumers with one `failover:` URI; a broker
//! joins and clients are spread anew, one is killed, one is restarted. Shows who is connected where as it changes,
//! and ends with a ledger; exits 1 if anything was lost.
//!
//! `cargo run --release -p rewire-examples --example tour`

mod ledger;
mod screen;
mod work;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rewire_broker::testkit::{TestBroker, TestCluster};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::ledger::Ledger;
use crate::screen::{Row, Screen};

/// What happens, and when.
const STORY: [(Duration, Step); 4] = [
    (Duration::from_secs(2), Step::Join),
    (Duration::from_secs(4), Step::Kill),
    (Duration::from_secs(7), Step::Restart),
    (Duration::from_secs(10), Step::NoMoreOrders),
];
/// How long what was sent may take to come, once nothing more is sent.
const PATIENCE: Duration = Duration::from_secs(8);
const PRODUCERS: usize = 4;
/// The one that is killed.
const VICTIM: usize = 1;

#[derive(Clone, Copy)]
enum Step {
    Join,
    Kill,
    Restart,
    NoMoreOrders,
}

#[tokio::main]
async fn main() -> rewire::Result<ExitCode> {
    let mut tour = Tour::begin().await?;
    let is_lost = tour.run().await?;
    Ok(if is_lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Tour {
    cluster: TestCluster,
    /// The brokers that clients are given to begin with; these tell them of others.
    uri: String,
    ledger: Arc<Ledger>,
    screen: Screen,
    /// Said once to producers, and once to consumers.
    stop_sending: watch::Sender<bool>,
    stop_receiving: watch::Sender<bool>,
    producers: JoinSet<rewire::Result<()>>,
    consumers: JoinSet<rewire::Result<()>>,
}

impl Tour {
    async fn begin() -> rewire::Result<Self> {
        let cluster = TestCluster::builder().brokers(3).joined().start().await;
        let brokers: Vec<&str> = cluster.brokers().iter().map(TestBroker::uri).collect();
        let options = "initialReconnectDelay=10&maxReconnectDelay=100";
        let uri = format!("failover:({})?{options}", brokers.join(","));
        let mut tour = Self {
            cluster,
            uri,
            ledger: Arc::default(),
            screen: Screen::new(),
            stop_sending: watch::Sender::new(false),
            stop_receiving: watch::Sender::new(false),
            producers: JoinSet::new(),
            consumers: JoinSet::new(),
        };
        for broker in 0..3 {
            tour.add_consumer(broker);
        }
        for number in 0..PRODUCERS {
            let name = format!("shop-{number}");
            let stop = tour.stop_sending.subscribe();
            let ledger = Arc::clone(&tour.ledger);
            tour.producers.spawn(work::produce(tour.uri.clone(), name, number, ledger, stop));
        }
        Ok(tour)
    }

    /// A consumer that is at home at this broker. These brokers do not forward messages to each other, so a
    /// queue has to be consumed at each of them.
    fn add_consumer(&mut self, home: usize) {
        let uri =
            format!("{}&priorityBackup=true&priorityURIs={}", self.uri, self.cluster[home].uri());
        let stop = self.stop_receiving.subscribe();
        let work = work::consume(uri, format!("packer-{home}"), Arc::clone(&self.ledger), stop);
        self.consumers.spawn(work);
    }

    /// Tells the story. Whether anything was lost.
    async fn run(&mut self) -> rewire::Result<bool> {
        let begun = Instant::now();
        let mut story = STORY.iter().peekable();
        let mut deadline = None;
        let mut ticks = interval(Duration::from_millis(50));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = begun.elapsed();
            if let Some((_, step)) = story.next_if(|(at, _)| *at <= now) {
                self.act(*step, now).await?;
                if matches!(step, Step::NoMoreOrders) {
                    deadline = Some(now + PATIENCE);
                }
            }
            let rows = self.rows().await;
            self.screen.show(now, &rows, &self.ledger.brief());
            let is_over = deadline.is_some_and(|deadline| now >= deadline);
            if is_over || (deadline.is_some() && self.ledger.lost() == 0) {
                break;
            }
            // Whoever cannot go on ends the tour.
            while let Some(ended) = self.consumers.try_join_next() {
                ended.expect("a consumer does not panic")?;
            }
        }
        self.stop_receiving.send_replace(true);
        while let Some(ended) = self.consumers.join_next().await {
            ended.expect("a consumer does not panic")?;
        }
        self.screen.end(&self.ledger.lines());
        Ok(self.ledger.lost() > 0)
    }

    async fn act(&mut self, step: Step, now: Duration) -> rewire::Result<()> {
        match step {
            Step::Join => {
                let home = self.cluster.brokers().len();
                self.cluster.add().await;
                self.add_consumer(home);
                let news = format!("broker{home} joins: clients are told, and spread over all");
                self.screen.news(now, &news);
            }
            Step::Kill => {
                self.cluster[VICTIM].kill().await;
                self.screen.news(now, &format!("broker{VICTIM} is killed"));
            }
            Step::Restart => {
                self.cluster[VICTIM].restart().await;
                let news = format!("broker{VICTIM} is restarted, with what it had stored");
                self.screen.news(now, &news);
            }
            Step::NoMoreOrders => {
                self.stop_sending.send_replace(true);
                let all = async {
                    while let Some(ended) = self.producers.join_next().await {
                        ended.expect("a producer does not panic")?;
                    }
                    Ok(())
                };
                // What is not confirmed by then is not in the account.
                timeout(PATIENCE, all).await.unwrap_or(Ok(()))?;
                self.screen.news(now, "the shops close; what is on its way arrives");
            }
        }
        Ok(())
    }

    async fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for broker in self.cluster.brokers() {
            let (mut clients, mut waiting) = (None, broker.store().len());
            if broker.is_running().await {
                clients = Some(broker.clients().await);
                waiting = broker.messages(work::QUEUE).await;
            }
            rows.push(Row { broker: broker.name().to_owned(), clients, waiting });
        }
        rows
    }
}
