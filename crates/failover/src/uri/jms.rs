//! The options of the connection that ride on a URI: `jms.*`, ActiveMQ's connection factory.

use std::collections::BTreeMap;
use std::fmt;

use super::declare::{
    ANY_INT, ANY_MILLIS, FLAG, INT_MILLIS, Row, Shape, TEXT, TEXT_LIST, between, factor,
};
use super::value::{OptionValue, is_secret};

/// The `jms.*` options of a URI, by their names without `jms.`.
///
/// Each is checked to exist and to have a value of its type; what it means is the connection's
/// business. Java carries them to its connection factory; only those that its setters can take as
/// text exist. Where Java leaves the URI alone if no `jms.*` option at all is known, and the
/// mistake shows when connecting, here an unknown one is an error at once.
///
/// ```
/// use rewire_failover::uri::{FailoverUri, OptionValue};
///
/// let uri = FailoverUri::parse(
///     "failover:(tcp://a:61616)?jms.userName=billing&jms.prefetchPolicy.queuePrefetch=10",
/// )?;
/// assert_eq!(uri.jms().user_name(), Some("billing"));
/// assert_eq!(uri.jms().get("prefetchPolicy.queuePrefetch"), Some(&OptionValue::Integer(10)));
/// # Ok::<(), rewire_failover::uri::UriError>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct JmsOptions {
    values: BTreeMap<&'static str, OptionValue>,
}

impl JmsOptions {
    /// The value given for an option, by its name without `jms.`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OptionValue> {
        self.values.get(name)
    }

    /// The names of all options there are, without `jms.`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ROWS.iter().map(|row| row.name)
    }

    /// All options given, in the order of their names. Secrets are among them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &OptionValue)> {
        self.values.iter().map(|(name, value)| (*name, value))
    }

    /// `jms.userName`.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        self.get("userName").and_then(OptionValue::as_str)
    }

    /// `jms.password`, in the clear.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.get("password").and_then(OptionValue::as_str)
    }

    /// `jms.clientID`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.get("clientID").and_then(OptionValue::as_str)
    }

    pub(super) fn set(&mut self, row: &'static Row, value: OptionValue) {
        self.values.insert(row.name, value);
    }

    pub(super) fn rows() -> &'static [Row] {
        ROWS
    }
}

/// Without secrets.
impl fmt::Debug for JmsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.values.iter().map(|(name, value)| {
            (name, if is_secret(name) { "***".to_owned() } else { value.to_string() })
        });
        f.debug_map().entries(shown).finish()
    }
}

const fn row(name: &'static str, shape: Shape, doc: &'static str) -> Row {
    Row { name, shape, doc }
}

/// A Java `short`, which is what a prefetch is cut to.
const SHORT: Shape = between(i16::MIN as i64, i16::MAX as i64);

