//! `Message`: headers, properties and body, to be sent or as received.

use std::time::Duration;

use bytes::Bytes;
use rewire_protocol::{self as wire, Body, Destination, Limits, Primitive, PrimitiveMap, Str};

use crate::error::{Error, ErrorKind, Result};

/// A message. Build one to send it; a [`Delivery`](crate::Delivery) holds one that came.
///
/// What came can be sent on as it is: its body and properties are not unpacked for it.
///
/// ```
/// use std::time::Duration;
/// use rewire::Message;
///
/// let message = Message::text("12 anvils")
///     .property("region", "eu")
///     .correlation_id("order-7")
///     .priority(7)
///     .time_to_live(Duration::from_secs(60));
/// assert_eq!(message.body_text()?.as_deref(), Some("12 anvils"));
/// assert_eq!(message.property_value("region")?.unwrap().as_string().unwrap().unwrap(), "eu");
/// # Ok::<(), rewire::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The headers, and the body and properties where they are packed.
    wire: Box<wire::Message>,
    /// The body of a message that was built here.
    body: Option<Body>,
    /// The properties, once one was set here.
    properties: Option<PrimitiveMap>,
    time_to_live: Option<Duration>,
    /// Whether the body is to be compressed.
    compressed: bool,
}

/// JMS's default priority.
const DEFAULT_PRIORITY: i8 = 4;

impl Message {
    /// A message with this body; persistent, of priority 4, never expiring.
    #[must_use]
    pub fn new(body: Body) -> Self {
        let kind = body.kind().into();
        let wire = wire::Message {
            kind,
            persistent: true,
            priority: DEFAULT_PRIORITY,
            ..wire::Message::default()
        };
        Self {
            wire: Box::new(wire),
            body: Some(body),
            properties: None,
            time_to_live: None,
            compressed: false,
        }
    }

    /// A text message.
    #[must_use]
    pub fn text(text: impl Into<Str>) -> Self {
        Self::new(Body::text(text))
    }

