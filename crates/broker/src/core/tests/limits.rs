//! What one client, or all together, may have too much of, and that one less is allowed.

use rewire_protocol::{DestinationInfo, DestinationKind, TransactionInfo, XaTransactionId};

use super::*;

/// Asks for each, and expects only the last to be refused.
fn last_is_refused(lab: &mut Lab, what: impl IntoIterator<Item = impl Into<Command>>) {
    let said: Vec<Vec<String>> = what.into_iter().map(|command| lab.ask(1, command)).collect();
    let (last, others) = said.split_last().unwrap();
    assert_eq!(*last, ["1 < refused 7 ResourceAllocationException"]);
    for said in others {
        assert_eq!(said[0], "1 < done 7");
    }
}

fn lab(change: impl FnOnce(&mut BrokerLimits)) -> Lab {
    let mut lab = Lab::with(|config| change(&mut config.limits));
    lab.client(1);
    lab
}

#[test]
fn a_connection_has_so_many_of_everything() {
    let mut lab = lab(|limits| limits.per_connection = 3);
    // Session 1 and its producer are there already, and the session that clients have for themselves.
    let session = |value| SessionInfo {
        session_id: Some(connection(1).session(value)),
        ..SessionInfo::default()
    };
    last_is_refused(&mut lab, (2..=3).map(session));
    let producer = |value| ProducerInfo {
        producer_id: Some(connection(1).session(1).producer(value)),
        ..ProducerInfo::default()
    };
    last_is_refused(&mut lab, (2..=4).map(producer));
    last_is_refused(&mut lab, (1..=4).map(|number| consumer(1, number, queue("Q"))));
    last_is_refused(&mut lab, (1..=4).map(|value| transactions::begin(1, value)));
    let temporary = |number| {
        let physical_name = format!("c1:{number}").as_str().into();
        let destination = Some(Destination { kind: DestinationKind::TempQueue, physical_name });
        DestinationInfo { destination, ..DestinationInfo::default() }
    };
    last_is_refused(&mut lab, (1..=4).map(temporary));
    // Another client has its own.
    lab.client(2);
    assert_eq!(lab.consume(2, 1, queue("Q")), ["2 < done 7"]);
}

#[test]
fn one_name_stands_for_so_many_destinations() {
    let mut lab = lab(|limits| limits.composite = 2);
    let names = [(1, "A,B"), (2, "A,B,C")];
    last_is_refused(&mut lab, names.map(|(number, name)| message(1, number, queue(name))));
    last_is_refused(&mut lab, names.map(|(number, name)| consumer(1, number, queue(name))));
}

#[test]
fn there_are_so_many_durable_subscriptions() {
    let mut lab = lab(|limits| limits.durable_subscriptions = 2);
    let durable = |number| ConsumerInfo {
        subscription_name: Some(format!("s{number}").as_str().into()),
        ..consumer(1, number, topic("T"))
    };
    last_is_refused(&mut lab, (1..=3).map(durable));
}

#[test]
fn there_are_so_many_prepared_transactions() {
    let mut lab = lab(|limits| limits.prepared_transactions = 1);
    for (number, expected) in [(1, "vote 0"), (2, "refused 7 ResourceAllocationException")] {
        let branch = TransactionId::Xa(Box::new(XaTransactionId {
            format_id: number,
            ..XaTransactionId::default()
        }));
        let step = |transaction_type| TransactionInfo {
            transaction_id: Some(branch.clone()),
            transaction_type,
            ..TransactionInfo::default()
        };
        lab.ask(1, step(TransactionInfo::BEGIN));
        let transaction_id = Some(branch.clone());
        lab.tell(1, Message { transaction_id, ..message(1, number.into(), queue("Q")) });
        assert_eq!(lab.ask(1, step(TransactionInfo::PREPARE)), [format!("1 < {expected}")]);
    }
}

#[test]
fn the_oldest_group_loses_its_owner_when_there_are_too_many() {
    let mut lab = lab(|limits| limits.message_groups = 1);
    lab.consume(1, 1, queue("Q"));
    lab.consume(1, 2, queue("Q"));
    let mut send = |number, group: &'static str| {
        let group_id = Some(group.into());
        let said = lab.tell(1, Message { group_id, ..message(1, number, queue("Q")) });
        said[0].rsplit(':').next().unwrap().to_owned()
    };
    assert_eq!([send(1, "a"), send(2, "a"), send(3, "b")], ["1", "1", "2"]);
    // The next in turn: nobody owns the group any more.
    assert_eq!([send(4, "c"), send(5, "a"), send(6, "a")], ["1", "2", "2"]);
}

#[test]
fn of_producers_that_are_gone_the_latest_are_remembered() {
    let mut lab = Lab::with(|config| config.limits.producer_audits = 1);
    for link in 1..=2 {
        lab.client(link);
        lab.send(link, 5, queue("Q"));
    }
    lab.close(1);
    lab.close(2);
    assert_eq!(lab.pending(&queue("Q")), 2);
    for (link, pending) in [(12, 2), (11, 3)] {
        let old = link - 10;
        lab.open(link);
        lab.ask(link, ConnectionInfo { failover_reconnect: true, ..info(old) });
        let session_id = Some(connection(old).session(1));
        lab.tell(link, SessionInfo { session_id, ..SessionInfo::default() });
        lab.tell(link, message(old, 5, queue("Q")));
        // That of the second is known; that of the first comes a second time.
        assert_eq!(lab.pending(&queue("Q")), pending);
    }
}
