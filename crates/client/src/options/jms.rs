//! The options of a URI, obeyed or named: whoever wrote one is told what it comes to.

use std::time::Duration;

use rewire_failover::uri::{JmsOptions, OptionValue};

use super::prefetch::MOST_PREFETCH;
use super::{ConnectionOptions, PrefetchPolicy, RedeliveryPolicy};
use crate::error::{Error, ErrorKind, Result};

/// Options that are obeyed elsewhere: by the builder and by the transport.
const ELSEWHERE: &[&str] = &["userName", "password", "clientID", "closeTimeout"];

/// What ActiveMQ's options come to that are not obeyed, for whoever gives one.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("alwaysSessionAsync", "there are no threads of sessions"),
    ("auditDepth", "no duplicates are looked for"),
    ("auditMaximumProducerNumber", "no duplicates are looked for"),
    ("checkForDuplicates", "no duplicates are looked for: those after a failover are handed out"),
    (
        "consumerFailoverRedeliveryWaitPeriod",
        "a transaction that has received is rolled back by a failover",
    ),
    ("copyMessageOnSend", "a message is given away when it is sent"),
    ("maxInflatedDataSizeRatio", "how far a body may inflate is a limit of its own"),
    ("maxThreadPoolSize", "there are no threads of sessions"),
    ("messagePrioritySupported", "messages keep the order in which the broker sent them"),
    ("nestedMapAndListEnabled", "maps and lists are always read"),
    ("objectMessageSerializationDefered", "objects are bytes here"),
    ("optimizedAckScheduledAckInterval", "optimizeAcknowledgeTimeOut is how long one waits"),
    ("optimizedMessageDispatch", "prefetches are as they are given"),
    ("rmIdFromConnectionId", "the transaction manager is not asked"),
    ("sendAcksAsync", "no acknowledgement is waited for"),
    ("statsEnabled", "there are always numbers: Connection::stats"),
    ("strictCompliance", "there is one way"),
    ("transactedIndividualAck", "acknowledgements are sent with the commit"),
    ("trustAllPackages", "no object is ever made of what came"),
    ("trustedPackages", "no object is ever made of what came"),
    ("useDedicatedTaskRunner", "there are no threads of sessions"),
    ("useVirtualThreadTaskRunner", "there are no threads of sessions"),
    ("warnAboutUnstartedConnectionTimeout", "a connection is started from the beginning"),
    (
        "watchTopicAdvisories",
        "a broker refuses what is sent to a temporary destination that is gone",
    ),
    ("xaAckMode", "acknowledgements are part of the branch"),
    ("trustStoreType", "certificates are PEM files"),
    ("keyStoreType", "certificates are PEM files"),
    ("blobTransferPolicy.bufferSize", "blobs are not uploaded"),
    ("blobTransferPolicy.uploadUrl", "blobs are not uploaded"),
    ("blobTransferPolicy.brokerUploadUrl", "blobs are not uploaded"),
    ("blobTransferPolicy.defaultUploadUrl", "blobs are not uploaded"),
];

/// What would be of importance and is not there: refused, because the program would do another thing than
/// its author asked for.
const REFUSED: &[(&str, &str)] = &[
    ("requestTimeout", "say requestTimeout, without jms., to limit every request"),
    ("trustStore", "say ConnectionBuilder::tls whom to trust"),
    ("trustStorePassword", "say ConnectionBuilder::tls whom to trust"),
    ("keyStore", "say ConnectionBuilder::tls who we are"),
    ("keyStorePassword", "say ConnectionBuilder::tls who we are"),
    ("keyStoreKeyPassword", "say ConnectionBuilder::tls who we are"),
];

impl ConnectionOptions {
    /// The same with what a URI says over it, and a sentence for each option that comes to something else
    /// than its author may think.
    pub(crate) fn with(mut self, jms: &JmsOptions) -> Result<(Self, Vec<String>)> {
        let mut notes = Vec::new();
        // Java takes them in the order of a hash table: `all` may undo another. Here it is the first.
        if let Some(value) = jms.get("prefetchPolicy.all") {
            let prefetch = prefetch("prefetchPolicy.all", value, &mut notes)?;
            let limit = self.prefetch_policy.maximum_pending_message_limit;
            self.prefetch_policy = PrefetchPolicy {
                maximum_pending_message_limit: limit,
                ..PrefetchPolicy::all(prefetch)
            };
        }
        for (name, value) in jms.iter() {
            if let Some(option) = name.strip_prefix("redeliveryPolicy.") {
                set_redelivery(&mut self.redelivery_policy, option, name, value)?;
            } else if let Some(option) = name.strip_prefix("prefetchPolicy.") {
                set_prefetch(&mut self.prefetch_policy, option, name, value, &mut notes)?;
            } else if let Some((_, hint)) = REFUSED.iter().find(|(other, _)| *other == name) {
                return Err(refused(name, hint));
            } else if let Some((_, why)) = WITHOUT_EFFECT.iter().find(|(other, _)| *other == name) {
                notes.push(format!("the option jms.{name} has no effect: {why}"));
            } else if !ELSEWHERE.contains(&name) {
                self.set(name, value)?;
            }
        }
        Ok((self, notes))
    }

