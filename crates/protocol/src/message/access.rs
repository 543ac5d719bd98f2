//! A message's body and properties as values, read and set on the message itself.

use super::{Body, BodyKind, Primitive, PrimitiveMap};
use crate::command::{Message, MessageKind};
use crate::error::{DecodeError, EncodeError};
use crate::limits::Limits;

impl MessageKind {
    /// What kind of body such a message has.
    #[must_use]
    pub const fn body_kind(&self) -> BodyKind {
        match self {
            Self::Message => BodyKind::Message,
            Self::Bytes => BodyKind::Bytes,
            Self::Map => BodyKind::Map,
            Self::Object => BodyKind::Object,
            Self::Stream => BodyKind::Stream,
            Self::Text => BodyKind::Text,
            Self::Blob(_) => BodyKind::Blob,
        }
    }
}

impl From<BodyKind> for MessageKind {
    fn from(kind: BodyKind) -> Self {
        match kind {
            BodyKind::Message => Self::Message,
            BodyKind::Text => Self::Text,
            BodyKind::Bytes => Self::Bytes,
            BodyKind::Map => Self::Map,
            BodyKind::Stream => Self::Stream,
            BodyKind::Object => Self::Object,
            BodyKind::Blob => Self::Blob(Box::default()),
        }
    }
}

impl Message {
    /// Reads the body.
    ///
    /// # Errors
    ///
    /// See [`Body::decode`].
    pub fn body(&self, limits: &Limits) -> Result<Body, DecodeError> {
        Body::decode(self.kind.body_kind(), self.content.as_ref(), self.compressed, limits)
    }

    /// Sets the body, and with it the kind of message.
    ///
    /// ```
    /// use rewire_protocol::{Body, Limits, Message};
    ///
    /// let mut message = Message::default();
    /// message.set_body(&Body::text("12 anvils"), false)?;
    /// assert_eq!(message.body(&Limits::DEFAULT)?, Body::text("12 anvils"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Body::encode`]; the message is as it was.
    pub fn set_body(&mut self, body: &Body, compress: bool) -> Result<(), EncodeError> {
        let (content, compressed) = body.encode(compress)?;
        self.content = content;
        self.compressed = compressed;
        if self.kind.body_kind() != body.kind() {
            self.kind = body.kind().into();
        }
        Ok(())
    }

    /// Reads all properties; none is an empty map.
    ///
    /// # Errors
    ///
    /// See [`PrimitiveMap::decode`].
    pub fn properties(&self, limits: &Limits) -> Result<PrimitiveMap, DecodeError> {
        let Some(bytes) = &self.marshalled_properties else { return Ok(PrimitiveMap::new()) };
        PrimitiveMap::decode(bytes, limits)
    }

    /// Reads one property, without building the map of all.
    ///
    /// # Errors
    ///
    /// See [`PrimitiveMap::find`].
    pub fn property(&self, name: &str, limits: &Limits) -> Result<Option<Primitive>, DecodeError> {
        let Some(bytes) = &self.marshalled_properties else { return Ok(None) };
        PrimitiveMap::find(bytes, name, limits)
    }

    /// Sets all properties; an empty map removes them.
    ///
    /// # Errors
    ///
    /// See [`PrimitiveMap::encode`]; the message is as it was.
    pub fn set_properties(&mut self, properties: &PrimitiveMap) -> Result<(), EncodeError> {
        let bytes = if properties.is_empty() { None } else { Some(properties.encode()?) };
        self.marshalled_properties = bytes;
        Ok(())
    }
}
