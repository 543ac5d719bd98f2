//! Moves to other brokers: those that brokers ask for, and those to a preferred broker.

use std::collections::BTreeSet;

use super::*;

/// Brokers with a store each, and a client with consumers of all there is, who think for a while.
fn consuming(brokers: usize, thinking: u64) -> Plan {
    let mut plan = quiet(brokers);
    let work = &mut plan.clients[0].work;
    // Enough for both queues.
    work.consumers = 6;
    work.thinking = ms(thinking);
    plan
}

/// Brokers, and five clients that prefer one of them and try again each second.
fn preferring(brokers: usize, priority: &[usize]) -> Plan {
    let mut plan = quiet(brokers);
    let client = &mut plan.clients[0];
    client.priority = Some(priority.to_vec());
    client.initial_delay = ms(1000);
    client.multiplier = None;
    plan.clients = vec![client.clone(); 5];
    plan.heal_at = ms(40_000);
    plan
}

#[test]
fn clients_of_one_broker_spread_when_another_joins_and_they_are_balanced() {
    let mut plan = quiet(2);
    plan.clients[0].configured = 1;
    plan.clients = vec![plan.clients[0].clone(); 10];
    let story = Story::of(plan, &[(5000, Fault::Rebalance(0, vec![0, 1]))]);
    assert_eq!(story.count(&["tells Rebalancing", "broker1"]), 5);
    assert!(story.lines(&["b1 stores"]).len() > 100);
    assert_eq!(story.count(&["tells Interrupted"]), 0);
}

#[test]
fn many_clients_that_are_balanced_at_once_do_not_move_at_once() {
    let mut plan = quiet(2);
    plan.clients[0].configured = 1;
    plan.clients[0].work.pace = ms(10_000);
    plan.clients = vec![plan.clients[0].clone(); 200];
    let story = Story::of(plan, &[(5000, Fault::Rebalance(0, vec![0, 1]))]);
    let moves: Vec<f64> = story.lines(&["tells Rebalancing"]).iter().map(|(at, _)| *at).collect();
    assert_eq!(moves.len(), 100);
    for tenth in 0..5 {
        let from = 5.0 + f64::from(tenth) / 10.0;
        let within = moves.iter().filter(|at| (from..from + 0.1).contains(*at)).count();
        assert!((5..40).contains(&within), "{within} from {from} on");
    }
}

#[test]
fn many_clients_that_lost_their_broker_do_not_come_back_at_once_when_there_is_jitter() {
    let mut plan = quiet(2);
    plan.clients[0].initial_delay = ms(1000);
    plan.clients[0].jitter = 1.0;
    plan.clients[0].work.pace = ms(10_000);
    plan.clients = vec![plan.clients[0].clone(); 200];
    let story = Story::of(plan, &[(5000, Fault::Crash(0))]);
    let dials: Vec<f64> = story.lines(&["dials tcp://broker1"]).iter().map(|(at, _)| *at).collect();
    for tenth in 0..10 {
        let from = 5.0 + f64::from(tenth) / 10.0;
        let within = dials.iter().filter(|at| (from..from + 0.1).contains(*at)).count();
        assert!((5..50).contains(&within), "{within} from {from} on");
    }
}

#[test]
fn what_was_prefetched_and_not_handed_out_comes_once_and_without_a_mark_after_moves() {
    let story = Story::of(
        consuming(2, 300),
        &[(5000, Fault::AskToMove(0, None, 1)), (9000, Fault::AskToMove(1, None, 0))],
    );
    assert_eq!(story.count(&["tells Rebalancing"]), 2);
    assert_eq!(story.count(&["hands out", "again"]), 0);
    let lines = story.lines(&["hands out"]);
    let keys: BTreeSet<&str> = lines.iter().map(|(_, line)| &line[13..]).collect();
    assert_eq!(keys.len(), lines.len());
    // What waited at the first broker was not lost.
    assert!(story.count(&["b0 is done with"]) > 20);
}

