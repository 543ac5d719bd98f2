//! What options mean, and what holds when they are not given.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{brokers, fail, option, parse};
use crate::uri::declare::OptionSet;
use crate::uri::{
    Attempts, FailoverOptions, FailoverUri, OptionValue, StartupAttempts, TransportOptions,
    UriErrorKind,
};

use OptionValue::{Absent, Bool, Float, Integer, List, Text};

#[test]
fn defaults_are_those_of_java() {
    let explained = parse("failover:(tcp://a:1)").explain();
    let found: Vec<(&str, OptionValue)> =
        explained.options.into_iter().map(|option| (option.name, option.value)).collect();
    assert_eq!(
        found,
        [
            ("initialReconnectDelay", Integer(10)),
            ("reconnectDelay", Integer(10)),
            ("maxReconnectDelay", Integer(30_000)),
            ("useExponentialBackOff", Bool(true)),
            ("reconnectDelayExponent", Float(2.0)),
            ("maxReconnectAttempts", Integer(-1)),
            ("startupMaxReconnectAttempts", Integer(-1)),
            ("timeout", Integer(-1)),
            ("randomize", Bool(true)),
            ("backup", Bool(false)),
            ("backupPoolSize", Integer(1)),
            ("priorityBackup", Bool(false)),
            ("priorityURIs", List(vec![])),
            ("trackMessages", Bool(false)),
            ("maxCacheSize", Integer(131_072)),
            ("trackTransactionProducers", Bool(true)),
            ("updateURIsSupported", Bool(true)),
            ("updateURIsURL", Absent),
            ("rebalanceUpdateURIs", Bool(true)),
            ("reconnectSupported", Bool(true)),
            ("warnAfterReconnectAttempts", Integer(10)),
            ("reconnectJitter", Float(0.0)),
            ("connectTimeout", Integer(0)),
            ("detectTimeout", Integer(0)),
            ("requestTimeout", Integer(0)),
            ("closeTimeout", Integer(0)),
        ]
    );
}

#[test]
fn the_defaults_of_a_link_are_those_of_java() {
    let transport = TransportOptions::default();
    assert_eq!(transport.tcp.connection_timeout, Some(Duration::from_secs(30)));
    assert_eq!(transport.tcp.so_timeout, None);
    assert_eq!(transport.tcp.tcp_no_delay, None);
    assert_eq!(transport.tcp.socket_buffer_size, 65_536);
    assert!(transport.tcp.use_inactivity_monitor);
    assert!(transport.verifies_host_name());
    let wire = transport.wire_format;
    assert_eq!(wire.max_inactivity_duration, Some(Duration::from_secs(30)));
    assert_eq!(wire.max_inactivity_duration_inital_delay, Duration::from_secs(10));
    assert_eq!((wire.version, wire.cache_size, wire.max_frame_size), (12, 1024, i64::MAX as u64));
    assert!(wire.cache_enabled && wire.tight_encoding_enabled && wire.tcp_no_delay_enabled);
    assert!(wire.stack_trace_enabled && !wire.size_prefix_disabled);
}

#[test]
fn every_row_reads_what_it_writes() {
    let failover = FailoverOptions::default();
    let transport = TransportOptions::default();
    for row in FailoverOptions::rows().iter().chain(TransportOptions::rows()) {
        let of_failover = failover.value(row);
        let value = if of_failover == Absent { transport.value(row) } else { of_failover };
        let (mut failover, mut transport) = (failover.clone(), transport.clone());
        if value != Absent {
            assert!(failover.set(row.name, &value) || transport.set(row.name, &value), "{row:?}");
            assert_eq!(row.shape.read(&value.to_string()), Ok(value), "{row:?}");
        }
        assert!(!row.doc.is_empty());
    }
}

