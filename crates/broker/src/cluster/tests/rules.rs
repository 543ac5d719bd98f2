//! Single rules, each as what is heard and what is said.

use std::time::{Duration, Instant};

use rewire_protocol::{BrokerId, BrokerInfo};

use crate::cluster::peer::{Peer, Status};
use crate::cluster::{BridgeId, Cluster, ClusterConfig, NewClient, Say, Via};
use crate::core::LinkId;

const DIALED: Via = Via::Dialed(BridgeId(0));
const ACCEPTED: Via = Via::Accepted(LinkId(99));

struct Lab {
    cluster: Cluster,
    now: Instant,
}

/// A broker of another kind.
fn java(name: &str) -> BrokerInfo {
    BrokerInfo {
        broker_id: Some(BrokerId { value: Some(format!("ID:{name}").as_str().into()) }),
        broker_name: Some(name.into()),
        broker_url: Some(format!("tcp://{name}:1").as_str().into()),
        ..BrokerInfo::default()
    }
}

/// A broker of this kind.
fn ours(name: &str, clients: usize) -> BrokerInfo {
    let peer = Peer::read(&java(name)).unwrap();
    let peer = Peer { status: Some(Status { clients, ..Status::default() }), ..peer };
    let properties = Some(peer.properties(false).as_str().into());
    BrokerInfo { network_connection: true, network_properties: properties, ..java(name) }
}

impl Lab {
    fn new(change: impl FnOnce(&mut ClusterConfig)) -> Self {
        let mut config = ClusterConfig {
            update_clients: true,
            rebalance_clients: true,
            update_clients_on_remove: true,
            addresses: vec!["tcp://me:1".to_owned()],
            ..ClusterConfig::default()
        };
        change(&mut config);
        #[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
        let now = Instant::now();
        Self { cluster: Cluster::new(now, config, "ID:me", "me"), now }
    }

    fn peer(&mut self, via: Via, info: &BrokerInfo) -> Vec<String> {
        self.cluster.on_peer(self.now, via, info);
        self.said()
    }

    fn lost(&mut self, via: Via) -> Vec<String> {
        self.cluster.on_peer_lost(self.now, via);
        self.said()
    }

    fn client(&mut self, key: u64, is_movable: bool, moves_in_order: bool) -> String {
        let new = NewClient {
            link: LinkId(key),
            address: "tcp://me:1".to_owned(),
            client_id: format!("client-{key}"),
            is_movable,
            moves_in_order,
        };
        let control = self.cluster.on_client(self.now, key, new);
        show(&Say::Control(LinkId(key), control))
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        let end = self.now + time;
        let mut said = Vec::new();
        while let Some(due) = self.cluster.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.cluster.on_timeout(self.now);
            said.extend(self.said());
        }
        self.now = end;
        said
    }

    fn said(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.cluster.take()).map(|say| show(&say)).collect()
    }
}

fn show(say: &Say) -> String {
    match say {
        Say::Control(link, control) => {
            let list = control.connected_brokers.as_ref().unwrap();
            let go = control.reconnect_to.as_ref().filter(|to| !to.is_empty());
            let go = go.map_or_else(String::new, |to| format!(" go to {to}"));
            let rebalance = if control.rebalance_connection { " rebalance" } else { "" };
            format!("{} < {list}{rebalance}{go}", link.0)
        }
        Say::Info(via, info) => {
            let duplex = if info.duplex_connection { " duplex" } else { "" };
            let peers = info.peer_broker_infos.as_ref().map_or(0, Vec::len);
            format!("{via:?} < info{duplex}, {peers} peers")
        }
        Say::Drop(via) => format!("{via:?} drop"),
        Say::Started(_, info) => format!("started {}", info.broker_name.as_ref().unwrap()),
        Say::Stopped(info) => format!("stopped {}", info.broker_name.as_ref().unwrap()),
        Say::Joined(member) => format!("joined {}", member.name),
        Say::Left(member) => format!("left {}", member.name),
        Say::Refused(_, problem) => format!("refused: {problem}"),
        Say::Emptied => "emptied".to_owned(),
    }
}

const SETTLED: Duration = Duration::from_millis(250);

