//! Selectors on a message, one row each. Most rows and the message are those of ActiveMQ's `SelectorTest`.

use proptest::prelude::*;
use rewire_protocol::{ConnectionId, Destination, Message, Primitive, PrimitiveMap};

use super::*;

fn message() -> Message {
    let properties: [(&str, Primitive); 18] = [
        ("name", "James".into()),
        ("location", "London".into()),
        ("byteProp", 123i8.into()),
        ("shortProp", 123i16.into()),
        ("intProp", 123.into()),
        ("longProp", 123i64.into()),
        ("floatProp", 123f32.into()),
        ("doubleProp", 123f64.into()),
        ("rank", 123.into()),
        ("version", 2.into()),
        ("quote", "'In God We Trust'".into()),
        ("foo", "_foo".into()),
        ("punctuation", "!#$&()*+,-./:;<=>?@[\\]^`{|}~".into()),
        ("endingUnderScore", "XD7xlJIQn_".into()),
        ("trueProp", true.into()),
        ("falseProp", false.into()),
        ("nothing", Primitive::Null),
        ("big", i64::MAX.into()),
    ];
    let producer = ConnectionId::new("connection").session(1).producer(1);
    let mut message = Message {
        message_type: Some("selector-test".into()),
        message_id: Some(producer.message(1)),
        destination: Some(Destination::queue("Q")),
        priority: 7,
        persistent: true,
        ..Message::default()
    };
    message.set_properties(&PrimitiveMap::from_iter(properties)).unwrap();
    message
}

/// Each selector must match, or not, as its list says.
fn check(expected: bool, selectors: &[&str]) {
    let message = message();
    for text in selectors {
        let selector: Selector = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(selector.matches(&message), expected, "{text}");
    }
}

#[test]
fn what_matches() {
    check(
        true,
        &[
            "(trueProp OR falseProp) AND trueProp",
            "trueProp",
            "NOT falseProp",
            "JMSType = 'selector-test'",
            "JMSMessageID = 'ID:connection:1:1:1' OR JMSMessageID = 'connection:1:1:1'",
            "JMSDestination = 'queue://Q'",
            "JMSDeliveryMode = 'PERSISTENT' AND JMSPriority > 6",
            "JMSRedelivered = FALSE",
            "name = 'James' and rank < 200",
            "name = 'Foo' or rank < 200",
            "rank >= 123 AND byteProp = 123 AND floatProp = 123 AND doubleProp = 123",
            "rank + 2 = 125 AND 125 = (rank + 2) AND rank + version = 125",
            "name + '!' = 'James!'",
            "rank - version = 121 AND rank * version = 246",
            "rank / version = 61.5 AND version / 2 = 1 AND rank % 2 = 1",
            "rank between 100 and 150",
            "rank NOT BETWEEN 10 AND 120",
            "name in ('Bob', 'James', 'Gromit')",
            "name not in ('Gromit', 'Bob', 'Cheddar')",
            "dummy is null AND nothing IS NULL AND name is not null",
            "1.0 < 1.1 AND -1.1E1 < 1.0E1 AND 1. < 1.1 AND .1E1 < .5E1 AND 4E-10 < 5E-10",
            "0x7B = rank AND 0173 = rank AND 123L = rank",
            "quote = '''In God We Trust'''",
            "quote LIKE '''In G_d We Trust'''",
            "foo LIKE '%oo' AND foo NOT LIKE '%ar'",
            "foo LIKE '!_%' ESCAPE '!' AND quote NOT LIKE '!_%' ESCAPE '!'",
            "punctuation LIKE '!#$&()*+,-./:;<=>?@[\\]^`{|}~'",
            "foo LIKE '%_%' ESCAPE '%'",
            "endingUnderScore LIKE '_D7xlJIQn$_' ESCAPE '$'",
            "endingUnderScore LIKE '_D7xlJIQn__' ESCAPE '_'",
            "endingUnderScore LIKE '%D7xlJIQn%_' ESCAPE '%'",
            "endingUnderScore LIKE '%D7xlJIQn%' ESCAPE '%'",
            "endingUnderScore LIKE '%D7xlJIQn\\_' ESCAPE '\\'",
            "rank = 123 -- a comment\n AND /* another */ trueProp",
            "name <> 5 AND NOT (name = 5)",
            "big > 1 AND big = 9223372036854775807",
            "NOT rank = 5 AND name = 'James'",
            "unknown = 1 OR trueProp",
            "-rank = -123 AND +rank = 123 AND 2 + 3 * 4 = 14",
        ],
    );
}

