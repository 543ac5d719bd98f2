//! What is done together or not at all.

use bytes::Bytes;
use rewire_protocol::{LocalTransactionId, TransactionId, TransactionInfo, XaTransactionId};

use super::subscription::Seen;
use super::*;

pub(super) fn local(link: u64, value: i64) -> TransactionId {
    TransactionId::Local(LocalTransactionId { value, connection_id: Some(connection(link)) })
}

fn branch(name: &'static str) -> TransactionId {
    let global_transaction_id = Some(Bytes::from_static(name.as_bytes()));
    TransactionId::Xa(Box::new(XaTransactionId {
        global_transaction_id,
        ..XaTransactionId::default()
    }))
}

fn step(id: &TransactionId, transaction_type: i8) -> TransactionInfo {
    let transaction_id = Some(id.clone());
    TransactionInfo { transaction_id, transaction_type, ..TransactionInfo::default() }
}

pub(super) fn begin(link: u64, value: i64) -> TransactionInfo {
    step(&local(link, value), TransactionInfo::BEGIN)
}

/// In transaction 1 of link 1: message 1.2 sent to R, and message 1.1 of Q consumed.
fn working(id: &TransactionId) -> Lab {
    let mut lab = Lab::clients(1..=2);
    work(&mut lab, id);
    lab
}

fn work(lab: &mut Lab, id: &TransactionId) {
    lab.send(1, 1, queue("Q"));
    lab.consume(1, 1, queue("Q"));
    lab.consume(2, 1, queue("R"));
    assert!(lab.tell(1, step(id, TransactionInfo::BEGIN)).is_empty());
    let transaction_id = Some(id.clone());
    let message = message(1, 2, queue("R"));
    assert!(lab.tell(1, Message { transaction_id: transaction_id.clone(), ..message }).is_empty());
    let ack = ack(1, 1, MessageAck::STANDARD, "1.1", "1.1");
    assert!(lab.tell(1, MessageAck { transaction_id, ..ack }).is_empty());
}

