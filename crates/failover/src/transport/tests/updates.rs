//! Brokers named by a file or by a page of the web.

use crate::core::BrokerSource;

use super::*;

/// A transport that is told of brokers by this list, and of one in its URI if that is given.
fn start(brokers: &str, list: &str) -> (FailoverTransport, Deliveries) {
    let uri = format!("failover:({brokers})?updateURIsURL={list}");
    FailoverTransport::start(&uri.parse().unwrap(), TransportConfig::default())
}

/// Waits until these brokers are known, and says who named them.
async fn known(transport: &FailoverTransport, brokers: &[String]) -> Vec<BrokerSource> {
    let mut topology = transport.topology();
    let is_known = |topology: &Arc<Topology>| {
        topology.brokers().iter().map(|broker| &broker.location).eq(brokers)
    };
    let topology = within(topology.wait_for(is_known)).await.unwrap();
    topology.brokers().iter().map(|broker| broker.source).collect()
}

#[tokio::test]
async fn brokers_that_only_a_file_names_are_waited_for_and_connected_to() {
    let broker = ScriptedBroker::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("brokers");
    std::fs::write(&path, format!("# ours\n{}\n", broker.uri())).unwrap();
    let uri =
        format!("failover:()?updateURIsURL=file:{}&startupMaxReconnectAttempts=0", path.display());
    let config = TransportConfig::default();
    let (transport, mut deliveries) = FailoverTransport::start(&uri.parse().unwrap(), config);
    connected(&broker, &transport, &mut deliveries).await;
    assert_eq!(known(&transport, &[broker.uri()]).await, [BrokerSource::Discovered]);
}

#[tokio::test]
async fn a_file_that_is_there_only_later_is_found() {
    let broker = ScriptedBroker::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("brokers");
    let (transport, mut deliveries) = start("", &path.display().to_string());
    let mut events = transport.events();
    let _pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    tokio::task::yield_now().await;
    assert!(events.try_recv().is_err(), "no broker is no event");
    std::fs::write(&path, broker.uri()).unwrap();
    let mut client = broker.accept().await;
    assert!(matches!(within(deliveries.next()).await, Some(Incoming::Resumed(_))));
    client.expect("ActiveMQMessage").await;
}

#[tokio::test]
async fn a_file_that_changes_is_noticed_while_connected_and_configured_brokers_stay() {
    let broker = ScriptedBroker::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("brokers");
    std::fs::write(&path, "tcp://c:1").unwrap();
    let (transport, mut deliveries) = start(&broker.uri(), &path.display().to_string());
    let _client = connected(&broker, &transport, &mut deliveries).await;
    known(&transport, &["tcp://c:1".to_owned(), broker.uri()]).await;
    std::fs::write(&path, "tcp://d:1,tcp://e:1\ntcp://nobody").unwrap();
    let brokers = ["tcp://d:1".to_owned(), "tcp://e:1".to_owned(), broker.uri()];
    use BrokerSource::{Configured, Discovered};
    assert_eq!(known(&transport, &brokers).await, [Discovered, Discovered, Configured]);
}

#[tokio::test]
async fn no_list_is_read_where_lists_are_not_wanted() {
    let broker = ScriptedBroker::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("brokers");
    std::fs::write(&path, "tcp://c:1").unwrap();
    let list = format!("{}&updateURIsSupported=false", path.display());
    let uri = format!("failover:({})?updateURIsURL={list}", broker.uri());
    let uri: FailoverUri = uri.parse().unwrap();
    let tls = dial::Dialer::new(uri.clone(), &TransportConfig::default()).tls();
    assert!(super::super::updates::watch(&uri, tls).is_none());
}
