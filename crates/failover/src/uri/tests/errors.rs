//! What is said about a URI that is not taken.

use super::{fail, is_misplaced, is_unknown};
use crate::uri::{BrokerUri, FailoverUri, Shown, UriErrorKind};

#[test]
fn an_unknown_option_is_named_with_its_value_its_place_and_what_was_meant() {
    let error = fail("failover:(tcp://a:1)?randomize=true&maxReconectDelay=500");
    assert_eq!(
        error.to_string(),
        "unknown option `maxReconectDelay` (value `500`): did you mean `maxReconnectDelay`? \
         (at byte 36)"
    );
    let error = fail("failover:(tcp://a:1)?cheese=abc");
    assert_eq!(error.to_string(), "unknown option `cheese` (value `abc`) (at byte 21)");
}

#[test]
fn the_nearest_name_is_suggested_wherever_it_is_from() {
    for (text, option, nearest) in [
        ("failover:()?randomise=false", "randomise", "randomize"),
        ("failover:()?backOffMultiplier=3", "backOffMultiplier", "reconnectDelayExponent"),
        ("failover:()?conectionTimeout=3", "conectionTimeout", "nested.connectionTimeout"),
        ("failover:()?nested.soTimout=3", "nested.soTimout", "nested.soTimeout"),
        ("failover:()?jms.clientId=3", "jms.clientId", "jms.clientID"),
        (
            "failover:(tcp://a:1?wireFormat.maxInactivityDurationInitialDelay=0)",
            "wireFormat.maxInactivityDurationInitialDelay",
            "wireFormat.maxInactivityDurationInitalDelay",
        ),
    ] {
        let error = fail(text);
        assert!(
            is_unknown(&error, option, Some(nearest))
                || is_unknown(&error, option.trim_start_matches("nested."), Some(nearest)),
            "{text}: {error}"
        );
    }
}

