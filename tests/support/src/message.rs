//! A JMS message as the Java programs `SendAll` and `ReceiveAll` read and print it: JSON lines.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

/// A value with its Java type. Equality is that of bits: two floats are equal as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// `null`.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `byte`.
    Byte(i8),
    /// `char`: one UTF-16 code unit.
    Char(u16),
    /// `short`.
    Short(i16),
    /// `int`.
    Int(i32),
    /// `long`.
    Long(i64),
    /// The bits of a `float`.
    Float(u32),
    /// The bits of a `double`.
    Double(u64),
    /// A `String` that is valid Unicode.
    String(String),
    /// The code units of a `String` with a lone surrogate, which JSON readers refuse.
    Utf16(Vec<u16>),
    /// `byte[]`.
    Bytes(Vec<u8>),
    /// A `Map` from strings.
    Map(BTreeMap<String, Self>),
    /// A `List`.
    List(Vec<Self>),
}

/// What a message carries, which is also what type it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `Message`: nothing.
    Message,
    /// `TextMessage`: [`Typed::String`], [`Typed::Utf16`] or [`Typed::Null`].
    Text(Typed),
    /// `BytesMessage`, as a whole.
    Bytes(Vec<u8>),
    /// `BytesMessage`, as values written one after the other; received so with `--layout`.
    Written(Vec<Typed>),
    /// `MapMessage`.
    Map(BTreeMap<String, Typed>),
    /// `StreamMessage`.
    Stream(Vec<Typed>),
    /// `ObjectMessage` with a value of a class of Java's own.
    Object(Typed),
    /// `ObjectMessage` with these bytes for the serialized object; only to send.
    Serialized(Vec<u8>),
    /// `BlobMessage`.
    Blob {
        /// Where the blob is.
        url: String,
        /// What it holds.
        mime_type: Option<String>,
        /// Whether the broker deletes it.
        deleted_by_broker: bool,
    },
}

/// A message with everything a sender decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JmsMessage {
    /// Type and content.
    pub body: Body,
    /// Properties, without the `JMSX` ones.
    pub properties: BTreeMap<String, Typed>,
    /// `JMSCorrelationID`.
    pub correlation_id: Option<String>,
    /// `JMSReplyTo`, qualified: `queue://ANSWERS`.
    pub reply_to: Option<String>,
    /// `JMSType`.
    pub jms_type: Option<String>,
    /// `JMSPriority`.
    pub priority: u8,
    /// Milliseconds until it expires; 0 for never.
    pub ttl_ms: u64,
    /// `JMSDeliveryMode`.
    pub persistent: bool,
    /// `JMSXGroupID` and `JMSXGroupSeq`.
    pub group: Option<(String, i32)>,
    /// Whether the content is compressed on the wire.
    pub compressed: bool,
}

/// What a message was given on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// `JMSMessageID`.
    pub message_id: String,
    /// Where it was sent to, qualified.
    pub destination: String,
    /// `JMSTimestamp`.
    pub timestamp: i64,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The bytes of the serialized object, of an object message that is not compressed.
    pub serialized: Option<Vec<u8>>,
}

impl Typed {
    /// A `float`.
    #[must_use]
    pub fn float(value: f32) -> Self {
        Self::Float(value.to_bits())
    }

    /// A `double`.
    #[must_use]
    pub fn double(value: f64) -> Self {
        Self::Double(value.to_bits())
    }

    /// A `String`.
    #[must_use]
    pub fn string(value: &str) -> Self {
        Self::String(value.to_owned())
    }

