//! What the test kit does to brokers, and what a client sees of it.

use std::time::Duration;

use rewire::{AckMode, Connection, ErrorKind, Event, Events, Message, Queue};
use rewire_broker::testkit::{TestCluster, eventually};

use crate::{SOON, receive, text};

async fn connect(cluster: &TestCluster) -> Connection {
    Connection::builder(&cluster.failover_uri()).await.unwrap()
}

#[tokio::test]
async fn a_killed_broker_keeps_what_it_has_stored_and_its_address_and_loses_the_rest() {
    let cluster = TestCluster::start(1).await;
    let connection = connect(&cluster).await;
    let producer = connection.session().await.unwrap().producer(&Queue::new("Q")).await.unwrap();
    producer.send(Message::text("lost").persistent(false)).await.unwrap();
    producer.send("kept").await.unwrap();
    assert_eq!(cluster[0].messages("Q").await, 2);
    let address = cluster[0].uri().to_owned();
    cluster[0].kill().await;
    assert!(tokio::net::TcpStream::connect(address.trim_start_matches("tcp://")).await.is_err());
    cluster[0].restart().await;
    assert_eq!(cluster[0].uri(), address);
    assert_eq!(cluster[0].messages("Q").await, 1);
    let mut consumer =
        connection.session().await.unwrap().consumer(&Queue::new("Q")).await.unwrap();
    assert_eq!(text(&mut consumer).await, "kept");
}

#[tokio::test]
async fn who_is_connected_and_what_was_heard_can_be_asked() {
    let cluster = TestCluster::start(2).await;
    let names = ["billing", "shop"];
    let mut connections = Vec::new();
    for name in names {
        let builder = Connection::builder(&cluster.failover_uri()).client_id(name);
        connections.push(builder.await.unwrap());
    }
    assert_eq!(cluster[0].clients().await, names);
    assert_eq!(cluster[0].heard("ConnectionInfo").await, 2);
    assert!(cluster[1].clients().await.is_empty());
    cluster[0].kill().await;
    eventually("both are at the other", async || cluster[1].clients().await == names).await;
}

#[tokio::test]
async fn a_paused_broker_is_silent_and_goes_on_with_what_came_meanwhile() {
    let cluster = TestCluster::start(1).await;
    let connection = connect(&cluster).await;
    let producer = connection.session().await.unwrap().producer(&Queue::new("Q")).await.unwrap();
    cluster[0].pause().await;
    let sent = producer.enqueue("12 anvils").await.unwrap();
    let answered = tokio::time::timeout(Duration::from_millis(50), sent).await;
    assert!(answered.is_err(), "it stands still");
    cluster[0].resume().await;
    eventually("it was heard", async || cluster[0].messages("Q").await == 1).await;
}

#[tokio::test]
async fn a_client_leaves_a_broker_that_stands_still() {
    let cluster = TestCluster::start(2).await;
    let uri = format!("{}&detectTimeout=300", cluster.failover_uri());
    let connection = Connection::builder(&uri).client_id("shop").await.unwrap();
    cluster[0].pause().await;
    eventually("it has left", async || cluster[1].clients().await == ["shop"]).await;
    cluster[0].kill().await;
    drop(connection);
}

#[tokio::test]
async fn a_broker_that_is_killed_while_it_stands_still_does_nothing_of_what_came_meanwhile() {
    let cluster = TestCluster::start(1).await;
    let connection = connect(&cluster).await;
    let producer = connection.session().await.unwrap().producer(&Queue::new("Q")).await.unwrap();
    cluster[0].pause().await;
    let sent = producer.enqueue("12 anvils").await.unwrap();
    cluster[0].kill().await;
    assert_eq!(cluster[0].store().messages_added(), 0);
    cluster[0].restart().await;
    sent.await.unwrap();
    assert_eq!(cluster[0].messages("Q").await, 1);
}

#[tokio::test]
async fn a_reply_that_is_left_out_is_waited_for() {
    let cluster = TestCluster::start(1).await;
    let uri = format!("{}&requestTimeout=100", cluster.failover_uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let producer = connection.session().await.unwrap().producer(&Queue::new("Q")).await.unwrap();
    cluster[0].drop_next_reply();
    let error = producer.send("12 anvils").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InDoubt, "{error}");
    assert_eq!(cluster[0].messages("Q").await, 1);
    producer.send("13 anvils").await.unwrap();
}

#[tokio::test]
async fn logins_are_refused_until_they_are_admitted_again() {
    let cluster = TestCluster::start(1).await;
    let connection = connect(&cluster).await;
    cluster[0].refuse_logins().await;
    let error = Connection::builder(&cluster.failover_uri()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Security, "{error}");
    connection.session().await.unwrap();
    cluster[0].admit_logins().await;
    connect(&cluster).await;
}