#[test]
fn an_option_in_the_wrong_place_is_told_the_right_one() {
    for (text, write) in [
        ("failover:()?connectionTimeout=1", "nested.connectionTimeout"),
        ("failover:()?useInactivityMonitor=false", "nested.useInactivityMonitor"),
        ("failover:()?wireFormat.cacheSize=1", "nested.wireFormat.cacheSize"),
        ("failover:()?socket.keepAlive=true", "nested.socket.keepAlive"),
        ("failover:()?maxInactivityDuration=1", "nested.wireFormat.maxInactivityDuration"),
        ("failover:()?minmumWireFormatVersion=65535", "nested.minmumWireFormatVersion"),
        ("failover:()?userName=u", "jms.userName"),
        ("failover:()?transport.randomize=false", "randomize"),
        ("failover:()?nested.randomize=false", "randomize"),
        ("failover:()?jms.randomize=false", "randomize"),
        ("failover:()?nested.maxInactivityDuration=1", "nested.wireFormat.maxInactivityDuration"),
        ("failover:(tcp://a:1?randomize=false)", "failover:(..)?randomize=.."),
        ("failover:(tcp://a:1?nested.soTimeout=1)", "soTimeout"),
        ("tcp://a:1?maxReconnectAttempts=3", "failover:(..)?maxReconnectAttempts=.."),
        ("tcp://a:1?maxInactivityDuration=1", "wireFormat.maxInactivityDuration"),
        ("tcp://a:1?userName=u", "jms.userName"),
    ] {
        let error = fail(text);
        assert!(is_misplaced(&error, write), "{text}: {error}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error() {
    for text in [
        "failover:()?randomize=maybe",
        "failover:()?randomize=1",
        "failover:()?timeout=soon",
        "failover:()?timeout=1.5",
        "failover:()?timeout=+5",
        "failover:()?timeout=99999999999999999999",
        "failover:()?maxReconnectAttempts=2147483648",
        "failover:()?initialReconnectDelay=-1",
        "failover:()?reconnectDelayExponent=0.5",
        "failover:()?reconnectDelayExponent=NaN",
        "failover:()?reconnectJitter=1.1",
        "failover:()?backupPoolSize=-1",
        "failover:()?priorityURIs=tcp://a:1,b",
        "failover:()?nested.wireFormat.version=13",
        "failover:()?jms.useAsyncSend=yes",
        "failover:()?jms.prefetchPolicy.all=many",
        "tcp://a:1?minmumWireFormatVersion=65535",
        "tcp://a:1?typeOfService=256",
    ] {
        let error = fail(text);
        assert!(matches!(error.kind, UriErrorKind::BadValue { .. }), "{text}: {error}");
    }
    assert_eq!(
        fail("failover:()?randomize=maybe").to_string(),
        "option `randomize` takes true or false, not `maybe` (at byte 12)"
    );
    assert!(fail("failover:()?priorityURIs=tcp://a:1,b").to_string().contains("no scheme in `b`"));
}

#[test]
fn an_option_without_a_value_is_an_error() {
    for text in [
        "failover:()?randomize",
        "failover:()?timeout=",
        "failover:()?updateURIsURL=",
        "failover:()?jms.userName",
        "tcp://a:1?soTimeout",
    ] {
        let error = fail(text);
        assert!(matches!(error.kind, UriErrorKind::NoValue { .. }), "{text}: {error}");
    }
    assert_eq!(super::brokers("failover:()?priorityURIs="), [] as [&str; 0]);
}

#[test]
fn the_text_of_a_query_must_be_well_formed() {
    for text in [
        "failover:()?a?timeout=5",
        "failover:()??timeout=5",
        "failover:()?jms.clientID=%zz",
        "failover:()?jms.clientID=%2",
        "failover:()?jms.clientID=%ff",
        "failover:()?jms.clientID=a b",
        "failover:()?timeout=5& randomize=true",
    ] {
        let error = fail(text);
        assert!(matches!(error.kind, UriErrorKind::BadText { .. }), "{text}: {error}");
    }
    for text in ["failover:()?&timeout=5", "failover:()?timeout=5&&backup=true", "failover:()?=5"] {
        assert_eq!(fail(text).kind, UriErrorKind::NoName, "{text}");
    }
    assert_eq!(super::option("failover:()?timeout=5&", "timeout").as_integer(), Some(5));
}

#[test]
fn the_byte_counts_from_the_start_of_the_whole_text() {
    for text in [
        "  failover:( tcp://a:1 , tcp://b:2?x=1 )",
        "failover:(tcp://a:1)?timeout=5&x=1",
        "failover:(failover:(tcp://a:1,tcp://b:2?soTimeout=5&x=1))",
        "tcp://a:1?x=1",
        "failover:(tcp://a:1)?jms.clientID=\u{e4}%20&x=1",
    ] {
        assert_eq!(fail(text).at, text.find("x=1"), "{text}");
    }
    let text = "failover:(tcp://a:1, tcp://b)";
    assert_eq!(fail(text).at, text.find("tcp://b"));
}

#[test]
fn a_builder_is_checked_like_a_text() {
    let error = FailoverUri::builder().reconnect_jitter(2.0).build().unwrap_err();
    assert_eq!(error.to_string(), "option `reconnectJitter` takes a number from 0 to 1, not `2`");
    let error = FailoverUri::builder().nested("soTimout", "1").build().unwrap_err();
    assert!(is_unknown(&error, "nested.soTimout", Some("nested.soTimeout")), "{error}");
    let error = FailoverUri::builder().jms("useAsyncSend", "x").build().unwrap_err();
    assert!(matches!(error.kind, UriErrorKind::BadValue { .. }), "{error}");
    let brokers = (1..=257).map(|port| BrokerUri::parse(&format!("tcp://a:{port}")).unwrap());
    let error = FailoverUri::builder().brokers(brokers).build().unwrap_err();
    assert!(matches!(error.kind, UriErrorKind::TooMany { .. }), "{error}");
}

#[test]
fn a_long_or_odd_value_is_cut_and_escaped() {
    let error = fail(&format!("failover:()?timeout={}%0A", "9".repeat(300)));
    let UriErrorKind::BadValue { value: Shown::Text(shown), .. } = error.kind else {
        panic!("{error}")
    };
    assert!(shown.len() < 100 && shown.ends_with(".."));
    let error = fail("failover:()?timeout=%0A");
    assert!(error.to_string().contains("`\\n`"), "{error}");
}
