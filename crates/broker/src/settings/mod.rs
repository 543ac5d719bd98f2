//! `Settings`: a broker as a TOML file describes it.
//!
//! Names of keys may be written as ActiveMQ does (`maxFrameSize`), or with `-` or `_` between the words.
//! What is not known is an error, which says where it stands and what may have been meant. Every key is
//! in `docs/broker.toml`, which a test reads.

mod access;
mod policies;
mod reader;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use self::reader::{Source, Table, suggestion};
use crate::cluster::{ClusterConfig, NetworkConnector};
use crate::core::BrokerConfig;
use crate::server::{BrokerBuilder, ListenerConfig, ListenerTls, TlsWords};

/// Bytes of the largest file that is read.
const MAX_FILE: u64 = 4 << 20;

/// What a file says of a broker.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The broker's name, users, rights and limits.
    pub config: BrokerConfig,
    /// Where it keeps messages, if that is said.
    pub store: Option<StoreSettings>,
    /// Where clients come in. None if that is not said.
    pub listeners: Vec<ListenerConfig>,
    /// Bytes of a frame, where a listener does not say otherwise.
    pub max_frame_size: Option<usize>,
    /// Where its window for people and Prometheus is, if it has one: `127.0.0.1:8161`.
    pub http: Option<String>,
}

/// Where a broker keeps messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// In memory: nothing is left when the broker ends.
    Memory,
    /// In this folder.
    Folder(PathBuf),
}

/// What is wrong with a file, and where. No password is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    file: String,
    place: Option<(usize, usize)>,
    problem: String,
}

