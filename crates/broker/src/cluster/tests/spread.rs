//! Clients are spread, and moved no more than it takes.

use std::time::Duration;

use rand::RngExt;

use super::world::{Kind, World};

const SECOND: Duration = Duration::from_secs(1);

fn secs(count: u32) -> Duration {
    SECOND * count
}

/// Three brokers with 20 clients each.
fn three(seed: u64, kinds: &[Kind]) -> World {
    let mut world = World::new(seed);
    for broker in 0..3 {
        world.start(broker);
    }
    world.pass(SECOND);
    for client in 0..60 {
        world.come(kinds[client % kinds.len()], client % 3);
    }
    world.pass(secs(10));
    assert_eq!(world.moves(), 0, "nobody is sent away who has just come");
    world
}

#[test]
fn a_broker_that_joins_gets_its_share_and_nobody_else_moves() {
    for kinds in [&[Kind::Rewire][..], &[Kind::Java], &[Kind::Rewire, Kind::JavaByChance]] {
        let mut world = three(1, kinds);
        world.start(3);
        world.pass(SECOND);
        world.assert_all_know("within a second");
        world.pass(secs(10));
        assert_eq!(world.spread().into_values().collect::<Vec<_>>(), [15; 4], "{kinds:?}");
        assert_eq!(world.moves(), 15, "{kinds:?}");
    }
}

#[test]
fn who_moves_in_order_moves_before_others() {
    let mut world = three(1, &[Kind::Rewire, Kind::Java]);
    world.start(3);
    world.pass(secs(10));
    let moved = |kind| world.clients.iter().filter(|c| c.kind == kind && c.moves > 0).count();
    assert_eq!((moved(Kind::Rewire), moved(Kind::Java)), (15, 0));
}

#[test]
fn who_moves_in_order_and_has_just_come_is_waited_for() {
    let mut world = three(1, &[Kind::JavaByChance]);
    for client in 0..60 {
        world.come(Kind::Rewire, client % 3);
    }
    world.start(3);
    world.pass(secs(10));
    world.assert_even("when it has joined");
    let moved = |kind| world.clients.iter().filter(|c| c.kind == kind && c.moves > 0).count();
    assert_eq!((moved(Kind::Rewire), moved(Kind::JavaByChance)), (30, 0));
}

#[test]
fn moves_are_spread_in_time() {
    let mut world = three(1, &[Kind::Java]);
    for client in 0..240 {
        world.come(Kind::Java, client % 3);
    }
    world.pass(secs(5));
    world.start(3);
    world.pass(Duration::from_millis(500));
    assert!((5..40).contains(&world.moves()), "{} have moved already", world.moves());
    world.pass(secs(3));
    assert_eq!(world.moves(), 75);
}

#[test]
fn a_broker_that_stops_in_order_sends_its_clients_away_evenly_and_loses_none() {
    let mut world = three(1, &[Kind::Rewire, Kind::Java]);
    world.stop(2);
    world.pass(secs(20));
    world.assert_even("when it is gone");
    assert_eq!(world.moves(), 20);
    assert_eq!(world.clients.iter().map(|client| client.losses).sum::<usize>(), 0);
    world.assert_all_know("when it is gone");
}

#[test]
fn when_a_broker_stops_those_that_move_by_chance_go_first_and_the_others_make_it_even() {
    for seed in 0..20 {
        let mut world = three(seed, &[Kind::Rewire, Kind::JavaByChance]);
        world.start(3);
        world.pass(secs(10));
        let (before, here) = (world.moves(), world.spread()[&2]);
        world.stop(2);
        world.pass(secs(20));
        world.assert_even("when it is gone");
        assert_eq!(
            world.moves() - before,
            here,
            "seed {seed}: nobody else moves, and nobody twice"
        );
    }
}

#[test]
fn when_a_broker_dies_only_its_clients_move() {
    for seed in 0..20 {
        let mut world = three(seed, &[Kind::Rewire]);
        let before: Vec<Option<usize>> = world.clients.iter().map(|client| client.at).collect();
        world.kill(2);
        world.pass(secs(20));
        world.assert_even("after a death");
        for (client, at) in world.clients.iter().zip(before) {
            assert!(at == Some(2) || client.moves == 0, "seed {seed}: {client:?}");
        }
    }
}

#[test]
fn a_broker_that_returns_gets_its_share_again() {
    let mut world = three(1, &[Kind::Rewire, Kind::JavaByChance]);
    world.kill(2);
    world.pass(secs(20));
    let before = world.moves();
    world.start(2);
    world.pass(secs(20));
    world.assert_even("when it is back");
    assert_eq!(world.moves() - before, 20);
}

#[test]
fn clients_that_all_come_to_one_broker_are_spread() {
    let mut world = World::new(1);
    for broker in 0..3 {
        world.start(broker);
    }
    world.pass(SECOND);
    for _ in 0..60 {
        world.come(Kind::Rewire, 0);
    }
    world.pass(SECOND);
    assert_eq!(world.moves(), 0);
    world.pass(secs(10));
    world.assert_even("in the end");
    assert_eq!(world.moves(), 40);
}

#[test]
fn clients_that_move_by_chance_are_spread_in_the_end() {
    for seed in 0..10 {
        let mut world = three(seed, &[Kind::JavaByChance]);
        world.start(3);
        world.pass(secs(120));
        world.assert_even("in the end");
    }
}

#[test]
fn without_the_wish_to_balance_clients_are_told_and_stay() {
    let mut world = World::new(1);
    world.config.rebalance_clients = false;
    world.start(0);
    for _ in 0..10 {
        world.come(Kind::Java, 0);
    }
    world.pass(secs(5));
    world.start(1);
    world.pass(secs(60));
    world.assert_all_know("in the end");
    assert_eq!(world.moves(), 0);
}

/// What has to happen whatever is decided: a broker that joins gets its share, those of one that leaves go.
#[test]
fn in_a_cluster_that_changes_at_random_nobody_moves_for_nothing_and_all_is_even_in_the_end() {
    let (mut moved, mut ideal) = (0, 0);
    for seed in 0..12 {
        let mut world = World::new(1000 + seed);
        for broker in 0..3 {
            world.start(broker);
        }
        world.pass(SECOND);
        for client in 0..80 {
            let kind = if client % 2 == 0 { Kind::Rewire } else { Kind::Java };
            world.come(kind, client % 3);
        }
        world.pass(secs(10));
        for _ in 0..20 {
            let broker = world.rng.random_range(0..6);
            let there = world.brokers.len();
            let held = world.spread().get(&broker).copied();
            match held {
                None => {
                    ideal += 80 / (there + 1);
                    world.start(broker);
                }
                Some(_) if there < 3 => continue,
                Some(held) if world.rng.random_bool(0.5) => {
                    ideal += held;
                    world.stop(broker);
                }
                Some(held) => {
                    ideal += held;
                    moved += held;
                    world.kill(broker);
                }
            }
            // Now and then before all of the last is done.
            let quiet = world.rng.random_range(0..25_000);
            world.pass(Duration::from_millis(quiet));
        }
        world.pass(secs(60));
        world.assert_even(&format!("seed {seed}"));
        world.assert_all_know(&format!("seed {seed}"));
        let before = world.moves();
        world.pass(secs(300));
        assert_eq!(world.moves(), before, "seed {seed}: nobody moves any more");
        moved += world.moves();
    }
    println!("{moved} moves, {ideal} ideal");
    assert!(moved * 100 <= ideal * 120, "{moved} moves, {ideal} would do");
}
