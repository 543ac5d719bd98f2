//! Orderly moves: when they are made, and what is done first.

use rewire_protocol::{BrokerInfo, ConnectionControl, ConsumerControl};

use super::*;

fn told(brokers: &str, rebalance_connection: bool) -> Command {
    let connected_brokers = Some(brokers.into());
    ConnectionControl { connected_brokers, rebalance_connection, ..Default::default() }.into()
}

fn asked(reconnect_to: &str) -> Command {
    ConnectionControl { reconnect_to: Some(reconnect_to.into()), ..Default::default() }.into()
}

impl Lab {
    fn hear(&mut self, link: u64, command: impl Into<Command>) -> Vec<String> {
        self.input(Input::Received(LinkId(link), command.into()))
    }

    pub(super) fn settle(&mut self, link: u64) -> Vec<String> {
        let (link, consumer) = (LinkId(link), consumer_id());
        self.input(Input::Settled { link, consumer, last_delivered_sequence_id: 7 })
    }

    /// Lets so much time pass that any planned move has begun.
    fn long(&mut self) -> Vec<String> {
        let due = self.due().unwrap_or_default();
        assert!(due <= ms(1500), "{due:?}");
        self.wait(due)
    }

    /// With a session and a consumer, and told to move to `b`, the link to which is there.
    pub(super) fn leaving(mut self) -> Self {
        for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
            self.submit(command);
            self.answer(1, id);
        }
        self.leave_for_b();
        self
    }

    /// Is told to move to `b`, the link to which is there then.
    pub(super) fn leave_for_b(&mut self) -> Vec<String> {
        self.now += ms(1000);
        self.hear(1, told("tcp://b:1,tcp://a:1", true));
        assert_eq!(self.long(), ["dial 2 tcp://b:1"]);
        let left = self.dialed(2);
        assert_eq!(
            left[..2],
            ["event rebalancing from tcp://a:1 to tcp://b:1: Rebalance", "leaving 1"]
        );
        left
    }
}

#[test]
fn a_broker_is_left_when_the_new_link_is_there_and_all_is_settled() {
    let mut lab = Lab::two().connected().leaving();
    assert_eq!(
        lab.settle(1),
        [
            "transmit 1 RemoveInfo #4",
            "transmit 1 ShutdownInfo #0",
            "hangup 1",
            "interrupted 1",
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
            "transmit 2 SessionInfo #2",
            "transmit 2 ConsumerInfo #3",
        ]
    );
    for id in [1, 2] {
        lab.answer(2, id);
    }
    assert_eq!(
        lab.answer(2, 3),
        ["resumed 2", "event resumed tcp://b:1 after 0 ms, 4 replayed, 0 resent"]
    );
}

#[test]
fn what_was_sent_is_answered_first_and_what_is_new_waits_for_the_new_broker() {
    let mut lab = Lab::two().connected();
    lab.now += ms(1000);
    lab.submit(Message::default());
    lab.hear(1, told("tcp://b:1,tcp://a:1", true));
    lab.long();
    lab.dialed(2);
    assert!(lab.submit(Message::default()).is_empty());
    assert_eq!(
        lab.answer(1, 2),
        [
            "complete 2 ok",
            "transmit 1 ShutdownInfo #0",
            "hangup 1",
            "interrupted 1",
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
        ]
    );
    assert_eq!(
        lab.answer(2, 1),
        [
            "resumed 2",
            "transmit 2 ActiveMQMessage #3",
            "event resumed tcp://b:1 after 0 ms, 2 replayed, 0 resent",
        ]
    );
}

#[test]
fn acknowledgements_and_removals_still_go_to_the_broker_that_is_left() {
    let mut lab = Lab::two().connected().leaving();
    let ack = lab.request(MessageAck::default(), Completion::Transmitted);
    let ack = Request { link: Some(LinkId(1)), ..ack };
    assert_eq!(lab.input(Input::Submit(ack)), ["transmit 1 MessageAck #4, completes 4"]);
    let object_id = Some(Box::new(consumer_id().into()));
    assert_eq!(
        lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() }),
        ["transmit 1 RemoveInfo #5"]
    );
    // With the consumer gone there is nothing to settle, but its removal is to be answered.
    assert_eq!(lab.answer(1, 5)[..3], ["complete 5 ok", "transmit 1 ShutdownInfo #0", "hangup 1"]);
}

