//! How a URI and its options stand in a configuration file: as text, or as tables under the names of a URI.
//!
//! Secrets are not written: `***` stands for one, and is refused when it is read.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::FailoverUri;
use super::broker::BrokerUri;
use super::builder::FailoverUriBuilder;
use super::declare::OptionSet;
use super::lookup::Place;
use super::options::FailoverOptions;
use super::query::{Setting, Space, interpret};
use super::value::{OptionValue, is_secret};

/// What stands for a secret.
const HIDDEN: &str = "***";

/// As text, without secrets.
impl Serialize for FailoverUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From text, or from a table: `brokers`, a list, the options under their names, and the tables `nested` and `jms`.
impl<'de> Deserialize<'de> for FailoverUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UriVisitor)
    }
}

struct UriVisitor;

impl<'de> Visitor<'de> for UriVisitor {
    type Value = FailoverUri;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a failover URI, or a table with its brokers and options")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FailoverUri, E> {
        let uri = FailoverUri::parse(text).map_err(E::custom)?;
        let of_brokers = uri.brokers.iter().flat_map(|broker| broker.settings().iter());
        uri.settings.iter().chain(of_brokers).try_for_each(check_secret)?;
        Ok(uri)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FailoverUri, A::Error> {
        let mut builder = FailoverUriBuilder::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "brokers" => builder = builder.brokers(map.next_value::<Vec<BrokerUri>>()?),
                "nested" | "jms" => {
                    for (inner, value) in map.next_value::<Table>()?.0 {
                        builder = take(builder, format!("{name}.{inner}"), &value)?;
                    }
                }
                _ => {
                    let value = map.next_value::<Written>()?;
                    builder = take(builder, name, &value)?;
                }
            }
        }
        builder.build().map_err(A::Error::custom)
    }
}

fn take<E: Error>(
    builder: FailoverUriBuilder,
    name: String,
    value: &Written,
) -> Result<FailoverUriBuilder, E> {
    read(&name, value)?;
    Ok(builder.text(name, &value.0))
}

/// An option and its value, which exist.
fn read<E: Error>(name: &str, value: &Written) -> Result<Setting, E> {
    let setting =
        interpret(Place::Failover, name, Some(&value.0), false).map_err(|kind| E::custom(&kind))?;
    check_secret(&setting)?;
    Ok(setting)
}

fn check_secret<E: Error>(setting: &Setting) -> Result<(), E> {
    if is_secret(setting.row.name) && setting.value.as_str() == Some(HIDDEN) {
        let name = setting.name();
        return Err(E::custom(format!("the value of {name} was left out when this was written")));
    }
    Ok(())
}

/// As text, without secrets.
impl Serialize for BrokerUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BrokerUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written(text) = Written::deserialize(deserializer)?;
        let broker = Self::parse(&text).map_err(D::Error::custom)?;
        broker.settings().iter().try_for_each(check_secret)?;
        Ok(broker)
    }
}

/// As a table under the names of a URI, without what is not set, and without secrets.
impl Serialize for FailoverOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for row in Self::rows() {
            let setting = Setting { space: Space::Failover, row, value: self.value(row) };
            match setting.shown_value() {
                OptionValue::Absent => {}
                OptionValue::Bool(value) => map.serialize_entry(row.name, &value)?,
                OptionValue::Integer(value) => map.serialize_entry(row.name, &value)?,
                OptionValue::Float(value) => map.serialize_entry(row.name, &value)?,
                OptionValue::Text(value) => map.serialize_entry(row.name, &value)?,
                OptionValue::List(values) => map.serialize_entry(row.name, &values)?,
            }
        }
        map.end()
    }
}

/// From a table under the names of a URI; what it does not name is as by default.
impl<'de> Deserialize<'de> for FailoverOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut options = Self::default();
        for (name, value) in Table::deserialize(deserializer)?.0 {
            let setting = read::<D::Error>(&name, &value)?;
            let is_ours = setting.space == Space::Failover;
            if !is_ours || !options.set(setting.row.name, &setting.value) {
                return Err(D::Error::custom(format!("{name} is no option of failover")));
            }
        }
        Ok(options)
    }
}