#[test]
fn a_commit_sends_and_consumes_all() {
    let id = local(1, 1);
    let mut lab = working(&id);
    let done = lab.ask(1, step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert_eq!(done, ["1 < done 7", "2 < 1.2 to c2:1:1"]);
    assert_eq!((lab.in_flight(&queue("Q")), lab.core.memory_used()), (0, 1024));
    let again = lab.ask(1, step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert_eq!(again, ["1 < refused 7 JMSException"]);
}

#[test]
fn a_message_keeps_the_name_of_the_transaction_it_was_sent_in() {
    let id = local(1, 1);
    let mut lab = working(&id);
    lab.ask(1, step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    let key = lab.core.destinations.find_queue(&queue("R")).unwrap();
    let Seen::Here(_, sent) = &key.snapshot(&lab.core.subs)[0] else { panic!("it is in memory") };
    assert_eq!(sent.message.transaction_id, Some(id));
}

#[test]
fn a_rollback_sends_nothing_and_leaves_to_the_consumer_what_it_has() {
    let id = local(1, 1);
    let mut lab = working(&id);
    assert_eq!(lab.ask(1, step(&id, TransactionInfo::ROLLBACK)), ["1 < done 7"]);
    assert_eq!((lab.in_flight(&queue("Q")), lab.pending(&queue("R"))), (1, 0));
    assert!(lab.ack(1, 1, MessageAck::STANDARD, "1.1", "1.1").is_empty());
    assert_eq!((lab.in_flight(&queue("Q")), lab.core.memory_used()), (0, 0));
}

#[test]
fn a_consumer_that_ends_after_a_rollback_gives_its_messages_back() {
    let id = local(1, 1);
    let mut lab = working(&id);
    lab.ask(1, step(&id, TransactionInfo::ROLLBACK));
    lab.end(1, 1, 1);
    assert_eq!(lab.consume(1, 2, queue("Q"))[1..], ["1 < 1.1 to c1:1:2 again 1"]);
}

#[test]
fn a_rollback_after_the_consumer_has_ended_gives_its_messages_back() {
    let id = local(1, 1);
    let mut lab = working(&id);
    lab.end(1, 1, -1);
    lab.ask(1, step(&id, TransactionInfo::ROLLBACK));
    assert_eq!(lab.consume(1, 2, queue("Q"))[1..], ["1 < 1.1 to c1:1:2 again 1"]);
}

#[test]
fn a_lost_connection_rolls_back() {
    let mut lab = working(&local(1, 1));
    assert!(lab.close(1).is_empty());
    assert_eq!((lab.pending(&queue("Q")), lab.in_flight(&queue("Q"))), (1, 0));
    assert_eq!(lab.consume(2, 2, queue("Q"))[1..], ["2 < 1.1 to c2:1:2 again 1"]);
}

#[test]
fn a_transaction_that_was_not_begun_is_refused() {
    let mut lab = Lab::clients(1..=1);
    let transaction_id = Some(local(1, 1));
    let sent = Message { transaction_id, ..message(1, 1, queue("Q")) };
    assert_eq!(lab.ask(1, sent), ["1 < refused 7 JMSException"]);
    let rollback = step(&branch("x"), TransactionInfo::ROLLBACK);
    assert_eq!(lab.ask(1, rollback), ["1 < refused 7 XAException"]);
}

#[test]
fn one_message_that_cannot_be_sent_undoes_the_transaction() {
    let id = local(1, 1);
    let mut lab = working(&id);
    let kind = rewire_protocol::DestinationKind::TempQueue;
    let gone = Destination { kind, physical_name: "c9:1".into() };
    let transaction_id = Some(id.clone());
    lab.tell(1, Message { transaction_id, ..message(1, 3, gone) });
    let done = lab.ask(1, step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert_eq!(done, ["1 < refused 7 DestinationDoesNotExistException"]);
    assert_eq!((lab.in_flight(&queue("Q")), lab.pending(&queue("R"))), (1, 0));
}

#[test]
fn a_transaction_is_not_committed_without_a_part_that_was_refused_and_nobody_waited_for() {
    let part = |id: &TransactionId| -> [Command; 2] {
        let transaction_id = Some(id.clone());
        let message = Message { destination: None, ..message(1, 3, queue("R")) };
        let ack = ack(1, 1, MessageAck::STANDARD, "1.9", "1.9");
        let message = Message { transaction_id: transaction_id.clone(), ..message };
        [message.into(), MessageAck { transaction_id, ..ack }.into()]
    };
    for (which, end) in [
        (0, TransactionInfo::COMMIT_ONE_PHASE),
        (1, TransactionInfo::COMMIT_ONE_PHASE),
        (0, TransactionInfo::PREPARE),
    ] {
        let id = if end == TransactionInfo::PREPARE { branch("x") } else { local(1, 1) };
        let mut lab = working(&id);
        let missing = part(&id)[which].clone();
        let class = ["InvalidDestinationException", "JMSException"][which];
        assert_eq!(lab.tell(1, missing), [format!("1 < error {class}")]);
        assert_eq!(lab.ask(1, step(&id, end)), ["1 < refused 7 XAException"], "{which} {end}");
        assert_eq!((lab.in_flight(&queue("Q")), lab.pending(&queue("R"))), (1, 0));
        assert_eq!(lab.core.memory_used(), 1024);
    }
}

#[test]
fn a_transaction_is_committed_without_what_its_client_knows_to_be_refused() {
    let id = local(1, 1);
    let mut lab = working(&id);
    let message = Message { destination: None, ..message(1, 3, queue("R")) };
    let refused = lab.ask(1, Message { transaction_id: Some(id.clone()), ..message });
    assert_eq!(refused, ["1 < refused 7 InvalidDestinationException"]);
    let done = lab.ask(1, step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert_eq!(done, ["1 < done 7", "2 < 1.2 to c2:1:1"]);
}

#[test]
fn a_branch_votes_then_commits() {
    let id = branch("x");
    let mut lab = working(&id);
    assert_eq!(lab.ask(1, step(&id, TransactionInfo::END)), ["1 < done 7"]);
    assert_eq!(lab.ask(1, step(&id, TransactionInfo::PREPARE)), ["1 < vote 0"]);
    assert_eq!(lab.ask(1, step(&id, TransactionInfo::RECOVER)), ["1 < 1 in doubt"]);
    let one_phase = lab.ask(1, step(&id, TransactionInfo::COMMIT_ONE_PHASE));
    assert_eq!(one_phase, ["1 < refused 7 XAException"]);
    let done = lab.ask(1, step(&id, TransactionInfo::COMMIT_TWO_PHASE));
    assert_eq!(done, ["1 < done 7", "2 < 1.2 to c2:1:1"]);
    assert_eq!(lab.ask(1, step(&id, TransactionInfo::RECOVER)), ["1 < 0 in doubt"]);
}

#[test]
fn a_branch_that_did_nothing_has_nothing_to_commit() {
    let mut lab = Lab::clients(1..=1);
    lab.tell(1, step(&branch("x"), TransactionInfo::BEGIN));
    assert_eq!(lab.ask(1, step(&branch("x"), TransactionInfo::PREPARE)), ["1 < vote 3"]);
    assert_eq!(lab.ask(1, step(&branch("x"), TransactionInfo::RECOVER)), ["1 < 0 in doubt"]);
}

#[test]
fn a_prepared_branch_outlives_its_connection() {
    let id = branch("x");
    let mut lab = working(&id);
    lab.ask(1, step(&id, TransactionInfo::PREPARE));
    lab.close(1);
    assert_eq!(lab.pending(&queue("Q")), 0, "what it has consumed is not given to others");
    assert_eq!(lab.ask(2, step(&id, TransactionInfo::ROLLBACK)), ["2 < done 7"]);
    assert_eq!((lab.pending(&queue("Q")), lab.pending(&queue("R"))), (1, 0));
    assert_eq!(lab.core.memory_used(), 1024);
}

#[test]
fn a_prepared_branch_outlives_the_broker() {
    for (decision, left) in
        [(TransactionInfo::COMMIT_TWO_PHASE, (0, 1)), (TransactionInfo::ROLLBACK, (1, 0))]
    {
        let id = branch("x");
        let mut lab = Lab::stored();
        (1..=2).for_each(|link| lab.client(link));
        work(&mut lab, &id);
        lab.ask(1, step(&id, TransactionInfo::PREPARE));
        lab.restart();
        lab.client(1);
        assert_eq!(lab.ask(1, step(&id, TransactionInfo::RECOVER)), ["1 < 1 in doubt"]);
        assert_eq!((lab.pending(&queue("Q")), lab.pending(&queue("R"))), (0, 0));
        assert_eq!(lab.ask(1, step(&id, decision)), ["1 < done 7"]);
        assert_eq!((lab.pending(&queue("Q")), lab.pending(&queue("R"))), left);
        lab.restart();
        assert_eq!((lab.pending(&queue("Q")), lab.pending(&queue("R"))), left);
    }
}
