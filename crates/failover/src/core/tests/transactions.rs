//! Transactions over failovers: what is repeated, in which order, what is in doubt, what is forgotten.

use rewire_protocol::{LocalTransactionId, TransactionId, TransactionInfo};

use super::*;
use crate::error::RequestError;

const GONE: &str = "the connection it belongs to is gone";

pub(super) fn local(value: i64) -> TransactionId {
    TransactionId::Local(LocalTransactionId { value, connection_id: Some(connection()) })
}

pub(super) fn step(id: &TransactionId, transaction_type: i8) -> TransactionInfo {
    TransactionInfo {
        connection_id: Some(connection()),
        transaction_id: Some(id.clone()),
        transaction_type,
        ..TransactionInfo::default()
    }
}

pub(super) fn message(id: &TransactionId) -> Message {
    let producer_id = Some(connection().session(1).producer(1));
    Message { transaction_id: Some(id.clone()), producer_id, ..Message::default() }
}

impl Lab {
    /// Submits what no broker is to answer.
    pub(super) fn say(&mut self, command: impl Into<Command>) -> Vec<String> {
        let request = self.request(command, Completion::Transmitted);
        self.input(Input::Submit(request))
    }

    /// A session with a producer: numbers 2 and 3.
    pub(super) fn with_producer(mut self) -> Self {
        for (command, id) in [(Command::from(session_info()), 2), (producer_info().into(), 3)] {
            self.submit(command);
            self.answer(1, id);
        }
        self
    }

    /// To the next broker: what it hears at once.
    pub(super) fn fail_over(&mut self, from: u64) -> Vec<String> {
        self.lost(from);
        self.wait(ms(10));
        self.dialed(from + 1)
    }

    pub(super) fn connected_to_two() -> Self {
        Self::two().connected().with_producer()
    }
}

#[test]
fn an_open_transaction_is_repeated_after_the_sessions_and_committed_on_the_next_broker() {
    let mut lab = Lab::connected_to_two();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    lab.submit(message(&id));
    lab.answer(1, 6);
    assert_eq!(
        lab.fail_over(1),
        [
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
            "transmit 2 SessionInfo #2",
            "transmit 2 ProducerInfo #3",
            "transmit 2 BEGIN #4",
            "transmit 2 ActiveMQMessage #5",
            "transmit 2 ActiveMQMessage #6",
        ]
    );
    lab.answer(2, 1);
    lab.answer(2, 2);
    // Nobody waits for the answers of the transaction.
    assert_eq!(lab.answer(2, 3)[0], "resumed 2");
    assert_eq!(
        lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE)),
        ["transmit 2 COMMIT_ONE_PHASE #7"]
    );
    assert_eq!(lab.answer(2, 7), ["complete 7 ok"]);
    assert_eq!(lab.fail_over(2).len(), 4, "a transaction that has ended is forgotten");
}

#[test]
fn an_acknowledgement_in_a_transaction_is_not_repeated() {
    let mut lab = Lab::connected_to_two();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    let transaction_id = Some(id);
    let ack = MessageAck { transaction_id, ..MessageAck::default() };
    let request = lab.request(ack, Completion::Transmitted);
    lab.input(Input::Submit(Request { link: Some(LinkId(1)), ..request }));
    assert_eq!(lab.fail_over(1)[4..], ["transmit 2 BEGIN #4"]);
}

#[test]
fn a_message_of_a_transaction_is_sent_once_over_each_link_whoever_waits_for_it() {
    let mut lab = Lab::connected_to_two();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.submit(message(&id));
    lab.lost(1);
    // One that waits for its answer, one that waits for a link.
    lab.submit(message(&id));
    assert!(lab.say(message(&id)).is_empty());
    lab.wait(ms(10));
    assert_eq!(
        lab.dialed(2)[4..],
        [
            "transmit 2 BEGIN #4",
            "transmit 2 ActiveMQMessage #5",
            "transmit 2 ActiveMQMessage #6",
            "transmit 2 ActiveMQMessage #7, completes 7",
        ]
    );
    for number in [1, 2, 3] {
        lab.answer(2, number);
    }
    assert_eq!(lab.answer(2, 5), ["complete 5 ok"]);
    assert_eq!(
        lab.answer(2, 6),
        ["complete 6 ok", "resumed 2", "event resumed tcp://b:1 after 10 ms, 8 replayed, 0 resent"]
    );
}

