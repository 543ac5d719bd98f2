//! The rules of the machine, each as inputs and exact outputs.

use std::time::Duration;

use rewire_protocol::{
    ConnectionId, ConnectionInfo, ConsumerId, ConsumerInfo, ExceptionResponse, Message, MessageAck,
    ProducerInfo, RemoveInfo, SessionInfo, Throwable,
};

use super::*;
use crate::error::{DialError, LostReason};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A core, the time, and shorthand for what happens to it.
struct Lab {
    core: FailoverCore,
    now: Instant,
    next_request: u64,
}

impl Lab {
    fn new(brokers: &[&str], change: impl FnOnce(&mut FailoverOptions)) -> Self {
        let mut options = FailoverOptions { randomize: false, ..FailoverOptions::default() };
        change(&mut options);
        let brokers = brokers.iter().map(|uri| uri.parse().unwrap()).collect();
        let core = FailoverCore::new(brokers, options, QueueLimits::default(), 1);
        #[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
        let now = Instant::now();
        Self { core, now, next_request: 0 }
    }

    fn two() -> Self {
        Self::new(&["tcp://a:1", "tcp://b:1"], |_| {})
    }

    fn input(&mut self, input: Input) -> Vec<String> {
        self.core.handle(self.now, input).map(|output| show(&output)).collect()
    }

    /// Lets time pass, to the millisecond when something is due.
    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.input(Input::Timeout)
    }

    fn due(&self) -> Option<Duration> {
        self.core.poll_timeout().map(|due| due - self.now)
    }

    fn request(&mut self, command: impl Into<Command>, completion: Completion) -> Request {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        Request { id, command: command.into(), completion, link: None }
    }

    fn submit(&mut self, command: impl Into<Command>) -> Vec<String> {
        let request = self.request(command, Completion::Answered);
        self.input(Input::Submit(request))
    }

    fn answer(&mut self, link: u64, correlation_id: i32) -> Vec<String> {
        let response = Response { correlation_id, ..Response::default() };
        self.input(Input::Received(LinkId(link), response.into()))
    }

    fn refuse(&mut self, link: u64, correlation_id: i32, class: &str) -> Vec<String> {
        let exception = Some(Box::new(Throwable::new(class, "no")));
        let response =
            ExceptionResponse { correlation_id, exception, ..ExceptionResponse::default() };
        self.input(Input::Received(LinkId(link), response.into()))
    }

    fn dialed(&mut self, link: u64) -> Vec<String> {
        self.input(Input::Dialed(LinkId(link), Ok(())))
    }

    fn undialed(&mut self, link: u64) -> Vec<String> {
        let error = DialError::Connect("refused".to_owned());
        self.input(Input::Dialed(LinkId(link), Err(error)))
    }

    fn lost(&mut self, link: u64) -> Vec<String> {
        self.input(Input::Lost(LinkId(link), LostReason::Closed))
    }

    /// Connected to `a` over link 1, its `ConnectionInfo` answered.
    fn connected(mut self) -> Self {
        self.input(Input::Start);
        self.submit(connection_info());
        self.dialed(1);
        assert_eq!(self.answer(1, 1), ["complete 1 ok"]);
        self
    }
}

