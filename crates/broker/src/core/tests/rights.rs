//! Who is let in, and who may do what.

use std::collections::BTreeSet;

use rewire_protocol::{DestinationInfo, DestinationKind};

use super::*;

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `reader` of group `readers` may read A.>, `writer` may write and make them; anonymous is let in.
fn lab() -> Lab {
    let mut lab = Lab::with(|config| {
        for user in ["reader", "writer"] {
            config.users.insert(user.to_owned(), format!("{user}'s"));
        }
        config.groups.insert("reader".to_owned(), names(&["readers"]));
        config.anonymous_access = true;
        let mut right = Right::new(queue("A.>"));
        right.read = names(&["readers"]);
        right.write = names(&["writer"]);
        right.admin = names(&["writer"]);
        config.rights.push(right);
    });
    for (link, user) in [(1, "reader"), (2, "writer")] {
        lab.open(link);
        assert_eq!(lab.ask(link, login(link, user, &format!("{user}'s")))[0], done(link));
    }
    lab.open(3);
    assert_eq!(lab.ask(3, info(3))[0], done(3));
    for link in 1..=3 {
        let session_id = Some(connection(link).session(1));
        lab.tell(link, SessionInfo { session_id, ..SessionInfo::default() });
    }
    lab
}

fn login(link: u64, user: &str, password: &str) -> ConnectionInfo {
    let (user_name, password) = (Some(user.into()), Some(password.into()));
    ConnectionInfo { user_name, password, ..info(link) }
}

fn done(link: u64) -> String {
    format!("{link} < done 7")
}

fn refused(link: u64) -> Vec<String> {
    vec![format!("{link} < refused 7 SecurityException")]
}

/// The text of what was refused.
fn reason(lab: &mut Lab, link: u64, command: impl Into<Command>) -> String {
    let mut command = command.into();
    command.set_response_required(true);
    let outputs = lab.core.handle(lab.now, Input::Received(LinkId(link), command));
    let answer = outputs.into_iter().find_map(|output| match output {
        Output::Send(_, Outgoing::Command(Command::ExceptionResponse(answer))) => answer.exception,
        _ => None,
    });
    answer.expect("it is refused").message.unwrap().to_string()
}

#[test]
fn a_wrong_password_an_unknown_user_and_a_name_alone_are_refused_in_the_same_words() {
    let mut lab = lab();
    for (link, user, password) in [(4, "reader", "writer's"), (5, "nobody", "x"), (6, "reader", "")]
    {
        lab.open(link);
        let said = reason(&mut lab, link, login(link, user, password));
        assert_eq!(said, format!("User name [{user}] or password is invalid."));
    }
}

#[test]
fn without_anonymous_access_a_client_needs_a_name() {
    let mut lab = Lab::with(|config| {
        config.users.insert("app".to_owned(), String::new());
    });
    lab.open(1);
    assert_eq!(reason(&mut lab, 1, info(1)), "User name [null] or password is invalid.");
}

#[test]
fn a_group_may_read_and_not_write() {
    let mut lab = lab();
    assert_eq!(lab.ask(2, message(2, 1, queue("A.B"))), [done(2)]);
    let read = lab.consume(1, 1, queue("A.B"));
    assert_eq!(read, [done(1), "1 < 2.1 to c1:1:1".to_owned()]);
    let said = reason(&mut lab, 1, message(1, 1, queue("A.B")));
    assert_eq!(said, "User reader is not authorized to write to: queue://A.B");
    let said = reason(&mut lab, 2, consumer(2, 1, queue("A.B")));
    assert_eq!(said, "User writer is not authorized to read from: queue://A.B");
}

#[test]
fn what_does_not_exist_is_made_only_by_who_may() {
    let mut lab = lab();
    let said = reason(&mut lab, 1, consumer(1, 1, queue("A.NEW")));
    assert_eq!(said, "User reader is not authorized to create: queue://A.NEW");
    assert_eq!(lab.core.stats(&queue("A.NEW")), None);
    let change = |operation_type| DestinationInfo {
        destination: Some(queue("A.NEW")),
        operation_type,
        ..DestinationInfo::default()
    };
    assert_eq!(lab.ask(1, change(DestinationInfo::ADD)), refused(1));
    assert_eq!(lab.ask(2, change(DestinationInfo::ADD)), [done(2)]);
    assert_eq!(lab.ask(1, change(DestinationInfo::REMOVE)), refused(1));
    assert_eq!(lab.ask(2, change(DestinationInfo::REMOVE)), [done(2)]);
}

