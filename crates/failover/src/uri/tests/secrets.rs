//! Secrets are kept: no message and no print repeats them.

use super::{fail, parse};
use crate::uri::{FailoverUri, PushedBrokers};

/// No part of the password `hunter2` that is long enough to be one.
fn assert_hidden(shown: &str, text: &str) {
    for part in ["hun", "ter2", "hunter2"] {
        assert!(!shown.contains(part), "{text}: {shown}");
    }
}

#[test]
fn messages_do_not_repeat_secrets() {
    for text in [
        "failover:()?jms.pasword=hunter2",
        "failover:()?jms.passwrd=hunter2",
        "failover:()?password=hunter2",
        "failover:()?nested.password=hunter2",
        "failover:()?nested.jms.password=hunter2",
        "failover:()?secret=hunter2",
        "failover:()?pasword=hunter2",
        "tcp://a:1?passord=hunter2",
        "failover:()?jms.password=%zzhunter2",
        "failover:()?jms.password=hun&ter2",
        "failover:()?jms.password=hun&ter2=x",
        "failover:()?jms.password=hun&x=ter2",
        "failover:()?jms.password=hun&ter2%zz",
        "failover:()?jms.password=hun&ter2?x",
        "failover:()?jms.password=hun(ter2",
        "failover:(tcp://a:1)jms.password=hunter2",
        "failover:()?updateURLsURL=http://u:hunter2@h/x",
        "failover:()?priorityURIs=tcp://u:hunter2@h:1",
        "failover:()?priorityURIs=tcp://u:hun,ter2@h:1",
        "failover:(tcp://a:1?jms.password=hunter2)",
        "failover:(tcp://a:1?password=hunter2)",
        "failover:(tcp://u:hunter2@a:1)",
        "failover:(tcp://u:hun,ter2@a:1)",
        "failover:(tcp://u:1,ter2@a:1)",
        "failover:(tcp://u:1,ter2:x@a:1)",
        "failover:(tcp://u:hun/ter2@a:1)",
        "failover:(tcp://u:hun?ter2@a:1)",
        "failover:(tcp://u:hun#ter2@a:1)",
        "failover:(tcp://u:hun(ter2@a:1)",
        "failover:(tcp://hunter2@a:1)",
        "failover:(tcp://a:1),tcp://u:hunter2@b:1",
        "tcp://u:hunter2@a:1",
        "u:hunter2@a:1",
    ] {
        let error = fail(text);
        assert_hidden(&error.to_string(), text);
        assert_hidden(&format!("{error:?}"), text);
    }
}

#[test]
fn prints_do_not_show_secrets() {
    for text in [
        "failover:(tcp://a:1)?jms.password=hunter2&jms.keyStorePassword=hunter2",
        "failover:()?updateURIsURL=http://u:hunter2@h/x",
        "failover:()?updateURIsURL=http://u:hun/ter2@h/x",
        "failover:()?updateURIsURL=http://h/x?token=hunter2",
        "tcp://a:1?jms.password=hunter2",
    ] {
        let uri = parse(text);
        assert_hidden(&uri.to_string(), text);
        assert_hidden(&format!("{uri:?}"), text);
        assert_hidden(&format!("{:?}", uri.jms()), text);
        assert_hidden(&format!("{:?}", uri.explain()), text);
        assert!(uri.to_string().contains("%2A%2A%2A") || uri.to_string().contains("***"));
    }
    let builder = FailoverUri::builder().jms("password", "hunter2");
    assert_hidden(&format!("{builder:?}"), "the builder");
    let pushed = PushedBrokers::parse("tcp://u:hun,ter2@h:1,tcp://u:hunter2@h:1");
    assert_hidden(&format!("{pushed:?}"), "the pushed list");
}

#[test]
fn revealing_is_asked_for_by_name() {
    let text = "failover:(tcp://a:1)?jms.password=hunter2";
    assert_eq!(parse(text).reveal(), text);
}

#[test]
fn a_typo_after_a_password_is_still_named() {
    let error = fail("failover:()?jms.password=x&randomise=false");
    assert!(super::is_unknown(&error, "randomise", Some("randomize")), "{error}");
}
