//! Who is let in, and what comes of coming twice.

use super::*;

#[test]
fn a_broker_introduces_itself_before_it_has_heard_anything() {
    assert_eq!(Lab::new().open(1), ["1 < BrokerInfo"]);
}

#[test]
fn a_client_is_answered_and_told_of_the_cluster() {
    let mut lab = Lab::new();
    lab.open(1);
    assert_eq!(lab.ask(1, info(1)), ["1 < done 7", "1 < ConnectionControl"]);
    assert_eq!(lab.core.connections(), 1);
}

#[test]
fn a_bridge_that_cannot_be_managed_is_told_nothing_of_the_cluster() {
    let mut lab = Lab::new();
    lab.open(1);
    assert_eq!(lab.ask(1, ConnectionInfo { manageable: false, ..info(1) }), ["1 < done 7"]);
}

#[test]
fn a_client_id_that_is_in_use_is_refused_and_hung_up_two_seconds_later() {
    let mut lab = Lab::clients(1..=1);
    lab.open(2);
    let same = ConnectionInfo { client_id: Some("client1".into()), ..info(2) };
    assert_eq!(lab.ask(2, same), ["2 < refused 7 InvalidClientIDException"]);
    assert!(lab.ask(2, info(2)).is_empty(), "it is not heard any more");
    assert!(lab.wait(Duration::from_millis(1999)).is_empty());
    assert_eq!(lab.wait(Duration::from_millis(1)), ["2 hang up"]);
    assert_eq!(lab.core.connections(), 1);
}

/// What a broker says that dials this one.
fn bridge() -> rewire_protocol::BrokerInfo {
    let value = Some("ID:other".into());
    rewire_protocol::BrokerInfo {
        broker_id: Some(rewire_protocol::BrokerId { value }),
        broker_name: Some("other".into()),
        broker_url: Some("tcp://other:61616".into()),
        network_connection: true,
        ..rewire_protocol::BrokerInfo::default()
    }
}

#[test]
fn a_broker_counts_when_it_is_let_in_and_its_clients_are_told() {
    let mut lab = Lab::with(|config| {
        config.cluster.update_clients = true;
        config.users.insert("app".into(), "secret".into());
    });
    let with = |link, password: &str| ConnectionInfo {
        user_name: Some("app".into()),
        password: Some(password.into()),
        fault_tolerant: true,
        ..info(link)
    };
    lab.open(1);
    assert_eq!(lab.ask(1, with(1, "secret")), ["1 < done 7", "1 < ConnectionControl"]);
    lab.open(2);
    assert!(lab.tell(2, bridge()).is_empty(), "it has not said who asks");
    lab.ask(2, with(2, "wrong"));
    assert_eq!(lab.core.cluster().count(), 1);
    lab.open(3);
    lab.tell(3, bridge());
    let bridge = ConnectionInfo { manageable: false, fault_tolerant: false, ..with(3, "secret") };
    assert_eq!(lab.ask(3, bridge), ["3 < done 7", "1 < ConnectionControl"]);
    let names: Vec<String> = lab.core.cluster().map(|member| member.name).collect();
    assert_eq!(names, ["b", "other"]);
    assert_eq!(lab.core.cluster().next().unwrap().clients, Some(1), "a bridge is no client");
    lab.close(3);
    assert_eq!(lab.core.cluster().count(), 1);
}

#[test]
fn a_broker_that_is_called_like_this_one_hears_so() {
    let mut lab = Lab::clients(1..=1);
    let namesake = rewire_protocol::BrokerInfo { broker_name: Some("b".into()), ..bridge() };
    assert_eq!(lab.tell(1, namesake), ["1 < error IllegalStateException"]);
    let slave = rewire_protocol::BrokerInfo { slave_broker: true, ..bridge() };
    assert_eq!(lab.tell(1, slave), ["1 < error IllegalStateException"]);
}

#[test]
fn clients_are_hung_up_at_once_when_there_is_nowhere_to_go() {
    let mut lab = Lab::clients(1..=1);
    assert_eq!(lab.input(Input::Stop), ["1 hang up"]);
}

#[test]
fn clients_are_told_where_to_go_before_they_are_hung_up() {
    let mut lab = Lab::with(|config| config.cluster.update_clients = true);
    lab.open(1);
    lab.ask(1, ConnectionInfo { fault_tolerant: true, ..info(1) });
    lab.open(2);
    lab.ask(2, ConnectionInfo { manageable: false, ..info(2) });
    lab.tell(2, bridge());
    assert_eq!(lab.input(Input::Stop), ["1 < ConnectionControl", "1 < ConnectionControl"]);
    assert!(lab.wait(Duration::from_millis(4499)).is_empty());
    assert_eq!(lab.wait(Duration::from_millis(1)), ["1 hang up", "2 hang up"]);
}

