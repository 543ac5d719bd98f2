//! The value of an option: read from text, checked, and written back.

use std::fmt;

use super::broker::BrokerUri;
use super::declare::{Kind, Shape, Unit};

/// The value of an option, of the type the option has.
///
/// Durations are whole milliseconds and sizes bytes, as Java writes them; the option's
/// [`Unit`](super::Unit) says which.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue {
    /// Not set, and nothing is assumed.
    Absent,
    /// A flag.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
    /// Texts in order.
    List(Vec<String>),
}

impl OptionValue {
    /// The flag, if it is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            Self::Absent | Self::Integer(_) | Self::Float(_) | Self::Text(_) | Self::List(_) => {
                None
            }
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub const fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Absent | Self::Bool(_) | Self::Float(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The number, if it is one with a fraction.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Absent | Self::Bool(_) | Self::Integer(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub const fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Absent | Self::Bool(_) | Self::Integer(_) | Self::Float(_) | Self::List(_) => {
                None
            }
        }
    }

    /// The texts, if it is a list.
    #[must_use]
    pub const fn as_list(&self) -> Option<&[String]> {
        match self {
            Self::List(texts) => Some(texts.as_slice()),
            Self::Absent | Self::Bool(_) | Self::Integer(_) | Self::Float(_) | Self::Text(_) => {
                None
            }
        }
    }
}

/// As in a URI before encoding; a list is joined with commas.
impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Bool(flag) => flag.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::List(texts) => f.write_str(&texts.join(",")),
        }
    }
}

impl Shape {
    /// Reads a value. The error says what is expected instead.
    ///
    /// Java takes every text but `true` as false. Here `randomize=maybe` is an error.
    pub(super) fn read(&self, text: &str) -> Result<OptionValue, String> {
        let value = match self.kind {
            Kind::Flag if text.eq_ignore_ascii_case("true") => OptionValue::Bool(true),
            Kind::Flag if text.eq_ignore_ascii_case("false") => OptionValue::Bool(false),
            Kind::Flag => return Err(self.expected()),
            Kind::Integer { .. } => {
                OptionValue::Integer(text.parse().map_err(|_| self.expected())?)
            }
            Kind::Float { .. } => OptionValue::Float(text.parse().map_err(|_| self.expected())?),
            Kind::DiffServ => match text.parse() {
                Ok(number) => OptionValue::Integer(number),
                Err(_) => OptionValue::Text(text.to_owned()),
            },
            Kind::Text { .. } => OptionValue::Text(text.to_owned()),
            Kind::TextList | Kind::Brokers => OptionValue::List(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Checks a value that is of the right type already. The error says what is expected instead.
    pub(super) fn check(&self, value: &OptionValue) -> Result<(), String> {
        let good = match (self.kind, value) {
            (Kind::Integer { min, max }, OptionValue::Integer(number)) => {
                (min..=max).contains(number)
            }
            (Kind::Float { min, max }, OptionValue::Float(number)) => (min..=max).contains(number),
            (Kind::DiffServ, OptionValue::Integer(number)) => (0..=63).contains(number),
            (Kind::DiffServ, OptionValue::Text(name)) => diff_serv(name).is_some(),
            (Kind::Brokers, OptionValue::List(brokers)) => {
                let bad = brokers.iter().find_map(|broker| BrokerUri::parse(broker).err());
                match bad {
                    // The address may be cut in the middle of a password with a comma in it.
                    Some(_) if brokers.iter().any(|broker| broker.contains('@')) => false,
                    Some(error) => return Err(format!("{} ({})", self.expected(), error.kind)),
                    None => true,
                }
            }
            // Nothing more is asked of a flag or a text, and fields have their type already.
            _ => true,
        };
        if good { Ok(()) } else { Err(self.expected()) }
    }

    /// What the option takes, in words.
    pub(super) fn expected(&self) -> String {
        match self.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Integer { min, max } => {
                let unit = match self.unit {
                    Unit::Milliseconds => " of milliseconds",
                    Unit::Seconds => " of seconds",
                    Unit::Bytes => " of bytes",
                    Unit::Passes => " of passes",
                    Unit::None | Unit::Count => "",
                };
                let range = match (min, max) {
                    (i64::MIN, _) => String::new(),
                    (_, i64::MAX) => format!(" from {min} up"),
                    _ => format!(" from {min} to {max}"),
                };
                format!("a whole number{unit}{range}")
            }
            Kind::Float { min, .. } if min <= f64::MIN => "a number".to_owned(),
            Kind::Float { min, max } if max >= f64::MAX => format!("a number from {min} up"),
            Kind::Float { min, max } => format!("a number from {min} to {max}"),
            Kind::Text { .. } => "a text".to_owned(),
            Kind::TextList => "texts separated by commas".to_owned(),
            Kind::Brokers => "brokers separated by commas".to_owned(),
            Kind::DiffServ => {
                "a number from 0 to 63 or a name (CS0 to CS7, AF11 to AF43, EF)".to_owned()
            }
        }
    }

    /// True if nothing at all after `=` is a value.
    pub(super) const fn takes_empty(&self) -> bool {
        match self.kind {
            Kind::Text { may_be_empty } => may_be_empty,
            Kind::TextList | Kind::Brokers => true,
            Kind::Flag | Kind::Integer { .. } | Kind::Float { .. } | Kind::DiffServ => false,
        }
    }
}

/// The code point of a name of differentiated services: `CS0`..`CS7`, `AF11`..`AF43`, `EF`.
pub(super) fn diff_serv(name: &str) -> Option<u8> {
    match *name.as_bytes() {
        [b'E', b'F'] => Some(46),
        [b'C', b'S', class @ b'0'..=b'7'] => Some((class - b'0') * 8),
        [b'A', b'F', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => {
            Some((class - b'0') * 8 + (drop - b'0') * 2)
        }
        _ => None,
    }
}

/// True if a value under this name is not to be shown: anything that smells of a password.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token", "credential"].iter().any(|word| name.contains(word))
}