    fn set(&mut self, name: &str, value: &OptionValue) -> Result<()> {
        match name {
            "nonBlockingRedelivery" => self.non_blocking_redelivery = flag(name, value)?,
            "consumerExpiryCheckEnabled" => self.consumer_expiry_check_enabled = flag(name, value)?,
            "optimizeAcknowledge" => self.optimize_acknowledge = flag(name, value)?,
            "optimizeAcknowledgeTimeOut" => {
                self.optimize_acknowledge_time_out = millis(name, value)?;
            }
            "exclusiveConsumer" => self.exclusive_consumer = flag(name, value)?,
            "useRetroactiveConsumer" => self.use_retroactive_consumer = flag(name, value)?,
            "dispatchAsync" => self.dispatch_async = flag(name, value)?,
            "useAsyncSend" => self.use_async_send = flag(name, value)?,
            "alwaysSyncSend" => self.always_sync_send = flag(name, value)?,
            "sendTimeout" => self.send_timeout = millis_or_off(name, value)?,
            "producerWindowSize" => self.producer_window_size = count(name, value)?,
            "useCompression" => self.use_compression = flag(name, value)?,
            "disableTimeStampsByDefault" => {
                self.disable_time_stamps_by_default = flag(name, value)?
            }
            "clientIDPrefix" => self.client_id_prefix = Some(text(name, value)?),
            "connectionIDPrefix" => self.connection_id_prefix = Some(text(name, value)?),
            "connectResponseTimeout" => self.connect_response_timeout = millis_or_off(name, value)?,
            other => return Err(refused(other, "it is not known here")),
        }
        Ok(())
    }
}

fn set_redelivery(
    policy: &mut RedeliveryPolicy,
    option: &str,
    name: &str,
    value: &OptionValue,
) -> Result<()> {
    match option {
        "maximumRedeliveries" => policy.maximum_redeliveries = count_or_ever(name, value)?,
        "initialRedeliveryDelay" => policy.initial_redelivery_delay = millis(name, value)?,
        "redeliveryDelay" => policy.redelivery_delay = millis(name, value)?,
        "useExponentialBackOff" => policy.use_exponential_back_off = flag(name, value)?,
        "backOffMultiplier" => policy.back_off_multiplier = number(name, value)?,
        "maximumRedeliveryDelay" => policy.maximum_redelivery_delay = millis_or_ever(name, value)?,
        "useCollisionAvoidance" => policy.use_collision_avoidance = flag(name, value)?,
        "collisionAvoidancePercent" => {
            let percent = count(name, value)?;
            let percent = u16::try_from(percent).ok().filter(|percent| *percent <= 100);
            policy.collision_avoidance_percent =
                percent.ok_or_else(|| refused(name, "it is from 0 to 100"))?;
        }
        "preDispatchCheck" => policy.pre_dispatch_check = flag(name, value)?,
        _ => return Err(refused(name, "it is not known here")),
    }
    Ok(())
}

fn set_prefetch(
    policy: &mut PrefetchPolicy,
    option: &str,
    name: &str,
    value: &OptionValue,
    notes: &mut Vec<String>,
) -> Result<()> {
    let place = match option {
        "all" => return Ok(()),
        "queuePrefetch" => &mut policy.queue_prefetch,
        "queueBrowserPrefetch" => &mut policy.queue_browser_prefetch,
        "topicPrefetch" => &mut policy.topic_prefetch,
        "durableTopicPrefetch" => &mut policy.durable_topic_prefetch,
        "optimizeDurableTopicPrefetch" => &mut policy.optimize_durable_topic_prefetch,
        "maximumPendingMessageLimit" => {
            policy.maximum_pending_message_limit = count(name, value)?;
            return Ok(());
        }
        _ => return Err(refused(name, "it is not known here")),
    };
    *place = prefetch(name, value, notes)?;
    Ok(())
}

/// A prefetch, cut to what it may be at most, as Java does.
fn prefetch(name: &str, value: &OptionValue, notes: &mut Vec<String>) -> Result<u32> {
    let given = count(name, value)?;
    if given > MOST_PREFETCH {
        notes.push(format!(
            "the option jms.{name}={given} is taken as {MOST_PREFETCH}, the most it may be"
        ));
    }
    Ok(given.min(MOST_PREFETCH))
}

fn flag(name: &str, value: &OptionValue) -> Result<bool> {
    value.as_bool().ok_or_else(|| refused(name, "it is true or false"))
}