#[test]
fn a_client_is_told_its_own_broker_first_and_the_others_in_an_order_that_stays() {
    let mut lab = Lab::new(|_| {});
    for name in ["a", "b", "c", "d"] {
        lab.peer(Via::Accepted(LinkId(name.bytes().next().unwrap().into())), &ours(name, 0));
    }
    let list = |told: &str| -> Vec<String> {
        told.split(" < ").nth(1).unwrap().split(',').map(ToOwned::to_owned).collect()
    };
    let told = list(&lab.client(1, true, true));
    assert_eq!((told.len(), told[0].as_str()), (5, "tcp://me:1"));
    let others: Vec<Vec<String>> = (2..40).map(|key| list(&lab.client(key, true, true))).collect();
    for name in ["a", "b", "c", "d"] {
        let second = others.iter().filter(|list| list[1] == format!("tcp://{name}:1")).count();
        assert!(second > 2, "{name} is the next of some");
    }
    let shorter = lab.lost(Via::Accepted(LinkId(u64::from(b'b'))));
    let of_first = shorter.iter().find(|said| said.starts_with("1 < ")).unwrap();
    let expected: Vec<_> = told.into_iter().filter(|broker| broker != "tcp://b:1").collect();
    assert_eq!(list(of_first), expected);
}

#[test]
fn a_broker_that_was_dialled_is_asked_for_both_ways_only_if_it_is_of_another_kind() {
    let mut lab = Lab::new(|_| {});
    let said = lab.peer(DIALED, &java("j"));
    assert_eq!(said, ["started j", "Dialed(BridgeId(0)) < info duplex, 0 peers", "joined j"]);
    let said = lab.peer(Via::Dialed(BridgeId(1)), &ours("o", 3));
    assert_eq!(said[1], "Dialed(BridgeId(1)) < info, 1 peers");
    assert_eq!(
        lab.peer(ACCEPTED, &java("k")),
        ["started k", "joined k", "Dialed(BridgeId(1)) < info, 2 peers"]
    );
}

#[test]
fn passwords_are_not_told_and_a_bridge_that_has_them_goes_one_way() {
    let mut lab = Lab::new(|config| {
        config.connectors =
            vec!["static:(tcp://j:1)?userName=app&password=secret".parse().unwrap()];
    });
    lab.cluster.on_peer(lab.now, DIALED, &java("j"));
    let info = std::iter::from_fn(|| lab.cluster.take()).find_map(|say| match say {
        Say::Info(_, info) => Some(info),
        _ => None,
    });
    let info = info.unwrap();
    assert!(!info.duplex_connection && !format!("{info:?}").contains("secret"));
}

#[test]
fn what_a_broker_says_in_its_properties_is_not_told_further() {
    let mut lab = Lab::new(|_| {});
    let leaky = BrokerInfo {
        network_connection: true,
        network_properties: Some("password=secret".into()),
        ..java("j")
    };
    lab.cluster.on_peer(lab.now, ACCEPTED, &leaky);
    let said = format!("{:?}", std::iter::from_fn(|| lab.cluster.take()).collect::<Vec<_>>());
    assert!(!said.contains("secret"), "{said}");
    assert!(!format!("{:?}", lab.cluster.linked()).contains("secret"));
}

#[test]
fn a_link_that_leads_back_is_dropped() {
    let mut lab = Lab::new(|_| {});
    let me = BrokerInfo { broker_id: Some(BrokerId { value: Some("ID:me".into()) }), ..java("me") };
    assert_eq!(lab.peer(DIALED, &me), ["Dialed(BridgeId(0)) drop"]);
    assert!(lab.lost(DIALED).is_empty());
}

#[test]
fn a_name_that_is_taken_is_refused_in_words() {
    let mut lab = Lab::new(|_| {});
    let id = Some(BrokerId { value: Some("ID:other".into()) });
    let said = lab.peer(DIALED, &BrokerInfo { broker_id: id, ..java("me") });
    assert_eq!(said, ["refused: it is called me like this broker: each needs a name of its own"]);
    lab.peer(DIALED, &java("a"));
    let id = Some(BrokerId { value: Some("ID:other".into()) });
    let other = BrokerInfo { broker_id: id, broker_url: Some("tcp://z:1".into()), ..java("a") };
    let said = lab.peer(ACCEPTED, &other);
    let expected = "refused: two brokers are called a, at tcp://a:1 and at tcp://z:1: each needs a name of its own";
    assert_eq!(said, [expected]);
    assert_eq!(lab.cluster.view().count(), 2);
}

