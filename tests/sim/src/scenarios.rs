//! What happened to other clients of such brokers, as worlds written by hand: each has to come out right
//! here, and breaks no invariant besides.

mod moves;

use std::time::Duration;

use rewire_failover::core::QueueLimits;

use crate::{CLIENT_ID, ClientPlan, Fault, NetworkPlan, Plan, SECURITY, Way, Work, run};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Brokers with a store each, and one client that sends a message each tenth of a second.
fn quiet(brokers: usize) -> Plan {
    let work = Work {
        sessions: 1,
        producers: 1,
        consumers: 0,
        pace: ms(100),
        burst: 1,
        thinking: ms(1),
        hands: 1,
        gives_up: 0.0,
        lag: ms(0),
        prefetch: 5,
        persistent: 1.0,
        transmitted: 0.0,
        transacted: ms(0),
        turnover: ms(0),
        large: 0.0,
        close_at: None,
        naps: Vec::new(),
    };
    let client = ClientPlan {
        initial_delay: ms(10),
        max_delay: ms(1000),
        multiplier: Some(2.0),
        attempts: None,
        startup_attempts: None,
        timeout: None,
        randomize: false,
        jitter: 0.0,
        standbys: None,
        priority: None,
        configured: brokers,
        limits: QueueLimits::default(),
        work,
    };
    Plan {
        seed: 1,
        brokers: (0..brokers).collect(),
        clients: vec![client],
        network: NetworkPlan {
            delay: ms(1),
            jitter: ms(1),
            silence: ms(10_000),
            dial_timeout: ms(8_000),
        },
        faults: Vec::new(),
        heal_at: ms(30_000),
        late_frames: true,
        twice: 0.0,
        aliases: vec![false; brokers],
    }
}

/// What a world that was written by hand looked like.
struct Story(Vec<String>);

impl Story {
    /// A world, what goes wrong in it, by the millisecond, and what becomes of it.
    fn of(mut plan: Plan, faults: &[(u64, Fault)]) -> Self {
        plan.faults = faults.iter().map(|(at, fault)| (ms(*at), fault.clone())).collect();
        let outcome = run(plan, true);
        assert_eq!(outcome.broken, None, "{:#?}", outcome.trace);
        Self(outcome.trace)
    }

    /// The lines that have all of these words, with their times in seconds.
    fn lines(&self, words: &[&str]) -> Vec<(f64, &str)> {
        let all = self.0.iter().filter(|line| words.iter().all(|word| line.contains(word)));
        all.map(|line| (line[..13].trim().parse().unwrap(), line.as_str())).collect()
    }

    fn count(&self, words: &[&str]) -> usize {
        self.lines(words).len()
    }

    /// When the first line with these words is, from a time on.
    fn after(&self, from: f64, words: &[&str]) -> f64 {
        let line = self.lines(words).into_iter().find(|(at, _)| *at >= from);
        line.unwrap_or_else(|| panic!("no {words:?} after {from}: {:#?}", self.0)).0
    }
}

#[test]
fn a_client_that_finds_no_broker_fails_its_requests_after_the_last_attempt_it_may_make() {
    let mut plan = quiet(1);
    plan.clients[0].attempts = Some(3);
    plan.clients[0].initial_delay = ms(100);
    plan.clients[0].multiplier = None;
    let story = Story::of(plan, &[(0, Fault::Crash(0))]);
    assert_eq!(story.count(&["dials"]), 3);
    assert!(story.after(0.0, &["GaveUp"]) < 0.3);
    assert_eq!(story.count(&["completes 0: not sent: gave up after 3 rounds"]), 1);
}

#[test]
fn the_option_timeout_does_not_cut_connecting_short() {
    let mut plan = quiet(1);
    plan.clients[0].timeout = Some(ms(1000));
    plan.clients[0].attempts = Some(5);
    plan.clients[0].initial_delay = ms(1000);
    plan.clients[0].multiplier = None;
    let story = Story::of(plan, &[(0, Fault::Crash(0))]);
    assert!(story.after(0.0, &["completes 0:"]) > 3.0);
    assert_eq!(story.count(&["completes 0: not sent: gave up after 5 rounds"]), 1);
}

#[test]
fn a_message_that_waits_too_long_fails_and_the_next_goes_through_on_the_same_connection() {
    let mut plan = quiet(1);
    plan.clients[0].timeout = Some(ms(1000));
    let story = Story::of(plan, &[(5000, Fault::Stop(0)), (8000, Fault::Restart(0))]);
    let failed = story.after(5.0, &["not sent: no broker within the timeout of 1000 ms"]);
    assert!((6.0..6.2).contains(&failed), "{failed}");
    assert!(story.after(8.0, &["b0 stores"]) < 10.0);
    assert_eq!(story.count(&["GaveUp"]), 0);
}