#[test]
fn what_is_in_hand_when_a_link_is_left_is_acknowledged_over_it() {
    let story = Story::of(consuming(2, 1500), &[(5000, Fault::AskToMove(0, None, 1))]);
    let left = story.after(5.0, &["delivers that it is being left"]);
    let over = story.after(left, &["hangs up"]);
    assert!(over < left + 1.6, "{left} {over}");
    assert!(story.after(left + 0.01, &["b0 is done with"]) < over + 0.01);
}

#[test]
fn an_application_that_takes_longer_to_settle_is_waited_for_two_seconds_and_what_it_has_comes_marked()
 {
    let story = Story::of(
        consuming(2, 60_000),
        &[(5000, Fault::AskToMove(0, None, 1)), (9000, Fault::AskToMove(1, None, 0))],
    );
    let left = story.after(5.0, &["delivers that it is being left"]);
    let over = story.after(left, &["hangs up"]);
    assert!((1.999..2.001).contains(&(over - left)), "{left} {over}");
    assert!(story.count(&["hands out", "again, 1"]) > 0);
}

#[test]
fn closing_does_not_wait_for_a_link_to_be_left() {
    let mut plan = consuming(2, 60_000);
    plan.clients[0].work.close_at = Some(ms(6500));
    let story = Story::of(plan, &[(5000, Fault::AskToMove(0, None, 1))]);
    assert!(story.after(5.0, &["delivers that it is being left"]) < 6.5);
    assert!(story.after(6.5, &["delivers Ended"]) < 6.501);
}

#[test]
fn who_is_asked_to_go_somewhere_goes_there_whatever_list_there_was_and_forgets_no_broker() {
    let mut plan = quiet(3);
    plan.clients[0].configured = 2;
    let faults = [
        (3000, Fault::Announce(0, vec![1, 0])),
        (5000, Fault::AskToMove(0, None, 2)),
        (9000, Fault::Crash(2)),
    ];
    let story = Story::of(plan, &faults);
    assert!(story.after(5.0, &["b2 stores"]) < 6.0);
    assert!(story.after(9.0, &["b1 stores"]) < 9.5);
}

#[test]
fn who_is_asked_to_go_where_it_is_stays() {
    let mut plan = quiet(2);
    plan.aliases = vec![true, false];
    let faults = [(5000, Fault::AskToMove(0, None, 0)), (6000, Fault::Rebalance(0, vec![1, 0]))];
    let story = Story::of(plan, &faults);
    assert_eq!(story.count(&["dials"]), 1);
}

#[test]
fn the_old_link_serves_while_the_new_one_hangs_or_is_refused() {
    let mut plan = quiet(3);
    plan.heal_at = ms(20_000);
    let faults = [
        (3000, Fault::Hang(1)),
        (3000, Fault::Crash(2)),
        (5000, Fault::AskToMove(0, None, 1)),
        (15_000, Fault::AskToMove(0, None, 2)),
    ];
    let story = Story::of(plan, &faults);
    assert_eq!(story.lines(&["link", "dials"]).len(), 3, "{:?}", story.lines(&["dials"]));
    assert_eq!(story.count(&["delivers that it is gone"]), 0);
    assert!(story.lines(&["b0 stores"]).len() > 150);
}

#[test]
fn a_link_that_is_lost_while_it_is_left_is_a_failover_like_any_other() {
    let faults = [(5000, Fault::AskToMove(0, None, 1)), (6000, Fault::Crash(0))];
    let story = Story::of(consuming(2, 60_000), &faults);
    assert!(story.after(5.0, &["delivers that it is being left"]) < 6.0);
    assert_eq!(story.count(&["tells Interrupted"]), 1);
    assert!(story.after(6.0, &["b1 stores"]) < 6.1);
}

#[test]
fn a_broker_that_names_its_successors_and_stops_strands_nobody() {
    let mut plan = quiet(2);
    plan.clients[0].configured = 1;
    let faults = [(3000, Fault::Announce(0, vec![1])), (5000, Fault::Stop(0))];
    assert!(Story::of(plan, &faults).after(5.0, &["b1 stores"]) < 5.5);
}