/// One line an output.
fn show(output: &Output) -> String {
    match output {
        Output::Dial(link, broker) => format!("dial {} {}", link.0, broker.location()),
        Output::Transmit(link, command) => {
            format!("transmit {} {} #{}", link.0, command.name(), command.command_id())
        }
        Output::Hangup(link) => format!("hangup {}", link.0),
        Output::Deliver(incoming) => match incoming {
            Incoming::Command(link, command) => format!("deliver {} {}", link.0, command.name()),
            Incoming::Interrupted(link) => format!("interrupted {}", link.0),
            Incoming::Resumed(link) => format!("resumed {}", link.0),
            Incoming::Refused { command, .. } => format!("refused {}", command.name()),
            Incoming::Ended(_) => "ended".to_owned(),
        },
        Output::Complete(id, Ok(_)) => format!("complete {} ok", id.0),
        Output::Complete(id, Err(error)) => format!("complete {} {error}", id.0),
        Output::Event(event) => match event {
            Event::Connected { broker } => format!("event connected {broker}"),
            Event::Interrupted { broker, .. } => format!("event interrupted {broker}"),
            Event::AttemptFailed { broker, round, .. } => {
                format!("event attempt failed {broker} in round {round}")
            }
            Event::Resumed { broker, outage, replayed, resent } => format!(
                "event resumed {broker} after {} ms, {replayed} replayed, {resent} resent",
                outage.as_millis()
            ),
            Event::TopologyChanged(topology) => {
                let locations: Vec<_> =
                    topology.brokers().iter().map(|broker| broker.location.as_str()).collect();
                format!("event topology {}", locations.join(" "))
            }
            Event::GaveUp(_) => "event gave up".to_owned(),
            Event::Closed => "event closed".to_owned(),
        },
    }
}

fn connection() -> ConnectionId {
    ConnectionId::new("ID:test:1")
}

fn connection_info() -> ConnectionInfo {
    ConnectionInfo { connection_id: Some(connection()), ..ConnectionInfo::default() }
}

fn session_info() -> SessionInfo {
    SessionInfo { session_id: Some(connection().session(1)), ..SessionInfo::default() }
}

fn consumer_id() -> ConsumerId {
    connection().session(1).consumer(1)
}

fn consumer_info() -> ConsumerInfo {
    ConsumerInfo { consumer_id: Some(consumer_id()), ..ConsumerInfo::default() }
}

fn producer_info() -> ProducerInfo {
    let producer_id = Some(connection().session(1).producer(1));
    ProducerInfo { producer_id, ..ProducerInfo::default() }
}

#[test]
fn it_dials_the_brokers_in_turn_and_sends_what_waited_in_order() {
    let mut lab = Lab::two();
    assert_eq!(lab.input(Input::Start), ["dial 1 tcp://a:1"]);
    assert!(lab.submit(connection_info()).is_empty());
    assert!(lab.submit(Message::default()).is_empty());
    assert_eq!(lab.undialed(1), ["event attempt failed tcp://a:1 in round 1", "dial 2 tcp://b:1"]);
    assert_eq!(
        lab.dialed(2),
        [
            "resumed 2",
            "transmit 2 ConnectionInfo #1",
            "transmit 2 ActiveMQMessage #2",
            "event connected tcp://b:1"
        ]
    );
    assert_eq!(lab.answer(2, 2), ["complete 2 ok"]);
    assert_eq!(lab.answer(2, 1), ["complete 1 ok"]);
    assert!(lab.answer(2, 1).is_empty());
}

#[test]
fn the_first_connection_waits_for_nothing_and_the_next_rounds_back_off() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.initial_reconnect_delay = ms(100);
        options.max_reconnect_delay = ms(300);
    });
    lab.input(Input::Start);
    for (link, delay) in [(1, 100), (2, 200), (3, 300), (4, 300)] {
        lab.undialed(link);
        assert_eq!(lab.due(), Some(ms(delay)));
        assert!(lab.wait(ms(delay - 1)).is_empty());
        assert_eq!(lab.wait(ms(1)), [format!("dial {} tcp://a:1", link + 1)]);
    }
}

#[test]
fn a_lost_broker_is_told_of_at_once_and_tried_last_after_the_initial_delay() {
    let mut lab = Lab::two().connected();
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1"]);
    assert_eq!(lab.due(), Some(ms(10)));
    assert_eq!(lab.wait(ms(10)), ["dial 2 tcp://b:1"]);
    assert_eq!(lab.undialed(2), ["event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]);
}

#[test]
fn an_initial_delay_of_zero_dials_at_once() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.initial_reconnect_delay = Duration::ZERO;
    })
    .connected();
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1", "dial 2 tcp://a:1"]);
}

