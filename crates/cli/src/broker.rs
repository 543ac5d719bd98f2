//! `rewire broker`: a broker until a signal comes.

use std::io::Write;

use rewire_broker::{Broker, DiskStore, StartError};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::BrokerArgs;
use crate::run::Failure;

/// Runs until SIGTERM or SIGINT, then stops in order.
pub(crate) async fn run(args: BrokerArgs) -> Result<bool, Failure> {
    refuse_what_is_not_there(&args)?;
    let fail = |error: std::io::Error| Failure::failed(format!("no signal can be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let mut builder = Broker::builder().name(&args.name);
    if let Some(folder) = &args.data {
        let store = DiskStore::open(folder)
            .map_err(|error| Failure::failed(format!("--data {}: {error}", folder.display())))?;
        builder = builder.store(store);
    }
    for uri in &args.listen {
        builder = builder.listen(uri);
    }
    for user in args.users {
        builder = builder.user(user.name, user.password);
    }
    let broker = builder.start().await.map_err(|error| match error {
        StartError::Address { .. } => Failure::usage(format!("--listen {error}")),
        error => Failure::failed(error.to_string()),
    })?;
    let mut stdout = std::io::stdout();
    for uri in broker.uris() {
        // Whoever started it may not be listening.
        let _ = writeln!(stdout, "READY {uri}");
    }
    let _ = stdout.flush();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    broker.stop().await;
    Ok(true)
}

/// A setting that has no effect must not look as if it had.
fn refuse_what_is_not_there(args: &BrokerArgs) -> Result<(), Failure> {
    let asked = [
        ("--config", args.config.is_some()),
        ("--update-cluster-clients", args.update_cluster_clients),
        ("--rebalance-cluster-clients", args.rebalance_cluster_clients),
        ("--update-cluster-clients-on-remove", args.update_cluster_clients_on_remove),
        ("--update-cluster-filter", args.update_cluster_filter.is_some()),
        ("--network-connector", !args.network_connector.is_empty()),
    ];
    match asked.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Failure::usage(format!("{flag} is not there yet"))),
        None if !args.memory && args.data.is_none() => {
            Err(Failure::usage("give --data DIR to keep messages there, or --memory"))
        }
        None => Ok(()),
    }
}
