//! Destinations that nobody uses go where the policy says so, and only those.

use super::*;

fn lab() -> Lab {
    let policy = DestinationPolicy {
        gc_inactive_destinations: true,
        inactive_timeout_before_gc: Duration::from_secs(60),
        ..DestinationPolicy::default()
    };
    let mut lab = Lab::with(|config| {
        config.policies.insert(queue("GO.>"), policy.clone());
        config.policies.insert(topic("GO.>"), policy);
    });
    (1..=2).for_each(|link| lab.client(link));
    lab
}

/// Time passes, as a shell goes through it.
fn pass(lab: &mut Lab, time: Duration) {
    let end = lab.now.instant + time;
    while let Some(due) = lab.core.poll_timeout().filter(|due| *due <= end) {
        lab.wait(due.saturating_duration_since(lab.now.instant));
    }
    lab.wait(end.saturating_duration_since(lab.now.instant));
}

fn exists(lab: &Lab, destination: &Destination) -> bool {
    lab.core.stats(destination).is_some()
}

#[test]
fn an_empty_queue_that_nobody_uses_goes_and_comes_back_when_it_is_used() {
    let mut lab = lab();
    let go = queue("GO.Q");
    lab.consume(1, 1, go.clone());
    pass(&mut lab, Duration::from_secs(600));
    assert!(exists(&lab, &go), "it has a consumer");
    lab.end(1, 1, -1);
    pass(&mut lab, Duration::from_secs(59));
    assert!(exists(&lab, &go), "it may be used again any moment");
    pass(&mut lab, Duration::from_secs(31));
    assert!(!exists(&lab, &go));
    lab.send(1, 1, go.clone());
    assert_eq!(lab.pending(&go), 1);
}

#[test]
fn what_holds_messages_or_is_sent_some_now_and_then_stays() {
    let mut lab = lab();
    let (full, busy, mine) = (queue("GO.FULL"), topic("GO.BUSY"), queue("STAY"));
    lab.send(1, 1, full.clone());
    lab.consume(1, 1, mine.clone());
    lab.end(1, 1, -1);
    for number in 2..=20 {
        lab.send(1, number, busy.clone());
        pass(&mut lab, Duration::from_secs(50));
    }
    assert!(exists(&lab, &full), "it holds a message");
    assert_eq!(lab.counts(&busy).enqueued, 19, "somebody sends to it: it is the same all the time");
    assert!(exists(&lab, &mine), "no policy says that it goes");
    pass(&mut lab, Duration::from_secs(90));
    assert!(!exists(&lab, &busy));
    // A message that a consumer has and has not acknowledged counts too.
    lab.consume(2, 1, full.clone());
    assert_eq!(lab.in_flight(&full), 1);
    pass(&mut lab, Duration::from_secs(600));
    lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.1");
    lab.end(2, 1, -1);
    pass(&mut lab, Duration::from_secs(90));
    assert!(!exists(&lab, &full));
}

#[test]
fn a_topic_with_a_durable_subscription_stays_while_its_subscriber_is_away() {
    let mut lab = lab();
    let go = topic("GO.T");
    let subscription_name = Some("all".into());
    lab.ask(2, ConsumerInfo { subscription_name, ..consumer(2, 1, go.clone()) });
    lab.close(2);
    pass(&mut lab, Duration::from_secs(600));
    lab.send(1, 1, go);
    assert_eq!(lab.core.report(9).subscriptions[0].pending, 1);
}

#[test]
fn a_queue_on_its_way_to_the_store_stays_and_one_that_went_is_gone_from_the_store_too() {
    let mut lab = Lab::stored();
    let policy = DestinationPolicy {
        gc_inactive_destinations: true,
        inactive_timeout_before_gc: Duration::from_secs(60),
        ..DestinationPolicy::default()
    };
    lab.core.config.policies.insert(queue("GO"), policy);
    lab.restart();
    lab.client(1);
    lab.unstored = Some(Vec::new());
    lab.send(1, 1, queue("GO"));
    pass(&mut lab, Duration::from_secs(600));
    for ticket in lab.unstored.take().unwrap() {
        lab.input(Input::Stored(ticket));
    }
    assert_eq!(lab.pending(&queue("GO")), 1);
    lab.consume(1, 1, queue("GO"));
    lab.ack(1, 1, MessageAck::STANDARD, "1.1", "1.1");
    lab.end(1, 1, -1);
    pass(&mut lab, Duration::from_secs(90));
    assert!(!exists(&lab, &queue("GO")));
    lab.restart();
    assert!(!exists(&lab, &queue("GO")));
}