#[test]
fn a_new_broker_hears_the_state_first_and_requests_only_when_it_has_accepted_it() {
    let mut lab = Lab::two().connected();
    for (command, id) in [
        (Command::from(session_info()), 2),
        (producer_info().into(), 3),
        (consumer_info().into(), 4),
    ] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.submit(Message::default());
    lab.lost(1);
    lab.submit(Message::default());
    lab.wait(ms(10));
    assert_eq!(
        lab.dialed(2),
        [
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
            "transmit 2 SessionInfo #2",
            "transmit 2 ProducerInfo #3",
            "transmit 2 ConsumerInfo #4",
        ]
    );
    lab.now += ms(5);
    for id in [1, 2, 3] {
        assert!(lab.answer(2, id).is_empty());
    }
    assert_eq!(
        lab.answer(2, 4),
        [
            "resumed 2",
            "transmit 2 ActiveMQMessage #5",
            "transmit 2 ActiveMQMessage #6",
            "event resumed tcp://b:1 after 15 ms, 5 replayed, 1 resent",
        ]
    );
    assert_eq!(lab.answer(2, 5), ["complete 5 ok"]);
    assert_eq!(lab.answer(2, 6), ["complete 6 ok"]);
}

#[test]
fn a_declaration_under_way_when_the_link_is_lost_is_answered_by_its_replay_and_sent_once() {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[1..], ["transmit 2 ConnectionInfo #1", "transmit 2 SessionInfo #2"]);
    lab.answer(2, 1);
    assert_eq!(
        lab.answer(2, 2),
        ["complete 2 ok", "resumed 2", "event resumed tcp://b:1 after 10 ms, 3 replayed, 0 resent"]
    );
}

#[test]
fn a_declaration_made_while_there_is_no_broker_is_part_of_the_replay_and_sent_once() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.submit(session_info());
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[1..], ["transmit 2 ConnectionInfo #1", "transmit 2 SessionInfo #2"]);
    lab.answer(2, 1);
    assert_eq!(
        lab.answer(2, 2),
        ["complete 2 ok", "resumed 2", "event resumed tcp://b:1 after 10 ms, 3 replayed, 0 resent"]
    );
}

#[test]
fn a_declaration_made_during_a_replay_is_sent_after_it() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert!(lab.submit(session_info()).is_empty());
    assert_eq!(
        lab.answer(2, 1),
        [
            "resumed 2",
            "transmit 2 SessionInfo #2",
            "event resumed tcp://b:1 after 10 ms, 2 replayed, 0 resent"
        ]
    );
}

#[test]
fn a_link_that_is_not_the_active_one_has_no_say() {
    let mut lab = Lab::two().connected();
    lab.submit(Message::default());
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    lab.answer(2, 1);
    assert!(lab.answer(1, 2).is_empty());
    assert!(lab.lost(1).is_empty());
    assert!(lab.input(Input::Received(LinkId(1), Message::default().into())).is_empty());
    assert!(lab.dialed(1).is_empty());
    assert_eq!(lab.answer(2, 2), ["complete 2 ok"]);
}

#[test]
fn a_link_lost_during_the_replay_counts_as_a_failed_attempt() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(lab.lost(2), ["event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]);
}

#[test]
fn a_connection_refused_on_replay_is_hung_up_and_counts_as_a_failed_attempt() {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], |options| {
        options.max_reconnect_attempts = crate::uri::Attempts::at_most(1);
    })
    .connected();
    lab.submit(Message::default());
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(
        lab.refuse(2, 1, "javax.jms.InvalidClientIDException"),
        ["hangup 2", "event attempt failed tcp://b:1 in round 1", "dial 3 tcp://a:1"]
    );
    let end = lab.undialed(3);
    assert_eq!(end[0], "event attempt failed tcp://a:1 in round 1");
    assert!(end[1].starts_with("complete 2 in doubt, sent to tcp://a:1 without"), "{end:?}");
    assert_eq!(end[2..], ["event gave up", "ended"]);
}

