//! JMS message selectors: a condition on headers and properties, in a subset of SQL-92.
//!
//! ```
//! use rewire_broker::selector::Selector;
//! use rewire_protocol::{Message, PrimitiveMap};
//!
//! let selector: Selector = "region IN ('eu', 'us') AND anvils BETWEEN 10 AND 20".parse()?;
//! let mut message = Message::default();
//! message.set_properties(&PrimitiveMap::from_iter([("anvils", 12)])).unwrap();
//! assert!(!selector.matches(&message)); // the region is unknown
//! # Ok::<(), rewire_broker::selector::SelectorError>(())
//! ```
//!
//! The rooms: `lexer` cuts the text into tokens, `parser` makes an expression of them, `eval` says what
//! it is worth for a message, `value` how values compare and compute, `like` matches patterns.

mod eval;
mod lexer;
mod like;
mod parser;
mod value;

use std::fmt;
use std::str::FromStr;

use rewire_protocol::Message;

use self::parser::Expression;
use self::value::Value;

/// The longest selector that is read, in bytes.
pub const MAX_LENGTH: usize = 64 << 10;
/// How deeply parentheses and operators may be nested.
pub const MAX_NESTING: usize = 200;

/// A condition on messages, read once and asked often.
#[derive(Clone, Debug)]
pub struct Selector {
    expression: Expression,
}

/// Why a text is no selector, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct SelectorError {
    /// What is wrong.
    pub problem: String,
    /// The byte of the text at which it was noticed.
    pub at: usize,
}

impl SelectorError {
    fn new(at: usize, problem: impl fmt::Display) -> Self {
        Self { problem: problem.to_string(), at }
    }
}

impl Selector {
    /// Whether a consumer with this selector gets the message. What is neither true nor false is no.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        matches!(self.expression.evaluate(message), Value::Boolean(true))
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.len() > MAX_LENGTH {
            let problem = format!("a selector has at most {MAX_LENGTH} bytes");
            return Err(SelectorError::new(MAX_LENGTH, problem));
        }
        Ok(Self { expression: parser::parse(text)? })
    }
}

/// What must hold for any text at all: called by a fuzz target and by the tests.
#[doc(hidden)]
pub fn fuzz(text: &str, message: &Message) {
    if let Ok(selector) = text.parse::<Selector>() {
        let matched = selector.matches(message);
        assert_eq!(matched, selector.matches(message), "a selector has no memory");
    }
}

#[cfg(test)]
mod tests;