#[test]
fn the_initial_delay_is_waited_after_a_loss_and_not_before_the_first_connection() {
    let mut plan = quiet(2);
    plan.clients[0].initial_delay = ms(15_000);
    let story = Story::of(plan, &[(5000, Fault::Crash(0))]);
    assert!(story.after(0.0, &["b0 stores"]) < 1.0);
    assert!((20.0..20.1).contains(&story.after(5.0, &["dials tcp://broker1"])));
}

#[test]
fn where_no_reconnection_is_allowed_a_loss_is_the_end() {
    let mut plan = quiet(2);
    plan.clients[0].attempts = Some(0);
    let story = Story::of(plan, &[(5000, Fault::Stop(0))]);
    assert_eq!(story.count(&["dials"]), 1);
    assert!(story.after(5.0, &["GaveUp"]) < 5.1);
    assert!(story.after(5.0, &["delivers Ended"]) < 5.1);
}

#[test]
fn a_client_that_starts_before_its_broker_connects_when_it_comes() {
    let mut plan = quiet(1);
    plan.clients[0].attempts = Some(10);
    plan.clients[0].initial_delay = ms(200);
    plan.clients[0].multiplier = None;
    let story = Story::of(plan, &[(0, Fault::Crash(0)), (1000, Fault::Restart(0))]);
    assert!(story.after(1.0, &["b0 stores"]) < 2.0);
}

#[test]
fn messages_go_to_the_next_broker_when_theirs_stops() {
    let story = Story::of(quiet(2), &[(5000, Fault::Stop(0))]);
    assert!(story.lines(&["b1 stores"]).iter().all(|(at, _)| *at > 5.0));
    assert!(story.lines(&["b0 stores"]).iter().all(|(at, _)| *at < 5.1));
    assert!(story.after(5.0, &["b1 stores"]) < 5.5);
}

#[test]
fn ten_clients_lose_their_links_nine_times_and_hear_of_each_loss_and_each_return_once() {
    let mut plan = quiet(2);
    plan.clients = vec![plan.clients[0].clone(); 10];
    let resets: Vec<(u64, Fault)> = (1..10)
        .flat_map(|round| (0..10).map(move |client| (round, client)))
        .flat_map(|(round, client)| {
            [0, 1].map(|broker| (round * 2000, Fault::Reset(client, broker)))
        })
        .collect();
    let story = Story::of(plan, &resets);
    for client in 0..10 {
        let client = format!(" c{client} ");
        assert_eq!(story.count(&[&client, "delivers that it is gone"]), 9);
        assert_eq!(story.count(&[&client, "delivers that it is there"]), 10);
    }
}

#[test]
fn what_a_broker_refused_is_not_made_again() {
    let story = Story::of(
        quiet(1),
        &[
            (0, Fault::Refuse(0, 1.0)),
            (2000, Fault::Welcome(0)),
            (5000, Fault::Crash(0)),
            (6000, Fault::Restart(0)),
        ],
    );
    let sent = story.lines(&["sends SessionInfo"]);
    assert_eq!(sent.iter().filter(|(_, line)| line.ends_with("ID:c0:1")).count(), 1);
    assert!(story.after(6.0, &["delivers that it is there"]) < 8.0);
}

#[test]
fn a_consumer_that_its_broker_closed_is_not_made_again() {
    let mut plan = quiet(1);
    plan.clients[0].work.consumers = 1;
    let faults = [(3000, Fault::Evict(0)), (5000, Fault::Crash(0)), (6000, Fault::Restart(0))];
    let story = Story::of(plan, &faults);
    assert_eq!(story.count(&["b0", "hears ConsumerInfo"]), 1);
    assert_eq!(story.count(&["b0", "hears ProducerInfo"]), 2);
}

#[test]
fn a_message_whose_answer_is_lost_with_its_broker_is_confirmed_and_stored_once() {
    let story = Story::of(
        quiet(1),
        &[
            (5000, Fault::Partition(0, 0, Some(Way::Down))),
            (6000, Fault::PowerOff(0)),
            (6500, Fault::Restart(0)),
            (6600, Fault::Mend(0, 0)),
        ],
    );
    assert!(story.count(&["b0 has c0:1:1:", "already"]) > 2);
    assert_eq!(story.count(&["in doubt"]), 0);
}

#[test]
fn a_message_whose_link_is_cut_before_the_answer_is_confirmed_and_stored_once() {
    let story = Story::of(
        quiet(1),
        &[
            (5000, Fault::Partition(0, 0, Some(Way::Down))),
            (6000, Fault::Reset(0, 0)),
            (6100, Fault::Mend(0, 0)),
        ],
    );
    assert!(story.count(&["b0 has c0:1:1:", "already"]) > 2);
    assert_eq!(story.count(&["in doubt"]), 0);
}