#[test]
fn when_every_broker_refuses_the_password_it_ends() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    lab.refuse(2, 1, "javax.jms.JMSSecurityException");
    lab.dialed(3);
    let end = lab.refuse(3, 1, "javax.jms.JMSSecurityException");
    assert_eq!(
        end,
        ["hangup 3", "event attempt failed tcp://a:1 in round 1", "event gave up", "ended"]
    );
}

#[test]
fn a_consumer_refused_on_replay_is_told_and_not_replayed_again() {
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    lab.answer(2, 1);
    lab.answer(2, 2);
    assert_eq!(
        lab.refuse(2, 3, "javax.jms.JMSException")[..2],
        ["refused ConsumerInfo", "resumed 2"]
    );
    lab.lost(2);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(3).len(), 3);
}

#[test]
fn a_refused_request_completes_as_refused_and_a_refused_declaration_is_forgotten() {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    assert_eq!(
        lab.refuse(1, 2, "javax.jms.JMSException"),
        ["complete 2 the broker refused: javax.jms.JMSException: no"]
    );
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 2);
}

#[test]
fn an_acknowledgement_is_never_sent_over_another_link() {
    let mut lab = Lab::two().connected();
    let mut ack = lab.request(MessageAck::default(), Completion::Transmitted);
    ack.link = Some(LinkId(1));
    assert_eq!(lab.input(Input::Submit(ack)), ["transmit 1 MessageAck #2", "complete 2 ok"]);
    lab.lost(1);
    for _ in 0..2 {
        let mut ack = lab.request(MessageAck::default(), Completion::Transmitted);
        ack.link = Some(LinkId(1));
        let id = ack.id.0;
        assert_eq!(
            lab.input(Input::Submit(ack)),
            [format!("complete {id} not sent: the connection it belongs to is gone")]
        );
        lab.wait(ms(10));
        lab.dialed(2);
        lab.answer(2, 1);
    }
}

#[test]
fn what_is_done_when_transmitted_waits_for_a_broker_and_is_not_sent_again() {
    let mut lab = Lab::two();
    lab.input(Input::Start);
    lab.submit(connection_info());
    let message = lab.request(Message::default(), Completion::Transmitted);
    assert!(lab.input(Input::Submit(message)).is_empty());
    assert_eq!(
        lab.dialed(1)[1..],
        [
            "transmit 1 ConnectionInfo #1",
            "transmit 1 ActiveMQMessage #2",
            "complete 2 ok",
            "event connected tcp://a:1"
        ]
    );
    lab.answer(1, 1);
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    assert_eq!(lab.answer(2, 1).len(), 2);
}

#[test]
fn a_removal_needs_no_broker_and_one_under_way_is_done_when_the_link_is_lost() {
    let remove =
        || RemoveInfo { object_id: Some(Box::new(consumer_id().into())), ..RemoveInfo::default() };
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    assert_eq!(lab.submit(remove()), ["transmit 1 RemoveInfo #4"]);
    assert_eq!(lab.lost(1), ["interrupted 1", "event interrupted tcp://a:1", "complete 4 ok"]);
    assert_eq!(lab.submit(remove()), ["complete 5 ok"]);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 3);
}

#[test]
fn a_declaration_removed_before_it_was_answered_ends_with_the_link_and_is_not_declared_again() {
    let remove = || {
        let object_id = Some(Box::new(Command::from(connection().session(1))));
        RemoveInfo { object_id, ..RemoveInfo::default() }
    };
    let gone = "the connection it belongs to is gone";
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.submit(remove());
    let lost = lab.lost(1);
    assert_eq!(lost[2], "complete 3 ok");
    assert_eq!(
        lost[3],
        format!("complete 2 in doubt, sent to tcp://a:1 without an answer: {gone}")
    );
    // The same without a broker.
    lab.submit(session_info());
    lab.submit(producer_info());
    assert_eq!(
        lab.submit(remove()),
        [
            "complete 6 ok".to_owned(),
            format!("complete 4 not sent: {gone}"),
            format!("complete 5 not sent: {gone}"),
        ]
    );
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 2);
    assert_eq!(lab.answer(2, 1).len(), 2);
}

