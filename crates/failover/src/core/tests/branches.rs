//! Branches of a transaction manager over failovers: what is repeated, and what is the broker's.

use rewire_protocol::{IntegerResponse, TransactionId, TransactionInfo, XaTransactionId};

use super::transactions::{message, step};
use super::*;

fn xa() -> TransactionId {
    let global_transaction_id = Some(bytes::Bytes::from_static(b"global"));
    TransactionId::Xa(Box::new(XaTransactionId {
        global_transaction_id,
        ..XaTransactionId::default()
    }))
}

#[test]
fn a_branch_that_is_not_prepared_is_repeated_and_its_vote_asked_for_after_that() {
    let mut lab = Lab::connected_to_two();
    let id = xa();
    lab.submit(step(&id, TransactionInfo::BEGIN));
    lab.answer(1, 4);
    lab.say(message(&id));
    lab.submit(step(&id, TransactionInfo::END));
    lab.answer(1, 6);
    lab.lost(1);
    assert!(lab.submit(step(&id, TransactionInfo::PREPARE)).is_empty());
    lab.wait(ms(10));
    assert_eq!(
        lab.dialed(2)[4..],
        ["transmit 2 BEGIN #4", "transmit 2 ActiveMQMessage #5", "transmit 2 END #6"]
    );
    for number in [1, 2, 3, 4] {
        assert!(lab.answer(2, number).is_empty());
    }
    assert_eq!(lab.answer(2, 6)[..2], ["resumed 2", "transmit 2 PREPARE #7"]);
    assert_eq!(lab.answer(2, 7), ["complete 7 ok"]);
    assert_eq!(lab.fail_over(2).len(), 4, "it is the broker's");
}

#[test]
fn a_vote_without_an_answer_is_in_doubt_and_its_branch_is_not_repeated() {
    let mut lab = Lab::two().connected();
    let id = xa();
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    lab.submit(step(&id, TransactionInfo::PREPARE));
    lab.submit(step(&id, TransactionInfo::COMMIT_TWO_PHASE));
    let lost = lab.lost(1);
    let begin = "complete 4 in doubt, sent to tcp://a:1";
    assert!(lost.iter().any(|line| line.starts_with(begin)), "{lost:?}");
    lab.wait(ms(10));
    assert_eq!(lab.dialed(2)[2..], [""; 0]);
    // What decides it can be asked for again: who keeps the branch does it, and who does not says so.
    assert_eq!(lab.answer(2, 1)[..2], ["resumed 2", "transmit 2 COMMIT_TWO_PHASE #5"]);
    assert_eq!(lab.answer(2, 5), ["complete 5 ok"]);
}

#[test]
fn a_vote_that_times_out_is_in_doubt_and_its_branch_is_not_repeated_either() {
    let limited = |options: &mut FailoverOptions| options.request_timeout = Some(ms(500));
    for is_sent in [true, false] {
        let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1"], limited).connected();
        let id = xa();
        lab.say(step(&id, TransactionInfo::BEGIN));
        if !is_sent {
            lab.lost(1);
        }
        lab.submit(step(&id, TransactionInfo::PREPARE));
        let timed_out = lab.wait(ms(500));
        let expected = if is_sent { "complete 3 in doubt" } else { "complete 3 not sent" };
        assert!(timed_out.iter().any(|line| line.starts_with(expected)), "{timed_out:?}");
        let heard = if is_sent { lab.fail_over(1) } else { lab.dialed(2) };
        // One that was not asked for leaves the branch to be repeated.
        let repeated: &[&str] = if is_sent { &[] } else { &["transmit 2 BEGIN #2"] };
        assert_eq!(heard[2..], *repeated);
    }
}

#[test]
fn a_prepared_branch_is_the_brokers_and_only_its_end_is_sent_again() {
    let mut lab = Lab::two().connected();
    let id = xa();
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.say(message(&id));
    lab.submit(step(&id, TransactionInfo::PREPARE));
    let vote = IntegerResponse { correlation_id: 4, ..IntegerResponse::default() };
    assert_eq!(lab.input(Input::Received(LinkId(1), vote.into())), ["complete 4 ok"]);
    assert_eq!(lab.submit(step(&id, TransactionInfo::COMMIT_TWO_PHASE)).len(), 1);
    assert_eq!(lab.fail_over(1).len(), 2);
    assert_eq!(lab.answer(2, 1)[..2], ["resumed 2", "transmit 2 COMMIT_TWO_PHASE #5"]);
    // A broker that has done it knows it no more: that is not to say that it was not done.
    let refused = lab.refuse(2, 5, "javax.transaction.xa.XAException");
    assert!(refused[0].starts_with("complete 5 in doubt, sent to tcp://a:1"), "{refused:?}");
}

#[test]
fn a_refused_vote_is_not_asked_for_again_and_the_transaction_stays_to_be_rolled_back() {
    let mut lab = Lab::two().connected();
    let id = xa();
    lab.say(step(&id, TransactionInfo::BEGIN));
    lab.submit(step(&id, TransactionInfo::PREPARE));
    lab.refuse(1, 3, "javax.transaction.xa.XAException");
    assert_eq!(lab.fail_over(1)[2..], ["transmit 2 BEGIN #2"]);
}