#[test]
fn what_was_dispatched_and_not_acknowledged_comes_again_with_a_mark() {
    let mut plan = quiet(1);
    // Enough for both queues.
    plan.clients[0].work.consumers = 6;
    plan.clients[0].work.thinking = ms(3000);
    let story = Story::of(plan, &[(5000, Fault::Reset(0, 0))]);
    assert!(story.after(5.0, &["delivers MessageDispatch", "again, 1"]) < 6.0);
    assert_eq!(story.lines(&["again"]).iter().filter(|(at, _)| *at < 5.0).count(), 0);
}

#[test]
fn a_configured_broker_is_found_again_after_a_list_that_leaves_it_out() {
    let story = Story::of(
        quiet(2),
        &[
            (0, Fault::Crash(1)),
            (3000, Fault::Announce(0, vec![0])),
            (5000, Fault::Restart(1)),
            (6000, Fault::Crash(0)),
        ],
    );
    assert!(story.after(6.0, &["b1 stores"]) < 7.0);
}

#[test]
fn a_broker_that_was_only_announced_is_found_when_the_configured_one_dies() {
    let mut plan = quiet(2);
    plan.clients[0].configured = 1;
    let faults = [(3000, Fault::Announce(0, vec![0, 1])), (6000, Fault::Crash(0))];
    assert!(Story::of(plan, &faults).after(6.0, &["b1 stores"]) < 7.0);
}

#[test]
fn a_standby_takes_over_without_a_delay_and_is_replaced() {
    let mut plan = quiet(3);
    plan.clients[0].standbys = Some(1);
    plan.clients[0].initial_delay = ms(10_000);
    let story = Story::of(plan, &[(5000, Fault::Crash(0))]);
    assert!(story.after(5.0, &["delivers that it is there"]) < 5.1);
    assert!(story.after(5.0, &["dials tcp://broker"]) < 5.1);
}

#[test]
fn a_link_that_falls_silent_is_given_up_and_replaced() {
    let story = Story::of(quiet(2), &[(5000, Fault::PowerOff(0))]);
    let noticed = story.after(5.0, &["nothing heard for 10000 ms"]);
    assert!((15.0..19.0).contains(&noticed), "{noticed}");
    assert!(story.after(noticed, &["b1 stores"]) < noticed + 1.0);
}

#[test]
fn a_password_that_every_broker_refuses_is_the_end() {
    let story = Story::of(
        quiet(2),
        &[
            (4000, Fault::RefuseConnections(0, SECURITY)),
            (4000, Fault::RefuseConnections(1, SECURITY)),
            (5000, Fault::Reset(0, 0)),
        ],
    );
    assert!(story.after(5.0, &["GaveUp"]) < 5.2);
    assert_eq!(story.count(&["dials"]), 3);
}

#[test]
fn a_client_id_that_is_in_use_counts_as_a_failed_attempt_and_is_tried_again() {
    let story = Story::of(
        quiet(1),
        &[
            (4000, Fault::RefuseConnections(0, CLIENT_ID)),
            (5000, Fault::Reset(0, 0)),
            (8000, Fault::Welcome(0)),
        ],
    );
    assert!(story.count(&["AttemptFailed", "InvalidClientIDException", "round: 3"]) == 1);
    assert!(story.after(8.0, &["delivers that it is there"]) < 10.0);
}

#[test]
fn a_message_fails_in_time_while_a_dial_hangs() {
    let mut plan = quiet(1);
    plan.clients[0].timeout = Some(ms(500));
    let story = Story::of(plan, &[(4000, Fault::Hang(0)), (5000, Fault::Reset(0, 0))]);
    let failed = story.after(5.0, &["no broker within the timeout of 500 ms"]);
    assert!((5.5..5.7).contains(&failed), "{failed}");
}

#[test]
fn closing_waits_for_no_dial_that_hangs() {
    let mut plan = quiet(1);
    plan.clients[0].work.close_at = Some(ms(6000));
    let story = Story::of(plan, &[(4000, Fault::Hang(0)), (5000, Fault::Reset(0, 0))]);
    assert!(story.after(6.0, &["delivers Ended"]) < 6.001);
}

#[test]
fn a_broker_that_stands_still_for_a_while_and_goes_on_keeps_its_clients() {
    let story = Story::of(quiet(2), &[(5000, Fault::Pause(0)), (9000, Fault::Resume(0))]);
    assert_eq!(story.count(&["delivers that it is gone"]), 0);
    assert!(story.after(9.0, &["b0 stores"]) < 9.1);
}

#[test]
fn a_name_is_resolved_anew_on_each_attempt() {
    let mut plan = quiet(2);
    plan.clients[0].configured = 1;
    let story = Story::of(plan, &[(4000, Fault::Swap(0, 1)), (5000, Fault::Reset(0, 0))]);
    assert!(story.after(5.0, &["b1 stores"]) < 6.0);
}

#[test]
fn a_slave_takes_over_from_its_master_with_all_that_was_confirmed() {
    let mut plan = quiet(2);
    plan.brokers = vec![0, 0];
    let story = Story::of(plan, &[(5000, Fault::PowerOff(0))]);
    assert!(story.count(&["b1 stores"]) > 10);
}