#[test]
fn a_broker_that_was_started_again_takes_the_place_of_what_it_was() {
    let mut lab = Lab::new(|_| {});
    lab.peer(ACCEPTED, &java("a"));
    let id = Some(BrokerId { value: Some("ID:again".into()) });
    let said = lab.peer(Via::Accepted(LinkId(100)), &BrokerInfo { broker_id: id, ..java("a") });
    assert_eq!(said, ["started a", "joined a", "left a"]);
    assert!(lab.lost(ACCEPTED).is_empty());
    assert_eq!(lab.cluster.view().count(), 2);
}

#[test]
fn a_broker_with_two_links_is_there_until_both_are_lost() {
    let mut lab = Lab::new(|_| {});
    lab.peer(ACCEPTED, &ours("a", 0));
    lab.peer(DIALED, &ours("a", 0));
    assert_eq!(lab.lost(ACCEPTED), ["stopped a"]);
    assert_eq!(lab.lost(DIALED), ["stopped a", "left a"]);
}

#[test]
fn a_broker_is_known_by_another_and_not_said_back() {
    let mut lab = Lab::new(|_| {});
    let hub = BrokerInfo {
        peer_broker_infos: Some(vec![Some(Box::new(ours("b", 2))), Some(Box::new(ours("me", 1)))]),
        ..ours("hub", 0)
    };
    let said = lab.peer(DIALED, &hub);
    assert_eq!(said[1], "Dialed(BridgeId(0)) < info, 0 peers");
    let names: Vec<String> = lab.cluster.view().map(|member| member.name).collect();
    assert_eq!(names, ["me", "b", "hub"]);
    assert_eq!(lab.peer(DIALED, &ours("hub", 0))[0], "left b");
}

#[test]
fn the_filter_says_who_is_told_of() {
    let mut lab = Lab::new(|config| config.filter = Some("a".parse().unwrap()));
    lab.client(1, true, true);
    assert!(lab.peer(ACCEPTED, &java("b")).iter().all(|said| !said.starts_with("1 <")));
    let said = lab.peer(DIALED, &java("a"));
    assert_eq!(said.last().unwrap(), "1 < tcp://me:1,tcp://a:1");
    assert_eq!(lab.cluster.greeting("tcp://me:1").peer_broker_infos.unwrap().len(), 1);
}

#[test]
fn without_flags_nobody_is_told_anything() {
    let mut lab = Lab::new(|config| {
        (config.update_clients, config.rebalance_clients) = (false, false);
    });
    lab.peer(DIALED, &ours("a", 0));
    assert_eq!(lab.client(1, true, true), "1 < ");
    assert_eq!(
        lab.peer(ACCEPTED, &ours("b", 0)).last().unwrap(),
        "Dialed(BridgeId(0)) < info, 1 peers"
    );
    assert!(lab.cluster.greeting("tcp://me:1").peer_broker_infos.is_none());
    assert!(!lab.cluster.on_stop(lab.now));
}

#[test]
fn who_does_not_survive_a_move_is_told_nothing_after_the_first_word() {
    let mut lab = Lab::new(|_| {});
    assert_eq!(lab.client(1, false, false), "1 < tcp://me:1");
    assert!(lab.peer(DIALED, &java("a")).iter().all(|said| !said.starts_with("1 <")));
    lab.cluster.on_movable(1);
    assert_eq!(lab.said(), ["1 < tcp://me:1,tcp://a:1"]);
}

#[test]
fn unless_told_to_clients_do_not_forget_a_broker_that_is_gone() {
    let mut lab = Lab::new(|config| config.update_clients_on_remove = false);
    lab.client(1, true, true);
    lab.peer(DIALED, &java("a"));
    assert_eq!(lab.lost(DIALED), ["stopped a", "left a"]);
    assert_eq!(lab.client(2, true, true), "2 < tcp://me:1,tcp://a:1");
    assert_eq!(lab.peer(DIALED, &java("a")).last().unwrap(), "joined a", "nothing new");
}

