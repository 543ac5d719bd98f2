//! The grammar around brokers: scheme, parentheses, commas, and which query belongs to whom.
//!
//! ```text
//! uri    = "failover:" ["//"] ( "(" list ")" ["/" path] ["?" query] | list ) ["#" fragment]
//!        | broker
//! list   = [ broker *( "," broker ) [","] ]
//! broker = scheme "://" host ":" port ["/" host ":" port] ["?" query]
//!        | a failover URI, whose brokers join the list
//! ```

use super::broker::{BrokerReader, BrokerUri, Scheme};
use super::error::{UriError, UriErrorKind};
use super::lookup::Place;
use super::query::{Setting, Settings, Space, read};
use super::{MAX_BROKERS, MAX_NESTING, MAX_URI_LENGTH, too_long};

/// A URI taken apart.
pub(super) struct Composite {
    /// `None` is `failover`.
    pub(super) plain: Option<Scheme>,
    pub(super) brokers: Vec<BrokerUri>,
    /// Of failover, of the connection, and `nested.`.
    pub(super) settings: Settings,
    /// What was read and means nothing.
    pub(super) notes: Vec<String>,
}

/// Text and where it is in the whole.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Part<'a> {
    fn trim(self) -> Self {
        let text = self.text.trim_start();
        Self { text: text.trim_end(), at: self.at + self.text.len() - text.len() }
    }

    fn from(self, start: usize) -> Self {
        Self { text: &self.text[start..], at: self.at + start }
    }

    fn to(self, end: usize) -> Self {
        Self { text: &self.text[..end], at: self.at }
    }

    fn strip(self, prefix: &str) -> Option<Self> {
        self.text.strip_prefix(prefix).map(|text| Self { text, at: self.at + prefix.len() })
    }

    /// The text before and after the first `mark`.
    fn split(self, mark: char) -> (Self, Option<Self>) {
        match self.text.find(mark) {
            Some(found) => (self.to(found), Some(self.from(found + mark.len_utf8()))),
            None => (self, None),
        }
    }

    const fn error(&self, kind: UriErrorKind) -> UriError {
        UriError::at(kind, self.at)
    }
}

/// Takes a URI apart.
pub(super) fn parse(text: &str) -> Result<Composite, UriError> {
    if text.len() > MAX_URI_LENGTH {
        return Err(too_long(text.len()));
    }
    let mut parser = Parser {
        reader: BrokerReader::new(text, Place::LoneBroker),
        brokers: Vec::new(),
        settings: Settings::default(),
    };
    let (whole, fragment) = Part { text, at: 0 }.split('#');
    if fragment.is_some() {
        parser.reader.notes.push("what follows `#` means nothing; in a value write %23".to_owned());
    }
    let whole = whole.trim();
    let (scheme, rest) = parser.reader.scheme(whole.text).map_err(|kind| whole.error(kind))?;
    let plain = Scheme::find(scheme);
    match plain {
        None if scheme == "failover" => {
            let rest = whole.from(whole.text.len() - rest.len());
            parser.failover(rest, Place::Failover, 0)?;
        }
        None => return Err(whole.error(parser.reader.unknown_scheme(scheme))),
        Some(_) => parser.broker(whole, Place::LoneBroker)?,
    }
    let notes = parser.reader.notes;
    Ok(Composite { plain, brokers: parser.brokers, settings: parser.settings, notes })
}

struct Parser {
    reader: BrokerReader,
    brokers: Vec<BrokerUri>,
    settings: Settings,
}

