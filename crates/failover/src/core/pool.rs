//! The brokers there are to try, and the order of a round.

use std::collections::VecDeque;

use rand::Rng;
use rand::seq::SliceRandom;

use super::topology::{BrokerSource, KnownBroker, Topology};
use crate::uri::{BrokerUri, FailoverOptions};

/// Brokers whose published address is remembered.
const MAX_NAMES: usize = 64;

/// The configured brokers, and those that were named since.
#[derive(Debug)]
pub(crate) struct BrokerPool {
    configured: Vec<BrokerUri>,
    pushed: Vec<BrokerUri>,
    discovered: Vec<BrokerUri>,
    randomize: bool,
    /// The brokers that are preferred, and are tried first then.
    priority: Option<Vec<BrokerUri>>,
    /// Brokers by the address they were dialled at, and the one they publish.
    names: VecDeque<(BrokerUri, BrokerUri)>,
    /// The broker that was lost or failed last: tried last in the next round.
    last_failed: Option<BrokerUri>,
    /// Brokers on which no standby could be had, the last one last: tried last for one.
    without_standby: Vec<BrokerUri>,
}

impl BrokerPool {
    /// Brokers that are the same, by host as written and port, are kept once.
    pub(crate) fn new(configured: Vec<BrokerUri>, options: &FailoverOptions) -> Self {
        let mut brokers: Vec<BrokerUri> = Vec::with_capacity(configured.len());
        for broker in configured {
            if !brokers.contains(&broker) {
                brokers.push(broker);
            }
        }
        // Java: without a list, the first of the configured brokers.
        let first = || brokers.first().cloned().into_iter().collect();
        let priority = options.priority_backup.then(|| match options.priority_uris.as_slice() {
            [] => first(),
            some => some.to_vec(),
        });
        Self {
            configured: brokers,
            pushed: Vec::new(),
            discovered: Vec::new(),
            randomize: options.randomize,
            priority,
            names: VecDeque::new(),
            last_failed: None,
            without_standby: Vec::new(),
        }
    }

    /// A broker publishes another address than the one it was dialled at.
    pub(crate) fn is_called(&mut self, dialed: BrokerUri, called: BrokerUri) {
        self.names.retain(|(known, _)| *known != dialed);
        if dialed != called {
            self.names.push_back((dialed, called));
            if self.names.len() > MAX_NAMES {
                self.names.pop_front();
            }
        }
    }

    /// No standby could be had at an address. What was known of it is not known any more: there may be
    /// one by another name of the broker.
    pub(crate) fn has_no_standby(&mut self, broker: &BrokerUri) {
        self.names.retain(|(dialed, called)| dialed != broker && called != broker);
        self.without_standby.retain(|known| known != broker);
        self.without_standby.push(broker.clone());
    }

    /// The brokers in the order in which standbys are looked for: those where none could be had come last,
    /// or one that is gone for good would keep all others out.
    pub(crate) fn standby_round(&mut self, rng: &mut impl Rng) -> Vec<BrokerUri> {
        let mut round = self.round(rng);
        self.without_standby.retain(|broker| round.contains(broker));
        let failed =
            |broker: &BrokerUri| self.without_standby.iter().position(|known| known == broker);
        round.sort_by_key(|broker| failed(broker).map_or(0, |place| place + 1));
        round
    }

    /// Whether two addresses are known to lead to one broker.
    pub(crate) fn is_same(&self, one: &BrokerUri, other: &BrokerUri) -> bool {
        self.name(one) == self.name(other)
    }

    /// The address a broker publishes, where it is known.
    fn name<'b>(&'b self, broker: &'b BrokerUri) -> &'b BrokerUri {
        let known = self.names.iter().find(|(dialed, _)| dialed == broker);
        known.map_or(broker, |(_, called)| called)
    }

    /// Whether a broker is preferred to others by the option `priorityBackup`.
    pub(crate) fn is_priority(&self, broker: &BrokerUri) -> bool {
        let priority = self.priority.as_deref().unwrap_or_default();
        priority.iter().any(|preferred| self.is_same(preferred, broker))
    }

    /// Takes a list that a broker sent in place of the last one; false when it names the same brokers.
    ///
    /// Java: the same brokers in another order are no news.
    pub(crate) fn set_pushed(&mut self, brokers: Vec<BrokerUri>) -> bool {
        let is_news = !is_same(&self.pushed, &brokers);
        if is_news {
            self.are_there_again(&brokers);
        }
        self.pushed = brokers;
        is_news
    }

