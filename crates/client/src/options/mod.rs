//! What can be said of a connection besides where it goes: ActiveMQ's `jms.*` options.

mod destination;
#[cfg(feature = "serde")]
mod files;
mod jms;
mod prefetch;
mod redelivery;

use std::time::Duration;

pub(crate) use self::destination::{ConsumerOptions, split_options};
pub(crate) use self::prefetch::MOST_PREFETCH;
pub use self::prefetch::PrefetchPolicy;
pub use self::redelivery::RedeliveryPolicy;

/// How the sessions, producers and consumers of a connection behave where they do not say so themselves.
///
/// The names and defaults are those of ActiveMQ's `ActiveMQConnectionFactory`. In a URI each is written
/// `jms.NAME`, and what the URI says counts over what is set here. With the feature `serde` a configuration
/// file can hold them, under the same names; durations are milliseconds there.
///
/// ```
/// use rewire::{ConnectionOptions, PrefetchPolicy};
///
/// let mut options = ConnectionOptions::default();
/// options.prefetch_policy = PrefetchPolicy::all(10);
/// options.redelivery_policy.maximum_redeliveries = Some(2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "camelCase", deny_unknown_fields))]
#[non_exhaustive]
pub struct ConnectionOptions {
    /// How many messages are sent ahead.
    pub prefetch_policy: PrefetchPolicy,
    /// How messages that were not consumed are delivered again.
    pub redelivery_policy: RedeliveryPolicy,
    /// Whether what is delivered again leaves what came after it alone, and comes last. Default false: the
    /// consumer hands out nothing until the delay is over, and the order is kept.
    pub non_blocking_redelivery: bool,
    /// Whether messages that have expired on their way are dropped, and the broker told so. Default true.
    pub consumer_expiry_check_enabled: bool,
    /// Whether consumers in [`Auto`](crate::AckMode::Auto) acknowledge many messages at once: at 65 percent of
    /// the prefetch, or when `optimizeAcknowledgeTimeOut` is over. Default false.
    pub optimize_acknowledge: bool,
    /// How long acknowledgements that are collected wait for more: those of `optimizeAcknowledge` and of
    /// [`DupsOk`](crate::AckMode::DupsOk). Default 300 ms.
    #[cfg_attr(feature = "serde", serde(with = "files::millis"))]
    pub optimize_acknowledge_time_out: Duration,
    /// Whether each consumer asks to be its queue's only one. Default false.
    pub exclusive_consumer: bool,
    /// Whether topics' consumers ask for what was sent before, if the broker has kept some. Default false.
    pub use_retroactive_consumer: bool,
    /// Whether the broker may dispatch in the background. Default true.
    pub dispatch_async: bool,
    /// Whether [`send`](crate::Producer::send) returns when the message has left, without a broker's answer.
    /// Default false.
    pub use_async_send: bool,
    /// Whether [`send_async`](crate::Producer::send_async) waits for a broker's answer too, outside of
    /// transactions. Default false.
    pub always_sync_send: bool,
    /// How long [`send`](crate::Producer::send) waits for a broker's answer, before the message counts as
    /// in doubt; none, written 0, is for ever. Default none.
    #[cfg_attr(feature = "serde", serde(with = "files::millis_or_off"))]
    pub send_timeout: Option<Duration>,
    /// How many bytes a producer may be ahead of the broker with [`send_async`](crate::Producer::send_async);
    /// 0 is without limit. Default 0.
    pub producer_window_size: u32,
    /// Whether bodies travel compressed. Default false.
    pub use_compression: bool,
    /// Whether messages are sent without the time of sending; then none expires. Default false.
    pub disable_time_stamps_by_default: bool,
    /// The start of a made-up client id. Default `ID:`.
    pub client_id_prefix: Option<String>,
    /// The start of the connection's name. Default `ID:`.
    pub connection_id_prefix: Option<String>,
    /// How long the connection waits for a broker's consent; none, written 0, is for ever. Default none.
    #[cfg_attr(feature = "serde", serde(with = "files::millis_or_off"))]
    pub connect_response_timeout: Option<Duration>,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            prefetch_policy: PrefetchPolicy::default(),
            redelivery_policy: RedeliveryPolicy::default(),
            non_blocking_redelivery: false,
            consumer_expiry_check_enabled: true,
            optimize_acknowledge: false,
            optimize_acknowledge_time_out: Duration::from_millis(300),
            exclusive_consumer: false,
            use_retroactive_consumer: false,
            dispatch_async: true,
            use_async_send: false,
            always_sync_send: false,
            send_timeout: None,
            producer_window_size: 0,
            use_compression: false,
            disable_time_stamps_by_default: false,
            client_id_prefix: None,
            connection_id_prefix: None,
            connect_response_timeout: None,
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_options_under_javas_names_and_refuses_others() {
        let text = r#"{"useCompression":true,"sendTimeout":0,
            "redeliveryPolicy":{"maximumRedeliveries":-1,"initialRedeliveryDelay":50,
                                "maximumRedeliveryDelay":2000},
            "prefetchPolicy":{"queuePrefetch":7}}"#;
        let options: ConnectionOptions = serde_json::from_str(text).unwrap();
        assert!(options.use_compression && options.send_timeout.is_none());
        assert_eq!(options.redelivery_policy.maximum_redeliveries, None);
        assert_eq!(
            options.redelivery_policy.maximum_redelivery_delay,
            Some(Duration::from_secs(2))
        );
        assert_eq!(options.prefetch_policy.queue_prefetch, 7);
        let again = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<ConnectionOptions>(&again).unwrap(), options);
        let misspelt = r#"{"useCompresion":true}"#;
        let error = serde_json::from_str::<ConnectionOptions>(misspelt).unwrap_err();
        assert!(error.to_string().contains("useCompresion"), "{error}");
        assert!(serde_json::from_str::<ConnectionOptions>(r#"{"sendTimeout":-5}"#).is_err());
    }

    #[tokio::test]
    async fn a_connection_is_made_of_what_a_file_holds() {
        #[derive(serde::Deserialize)]
        struct Settings {
            uri: crate::uri::FailoverUri,
            options: ConnectionOptions,
        }
        let file = r#"{"uri": {"brokers": ["tcp://127.0.0.1:1"], "startupMaxReconnectAttempts": 1},
            "options": {"connectResponseTimeout": 20000}}"#;
        let Settings { uri, options } = serde_json::from_str(file).unwrap();
        let failed = crate::Connection::builder_for(uri).options(options).await.unwrap_err();
        assert_eq!(failed.kind(), crate::ErrorKind::Unreachable);
    }
}