#[test]
fn what_no_right_covers_nobody_may_do() {
    let mut lab = lab();
    let said = reason(&mut lab, 2, message(2, 1, queue("B")));
    assert_eq!(said, "User writer is not authorized to write to: queue://B");
    let said = reason(&mut lab, 3, message(3, 1, queue("A.B")));
    assert_eq!(said, "User anonymous is not authorized to write to: queue://A.B");
    for pattern in [">", "*.B", "A.B,B"] {
        assert_eq!(lab.consume(1, 1, queue(pattern)), refused(1), "{pattern}");
    }
    assert_eq!(lab.consume(1, 1, queue("A.*")), [done(1)]);
}

#[test]
fn a_producer_and_a_transaction_are_refused_like_a_message() {
    let mut lab = lab();
    let producer_id = Some(connection(1).session(1).producer(2));
    let destination = Some(queue("A.B"));
    let producer = ProducerInfo { producer_id, destination, ..ProducerInfo::default() };
    assert_eq!(lab.ask(1, producer), refused(1));
    lab.tell(1, transactions::begin(1, 1));
    let transaction_id = Some(transactions::local(1, 1));
    let sent = Message { transaction_id, ..message(1, 1, queue("A.B")) };
    assert_eq!(lab.ask(1, sent), refused(1));
}

#[test]
fn advisories_may_be_read_by_all_and_sent_by_none() {
    let mut lab = lab();
    let advisory = topic("ActiveMQ.Advisory.Connection");
    assert_eq!(lab.consume(3, 1, advisory.clone())[0], done(3));
    assert_eq!(lab.ask(2, message(2, 1, advisory)), refused(2));
}

#[test]
fn temporary_destinations_are_open_until_a_right_is_for_them() {
    let temporary = Destination { kind: DestinationKind::TempQueue, physical_name: "c3:1".into() };
    let add = DestinationInfo {
        destination: Some(temporary.clone()),
        operation_type: DestinationInfo::ADD,
        ..DestinationInfo::default()
    };
    let mut lab = lab();
    assert_eq!(lab.ask(3, add.clone()), [done(3)]);
    assert_eq!(lab.ask(1, message(1, 1, temporary.clone())), [done(1)]);
    let mut right = Right::new(Destination { physical_name: ">".into(), kind: temporary.kind });
    right.admin = names(&["anonymous"]);
    lab.core.config.rights.push(right);
    assert_eq!(lab.ask(1, message(1, 2, temporary)), refused(1));
    let mine = Destination { kind: DestinationKind::TempQueue, physical_name: "c2:1".into() };
    let add = DestinationInfo { destination: Some(mine), ..add };
    assert_eq!(lab.ask(2, add), refused(2));
}

#[test]
fn a_connection_is_taken_over_only_by_its_own_user() {
    let mut lab = lab();
    lab.open(9);
    let stolen =
        ConnectionInfo { connection_id: Some(connection(1)), ..login(9, "writer", "writer's") };
    assert_eq!(lab.ask(9, stolen), refused(9));
    let own =
        ConnectionInfo { connection_id: Some(connection(1)), ..login(9, "reader", "reader's") };
    lab.open(10);
    let client_id = Some("client1".into());
    assert!(lab.ask(10, ConnectionInfo { client_id, ..own }).contains(&done(10)));
}

#[test]
fn who_is_known_by_a_hash_is_let_in_once_it_is_said_that_the_password_is_right() {
    let mut lab = Lab::with(|config| {
        let hash = PasswordHash::from_checked("$argon2id$".to_owned());
        config.password_hashes.insert("shop".to_owned(), hash);
        config.users.insert("plain".to_owned(), "text".to_owned());
    });
    let prove = |lab: &mut Lab, link, user: &str| {
        let (link, user) = (LinkId(link), user.to_owned());
        lab.input(Input::Proven { link, user })
    };
    (1..=5).for_each(|link| drop(lab.open(link)));
    assert_eq!(lab.ask(1, login(1, "shop", "secret")), refused(1), "nobody has said so");
    prove(&mut lab, 2, "shop");
    assert_eq!(lab.ask(3, login(3, "shop", "secret")), refused(3), "it was said of another link");
    assert_eq!(lab.ask(2, login(2, "shop", "secret"))[0], done(2));
    prove(&mut lab, 4, "plain");
    assert_eq!(lab.ask(4, login(4, "plain", "wrong")), refused(4), "there is no hash of it");
    assert_eq!(lab.ask(5, login(5, "plain", "text"))[0], done(5));
    lab.open(6);
    assert_eq!(lab.ask(6, info(6)), refused(6), "there are users");
}
