//! `rewire broker`: a broker until a signal comes.

use std::io::{BufRead, IsTerminal, Read, Write};

use rewire_broker::cluster::NetworkConnector;
use rewire_broker::settings::{Settings, StoreSettings};
use rewire_broker::{DiskStore, ListenerConfig, PasswordHash, StartError};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{BrokerArgs, Hidden};
use crate::run::{Failure, complain};

/// Where clients come in when nobody says.
const DEFAULT_LISTEN: &str = "tcp://127.0.0.1:61616";

/// Bytes of a password that is read.
const MAX_PASSWORD: u64 = 64 << 10;

/// Runs until SIGTERM or SIGINT, then stops in order; or until the store fails.
pub(crate) async fn run(args: BrokerArgs) -> Result<bool, Failure> {
    if args.hash_password {
        return hash_password();
    }
    let settings = settings(args)?;
    let fail = |error: std::io::Error| Failure::failed(format!("no signal can be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let store = settings.store.clone();
    let mut builder = settings.into_builder();
    if let Some(StoreSettings::Folder(folder)) = store {
        let store = DiskStore::open(&folder)
            .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))?;
        builder = builder.store(store);
    }
    let broker = builder.start().await.map_err(|error| match error {
        StartError::Address { .. } | StartError::RightsWithoutUsers => {
            Failure::usage(error.to_string())
        }
        error => Failure::failed(error.to_string()),
    })?;
    let mut stdout = std::io::stdout();
    for uri in broker.uris() {
        // Whoever started it may not be listening.
        let _ = writeln!(stdout, "READY {uri}");
    }
    if let Some(address) = broker.http_address() {
        let _ = writeln!(stdout, "HTTP http://{address}/");
    }
    let _ = stdout.flush();
    let problem = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        problem = broker.failed() => Some(problem),
    };
    let Some(problem) = problem else {
        broker.stop().await;
        return Ok(true);
    };
    // Java: DefaultIOExceptionHandler stops the broker too. Who supervises it can start it again.
    broker.kill().await;
    Err(Failure::failed(format!("the store failed: {problem}")))
}

/// Prints the hash of the password that stands in standard input.
fn hash_password() -> Result<bool, Failure> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        complain("the password, which is shown, and Enter:");
    }
    let mut line = String::new();
    let read = Read::take(&mut stdin, MAX_PASSWORD).read_line(&mut line);
    read.map_err(|error| Failure::failed(format!("standard input: {error}")))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage("--hash-password: give the password on standard input"));
    }
    let hash = PasswordHash::of(password)
        .map_err(|problem| Failure::failed(format!("the password cannot be hashed: {problem}")))?;
    let written = writeln!(std::io::stdout(), "{}", hash.as_str());
    written.map_err(|error| Failure::failed(format!("standard output: {error}")))?;
    Ok(true)
}

/// What the file says, and what the flags say instead.
fn settings(args: BrokerArgs) -> Result<Settings, Failure> {
    let mut settings = match &args.config {
        Some(file) => {
            Settings::read(file).map_err(|error| Failure::usage(format!("--config {error}")))?
        }
        None => Settings::default(),
    };
    for uri in &args.listen {
        let checked = ListenerConfig::new(uri).check();
        checked.map_err(|problem| Failure::usage(format!("--listen {uri}: {problem}")))?;
    }
    if args.http.is_some() {
        settings.http = args.http;
    }
    if let Some(name) = args.name {
        settings.config.name = name;
    }
    if args.memory {
        settings.store = Some(StoreSettings::Memory);
    } else if let Some(folder) = args.data {
        settings.store = Some(StoreSettings::Folder(folder));
    }
    if settings.store.is_none() {
        return Err(Failure::usage("give --data DIR to keep messages there, or --memory"));
    }
    if !args.listen.is_empty() {
        settings.listeners = args.listen.into_iter().map(ListenerConfig::new).collect();
    } else if settings.listeners.is_empty() {
        settings.listeners.push(ListenerConfig::new(DEFAULT_LISTEN));
    }
    for Hidden(user) in args.users {
        let (name, password) = user
            .split_once(':')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::usage("--user: give a name and a password: app:secret"))?;
        settings.config.password_hashes.remove(name);
        settings.config.users.insert(name.to_owned(), password.to_owned());
    }
    let cluster = &mut settings.config.cluster;
    cluster.update_clients |= args.update_cluster_clients;
    cluster.rebalance_clients |= args.rebalance_cluster_clients;
    cluster.update_clients_on_remove |= args.update_cluster_clients_on_remove;
    if args.update_cluster_filter.is_some() {
        cluster.filter = args.update_cluster_filter;
    }
    if !args.network_connector.is_empty() {
        let read = |Hidden(uri): Hidden| uri.parse::<NetworkConnector>();
        let connectors: Result<Vec<_>, _> = args.network_connector.into_iter().map(read).collect();
        cluster.connectors =
            connectors.map_err(|error| Failure::usage(format!("--network-connector: {error}")))?;
    }
    Ok(settings)
}
