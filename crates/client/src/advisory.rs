//! `Advisories`: what brokers tell of their connections, consumers, producers, destinations and messages.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use rewire_protocol::{Command, Destination};

use crate::connection::Connection;
use crate::consumer::Consumer;
use crate::error::Result;
use crate::message::Message;

/// What brokers are asked to tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdvisoryKind {
    /// Connections that come and go.
    Connections,
    /// Consumers that come and go. Those that are there already are told of at once.
    Consumers,
    /// Producers that come and go. Those that are there already are told of at once.
    Producers,
    /// Queues and topics that come and go, temporary ones too. Those that are there already are told of at
    /// once.
    Destinations,
    /// What becomes of messages. A broker tells of most of it only where its policies say so
    /// (`advisoryForDelivery`, `advisoryForConsumed`, `advisoryForDiscardingMessages`).
    Messages,
    /// Consumers that are slow, producers that are fast, and stores that are full, where the broker's policies
    /// say so.
    Flow,
    /// Brokers that become masters, and bridges between brokers.
    Brokers,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AdvisoryEvent {
    /// A connection is there, of this client id.
    ConnectionStarted {
        /// Its name.
        connection: String,
        /// Its client id.
        client_id: Option<String>,
    },
    /// A connection is gone.
    ConnectionStopped {
        /// Its name.
        connection: String,
    },
    /// A consumer is there.
    ConsumerStarted {
        /// Its name.
        consumer: String,
        /// What it consumes from.
        destination: Option<Destination>,
        /// What it selects.
        selector: Option<String>,
    },
    /// A consumer is gone.
    ConsumerStopped {
        /// Its name.
        consumer: String,
    },
    /// A producer is there.
    ProducerStarted {
        /// Its name.
        producer: String,
        /// What it sends to; none if its messages say so.
        destination: Option<Destination>,
    },
    /// A producer is gone.
    ProducerStopped {
        /// Its name.
        producer: String,
    },
    /// A queue or a topic is there.
    DestinationAdded(Destination),
    /// A queue or a topic is gone.
    DestinationRemoved(Destination),
    /// Something has become of a message.
    Message {
        /// What.
        fate: MessageFate,
        /// Its id.
        message_id: Option<String>,
        /// Where it was.
        destination: Option<Destination>,
    },
    /// A consumer does not take its messages in time.
    SlowConsumer {
        /// Its name.
        consumer: Option<String>,
    },
    /// A producer is faster than its consumers.
    FastProducer {
        /// Its name.
        producer: Option<String>,
    },
    /// The memory or the store of a destination is used up.
    Full {
        /// Which.
        usage: Option<String>,
    },
    /// A broker has become the master.
    MasterBroker,
    /// A bridge to another broker has come or gone.
    NetworkBridge,
    /// Another, which the message tells more of.
    Other,
}

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageFate {
    /// It was sent to a consumer.
    Delivered,
    /// It was acknowledged.
    Consumed,
    /// It was dropped for a consumer that is slow.
    Discarded,
    /// It has expired.
    Expired,
    /// It was moved to the dead letter queue.
    DeadLettered,
    /// Nobody consumes from where it was sent.
    NotConsumed,
}

/// One thing that a broker tells of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Advisory {
    /// What has happened.
    pub event: AdvisoryEvent,
    /// The name of the broker where.
    pub broker: Option<String>,
    /// How many consumers, or producers, there are now, where it is about them.
    pub count: Option<i32>,
    message: Message,
}

impl Advisory {
    /// The whole message, for what else it says.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    fn read(message: Message) -> Self {
        let text = |name: &str| {
            let value = message.property_value(name).ok().flatten()?;
            Some(value.as_string().ok().flatten()?.to_str().into_owned())
        };
        let number = |name: &str| message.property_value(name).ok().flatten()?.as_int().ok();
        let count = number("consumerCount").or_else(|| number("producerCount"));
        let broker = text("originBrokerName");
        let topic = message.headers().destination.as_ref();
        let topic = topic.map(|topic| topic.physical_name.to_str().into_owned());
        let topic = topic.unwrap_or_default();
        let kind = topic.strip_prefix(PREFIX).unwrap_or_default();
        let data = message.headers().data_structure.as_deref();
        let event = match kind.split('.').next().unwrap_or_default() {
            "SlowConsumer" => AdvisoryEvent::SlowConsumer { consumer: text("consumerId") },
            "FastProducer" => AdvisoryEvent::FastProducer { producer: text("producerId") },
            "FULL" => AdvisoryEvent::Full { usage: text("usageName") },
            "MasterBroker" => AdvisoryEvent::MasterBroker,
            "NetworkBridge" => AdvisoryEvent::NetworkBridge,
            other => match (fate(other), data) {
                (Some(fate), data) => of_message(fate, data, text("orignalMessageId")),
                (None, Some(data)) => of_data(data),
                (None, None) => AdvisoryEvent::Other,
            },
        };
        Self { event, broker, count, message }
    }
}

/// What brokers tell of, as it happens. From [`Connection::advisories`]; also a `Stream`.
///
/// Dropped, nothing more is told.
pub struct Advisories {
    consumer: Consumer,
}