impl Parser {
    /// Reads what follows `failover:`.
    fn failover(&mut self, rest: Part<'_>, place: Place, depth: usize) -> Result<(), UriError> {
        let rest = rest.trim();
        let rest = rest.strip("//").unwrap_or(rest).trim();
        if rest.text.is_empty() {
            return Err(rest.error(UriErrorKind::NoBrokers));
        }
        if depth > MAX_NESTING {
            return Err(rest.error(UriErrorKind::TooMany {
                what: "lists inside of lists",
                count: depth,
                limit: MAX_NESTING,
            }));
        }
        check_parentheses(rest)?;
        let Some(inside) = rest.strip("(") else {
            // Java: the whole text is the list, and a query is that of the last broker.
            return self.list(rest, Place::LoneBroker, depth);
        };
        let end = closing(inside)?;
        let query = self.after_list(inside.from(end + 1).trim())?;
        let before = self.brokers.len();
        self.list(inside.to(end), Place::Broker, depth)?;
        let Some(query) = query else { return Ok(()) };
        let mut settings = Settings::default();
        read(query.text.trim_end(), query.at, place, &mut settings, &mut self.reader.notes)?;
        if place == Place::InnerFailover {
            for broker in &mut self.brokers[before..] {
                for setting in settings.of(Space::Nested) {
                    let own = Setting { space: Space::Broker, ..setting.clone() };
                    broker.settings_mut().put(own);
                }
            }
        } else {
            self.settings.append(settings);
        }
        Ok(())
    }

    /// Finds the query after a list.
    fn after_list<'a>(&mut self, rest: Part<'a>) -> Result<Option<Part<'a>>, UriError> {
        let (path, query) = rest.split('?');
        if path.text.starts_with('/') {
            // Java takes a path here and makes nothing of it.
            self.reader.notes.push("the path after the list means nothing".to_owned());
        } else if !path.text.is_empty() {
            // Java takes this for a path too, so that a forgotten `?` silences all options.
            let text = self.reader.shown(rest.text);
            return Err(rest.error(UriErrorKind::AfterList { text }));
        }
        Ok(query)
    }

    /// Reads brokers between commas. The last of a list without parentheses stands at `last`.
    fn list(&mut self, list: Part<'_>, last: Place, depth: usize) -> Result<(), UriError> {
        let parts = split_list(list);
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            let part = part.trim();
            if part.text.is_empty() {
                // Java forgives one comma at the end; another leaves a broker that cannot exist.
                if index + 1 == count {
                    break;
                }
                return Err(part.error(UriErrorKind::EmptyBroker));
            }
            match part.strip("failover:") {
                Some(inner) => self.failover(inner, Place::InnerFailover, depth + 1)?,
                None if index + 1 == count => self.broker(part, last)?,
                None => self.broker(part, Place::Broker)?,
            }
        }
        Ok(())
    }

    fn broker(&mut self, part: Part<'_>, place: Place) -> Result<(), UriError> {
        self.reader.set_place(place);
        let broker = self.reader.read(part.text, part.at)?;
        self.settings.append(std::mem::take(&mut self.reader.jms));
        if self.brokers.contains(&broker) {
            self.reader.notes.push(format!("`{}` is listed more than once", broker.address()));
            return Ok(());
        }
        self.brokers.push(broker);
        if self.brokers.len() > MAX_BROKERS {
            let (what, count) = ("brokers", self.brokers.len());
            return Err(part.error(UriErrorKind::TooMany { what, count, limit: MAX_BROKERS }));
        }
        Ok(())
    }
}

/// Splits at the commas that are not in parentheses.
fn split_list(list: Part<'_>) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, byte) in list.text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(list.to(at).from(start));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(list.from(start));
    parts
}

/// Java counts the parentheses of the whole text, those in values as well.
fn check_parentheses(part: Part<'_>) -> Result<(), UriError> {
    let mut open = Vec::new();
    let mut spare = Vec::new();
    for (at, byte) in part.text.bytes().enumerate() {
        match byte {
            b'(' => open.push(at),
            b')' if open.pop().is_none() => spare.push(at),
            _ => {}
        }
    }
    let (parenthesis, at) = match open.len().cmp(&spare.len()) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Greater => ('(', open.first()),
        std::cmp::Ordering::Less => (')', spare.first()),
    };
    Err(part.from(at.copied().unwrap_or(0)).error(UriErrorKind::Unbalanced { parenthesis }))
}

/// Where the list ends whose `(` has been read.
fn closing(inside: Part<'_>) -> Result<usize, UriError> {
    let mut depth = 1_usize;
    for (at, byte) in inside.text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(inside.error(UriErrorKind::Unbalanced { parenthesis: '(' }))
}