    /// Takes a list that was read somewhere in place of the last one; false when it names the same
    /// brokers.
    pub(crate) fn set_discovered(&mut self, brokers: Vec<BrokerUri>) -> bool {
        let is_news = !is_same(&self.discovered, &brokers);
        if is_news {
            self.are_there_again(&brokers);
        }
        self.discovered = brokers;
        is_news
    }

    fn are_there_again(&mut self, brokers: &[BrokerUri]) {
        if self.last_failed.as_ref().is_some_and(|failed| brokers.contains(failed)) {
            self.last_failed = None;
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.configured.is_empty() && self.pushed.is_empty() && self.discovered.is_empty()
    }

    /// All addresses, those named since first as in Java, each once.
    fn named(&self) -> Vec<&BrokerUri> {
        let mut named: Vec<&BrokerUri> = Vec::new();
        for broker in self.pushed.iter().chain(&self.discovered).chain(&self.configured) {
            if !named.contains(&broker) {
                named.push(broker);
            }
        }
        named
    }

    /// All brokers, each once.
    fn all(&self) -> Vec<&BrokerUri> {
        let mut all: Vec<&BrokerUri> = Vec::new();
        for broker in self.named() {
            if !all.iter().any(|known| self.is_same(known, broker)) {
                all.push(broker);
            }
        }
        all
    }

    pub(crate) fn topology(&self) -> Topology {
        let known = |broker: &BrokerUri| KnownBroker {
            location: broker.location(),
            source: if self.configured.iter().any(|known| self.is_same(known, broker)) {
                BrokerSource::Configured
            } else if self.pushed.contains(broker) {
                BrokerSource::Pushed
            } else {
                BrokerSource::Discovered
            },
        };
        Topology::new(self.all().into_iter().map(known).collect())
    }

    pub(crate) fn failed(&mut self, broker: &BrokerUri) {
        self.last_failed = Some(broker.clone());
    }

    pub(crate) fn succeeded(&mut self) {
        self.last_failed = None;
    }

    /// The brokers of one round, in the order in which they are to be tried.
    ///
    /// Java: shuffled with `randomize`, but the one that failed last always comes last.
    ///
    /// A broker that is known by several names is tried by each of them, by the others after all brokers
    /// were: a published address may lead nowhere from here, and a name to another broker by now.
    pub(crate) fn round(&self, rng: &mut impl Rng) -> Vec<BrokerUri> {
        let failed = |broker: &BrokerUri| {
            self.last_failed.as_ref().is_some_and(|failed| self.is_same(failed, broker))
        };
        let named = self.named().into_iter().cloned();
        let (last, brokers): (Vec<_>, Vec<_>) = named.partition(failed);
        let (mut round, mut other_names): (Vec<BrokerUri>, Vec<_>) = (Vec::new(), Vec::new());
        for broker in brokers {
            let is_known = round.iter().any(|known| self.is_same(known, &broker));
            if is_known { other_names.push(broker) } else { round.push(broker) }
        }
        if self.randomize {
            round.shuffle(rng);
        }
        round.sort_by_key(|broker| !self.is_priority(broker));
        round.extend(other_names);
        round.extend(last);
        round
    }
}

/// Whether two lists name the same brokers, in whatever order.
fn is_same(known: &[BrokerUri], named: &[BrokerUri]) -> bool {
    known.len() == named.len() && named.iter().all(|broker| known.contains(broker))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    fn pool(brokers: &[&str], randomize: bool) -> BrokerPool {
        let options = FailoverOptions { randomize, ..FailoverOptions::default() };
        BrokerPool::new(brokers.iter().map(|uri| uri.parse().unwrap()).collect(), &options)
    }

    fn round(pool: &BrokerPool, seed: u64) -> Vec<String> {
        let mut rng = SmallRng::seed_from_u64(seed);
        pool.round(&mut rng).iter().map(BrokerUri::location).collect()
    }

    #[test]
    fn without_randomize_the_round_is_as_configured() {
        let pool = pool(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], false);
        assert_eq!(round(&pool, 1), ["tcp://a:1", "tcp://b:1", "tcp://c:1"]);
    }