#[test]
fn a_published_address_that_leads_nowhere_keeps_nobody_from_the_configured_one() {
    let mut plan = quiet(1);
    plan.aliases = vec![true];
    let faults = [
        (1000, Fault::Forget(1)),
        (3000, Fault::Announce(0, vec![0])),
        (5000, Fault::Crash(0)),
        (6000, Fault::Restart(0)),
    ];
    assert!(Story::of(plan, &faults).after(6.0, &["b0 stores"]) < 8.0);
}

#[test]
fn whoever_prefers_a_broker_is_there_whenever_it_is_up() {
    let faults = [
        (3000, Fault::Crash(1)),
        (4000, Fault::Restart(1)),
        (6000, Fault::Crash(0)),
        (8000, Fault::Restart(0)),
        (15_000, Fault::Crash(0)),
        (17_000, Fault::Restart(0)),
        (24_000, Fault::Stop(0)),
        (26_000, Fault::Restart(0)),
        (33_000, Fault::Crash(1)),
    ];
    let story = Story::of(preferring(2, &[]), &faults);
    assert_eq!(story.count(&["tells Interrupted"]), 15);
    for returned in [8.0, 17.0, 26.0] {
        let moved = story.lines(&["tells Rebalancing", "Priority"]);
        let moved = moved.iter().filter(|(at, _)| (returned..returned + 4.0).contains(at));
        assert_eq!(moved.count(), 5, "after {returned}");
    }
    assert_eq!(story.lines(&["b1 stores"]).iter().filter(|(at, _)| *at > 30.0).count(), 0);
}

#[test]
fn the_preferred_broker_need_not_be_the_first() {
    let faults = [(5000, Fault::Crash(1)), (8000, Fault::Restart(1))];
    let story = Story::of(preferring(3, &[1]), &faults);
    assert!(story.lines(&["b1 stores"]).iter().any(|(at, _)| *at < 1.0));
    assert!(story.after(5.0, &["b0 stores"]) < 8.0);
    assert_eq!(story.count(&["tells Rebalancing", "broker1:61616\", reason: Priority"]), 5);
}

#[test]
fn whoever_is_at_the_broker_it_prefers_is_not_moved_away() {
    let faults = [(5000, Fault::Rebalance(0, vec![0, 1])), (8000, Fault::AskToMove(0, None, 1))];
    let story = Story::of(preferring(2, &[0]), &faults);
    assert_eq!(story.count(&["tells Rebalancing"]), 0);
    assert_eq!(story.count(&["dials"]), 5);
}

#[test]
fn a_preferred_broker_that_comes_and_goes_does_not_take_its_clients_along_each_time() {
    let mut faults = Vec::new();
    for flap in 0..20 {
        faults.push((5000 + flap * 600, Fault::Crash(0)));
        faults.push((5300 + flap * 600, Fault::Restart(0)));
    }
    let mut plan = preferring(2, &[]);
    plan.clients.truncate(1);
    plan.clients[0].initial_delay = ms(50);
    let story = Story::of(plan, &faults);
    let moves = story.lines(&["tells Rebalancing"]);
    assert!(moves.iter().filter(|(at, _)| *at < 17.0).count() <= 6, "{moves:?}");
    assert!(moves.iter().any(|(at, _)| *at > 17.0));
}

#[test]
fn a_dead_standby_in_a_full_pool_is_replaced() {
    let mut plan = quiet(3);
    plan.clients[0].standbys = Some(1);
    let story = Story::of(plan, &[(5000, Fault::Crash(1)), (8000, Fault::Crash(0))]);
    assert!(story.after(5.0, &["dials tcp://broker2"]) < 8.0);
    assert!(story.after(8.0, &["b2 stores"]) < 8.2);
}

#[test]
fn a_preferred_broker_that_is_back_is_moved_to_though_another_was_asked_for_in_vain() {
    let mut faults =
        vec![(1000, Fault::Crash(2)), (5000, Fault::Crash(0)), (8000, Fault::Restart(0))];
    faults.extend((80..105).map(|tenth| (tenth * 100, Fault::AskToMove(1, None, 2))));
    let story = Story::of(preferring(3, &[]), &faults);
    assert_eq!(story.count(&["tells Rebalancing", "broker0:61616\", reason: Priority"]), 5);
}
