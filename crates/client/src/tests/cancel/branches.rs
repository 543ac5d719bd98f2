//! Steps of a transaction manager's branch, and transactions as a whole, that are not waited for.

use rewire_protocol::TransactionInfo;

use super::*;
use crate::{XaSession, Xid};

/// What a transaction manager asks for, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Start,
    End,
    Prepare,
    Recover,
    Rollback,
    Commit,
    Forget,
}

impl Asked {
    async fn of(self, session: &XaSession, xid: &Xid) -> Result<(), Error> {
        match self {
            Self::Start => session.start(xid).await,
            Self::End => session.end(xid).await,
            Self::Prepare => session.prepare(xid).await.map(drop),
            Self::Recover => session.recover().await.map(drop),
            Self::Rollback => session.rollback(xid).await,
            Self::Commit => session.commit(xid, false).await,
            Self::Forget => session.forget(xid).await,
        }
    }

    const fn on_the_wire(self) -> i8 {
        match self {
            Self::Start => TransactionInfo::BEGIN,
            Self::End => TransactionInfo::END,
            Self::Prepare => TransactionInfo::PREPARE,
            Self::Recover => TransactionInfo::RECOVER,
            Self::Rollback => TransactionInfo::ROLLBACK,
            Self::Commit => TransactionInfo::COMMIT_TWO_PHASE,
            Self::Forget => TransactionInfo::FORGET,
        }
    }
}

#[tokio::test]
async fn each_step_of_a_branch_is_taken_once_or_not_at_all_when_it_is_not_waited_for() {
    use Asked::{Commit, End, Forget, Prepare, Recover, Rollback, Start};
    for asked in [Start, End, Prepare, Recover, Rollback, Commit, Forget] {
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(AckMode::Auto).await;
            let session = world.connection.xa_session().await.unwrap();
            let producer = session.producer(&Queue::new("Q")).await.unwrap();
            let xid = Xid::new(1, "transaction", "branch").unwrap();
            let mut expected = Vec::new();
            for before in [Start, End, Prepare].into_iter().filter(|before| *before < asked) {
                before.of(&session, &xid).await.unwrap();
                expected.push(before.on_the_wire());
                if before == Start {
                    producer.send("in it").await.unwrap();
                }
            }
            world.clog(cancel).await;
            let is_done = cancel.run(asked.of(&session, &xid)).await.is_some();
            world.unclog().await;
            // The session takes a step that it was told of; a question is asked when there is room.
            let is_question = matches!(asked, Recover | Forget);
            let is_begun = cancel.polls > 0 && !(is_question && cancel.is_clogged);
            if is_begun {
                expected.push(asked.on_the_wire());
            }
            // It is not in the way of what comes next.
            let next = match asked {
                Start if is_begun => Some(End),
                Start => Some(Start),
                End if is_begun => Some(Prepare),
                End => Some(End),
                Prepare => Some(Commit),
                Recover | Forget => Some(Rollback),
                Rollback | Commit => None,
            };
            if let Some(next) = next {
                timeout(DEADLINE, next.of(&session, &xid)).await.unwrap().unwrap();
                expected.push(next.on_the_wire());
            }
            if next == Some(Start) {
                // Open when its session is dropped.
                expected.push(TransactionInfo::ROLLBACK);
            }
            drop((producer, session));
            world.works_and_holds(&[]).await;
            let are_taken = |ledger: &ledger::Ledger| ledger.steps == expected;
            world.broker.until(&format!("{asked:?}: {expected:?}"), are_taken).await;
            is_done
        })
        .await;
    }
}

#[tokio::test]
async fn what_a_branch_received_is_settled_once_though_its_steps_are_not_waited_for() {
    use Asked::{Commit, End, Prepare, Rollback};
    for decision in [Commit, Rollback] {
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(AckMode::Auto).await;
            let session = world.connection.xa_session().await.unwrap();
            let mut consumer = session.consumer(&Queue::new("Q")).prefetch(10).await.unwrap();
            let xid = Xid::new(1, "transaction", "branch").unwrap();
            session.start(&xid).await.unwrap();
            assert_eq!(next(&mut consumer).await.0, 1);
            world.clog(cancel).await;
            let mut are_done = true;
            for asked in [End, Prepare, decision] {
                are_done &= cancel.run(asked.of(&session, &xid)).await.is_some();
            }
            world.unclog().await;
            if cancel.polls == 0 {
                for asked in [End, Prepare, decision] {
                    timeout(DEADLINE, asked.of(&session, &xid)).await.unwrap().unwrap();
                }
            }
            drop((consumer, session));
            world.works_and_holds(&[]).await;
            let mut expected = vec![TransactionInfo::BEGIN];
            expected.extend([End, Prepare, decision].map(Asked::on_the_wire));
            let is_settled = |ledger: &ledger::Ledger| {
                ledger.steps == expected && ledger.acknowledged.keys().eq(&[1])
            };
            world.broker.until("it is settled", is_settled).await;
            are_done
        })
        .await;
    }
}

#[tokio::test]
async fn a_transaction_whose_work_is_not_waited_for_is_undone_or_done_as_a_whole() {
    for has_own_session in [true, false] {
        cancel_at_each_await(async |cancel| {
            let mut world = World::new(AckMode::Auto).await;
            let transacted = world.connection.transacted_session().await.unwrap();
            let producer = transacted.producer(&Queue::new("Q")).await.unwrap();
            world.clog(cancel).await;
            let done = if has_own_session {
                let work = async |tx: TransactedSession| {
                    let producer = tx.producer(&Queue::new("Q")).await?;
                    producer.send("one").await.map(drop)
                };
                cancel.run(world.connection.transaction(work)).await
            } else {
                let work = async || {
                    producer.send("one").await?;
                    producer.send("two").await.map(drop)
                };
                cancel.run(transacted.transaction(work)).await
            };
            drop((producer, transacted));
            world.works_and_holds(&[]).await;
            // A step that nothing was sent before is none.
            let is_one = |ended: &[i8]| match (done.is_some(), ended) {
                (true, ended) => *ended == [TransactionInfo::COMMIT_ONE_PHASE],
                (false, []) => true,
                (false, ended) => {
                    *ended == [TransactionInfo::ROLLBACK]
                        || *ended == [TransactionInfo::COMMIT_ONE_PHASE]
                }
            };
            let ended_once = |ledger: &ledger::Ledger| is_one(&ledger.ended);
            world.broker.until("it is ended once, or was not begun", ended_once).await;
            done.is_some()
        })
        .await;
    }
}