static ROWS: &[Row] = &[
    row("userName", TEXT, "Who connects."),
    row("password", TEXT, "The password of who connects."),
    row("clientID", TEXT, "The client id of the connection."),
    row("clientIDPrefix", TEXT, "The start of generated client ids."),
    row("connectionIDPrefix", TEXT, "The start of generated connection ids."),
    row("alwaysSessionAsync", FLAG, "Dispatch from a thread of each session."),
    row("alwaysSyncSend", FLAG, "Wait for an answer to every send."),
    row("auditDepth", ANY_INT, "Messages remembered to find duplicates."),
    row("auditMaximumProducerNumber", ANY_INT, "Producers remembered to find duplicates."),
    row("checkForDuplicates", FLAG, "Look for messages delivered before."),
    row("closeTimeout", INT_MILLIS, "How long closing waits."),
    row("connectResponseTimeout", INT_MILLIS, "How long connecting waits for its answer."),
    row("consumerExpiryCheckEnabled", FLAG, "Drop expired messages at the consumer."),
    row(
        "consumerFailoverRedeliveryWaitPeriod",
        ANY_MILLIS,
        "How long a redelivery waits after a failover.",
    ),
    row("copyMessageOnSend", FLAG, "Copy a message before it is sent."),
    row("disableTimeStampsByDefault", FLAG, "Send without time stamps."),
    row("dispatchAsync", FLAG, "Have the broker dispatch in the background."),
    row("exclusiveConsumer", FLAG, "Be the only consumer of a queue that gets messages."),
    row("maxInflatedDataSizeRatio", factor(f64::MIN, f64::MAX), "How far a body may inflate."),
    row("maxThreadPoolSize", ANY_INT, "Threads for sessions."),
    row("messagePrioritySupported", FLAG, "Order messages by priority at the consumer."),
    row("nestedMapAndListEnabled", FLAG, "Allow maps and lists in properties."),
    row("nonBlockingRedelivery", FLAG, "Redeliver without holding back later messages."),
    row("objectMessageSerializationDefered", FLAG, "Serialize objects late."),
    row("optimizeAcknowledge", FLAG, "Acknowledge in batches."),
    row("optimizeAcknowledgeTimeOut", ANY_MILLIS, "How long such a batch may grow."),
    row("optimizedAckScheduledAckInterval", ANY_MILLIS, "How often such a batch is sent."),
    row("optimizedMessageDispatch", FLAG, "Prefetch more for durable subscribers."),
    row("producerWindowSize", ANY_INT, "Bytes sent ahead of the broker's answer."),
    row("rmIdFromConnectionId", FLAG, "Take the XA resource manager's id from the connection."),
    row("requestTimeout", INT_MILLIS, "How long a request waits for its answer."),
    row("sendAcksAsync", FLAG, "Send acknowledgements without waiting."),
    row("sendTimeout", INT_MILLIS, "How long a send waits for its answer."),
    row("statsEnabled", FLAG, "Keep statistics."),
    row("strictCompliance", FLAG, "Do as the JMS specification says, to the letter."),
    row("transactedIndividualAck", FLAG, "Acknowledge each message in a transaction."),
    row("trustAllPackages", FLAG, "Read objects of any class."),
    row("trustedPackages", TEXT_LIST, "The packages whose objects may be read."),
    row("useAsyncSend", FLAG, "Send persistent messages without waiting."),
    row("useCompression", FLAG, "Compress bodies."),
    row("useDedicatedTaskRunner", FLAG, "A thread for each session."),
    row("useRetroactiveConsumer", FLAG, "Receive messages sent before subscribing."),
    row("useVirtualThreadTaskRunner", FLAG, "Virtual threads for sessions."),
    row(
        "warnAboutUnstartedConnectionTimeout",
        ANY_MILLIS,
        "When to warn of a connection that is never started.",
    ),
    row("watchTopicAdvisories", FLAG, "Listen for advisories on temporary destinations."),
    row("xaAckMode", ANY_INT, "How XA sessions acknowledge."),
    row("trustStore", TEXT, "Where the trusted certificates are."),
    row("trustStoreType", TEXT, "How they are stored."),
    row("trustStorePassword", TEXT, "The password of that store."),
    row("keyStore", TEXT, "Where the client's key is."),
    row("keyStoreType", TEXT, "How it is stored."),
    row("keyStorePassword", TEXT, "The password of that store."),
    row("keyStoreKeyPassword", TEXT, "The password of the key."),
    row("prefetchPolicy.all", ANY_INT, "Prefetch of every kind of consumer."),
    row("prefetchPolicy.queuePrefetch", ANY_INT, "Prefetch of queue consumers."),
    row("prefetchPolicy.queueBrowserPrefetch", ANY_INT, "Prefetch of queue browsers."),
    row("prefetchPolicy.topicPrefetch", ANY_INT, "Prefetch of topic subscribers."),
    row("prefetchPolicy.durableTopicPrefetch", ANY_INT, "Prefetch of durable subscribers."),
    row(
        "prefetchPolicy.optimizeDurableTopicPrefetch",
        ANY_INT,
        "Prefetch of durable subscribers with optimized acknowledgement.",
    ),
    row("prefetchPolicy.maximumPendingMessageLimit", ANY_INT, "Messages kept for slow topics."),
    row("redeliveryPolicy.backOffMultiplier", factor(f64::MIN, f64::MAX), "Growth of the delay."),
    row("redeliveryPolicy.collisionAvoidancePercent", SHORT, "Chance in the delay, in percent."),
    row("redeliveryPolicy.initialRedeliveryDelay", ANY_MILLIS, "The first delay."),
    row("redeliveryPolicy.maximumRedeliveryDelay", ANY_MILLIS, "The longest delay."),
    row("redeliveryPolicy.maximumRedeliveries", ANY_INT, "Redeliveries before a message is dead."),
    row("redeliveryPolicy.preDispatchCheck", FLAG, "Count before handing a message out."),
    row("redeliveryPolicy.redeliveryDelay", ANY_MILLIS, "The delay."),
    row("redeliveryPolicy.useCollisionAvoidance", FLAG, "Leave part of the delay to chance."),
    row("redeliveryPolicy.useExponentialBackOff", FLAG, "Let the delay grow."),
    row("blobTransferPolicy.bufferSize", ANY_INT, "Bytes of the buffer for blobs."),
    row("blobTransferPolicy.uploadUrl", TEXT, "Where blobs go."),
    row("blobTransferPolicy.brokerUploadUrl", TEXT, "Where blobs go if the broker says."),
    row("blobTransferPolicy.defaultUploadUrl", TEXT, "Where blobs go if nobody says."),
];