#[test]
fn a_consumer_that_is_closed_or_removed_while_its_link_is_left_has_nothing_to_settle() {
    let mut lab = Lab::two().connected().leaving();
    let consumer_id_of = Some(consumer_id());
    let close =
        ConsumerControl { close: true, consumer_id: consumer_id_of, ..ConsumerControl::default() };
    assert_eq!(lab.hear(1, close)[1..3], ["transmit 1 ShutdownInfo #0", "hangup 1"]);

    let mut lab = Lab::two().connected().leaving();
    let object_id = Some(Box::new(consumer_id().into()));
    let removal = RemoveInfo { object_id, ..RemoveInfo::default() };
    let removal = lab.request(removal, Completion::Transmitted);
    assert_eq!(
        lab.input(Input::Submit(removal))[..3],
        ["transmit 1 RemoveInfo #4, completes 4", "transmit 1 ShutdownInfo #0", "hangup 1"]
    );
}

#[test]
fn an_application_that_does_not_settle_is_not_waited_for_longer_than_two_seconds() {
    let mut lab = Lab::two().connected().leaving();
    assert_eq!(lab.due(), Some(ms(2000)));
    assert!(lab.wait(ms(1999)).is_empty());
    // Nothing is said of the consumer: all it was sent counts as seen.
    assert_eq!(lab.wait(ms(1))[..3], ["transmit 1 ShutdownInfo #0", "hangup 1", "interrupted 1"]);
}

#[test]
fn a_move_is_off_when_its_broker_cannot_be_reached() {
    let mut lab = Lab::two().connected();
    lab.now += ms(1000);
    lab.hear(1, told("tcp://b:1,tcp://a:1", true));
    lab.long();
    assert!(lab.undialed(2).is_empty());
    assert_eq!(lab.submit(Message::default()), ["transmit 1 ActiveMQMessage #2"]);
    lab.wait(ms(60_000));
    assert_eq!(lab.due(), None);
}

#[test]
fn a_link_that_is_lost_while_it_is_left_is_a_failover_to_the_new_one() {
    let mut lab = Lab::two().connected().leaving();
    assert_eq!(
        lab.lost(1)[..4],
        [
            "interrupted 1",
            "event interrupted tcp://a:1",
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
        ]
    );
}

#[test]
fn a_new_link_that_is_lost_while_the_old_one_is_left_is_replaced_by_any() {
    let mut lab = Lab::two().connected().leaving();
    assert!(lab.lost(2).is_empty());
    let left = lab.settle(1);
    assert_eq!(left.last().unwrap(), "dial 3 tcp://b:1");
}

#[test]
fn nobody_moves_straight_after_connecting_and_not_all_at_once() {
    let moment = |seed| {
        let mut lab = Lab::two();
        lab.core.rng = SmallRng::seed_from_u64(seed);
        let mut lab = lab.connected();
        lab.hear(1, told("tcp://b:1,tcp://a:1", true));
        lab.due().unwrap()
    };
    let moments: Vec<_> = (0..64).map(moment).collect();
    assert!(moments.iter().all(|due| (ms(1000)..=ms(1500)).contains(due)), "{moments:?}");
    assert!(moments.iter().any(|due| *due < ms(1100)), "{moments:?}");
    assert!(moments.iter().any(|due| *due > ms(1400)), "{moments:?}");
}

#[test]
fn no_move_is_made_to_where_one_is_already() {
    let mut lab = Lab::two().connected();
    lab.hear(1, told("tcp://a:1,tcp://b:1,tcp://c:1", true));
    assert_eq!(lab.due(), None);
    lab.hear(1, asked("tcp://a:1"));
    assert_eq!(lab.due(), None);
}

