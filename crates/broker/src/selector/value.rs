//! `Value`: what an expression is worth for one message, and how such values compare and compute.

use std::borrow::Cow;
use std::cmp::Ordering;

use rewire_protocol::Primitive;

use super::parser::{Comparison, Operation};

/// A value, or none: what SQL calls unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Unknown,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
}

impl From<Primitive> for Value<'_> {
    fn from(primitive: Primitive) -> Self {
        match primitive {
            Primitive::Boolean(value) => Self::Boolean(value),
            Primitive::Byte(value) => Self::Integer(value.into()),
            Primitive::Short(value) => Self::Integer(value.into()),
            Primitive::Int(value) => Self::Integer(value.into()),
            Primitive::Long(value) => Self::Integer(value),
            Primitive::Float(value) => Self::Float(value.into()),
            Primitive::Double(value) => Self::Float(value),
            Primitive::String(text) => Self::Text(Cow::Owned(text.to_str().into_owned())),
            Primitive::Null
            | Primitive::Char(_)
            | Primitive::Bytes(_)
            | Primitive::Map(_)
            | Primitive::List(_) => Self::Unknown,
        }
    }
}

impl From<Option<bool>> for Value<'_> {
    fn from(value: Option<bool>) -> Self {
        value.map_or(Self::Unknown, Self::Boolean)
    }
}

/// A number that both sides can be, if they are numbers.
enum Numbers {
    Integers(i64, i64),
    Floats(f64, f64),
}

#[expect(clippy::cast_precision_loss, reason = "Java promotes a long to a double likewise")]
fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Numbers> {
    Some(match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => Numbers::Integers(*a, *b),
        (Value::Integer(a), Value::Float(b)) => Numbers::Floats(*a as f64, *b),
        (Value::Float(a), Value::Integer(b)) => Numbers::Floats(*a, *b as f64),
        (Value::Float(a), Value::Float(b)) => Numbers::Floats(*a, *b),
        _ => return None,
    })
}

impl<'a> Value<'a> {
    pub(super) fn truth(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// Unknown if either side is. Java: values of different kinds are not equal, and neither is less.
    pub(super) fn compare(&self, comparison: Comparison, other: &Self) -> Option<bool> {
        let order = match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => return None,
            (Self::Boolean(a), Self::Boolean(b)) if a == b => Some(Ordering::Equal),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (left, right) => match numbers(left, right) {
                Some(Numbers::Integers(a, b)) => Some(a.cmp(&b)),
                Some(Numbers::Floats(a, b)) => a.partial_cmp(&b),
                None => None,
            },
        };
        Some(match comparison {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::NotEqual => order != Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        })
    }

    /// Java: a string takes anything behind it with `+`, and a division is never one of integers.
    pub(super) fn compute(&self, operation: Operation, other: &Self) -> Self {
        if let (Operation::Add, Self::Text(text)) = (operation, self) {
            let Some(more) = other.to_text() else { return Self::Unknown };
            return Self::Text(Cow::Owned(format!("{text}{more}")));
        }
        match (operation, numbers(self, other)) {
            (_, None) => Self::Unknown,
            (Operation::Add, Some(Numbers::Integers(a, b))) => Self::Integer(a.wrapping_add(b)),
            (Operation::Subtract, Some(Numbers::Integers(a, b))) => {
                Self::Integer(a.wrapping_sub(b))
            }
            (Operation::Multiply, Some(Numbers::Integers(a, b))) => {
                Self::Integer(a.wrapping_mul(b))
            }
            (Operation::Modulo, Some(Numbers::Integers(a, b))) => {
                if b == 0 {
                    Self::Unknown
                } else {
                    Self::Integer(a.wrapping_rem(b))
                }
            }
            (operation, Some(numbers)) => {
                let (a, b) = numbers.into_floats();
                Self::Float(match operation {
                    Operation::Add => a + b,
                    Operation::Subtract => a - b,
                    Operation::Multiply => a * b,
                    Operation::Divide => a / b,
                    Operation::Modulo => a % b,
                })
            }
        }
    }

    pub(super) fn negate(self) -> Self {
        match self {
            Self::Integer(value) => Self::Integer(value.wrapping_neg()),
            Self::Float(value) => Self::Float(-value),
            Self::Unknown | Self::Boolean(_) | Self::Text(_) => Self::Unknown,
        }
    }

    fn to_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Unknown => return None,
            Self::Boolean(value) => Cow::Owned(value.to_string()),
            Self::Integer(value) => Cow::Owned(value.to_string()),
            Self::Float(value) => Cow::Owned(value.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
        })
    }
}

impl Numbers {
    #[expect(clippy::cast_precision_loss, reason = "Java promotes a long to a double likewise")]
    fn into_floats(self) -> (f64, f64) {
        match self {
            Self::Integers(a, b) => (a as f64, b as f64),
            Self::Floats(a, b) => (a, b),
        }
    }
}
