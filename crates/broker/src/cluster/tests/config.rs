//! What is understood, and what a mistake is answered with.

use crate::cluster::{ClusterFilter, NetworkConnector};

fn connector(text: &str) -> Result<NetworkConnector, String> {
    text.parse().map_err(|error: crate::cluster::ClusterConfigError| error.to_string())
}

#[test]
fn each_broker_of_a_static_list_gets_a_link_of_its_own() {
    let all =
        connector("static:(tcp://b:61616,failover:(tcp://c:1,tcp://d:1))?initialReconnectDelay=50");
    let all = all.unwrap();
    let brokers = |link: usize| -> Vec<String> {
        all.links()[link].brokers().iter().map(|broker| broker.location()).collect()
    };
    assert_eq!(
        (brokers(0), brokers(1)),
        (vec!["tcp://b:61616".into()], vec!["tcp://c:1".into(), "tcp://d:1".into()])
    );
    let options = all.links()[0].options();
    assert_eq!(options.initial_reconnect_delay.as_millis(), 50);
    assert_eq!(options.max_reconnect_delay.as_millis(), 30_000);
    assert!(!options.update_uris_supported && !options.reconnect_supported);
    for same in ["static:tcp://b:1", "static://(tcp://b:1)", "simple:(tcp://b:1)"] {
        assert_eq!(connector(same).unwrap().links().len(), 1, "{same}");
    }
}

#[test]
fn master_and_slave_share_a_link() {
    let pair = connector("masterslave:(tcp://b:1,tcp://c:1)").unwrap();
    assert_eq!((pair.links().len(), pair.links()[0].brokers().len()), (1, 2));
    assert!(connector("masterslave:(tcp://b:1)").unwrap_err().contains("two brokers"));
}

#[test]
fn a_mistake_is_named_with_its_place() {
    for (text, says) in [
        ("multicast://default", "static:"),
        ("tcp://b:1", "static:(tcp:"),
        ("statics:(tcp://b:1)", "\"statics\""),
        ("b", "not a URI"),
        ("static:()", "no broker"),
        ("static:(tcp://b:1,,tcp://c:1)", "between two commas"),
        ("static:(tcp://b:1", "not closed"),
        ("static:(tcp://b:1)x=1", "\"x\" means nothing"),
        ("static:(tcp://b:1)?initialReconectDelay=1", "initialReconnectDelay"),
        ("static:(tcp://b:1)?maxReconnectAttempts=3", "never given up"),
        ("static:(tcp://a:1,tcp://b:99999)", "(at byte 18)"),
    ] {
        let error = connector(text).expect_err(text);
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_password_is_taken_and_not_shown() {
    let connector = connector("static:(tcp://b:1)?userName=app&password=sec%26ret").unwrap();
    assert_eq!(
        (connector.user.as_deref(), connector.password.as_deref()),
        (Some("app"), Some("sec&ret"))
    );
    let shown = format!("{connector:?}");
    assert!(shown.contains("app") && !shown.contains("ret\""), "{shown}");
}

#[test]
fn a_filter_matches_whole_names_and_a_bad_one_is_an_error() {
    let filter: ClusterFilter = "A, B-\\d+".parse().unwrap();
    for (name, matches) in
        [("A", true), ("AA", false), ("B-12", true), ("B-", false), ("xB-1", false)]
    {
        assert_eq!(filter.matches(name), matches, "{name}");
    }
    let either: ClusterFilter = "A|B".parse().unwrap();
    assert!(either.matches("B") && !either.matches("AB"));
    for (bad, says) in
        [("*", "\".*\""), ("A)(B", "A)(B"), (" , ", "without"), ("a{9999}{9999}", "size limit")]
    {
        let error = bad.parse::<ClusterFilter>().expect_err(bad).to_string();
        assert!(error.contains(says), "{bad}: {error}");
    }
    assert!("x".repeat(5000).parse::<ClusterFilter>().is_err());
}