    /// A message of bytes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(Body::Bytes(bytes.into()))
    }

    /// A message of named values.
    #[must_use]
    pub fn map(map: PrimitiveMap) -> Self {
        Self::new(Body::Map(map))
    }

    /// A message of values without names, in this order: numbers, text, flags, bytes.
    ///
    /// ```
    /// use rewire::{Body, Message, Primitive};
    ///
    /// let message = Message::stream([Primitive::from("anvils"), 12.into()]);
    /// assert!(matches!(message.body()?, Body::Stream(values) if values.len() == 2));
    /// # Ok::<(), rewire::Error>(())
    /// ```
    #[must_use]
    pub fn stream(values: impl IntoIterator<Item = Primitive>) -> Self {
        Self::new(Body::Stream(values.into_iter().collect()))
    }

    pub(crate) const fn received(wire: Box<wire::Message>) -> Self {
        Self { wire, body: None, properties: None, time_to_live: None, compressed: false }
    }

    /// The message as it came.
    pub(crate) fn into_received(self) -> Box<wire::Message> {
        self.wire
    }

    /// Replaces the body by this text, and leaves the rest.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<Str>) -> Self {
        self.body = Some(Body::text(text));
        self
    }

    /// Sets a property. Its name and type are checked when the message is sent.
    #[must_use]
    pub fn property(mut self, name: impl Into<Str>, value: impl Into<Primitive>) -> Self {
        let properties = match self.properties.take() {
            Some(properties) => Some(properties),
            None => self.wire.properties(&Limits::DEFAULT).ok(),
        };
        let mut properties = properties.unwrap_or_default();
        properties.insert(name, value);
        self.properties = Some(properties);
        self
    }

    /// Whether it is to survive the broker. True by default.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.wire.persistent = persistent;
        self
    }

    /// Sets the priority, 0 to 9; more is taken as 9. 4 by default.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.wire.priority = priority.min(9).cast_signed();
        self
    }

    /// How long after it is sent it expires. Never by default.
    #[must_use]
    pub const fn time_to_live(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = Some(time_to_live);
        self
    }

    /// Whether the body of a message built here travels compressed. False by default. A message that
    /// was received and is sent on stays as it came.
    #[must_use]
    pub const fn compressed(mut self, compressed: bool) -> Self {
        self.compressed = compressed;
        self
    }

    /// Sets `JMSCorrelationID`.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<Str>) -> Self {
        self.wire.correlation_id = Some(id.into());
        self
    }

    /// Sets `JMSReplyTo`.
    #[must_use]
    pub fn reply_to(mut self, destination: impl Into<Destination>) -> Self {
        self.wire.reply_to = Some(destination.into());
        self
    }

    /// Sets `JMSType`.
    #[must_use]
    pub fn message_type(mut self, message_type: impl Into<Str>) -> Self {
        self.wire.message_type = Some(message_type.into());
        self
    }

    /// Sets `JMSXGroupID`: messages of one group go to one consumer.
    #[must_use]
    pub fn group(mut self, group: impl Into<Str>) -> Self {
        self.wire.group_id = Some(group.into());
        self
    }

    /// Sets `JMSXGroupSeq`: the message's place in its group. -1 ends the group: its next message may go to
    /// another consumer.
    #[must_use]
    pub fn group_sequence(mut self, sequence: i32) -> Self {
        self.wire.group_sequence = sequence;
        self
    }

    /// Has the broker keep it for so long before consumers see it (`AMQ_SCHEDULED_DELAY`). The broker's
    /// scheduler has to be on (`schedulerSupport`); one without it sees an ordinary message.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        self.property("AMQ_SCHEDULED_DELAY", whole_millis(delay))
    }

    /// Has the broker's scheduler deliver it so many times more (`AMQ_SCHEDULED_REPEAT`), with this time in
    /// between (`AMQ_SCHEDULED_PERIOD`).
    ///
    /// ```
    /// use std::time::Duration;
    /// use rewire::Message;
    ///
    /// let thrice = Message::text("wake up").delay(Duration::from_secs(60))
    ///     .repeat(2, Duration::from_secs(5));
    /// assert_eq!(thrice.property_value("AMQ_SCHEDULED_REPEAT")?.unwrap().as_int().unwrap(), 2);
    /// # Ok::<(), rewire::Error>(())
    /// ```
    #[must_use]
    pub fn repeat(self, times: u16, period: Duration) -> Self {
        self.property("AMQ_SCHEDULED_REPEAT", i32::from(times))
            .property("AMQ_SCHEDULED_PERIOD", whole_millis(period))
    }

    /// Has the broker's scheduler deliver it whenever this cron entry says (`AMQ_SCHEDULED_CRON`), such as
    /// `0 * * * *`: minute, hour, day, month, day of the week. A delay and repetitions begin then.
    #[must_use]
    pub fn cron(self, entry: impl Into<Str>) -> Self {
        self.property("AMQ_SCHEDULED_CRON", entry.into())
    }

    /// A message whose body is a serialised Java object: its bytes, as they are. They are never looked into.
    #[must_use]
    pub fn object(bytes: impl Into<Bytes>) -> Self {
        Self::new(Body::Object(Some(bytes.into())))
    }

    /// A message that says where its body is, as Java's blob messages do: nothing is uploaded here.
    #[must_use]
    pub fn blob(url: impl Into<Str>, mime_type: impl Into<Str>) -> Self {
        let mut message = Self::new(Body::Blob);
        message.wire.kind = wire::MessageKind::Blob(Box::new(wire::BlobFields {
            remote_blob_url: Some(url.into()),
            mime_type: Some(mime_type.into()),
            deleted_by_broker: false,
        }));
        message
    }

    /// The body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] when what was received cannot be read.
    pub fn body(&self) -> Result<Body> {
        match &self.body {
            Some(body) => Ok(body.clone()),
            None => self.wire.body(&Limits::DEFAULT).map_err(|error| unreadable(&error)),
        }
    }

    /// The text of a text message; `None` when it has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] when the message is of another kind or cannot be read.
    pub fn body_text(&self) -> Result<Option<String>> {
        match self.body()? {
            Body::Text(text) => Ok(text.map(|text| text.to_str().into_owned())),
            other @ (Body::Message
            | Body::Bytes(_)
            | Body::Map(_)
            | Body::Stream(_)
            | Body::Object(_)
            | Body::Blob) => {
                let problem = format!("a text message is expected, this is {:?}", other.kind());
                Err(Error::new(ErrorKind::Protocol, problem))
            }
        }
    }

    /// The value of a property; `None` when there is no such property.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] when the properties that were received cannot be read.
    pub fn property_value(&self, name: &str) -> Result<Option<Primitive>> {
        match &self.properties {
            Some(properties) => Ok(properties.get(name).cloned()),
            None => self.wire.property(name, &Limits::DEFAULT).map_err(|error| unreadable(&error)),
        }
    }

    /// All properties.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Protocol`] when the properties that were received cannot be read.
    pub fn properties(&self) -> Result<PrimitiveMap> {
        match &self.properties {
            Some(properties) => Ok(properties.clone()),
            None => self.wire.properties(&Limits::DEFAULT).map_err(|error| unreadable(&error)),
        }
    }

    /// The headers, as they travel. Of a message that was not sent yet, body and properties are not
    /// among them.
    #[must_use]
    pub fn headers(&self) -> &wire::Message {
        &self.wire
    }

    /// The message as it travels, the headers of sending not filled in yet, and how long it may live.
    pub(crate) fn into_wire(self) -> Result<(Box<wire::Message>, Option<Duration>)> {
        let Self { mut wire, body, properties, time_to_live, compressed } = self;
        if let Some(properties) = properties {
            for (name, value) in &properties {
                wire::validate_property(&name.to_str(), value)
                    .map_err(|error| Error::unsendable(&error))?;
            }
            wire.set_properties(&properties).map_err(|error| Error::unsendable(&error))?;
        }
        if let Some(body) = body {
            wire.set_body(&body, compressed).map_err(|error| Error::unsendable(&error))?;
        }
        Ok((wire, time_to_live))
    }
}