#[test]
fn every_name_is_declared_once() {
    let mut names: Vec<&str> = FailoverOptions::rows()
        .iter()
        .chain(TransportOptions::rows())
        .map(|row| row.name)
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn options_are_set_by_their_names() {
    let uri = parse(
        "failover:(tcp://a:1)?initialReconnectDelay=100&useExponentialBackOff=FALSE\
         &reconnectDelayExponent=1.5&maxCacheSize=0&backupPoolSize=2&updateURIsURL=/etc/brokers\
         &priorityURIs=tcp://a:1,%20tcp://b:2&reconnectJitter=0.5&connectTimeout=250",
    );
    let options = uri.options();
    assert_eq!(options.initial_reconnect_delay, Duration::from_millis(100));
    assert!(!options.use_exponential_back_off);
    assert_eq!(options.reconnect_delay_exponent.to_bits(), 1.5_f64.to_bits());
    assert_eq!((options.max_cache_size, options.backup_pool_size), (0, 2));
    assert_eq!(options.update_uris_url.as_deref(), Some("/etc/brokers"));
    assert_eq!(options.priority_uris.len(), 2);
    assert_eq!(options.priority_uris[1].host(), "b");
    assert_eq!(options.reconnect_jitter.to_bits(), 0.5_f64.to_bits());
    assert_eq!(options.connect_timeout, Some(Duration::from_millis(250)));
}

#[test]
fn the_case_of_the_first_letter_does_not_matter() {
    assert!(!parse("failover:(tcp://a:1)?Randomize=false").options().randomize);
    let error = fail("failover:(tcp://a:1)?RANDOMIZE=false");
    assert!(super::is_unknown(&error, "RANDOMIZE", Some("randomize")), "{error}");
    let uri = parse("failover:(tcp://a:1)?nested.wireFormat.CacheSize=7&jms.UserName=u");
    assert_eq!(uri.transport(&uri.brokers()[0]).wire_format.cache_size, 7);
    assert_eq!(uri.jms().user_name(), Some("u"));
}

#[test]
fn attempts_mean_what_they_mean_in_java() {
    let limit = |text: &str| {
        parse(&format!("failover:(tcp://a:1)?maxReconnectAttempts={text}"))
            .options()
            .max_reconnect_attempts
    };
    assert_eq!(limit("-1"), Attempts::Unlimited);
    assert_eq!(limit("0"), Attempts::Never);
    assert_eq!(limit("3"), Attempts::AtMost(NonZeroU32::new(3).unwrap()));
    assert_eq!(limit("-2"), Attempts::at_most(1));
    assert!(!Attempts::Unlimited.is_exhausted(u32::MAX));
    assert!(!Attempts::at_most(3).is_exhausted(2));
    assert!(Attempts::at_most(3).is_exhausted(3));
    assert!(Attempts::Never.is_exhausted(1));
    assert!(!Attempts::Never.is_reconnecting());
    assert_eq!(option("failover:()?maxReconnectAttempts=-2", "maxReconnectAttempts"), Integer(-2));
}

#[test]
fn attempts_at_the_start_replace_the_others_until_a_link_was_up() {
    let options = |text: &str| parse(text).options().clone();
    let both = options("failover:()?maxReconnectAttempts=0&startupMaxReconnectAttempts=4");
    assert_eq!(both.attempts(false), Attempts::at_most(4));
    assert_eq!(both.attempts(true), Attempts::Never);
    let one = options("failover:()?maxReconnectAttempts=7");
    assert_eq!(one.startup_max_reconnect_attempts, StartupAttempts::AsLater);
    assert_eq!(one.attempts(false), Attempts::at_most(7));
    let none = options("failover:()?startupMaxReconnectAttempts=0");
    assert_eq!(none.attempts(false), Attempts::Never);
}

#[test]
fn a_timeout_of_nothing_or_less_is_for_ever() {
    for text in ["-1", "0", "-5"] {
        assert_eq!(parse(&format!("failover:()?timeout={text}")).options().timeout, None);
    }
    let three = parse("failover:()?timeout=3000").options().timeout;
    assert_eq!(three, Some(Duration::from_secs(3)));
    assert_eq!(option("failover:()?timeout=0", "timeout"), Integer(0));
}

#[test]
fn warnings_can_be_silenced() {
    let uri = parse("failover:()?warnAfterReconnectAttempts=-1");
    assert_eq!(uri.options().warn_after_reconnect_attempts, None);
}

#[test]
fn of_an_option_given_twice_the_last_holds() {
    let uri = parse("failover:()?timeout=1&randomize=false&timeout=2");
    assert_eq!(uri.options().timeout, Some(Duration::from_millis(2)));
    assert_eq!(uri.notes(), ["`timeout` is given more than once: the last one holds"]);
    assert_eq!(uri.explain().given, ["randomize", "timeout"]);
}

#[test]
fn nested_options_hold_for_all_brokers_and_over_their_own() {
    let uri = parse(
        "failover:(tcp://a:1?soTimeout=1&keepAlive=true,tcp://b:2)\
         ?nested.soTimeout=2&nested.wireFormat.maxInactivityDuration=0",
    );
    let first = uri.transport(&uri.brokers()[0]);
    let second = uri.transport(&uri.brokers()[1]);
    assert_eq!(first.tcp.so_timeout, Some(Duration::from_millis(2)));
    assert_eq!((first.tcp.keep_alive, second.tcp.keep_alive), (Some(true), None));
    assert_eq!(second.wire_format.max_inactivity_duration, None);
    // A broker is the same with and without them.
    assert_eq!(brokers(&uri.to_string())[0], "tcp://a:1?soTimeout=1&keepAlive=true");
}

#[test]
fn transport_before_a_name_is_taken_on_a_broker() {
    assert_eq!(
        brokers("failover:(tcp://a:1?transport.soWriteTimeout=5)"),
        ["tcp://a:1?soWriteTimeout=5"]
    );
    let uri = parse("failover:(tcp://a:1)?nested.transport.useInactivityMonitor=false");
    assert!(!uri.transport(&uri.brokers()[0]).tcp.use_inactivity_monitor);
}

#[test]
fn a_certificate_is_checked_unless_one_of_two_options_says_no() {
    let verifies = |query: &str| {
        let uri = parse(&format!("ssl://a:1?{query}"));
        uri.transport(&uri.brokers()[0]).verifies_host_name()
    };
    assert!(!verifies("verifyHostName=false"));
    assert!(!verifies("socket.verifyHostName=false"));
    // Java: the setter without a prefix goes first.
    assert!(verifies("verifyHostName=true&socket.verifyHostName=false"));
}

#[test]
fn services_are_differentiated_by_number_or_name() {
    let value = |text: &str| {
        FailoverUri::parse(&format!("tcp://a:1?diffServ={text}"))
            .ok()
            .and_then(|uri| uri.brokers()[0].transport().tcp.diff_serv)
    };
    for (text, number) in
        [("0", 0), ("63", 63), ("EF", 46), ("CS7", 56), ("AF11", 10), ("AF43", 38)]
    {
        assert_eq!(value(text), Some(number), "{text}");
    }
    for text in ["-1", "64", "hi", "AF", "AF44", "CS8", "-AF21", ""] {
        assert_eq!(value(text), None, "{text}");
    }
}

#[test]
fn type_of_service_excludes_differentiated_services() {
    let conflict = |text: &str| matches!(fail(text).kind, UriErrorKind::Conflict { .. });
    assert!(conflict("tcp://a:1?diffServ=1&typeOfService=1"));
    assert!(conflict("failover:(tcp://a:1?diffServ=1)?nested.typeOfService=1"));
    assert!(conflict("failover:()?nested.diffServ=1&nested.typeOfService=1"));
    assert_eq!(brokers("tcp://a:1?typeOfService=255"), ["tcp://a:1?typeOfService=255"]);
}

#[test]
fn options_of_the_connection_are_collected() {
    let uri = parse(
        "failover:(tcp://a:1)?jms.prefetchPolicy.all=500&jms.useAsyncSend=true&jms.password=a+b%2B\
         &jms.redeliveryPolicy.backOffMultiplier=1.5&jms.userName=&jms.closeTimeout=5",
    );
    let given: Vec<(&str, &OptionValue)> = uri.jms().iter().collect();
    assert_eq!(
        given,
        [
            ("closeTimeout", &Integer(5)),
            ("password", &Text("a b+".into())),
            ("prefetchPolicy.all", &Integer(500)),
            ("redeliveryPolicy.backOffMultiplier", &Float(1.5)),
            ("useAsyncSend", &Bool(true)),
            ("userName", &Text(String::new())),
        ]
    );
    assert_eq!(uri.jms().password(), Some("a b+"));
}

#[test]
fn a_question_mark_in_a_value_stays() {
    let text = "failover:()?updateURIsURL=http://h/list?format=csv&randomize=false";
    assert_eq!(option(text, "updateURIsURL"), Text("http://h/list?format=csv".into()));
    assert_eq!(option(text, "randomize"), Bool(false));
}

#[test]
fn an_explanation_has_everything() {
    let uri = parse(
        "failover:(tcp://a:1?soTimeout=5,ssl://b:2)\
         ?randomize=false&nested.wireFormat.cacheSize=7&jms.clientID=c",
    );
    let explained = uri.explain();
    assert_eq!(explained.scheme, "failover");
    let locations: Vec<&str> = explained.brokers.iter().map(|b| b.location.as_str()).collect();
    assert_eq!(locations, ["tcp://a:1", "ssl://b:2"]);
    assert_eq!(explained.brokers[0].uri, "tcp://a:1?soTimeout=5");
    assert_eq!(explained.given, ["randomize", "nested.wireFormat.cacheSize", "jms.clientID"]);
    let nested = &explained.nested[0];
    assert_eq!((nested.name, &nested.value), ("wireFormat.cacheSize", &Integer(7)));
    assert_eq!((explained.jms[0].name, &explained.jms[0].value), ("clientID", &Text("c".into())));
    let of_link: Vec<&str> = explained.brokers[0]
        .options
        .iter()
        .filter(|option| option.given)
        .map(|option| option.name)
        .collect();
    assert_eq!(of_link, ["soTimeout", "wireFormat.cacheSize"]);
    let delay = &explained.options[0];
    assert_eq!((delay.name, delay.unit.symbol()), ("initialReconnectDelay", "ms"));
    assert!(delay.doc.starts_with("Wait once"), "{}", delay.doc);
    assert_eq!(parse("tcp://a:1?soTimeout=5&jms.clientID=c").explain().given.len(), 2);
}