#[test]
fn who_moves_in_order_is_told_where_and_java_by_a_list_that_changes() {
    for (moves_in_order, expected) in [
        (true, vec!["1 < tcp://a:1,tcp://me:1 rebalance go to tcp://a:1"]),
        (false, vec!["1 < tcp://a:1", "1 < tcp://a:1,tcp://me:1 rebalance"]),
    ] {
        let mut lab = Lab::new(|_| {});
        lab.client(1, true, moves_in_order);
        lab.client(2, false, false);
        lab.wait(Duration::from_secs(5));
        lab.peer(ACCEPTED, &ours("a", 0));
        let said = lab.wait(SETTLED);
        let told: Vec<&String> = said.iter().filter(|said| said.starts_with("1 <")).collect();
        assert_eq!(told, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_broker_of_another_kind_gets_its_share_once() {
    let mut lab = Lab::new(|_| {});
    for key in 0..10 {
        lab.client(key, true, true);
    }
    lab.wait(Duration::from_secs(5));
    lab.peer(DIALED, &java("j"));
    let going = |said: &[String]| said.iter().filter(|said| said.contains(" go to ")).count();
    assert_eq!(going(&lab.wait(Duration::from_secs(2))), 5);
    for key in 0..5 {
        lab.cluster.on_client_gone(lab.now, key);
    }
    lab.lost(DIALED);
    lab.peer(DIALED, &java("j"));
    assert_eq!(going(&lab.wait(Duration::from_secs(60))), 0, "only its link was lost");
    lab.lost(DIALED);
    let id = Some(BrokerId { value: Some("ID:again".into()) });
    lab.peer(DIALED, &BrokerInfo { broker_id: id, ..java("j") });
    assert_eq!(going(&lab.wait(Duration::from_secs(60))), 2, "it was started again");
}

#[test]
fn a_client_that_stays_though_it_was_told_to_go_is_left_alone_for_longer_each_time() {
    let mut lab = Lab::new(|_| {});
    lab.client(1, true, true);
    lab.client(2, true, true);
    lab.wait(Duration::from_secs(5));
    lab.peer(ACCEPTED, &ours("a", 0));
    let said = lab.wait(Duration::from_secs(3600));
    let told = said.iter().filter(|said| said.contains(" go to ")).count();
    assert!((2..=20).contains(&told), "told {told} times in an hour");
}

#[test]
fn a_broker_that_stops_sends_everybody_somewhere_and_waits_until_they_are_gone() {
    let mut lab = Lab::new(|_| {});
    lab.peer(DIALED, &ours("a", 3));
    lab.peer(ACCEPTED, &ours("b", 1));
    for key in 1..=4 {
        lab.client(key, true, key < 4);
    }
    assert!(lab.cluster.on_stop(lab.now));
    let mut said = lab.said();
    let is_told = |said: &[String]| said.iter().filter(|said| said.contains("rebalance")).count();
    assert_eq!(is_told(&said), 1, "first who goes by chance: {said:?}");
    // It has gone to the other.
    lab.cluster.on_client_gone(lab.now, 4);
    said.extend(lab.peer(DIALED, &ours("a", 4)));
    said.extend(lab.wait(Duration::from_millis(199)));
    assert_eq!(is_told(&said), 1, "{said:?}");
    said = lab.wait(Duration::from_millis(1));
    let going = |to: &str| said.iter().filter(|said| said.contains(&format!("< {to}"))).count();
    // 4 and 1 + 3.
    assert_eq!(
        (going("tcp://a:1,tcp://b:1 rebalance"), going("tcp://b:1,tcp://a:1 rebalance")),
        (0, 3)
    );
    assert!(said.iter().all(|said| !said.contains("tcp://me:1")), "{said:?}");
    for key in 1..=3 {
        assert!(!lab.wait(Duration::from_millis(10)).contains(&"emptied".to_owned()));
        lab.cluster.on_client_gone(lab.now, key);
    }
    assert!(lab.wait(Duration::ZERO).contains(&"emptied".to_owned()));
}

#[test]
fn a_client_that_stays_does_not_keep_the_others_from_being_sent_away() {
    let mut lab = Lab::new(|_| {});
    lab.peer(DIALED, &ours("a", 3));
    lab.client(1, true, false);
    lab.client(2, true, true);
    assert!(lab.cluster.on_stop(lab.now));
    lab.said();
    assert!(lab.wait(Duration::from_millis(499)).is_empty());
    let said = lab.wait(Duration::from_millis(1));
    assert!(said.iter().any(|said| said.contains("rebalance")), "{said:?}");
}

#[test]
fn a_broker_that_stops_does_not_wait_for_ever() {
    let mut lab = Lab::new(|_| {});
    lab.peer(DIALED, &ours("a", 3));
    lab.client(1, true, true);
    assert!(lab.cluster.on_stop(lab.now));
    lab.said();
    assert!(lab.wait(Duration::from_millis(4499)).is_empty());
    assert_eq!(lab.wait(Duration::from_millis(1)), ["emptied"]);
}