#[tokio::test]
async fn a_producer_waits_for_memory_and_acknowledgements_do_not() {
    let cluster = TestCluster::start(1).await;
    let connection = connect(&cluster).await;
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    let producer = session.producer(&Queue::new("Q")).await.unwrap();
    producer.send("12 anvils").await.unwrap();
    let mut consumer = session.consumer(&Queue::new("Q")).await.unwrap();
    let delivery = receive(&mut consumer).await;
    cluster[0].fill_memory().await;
    let waits = producer.enqueue("13 anvils").await.unwrap();
    delivery.ack().await.unwrap();
    eventually("it is acknowledged", async || cluster[0].messages("Q").await == 0).await;
    cluster[0].free_memory().await;
    tokio::time::timeout(SOON, waits).await.expect("there is room").unwrap();
    assert_eq!(text(&mut consumer).await, "13 anvils");
}

#[tokio::test]
async fn a_cut_link_is_a_loss_and_a_black_hole_is_silence() {
    let cluster = TestCluster::start(1).await;
    let uri = format!("{}&detectTimeout=300", cluster.failover_uri());
    let connection = Connection::builder(&uri).await.unwrap();
    let mut events = connection.events();
    let next = async |events: &mut Events, is_it: fn(&Event) -> bool| {
        let found = async {
            while let Some(event) = events.next().await {
                if is_it(&event) {
                    return event;
                }
            }
            panic!("the connection is closed");
        };
        tokio::time::timeout(SOON, found).await.expect("an event")
    };
    let is_lost = |event: &Event| matches!(event, Event::Interrupted { .. });
    cluster[0].cut();
    let cut = next(&mut events, is_lost).await;
    next(&mut events, |event| matches!(event, Event::Resumed { .. })).await;
    cluster[0].black_hole();
    let silent = next(&mut events, is_lost).await;
    let [cut, silent] = [cut, silent].map(|event| match event {
        Event::Interrupted { cause, .. } => cause.to_string(),
        other => panic!("{other:?}"),
    });
    assert_ne!(cut, silent);
    cluster[0].mend().await;
    connection.session().await.unwrap();
}

#[tokio::test]
async fn nothing_of_a_cluster_is_left_when_a_test_panics() {
    let (told, hears) = tokio::sync::oneshot::channel();
    let test = tokio::spawn(async move {
        let cluster = TestCluster::start(2).await;
        cluster[1].pause().await;
        told.send((cluster[0].uri().to_owned(), cluster[1].uri().to_owned())).unwrap();
        panic!("on purpose");
    });
    assert!(test.await.unwrap_err().is_panic());
    let (running, paused) = hears.await.unwrap();
    for uri in [running, paused] {
        let address = uri.trim_start_matches("tcp://");
        eventually("its port is free", async || {
            tokio::net::TcpListener::bind(address).await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_broker_joins_and_is_found() {
    let mut cluster = TestCluster::builder()
        .brokers(1)
        .configure(|broker| broker.user("shop", "secret"))
        .start()
        .await;
    cluster.add().await;
    let uri = cluster.failover_uri();
    cluster[0].kill().await;
    let connection = Connection::builder(&uri).credentials("shop", "secret").await.unwrap();
    assert_eq!(cluster[1].clients().await.len(), 1);
    connection.close().await.unwrap();
    assert!(Connection::builder(&uri).credentials("shop", "wrong").await.is_err());
}

/// Brokers that know each other, and clients that were given the first two.
async fn joined() -> (TestCluster, Vec<Connection>) {
    let builder = TestCluster::builder().brokers(2).joined();
    let cluster = builder.configure(|broker| broker.user("shop", "secret")).start().await;
    let uri = cluster.failover_uri();
    let mut connections = Vec::new();
    for number in 0..6 {
        let connection = Connection::builder(&uri).client_id(format!("shop-{number}"));
        connections.push(connection.credentials("shop", "secret").await.unwrap());
    }
    (cluster, connections)
}

/// Waits until these brokers, and no others, have the clients, the same number each.
async fn spread(cluster: &TestCluster, brokers: &[usize], each: usize) {
    let what = format!("brokers {brokers:?} have {each} clients each");
    eventually(&what, async || {
        for broker in brokers {
            if cluster[*broker].clients().await.len() != each {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_joins_the_others_is_told_of_and_gets_its_share_of_clients() {
    let (mut cluster, connections) = joined().await;
    cluster.add().await;
    spread(&cluster, &[0, 1, 2], 2).await;
    let third = cluster[2].uri();
    for connection in &connections {
        let mut topology = connection.topology();
        let knows = topology
            .wait_for(|known| known.brokers().iter().any(|broker| broker.location == third));
        tokio::time::timeout(SOON, knows).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn joined_brokers_find_each_other_again_after_a_kill() {
    let (cluster, _connections) = joined().await;
    for victim in [0, 1] {
        cluster[victim].kill().await;
        let other = &cluster[1 - victim];
        eventually("it is missed", async || other.cluster().await == [other.name()]).await;
        spread(&cluster, &[1 - victim], 6).await;
        cluster[victim].restart().await;
        eventually("both know both", async || {
            cluster[0].cluster().await.len() == 2 && cluster[1].cluster().await.len() == 2
        })
        .await;
        spread(&cluster, &[0, 1], 3).await;
    }
}

#[tokio::test]
#[should_panic(expected = "broker0 is not running: restart it")]
async fn a_question_to_a_broker_that_is_not_running_is_a_mistake() {
    let cluster = TestCluster::start(1).await;
    cluster[0].kill().await;
    cluster[0].messages("Q").await;
}