    /// As JSON: an object of one field, named after the type.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(value) => json!({ "boolean": value }),
            Self::Byte(value) => json!({ "byte": value }),
            Self::Char(value) => json!({ "char": value }),
            Self::Short(value) => json!({ "short": value }),
            Self::Int(value) => json!({ "int": value }),
            Self::Long(value) => json!({ "long": value }),
            Self::Float(bits) => json!({ "float": format!("{bits:08x}") }),
            Self::Double(bits) => json!({ "double": format!("{bits:016x}") }),
            Self::String(value) => json!({ "string": value }),
            Self::Utf16(units) => {
                json!({ "utf16": units.iter().map(|unit| format!("{unit:04x}")).collect::<String>() })
            }
            Self::Bytes(bytes) => json!({ "bytes": hex(bytes) }),
            Self::Map(entries) => json!({ "map": object(entries) }),
            Self::List(items) => json!({ "list": array(items) }),
        }
    }

    /// From JSON.
    ///
    /// # Panics
    ///
    /// When it is not a value as [`to_json`](Self::to_json) writes it.
    #[must_use]
    pub fn from_json(json: &Value) -> Self {
        if json.is_null() {
            return Self::Null;
        }
        Self::read(json).unwrap_or_else(|| panic!("not a typed value: {json}"))
    }

    fn read(json: &Value) -> Option<Self> {
        let (name, value) = json.as_object()?.iter().next()?;
        let number = || value.as_i64();
        Some(match name.as_str() {
            "boolean" => Self::Boolean(value.as_bool()?),
            "byte" => Self::Byte(number()?.try_into().ok()?),
            "char" => Self::Char(number()?.try_into().ok()?),
            "short" => Self::Short(number()?.try_into().ok()?),
            "int" => Self::Int(number()?.try_into().ok()?),
            "long" => Self::Long(number()?),
            "float" => Self::Float(u32::from_str_radix(value.as_str()?, 16).ok()?),
            "double" => Self::Double(u64::from_str_radix(value.as_str()?, 16).ok()?),
            "string" => Self::String(value.as_str()?.to_owned()),
            "utf16" => Self::Utf16(units(value.as_str()?)?),
            "bytes" => Self::Bytes(unhex(value.as_str()?)?),
            "map" => Self::Map(read_object(value)?),
            "list" => Self::List(read_array(value)?),
            _unknown => return None,
        })
    }
}

