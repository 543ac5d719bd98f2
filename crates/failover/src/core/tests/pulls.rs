//! What no broker was to answer, and what consumers pull.

use rewire_protocol::{Destination, MessageDispatch, MessagePull};

use super::*;

fn pull(timeout: i64) -> MessagePull {
    MessagePull {
        consumer_id: Some(consumer_id()),
        destination: Some(Destination::queue("Q")),
        timeout,
        ..MessagePull::default()
    }
}

fn sized(len: usize) -> Message {
    Message { content: Some(bytes::Bytes::from(vec![0; len])), ..Message::default() }
}

impl Lab {
    fn tell(&mut self, command: impl Into<Command>) -> Vec<String> {
        let request = self.request(command, Completion::Transmitted);
        self.input(Input::Submit(request))
    }

    fn dispatch(&mut self, link: u64, message: Option<Box<Message>>) -> Vec<String> {
        let consumer_id = Some(consumer_id());
        let dispatch = MessageDispatch { consumer_id, message, ..MessageDispatch::default() };
        self.input(Input::Received(LinkId(link), dispatch.into()))
    }

    fn next_link(&mut self, from: u64) -> Vec<String> {
        self.lost(from);
        self.wait(ms(10));
        self.dialed(from + 1)
    }

    fn caching(bytes: u32) -> Self {
        Self::new(&["tcp://a:1", "tcp://b:1"], |options| {
            options.track_messages = true;
            options.max_cache_size = bytes;
        })
        .connected()
    }
}

#[test]
fn what_no_broker_was_to_answer_is_cached_and_sent_again_until_a_later_answer_came() {
    let mut lab = Lab::caching(1 << 20);
    lab.tell(sized(0));
    lab.tell(sized(0));
    assert_eq!(
        lab.next_link(1)[2..],
        ["transmit 2 ActiveMQMessage #2", "transmit 2 ActiveMQMessage #3"]
    );
    // The answer to what was repeated before them says nothing of them.
    lab.answer(2, 1);
    assert_eq!(lab.next_link(2).len(), 4);
    lab.answer(3, 1);
    lab.submit(session_info());
    lab.tell(sized(0));
    lab.answer(3, 4);
    assert_eq!(
        lab.next_link(3)[3..],
        ["transmit 4 ActiveMQMessage #5"],
        "what was sent before the answered request has arrived"
    );
}

#[test]
fn what_is_cached_is_asked_after_before_an_orderly_move_and_not_sent_again() {
    let mut lab = Lab::caching(1 << 20);
    lab.tell(sized(0));
    assert_eq!(lab.leave_for_b().last().unwrap(), "transmit 1 FlushCommand #3");
    // The broker's answer to that says that it has all that came before, and that it can be left.
    assert_eq!(
        lab.answer(1, 3),
        [
            "transmit 1 ShutdownInfo #0",
            "hangup 1",
            "interrupted 1",
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
        ]
    );
}

#[test]
fn what_is_cached_is_sent_again_when_the_broker_that_is_left_does_not_say_that_it_has_it() {
    let mut lab = Lab::caching(1 << 20);
    lab.tell(sized(0));
    lab.leave_for_b();
    assert!(lab.wait(ms(1999)).is_empty());
    assert_eq!(lab.wait(ms(1)).last().unwrap(), "transmit 2 ActiveMQMessage #2");
    assert!(lab.answer(1, 3).is_empty(), "too late");
}

#[test]
fn without_track_messages_nothing_is_cached() {
    let mut lab = Lab::two().connected();
    lab.tell(sized(0));
    assert_eq!(lab.next_link(1).len(), 2);
}

#[test]
fn a_message_that_waits_for_an_answer_or_a_link_is_not_cached_as_well() {
    let mut lab = Lab::caching(1 << 20);
    lab.submit(sized(0));
    lab.lost(1);
    lab.tell(sized(0));
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 2);
    assert_eq!(
        lab.answer(2, 1)[..3],
        [
            "resumed 2",
            "transmit 2 ActiveMQMessage #2",
            "transmit 2 ActiveMQMessage #3, completes 3",
        ]
    );
    assert_eq!(lab.next_link(2)[2..], ["transmit 3 ActiveMQMessage #3"]);
}

#[test]
fn the_cache_is_bounded_in_bytes_and_what_it_had_no_room_for_is_told_when_the_link_is_lost() {
    // Each of 512 bytes, and what it carries.
    let mut lab = Lab::caching(2048);
    for _ in 0..4 {
        lab.tell(sized(0));
    }
    assert_eq!((lab.core.tracker.cached_bytes(), lab.core.stats().cache_evictions), (2048, 0));
    lab.tell(sized(1));
    assert_eq!(
        (lab.core.tracker.cached_bytes(), lab.core.stats().cache_evictions),
        (3 * 512 + 1, 2)
    );
    // Too large for any budget.
    lab.tell(sized(2048));
    assert_eq!(lab.core.stats().cache_evictions, 3);
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1", "event evicted 3"]);
    lab.wait(ms(10));
    assert_eq!(
        lab.dialed(2)[2..],
        [
            "transmit 2 ActiveMQMessage #4",
            "transmit 2 ActiveMQMessage #5",
            "transmit 2 ActiveMQMessage #6",
        ]
    );
    lab.answer(2, 1);
    assert_eq!(lab.lost(2).len(), 2, "told once");
}

