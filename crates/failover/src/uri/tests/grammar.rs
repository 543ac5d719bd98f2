//! Which texts are URIs, and which brokers they name.

use super::super::{MAX_BROKERS, MAX_NESTING, MAX_OPTIONS, MAX_URI_LENGTH};
use super::{UriErrorKind, brokers, fail, option, parse};
use crate::uri::{Attempts, BrokerUri, OptionValue, PushedBrokers, Scheme};

#[test]
fn every_spelling_of_a_list_names_the_same_brokers() {
    for text in [
        "failover:(tcp://a:1,tcp://b:2)",
        "failover://(tcp://a:1,tcp://b:2)",
        "failover:tcp://a:1,tcp://b:2",
        "failover://tcp://a:1,tcp://b:2",
        "failover:(tcp://a:1,tcp://b:2,)",
        " failover:( tcp://a:1 ,\n\ttcp://b:2 ) ",
        "failover: (tcp://a:1,tcp://b:2)",
        "failover:(failover:(tcp://a:1),tcp://b:2)",
        "failover:(failover://(tcp://a:1,tcp://b:2))",
        "failover:(tcp://a:1,tcp://b:2,tcp://A:1)",
        "failover:(tcp://a:1,tcp://b:2)/path",
        "failover:(tcp://a:1,tcp://b:2)?",
        "failover:(tcp://a:1,tcp://b:2)#fragment",
    ] {
        assert_eq!(brokers(text), ["tcp://a:1", "tcp://b:2"], "{text}");
        assert_eq!(parse(text).scheme(), "failover", "{text}");
    }
}

#[test]
fn the_queries_of_brokers_and_of_the_list_are_kept_apart() {
    let uri = parse("failover:(tcp://a:1?soTimeout=5,tcp://b:2)?randomize=false");
    assert_eq!(uri.brokers()[0].to_string(), "tcp://a:1?soTimeout=5");
    assert_eq!(uri.brokers()[1].to_string(), "tcp://b:2");
    assert!(!uri.options().randomize);
}

#[test]
fn without_parentheses_a_query_is_that_of_the_last_broker() {
    assert_eq!(
        brokers("failover:tcp://a:1,tcp://b:2?soTimeout=5"),
        ["tcp://a:1", "tcp://b:2?soTimeout=5"]
    );
    let error = fail("failover:tcp://a:1,tcp://b:2?randomize=false");
    assert!(super::is_misplaced(&error, "failover:(..)?randomize=.."), "{error}");
}

#[test]
fn the_connection_can_be_told_something_where_there_is_no_list() {
    for text in
        ["tcp://a:1?jms.clientID=x&soTimeout=5", "failover://tcp://a:1?jms.clientID=x&soTimeout=5"]
    {
        assert_eq!(parse(text).jms().client_id(), Some("x"), "{text}");
        assert_eq!(brokers(text), ["tcp://a:1?soTimeout=5"], "{text}");
    }
    let error = fail("failover:(tcp://a:1?jms.clientID=x)");
    assert!(super::is_misplaced(&error, "failover:(..)?jms.clientID=.."), "{error}");
}

#[test]
fn a_broker_alone_is_connected_to_once() {
    let uri = parse("auto+nio+ssl://a:61617?soTimeout=5");
    assert_eq!(uri.scheme(), "auto+nio+ssl");
    assert!(!uri.is_failover());
    assert_eq!(uri.options().attempts(false), Attempts::Never);
    assert_eq!(uri.options().attempts(true), Attempts::Never);
}

#[test]
fn a_broker_alone_announces_the_host_it_is_called_by() {
    let uri = parse("tcp://a:1");
    assert_eq!(uri.transport(&uri.brokers()[0]).wire_format.host.as_deref(), Some("a"));
    let uri = parse("tcp://a:1?wireFormat.host=b");
    assert_eq!(uri.transport(&uri.brokers()[0]).wire_format.host.as_deref(), Some("b"));
    let uri = parse("failover:(tcp://a:1)");
    assert_eq!(uri.transport(&uri.brokers()[0]).wire_format.host, None);
}

