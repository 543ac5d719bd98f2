//! Queries: splitting and decoding, the options that come out, and writing them back.

use std::fmt;

use super::MAX_OPTIONS;
use super::declare::Row;
use super::error::{Shown, UriError, UriErrorKind, excerpt};
use super::lookup::{Missing, Place, find, nearest_of};
use super::value::{OptionValue, is_secret};

/// Whom an option speaks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// The failover transport.
    Failover,
    /// The one broker in whose query it stands.
    Broker,
    /// All brokers: `nested.`.
    Nested,
    /// The connection: `jms.`.
    Jms,
}

impl Space {
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Failover | Self::Broker => "",
            Self::Nested => "nested.",
            Self::Jms => "jms.",
        }
    }
}

/// One option that was given. No `Debug`: the value may be secret.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) space: Space,
    pub(super) row: &'static Row,
    pub(super) value: OptionValue,
}

impl Setting {
    /// The name as it stands in a URI.
    pub(super) fn name(&self) -> String {
        format!("{}{}", self.space.prefix(), self.row.name)
    }

    /// The value without what is secret in it.
    pub(super) fn shown_value(&self) -> OptionValue {
        match &self.value {
            OptionValue::Text(_) if is_secret(self.row.name) => OptionValue::Text("***".into()),
            OptionValue::Text(text) => OptionValue::Text(without_secrets(text)),
            OptionValue::Absent
            | OptionValue::Bool(_)
            | OptionValue::Integer(_)
            | OptionValue::Float(_)
            | OptionValue::List(_) => self.value.clone(),
        }
    }
}

/// Options in the order given, each at most once.
#[derive(Clone, Default)]
pub(super) struct Settings(Vec<Setting>);

impl Settings {
    /// Parts the options of one space from the others.
    pub(super) fn split(self, space: Space) -> (Self, Self) {
        let (inside, outside) = self.0.into_iter().partition(|setting| setting.space == space);
        (Self(inside), Self(outside))
    }

    /// Adds an option. Of one given twice the last holds, as in Java; true says that it was.
    pub(super) fn put(&mut self, new: Setting) -> bool {
        let before = self.0.len();
        self.0.retain(|old| old.space != new.space || old.row.name != new.row.name);
        let replaced = self.0.len() < before;
        self.0.push(new);
        replaced
    }

    pub(super) fn append(&mut self, more: Self) {
        for setting in more.0 {
            self.put(setting);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    pub(super) fn of(&self, space: Space) -> impl Iterator<Item = &Setting> {
        self.0.iter().filter(move |setting| setting.space == space)
    }

    pub(super) fn get(&self, space: Space, row: &Row) -> Option<&Setting> {
        self.of(space).find(|setting| setting.row.name == row.name)
    }

    /// Writes `?a=b&c=d`, or continues a query with `&`.
    pub(super) fn write(
        &self,
        f: &mut dyn fmt::Write,
        mut separator: char,
        with_secrets: bool,
    ) -> fmt::Result {
        for setting in &self.0 {
            f.write_char(separator)?;
            separator = '&';
            write!(f, "{}=", setting.name())?;
            let value = if with_secrets { setting.value.clone() } else { setting.shown_value() };
            encode(f, &value.to_string())?;
        }
        Ok(())
    }
}

/// Reads a query into options. `at` is where it starts in the whole text.
pub(super) fn read(
    query: &str,
    at: usize,
    place: Place,
    settings: &mut Settings,
    notes: &mut Vec<String>,
) -> Result<(), UriError> {
    let mut at = at;
    let mut after_secret = false;
    // Java's `split` forgives `&` at the end, and only there.
    let query = query.trim_end_matches('&');
    let count = query.split('&').count();
    if count > MAX_OPTIONS {
        let what = "options";
        return Err(UriError::at(UriErrorKind::TooMany { what, count, limit: MAX_OPTIONS }, at));
    }
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        let setting =
            read_pair(pair, place, after_secret).map_err(|kind| UriError::at(kind, at))?;
        after_secret = is_secret(setting.row.name);
        let name = setting.name();
        if settings.put(setting) {
            notes.push(format!("`{name}` is given more than once: the last one holds"));
        }
        at += pair.len() + 1;
    }
    Ok(())
}

fn read_pair(pair: &str, place: Place, after_secret: bool) -> Result<Setting, UriErrorKind> {
    let (raw_name, raw_value) = match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    };
    if raw_name.is_empty() {
        return Err(UriErrorKind::NoName);
    }
    let option = if find(place, raw_name).is_ok() { raw_name.to_owned() } else { String::new() };
    let decoded = |raw| {
        decode(raw).map_err(|problem| UriErrorKind::BadText { problem, option: option.clone() })
    };
    let name = decoded(raw_name)?;
    let value = raw_value.map(decoded).transpose()?;
    // Java takes what follows the last `?`, and forgets what is before it.
    if name.contains('?') && !after_secret {
        return Err(UriErrorKind::BadText {
            problem: "a second `?`: options are separated by `&`",
            option,
        });
    }
    interpret(place, &name, value.as_deref(), after_secret)
}

