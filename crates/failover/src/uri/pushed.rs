//! Lists of brokers that come from outside: pushed by a broker, or read from `updateURIsURL`.

use super::broker::{BrokerReader, BrokerUri};
use super::error::{UriError, UriErrorKind};
use super::lookup::Place;
use super::query::Space;
use super::{MAX_BROKERS, MAX_URI_LENGTH, too_long};

/// The brokers of such a list, and what of it was not taken.
///
/// ```
/// use rewire_failover::uri::PushedBrokers;
///
/// let pushed = PushedBrokers::parse("tcp://a:61616, tcp://b:61616,null,tcp://a:61616");
/// let brokers: Vec<String> = pushed.brokers.iter().map(ToString::to_string).collect();
/// assert_eq!(brokers, ["tcp://a:61616", "tcp://b:61616"]);
/// assert_eq!(pushed.refused[0].text, "null");
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PushedBrokers {
    /// The brokers, in order, each once.
    pub brokers: Vec<BrokerUri>,
    /// What was left out, and why. A broker is in both lists if only its options were.
    pub refused: Vec<RefusedBroker>,
}

/// An entry of a pushed list that was not taken, or not as it stood.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefusedBroker {
    /// The entry, without secrets.
    pub text: String,
    /// What is wrong with it; the byte counts from the start of the list.
    pub error: UriError,
}

impl PushedBrokers {
    /// Reads a list whose entries stand between commas, or on lines of their own. Never fails: what
    /// is not a broker is left out and reported.
    ///
    /// Java does not trim the entries, joins lines without a comma, and takes options as they come.
    /// Here an entry whose options do not exist keeps its place without them; so does one whose
    /// options would weaken TLS, which are this side's to set.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut pushed = Self::default();
        if text.len() > MAX_URI_LENGTH {
            let error = too_long(text.len());
            pushed.refused.push(RefusedBroker { text: String::new(), error });
            return pushed;
        }
        let mut reader = BrokerReader::new(text, Place::Broker);
        let mut at = 0;
        for entry in text.split([',', '\n', '\r']) {
            let start = at + entry.len() - entry.trim_start().len();
            at += entry.len() + 1;
            let entry = entry.trim();
            if !entry.is_empty() && !pushed.take(&mut reader, entry, start) {
                break;
            }
        }
        pushed
    }

    /// Takes one entry; false if there is no room for more.
    fn take(&mut self, reader: &mut BrokerReader, entry: &str, at: usize) -> bool {
        let refused = |error| RefusedBroker { text: reader.shown(entry), error };
        if self.brokers.len() == MAX_BROKERS || self.refused.len() == MAX_BROKERS {
            let (what, count) = ("brokers", MAX_BROKERS + 1);
            let kind = UriErrorKind::TooMany { what, count, limit: MAX_BROKERS };
            let refused = refused(UriError::at(kind, at));
            self.refused.push(refused);
            return false;
        }
        let shown = reader.shown(entry);
        let bare = entry.split_once('?').map_or(entry, |(location, _)| location);
        let broker = match reader.read(entry, at) {
            Ok(broker) if weakens_tls(&broker) => {
                let instead = "a broker does not set this for its clients".to_owned();
                let (option, value) = ("verifyHostName".to_owned(), super::error::Shown::Nothing);
                let kind = UriErrorKind::Misplaced { option, value, instead };
                let error = UriError::at(kind, at);
                self.refused.push(RefusedBroker { text: shown, error });
                reader.read(bare, at).ok()
            }
            Ok(broker) => Some(broker),
            Err(error) => {
                self.refused.push(RefusedBroker { text: shown, error });
                reader.read(bare, at).ok()
            }
        };
        if let Some(broker) = broker.filter(|broker| !self.brokers.contains(broker)) {
            self.brokers.push(broker);
        }
        true
    }
}

/// True if the options of an entry say how certificates are checked or what TLS may speak.
fn weakens_tls(broker: &BrokerUri) -> bool {
    broker.settings().of(Space::Broker).any(|setting| {
        matches!(
            setting.row.name,
            "verifyHostName"
                | "socket.verifyHostName"
                | "socket.enabledProtocols"
                | "socket.enabledCipherSuites"
        )
    })
}