#[test]
fn what_is_sent_in_a_transaction_during_a_replay_follows_it() {
    let mut lab = Lab::two().connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.fail_over(1);
    assert!(lab.say(message(&id)).is_empty());
    assert_eq!(lab.answer(2, 1)[..2], ["resumed 2", "transmit 2 ActiveMQMessage #3, completes 3"]);
    assert_eq!(lab.fail_over(2)[2..], ["transmit 3 BEGIN #2", "transmit 3 ActiveMQMessage #3"]);
}

#[test]
fn a_one_phase_commit_without_an_answer_is_in_doubt_and_its_transaction_is_over() {
    let mut lab = Lab::connected_to_two();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.submit(message(&id));
    lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    let doubt = format!("in doubt, sent to tcp://a:1 without an answer: {GONE}");
    assert_eq!(lab.lost(1)[2..], [format!("complete 6 {doubt}"), format!("complete 5 {doubt}")]);
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2).len(), 4);
    for number in [1, 2] {
        lab.answer(2, number);
    }
    assert_eq!(
        lab.answer(2, 3),
        ["resumed 2", "event resumed tcp://b:1 after 10 ms, 4 replayed, 0 resent"]
    );
}

#[test]
fn a_commit_that_is_not_answered_in_time_is_in_doubt_and_its_transaction_is_over() {
    let change = |options: &mut FailoverOptions| options.request_timeout = Some(ms(500));
    for commit in [TransactionInfo::COMMIT_ONE_PHASE, TransactionInfo::COMMIT_TWO_PHASE] {
        let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], change).connected().with_producer();
        let id = local(1);
        lab.say(step(&id, TransactionInfo::BEGIN));
        lab.say(message(&id));
        lab.submit(step(&id, commit));
        assert_eq!(
            lab.wait(ms(500)),
            ["complete 6 in doubt, sent to tcp://a:1 without an answer: no answer within the \
              request timeout of 500 ms"]
        );
        assert!(lab.answer(1, 6).is_empty(), "too late");
        assert_eq!(lab.fail_over(1).len(), 4, "nothing of it is repeated");
    }
}

#[test]
fn a_commit_that_could_not_be_sent_in_time_leaves_its_transaction_to_be_ended() {
    let change = |options: &mut FailoverOptions| options.request_timeout = Some(ms(500));
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], change).connected().with_producer();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    lab.lost(1);
    lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    let unsent = "complete 6 not sent: no answer within the request timeout of 500 ms";
    assert_eq!(lab.wait(ms(500))[0], unsent);
    assert_eq!(
        lab.dialed(2)[4..],
        ["transmit 2 BEGIN #4", "transmit 2 ActiveMQMessage #5"],
        "it can be committed yet, or rolled back"
    );
}

#[test]
fn a_one_phase_commit_that_never_left_is_sent_when_its_transaction_was_repeated() {
    let mut lab = Lab::two().connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.lost(1);
    assert!(lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE)).is_empty());
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[2..], ["transmit 2 BEGIN #2"]);
    assert_eq!(lab.answer(2, 1)[..2], ["resumed 2", "transmit 2 COMMIT_ONE_PHASE #3"]);
    assert_eq!(lab.answer(2, 3), ["complete 3 ok"]);
}

#[test]
fn a_commit_bound_to_a_link_that_is_gone_was_not_done_and_its_transaction_is_repeated() {
    let mut lab = Lab::two().connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.lost(1);
    let commit = step(&id, TransactionInfo::COMMIT_ONE_PHASE);
    let request = lab.request(commit, Completion::Answered);
    assert_eq!(
        lab.input(Input::Submit(Request { link: Some(LinkId(1)), ..request })),
        [format!("complete 3 not sent: {GONE}")]
    );
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[2..], ["transmit 2 BEGIN #2"]);
}