#[test]
fn a_removal_made_during_a_replay_reaches_the_broker_that_was_told_of_what_it_removes() {
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    let object_id = Some(Box::new(consumer_id().into()));
    assert!(lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() }).is_empty());
    lab.answer(2, 1);
    lab.answer(2, 2);
    assert_eq!(lab.answer(2, 3)[..2], ["resumed 2", "transmit 2 RemoveInfo #4"]);
    assert_eq!(lab.answer(2, 4), ["complete 4 ok"]);
}

#[test]
fn a_removal_made_during_a_replay_that_fails_is_done() {
    let mut lab = Lab::two().connected();
    lab.submit(session_info());
    lab.answer(1, 2);
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    let object_id = Some(Box::new(connection().session(1).into()));
    assert!(lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() }).is_empty());
    assert_eq!(lab.lost(2)[0], "complete 3 ok");
    assert_eq!(lab.dialed(3).len(), 2);
}

#[test]
fn no_reconnection_is_tried_when_none_is_allowed_and_what_was_sent_is_in_doubt() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.max_reconnect_attempts = crate::uri::Attempts::at_most(0);
    })
    .connected();
    lab.submit(Message::default());
    let end = lab.lost(1);
    assert_eq!(end[..2], ["interrupted 1", "event interrupted tcp://a:1"]);
    assert!(end[2].starts_with("complete 2 in doubt, sent to tcp://a:1"), "{end:?}");
    assert_eq!(end[3..], ["event gave up", "ended"]);
    let after = lab.submit(Message::default());
    assert!(after[0].starts_with("complete 3 not sent: the connection was lost"), "{after:?}");
    assert_eq!(lab.due(), None);
}

#[test]
fn a_message_waits_no_longer_for_a_broker_than_the_timeout_whatever_is_being_dialed() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| options.timeout = Some(ms(500))).connected();
    lab.submit(Message::default());
    lab.now += ms(100);
    lab.lost(1);
    lab.wait(ms(10));
    lab.submit(Message::default());
    // A dial hangs; the time counts from the loss, or from the submission when that came later.
    assert_eq!(lab.due(), Some(ms(490)));
    assert!(lab.wait(ms(489)).is_empty());
    assert_eq!(
        lab.wait(ms(1)),
        [
            "complete 2 in doubt, sent to tcp://a:1 without an answer: no broker within the timeout of 500 ms"
        ]
    );
    assert_eq!(lab.wait(ms(10)), ["complete 3 not sent: no broker within the timeout of 500 ms"]);
    assert_eq!(lab.due(), None);
}

#[test]
fn closing_says_goodbye_and_fails_what_waits() {
    let mut lab = Lab::two().connected();
    lab.submit(Message::default());
    assert_eq!(
        lab.input(Input::Close),
        [
            "transmit 1 ShutdownInfo #0",
            "hangup 1",
            "complete 2 in doubt, sent to tcp://a:1 without an answer: the connection is closed",
            "event closed",
            "ended"
        ]
    );
    assert!(lab.input(Input::Close).is_empty());
    assert_eq!(lab.submit(Message::default()), ["complete 3 not sent: the connection is closed"]);
}

#[test]
fn closing_while_dialing_gives_the_dial_up() {
    let mut lab = Lab::two();
    lab.input(Input::Start);
    lab.submit(Message::default());
    assert_eq!(
        lab.input(Input::Close),
        ["hangup 1", "complete 1 not sent: the connection is closed", "event closed", "ended"]
    );
    assert!(lab.dialed(1).is_empty());
}

#[test]
fn startup_and_reconnection_have_limits_of_their_own() {
    use crate::uri::{Attempts, StartupAttempts};
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.startup_max_reconnect_attempts = StartupAttempts::at_most(1);
        options.max_reconnect_attempts = Attempts::at_most(2);
    });
    lab.input(Input::Start);
    assert_eq!(lab.undialed(1)[1..], ["event gave up", "ended"]);

    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.startup_max_reconnect_attempts = StartupAttempts::at_most(1);
        options.max_reconnect_attempts = Attempts::at_most(2);
    })
    .connected();
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.undialed(2), ["event attempt failed tcp://a:1 in round 1"]);
    lab.wait(ms(10));
    assert_eq!(
        lab.undialed(3),
        ["event attempt failed tcp://a:1 in round 2", "event gave up", "ended"]
    );
}