#[test]
fn what_was_evicted_and_has_arrived_is_counted_and_not_told() {
    let mut lab = Lab::caching(512);
    lab.tell(sized(0));
    lab.tell(sized(0));
    lab.submit(session_info());
    lab.answer(1, 4);
    assert_eq!(lab.core.stats().cache_evictions, 1);
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1"]);
}

#[test]
fn a_pull_is_repeated_until_something_is_dispatched_to_its_consumer() {
    let mut lab = Lab::two().connected();
    assert_eq!(lab.tell(pull(0)), ["transmit 1 MessagePull #2, completes 2"]);
    assert_eq!(lab.next_link(1)[2..], ["transmit 2 MessagePull #2"]);
    lab.answer(2, 1);
    lab.dispatch(2, Some(Box::default()));
    assert_eq!(lab.next_link(2).len(), 2);
}

#[test]
fn a_pull_ends_with_its_consumer_and_with_the_session() {
    for id in [Command::from(consumer_id()), connection().session(1).into()] {
        let mut lab = Lab::two().connected();
        lab.tell(pull(0));
        let object_id = Some(Box::new(id));
        lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() });
        lab.answer(1, 3);
        assert_eq!(lab.next_link(1).len(), 2);
    }
}

#[test]
fn a_consumer_has_one_open_pull_at_most() {
    let mut lab = Lab::two().connected();
    lab.tell(pull(0));
    lab.tell(pull(0));
    assert_eq!(lab.next_link(1)[2..], ["transmit 2 MessagePull #3"]);
    // The same while it waits for a link.
    lab.lost(2);
    assert!(lab.tell(pull(0)).is_empty());
    assert_eq!(lab.tell(pull(0)), ["complete 4 ok"]);
    lab.undialed(3);
    lab.wait(ms(10));
    let replayed = lab.dialed(4);
    assert_eq!(replayed[2..], ["transmit 4 MessagePull #5, completes 5"]);
}

#[test]
fn without_a_broker_a_pull_that_does_not_wait_for_ever_finds_nothing() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    for timeout in [-1, 5_000] {
        let outputs = lab.tell(pull(timeout));
        assert_eq!(outputs[0], "deliver 1 MessageDispatch");
        assert_eq!(outputs.len(), 2);
    }
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 2);
}

#[test]
fn an_open_pull_that_runs_out_while_there_is_no_broker_finds_nothing_then() {
    let mut lab = Lab::new(&["tcp://a:1"], |_| {}).connected();
    lab.tell(pull(100));
    lab.now += ms(40);
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.due(), Some(ms(50)));
    assert_eq!(lab.wait(ms(50)), ["deliver 2 MessageDispatch"]);
    assert_eq!(lab.dialed(2).len(), 2);
}

#[test]
fn an_open_pull_is_repeated_with_the_time_that_is_left_of_it() {
    let mut lab = Lab::two().connected();
    lab.tell(pull(100));
    lab.now += ms(30);
    lab.lost(1);
    lab.wait(ms(10));
    let outputs: Vec<_> = lab
        .core
        .handle(lab.now, Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default()))
        .collect();
    let Some(Output::Transmit(_, command, _)) = outputs.last() else { panic!("{outputs:?}") };
    assert!(matches!(&**command, Command::MessagePull(pull) if pull.timeout == 60), "{command:?}");
}

#[test]
fn a_pull_that_does_not_wait_at_all_finds_nothing_when_the_link_is_lost() {
    let mut lab = Lab::two().connected();
    lab.tell(pull(-1));
    assert_eq!(lab.lost(1)[2..], ["deliver 1 MessageDispatch"]);
}

#[test]
fn a_pull_answered_by_a_link_that_came_to_nothing_is_still_open() {
    let mut lab = Lab::two().connected();
    lab.tell(pull(0));
    lab.next_link(1);
    // Held until the link is known to hold, and it does not.
    assert!(lab.dispatch(2, Some(Box::default())).is_empty());
    lab.lost(2);
    assert_eq!(lab.dialed(3)[2..], ["transmit 3 MessagePull #2"]);
    lab.dispatch(3, Some(Box::default()));
    assert_eq!(lab.answer(3, 1)[..2], ["resumed 3", "deliver 3 MessageDispatch"]);
    assert_eq!(lab.next_link(3).len(), 2);
}