/// A value as it would stand in a URI, before encoding.
struct Written(String);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flag, a number, a text or a list of texts")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Written, E> {
        Ok(Written(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Written, E> {
        Ok(Written(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Written, E> {
        Ok(Written(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Written, E> {
        Ok(Written(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Written, E> {
        Ok(Written(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Written, A::Error> {
        let mut texts = Vec::<String>::new();
        while let Some(text) = values.next_element()? {
            if texts.len() == super::MAX_BROKERS {
                return Err(A::Error::custom("a list is too long"));
            }
            texts.push(text);
        }
        Ok(Written(texts.join(",")))
    }
}

/// Names and values, in the order of the file.
struct Table(Vec<(String, Written)>);

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TableVisitor)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = Table;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            if entries.len() == super::MAX_OPTIONS {
                return Err(A::Error::custom("too many options"));
            }
            entries.push(entry);
        }
        Ok(Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn read_json<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_uri_is_read_from_text_or_from_a_table_and_is_the_same() {
        let text = r#""failover:(tcp://a:61616,ssl://b:61617?soTimeout=5)?randomize=false&timeout=3000&nested.tcpNoDelay=false&jms.useAsyncSend=true""#;
        let table = r#"{"brokers": ["tcp://a:61616", "ssl://b:61617?soTimeout=5"],
            "randomize": false, "timeout": 3000,
            "nested": {"tcpNoDelay": false}, "jms": {"useAsyncSend": true}}"#;
        let one: FailoverUri = read_json(text).unwrap();
        assert_eq!(one, read_json(table).unwrap());
        assert_eq!(one.options().timeout, Some(Duration::from_secs(3)));
        assert_eq!(serde_json::to_string(&one).unwrap(), text);
    }

    #[test]
    fn an_option_that_cannot_be_is_named_wherever_it_stands() {
        for (json, culprit) in [
            (r#"{"brokers": ["tcp://a:1"], "randomise": false}"#, "randomize"),
            (r#"{"brokers": ["tcp://a:1"], "timeout": "soon"}"#, "timeout"),
            (r#"{"brokers": ["tcp://a:1"], "jms": {"useAsyncSent": true}}"#, "useAsyncSend"),
            (r#"{"brokers": ["tpc://a:1"]}"#, "tpc"),
            (r#""failover:(tcp://a:1)?randomise=false""#, "randomize"),
        ] {
            let error = read_json::<FailoverUri>(json).unwrap_err();
            assert!(error.contains(culprit), "{error}");
        }
        let error = read_json::<FailoverOptions>(r#"{"randomise": false}"#).unwrap_err();
        assert!(error.contains("randomize"), "{error}");
        let error = read_json::<FailoverOptions>(r#"{"jms.password": "hunter2"}"#).unwrap_err();
        assert!(error.contains("jms.password") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_secret_is_not_written_and_what_stands_for_it_not_read() {
        let uri: FailoverUri = read_json(
            r#"{"brokers": ["tcp://a:1"], "jms": {"userName": "u", "password": "hunter2"}}"#,
        )
        .unwrap();
        assert_eq!(uri.jms().password(), Some("hunter2"));
        let written = serde_json::to_string(&uri).unwrap();
        assert!(!written.contains("hunter2"), "{written}");
        let error = read_json::<FailoverUri>(&written).unwrap_err();
        assert!(error.contains("jms.password was left out"), "{error}");
        let table = r#"{"brokers": ["tcp://a:1"], "jms": {"password": "***"}}"#;
        assert!(read_json::<FailoverUri>(table).is_err());
        let options = FailoverOptions {
            update_uris_url: Some("http://u:hunter2@a/list".to_owned()),
            ..FailoverOptions::default()
        };
        let written = serde_json::to_string(&options).unwrap();
        assert!(!written.contains("hunter2"), "{written}");
    }

    #[test]
    fn a_list_or_a_table_that_is_too_long_is_refused() {
        let brokers: Vec<String> = (0..300).map(|n| format!("tcp://a{n}:1")).collect();
        let table = serde_json::json!({ "brokers": brokers, "priorityURIs": brokers });
        assert!(read_json::<FailoverUri>(&table.to_string()).is_err());
        let options: serde_json::Map<_, _> =
            (0..300).map(|n| (format!("o{n}"), n.into())).collect();
        let table = serde_json::Value::Object(options).to_string();
        assert!(read_json::<FailoverOptions>(&table).unwrap_err().contains("too many"));
    }

    proptest! {
        #[test]
        fn options_are_read_as_they_were_written(
            delay in 0u64..100_000, timeout in proptest::option::of(1u64..100_000),
            randomize: bool, backup: bool, jitter in 0u8..=64, cache in 0u32..1 << 31,
        ) {
            let options = FailoverOptions {
                initial_reconnect_delay: Duration::from_millis(delay),
                timeout: timeout.map(Duration::from_millis),
                randomize,
                backup,
                reconnect_jitter: f64::from(jitter) / 64.0,
                max_cache_size: cache,
                priority_uris: vec![BrokerUri::parse("tcp://a:61616").unwrap()],
                ..FailoverOptions::default()
            };
            let written = serde_json::to_string(&options).unwrap();
            prop_assert_eq!(read_json::<FailoverOptions>(&written).unwrap(), options);
        }
    }
}