/// Finds the option a name means and reads its value.
pub(super) fn interpret(
    place: Place,
    name: &str,
    value: Option<&str>,
    after_secret: bool,
) -> Result<Setting, UriErrorKind> {
    let (space, row) = find(place, name).map_err(|missing| {
        // After a password, an option nobody knows may be the rest of it.
        let hide = after_secret && matches!(missing, Missing::Nowhere(None));
        unknown(if hide { "***" } else { name }, value, missing)
    })?;
    let option = format!("{}{}", space.prefix(), row.name);
    match value {
        None => Err(UriErrorKind::NoValue { option, expected: row.shape.expected() }),
        Some("") if !row.shape.takes_empty() => {
            Err(UriErrorKind::NoValue { option, expected: row.shape.expected() })
        }
        Some(text) => match row.shape.read(text) {
            Ok(value) => Ok(Setting { space, row, value }),
            Err(expected) => {
                let value = show(row.name, Some(text));
                Err(UriErrorKind::BadValue { option, value, expected })
            }
        },
    }
}

fn unknown(name: &str, value: Option<&str>, missing: Missing) -> UriErrorKind {
    let option = excerpt(name);
    match missing {
        Missing::Elsewhere(instead) => {
            UriErrorKind::Misplaced { option, value: show(name, value), instead }
        }
        Missing::Nowhere(nearest) => {
            let last = name.rsplit('.').next().unwrap_or_default();
            let near_secret = nearest.as_deref().is_some_and(is_secret)
                || nearest_of(last, &["password"]).is_some();
            let value = match value {
                Some(_) if near_secret || name == "***" => Shown::Hidden,
                Some(_) | None => show(name, value),
            };
            UriErrorKind::UnknownOption { option, value, nearest }
        }
    }
}

fn show(name: &str, value: Option<&str>) -> Shown {
    match value {
        None => Shown::Nothing,
        Some(value) if is_secret(name) || value.contains('@') => Shown::Hidden,
        Some(value) => Shown::Text(excerpt(value)),
    }
}

/// What a URL shows of itself: user and password of a server are left out, and a query that has a
/// secret in it.
fn without_secrets(text: &str) -> String {
    let Some(start) = text.find("://").map(|colon| colon + 3) else { return text.to_owned() };
    let (location, query) = text.split_at(text.find('?').unwrap_or(text.len()).max(start));
    let query = if is_secret(query) { "?***" } else { query };
    // A password may have a slash in it that should have been encoded: better hide too much.
    match location[start..].rfind('@').map(|found| start + found) {
        Some(found) => format!("{}***{}{query}", &location[..start], &location[found..]),
        None => format!("{location}{query}"),
    }
}

/// Decodes as an HTML form does: `+` is a space, as in Java.
///
/// Java decodes the options of a plain broker twice; here everything is decoded once.
fn decode(raw: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = match *tail {
                    [high, low, ..] => hex(high).zip(hex(low)),
                    _ => None,
                };
                let (high, low) = digits.ok_or("a `%` without two hexadecimal digits")?;
                bytes.push(high * 16 + low);
                rest = &tail[2..];
            }
            0..=b' ' | 0x7f => return Err("white space or a control character"),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| "what `%` encodes is not UTF-8")
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Encodes so that the text stands anywhere in a URI, between parentheses and commas too.
fn encode(f: &mut dyn fmt::Write, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => f.write_char(char::from(byte))?,
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'*' | b'!' | b'@' => {
                f.write_char(char::from(byte))?;
            }
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}