#[test]
fn a_rollback_without_an_answer_is_repeated_with_its_transaction() {
    let mut lab = Lab::two().connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    // Nobody need wait for it: the core does.
    assert_eq!(lab.say(step(&id, TransactionInfo::ROLLBACK)), ["transmit 1 ROLLBACK #4"]);
    assert_eq!(
        lab.fail_over(1)[2..],
        ["transmit 2 BEGIN #2", "transmit 2 ActiveMQMessage #3", "transmit 2 ROLLBACK #4",]
    );
    lab.answer(2, 1);
    assert_eq!(lab.answer(2, 4)[0], "complete 4 ok");
    assert_eq!(lab.fail_over(2).len(), 2);
}

#[test]
fn a_refused_commit_ends_its_transaction_and_a_refused_message_is_not_repeated() {
    let mut lab = Lab::two().connected();
    let (first, second) = (local(1), local(2));
    lab.say(step(&first, TransactionInfo::BEGIN));
    lab.say(step(&second, TransactionInfo::BEGIN));
    lab.submit(message(&second));
    lab.refuse(1, 4, "javax.jms.JMSException");
    lab.submit(step(&first, TransactionInfo::COMMIT_ONE_PHASE));
    lab.refuse(1, 5, "javax.jms.JMSException");
    assert_eq!(lab.fail_over(1)[2..], ["transmit 2 BEGIN #3"]);
}

#[test]
fn a_producer_that_was_closed_in_its_transaction_is_made_again_and_removed_after_it() {
    let close = |lab: &mut Lab| {
        let object_id = Some(Box::new(connection().session(1).producer(1).into()));
        lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() });
    };
    let close_session = |lab: &mut Lab| {
        let object_id = Some(Box::new(connection().session(1).into()));
        lab.submit(RemoveInfo { object_id, ..RemoveInfo::default() });
    };
    let run = |change: fn(&mut FailoverOptions), with_session: bool| {
        let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], change).connected().with_producer();
        let id = local(1);
        lab.say(step(&id, TransactionInfo::BEGIN));
        lab.say(message(&id));
        close(&mut lab);
        lab.answer(1, 6);
        if with_session {
            close_session(&mut lab);
            lab.answer(1, 7);
        }
        lab.fail_over(1)[2..].to_vec()
    };
    assert_eq!(
        run(|_| {}, false),
        [
            "transmit 2 SessionInfo #2",
            "transmit 2 ProducerInfo #3",
            "transmit 2 BEGIN #4",
            "transmit 2 ActiveMQMessage #5",
            "transmit 2 RemoveInfo #0",
        ]
    );
    assert_eq!(
        run(|options| options.track_transaction_producers = false, false),
        ["transmit 2 SessionInfo #2", "transmit 2 BEGIN #4", "transmit 2 ActiveMQMessage #5",]
    );
    // Nothing can be made in a session that is gone.
    assert_eq!(run(|_| {}, true), ["transmit 2 BEGIN #4", "transmit 2 ActiveMQMessage #5"]);
}

#[test]
fn transactions_are_repeated_in_the_order_in_which_they_began() {
    let mut lab = Lab::two().connected();
    for value in [2, 1, 3] {
        lab.say(step(&local(value), TransactionInfo::BEGIN));
    }
    lab.say(message(&local(2)));
    assert_eq!(
        lab.fail_over(1)[2..],
        [
            "transmit 2 BEGIN #2",
            "transmit 2 ActiveMQMessage #5",
            "transmit 2 BEGIN #3",
            "transmit 2 BEGIN #4",
        ]
    );
}

fn small(requests: usize, bytes: usize) -> Lab {
    let brokers = vec!["tcp://a:1".parse().unwrap()];
    let limits = QueueLimits { requests, bytes };
    let core = FailoverCore::new(brokers, FailoverOptions::default(), limits, 1);
    Lab { core, ..Lab::two() }.connected()
}