    #[test]
    fn the_broker_that_failed_last_comes_last() {
        let mut pool = pool(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], false);
        pool.failed(&"tcp://a:1".parse().unwrap());
        assert_eq!(round(&pool, 1), ["tcp://b:1", "tcp://c:1", "tcp://a:1"]);
        pool.succeeded();
        assert_eq!(round(&pool, 1), ["tcp://a:1", "tcp://b:1", "tcp://c:1"]);
    }

    #[test]
    fn with_randomize_every_broker_comes_first_in_some_round_but_the_failed_one() {
        let mut pool = pool(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], true);
        pool.failed(&"tcp://b:1".parse().unwrap());
        let rounds: Vec<_> = (0..64).map(|seed| round(&pool, seed)).collect();
        assert!(rounds.iter().any(|round| round[0] == "tcp://a:1"));
        assert!(rounds.iter().any(|round| round[0] == "tcp://c:1"));
        assert!(rounds.iter().all(|round| round.len() == 3 && round[2] == "tcp://b:1"));
    }

    #[test]
    fn pushed_brokers_come_first_and_configured_ones_are_never_forgotten() {
        let mut pool = pool(&["tcp://a:1", "tcp://b:1"], false);
        let list = |brokers: &[&str]| brokers.iter().map(|uri| uri.parse().unwrap()).collect();
        assert!(pool.set_pushed(list(&["tcp://c:1", "tcp://b:1"])));
        assert_eq!(round(&pool, 1), ["tcp://c:1", "tcp://b:1", "tcp://a:1"]);
        assert!(!pool.set_pushed(list(&["tcp://b:1", "tcp://c:1"])));
        assert!(pool.set_pushed(list(&["tcp://d:1"])));
        assert_eq!(round(&pool, 1), ["tcp://d:1", "tcp://a:1", "tcp://b:1"]);
        let sources: Vec<_> =
            pool.topology().brokers().iter().map(|broker| broker.source).collect();
        use BrokerSource::{Configured, Pushed};
        assert_eq!(sources, [Pushed, Configured, Configured]);
    }

    #[test]
    fn discovered_brokers_stand_between_pushed_and_configured_ones_and_replace_only_themselves() {
        let mut pool = pool(&["tcp://a:1"], false);
        let list = |brokers: &[&str]| brokers.iter().map(|uri| uri.parse().unwrap()).collect();
        assert!(pool.set_discovered(list(&["tcp://d:1", "tcp://a:1"])));
        assert!(pool.set_pushed(list(&["tcp://p:1"])));
        assert_eq!(round(&pool, 1), ["tcp://p:1", "tcp://d:1", "tcp://a:1"]);
        assert!(!pool.set_discovered(list(&["tcp://a:1", "tcp://d:1"])));
        assert!(pool.set_discovered(list(&["tcp://e:1", "tcp://p:1"])));
        assert_eq!(round(&pool, 1), ["tcp://p:1", "tcp://e:1", "tcp://a:1"]);
        let sources: Vec<_> =
            pool.topology().brokers().iter().map(|broker| broker.source).collect();
        use BrokerSource::{Configured, Discovered, Pushed};
        assert_eq!(sources, [Pushed, Discovered, Configured]);
    }

    #[test]
    fn a_failed_broker_that_is_named_again_is_not_tried_last() {
        let mut pool = pool(&["tcp://a:1", "tcp://b:1"], false);
        pool.failed(&"tcp://a:1".parse().unwrap());
        pool.set_pushed(vec!["tcp://a:1".parse().unwrap()]);
        assert_eq!(round(&pool, 1), ["tcp://a:1", "tcp://b:1"]);
    }

    #[test]
    fn a_broker_with_two_names_is_tried_by_the_other_after_all_brokers() {
        let mut pool = pool(&["tcp://vip:1", "tcp://b:1"], false);
        pool.set_pushed(vec!["tcp://a:1".parse().unwrap()]);
        pool.is_called("tcp://vip:1".parse().unwrap(), "tcp://a:1".parse().unwrap());
        assert_eq!(round(&pool, 1), ["tcp://a:1", "tcp://b:1", "tcp://vip:1"]);
        pool.failed(&"tcp://vip:1".parse().unwrap());
        assert_eq!(round(&pool, 1), ["tcp://b:1", "tcp://a:1", "tcp://vip:1"]);
    }

    #[test]
    fn the_same_broker_given_twice_is_tried_once() {
        assert_eq!(round(&pool(&["tcp://a:1", "tcp://a:1"], false), 1), ["tcp://a:1"]);
    }
}