#[test]
fn a_broker_is_known_by_the_address_it_publishes_too() {
    let mut lab = Lab::new(&["tcp://127.0.0.1:1"], |_| {});
    lab.input(Input::Start);
    lab.submit(connection_info());
    lab.dialed(1);
    let broker_url = Some("tcp://localhost:1".into());
    lab.hear(1, BrokerInfo { broker_url, ..BrokerInfo::default() });
    lab.answer(1, 1);
    lab.hear(1, told("tcp://localhost:1,tcp://localhost:2", true));
    assert_eq!(lab.due(), None);
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["dial 2 tcp://localhost:2"]);
    assert_eq!(lab.undialed(2)[1], "dial 3 tcp://localhost:1");
    // What it publishes may lead nowhere from here.
    assert_eq!(lab.undialed(3)[1], "dial 4 tcp://127.0.0.1:1");
    assert_eq!(lab.undialed(4).len(), 1);
}

#[test]
fn a_standby_is_moved_to_by_whichever_name_its_broker_is_asked_for() {
    let change = |options: &mut FailoverOptions| options.backup = true;
    let mut lab = Lab::new(&["tcp://a:1", "tcp://127.0.0.1:1"], change).connected();
    lab.dialed(2);
    let broker_url = Some("tcp://localhost:1".into());
    lab.hear(2, BrokerInfo { broker_url, ..BrokerInfo::default() });
    lab.now += ms(1000);
    lab.hear(1, asked("tcp://localhost:1"));
    assert_eq!(
        lab.long()[..2],
        ["event rebalancing from tcp://a:1 to tcp://127.0.0.1:1: Asked", "leaving 1"]
    );
}

#[test]
fn the_peers_of_a_broker_are_news_only_from_one_that_does_not_tell_of_its_cluster_otherwise() {
    let called = |url: &str| BrokerInfo { broker_url: Some(url.into()), ..BrokerInfo::default() };
    let peers = ["tcp://b:1", "tcp://c:1"].map(|url| Some(Box::new(called(url))));
    let info = BrokerInfo { peer_broker_infos: Some(peers.into()), ..called("tcp://a:1") };
    let news = vec!["event topology tcp://a:1 tcp://b:1 tcp://c:1", "deliver 1 BrokerInfo"];
    let no_news = vec!["deliver 1 BrokerInfo"];
    for (version, expected) in [(5, news), (6, no_news.clone())] {
        let mut lab = Lab::new(&["tcp://a:1"], |_| {});
        lab.input(Input::Start);
        lab.submit(connection_info());
        let greeting = Greeting { version, ..Greeting::default() };
        lab.input(Input::Dialed(LinkId(1), Ok(greeting), DialTimes::default()));
        assert_eq!(lab.hear(1, info.clone()), expected, "version {version}");
        assert_eq!(lab.hear(1, info.clone()), no_news, "known already");
    }
}

#[test]
fn a_standby_that_turns_out_to_be_on_the_broker_in_use_is_replaced() {
    let change = |options: &mut FailoverOptions| options.backup = true;
    let mut lab = Lab::new(&["tcp://a:1", "tcp://127.0.0.1:1", "tcp://c:1"], change).connected();
    lab.dialed(2);
    let called = |url: &str| BrokerInfo { broker_url: Some(url.into()), ..BrokerInfo::default() };
    lab.hear(1, called("tcp://localhost:1"));
    assert_eq!(lab.hear(2, called("tcp://localhost:1")), ["hangup 2", "dial 3 tcp://c:1"]);
}

#[test]
fn no_move_is_made_to_what_turns_out_to_be_the_same_broker() {
    let mut lab = Lab::new(&["tcp://127.0.0.1:1"], |_| {}).connected();
    lab.hear(1, asked("tcp://localhost:1"));
    let broker_url = Some("tcp://localhost:1".into());
    lab.hear(1, BrokerInfo { broker_url, ..BrokerInfo::default() });
    assert!(lab.long().is_empty());
    assert_eq!(lab.due(), None);
}

#[test]
fn the_same_brokers_in_another_order_are_no_reason_to_move() {
    let mut lab = Lab::two().connected();
    lab.hear(1, told("tcp://a:1,tcp://b:1", true));
    lab.hear(1, told("tcp://b:1,tcp://a:1", true));
    assert_eq!(lab.due(), None);
}

