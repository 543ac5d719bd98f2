//! How options stand in a configuration file: durations in milliseconds, -1 for what has no end, 0 for what
//! is off, as in a URI.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn to_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn from_millis<E: Error>(millis: i64) -> Result<Duration, E> {
    let millis = u64::try_from(millis);
    millis.map(Duration::from_millis).map_err(|_| E::custom("milliseconds are not below zero"))
}

pub(crate) mod millis {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Duration, s: S) -> Result<S::Ok, S::Error> {
        to_millis(*value).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        from_millis(i64::deserialize(d)?)
    }
}

pub(crate) mod millis_or_ever {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        value.map_or(-1, to_millis).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        match i64::deserialize(d)? {
            -1 => Ok(None),
            millis => from_millis(millis).map(Some),
        }
    }
}

pub(crate) mod millis_or_off {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        value.map_or(0, to_millis).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<Duration>, D::Error> {
        from_millis(i64::deserialize(d)?).map(|millis| (!millis.is_zero()).then_some(millis))
    }
}

pub(crate) mod count_or_ever {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Option<u32>, s: S) -> Result<S::Ok, S::Error> {
        value.map_or(-1, i64::from).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
        match i64::deserialize(d)? {
            -1 => Ok(None),
            count => u32::try_from(count)
                .map(Some)
                .map_err(|_| D::Error::custom("a count is from 0, or -1 for no end")),
        }
    }
}
