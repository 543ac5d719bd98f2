//! Browsers, consumers that pull, and windows that change.

use rewire_protocol::ConsumerControl;

use super::*;

#[test]
fn a_browser_sees_what_is_there_then_the_end_and_takes_nothing() {
    let mut lab = Lab::clients(1..=2);
    lab.send_many(1, 2, &queue("Q"));
    let browser = ConsumerInfo { browser: true, ..consumer(2, 1, queue("Q")) };
    assert_eq!(
        lab.ask(2, browser),
        ["2 < done 7", "2 < 1.1 to c2:1:1", "2 < 1.2 to c2:1:1", "2 < nothing to c2:1:1"]
    );
    assert!(lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.2").is_empty());
    assert!(lab.send(1, 3, queue("Q")).is_empty(), "it looks once");
    lab.end(2, 1, -1);
    assert_eq!(lab.pending(&queue("Q")), 3);
}

#[test]
fn a_browser_sees_what_is_at_a_consumer_too() {
    let mut lab = Lab::clients(1..=2);
    lab.ask(1, ConsumerInfo { prefetch_size: 1, ..consumer(1, 1, queue("Q")) });
    lab.send_many(1, 2, &queue("Q"));
    let browser = ConsumerInfo { browser: true, ..consumer(2, 1, queue("Q")) };
    assert_eq!(lab.ask(2, browser).len(), 4);
}

#[test]
fn a_browser_is_sent_no_more_than_its_prefetch_until_it_says_so() {
    let mut lab = Lab::clients(1..=2);
    lab.send_many(1, 3, &queue("Q"));
    let browser = ConsumerInfo { browser: true, prefetch_size: 2, ..consumer(2, 1, queue("Q")) };
    assert_eq!(lab.ask(2, browser).len(), 3);
    let rest = lab.ack(2, 1, MessageAck::STANDARD, "1.1", "1.2");
    assert_eq!(rest, ["2 < 1.3 to c2:1:1", "2 < nothing to c2:1:1"]);
}

#[test]
fn a_consumer_that_pulls_gets_one_message_for_each_request() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, ConsumerInfo { prefetch_size: 0, ..consumer(1, 1, queue("Q")) });
    assert!(lab.send(1, 1, queue("Q")).is_empty());
    lab.send(1, 2, queue("Q"));
    assert_eq!(lab.pull(1, 1, -1), ["1 < 1.1 to c1:1:1"]);
    assert_eq!(lab.pull(1, 1, 0), ["1 < 1.2 to c1:1:1"]);
    assert!(lab.pull(1, 1, 0).is_empty());
    assert_eq!(lab.send(1, 3, queue("Q")), ["1 < 1.3 to c1:1:1"]);
    assert!(lab.send(1, 4, queue("Q")).is_empty());
}

#[test]
fn a_pull_that_finds_nothing_is_told_so_at_once_or_at_its_time() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, ConsumerInfo { prefetch_size: 0, ..consumer(1, 1, queue("Q")) });
    assert_eq!(lab.pull(1, 1, -1), ["1 < nothing to c1:1:1"]);
    assert!(lab.pull(1, 1, 500).is_empty());
    assert!(lab.wait(Duration::from_millis(499)).is_empty());
    assert_eq!(lab.wait(Duration::from_millis(1)), ["1 < nothing to c1:1:1"]);
    assert!(lab.send(1, 1, queue("Q")).is_empty(), "it has asked for nothing more");
}

#[test]
fn a_pull_that_was_answered_is_not_told_that_there_is_nothing() {
    let mut lab = Lab::clients(1..=1);
    lab.ask(1, ConsumerInfo { prefetch_size: 0, ..consumer(1, 1, queue("Q")) });
    lab.pull(1, 1, 500);
    assert_eq!(lab.send(1, 1, queue("Q")), ["1 < 1.1 to c1:1:1"]);
    lab.wait(Duration::from_millis(400));
    lab.pull(1, 1, 500);
    assert!(lab.wait(Duration::from_millis(499)).is_empty());
    assert_eq!(lab.wait(Duration::from_millis(1)), ["1 < nothing to c1:1:1"]);
}

#[test]
fn a_consumer_restored_with_prefetch_0_gets_its_messages_when_it_says_its_prefetch() {
    let mut lab = Lab::clients(1..=1);
    lab.send_many(1, 3, &queue("Q"));
    lab.ask(1, ConsumerInfo { prefetch_size: 0, ..consumer(1, 1, queue("Q")) });
    let consumer_id = Some(connection(1).session(1).consumer(1));
    let control = ConsumerControl { consumer_id, prefetch: 2, ..ConsumerControl::default() };
    assert_eq!(lab.tell(1, control), ["1 < 1.1 to c1:1:1", "1 < 1.2 to c1:1:1"]);
}

#[test]
fn nothing_is_dispatched_over_a_congested_link_until_it_is_relieved() {
    let mut lab = Lab::clients(1..=2);
    lab.consume(2, 1, queue("Q"));
    lab.input(Input::Congested(LinkId(2)));
    assert!(lab.send(1, 1, queue("Q")).is_empty());
    assert_eq!(lab.input(Input::Relieved(LinkId(2))), ["2 < 1.1 to c2:1:1"]);
    assert_eq!(lab.send(1, 2, queue("Q")), ["2 < 1.2 to c2:1:1"]);
}
