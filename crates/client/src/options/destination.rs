//! Options that ride on a destination's name: `queue://Q?consumer.prefetchSize=10&consumer.exclusive=true`.

use rewire_protocol::Destination;

use super::MOST_PREFETCH;
use crate::error::{Error, ErrorKind, Result};

/// What a destination's name says of those who consume from it. Java: the setters of `ConsumerInfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConsumerOptions {
    pub(crate) prefetch: Option<u32>,
    pub(crate) maximum_pending_message_limit: Option<u32>,
    pub(crate) exclusive: Option<bool>,
    pub(crate) retroactive: Option<bool>,
    pub(crate) no_local: Option<bool>,
    pub(crate) dispatch_async: Option<bool>,
    pub(crate) priority: Option<i8>,
    pub(crate) selector: Option<String>,
}

/// Their names, for whoever gets one wrong.
const NAMES: &str = "prefetchSize, maximumPendingMessageLimit, exclusive, retroactive, noLocal, \
                     dispatchAsync, priority, selector";

/// The destination without its options, and the options, if its name has some.
pub(crate) fn split_options(destination: Destination) -> (Destination, Option<String>) {
    let name = destination.physical_name.to_str();
    let Some((name, query)) = name.split_once('?') else { return (destination, None) };
    let bare = Destination { kind: destination.kind, physical_name: name.into() };
    let query = query.to_owned();
    (bare, Some(query))
}

impl ConsumerOptions {
    /// Reads them. Those of producers (`producer.`) are another's, and are passed over.
    pub(crate) fn read(query: &str) -> Result<Self> {
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value);
            match name.split_once('.') {
                Some(("consumer", option)) => options.set(option, &value)?,
                Some(("producer", _)) => {}
                _ => {
                    return Err(wrong(name, "options of a destination begin with consumer."));
                }
            }
        }
        Ok(options)
    }

    fn set(&mut self, option: &str, value: &str) -> Result<()> {
        match option {
            "prefetchSize" => {
                let prefetch = value.parse().ok().filter(|prefetch| *prefetch <= MOST_PREFETCH);
                let prefetch = prefetch
                    .ok_or_else(|| wrong(option, &format!("it is from 0 to {MOST_PREFETCH}")))?;
                self.prefetch = Some(prefetch);
            }
            "maximumPendingMessageLimit" => {
                let limit = value.parse().ok().filter(|limit| i32::try_from(*limit).is_ok());
                let limit = limit.ok_or_else(|| wrong(option, "it is a number from 0"))?;
                self.maximum_pending_message_limit = Some(limit);
            }
            "exclusive" => self.exclusive = Some(flag(option, value)?),
            "retroactive" => self.retroactive = Some(flag(option, value)?),
            "noLocal" => self.no_local = Some(flag(option, value)?),
            "dispatchAsync" => self.dispatch_async = Some(flag(option, value)?),
            "priority" => {
                let priority =
                    value.parse().map_err(|_| wrong(option, "it is from -128 to 127"))?;
                self.priority = Some(priority);
            }
            "selector" => self.selector = Some(value.to_owned()),
            _ => return Err(wrong(option, &format!("those of consumers are {NAMES}"))),
        }
        Ok(())
    }
}

fn flag(option: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(option, "it is true or false")),
    }
}

fn wrong(option: &str, why: &str) -> Error {
    let problem = format!("the destination's option {option} cannot be used: {why}");
    Error::new(ErrorKind::Config, problem)
}

/// A value as Java reads it from a query: `+` is a space and `%41` an A.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_options_is_split_and_the_options_are_read() {
        let (bare, query) = split_options(Destination::queue(
            "Q?consumer.prefetchSize=10&consumer.exclusive=true&consumer.priority=-3\
             &consumer.selector=a%3D'x+y'&producer.windowSize=3",
        ));
        assert_eq!(bare, Destination::queue("Q"));
        let options = ConsumerOptions::read(&query.unwrap()).unwrap();
        let expected = ConsumerOptions {
            prefetch: Some(10),
            exclusive: Some(true),
            priority: Some(-3),
            selector: Some("a='x y'".into()),
            ..ConsumerOptions::default()
        };
        assert_eq!(options, expected);
        assert_eq!(split_options(bare.clone()), (bare, None));
    }

    #[test]
    fn an_option_that_cannot_be_is_named() {
        for (query, name) in [
            ("consumer.prefetchSize=40000", "prefetchSize"),
            ("consumer.prefetch=4", "prefetch"),
            ("consumer.noLocal=maybe", "noLocal"),
            ("prefetchSize=4", "prefetchSize"),
            ("consumer.priority=200", "priority"),
        ] {
            let error = ConsumerOptions::read(query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name), "{error}");
        }
        assert_eq!(decoded("%4%zz%"), "%4%zz%");
    }
}