#[test]
fn what_does_not_match() {
    check(
        false,
        &[
            "(trueProp OR falseProp) AND falseProp",
            "falseProp OR falseProp",
            "JMSType = 'crap'",
            "rank >= 124",
            "name = 'Foo' and rank < 200",
            "unknown = 'Foo' and anotherUnknown < 200",
            "rank / 3 > 100",
            "rank between 10 and 120",
            "name in ('Gromit', 'Bob', 'Cheddar')",
            "dummy is not null",
            "Command NOT IN ('A', 'B')",
            "quote LIKE '''In Gd_ We Trust'''",
            "endingUnderScore LIKE '%D7xlJIQn%%' ESCAPE '%'",
            "name > 5 OR name < 5",
            "rank / 0 < 5 OR rank % 0 = 0",
            "name",
        ],
    );
}

#[test]
fn what_is_unknown_stays_unknown_when_it_is_negated() {
    let unknowns = [
        "unknown",
        "unknown = 1",
        "unknown <> 1",
        "unknown LIKE '%'",
        "unknown IN ('a')",
        "unknown BETWEEN 1 AND 2",
        "unknown AND trueProp",
        "unknown OR falseProp",
        "unknown + 1 = 1",
        "NOT unknown",
    ];
    check(false, &unknowns);
    for text in unknowns {
        check(false, &[&format!("NOT ({text})")]);
    }
}

#[test]
fn what_is_no_selector_is_refused_with_the_place() {
    let refused = [
        ("3+5", 0),
        ("True AND 3+5", 9),
        ("=TEST 'test'", 0),
        ("prop1 = prop2 foo AND string = 'Test'", 14),
        ("a = 1 AMD  b = 2", 6),
        ("a = 'open", 4),
        ("a = 1 /* open", 6),
        ("(a = 1", 6),
        ("a IN ()", 6),
        ("a IN (1)", 6),
        ("a LIKE 5", 7),
        ("a LIKE 'x' ESCAPE 'yz'", 11),
        ("a BETWEEN 1", 11),
        ("a IS 5", 5),
        ("a < 'b'", 4),
        ("a < TRUE", 4),
        ("a # 1", 2),
        ("REGEX('1', a)", 0),
        ("XPATH '//a'", 0),
        ("a = 99999999999999999999", 4),
        ("a = 1e", 4),
        ("", 0),
        ("'text'", 0),
    ];
    for (text, at) in refused {
        let error = text.parse::<Selector>().map(|_| ()).unwrap_err();
        assert_eq!(error.at, at, "{text}: {error}");
    }
}

#[test]
fn nesting_has_a_limit_and_so_has_length() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(nested(MAX_NESTING - 1).parse::<Selector>().is_ok());
    assert!(nested(MAX_NESTING).parse::<Selector>().is_err());
    assert!("NOT ".repeat(10_000).parse::<Selector>().is_err());
    assert!(format!("a{}", " OR a".repeat(900)).parse::<Selector>().is_ok());
    assert!(format!("a{}", " OR a".repeat(5000)).parse::<Selector>().is_err());
    assert!(" ".repeat(MAX_LENGTH + 1).parse::<Selector>().is_err());
}

#[test]
fn a_pattern_of_many_wildcards_is_matched_in_time() {
    let text = "a".repeat(2000);
    assert!(!like::Pattern::new(&"%a".repeat(500), None).matches(&format!("{text}b")));
}

proptest! {
    #[test]
    fn any_text_is_a_selector_or_an_error(text in "\\PC*") {
        fuzz(&text, &message());
    }

    #[test]
    fn any_row_of_tokens_is_a_selector_or_an_error(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "AND", "OR", "NOT", "name", "rank", "'x'", "1", "2.5", "=", "<>", "<", "(", ")", "IN",
                "LIKE", "BETWEEN", "IS", "NULL", "TRUE", "+", "-", "*", "/", "%", ",", "ESCAPE",
            ]),
            0..20,
        )
    ) {
        fuzz(&words.join(" "), &message());
    }
}