#[test]
fn a_list_can_be_empty() {
    for text in ["failover:()", "failover://()", "failover:( )"] {
        assert!(brokers(text).is_empty(), "{text}");
    }
    let text = "failover://()?updateURIsURL=file:/C:/Dir(1)/a.csv";
    assert!(brokers(text).is_empty());
    assert_eq!(option(text, "updateURIsURL"), OptionValue::Text("file:/C:/Dir(1)/a.csv".into()));
}

#[test]
fn no_list_at_all_is_an_error() {
    for text in ["failover:", "failover://", "failover: "] {
        assert!(matches!(fail(text).kind, UriErrorKind::NoBrokers), "{text}");
    }
}

#[test]
fn a_comma_too_many_is_found_where_it_is() {
    let error = fail("failover:(tcp://a:1,,tcp://b:2)");
    assert_eq!((error.kind, error.at), (UriErrorKind::EmptyBroker, Some(20)));
    assert_eq!(fail("failover:(,)").kind, UriErrorKind::EmptyBroker);
    assert_eq!(fail("failover:(,tcp://a:1)").kind, UriErrorKind::EmptyBroker);
}

#[test]
fn parentheses_must_match_everywhere() {
    for (text, parenthesis, at) in [
        ("failover:(tcp://a:1", '(', 9),
        ("failover:tcp://a:1)", ')', 18),
        ("failover:((tcp://a:1)", '(', 9),
        ("failover:(tcp://a:1)?updateURIsURL=file:/a(b", '(', 42),
        ("failover:(tcp://a:1))", ')', 20),
    ] {
        let error = fail(text);
        assert_eq!(error.kind, UriErrorKind::Unbalanced { parenthesis }, "{text}");
        assert_eq!(error.at, Some(at), "{text}");
    }
    let text = "failover:(tcp://a:1)?updateURIsURL=file:/a%28b";
    assert_eq!(option(text, "updateURIsURL"), OptionValue::Text("file:/a(b".into()));
}

#[test]
fn a_forgotten_question_mark_is_found() {
    let error = fail("failover:(tcp://a:1)randomize=false");
    assert_eq!(error.kind, UriErrorKind::AfterList { text: "randomize=..".into() });
    assert_eq!(error.at, Some(20));
    assert!(matches!(fail("failover:(tcp://a:1),tcp://b:2").kind, UriErrorKind::AfterList { .. }));
}

#[test]
fn schemes_are_written_in_lower_case_and_must_exist() {
    for (text, nearest, elsewhere) in [
        ("FAILOVER:(tcp://a:1)", Some("failover"), false),
        ("falover:(tcp://a:1)", Some("failover"), false),
        ("failover:(TCP://a:1)", Some("tcp"), false),
        ("failover:(nio+sll://a:1)", Some("nio+ssl"), false),
        ("failover:(discovery:(multicast://default))", None, true),
        ("vm://localhost", None, true),
        ("failover:(quic://a:1)", None, false),
    ] {
        let UriErrorKind::UnknownScheme { nearest: found, elsewhere: known, .. } = fail(text).kind
        else {
            panic!("{text}")
        };
        assert_eq!((found, known), (nearest, elsewhere), "{text}");
    }
}

#[test]
fn text_without_a_scheme_is_no_uri() {
    for text in [
        "",
        "a",
        "//a:1",
        "localhost:61616",
        "failover:(localhost:61616)",
        "(tcp://a:1)",
        "failover:(a)",
        "failover:((tcp://a:1))",
        "failover:([tcp://a:1])",
        "failover:///(tcp://a:1)",
    ] {
        assert!(matches!(fail(text).kind, UriErrorKind::NoScheme { .. }), "{text}");
    }
}

#[test]
fn all_schemes_of_brokers_are_known() {
    for (scheme, tls) in [
        ("tcp", false),
        ("nio", false),
        ("auto", false),
        ("auto+nio", false),
        ("ssl", true),
        ("nio+ssl", true),
        ("auto+ssl", true),
        ("auto+nio+ssl", true),
    ] {
        let uri = parse(&format!("failover:({scheme}://a:1)"));
        assert_eq!(uri.brokers()[0].scheme().as_str(), scheme);
        assert_eq!(uri.brokers()[0].scheme().is_tls(), tls, "{scheme}");
    }
}