fn text(name: &str, value: &OptionValue) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| refused(name, "it is a text"))
}

fn number(name: &str, value: &OptionValue) -> Result<f64> {
    let number = value.as_f64().filter(|number| number.is_finite());
    number.ok_or_else(|| refused(name, "it is a number"))
}

fn count(name: &str, value: &OptionValue) -> Result<u32> {
    let count = value.as_integer().and_then(|count| u32::try_from(count).ok());
    count.ok_or_else(|| refused(name, "it is a number from 0"))
}

fn count_or_ever(name: &str, value: &OptionValue) -> Result<Option<u32>> {
    if value.as_integer() == Some(-1) { Ok(None) } else { count(name, value).map(Some) }
}

fn millis(name: &str, value: &OptionValue) -> Result<Duration> {
    let millis = value.as_integer().and_then(|millis| u64::try_from(millis).ok());
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| refused(name, "it is a number of milliseconds from 0"))
}

fn millis_or_ever(name: &str, value: &OptionValue) -> Result<Option<Duration>> {
    if value.as_integer() == Some(-1) { Ok(None) } else { millis(name, value).map(Some) }
}

/// Java takes 0 and anything below as no limit.
fn millis_or_off(name: &str, value: &OptionValue) -> Result<Option<Duration>> {
    if value.as_integer().is_some_and(|millis| millis <= 0) {
        return Ok(None);
    }
    millis(name, value).map(Some)
}

fn refused(name: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the option jms.{name} cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use rewire_failover::uri::FailoverUri;

    use super::*;

    fn options(query: &str) -> Result<(ConnectionOptions, Vec<String>)> {
        let uri = FailoverUri::parse(&format!("failover:(tcp://a:61616)?{query}")).unwrap();
        ConnectionOptions::default().with(uri.jms())
    }

    #[test]
    fn what_a_uri_says_is_set() {
        let (options, notes) = options(
            "jms.redeliveryPolicy.maximumRedeliveries=-1&jms.redeliveryPolicy.backOffMultiplier=1.5\
             &jms.redeliveryPolicy.maximumRedeliveryDelay=9&jms.prefetchPolicy.topicPrefetch=3\
             &jms.prefetchPolicy.all=5&jms.sendTimeout=0&jms.useAsyncSend=true\
             &jms.producerWindowSize=1024&jms.connectionIDPrefix=app",
        )
        .unwrap();
        assert_eq!(options.redelivery_policy.maximum_redeliveries, None);
        assert_eq!(options.redelivery_policy.back_off_multiplier, 1.5);
        let most = options.redelivery_policy.maximum_redelivery_delay;
        assert_eq!(most, Some(Duration::from_millis(9)));
        assert_eq!(
            options.prefetch_policy,
            PrefetchPolicy { topic_prefetch: 3, ..PrefetchPolicy::all(5) }
        );
        assert!(options.use_async_send && options.send_timeout.is_none());
        assert_eq!(options.producer_window_size, 1024);
        assert_eq!(options.connection_id_prefix.as_deref(), Some("app"));
        assert_eq!(notes, [""; 0]);
    }

    #[test]
    fn what_has_no_effect_is_named_and_what_cannot_be_is_refused_by_name() {
        let (_, notes) = options("jms.maxThreadPoolSize=3&jms.prefetchPolicy.all=40000").unwrap();
        assert_eq!(notes.len(), 2);
        assert!(notes.iter().any(|note| note.contains("jms.maxThreadPoolSize")), "{notes:?}");
        assert!(notes.iter().any(|note| note.contains("40000 is taken as 32767")), "{notes:?}");
        for (query, name) in [
            ("jms.redeliveryPolicy.redeliveryDelay=-1", "redeliveryDelay"),
            ("jms.redeliveryPolicy.collisionAvoidancePercent=101", "collisionAvoidancePercent"),
            ("jms.prefetchPolicy.queuePrefetch=-1", "queuePrefetch"),
            ("jms.producerWindowSize=-1", "producerWindowSize"),
            ("jms.keyStore=a.ks", "keyStore"),
        ] {
            let error = options(query).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn every_option_that_a_uri_may_have_comes_to_something() {
        for name in JmsOptions::names() {
            let is_listed = |list: &[(&str, &str)]| list.iter().any(|(other, _)| *other == name);
            if is_listed(WITHOUT_EFFECT) || is_listed(REFUSED) || ELSEWHERE.contains(&name) {
                continue;
            }
            let is_set = ["1", "true", "a"].iter().any(|value| {
                let uri = format!("failover:(tcp://a:61616)?jms.{name}={value}");
                let uri = FailoverUri::parse(&uri);
                uri.is_ok_and(|uri| ConnectionOptions::default().with(uri.jms()).is_ok())
            });
            assert!(is_set, "{name}");
        }
    }
}