impl SettingsError {
    /// The line, from 1; none when the file cannot be read at all.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.place.map(|(line, _)| line)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, problem } = self;
        match place {
            Some((line, column)) => write!(f, "{file}:{line}:{column}: {problem}"),
            None => write!(f, "{file}: {problem}"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads a file. What it says of other files counts from its own folder.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or something in it is wrong.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let refuse = |problem: String| SettingsError { file: file.clone(), place: None, problem };
        let found = std::fs::metadata(path).map_err(|error| refuse(error.to_string()))?;
        if found.len() > MAX_FILE {
            return Err(refuse(format!("is larger than {MAX_FILE} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
        Self::parse(&file, &text)
    }

    /// Reads the text of a file of this name.
    ///
    /// ```
    /// use rewire_broker::settings::Settings;
    ///
    /// let error = Settings::parse("broker.toml", "[limits]\nmemry = \"1 GiB\"").unwrap_err();
    /// let said = "broker.toml:2:1: there is no key `memry` of [limits]: did you mean `memory`?";
    /// assert_eq!(error.to_string(), said);
    /// ```
    ///
    /// # Errors
    ///
    /// When something in it is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Self, SettingsError> {
        let folder = Path::new(file).parent().unwrap_or_else(|| Path::new(""));
        let mut table = Table::parse(Source { file, text })?;
        let mut settings = Self::default();
        if let Some(name) = table.take("name") {
            settings.config.name = name.text()?;
        }
        settings.store = store(&mut table, folder)?;
        if let Some(uris) = table.take("listen") {
            let uris = uris.names(|uri| {
                let checked = ListenerConfig::new(uri).check();
                checked.map_err(|problem| format!("cannot be {uri:?}: {problem}"))
            })?;
            settings.listeners.extend(uris.into_iter().map(ListenerConfig::new));
        }
        for listener in tables(&mut table, "listener")? {
            settings.listeners.push(read_listener(listener, folder)?);
        }
        if let Some(limits) = table.take("limits") {
            let limits = limits.table()?;
            settings.max_frame_size = read_limits(limits, &mut settings.config)?;
        }
        let config = &mut settings.config;
        let switches: [(&'static str, &mut bool); 2] = [
            ("advisorySupport", &mut config.advisory_support),
            ("anonymousProducerAdvisorySupport", &mut config.anonymous_producer_advisory_support),
        ];
        for (name, switch) in switches {
            if let Some(value) = table.take(name) {
                *switch = value.boolean()?;
            }
        }
        if let Some(value) = table.take("virtualTopic") {
            let mut table = value.table()?;
            if let Some(value) = table.take("selectorAware") {
                settings.config.selector_aware_virtual_topics = value.boolean()?;
            }
            table.finish()?;
        }
        settings.http = read_http(&mut table)?;
        access::read(&mut table, &mut settings.config)?;
        policies::read(&mut table, &mut settings.config.policies)?;
        settings.config.cluster = read_cluster(&mut table)?;
        table.finish()?;
        Ok(settings)
    }

    /// The broker as it is described, but for its store.
    #[must_use]
    pub fn into_builder(self) -> BrokerBuilder {
        let Self { config, listeners, max_frame_size, store: _, http } = self;
        let mut builder = BrokerBuilder::default().configure(|own| *own = config);
        for listener in listeners {
            builder = builder.listener(listener);
        }
        #[cfg(feature = "http")]
        if let Some(address) = http {
            builder = builder.http(address);
        }
        #[cfg(not(feature = "http"))]
        drop(http);
        match max_frame_size {
            Some(bytes) => builder.max_frame_size(bytes),
            None => builder,
        }
    }
}

fn tables<'t>(table: &mut Table<'t>, name: &'static str) -> Result<Vec<Table<'t>>, SettingsError> {
    table.take(name).map_or_else(|| Ok(Vec::new()), reader::Value::tables)
}

fn store(table: &mut Table<'_>, folder: &Path) -> Result<Option<StoreSettings>, SettingsError> {
    let memory = table.take("memory").map(reader::Value::boolean).transpose()?;
    let Some(data) = table.take("data") else {
        return Ok(memory.filter(|memory| *memory).map(|_| StoreSettings::Memory));
    };
    if memory == Some(true) {
        return Err(data.error("is for a broker that does not keep its messages in `memory`"));
    }
    Ok(Some(StoreSettings::Folder(folder.join(data.text()?))))
}

fn read_tls(table: &mut Table<'_>, folder: &Path) -> Result<Option<ListenerTls>, SettingsError> {
    let mut words = TlsWords::default();
    let files: [(&'static str, &mut Option<PathBuf>); 3] = [
        ("certificates", &mut words.certificates),
        ("key", &mut words.key),
        ("clientAuthorities", &mut words.authorities),
    ];
    for (name, file) in files {
        if let Some(value) = table.take(name) {
            *file = Some(folder.join(value.text()?));
        }
    }
    let switches: [(&'static str, &mut Option<bool>); 2] =
        [("needClientAuth", &mut words.needs), ("wantClientAuth", &mut words.wants)];
    for (name, switch) in switches {
        if let Some(value) = table.take(name) {
            *switch = Some(value.boolean()?);
        }
    }
    let handshake = table.take("handshakeTimeout");
    let tls = words.read().map_err(|problem| table.error(problem))?;
    match (tls, handshake) {
        (Some(tls), Some(timeout)) => {
            Ok(Some(ListenerTls { handshake_timeout: timeout.duration()?, ..tls }))
        }
        (None, Some(timeout)) => Err(timeout.error("is for a listener with `certificates`")),
        (tls, None) => Ok(tls),
    }
}

fn read_listener(mut table: Table<'_>, folder: &Path) -> Result<ListenerConfig, SettingsError> {
    let mut listener = ListenerConfig::new(table.need("uri")?.text()?);
    if let Some(published) = table.take("published") {
        listener.published = Some(published.text()?);
    }
    if let Some(count) = table.take("maximumConnections") {
        listener.maximum_connections = Some(count.count()?);
    }
    if let Some(bytes) = table.take("maxFrameSize") {
        listener.max_frame_size = Some(bytes.bytes()?);
    }
    listener.tls = read_tls(&mut table, folder)?;
    if let Some(silence) = table.take("maxInactivityDuration") {
        listener.max_inactivity = Some(silence.duration()?);
    }
    listener.check().map_err(|problem| table.error(format!("{}: {problem}", listener.uri)))?;
    table.finish()?;
    Ok(listener)
}

/// Reads the limits. Bytes of a frame, if they are said.
fn read_limits(
    mut table: Table<'_>,
    config: &mut BrokerConfig,
) -> Result<Option<usize>, SettingsError> {
    let times: [(&'static str, &mut Duration); 2] = [
        ("connectAttemptTimeout", &mut config.connect_attempt_timeout),
        ("maxSlowDuration", &mut config.max_slow_duration),
    ];
    for (name, time) in times {
        if let Some(value) = table.take(name) {
            *time = value.duration()?;
        }
    }
    let limits = &mut config.limits;
    let bytes: [(&'static str, &mut usize); 10] = [
        ("memory", &mut limits.memory),
        ("destinationMemory", &mut limits.destination_memory),
        ("pageMemory", &mut limits.page_memory),
        ("unstoredMemory", &mut limits.unstored_memory),
        ("transactionMemory", &mut limits.transaction_memory),
        ("heldBytes", &mut limits.held_bytes),
        ("outgoingBytes", &mut limits.outgoing_bytes),
        ("recentBytes", &mut limits.recent_bytes),
        ("allRecentBytes", &mut limits.all_recent_bytes),
        ("maxFrameSize", &mut 0),
    ];
    let mut max_frame_size = None;
    for (name, limit) in bytes {
        if let Some(value) = table.take(name) {
            *limit = value.bytes()?;
            if name == "maxFrameSize" {
                max_frame_size = Some(*limit);
            }
        }
    }
    let counts: [(&'static str, &mut usize); 9] = [
        ("connections", &mut limits.connections),
        ("perConnection", &mut limits.per_connection),
        ("destinations", &mut limits.destinations),
        ("composite", &mut limits.composite),
        ("durableSubscriptions", &mut limits.durable_subscriptions),
        ("messageGroups", &mut limits.message_groups),
        ("producerAudits", &mut limits.producer_audits),
        ("preparedTransactions", &mut limits.prepared_transactions),
        ("recentMessages", &mut limits.recent_messages),
    ];
    for (name, limit) in counts {
        if let Some(value) = table.take(name) {
            *limit = value.count()?;
        }
    }
    table.finish()?;
    Ok(max_frame_size)
}

fn read_http(table: &mut Table<'_>) -> Result<Option<String>, SettingsError> {
    let Some(value) = table.take("http") else { return Ok(None) };
    if !cfg!(feature = "http") {
        return Err(value.error("needs a broker that was built with the feature http"));
    }
    let mut http = value.table()?;
    let value = http.need("listen")?;
    let wrong = value.error("has to be an address: 127.0.0.1:8161");
    let address = value.text()?;
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(wrong);
    }
    http.finish()?;
    Ok(Some(address))
}

fn read_cluster(table: &mut Table<'_>) -> Result<ClusterConfig, SettingsError> {
    let mut cluster = ClusterConfig::default();
    let switches: [(&'static str, &mut bool); 3] = [
        ("updateClusterClients", &mut cluster.update_clients),
        ("rebalanceClusterClients", &mut cluster.rebalance_clients),
        ("updateClusterClientsOnRemove", &mut cluster.update_clients_on_remove),
    ];
    for (name, switch) in switches {
        if let Some(value) = table.take(name) {
            *switch = value.boolean()?;
        }
    }
    if let Some(filter) = table.take("updateClusterFilter") {
        cluster.filter = Some(filter.parse()?);
    }
    for mut connector in tables(table, "network_connector")? {
        let mut found: NetworkConnector = connector.need("uri")?.parse()?;
        let texts: [(&'static str, &mut Option<String>); 3] = [
            ("name", &mut found.name),
            ("userName", &mut found.user),
            ("password", &mut found.password),
        ];
        for (name, text) in texts {
            if let Some(value) = connector.take(name) {
                *text = Some(value.text()?);
            }
        }
        connector.finish()?;
        cluster.connectors.push(found);
    }
    Ok(cluster)
}