impl Advisories {
    pub(crate) async fn open(connection: &Connection, kinds: &[AdvisoryKind]) -> Result<Self> {
        let topics: Vec<String> = kinds
            .iter()
            .flat_map(|kind| topics(*kind))
            .map(|topic| format!("{PREFIX}{topic}"))
            .collect();
        if topics.is_empty() {
            return Err(crate::Error::misuse("nothing is asked for"));
        }
        let session = connection.session().await?;
        let consumer =
            session.consumer(&Destination::topic(topics.join(","))).prefetch(1000).await?;
        Ok(Self { consumer })
    }

    /// The next; waits for it, through failovers too: what happens while there is no broker is not told.
    /// `None` when there will be no more.
    ///
    /// # Errors
    ///
    /// As [`Consumer::next`].
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is lost.
    pub async fn next(&mut self) -> Option<Result<Advisory>> {
        let delivery = self.consumer.next().await?;
        Some(delivery.map(|delivery| Advisory::read(delivery.into_message())))
    }
}

impl Stream for Advisories {
    type Item = Result<Advisory>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.consumer).poll_next(cx));
        let read = |delivery: crate::Delivery| Advisory::read(delivery.into_message());
        Poll::Ready(next.map(|delivery| delivery.map(read)))
    }
}

impl fmt::Debug for Advisories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Advisories").field(&self.consumer).finish()
    }
}

/// Java: `AdvisorySupport`.
const PREFIX: &str = "ActiveMQ.Advisory.";

const fn topics(kind: AdvisoryKind) -> &'static [&'static str] {
    match kind {
        AdvisoryKind::Connections => &["Connection"],
        AdvisoryKind::Consumers => &["Consumer.>"],
        AdvisoryKind::Producers => &["Producer.>"],
        AdvisoryKind::Destinations => &["Queue", "Topic", "TempQueue", "TempTopic"],
        AdvisoryKind::Messages => &[
            "MessageDelivered.>",
            "MessageConsumed.>",
            "MessageDiscarded.>",
            "Expired.>",
            "MessageDLQd.>",
            "NoConsumer.>",
        ],
        AdvisoryKind::Flow => &["SlowConsumer.>", "FastProducer.>", "FULL.>"],
        AdvisoryKind::Brokers => &["MasterBroker", "NetworkBridge"],
    }
}

fn fate(kind: &str) -> Option<MessageFate> {
    Some(match kind {
        "MessageDelivered" => MessageFate::Delivered,
        "MessageConsumed" => MessageFate::Consumed,
        "MessageDiscarded" => MessageFate::Discarded,
        "Expired" => MessageFate::Expired,
        "MessageDLQd" => MessageFate::DeadLettered,
        "NoConsumer" => MessageFate::NotConsumed,
        _ => return None,
    })
}

fn of_message(fate: MessageFate, data: Option<&Command>, id: Option<String>) -> AdvisoryEvent {
    let message = match data {
        Some(Command::Message(message)) => Some(message),
        _ => None,
    };
    let own = message.and_then(|message| message.message_id.as_ref()).map(ToString::to_string);
    let destination = message.and_then(|message| message.destination.clone());
    AdvisoryEvent::Message { fate, message_id: id.or(own), destination }
}

fn of_data(data: &Command) -> AdvisoryEvent {
    let name = |id: Option<String>| id.unwrap_or_default();
    match data {
        Command::ConnectionInfo(info) => AdvisoryEvent::ConnectionStarted {
            connection: name(info.connection_id.as_ref().map(ToString::to_string)),
            client_id: info.client_id.as_ref().map(ToString::to_string),
        },
        Command::ConsumerInfo(info) => AdvisoryEvent::ConsumerStarted {
            consumer: name(info.consumer_id.as_ref().map(ToString::to_string)),
            destination: info.destination.clone(),
            selector: info.selector.as_ref().map(ToString::to_string),
        },
        Command::ProducerInfo(info) => AdvisoryEvent::ProducerStarted {
            producer: name(info.producer_id.as_ref().map(ToString::to_string)),
            destination: info.destination.clone(),
        },
        Command::DestinationInfo(info) => match (&info.destination, info.operation_type) {
            (Some(destination), rewire_protocol::DestinationInfo::ADD) => {
                AdvisoryEvent::DestinationAdded(destination.clone())
            }
            (Some(destination), _) => AdvisoryEvent::DestinationRemoved(destination.clone()),
            (None, _) => AdvisoryEvent::Other,
        },
        Command::RemoveInfo(info) => match info.object_id.as_deref() {
            Some(Command::ConnectionId(id)) => {
                AdvisoryEvent::ConnectionStopped { connection: id.to_string() }
            }
            Some(Command::ConsumerId(id)) => {
                AdvisoryEvent::ConsumerStopped { consumer: id.to_string() }
            }
            Some(Command::ProducerId(id)) => {
                AdvisoryEvent::ProducerStopped { producer: id.to_string() }
            }
            _ => AdvisoryEvent::Other,
        },
        _ => AdvisoryEvent::Other,
    }
}
