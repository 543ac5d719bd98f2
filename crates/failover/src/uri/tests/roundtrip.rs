//! From text to options and back nothing is lost; hostile text breaks nothing.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::parse;
use crate::uri::declare::{Kind, OptionSet, Row};
use crate::uri::{
    Attempts, BrokerUri, FailoverOptions, FailoverUri, JmsOptions, OptionValue, PushedBrokers,
    Scheme, StartupAttempts, TransportOptions,
};

/// Any value a row takes, as it stands in a URI before encoding.
fn value_of(row: &Row) -> BoxedStrategy<String> {
    match row.shape.kind {
        Kind::Flag => any::<bool>().prop_map(|flag| flag.to_string()).boxed(),
        Kind::Integer { min, max } => (min..=max).prop_map(|number| number.to_string()).boxed(),
        Kind::Float { min, max } => {
            (min.max(-1e9)..=max.min(1e9)).prop_map(|number| number.to_string()).boxed()
        }
        Kind::Text { .. } => "[ -~\u{e4}\u{20ac}]{1,12}".boxed(),
        Kind::TextList => {
            prop::collection::vec("[A-Za-z0-9_.()]{1,8}", 0..4).prop_map(|l| l.join(",")).boxed()
        }
        Kind::Brokers => {
            prop::collection::vec(location(), 0..4).prop_map(|list| list.join(",")).boxed()
        }
        Kind::DiffServ => prop_oneof![Just("EF".to_owned()), Just("12".to_owned())].boxed(),
    }
}

fn location() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[A-Za-z0-9][A-Za-z0-9_.-]{0,10}",
        Just("[::1]".to_owned()),
        Just("10.1.2.3".to_owned())
    ];
    let scheme = prop::sample::select(vec!["tcp", "nio", "ssl", "auto+nio+ssl"]);
    (scheme, host, 1_u16..).prop_map(|(scheme, host, port)| format!("{scheme}://{host}:{port}"))
}

fn pair(prefix: &'static str, rows: Vec<&'static Row>) -> BoxedStrategy<String> {
    prop::sample::select(rows)
        .prop_flat_map(move |row| value_of(row).prop_map(move |value| (row.name, value)))
        .prop_map(move |(name, value)| {
            let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            format!("{prefix}{name}={value}")
        })
        .boxed()
}

/// `typeOfService` does not go with `diffServ`.
fn broker_rows() -> Vec<&'static Row> {
    TransportOptions::rows().filter(|row| row.name != "typeOfService").collect()
}

fn broker() -> impl Strategy<Value = String> {
    (location(), prop::collection::vec(pair("", broker_rows()), 0..4)).prop_map(
        |(location, query)| {
            if query.is_empty() { location } else { format!("{location}?{}", query.join("&")) }
        },
    )
}

fn uri() -> impl Strategy<Value = String> {
    let option = prop_oneof![
        4 => pair("", FailoverOptions::rows().iter().collect()),
        2 => pair("nested.", broker_rows()),
        1 => pair("jms.", JmsOptions::rows().iter().collect()),
    ];
    (prop::collection::vec(broker(), 0..5), prop::collection::vec(option, 0..10)).prop_map(
        |(brokers, options)| format!("failover:({})?{}", brokers.join(","), options.join("&")),
    )
}

fn millis() -> impl Strategy<Value = Duration> {
    (0..i64::MAX.unsigned_abs()).prop_map(Duration::from_millis)
}

