//! Building a failover URI from values instead of text.

use super::FailoverUri;
use super::broker::BrokerUri;
use super::declare::OptionSet;
use super::error::{UriError, UriErrorKind};
use super::lookup::Place;
use super::options::FailoverOptions;
use super::query::{Setting, Settings, Space, interpret};

/// Builds a [`FailoverUri`] from values: brokers, options by their types, `nested.*` and `jms.*`.
///
/// A method for each option of [`FailoverOptions`]; those not called stay at their defaults.
/// Durations are kept in whole milliseconds, what is under one is cut off.
///
/// ```
/// use std::time::Duration;
/// use rewire_failover::uri::{BrokerUri, FailoverUri};
///
/// let uri = FailoverUri::builder()
///     .broker(BrokerUri::parse("tcp://a:61616")?)
///     .broker(BrokerUri::parse("tcp://b:61616")?)
///     .randomize(false)
///     .timeout(Some(Duration::from_secs(3)))
///     .nested("soTimeout", "5000")
///     .build()?;
/// assert_eq!(
///     uri.to_string(),
///     "failover:(tcp://a:61616,tcp://b:61616)?randomize=false&timeout=3000&nested.soTimeout=5000"
/// );
/// # Ok::<(), rewire_failover::uri::UriError>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct FailoverUriBuilder {
    brokers: Vec<BrokerUri>,
    pub(super) options: FailoverOptions,
    given: Vec<Given>,
}

/// What was called, in order.
#[derive(Clone)]
enum Given {
    /// A field of the options.
    Field(&'static str),
    /// `nested.*` or `jms.*`.
    Text { name: String, value: String },
}

impl FailoverUriBuilder {
    /// Adds a broker to the end of the list. One that is there already is not added again.
    pub fn broker(mut self, broker: BrokerUri) -> Self {
        self.brokers.push(broker);
        self
    }

    /// Adds brokers to the end of the list.
    pub fn brokers(mut self, brokers: impl IntoIterator<Item = BrokerUri>) -> Self {
        self.brokers.extend(brokers);
        self
    }

    /// Sets an option of all brokers, by its name without `nested.`.
    pub fn nested(self, name: &str, value: &str) -> Self {
        self.text(format!("nested.{name}"), value)
    }

    /// Sets an option of the connection, by its name without `jms.`.
    pub fn jms(self, name: &str, value: &str) -> Self {
        self.text(format!("jms.{name}"), value)
    }

    pub(super) fn text(mut self, name: String, value: &str) -> Self {
        self.given.push(Given::Text { name, value: value.to_owned() });
        self
    }

    pub(super) fn give(&mut self, name: &'static str) {
        self.given.push(Given::Field(name));
    }

    /// Checks everything, as [`FailoverUri::parse`] does.
    ///
    /// # Errors
    ///
    /// If a name does not exist, a value is out of range, or there are too many brokers.
    pub fn build(self) -> Result<FailoverUri, UriError> {
        let unplaced = |kind| UriError { kind, at: None };
        let mut settings = Settings::default();
        for given in &self.given {
            let setting = match given {
                Given::Text { name, value } => {
                    interpret(Place::Failover, name, Some(value), false).map_err(unplaced)?
                }
                Given::Field(name) => match self.field(name).map_err(unplaced)? {
                    Some(setting) => setting,
                    None => continue,
                },
            };
            settings.put(setting);
        }
        FailoverUri::assemble(None, self.brokers, settings, Vec::new())
    }

    /// The option of a field, or `None` if the value is one that is not written.
    fn field(&self, name: &str) -> Result<Option<Setting>, UriErrorKind> {
        let Some(row) = FailoverOptions::rows().iter().find(|row| row.name == name) else {
            return Ok(None);
        };
        let value = self.options.value(row);
        // `None` where Java has no text for it: the default.
        if value == super::OptionValue::Absent {
            return Ok(None);
        }
        row.shape.check(&value).map_err(|expected| UriErrorKind::BadValue {
            option: name.to_owned(),
            value: super::Shown::Text(value.to_string()),
            expected,
        })?;
        Ok(Some(Setting { space: Space::Failover, row, value }))
    }
}

/// Without secrets: only the names of `nested.*` and `jms.*`.
impl std::fmt::Debug for FailoverUriBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let given: Vec<&str> = self
            .given
            .iter()
            .map(|given| match given {
                Given::Field(name) => *name,
                Given::Text { name, .. } => name.as_str(),
            })
            .collect();
        f.debug_struct("FailoverUriBuilder")
            .field("brokers", &self.brokers)
            .field("given", &given)
            .finish_non_exhaustive()
    }
}