#[test]
fn a_connection_that_comes_again_takes_over_and_its_old_link_is_hung_up() {
    let mut lab = Lab::clients(1..=1);
    lab.open(2);
    let back = ConnectionInfo { failover_reconnect: true, ..info(1) };
    assert_eq!(lab.ask(2, back), ["1 hang up", "2 < done 7", "2 < ConnectionControl"]);
    assert!(lab.close(1).is_empty());
    assert_eq!(lab.core.connections(), 1);
    lab.close(2);
    assert_eq!(lab.core.connections(), 0);
}

#[test]
fn only_who_knows_the_password_is_let_in() {
    let mut lab = Lab::with(|config| {
        config.users.insert("app".into(), "secret".into());
    });
    for (link, user, password, answer) in [
        (1, "app", "wrong", "1 < refused 7 SecurityException"),
        (2, "nobody", "secret", "2 < refused 7 SecurityException"),
        (3, "app", "secret", "3 < done 7"),
    ] {
        lab.open(link);
        let (user_name, password) = (Some(user.into()), Some(password.into()));
        let answered = lab.ask(link, ConnectionInfo { user_name, password, ..info(link) });
        assert_eq!(answered[0], answer);
    }
    assert!(!format!("{:?}", lab.core.config).contains("secret"));
}

#[test]
fn nothing_is_done_for_who_has_not_introduced_himself() {
    let mut lab = Lab::new();
    lab.open(1);
    assert_eq!(lab.send(1, 1, queue("Q")), ["1 < error IllegalStateException"]);
    assert_eq!(lab.consume(1, 1, queue("Q")), ["1 < refused 7 IllegalStateException"]);
}

#[test]
fn sessions_producers_and_consumers_that_are_told_again_are_known() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    assert_eq!(lab.consume(1, 1, queue("Q")), ["1 < done 7"]);
    let session_id = Some(connection(1).session(1));
    assert_eq!(lab.ask(1, SessionInfo { session_id, ..SessionInfo::default() }), ["1 < done 7"]);
    let producer_id = Some(connection(1).session(1).producer(1));
    let producer = ProducerInfo { producer_id, ..ProducerInfo::default() };
    assert_eq!(lab.ask(1, producer), ["1 < done 7"]);
    assert_eq!(lab.core.stats(&queue("Q")).unwrap().consumers, 1);
}

#[test]
fn a_consumer_of_an_unknown_session_is_refused() {
    let mut lab = Lab::clients(1..=1);
    let consumer_id = Some(connection(1).session(9).consumer(1));
    let info = ConsumerInfo { consumer_id, ..consumer(1, 1, queue("Q")) };
    assert_eq!(lab.ask(1, info), ["1 < refused 7 IllegalStateException"]);
}

#[test]
fn the_end_of_a_session_ends_its_consumers() {
    let mut lab = Lab::clients(1..=1);
    lab.consume(1, 1, queue("Q"));
    lab.send_many(1, 2, &queue("Q"));
    let object = Command::from(connection(1).session(1));
    let remove = RemoveInfo { object_id: Some(Box::new(object)), ..RemoveInfo::default() };
    assert!(lab.tell(1, remove).is_empty());
    assert_eq!((lab.pending(&queue("Q")), lab.in_flight(&queue("Q"))), (2, 0));
}

#[test]
fn a_client_that_says_goodbye_is_answered_and_hung_up() {
    let mut lab = Lab::clients(1..=1);
    let object = Command::from(connection(1));
    let remove = RemoveInfo { object_id: Some(Box::new(object)), ..RemoveInfo::default() };
    assert_eq!(lab.ask(1, remove), ["1 < done 7"]);
    assert_eq!(lab.tell(1, rewire_protocol::ShutdownInfo::default()), ["1 hang up"]);
    assert_eq!(lab.core.connections(), 0);
}

#[test]
fn one_connection_too_many_is_refused() {
    let mut lab = Lab::with(|config| config.limits.connections = 1);
    lab.client(1);
    lab.open(2);
    assert_eq!(lab.ask(2, info(2)), ["2 < refused 7 ResourceAllocationException"]);
}

#[test]
fn a_command_that_only_a_broker_sends_is_refused() {
    let mut lab = Lab::clients(1..=1);
    let dispatch = rewire_protocol::MessageDispatch::default();
    assert_eq!(lab.tell(1, dispatch), ["1 < error IllegalStateException"]);
}

#[test]
fn a_link_that_waits_to_be_used_stays_while_there_is_room_and_makes_room_when_there_is_none() {
    let mut lab = Lab::with(|config| config.limits.connections = 2);
    lab.client(1);
    lab.open(2);
    let seconds = Duration::from_secs;
    assert!(lab.wait(seconds(30)).is_empty(), "it may be a standby");
    lab.wait(seconds(10));
    lab.client(3);
    lab.open(4);
    assert_eq!(lab.wait(seconds(20)), ["2 hang up"], "it has had its time");
    assert_eq!(lab.wait(seconds(10)), ["4 hang up"]);
    lab.close(2);
    lab.close(4);
    assert!(lab.wait(seconds(60)).is_empty());
}