#[test]
fn the_latest_wish_of_a_broker_counts() {
    let mut lab = Lab::two().connected();
    lab.now += ms(1000);
    lab.hear(1, told("tcp://b:1,tcp://a:1", true));
    lab.hear(1, told("tcp://c:1,tcp://b:1,tcp://a:1", true));
    assert_eq!(lab.long(), ["dial 2 tcp://c:1"]);
    lab.hear(1, told("tcp://a:1,tcp://b:1,tcp://c:1,tcp://d:1", true));
    assert_eq!(lab.due(), None);
}

#[test]
fn a_broker_may_name_one_to_go_to_and_no_other_is_forgotten_for_it() {
    let mut lab = Lab::two().connected();
    lab.now += ms(1000);
    lab.hear(1, told("tcp://b:1,tcp://a:1", false));
    lab.hear(1, asked(" tcp://d:1 "));
    assert_eq!(lab.long(), ["dial 2 tcp://d:1"]);
    assert_eq!(lab.dialed(2)[0], "event rebalancing from tcp://a:1 to tcp://d:1: Asked");
    lab.answer(2, 1);
    lab.lost(2);
    assert_eq!(lab.wait(ms(10)), ["dial 3 tcp://b:1"]);
}

#[test]
fn a_wish_to_go_elsewhere_is_not_heeded_when_the_option_says_so() {
    let change = |options: &mut FailoverOptions| options.reconnect_supported = false;
    let mut lab = Lab::new(&["tcp://a:1"], change).connected();
    lab.hear(1, asked("tcp://d:1"));
    assert_eq!(lab.due(), None);
}

fn with_priority(backup: bool) -> Lab {
    Lab::new(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], |options| {
        options.priority_backup = true;
        options.backup = backup;
    })
}

/// On `b`, the first broker having been away.
fn away_from_priority() -> Lab {
    let mut lab = with_priority(false);
    lab.input(Input::Start);
    lab.submit(connection_info());
    lab.undialed(1);
    let connected = lab.dialed(2);
    assert_eq!(connected.last().unwrap(), "dial 3 tcp://a:1");
    lab.answer(2, 1);
    lab
}

#[test]
fn on_the_preferred_broker_no_other_is_looked_for() {
    let mut lab = with_priority(false);
    lab.input(Input::Start);
    assert_eq!(lab.dialed(1), ["resumed 1", "event connected tcp://a:1"]);
    lab.hear(1, told("tcp://b:1,tcp://a:1", true));
    assert_eq!(lab.due(), None);
}

#[test]
fn a_preferred_broker_that_is_back_and_stays_is_moved_to() {
    let mut lab = away_from_priority();
    assert!(lab.undialed(3).is_empty());
    assert_eq!(lab.due(), Some(ms(10)));
    assert_eq!(lab.wait(ms(10)), ["dial 4 tcp://a:1"]);
    assert!(lab.dialed(4).is_empty());
    assert!(lab.due().unwrap() >= ms(990));
    let moved = lab.long();
    assert_eq!(moved[0], "event rebalancing from tcp://b:1 to tcp://a:1: Priority");
    assert_eq!(moved.last().unwrap(), "transmit 4 ConnectionInfo #1");
    assert_eq!(lab.answer(4, 1)[0], "resumed 4");
    assert_eq!(lab.due(), None);
}

#[test]
fn a_preferred_broker_whose_link_was_ready_before_a_move_elsewhere_is_moved_to_after_it() {
    let mut lab = away_from_priority();
    lab.dialed(3);
    lab.now += ms(500);
    lab.hear(2, asked("tcp://c:1"));
    assert_eq!(lab.long(), ["dial 4 tcp://c:1"]);
    lab.dialed(4);
    lab.answer(4, 1);
    let moved = lab.long();
    assert_eq!(moved[0], "event rebalancing from tcp://c:1 to tcp://a:1: Priority");
}

#[test]
fn a_preferred_broker_that_does_not_stay_is_not_moved_to() {
    let mut lab = away_from_priority();
    lab.dialed(3);
    lab.wait(ms(500));
    assert!(lab.lost(3).is_empty());
    assert_eq!(lab.wait(ms(10)), ["dial 4 tcp://a:1"]);
    assert!(lab.wait(ms(5000)).is_empty());
}

