//! `rewire watch`: what happens to the connection and to the cluster, as it happens.

use rewire::Event;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::args::WatchArgs;
use crate::run::{self, Failure};

/// Events that may wait to be printed; the listener drops what comes beyond it and says so.
const WAITING: usize = 1024;

pub(crate) async fn run(args: WatchArgs) -> Result<bool, Failure> {
    let (sender, mut events) = mpsc::channel(WAITING);
    let builder = run::builder(&args.access)?.listener(move |event| {
        // What does not fit is dropped: a terminal that is held must not hold the connection.
        let _ = sender.try_send(event);
    });
    let mut connecting = Box::pin(builder.into_future());
    let mut connection = None;
    loop {
        tokio::select! {
            Some(event) = events.recv() => {
                print(&event, args.json);
                if matches!(event, Event::GaveUp(_)) {
                    return Ok(false);
                }
            }
            connected = &mut connecting, if connection.is_none() => connection = Some(connected?),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    if let Some(connection) = connection {
        connection.close().await?;
    }
    Ok(true)
}

fn print(event: &Event, json: bool) {
    if json {
        if let Some(line) = to_json(event) {
            println!("{line}");
        }
    } else if let Some(line) = run::describe(event) {
        println!("{line}");
    }
}

fn to_json(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Connected { broker } => json!({"event": "connected", "broker": broker}),
        Event::Interrupted { broker, cause } => {
            json!({"event": "interrupted", "broker": broker, "cause": cause.to_string()})
        }
        Event::AttemptFailed { broker, error, round } => json!({
            "event": "attempt_failed",
            "broker": broker,
            "error": error.to_string(),
            "round": round,
        }),
        Event::Resumed { broker, outage, replayed, resent } => json!({
            "event": "resumed",
            "broker": broker,
            "outage_ms": u64::try_from(outage.as_millis()).unwrap_or(u64::MAX),
            "replayed": replayed,
            "resent": resent,
        }),
        Event::Rebalancing { from, to, reason } => json!({
            "event": "rebalancing",
            "from": from,
            "to": to,
            "reason": run::move_reason(*reason),
        }),
        Event::TopologyChanged(topology) => {
            let brokers: Vec<_> =
                topology.brokers().iter().map(|broker| broker.location.as_str()).collect();
            json!({"event": "topology", "brokers": brokers})
        }
        Event::GaveUp(reason) => json!({"event": "gave_up", "reason": reason.to_string()}),
        Event::Closed => return None,
        _ => return None,
    })
}
