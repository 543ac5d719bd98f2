//! What a file may say, and what is said about one that is wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use rewire_protocol::Destination;

use super::*;
use crate::core::{BrokerLimits, Right};

fn read(text: &str) -> Settings {
    Settings::parse("b.toml", text).unwrap()
}

fn error(text: &str) -> String {
    Settings::parse("b.toml", text).unwrap_err().to_string()
}

#[cfg(feature = "http")]
#[test]
fn the_example_in_the_documentation_is_read() {
    let text = include_str!("../../../../docs/broker.toml");
    let settings = Settings::parse("docs/broker.toml", text).unwrap();
    assert_eq!(settings.config.name, "orders-1");
    assert_eq!(settings.store, Some(StoreSettings::Folder("docs/data".into())));
    assert_eq!((settings.config.users.len(), settings.config.password_hashes.len()), (1, 1));
    assert_eq!(settings.config.cluster.connectors.len(), 1);
    assert_eq!(settings.http.as_deref(), Some("127.0.0.1:8161"));
}

/// What a file says, passwords too.
fn fingerprint(settings: &Settings) -> String {
    let connectors = &settings.config.cluster.connectors;
    let passwords: Vec<_> = connectors.iter().map(|own| &own.password).collect();
    let hashes = settings.config.password_hashes.iter();
    let hashes: Vec<_> = hashes.map(|(name, hash)| (name, hash.as_str())).collect();
    format!("{settings:?} {:?} {hashes:?} {passwords:?}", settings.config.users)
}

/// Another value in place of this one.
fn another(value: &str) -> String {
    const OTHERS: [(&str, &str); 9] = [
        ("true", "false"),
        ("false", "true"),
        ("\"strictOrder\"", "\"roundRobin\""),
        ("\"oldestMessageWithLowestPriority\"", "\"oldestMessage\""),
        ("\"*\"", "\"shop\""),
        ("[\"shop\"]", "\"*\""),
        ("[\"consumers\"]", "\"*\""),
        ("[\"producers\", \"consumers\"]", "\"*\""),
        ("[\"producers\"]", "\"*\""),
    ];
    if let Some((_, other)) = OTHERS.iter().find(|(own, _)| *own == value) {
        return (*other).to_owned();
    }
    // The last digit becomes another; a text without any gets a letter more.
    match value.rfind(|c: char| c.is_ascii_digit()) {
        Some(at) if !value.starts_with("\"static:") => {
            let other = if &value[at..=at] == "7" { "6" } else { "7" };
            format!("{}{other}{}", &value[..at], &value[at + 1..])
        }
        _ if value.starts_with("\"static:") => value.replace("mq3", "mq4"),
        _ if value.starts_with('[') => value.replacen('"', "\"x", 1),
        _ => format!("\"x{}", &value[1..]),
    }
}

#[cfg(feature = "http")]
#[test]
fn no_key_of_the_example_in_the_documentation_is_read_and_forgotten() {
    let text = include_str!("../../../../docs/broker.toml");
    let same = fingerprint(&read(text));
    let mut tried = 0;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let Some((_, value)) = line.split_once(" = ") else { continue };
        let inner = value.strip_prefix("{ ").and_then(|inner| inner.strip_suffix(" }"));
        let pairs = inner.map_or_else(|| vec![line], |inner| inner.split(", ").collect());
        for pair in pairs {
            let (key, value) = pair.split_once(" = ").unwrap();
            let changed = line.replace(pair, &format!("{key} = {}", another(value)));
            assert_ne!(changed, line);
            let lines = text.lines().enumerate();
            let lines = lines.map(|(at, own)| if at == number { changed.as_str() } else { own });
            let changed = lines.collect::<Vec<_>>().join("\n");
            match Settings::parse("b.toml", &changed) {
                Ok(settings) => assert_ne!(fingerprint(&settings), same, "{pair} has no effect"),
                // Another kind has no use for the keys beside it; rights are for users that there are.
                Err(error) => assert!(
                    ["kind", "name", "groups", "tempQueue"].contains(&key),
                    "{pair}, changed: {error}"
                ),
            }
            tried += 1;
        }
    }
    assert!(tried > 75, "only {tried} keys were tried");
}

