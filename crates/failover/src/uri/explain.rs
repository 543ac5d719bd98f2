//! A URI as data for people and scripts: every option with its value, its unit and its words.

use super::FailoverUri;
use super::broker::BrokerUri;
use super::declare::{OptionSet, Row, Unit};
use super::options::FailoverOptions;
use super::query::{Setting, Space};
use super::transport::TransportOptions;
use super::value::OptionValue;

/// Everything a URI says and leaves unsaid, without secrets.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// `failover`, or the scheme of the one broker.
    pub scheme: String,
    /// The brokers in the order of the list.
    pub brokers: Vec<BrokerExplanation>,
    /// Every option of failover, given or not.
    pub options: Vec<OptionExplanation>,
    /// The `nested.*` that were given, by their names without `nested.`.
    pub nested: Vec<OptionExplanation>,
    /// The `jms.*` that were given, by their names without `jms.`.
    pub jms: Vec<OptionExplanation>,
    /// The names that were given, with their prefixes, in order; for a lone broker also those of
    /// its own query.
    pub given: Vec<String>,
    /// What is legal and means nothing, or is said twice.
    pub notes: Vec<String>,
}

/// One broker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BrokerExplanation {
    /// `tcp://host:port`.
    pub location: String,
    /// The same with its own options, as written.
    pub uri: String,
    /// Every option of its link, what `nested.*` says included.
    pub options: Vec<OptionExplanation>,
}

/// One option.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OptionExplanation {
    /// Its name.
    pub name: &'static str,
    /// Its value, as written if it was given; `***` if it is secret.
    pub value: OptionValue,
    /// What the value counts.
    pub unit: Unit,
    /// True if it was given, false if this is the default.
    pub given: bool,
    /// What it is for.
    pub doc: &'static str,
}

impl OptionExplanation {
    fn given(setting: &Setting) -> Self {
        Self::new(setting.row, setting.shown_value(), true)
    }

    fn new(row: &'static Row, value: OptionValue, given: bool) -> Self {
        Self { name: row.name, value, unit: row.shape.unit, given, doc: row.doc.trim() }
    }

    fn of(row: &'static Row, setting: Option<&Setting>, default: &OptionValue) -> Self {
        setting.map_or_else(|| Self::new(row, default.clone(), false), Self::given)
    }
}

impl FailoverUri {
    /// The URI as data: what was given, and what holds because it was not.
    ///
    /// ```
    /// use rewire_failover::uri::{FailoverUri, OptionValue};
    ///
    /// let explained = FailoverUri::parse("failover:(tcp://a:61616)?randomize=false")?.explain();
    /// assert_eq!(explained.brokers[0].location, "tcp://a:61616");
    /// assert_eq!(explained.given, ["randomize"]);
    /// let delay = explained.options.iter().find(|o| o.name == "initialReconnectDelay").unwrap();
    /// assert_eq!((&delay.value, delay.given), (&OptionValue::Integer(10), false));
    /// # Ok::<(), rewire_failover::uri::UriError>(())
    /// ```
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let of = |space| self.settings.of(space).map(OptionExplanation::given).collect();
        let options = FailoverOptions::rows().iter().map(|row| {
            let default = self.options.value(row);
            OptionExplanation::of(row, self.settings.get(Space::Failover, row), &default)
        });
        let alone = self.plain.and_then(|_| self.brokers.first());
        let own = alone.into_iter().flat_map(|broker| broker.settings().iter());
        Explanation {
            scheme: self.scheme().to_owned(),
            brokers: self.brokers.iter().map(|broker| self.explain_broker(broker)).collect(),
            options: options.collect(),
            nested: of(Space::Nested),
            jms: of(Space::Jms),
            given: own.chain(self.settings.iter()).map(Setting::name).collect(),
            notes: self.notes.clone(),
        }
    }

    fn explain_broker(&self, broker: &BrokerUri) -> BrokerExplanation {
        let transport = self.transport(broker);
        let options = TransportOptions::rows().map(|row| {
            let setting = self
                .settings
                .get(Space::Nested, row)
                .or_else(|| broker.settings().get(Space::Broker, row));
            OptionExplanation::of(row, setting, &transport.value(row))
        });
        BrokerExplanation {
            location: broker.location(),
            uri: broker.to_string(),
            options: options.collect(),
        }
    }
}
