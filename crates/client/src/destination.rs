//! Where messages go and come from, as authors name it.

use rewire_protocol::Destination;

use crate::error::{Error, ErrorKind, Result};

/// A queue: each message goes to one consumer.
///
/// ```
/// use rewire::{Destination, Queue};
///
/// assert_eq!(Destination::from(Queue::new("ORDERS")).to_string(), "queue://ORDERS");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue(Destination);

/// A topic: each message goes to every subscriber.
///
/// ```
/// use rewire::{Destination, Topic};
///
/// assert_eq!(Destination::from(Topic::new("PRICES")).to_string(), "topic://PRICES");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic(Destination);

impl Queue {
    /// The queue of this name. The broker makes it when it is first used.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Destination::queue(name))
    }
}

impl Topic {
    /// The topic of this name. The broker makes it when it is first used.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Destination::topic(name))
    }
}

/// What can be sent to and consumed from: a [`Queue`], a [`Topic`], or any [`Destination`].
pub trait ToDestination {
    /// The destination.
    fn to_destination(&self) -> Destination;
}

impl ToDestination for Queue {
    fn to_destination(&self) -> Destination {
        self.0.clone()
    }
}

impl ToDestination for Topic {
    fn to_destination(&self) -> Destination {
        self.0.clone()
    }
}

impl ToDestination for Destination {
    fn to_destination(&self) -> Destination {
        self.clone()
    }
}

impl From<Queue> for Destination {
    fn from(queue: Queue) -> Self {
        queue.0
    }
}

impl From<Topic> for Destination {
    fn from(topic: Topic) -> Self {
        topic.0
    }
}

/// Reads `queue://NAME`, `topic://NAME`, or a bare name for a queue.
///
/// ```
/// use rewire::{Destination, parse_destination};
///
/// assert_eq!(parse_destination("topic://PRICES")?, Destination::topic("PRICES"));
/// assert_eq!(parse_destination("ORDERS")?, Destination::queue("ORDERS"));
/// # Ok::<(), rewire::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Config`] when there is no name or the scheme is another.
pub fn parse_destination(text: &str) -> Result<Destination> {
    let (make, name): (fn(&str) -> Destination, _) = match text.split_once("://") {
        Some(("queue", name)) => (|name| Destination::queue(name), name),
        Some(("topic", name)) => (|name| Destination::topic(name), name),
        Some((scheme, _)) => {
            let problem =
                format!("a destination is queue://NAME or topic://NAME, not {scheme}://..");
            return Err(Error::new(ErrorKind::Config, problem));
        }
        None => (|name| Destination::queue(name), text),
    };
    if name.is_empty() {
        let problem = format!("the destination {text:?} has no name");
        return Err(Error::new(ErrorKind::Config, problem));
    }
    Ok(make(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_without_a_name_or_of_another_scheme_is_refused() {
        for text in ["", "queue://", "topic://", "quue://A", "tcp://a:61616"] {
            assert_eq!(parse_destination(text).unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
    }
}