#[test]
fn an_empty_file_is_a_broker_as_it_is_by_default() {
    let settings = read("");
    assert_eq!(settings.config.limits, BrokerLimits::default());
    assert_eq!((settings.store, settings.listeners), (None, Vec::new()));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest() {
    for (text, expected) in [
        ("nam = 1", "b.toml:1:1: there is no key `nam`: did you mean `name`?"),
        (
            "name = 'a'\n\n[limits]\n  conections = 5",
            "b.toml:4:3: there is no key `conections` of [limits]: did you mean `connections`?",
        ),
        (
            "[[listener]]\nuri = 'tcp://a:1'\nmax_frame_sise = 5",
            "b.toml:3:1: there is no key `max_frame_sise` of [[listener]]: did you mean `maxFrameSize`?",
        ),
        ("quite_something_else = 1", "b.toml:1:1: there is no key `quite_something_else`"),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_its_place() {
    for (text, expected) in [
        ("name = 5", "b.toml:1:8: `name` has to be a text, and is a whole number"),
        ("memory = 'yes'", "b.toml:1:10: `memory` has to be true or false, and is a text"),
        ("limits = 5", "b.toml:1:10: `limits` has to be a table, and is a whole number"),
        ("[limits]\nconnections = -1", "b.toml:2:15: `connections` cannot be -1"),
        (
            "[limits]\nmemory = '5 miles'",
            "b.toml:2:10: `memory` cannot be \"5 miles\", only a number of bytes, or a text like \"64 MiB\"",
        ),
        ("listen = ['a', 5]", "b.toml:1:16: `listen[]` has to be a text, and is a whole number"),
        ("[[listener]]\nmaxFrameSize = 5", "b.toml:1:1: `uri` of [[listener]] is missing"),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_a_word_of_what_is_in_it() {
    let said = error("[[user]]\nname = 'a'\npassword = 'secret\n");
    assert!(said.starts_with("b.toml:3:") && !said.contains("secret"), "{said}");
}

#[test]
fn a_key_may_be_written_in_three_ways_and_only_once() {
    for key in ["maxFrameSize", "max_frame_size", "max-frame-size"] {
        assert_eq!(read(&format!("[limits]\n{key} = 5")).max_frame_size, Some(5));
    }
    let said = error("[limits]\nmaxFrameSize = 5\nmax_frame_size = 6");
    assert_eq!(said, "b.toml:3:1: `maxFrameSize` and `max_frame_size` are one key");
}

#[test]
fn sizes_and_times_have_units() {
    let settings = read(
        "[limits]\nmemory = '64 MiB'\nheldBytes = 1_000\ndestinationMemory = '5kb'\n\
         [[listener]]\nuri = 'tcp://a:1'\nmaxInactivityDuration = '2 m'",
    );
    let limits = settings.config.limits;
    assert_eq!((limits.memory, limits.held_bytes), (64 << 20, 1000));
    assert_eq!(limits.destination_memory, 5 << 10);
    assert_eq!(settings.listeners[0].max_inactivity, Some(Duration::from_secs(120)));
}

#[test]
fn users_have_passwords_and_groups_and_neither_file_nor_error_shows_a_password() {
    let settings = read("[[user]]\nname = 'app'\npassword = 'secret'\ngroups = ['a', 'b']");
    assert_eq!(settings.config.users["app"], "secret");
    assert_eq!(settings.config.groups["app"], BTreeSet::from(["a".into(), "b".into()]));
    assert!(!format!("{settings:?}").contains("secret"));
    let twice = "[[user]]\nname = 'a'\npassword = 'secret'\n";
    let said = error(&twice.repeat(2));
    assert_eq!(said, "b.toml:5:8: `name` is that of another user too");
    let said = error("[[user]]\nname = 'a'\npassword = ['secret']");
    assert_eq!(said, "b.toml:3:12: `password` has to be a text, and is a list");
}

#[test]
fn an_address_that_nobody_can_listen_on_is_named_with_its_place() {
    for (text, expected) in [
        (
            "listen = ['tcp://a:1', 'udp://a:1']",
            "b.toml:1:10: `listen` cannot be \"udp://a:1\": udp is not spoken, only tcp, nio, ",
        ),
        ("listen = 'tcp://a:1?bogus=1'", "b.toml:1:10: `listen` cannot be \"tcp://a:1?bogus=1\""),
        ("[[listener]]\nuri = 'a:1'", "b.toml:1:1: a:1: an address looks like tcp://host:port"),
        ("[[listener]]\nuri = 'ssl://a:1'", "b.toml:1:1: ssl://a:1: ssl needs `certificates`"),
        (
            "[[listener]]\nuri = 'tcp://a:1'\npublished = 'b'",
            "b.toml:1:1: tcp://a:1: this is no address to publish",
        ),
    ] {
        let said = error(text);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn a_right_is_for_destinations_and_for_users_or_groups_that_there_are() {
    const USER: &str = "[[user]]\nname = 'app'\npassword = 'p'\ngroups = 'g'\n[[right]]\n";
    let settings = read(&format!("{USER}queue = 'A.>'\nread = ['app', 'g']\nwrite = '*'"));
    let mut right = Right::new(Destination::queue("A.>"));
    right.read = BTreeSet::from(["app".into(), "g".into()]);
    right.write = BTreeSet::from(["*".into()]);
    assert_eq!(settings.config.rights, [right]);
    for (right, expected) in [
        (
            "queue = 'A'\nread = 'ap'",
            "7:8: `read` has \"ap\", which is neither a user nor a group: did you mean `app`?",
        ),
        ("read = 'app'", "5:1: say of what: `queue`, `topic`, `tempQueue` or `tempTopic`"),
        ("queue = 'A,B'", "6:9: `queue` has to be one name, or one pattern"),
        ("queue = 'A'\ntopic = 'B'", "7:9: `topic` is a second destination: write two tables"),
    ] {
        assert_eq!(error(&format!("{USER}{right}")), format!("b.toml:{expected}"));
    }
    let said = error("[[right]]\nqueue = 'A'");
    assert_eq!(said, "b.toml:1:1: a right needs a [[user]]: anybody could take any name");
}

#[test]
fn a_broker_keeps_messages_in_one_place_which_is_beside_the_file() {
    let parse = |file, text| Settings::parse(file, text).unwrap().store;
    assert_eq!(parse("b.toml", "memory = true"), Some(StoreSettings::Memory));
    let folder = |path: &str| Some(StoreSettings::Folder(path.into()));
    assert_eq!(parse("/etc/b.toml", "data = 'd'"), folder("/etc/d"));
    assert_eq!(parse("/etc/b.toml", "data = '/var/d'"), folder("/var/d"));
    let said = error("memory = true\ndata = 'd'");
    let expected = "`data` is for a broker that does not keep its messages in `memory`";
    assert_eq!(said, format!("b.toml:2:8: {expected}"));
}

#[cfg(feature = "http")]
#[test]
fn the_window_is_at_an_address() {
    let http = |address: &str| format!("[http]\nlisten = '{address}'");
    for address in ["127.0.0.1:0", "[::1]:8161", "mq1.example.com:80"] {
        assert_eq!(read(&http(address)).http.as_deref(), Some(address));
    }
    for address in ["8161", ":8161", "mq1.example.com", "http://127.0.0.1"] {
        let expected = "b.toml:2:10: `listen` has to be an address: 127.0.0.1:8161";
        assert_eq!(error(&http(address)), expected);
    }
    assert_eq!(error("[http]\nlissten = ''"), "b.toml:1:1: `listen` of [http] is missing");
}

#[test]
fn the_password_of_a_network_connector_is_not_shown() {
    let settings = read(
        "[[network_connector]]\nuri = 'static:(tcp://b:1)'\nuserName = 'u'\npassword = 'secret'",
    );
    let connector = &settings.config.cluster.connectors[0];
    assert_eq!(connector.password.as_deref(), Some("secret"));
    assert!(!format!("{settings:?}").contains("secret"));
}

#[test]
fn a_policy_has_activemqs_words_and_what_is_wrong_with_it_is_named() {
    use crate::core::{DeadLetterTarget, Policies, SubscriptionRecoveryPolicy as Recovery};
    let text = "[[policy]]\ntopic = '>'\nsubscriptionRecoveryPolicy = 'lastImage'\n\
                deadLetterStrategy = { kind = 'individual', processExpired = false }\nqueuePrefetch = 0";
    let read_again = |text| read(text).config.policies;
    let policies = read_again(text);
    let mut expected = crate::core::DestinationPolicy {
        subscription_recovery_policy: Some(Recovery::LastImage),
        ..crate::core::DestinationPolicy::default()
    };
    expected.prefetch.queue = Some(0);
    expected.dead_letter_strategy.process_expired = false;
    expected.dead_letter_strategy.target = DeadLetterTarget::Individual {
        queue_prefix: "ActiveMQ.DLQ.Queue.".to_owned(),
        topic_prefix: "ActiveMQ.DLQ.Topic.".to_owned(),
    };
    let mut all = Policies::default();
    all.insert(Destination::topic(">"), expected);
    assert_eq!(policies, all);
    for (policy, expected) in [
        (
            "subscriptionRecoveryPolicy = 'lastImagine'",
            "b.toml:2:30: `subscriptionRecoveryPolicy` cannot be \"lastImagine\", only one of \
             fixedCount, fixedSized, lastImage, timed, none: did you mean `lastImage`?",
        ),
        (
            "deadLetterStrategy = { kind = 'shared', queuePrefix = 'D.' }",
            "b.toml:2:41: there is no key `queuePrefix` of [deadLetterStrategy]",
        ),
        (
            "pendingMessageLimitStrategy = 'constant'",
            "b.toml:2:31: `limit` of `pendingMessageLimitStrategy` is missing",
        ),
        ("queuePrefetch = 40_000", "b.toml:2:17: `queuePrefetch` is more than 32766"),
        ("[[policy]]", "b.toml:2:1: there is another policy for the same"),
    ] {
        assert_eq!(error(&format!("[[policy]]\n{policy}")), expected);
    }
}

#[test]
fn what_has_no_meaning_here_is_answered_with_why() {
    let expected = "b.toml:2:1: `useCache` of [[policy]] has no meaning here: there are no cursors; \
                    `pageMemory` of [limits] is what a queue keeps in memory";
    assert_eq!(error("[[policy]]\nuseCache = false"), expected);
    let found = error("[[policy]]\npending_queue_policy = { kind = 'vm' }");
    assert!(
        found.starts_with("b.toml:2:1: `pending_queue_policy` of [[policy]] has no"),
        "{found}"
    );
    assert!(
        error("[[policy]]\nuseCash = false").ends_with("there is no key `useCash` of [[policy]]")
    );
}

#[test]
fn the_owners_of_groups_are_kept_as_activemq_writes_it() {
    let of = |text: &str| {
        let said = format!("[[policy]]\nmessageGroupMapFactoryType = '{text}'");
        let problem = "b.toml:2:30: `messageGroupMapFactoryType` is not understood: ";
        match Settings::parse("b.toml", &said) {
            Ok(settings) => {
                let policies = format!("{:?}", settings.config.policies);
                let at = policies.find("message_group_map: ").unwrap();
                let found = &policies[at + "message_group_map: ".len()..];
                found.split_once(", use_").unwrap().0.to_owned()
            }
            Err(error) => error.to_string().replace(problem, ""),
        }
    };
    for (text, expected) in [
        ("simple", "Some(Simple)"),
        ("cached", "Some(Cached { size: 1024 })"),
        ("cached?cacheSize=7", "Some(Cached { size: 7 })"),
        ("bucket?bucketCount=7", "Some(Bucket { count: 7 })"),
        ("bucket?bucketCount=0", "`bucketCount` has to be from 1 to 65535"),
        ("bucket?cacheSize=7", "`cacheSize` of `bucket` has no meaning here: it is for JMX"),
        ("cached?bucketCount=7", "`cached` has no option `bucketCount`"),
        ("bukket", "there is no `bukket`, only `cached`, `bucket` and `simple`"),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
}

#[test]
fn a_password_may_be_a_hash_and_what_is_wrong_with_it_names_the_user() {
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZSBzYWx0IGZvciBpdA$ZUM+08e9Yi/+WC/ePRYu4ep5fXL7m2Ej1bOVPQ82PP8";
    let of = |keys: &str| format!("[[user]]\nname = 'app'\n{keys}");
    let settings = read(&of(&format!("password_hash = '{HASH}'\ngroups = 'g'")));
    assert_eq!(settings.config.password_hashes["app"].as_str(), HASH);
    assert!(settings.config.users.is_empty() && !format!("{settings:?}").contains("argon2id"));
    let right = "\n[[right]]\nqueue = 'A'\nread = 'app'";
    assert_eq!(read(&of(&format!("passwordHash = '{HASH}'{right}"))).config.rights.len(), 1);
    for (keys, expected) in [
        ("", "1:1: user \"app\" needs a `password`, or a `password_hash`"),
        (
            "password = 'p'\npassword_hash = 'secret'",
            "4:17: `password_hash` of user \"app\" is beside its `password`: one will do",
        ),
        ("password_hash = 'secret'", "3:17: `password_hash` of user \"app\" has to be like"),
        ("password_hash = 5", "3:17: `password_hash` has to be a text, and is a whole number"),
    ] {
        let said = error(&of(keys));
        assert!(said.starts_with(&format!("b.toml:{expected}")), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let both = format!("{}\n{}", of("password = 'p'"), of(&format!("password_hash = '{HASH}'")));
    assert_eq!(error(&both), "b.toml:5:8: `name` is that of another user too");
}