#[test]
fn it_wants_no_more_when_enough_waits_and_again_when_some_is_done() {
    let brokers = vec!["tcp://a:1".parse().unwrap()];
    let limits = QueueLimits { requests: 2, bytes: 1 << 20 };
    let core = FailoverCore::new(brokers, FailoverOptions::default(), limits, 1);
    let mut lab = Lab { core, ..Lab::two() }.connected();
    lab.submit(Message::default());
    assert!(lab.core.wants_submit());
    lab.submit(Message::default());
    assert!(!lab.core.wants_submit());
    lab.answer(1, 2);
    assert!(lab.core.wants_submit());
    let content = Some(bytes::Bytes::from(vec![0; 1 << 20]));
    lab.submit(Message { content, ..Message::default() });
    assert!(!lab.core.wants_submit());
}

#[test]
fn a_consumer_the_broker_closed_is_not_replayed() {
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    let control = rewire_protocol::ConsumerControl {
        close: true,
        consumer_id: Some(consumer_id()),
        ..Default::default()
    };
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control.into())),
        ["deliver 1 ConsumerControl"]
    );
    lab.lost(1);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 3);
}

#[test]
fn what_is_bound_to_a_link_is_not_sent_over_the_next() {
    let mut lab = Lab::two().connected();
    let request = lab.request(SessionInfo::default(), Completion::Answered);
    lab.input(Input::Submit(Request { link: Some(LinkId(1)), ..request }));
    let lost = lab.lost(1);
    assert!(lost.iter().any(|line| line.starts_with("complete 2 ") && line != "complete 2 ok"));
    assert!(lab.core.requests.len() == 0, "{lost:?}");
}

fn control(brokers: &str) -> rewire_protocol::ConnectionControl {
    rewire_protocol::ConnectionControl {
        connected_brokers: Some(brokers.into()),
        ..Default::default()
    }
}

#[test]
fn a_list_of_brokers_that_a_broker_sends_is_told_and_used_and_the_configured_ones_are_kept() {
    let mut lab = Lab::two().connected();
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("tcp://c:1,tcp://a:1").into())),
        ["event topology tcp://c:1 tcp://a:1 tcp://b:1", "deliver 1 ConnectionControl"]
    );
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("tcp://a:1,tcp://c:1").into())),
        ["deliver 1 ConnectionControl"]
    );
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("").into())),
        ["deliver 1 ConnectionControl"]
    );
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["dial 2 tcp://c:1"]);
    assert_eq!(lab.undialed(2)[1], "dial 3 tcp://b:1");
    assert_eq!(lab.undialed(3)[1], "dial 4 tcp://a:1");
}

#[test]
fn lists_from_brokers_are_not_heeded_when_the_option_says_so() {
    let mut lab =
        Lab::new(&["tcp://a:1"], |options| options.update_uris_supported = false).connected();
    assert_eq!(
        lab.input(Input::Received(LinkId(1), control("tcp://c:1").into())),
        ["deliver 1 ConnectionControl"]
    );
}

/// Connected to `a` with a standby on `b` over link 2.
fn with_standby() -> Lab {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], |options| {
        options.backup = true;
    });
    lab.input(Input::Start);
    lab.submit(connection_info());
    assert_eq!(lab.dialed(1).last().unwrap(), "dial 2 tcp://b:1");
    lab.answer(1, 1);
    assert!(lab.dialed(2).is_empty());
    lab
}

#[test]
fn a_standby_takes_over_at_once_and_another_is_dialed_when_it_has() {
    let mut lab = with_standby();
    lab.submit(Message::default());
    assert_eq!(
        lab.lost(1),
        [
            "interrupted 1",
            "event interrupted tcp://a:1",
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
        ]
    );
    assert_eq!(
        lab.answer(2, 1),
        [
            "resumed 2",
            "transmit 2 ActiveMQMessage #2",
            "event resumed tcp://b:1 after 0 ms, 2 replayed, 1 resent",
            "dial 3 tcp://a:1",
        ]
    );
}