#[test]
fn hosts_are_kept_as_they_are_written() {
    for (text, host) in [
        ("failover:(tcp://My_Host:1)", "My_Host"),
        ("failover:(tcp://10.0.0.1:1)", "10.0.0.1"),
        ("failover:(tcp://[::1]:1)", "::1"),
        ("failover://(tcp://[fe80::1%eth0]:1)", "fe80::1%eth0"),
    ] {
        assert_eq!(parse(text).brokers()[0].host(), host, "{text}");
    }
    assert_eq!(brokers("failover:(tcp://[::1]:1)"), ["tcp://[::1]:1"]);
}

#[test]
fn hosts_with_underscores_are_different_brokers() {
    assert_eq!(brokers("failover:(tcp://my_host:1,tcp://your_host:1)").len(), 2);
}

#[test]
fn an_address_that_cannot_be_dialled_is_an_error() {
    for (text, problem) in [
        ("failover:(tcp://a)", "no port"),
        ("failover:(tcp://a:)", "no port"),
        ("failover:(tcp://a:0)", "port 0"),
        ("failover:(tcp://a:65536)", "a port over 65535"),
        ("failover:(tcp://a:-1)", "a port that is not a number"),
        ("failover:(tcp://:1)", "no host"),
        ("failover:(tcp:a:1)", "no `//` before the host"),
        ("failover:(tcp://::1:1)", "an IPv6 address without `[]`"),
        ("failover:(tcp://[::1:1)", "a `[` without `]`"),
        ("failover:(tcp://[::g]:1)", "a malformed IPv6 address"),
        ("failover:(tcp://${HOST}:1)", "a character that no host has"),
        ("failover:(tcp://a b:1)", "a character that no host has"),
        ("failover:(tcp://a:1/x)", "a path that is not a local address (/host:port)"),
    ] {
        let UriErrorKind::BadAddress { problem: found, .. } = fail(text).kind else {
            panic!("{text}")
        };
        assert_eq!(found, problem, "{text}");
    }
}

#[test]
fn a_socket_can_be_bound_to_a_local_address() {
    let uri = parse("failover://(tcp://localhost:1111/localhost:2111)");
    let local = uri.brokers()[0].local_address().unwrap();
    assert_eq!((local.host.as_str(), local.port), ("localhost", 2111));
    assert_eq!(brokers(&uri.to_string()), ["tcp://localhost:1111/localhost:2111"]);
    assert_eq!(brokers("failover:(tcp://a:1/)"), ["tcp://a:1"]);
}

#[test]
fn brokers_are_equal_by_host_and_port_alone() {
    let broker = |text| BrokerUri::parse(text).unwrap();
    assert_eq!(broker("tcp://a:1?soTimeout=5"), broker("ssl://A:1"));
    assert_ne!(broker("tcp://a:1"), broker("tcp://a:2"));
    assert_ne!(broker("tcp://localhost:1"), broker("tcp://127.0.0.1:1"));
    assert_eq!(BrokerUri::new(Scheme::Tcp, "::1", 1).unwrap(), broker("tcp://[::1]:1"));
    assert!(BrokerUri::new(Scheme::Tcp, "a/b", 1).is_err());
}

#[test]
fn a_broker_listed_twice_is_kept_once_and_noted() {
    let uri = parse("failover:(tcp://a:1?soTimeout=5,ssl://a:1)");
    assert_eq!(uri.brokers().len(), 1);
    assert_eq!(uri.brokers()[0].to_string(), "tcp://a:1?soTimeout=5");
    assert_eq!(uri.notes(), ["`a:1` is listed more than once"]);
}