#[test]
fn a_preferred_broker_is_moved_to_when_nothing_came_of_what_another_asked() {
    let mut lab = away_from_priority();
    lab.dialed(3);
    lab.hear(2, asked("tcp://d:1"));
    assert_eq!(lab.long(), ["dial 4 tcp://d:1"]);
    lab.undialed(4);
    let moved = lab.wait(ms(1500));
    assert_eq!(moved[0], "event rebalancing from tcp://b:1 to tcp://a:1: Priority");

    let mut lab = away_from_priority();
    lab.dialed(3);
    lab.hear(2, asked("tcp://b:1"));
    assert_eq!(lab.long()[0], "event rebalancing from tcp://b:1 to tcp://a:1: Priority");
}

#[test]
fn a_preferred_broker_whose_published_address_leads_nowhere_is_looked_for_by_its_other_name() {
    let mut lab = with_priority(false);
    lab.input(Input::Start);
    lab.dialed(1);
    lab.submit(connection_info());
    lab.answer(1, 1);
    let broker_url = Some("tcp://inside:1".into());
    lab.hear(1, BrokerInfo { broker_url, ..BrokerInfo::default() });
    lab.hear(1, told("tcp://inside:1,tcp://b:1", false));
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["dial 2 tcp://b:1"]);
    lab.dialed(2);
    assert_eq!(lab.answer(2, 1).last().unwrap(), "dial 3 tcp://inside:1");
    lab.undialed(3);
    assert_eq!(lab.wait(ms(10)), ["dial 4 tcp://a:1"]);
}

#[test]
fn a_broker_that_is_not_the_preferred_one_after_all_is_not_moved_to() {
    let mut lab = with_priority(true);
    lab.input(Input::Start);
    lab.undialed(1);
    lab.dialed(2);
    lab.dialed(4);
    let broker_url = Some("tcp://a:1".into());
    lab.hear(4, BrokerInfo { broker_url, ..BrokerInfo::default() });
    // Nobody is there by that name.
    lab.undialed(3);
    let moved = lab.wait(ms(1500));
    assert!(!moved.iter().any(|output| output.contains("rebalancing")), "{moved:?}");
}

#[test]
fn whoever_turns_out_to_be_at_a_preferred_broker_stays() {
    let mut lab = Lab::new(&["tcp://b:1", "tcp://a:1", "tcp://c:1"], |options| {
        options.priority_backup = true;
        options.priority_uris = ["tcp://a:1", "tcp://c:1"].map(|uri| uri.parse().unwrap()).to_vec();
    });
    lab.input(Input::Start);
    lab.undialed(1);
    lab.undialed(2);
    lab.dialed(3);
    lab.dialed(5);
    lab.dialed(4);
    let broker_url = Some("tcp://b:1".into());
    lab.hear(4, BrokerInfo { broker_url, ..BrokerInfo::default() });
    let moved = lab.wait(ms(1500));
    assert!(!moved.iter().any(|output| output.contains("rebalancing")), "{moved:?}");
}

#[test]
fn a_preferred_broker_is_tried_first_unless_it_failed_last() {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], |options| {
        options.priority_backup = true;
        options.priority_uris = vec!["tcp://c:1".parse().unwrap()];
    });
    assert_eq!(lab.input(Input::Start), ["dial 1 tcp://c:1"]);
    assert_eq!(lab.undialed(1)[1], "dial 2 tcp://a:1");
    assert_eq!(lab.undialed(2)[1], "dial 3 tcp://b:1");
}

#[test]
fn standbys_for_a_preferred_broker_come_beside_those_of_the_pool() {
    let mut lab = with_priority(true);
    lab.input(Input::Start);
    lab.undialed(1);
    let connected = lab.dialed(2);
    assert_eq!(connected[connected.len() - 2..], ["dial 3 tcp://a:1", "dial 4 tcp://c:1"]);
}

#[test]
fn a_list_that_was_read_and_says_another_first_broker_is_followed_if_that_is_wanted() {
    for rebalance in [true, false] {
        let mut lab = Lab::two().connected();
        let brokers = vec!["tcp://c:1".parse().unwrap(), "tcp://a:1".parse().unwrap()];
        lab.input(Input::Discovered { brokers, rebalance });
        assert_eq!(lab.due().is_some(), rebalance);
    }
}