fn whole_millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn unreadable(error: &wire::DecodeError) -> Error {
    Error::new(ErrorKind::Protocol, format!("the message cannot be read: {error}"))
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_travels_with_its_body_properties_and_headers() {
        let message = Message::text("x").property("n", 1).priority(99).persistent(false);
        let (wire, _) = message.into_wire().unwrap();
        assert_eq!((wire.priority, wire.persistent), (9, false));
        let back = Message::received(wire);
        assert_eq!(back.body_text().unwrap().as_deref(), Some("x"));
        assert_eq!(back.property_value("n").unwrap(), Some(Primitive::Int(1)));
    }

    #[test]
    fn objects_blobs_groups_and_schedules_travel() {
        let (wire, _) =
            Message::object(vec![1, 2]).group("g").group_sequence(-1).into_wire().unwrap();
        assert_eq!((wire.group_sequence, wire.kind.clone()), (-1, wire::MessageKind::Object));
        let body = Message::received(wire).body().unwrap();
        assert_eq!(body, Body::Object(Some(Bytes::from_static(&[1, 2]))));
        let blob = Message::blob("http://a/b", "text/plain")
            .delay(Duration::from_secs(2))
            .cron("0 * * * *");
        let (wire, _) = blob.into_wire().unwrap();
        let wire::MessageKind::Blob(fields) = &wire.kind else { panic!("{:?}", wire.kind) };
        assert_eq!(fields.remote_blob_url.as_ref().unwrap(), "http://a/b");
        let back = Message::received(wire);
        assert_eq!(
            back.property_value("AMQ_SCHEDULED_DELAY").unwrap(),
            Some(Primitive::Long(2000))
        );
    }

    #[test]
    fn a_property_of_an_impossible_type_is_the_callers_mistake() {
        let message = Message::text("x").property("n", Bytes::from_static(b"no"));
        assert_eq!(message.into_wire().unwrap_err().kind(), ErrorKind::Misuse);
    }
}
