//! Stand-in.
#![allow(missing_docs, clippy::all)]
use rewire_protocol::LinkConfig;
use std::str::FromStr;
use std::time::Duration;
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Attempts {
    Unlimited,
    AtMost(u32),
}
impl Attempts {
    pub fn limit_after_connect(self) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(n) => Some(n),
        }
    }
}
#[derive(Clone, Debug)]
pub struct FailoverOptions {
    pub initial_reconnect_delay: Duration,
    pub max_reconnect_delay: Duration,
    pub use_exponential_back_off: bool,
    pub reconnect_delay_exponent: f64,
    pub randomize: bool,
    pub timeout: Option<Duration>,
    pub max_reconnect_attempts: Attempts,
    pub startup_max_reconnect_attempts: Attempts,
}
impl Default for FailoverOptions {
    fn default() -> Self {
        Self {
            initial_reconnect_delay: Duration::from_millis(10),
            max_reconnect_delay: Duration::from_secs(30),
            use_exponential_back_off: true,
            reconnect_delay_exponent: 2.0,
            randomize: true,
            timeout: None,
            max_reconnect_attempts: Attempts::Unlimited,
            startup_max_reconnect_attempts: Attempts::Unlimited,
        }
    }
}
impl FailoverOptions {
    pub fn limit_before_connect(&self) -> Option<u32> {
        match self.startup_max_reconnect_attempts {
            Attempts::Unlimited => match self.max_reconnect_attempts {
                Attempts::AtMost(n) => Some(n.max(1)),
                x => x.limit_after_connect(),
            },
            x => x.limit_after_connect(),
        }
    }
}
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerUri {
    scheme: String,
    host: String,
    port: u16,
    options: TransportOptions,
}
#[derive(Clone, Debug, PartialEq)]
pub struct TransportOptions {
    pub connection_timeout: Option<Duration>,
    pub tcp_no_delay: bool,
}
impl TransportOptions {
    pub fn link_config(&self, host: &str) -> LinkConfig {
        let mut c = LinkConfig::default();
        c.offer.host = Some(host.into());
        c
    }
}
impl BrokerUri {
    pub fn transport_options(&self) -> &TransportOptions {
        &self.options
    }
    pub fn is_tls(&self) -> bool {
        false
    }
    pub fn scheme(&self) -> &str {
        &self.scheme
    }
    pub fn host(&self) -> &str {
        &self.host
    }
    pub fn port(&self) -> u16 {
        self.port
    }
    pub fn is_same_broker(&self, o: &Self) -> bool {
        self.host == o.host && self.port == o.port
    }
}
impl std::fmt::Display for BrokerUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}
impl FromStr for BrokerUri {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let (scheme, rest) = s.split_once("://").ok_or("no scheme")?;
        let rest = rest.split('?').next().unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or("no port")?;
        Ok(Self {
            scheme: scheme.into(),
            host: host.into(),
            port: port.parse().map_err(|_| "port")?,
            options: TransportOptions {
                connection_timeout: Some(Duration::from_secs(30)),
                tcp_no_delay: true,
            },
        })
    }
}
#[derive(Clone, Debug)]
pub struct FailoverUri {
    brokers: Vec<BrokerUri>,
    options: FailoverOptions,
}
impl FailoverUri {
    pub fn brokers_to_dial(&self) -> Vec<BrokerUri> {
        self.brokers.clone()
    }
    pub fn options(&self) -> &FailoverOptions {
        &self.options
    }
}
impl FromStr for FailoverUri {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let inner = s.trim_start_matches("failover:").trim_start_matches("//");
        let (list, q) = match inner.strip_prefix('(') {
            Some(x) => {
                let (l, q) = x.split_once(')').ok_or("paren")?;
                (l, q.trim_start_matches('?'))
            }
            None => (inner, ""),
        };
        let brokers = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let mut options = FailoverOptions::default();
        for kv in q.split('&').filter(|x| !x.is_empty()) {
            let (k, v) = kv.split_once('=').ok_or("kv")?;
            match k {
                "randomize" => options.randomize = v == "true",
                "initialReconnectDelay" => {
                    options.initial_reconnect_delay =
                        Duration::from_millis(v.parse().map_err(|_| "num")?)
                }
                _ => {}
            }
        }
        Ok(Self { brokers, options })
    }
}