#[test]
fn a_transaction_that_would_pass_the_limit_is_refused_the_message_and_keeps_what_it_has() {
    let id = local(1);
    let full = |lab: &Lab, commands, bytes| {
        let full = RequestError::TransactionFull { commands, bytes };
        [format!("complete {} {full}", lab.next_request)]
    };
    let mut lab = small(2, 1 << 20);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    assert_eq!(lab.say(message(&id)).len(), 1);
    assert_eq!(lab.submit(message(&id)), full(&lab, 2, 1 << 20));
    assert_eq!(lab.say(step(&local(2), TransactionInfo::BEGIN)).len(), 1);
    assert_eq!(lab.say(step(&local(3), TransactionInfo::BEGIN)), full(&lab, 2, 1 << 20));
    // It can still be committed, and that makes room.
    assert_eq!(lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE)).len(), 1);
    lab.answer(1, 6);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    lab.say(message(&id));
    // But not when nobody waits to hear that a message of it was refused.
    assert_eq!(lab.say(message(&id)), full(&lab, 2, 1 << 20));
    let refused = lab.submit(step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert!(refused[0].contains("can only be rolled back"), "{refused:?}");

    // To the byte.
    let mut lab = small(10, 2048);
    lab.say(step(&id, TransactionInfo::BEGIN));
    let sized =
        |len: usize| Message { content: Some(bytes::Bytes::from(vec![0; len])), ..message(&id) };
    assert_eq!(lab.say(sized(1025)), full(&lab, 10, 2048));
    assert_eq!(lab.say(sized(1024)).len(), 1);
}

#[test]
fn a_message_of_no_open_transaction_is_a_request_like_any_other() {
    let mut lab = Lab::two().connected();
    lab.submit(message(&local(7)));
    assert_eq!(lab.fail_over(1).len(), 2);
    assert_eq!(lab.answer(2, 1)[1], "transmit 2 ActiveMQMessage #2");
}

#[test]
fn a_message_that_was_answered_asks_for_no_answer_when_it_is_repeated() {
    let mut lab = Lab::two().connected();
    let id = local(1);
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.submit(message(&id));
    lab.answer(1, 3);
    lab.submit(message(&id));
    lab.lost(1);
    lab.wait(ms(10));
    let outputs: Vec<_> = lab
        .core
        .handle(lab.now, Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default()))
        .collect();
    let asks: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Transmit(_, command, _) if matches!(**command, Command::Message(_)) => {
                Some((command.command_id(), command.is_response_required()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(asks, [(3, false), (4, true)]);
}

#[test]
fn a_transaction_begun_on_a_link_that_is_left_goes_on_there_and_a_new_one_waits() {
    let mut lab = Lab::two().connected();
    let (old, new) = (local(1), local(2));
    lab.say(step(&old, TransactionInfo::BEGIN));
    lab.submit(session_info());
    lab.answer(1, 3);
    lab.submit(consumer_info());
    lab.answer(1, 4);
    lab.leave_for_b();
    assert_eq!(lab.say(message(&old)), ["transmit 1 ActiveMQMessage #5, completes 5"]);
    assert!(lab.say(step(&new, TransactionInfo::BEGIN)).is_empty());
    assert!(lab.say(message(&new)).is_empty());
    lab.submit(step(&old, TransactionInfo::COMMIT_ONE_PHASE));
    assert!(lab.settle(1).is_empty(), "the commit is waited for");
    assert_eq!(
        lab.answer(1, 8),
        [
            "complete 8 ok",
            "transmit 1 RemoveInfo #9",
            "transmit 1 ShutdownInfo #0",
            "hangup 1",
            "interrupted 1",
            "transmit 2 ConnectionControl #0",
            "transmit 2 ConnectionInfo #1",
            "transmit 2 SessionInfo #3",
            "transmit 2 ConsumerInfo #4",
            "transmit 2 BEGIN #6, completes 6",
            "transmit 2 ActiveMQMessage #7, completes 7",
        ]
    );
}
