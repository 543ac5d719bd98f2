//! What a broker is doing as JSON, for the page.

use std::time::Duration;

use serde_json::{Value, json};

use crate::core::BrokerReport;

pub(super) fn text(report: &BrokerReport, since: Duration) -> String {
    let since_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    json!({
        "name": report.name, "id": report.id, "startedAt": since_ms,
        "connectionCount": report.connection_count, "connections": connections(report),
        "destinationCount": report.destination_count, "destinations": destinations(report),
        "subscriptionCount": report.subscription_count, "subscriptions": subscriptions(report),
        "cluster": cluster(report),
        "memoryUsed": report.memory_used, "memoryLimit": report.memory_limit,
        "storeFailed": report.store_failed,
        "store": report.store.as_ref().map(|store| {
            json!({ "commits": store.commits, "seconds": store.time.as_secs_f64() })
        }),
    })
    .to_string()
}

fn connections(report: &BrokerReport) -> Vec<Value> {
    let shown = report.connections.iter().map(|own| {
        json!({
            "clientId": own.client_id, "user": own.user, "peer": own.peer,
            "consumers": own.consumers, "producers": own.producers,
        })
    });
    shown.collect()
}

fn destinations(report: &BrokerReport) -> Vec<Value> {
    let shown = report.destinations.iter().map(|own| {
        json!({
            "name": own.destination.to_string(), "pending": own.pending,
            "inFlight": own.in_flight, "consumers": own.consumers,
            "producers": own.producers, "bytes": own.bytes,
            "enqueued": own.counts.enqueued, "dequeued": own.counts.dequeued,
            "expired": own.counts.expired, "dead": own.counts.dead,
            "discarded": own.counts.discarded,
        })
    });
    shown.collect()
}

fn subscriptions(report: &BrokerReport) -> Vec<Value> {
    let shown = report.subscriptions.iter().map(|own| {
        json!({
            "clientId": own.client_id, "name": own.name,
            "destination": own.destination.to_string(), "active": own.is_active,
            "pending": own.pending, "inFlight": own.in_flight,
        })
    });
    shown.collect()
}

fn cluster(report: &BrokerReport) -> Vec<Value> {
    let shown = report.cluster.iter().map(|own| {
        json!({
            "name": own.name, "address": own.address,
            "clients": own.clients, "leaving": own.is_leaving,
        })
    });
    shown.collect()
}
