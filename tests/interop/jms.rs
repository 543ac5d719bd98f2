//! Between a message as the Java programs describe it and a message of the client.

use std::collections::BTreeMap;

use rewire::{Body, Destination, Message, Primitive, PrimitiveMap, Str, parse_destination};
use rewire_test_support::{Body as JmsBody, JmsMessage, Typed};

/// The message that an application would build for this description.
pub(crate) fn to_message(jms: &JmsMessage) -> Message {
    let mut message = Message::new(to_body(&jms.body))
        .compressed(jms.compressed)
        .persistent(jms.persistent)
        .priority(jms.priority);
    for (name, value) in &jms.properties {
        message = message.property(name.as_str(), to_primitive(value));
    }
    if let Some(id) = &jms.correlation_id {
        message = message.correlation_id(id.as_str());
    }
    if let Some(reply_to) = &jms.reply_to {
        message = message.reply_to(parse_destination(reply_to).unwrap());
    }
    if let Some(jms_type) = &jms.jms_type {
        message = message.message_type(jms_type.as_str());
    }
    if jms.ttl_ms > 0 {
        message = message.time_to_live(std::time::Duration::from_millis(jms.ttl_ms));
    }
    message
}

/// The description of a message that came.
pub(crate) fn from_message(message: &Message) -> JmsMessage {
    let headers = message.headers();
    let text = |text: &Option<Str>| text.as_ref().map(ToString::to_string);
    let lives = headers.expiration - headers.timestamp;
    JmsMessage {
        properties: from_map(&message.properties().unwrap()),
        correlation_id: text(&headers.correlation_id),
        reply_to: headers.reply_to.as_ref().map(Destination::to_string),
        jms_type: text(&headers.message_type),
        priority: u8::try_from(headers.priority).unwrap(),
        ttl_ms: if headers.expiration == 0 { 0 } else { u64::try_from(lives).unwrap() },
        persistent: headers.persistent,
        compressed: headers.compressed,
        ..JmsMessage::new(from_body(message.body().unwrap()))
    }
}

fn to_body(body: &JmsBody) -> Body {
    match body {
        JmsBody::Message => Body::Message,
        JmsBody::Text(Typed::Null) => Body::Text(None),
        JmsBody::Text(text) => match to_primitive(text) {
            Primitive::String(text) => Body::Text(Some(text)),
            other => panic!("not a text: {other:?}"),
        },
        JmsBody::Bytes(bytes) => Body::Bytes(bytes.clone().into()),
        JmsBody::Map(map) => Body::Map(to_map(map)),
        JmsBody::Stream(values) => Body::Stream(values.iter().map(to_primitive).collect()),
        JmsBody::Serialized(bytes) => Body::Object(Some(bytes.clone().into())),
        JmsBody::Written(_) | JmsBody::Object(_) | JmsBody::Blob { .. } => {
            panic!("only Java writes {body:?}")
        }
    }
}

fn from_body(body: Body) -> JmsBody {
    match body {
        Body::Message | Body::Blob => JmsBody::Message,
        Body::Text(None) => JmsBody::Text(Typed::Null),
        Body::Text(Some(text)) => JmsBody::Text(from_primitive(&Primitive::String(text))),
        Body::Bytes(bytes) => JmsBody::Bytes(bytes.to_vec()),
        Body::Map(map) => JmsBody::Map(from_map(&map)),
        Body::Stream(values) => JmsBody::Stream(values.iter().map(from_primitive).collect()),
        Body::Object(bytes) => JmsBody::Serialized(bytes.unwrap_or_default().to_vec()),
    }
}

fn to_map(map: &BTreeMap<String, Typed>) -> PrimitiveMap {
    map.iter().map(|(name, value)| (name.as_str(), to_primitive(value))).collect()
}

fn from_map(map: &PrimitiveMap) -> BTreeMap<String, Typed> {
    map.iter().map(|(name, value)| (name.to_string(), from_primitive(value))).collect()
}

fn to_primitive(value: &Typed) -> Primitive {
    match value {
        Typed::Null => Primitive::Null,
        Typed::Boolean(value) => Primitive::Boolean(*value),
        Typed::Byte(value) => Primitive::Byte(*value),
        Typed::Char(unit) => Primitive::Char(*unit),
        Typed::Short(value) => Primitive::Short(*value),
        Typed::Int(value) => Primitive::Int(*value),
        Typed::Long(value) => Primitive::Long(*value),
        Typed::Float(bits) => Primitive::Float(f32::from_bits(*bits)),
        Typed::Double(bits) => Primitive::Double(f64::from_bits(*bits)),
        Typed::String(text) => Primitive::String(text.as_str().into()),
        Typed::Utf16(units) => Primitive::String(Str::from_utf16(units)),
        Typed::Bytes(bytes) => Primitive::Bytes(bytes.clone().into()),
        Typed::Map(map) => Primitive::Map(to_map(map)),
        Typed::List(list) => Primitive::List(list.iter().map(to_primitive).collect()),
    }
}

fn from_primitive(value: &Primitive) -> Typed {
    match value {
        Primitive::Null => Typed::Null,
        Primitive::Boolean(value) => Typed::Boolean(*value),
        Primitive::Byte(value) => Typed::Byte(*value),
        Primitive::Char(unit) => Typed::Char(*unit),
        Primitive::Short(value) => Typed::Short(*value),
        Primitive::Int(value) => Typed::Int(*value),
        Primitive::Long(value) => Typed::Long(*value),
        Primitive::Float(value) => Typed::Float(value.to_bits()),
        Primitive::Double(value) => Typed::Double(value.to_bits()),
        Primitive::String(text) => {
            let units: Vec<u16> = text.utf16().collect();
            String::from_utf16(&units).map_or(Typed::Utf16(units), Typed::String)
        }
        Primitive::Bytes(bytes) => Typed::Bytes(bytes.to_vec()),
        Primitive::Map(map) => Typed::Map(from_map(map)),
        Primitive::List(list) => Typed::List(list.iter().map(from_primitive).collect()),
    }
}