proptest! {
    #[test]
    fn a_uri_written_and_read_again_is_the_same(text in uri()) {
        let first = parse(&text);
        let written = first.reveal();
        let second = parse(&written);
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(written, second.reveal());
        prop_assert_eq!(first.options(), second.options());
        prop_assert_eq!(first.jms(), second.jms());
        prop_assert_eq!(first.brokers(), second.brokers());
        for (one, other) in first.brokers().iter().zip(second.brokers()) {
            prop_assert_eq!(first.transport(one), second.transport(other));
        }
        let (mut one, mut other) = (first.explain(), second.explain());
        one.notes.clear();
        other.notes.clear();
        prop_assert_eq!(one, other);
    }

    #[test]
    fn options_built_written_and_read_are_the_same(
        delay in millis(),
        timeout in prop::option::of(1..i64::MAX.unsigned_abs()),
        exponent in 1.0..1e6_f64,
        (jitter, randomize) in (0.0..=1.0_f64, any::<bool>()),
        (limit, startup) in (0_u32..0x7fff_ffff, 0_u32..0x7fff_ffff),
        warn in prop::option::of(1_u32..0x7fff_ffff),
        urls in prop::option::of("[ -~]{1,20}"),
        priority in prop::collection::vec(location(), 0..3),
    ) {
        let priority = priority.iter().map(|text| BrokerUri::parse(text).unwrap()).collect();
        let built = FailoverUri::builder()
            .broker(BrokerUri::new(Scheme::Nio, "h", 1).unwrap())
            .initial_reconnect_delay(delay)
            .timeout(timeout.map(Duration::from_millis))
            .reconnect_delay_exponent(exponent)
            .reconnect_jitter(jitter)
            .randomize(randomize)
            .max_reconnect_attempts(Attempts::at_most(limit))
            .startup_max_reconnect_attempts(StartupAttempts::at_most(startup))
            .warn_after_reconnect_attempts(warn.and_then(NonZeroU32::new))
            .update_uris_url(urls.clone())
            .priority_uris(priority)
            .build()
            .unwrap();
        let read = parse(&built.reveal());
        prop_assert_eq!(&read, &built);
        prop_assert_eq!(read.options(), built.options());
        prop_assert_eq!(read.options().initial_reconnect_delay, delay);
        prop_assert_eq!(&read.options().update_uris_url, &urls);
        prop_assert_eq!(read.options().attempts(false), Attempts::at_most(startup));
    }

    #[test]
    fn no_text_breaks_the_parser(text in any::<String>()) {
        let _ = FailoverUri::parse(&text);
        let _ = PushedBrokers::parse(&text);
    }

    #[test]
    fn no_text_that_looks_like_a_uri_breaks_the_parser(
        text in concat!(
            "(failover:|tcp://|//|[()?&=,#%+@:/\\[\\]. ]",
            "|nested[.]|jms[.]|timeout|a|1|\u{e4}){0,40}",
        ),
    ) {
        if let Ok(uri) = FailoverUri::parse(&text) {
            prop_assert_eq!(parse(&uri.reveal()), uri);
        }
        let _ = PushedBrokers::parse(&text);
    }

    #[test]
    fn a_broken_uri_breaks_nothing(
        text in uri(),
        at in any::<prop::sample::Index>(),
        with in "[()?&=,#%@]{0,2}",
    ) {
        let mut broken: Vec<char> = text.chars().collect();
        let at = at.index(broken.len());
        broken.splice(at..=at, with.chars());
        let broken: String = broken.into_iter().collect();
        if let Ok(uri) = FailoverUri::parse(&broken) {
            prop_assert_eq!(parse(&uri.reveal()), uri);
        }
    }
}

#[test]
fn a_broker_alone_is_written_as_it_was_read() {
    for text in ["tcp://a:1", "nio+ssl://a:1?soTimeout=5", "tcp://a:1?soTimeout=5&jms.clientID=x"] {
        assert_eq!(parse(text).reveal(), text);
    }
    assert_eq!(parse("tcp://a:1?jms.clientID=x").reveal(), "tcp://a:1?jms.clientID=x");
}

#[test]
fn what_would_split_a_list_is_written_encoded() {
    let text = "failover:(tcp://a:1?socket.enabledProtocols=TLSv1.2%2CTLSv1.3)";
    let uri = parse(text);
    assert_eq!(uri.brokers()[0].transport().socket.enabled_protocols, ["TLSv1.2", "TLSv1.3"]);
    assert_eq!(uri.reveal(), text);
    assert_eq!(uri.brokers()[0].transport().socket.enabled_cipher_suites, Vec::<String>::new());
    let explained =
        uri.explain().brokers[0].options.iter().find(|o| o.given).unwrap().value.clone();
    assert_eq!(explained, OptionValue::List(vec!["TLSv1.2".into(), "TLSv1.3".into()]));
}
