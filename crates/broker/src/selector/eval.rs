//! What an expression is worth for a message: three-valued logic, headers and properties.

use std::borrow::Cow;

use rewire_protocol::{Limits, Message, Str};

use super::parser::{Comparison, Expression};
use super::value::Value;

impl Expression {
    pub(super) fn evaluate<'a>(&'a self, message: &'a Message) -> Value<'a> {
        match self {
            Self::Name(name) => look_up(name, message),
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Integer(value) => Value::Integer(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Not(inner) => inner.evaluate(message).truth().map(|truth| !truth).into(),
            Self::Negate(inner) => inner.evaluate(message).negate(),
            Self::And(left, right) => match left.evaluate(message).truth() {
                Some(false) => Value::Boolean(false),
                left => match (left, right.evaluate(message).truth()) {
                    (_, Some(false)) => Value::Boolean(false),
                    (Some(true), Some(true)) => Value::Boolean(true),
                    _ => Value::Unknown,
                },
            },
            Self::Or(left, right) => match left.evaluate(message).truth() {
                Some(true) => Value::Boolean(true),
                left => match (left, right.evaluate(message).truth()) {
                    (_, Some(true)) => Value::Boolean(true),
                    (Some(false), Some(false)) => Value::Boolean(false),
                    _ => Value::Unknown,
                },
            },
            Self::Compare(comparison, left, right) => {
                let (left, right) = (left.evaluate(message), right.evaluate(message));
                left.compare(*comparison, &right).into()
            }
            Self::Compute(operation, left, right) => {
                let (left, right) = (left.evaluate(message), right.evaluate(message));
                left.compute(*operation, &right)
            }
            Self::Between { value, low, high } => {
                let value = value.evaluate(message);
                let above = value.compare(Comparison::GreaterOrEqual, &low.evaluate(message));
                let below = value.compare(Comparison::LessOrEqual, &high.evaluate(message));
                match (above, below) {
                    (Some(false), _) | (_, Some(false)) => Value::Boolean(false),
                    (Some(true), Some(true)) => Value::Boolean(true),
                    _ => Value::Unknown,
                }
            }
            Self::Like { value, pattern } => match value.evaluate(message) {
                Value::Unknown => Value::Unknown,
                Value::Text(text) => Value::Boolean(pattern.matches(&text)),
                Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => Value::Boolean(false),
            },
            Self::In { value, texts } => match value.evaluate(message) {
                Value::Unknown => Value::Unknown,
                Value::Text(text) => Value::Boolean(texts.iter().any(|known| *known == text)),
                Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => Value::Boolean(false),
            },
            Self::IsNull(inner) => Value::Boolean(inner.evaluate(message) == Value::Unknown),
        }
    }
}

/// A header by its JMS name, or a property.
fn look_up<'a>(name: &str, message: &'a Message) -> Value<'a> {
    let text = |text: &'a Option<Str>| {
        text.as_ref().map_or(Value::Unknown, |text| Value::Text(text.to_str()))
    };
    let shown =
        |shown: Option<String>| shown.map_or(Value::Unknown, |text| Value::Text(Cow::Owned(text)));
    match name {
        "JMSMessageID" => shown(message.message_id.as_ref().map(ToString::to_string)),
        "JMSCorrelationID" => text(&message.correlation_id),
        "JMSType" => text(&message.message_type),
        "JMSXGroupID" => text(&message.group_id),
        "JMSXUserID" => text(&message.user_id),
        "JMSDestination" => shown(message.destination.as_ref().map(ToString::to_string)),
        "JMSReplyTo" => shown(message.reply_to.as_ref().map(ToString::to_string)),
        "JMSDeliveryMode" => {
            let mode = if message.persistent { "PERSISTENT" } else { "NON_PERSISTENT" };
            Value::Text(Cow::Borrowed(mode))
        }
        "JMSPriority" => Value::Integer(message.priority.into()),
        "JMSTimestamp" => Value::Integer(message.timestamp),
        "JMSExpiration" => Value::Integer(message.expiration),
        "JMSRedelivered" => Value::Boolean(message.redelivery_counter > 0),
        "JMSXDeliveryCount" => Value::Integer(i64::from(message.redelivery_counter) + 1),
        "JMSXGroupSeq" => Value::Integer(message.group_sequence.into()),
        "JMSXGroupFirstForConsumer" => Value::Boolean(message.jmsx_group_first_for_consumer),
        "JMSActiveMQBrokerInTime" => Value::Integer(message.broker_in_time),
        "JMSActiveMQBrokerOutTime" => Value::Integer(message.broker_out_time),
        // What cannot be read has no properties.
        name => match message.property(name, &Limits::DEFAULT) {
            Ok(Some(value)) => value.into(),
            Ok(None) | Err(_) => Value::Unknown,
        },
    }
}