impl JmsMessage {
    /// A message with this body, and what JMS makes the default of everything else.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self {
            body,
            properties: BTreeMap::new(),
            correlation_id: None,
            reply_to: None,
            jms_type: None,
            priority: 4,
            ttl_ms: 0,
            persistent: true,
            group: None,
            compressed: false,
        }
    }

    /// A text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Body::Text(Typed::string(text)))
    }

    /// A bytes message.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::new(Body::Bytes(bytes.to_vec()))
    }

    /// Adds a property.
    #[must_use]
    pub fn property(mut self, name: &str, value: Typed) -> Self {
        self.properties.insert(name.to_owned(), value);
        self
    }

    /// From a line that `ReceiveAll` printed.
    ///
    /// # Panics
    ///
    /// When it is not such a line.
    #[must_use]
    pub fn from_json(line: &Value) -> (Self, Received) {
        Self::read(line).unwrap_or_else(|| panic!("not a message: {line}"))
    }

    /// As a line for `SendAll`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (kind, body) = self.body.to_json();
        json!({
            "type": kind,
            "body": body,
            "compressed": self.compressed,
            "properties": object(&self.properties),
            "headers": {
                "correlationId": self.correlation_id,
                "replyTo": self.reply_to,
                "type": self.jms_type,
                "priority": self.priority,
                "ttl": self.ttl_ms,
                "persistent": self.persistent,
                "groupID": self.group.as_ref().map(|(id, _)| id),
                "groupSequence": self.group.as_ref().map_or(0, |(_, sequence)| *sequence),
            },
        })
    }

    fn read(line: &Value) -> Option<(Self, Received)> {
        let (headers, received) = (&line["headers"], &line["received"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let sequence = headers["groupSequence"].as_i64()?.try_into().ok()?;
        let message = Self {
            body: Body::read(line["type"].as_str()?, &line["body"])?,
            properties: read_object(&line["properties"])?,
            correlation_id: text(&headers["correlationId"]),
            reply_to: text(&headers["replyTo"]),
            jms_type: text(&headers["type"]),
            priority: headers["priority"].as_u64()?.try_into().ok()?,
            ttl_ms: headers["ttl"].as_u64()?,
            persistent: headers["persistent"].as_bool()?,
            group: text(&headers["groupID"]).map(|id| (id, sequence)),
            compressed: line["compressed"].as_bool()?,
        };
        let received = Received {
            message_id: text(&received["messageId"])?,
            destination: text(&received["destination"])?,
            timestamp: received["timestamp"].as_i64()?,
            redelivered: received["redelivered"].as_bool()?,
            serialized: received["serialized"].as_str().and_then(unhex),
        };
        Some((message, received))
    }
}

impl fmt::Display for JmsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

impl Body {
    fn to_json(&self) -> (&'static str, Value) {
        match self {
            Self::Message => ("message", Value::Null),
            Self::Text(text) => ("text", text.to_json()),
            Self::Bytes(bytes) => ("bytes", Typed::Bytes(bytes.clone()).to_json()),
            Self::Written(values) => ("bytes", array(values)),
            Self::Map(entries) => ("map", object(entries)),
            Self::Stream(values) => ("stream", array(values)),
            Self::Object(value) => ("object", value.to_json()),
            Self::Serialized(bytes) => ("object", json!({ "serialized": hex(bytes) })),
            Self::Blob { url, mime_type, deleted_by_broker } => {
                let body = json!({
                    "url": url,
                    "mimeType": mime_type,
                    "deletedByBroker": deleted_by_broker,
                });
                ("blob", body)
            }
        }
    }

    fn read(kind: &str, body: &Value) -> Option<Self> {
        Some(match kind {
            "message" => Self::Message,
            "text" => Self::Text(Typed::from_json(body)),
            "bytes" if body.is_array() => Self::Written(read_array(body)?),
            "bytes" => Self::Bytes(unhex(body["bytes"].as_str()?)?),
            "map" => Self::Map(read_object(body)?),
            "stream" => Self::Stream(read_array(body)?),
            "object" => Self::Object(Typed::from_json(body)),
            "blob" => Self::Blob {
                url: body["url"].as_str()?.to_owned(),
                mime_type: body["mimeType"].as_str().map(str::to_owned),
                deleted_by_broker: body["deletedByBroker"].as_bool()?,
            },
            _unknown => return None,
        })
    }
}

fn object(entries: &BTreeMap<String, Typed>) -> Value {
    let fields = entries.iter().map(|(name, value)| (name.clone(), value.to_json()));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn array(items: &[Typed]) -> Value {
    items.iter().map(Typed::to_json).collect()
}

fn read_object(json: &Value) -> Option<BTreeMap<String, Typed>> {
    let fields = json.as_object()?.iter();
    Some(fields.map(|(name, value)| (name.clone(), Typed::from_json(value))).collect())
}

fn read_array(json: &Value) -> Option<Vec<Typed>> {
    Some(json.as_array()?.iter().map(Typed::from_json).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let pairs = (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

fn units(hex: &str) -> Option<Vec<u16>> {
    let bytes = unhex(hex)?;
    Some(bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{JmsMessage, Typed};

    #[test]
    fn a_value_keeps_its_type_and_its_bits_through_json() {
        let values = [
            Typed::Null,
            Typed::Boolean(true),
            Typed::Byte(-128),
            Typed::Char(0xffff),
            Typed::Short(-32768),
            Typed::Int(i32::MIN),
            Typed::Long(i64::MAX),
            Typed::Float(0x7fc0_0001),
            Typed::double(-0.0),
            Typed::string("a\u{0}\u{1f600}"),
            Typed::Utf16(vec![0xd800, 0x61]),
            Typed::Bytes(vec![0, 255]),
            Typed::Map([("k".to_owned(), Typed::Null)].into()),
            Typed::List(vec![Typed::Int(1), Typed::Long(1)]),
        ];
        for value in values {
            assert_eq!(Typed::from_json(&value.to_json()), value);
        }
    }

    #[test]
    #[should_panic(expected = "not a typed value")]
    fn a_number_that_does_not_fit_its_type_is_refused() {
        let _never = Typed::from_json(&json!({ "byte": 128 }));
    }

    #[test]
    fn a_received_line_is_the_sent_message_and_what_the_way_added() {
        let sent = JmsMessage::text("12 anvils").property("seq", Typed::Long(7));
        let mut line = sent.to_json();
        line["received"] = json!({
            "messageId": "ID:1", "destination": "queue://Q", "timestamp": 5, "redelivered": false
        });
        let (message, received) = JmsMessage::from_json(&line);
        assert_eq!(message, sent);
        assert_eq!(received.destination, "queue://Q");
        assert_eq!(received.serialized, None);
    }
}