#[test]
fn an_inner_failover_brings_brokers_and_nothing_else() {
    let text = "failover:(failover:(tcp://a:1)?nested.soTimeout=5,tcp://b:2)";
    assert_eq!(brokers(text), ["tcp://a:1?soTimeout=5", "tcp://b:2"]);
    let error = fail("failover:(failover:(tcp://a:1)?randomize=false,tcp://b:2)");
    assert!(super::is_misplaced(&error, "randomize"), "{error}");
}

#[test]
fn everything_has_a_limit() {
    let list = |count: usize| {
        let brokers: Vec<String> = (0..count).map(|number| format!("tcp://h{number}:1")).collect();
        format!("failover:({})", brokers.join(","))
    };
    assert_eq!(brokers(&list(MAX_BROKERS)).len(), MAX_BROKERS);
    let error = fail(&list(MAX_BROKERS + 1));
    assert!(matches!(error.kind, UriErrorKind::TooMany { limit: MAX_BROKERS, .. }));
    assert_eq!(error.at, list(MAX_BROKERS + 1).find(&format!("tcp://h{MAX_BROKERS}:")));

    let options = |count: usize| format!("failover:()?{}", vec!["timeout=1"; count].join("&"));
    assert!(brokers(&options(MAX_OPTIONS)).is_empty());
    let error = fail(&options(MAX_OPTIONS + 1));
    assert!(matches!(error.kind, UriErrorKind::TooMany { limit: MAX_OPTIONS, .. }));

    let nest = |depth: usize| {
        format!("failover:({}tcp://a:1{})", "failover:(".repeat(depth), ")".repeat(depth))
    };
    assert_eq!(brokers(&nest(MAX_NESTING)).len(), 1);
    assert!(matches!(fail(&nest(MAX_NESTING + 1)).kind, UriErrorKind::TooMany { .. }));

    let pad = |length: usize| {
        let start = "failover:(tcp://a:1)?jms.clientID=";
        format!("{start}{}", "x".repeat(length - start.len()))
    };
    assert_eq!(brokers(&pad(MAX_URI_LENGTH)).len(), 1);
    assert!(matches!(fail(&pad(MAX_URI_LENGTH + 1)).kind, UriErrorKind::TooMany { .. }));
}

#[test]
fn a_pushed_list_is_read_as_far_as_it_can_be() {
    let text = "tcp://a:1, ssl://b:2,null,,tcp://a:1\nauto://c:3?maximumConnections=9,mqtt://d:4";
    let pushed = PushedBrokers::parse(text);
    let found: Vec<String> = pushed.brokers.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["tcp://a:1", "ssl://b:2", "auto://c:3"]);
    let refused: Vec<(&str, Option<usize>)> =
        pushed.refused.iter().map(|refused| (refused.text.as_str(), refused.error.at)).collect();
    assert_eq!(
        refused,
        [
            ("null", Some(21)),
            ("auto://c:3?maximumConnections=..", Some(48)),
            ("mqtt://d:4", Some(69))
        ]
    );
}

#[test]
fn a_broker_cannot_weaken_the_tls_of_its_clients() {
    let pushed =
        PushedBrokers::parse("ssl://a:1?socket.verifyHostName=false,ssl://b:2?soTimeout=5");
    assert!(pushed.brokers[0].transport().verifies_host_name());
    assert_eq!(pushed.brokers[1].to_string(), "ssl://b:2?soTimeout=5");
    assert_eq!(pushed.refused.len(), 1);
}

#[test]
fn a_pushed_list_has_a_limit() {
    let list: Vec<String> = (0..=MAX_BROKERS).map(|number| format!("tcp://h{number}:1")).collect();
    let pushed = PushedBrokers::parse(&list.join(","));
    assert_eq!((pushed.brokers.len(), pushed.refused.len()), (MAX_BROKERS, 1));
    assert!(PushedBrokers::parse("").brokers.is_empty());
    let junk = "x,".repeat(MAX_URI_LENGTH / 2);
    assert!(PushedBrokers::parse(&junk).refused.len() <= MAX_BROKERS + 1);
    assert_eq!(PushedBrokers::parse(&"x".repeat(MAX_URI_LENGTH + 1)).refused.len(), 1);
}