#[test]
fn a_standby_that_is_lost_or_cannot_be_dialed_is_replaced_after_a_while() {
    let mut lab = with_standby();
    assert!(lab.lost(2).is_empty());
    assert_eq!(lab.due(), Some(ms(10)));
    assert_eq!(lab.wait(ms(10)), ["dial 3 tcp://b:1"]);
    assert!(lab.undialed(3).is_empty());
    assert_eq!(lab.due(), Some(ms(20)));
    assert_eq!(lab.wait(ms(20)), ["dial 4 tcp://b:1"]);
}

#[test]
fn a_standby_has_no_say_until_it_takes_over() {
    let mut lab = with_standby();
    lab.submit(Message::default());
    assert!(lab.answer(2, 2).is_empty());
    assert!(lab.input(Input::Received(LinkId(2), control("tcp://d:1").into())).is_empty());
}

#[test]
fn a_standby_that_refuses_the_connection_is_hung_up_and_the_round_goes_on() {
    let mut lab = with_standby();
    lab.lost(1);
    assert_eq!(
        lab.refuse(2, 1, "javax.jms.InvalidClientIDException"),
        ["hangup 2", "event attempt failed tcp://b:1 in round 1", "dial 3 tcp://c:1"]
    );
}

#[test]
fn standbys_are_let_go_when_it_is_closed() {
    let mut lab = with_standby();
    assert_eq!(
        lab.input(Input::Close),
        ["transmit 1 ShutdownInfo #0", "hangup 1", "hangup 2", "event closed", "ended"]
    );
}

#[test]
fn a_broker_that_is_dialed_for_good_is_not_kept_as_a_standby_too() {
    let mut lab = with_standby();
    lab.input(Input::Received(LinkId(1), control("tcp://a:1").into()));
    assert!(lab.lost(2).is_empty());
    lab.wait(ms(10));
    // Link 3 to b is being dialed as a standby when a is lost.
    lab.lost(1);
    assert_eq!(lab.wait(ms(10)), ["hangup 3", "dial 4 tcp://b:1"]);
}

#[test]
fn a_delay_is_multiplied_in_whole_milliseconds_and_does_not_shrink() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.initial_reconnect_delay = ms(1001);
        options.reconnect_delay_exponent = 1.0;
    });
    lab.input(Input::Start);
    for link in 1..4 {
        lab.undialed(link);
        assert_eq!(lab.due(), Some(ms(1001)));
        lab.wait(ms(1001));
    }
}

#[test]
fn a_declaration_that_only_a_replay_has_sent_is_in_doubt_when_no_answer_comes() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.submit(session_info());
    lab.wait(ms(10));
    lab.dialed(2);
    let end = lab.input(Input::Close);
    assert!(end[1].starts_with("complete 2 in doubt, sent to tcp://b:1"), "{end:?}");
}

#[test]
fn what_cannot_be_sent_in_a_replay_is_told_and_the_rest_goes_on() {
    use rewire_protocol::{EncodeError, EncodeErrorKind};
    let mut lab = Lab::two().connected();
    for (command, id) in [(Command::from(session_info()), 2), (consumer_info().into(), 3)] {
        lab.submit(command);
        lab.answer(1, id);
    }
    lab.lost(1);
    lab.wait(ms(10));
    lab.dialed(2);
    let kind = EncodeErrorKind::FrameTooLarge { len: 2, limit: 1 };
    let error = EncodeError { kind, structure: "", field: "" };
    assert_eq!(lab.input(Input::Unsendable(LinkId(2), 3, error)), ["refused ConsumerInfo"]);
    lab.answer(2, 1);
    assert_eq!(lab.answer(2, 2)[0], "resumed 2");
    lab.lost(2);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(3).len(), 3);
}
