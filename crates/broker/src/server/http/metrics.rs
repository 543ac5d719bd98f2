//! What a broker is doing as numbers, in Prometheus' text format.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};
use std::time::Duration;

use rewire_protocol::Destination;

use crate::core::{BrokerReport, Counts, DestinationReport, StoreReport, SubscriptionReport};

/// What such a text is, to who asks for it.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All numbers. Temporary destinations are not among them: each would be a series that nobody sees again.
pub(super) fn text(report: &BrokerReport, since: Duration) -> String {
    let mut text = Text::default();
    of_broker(&mut text, report, since);
    if let Some(store) = &report.store {
        of_store(&mut text, store);
    }
    of_cluster(&mut text, report);
    of_destinations(&mut text, report);
    of_subscriptions(&mut text, report);
    text.0
}

/// The text as far as it is written.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a metric: all its samples follow.
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}.\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let opening = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{opening}{label}=\"{}\"", escape(value));
        }
        let closing = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{closing} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.begin(name, "gauge", help);
        self.sample(name, &[], value);
    }
}

/// A text as the value of a label.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

fn of_broker(text: &mut Text, report: &BrokerReport, since: Duration) {
    text.begin("rewire_broker_info", "gauge", "Which broker this is; always 1");
    let version = env!("CARGO_PKG_VERSION");
    text.sample("rewire_broker_info", &[("name", &report.name), ("version", version)], 1);
    text.gauge(
        "rewire_broker_start_time_seconds",
        "When the broker was started, in seconds since 1970",
        since.as_secs_f64(),
    );
    let numbers = [
        ("connections", "Clients", report.connection_count),
        ("destinations", "Queues and topics", report.destination_count),
        ("durable_subscriptions", "Durable subscriptions", report.subscription_count),
        ("memory_used_bytes", "Bytes of messages in memory", report.memory_used),
        ("memory_limit_bytes", "Bytes of messages that may be in memory", report.memory_limit),
        ("store_failed", "Whether the store has failed", usize::from(report.store_failed)),
    ];
    for (name, help, value) in numbers {
        text.gauge(&format!("rewire_broker_{name}"), help, value);
    }
}

fn of_store(text: &mut Text, store: &StoreReport) {
    const NAME: &str = "rewire_store_commit_seconds";
    text.begin(NAME, "histogram", "How long the store took for each commit");
    let bucket = format!("{NAME}_bucket");
    for (bound, count) in StoreReport::BOUNDS.iter().zip(store.within) {
        text.sample(&bucket, &[("le", &bound.as_secs_f64().to_string())], count);
    }
    text.sample(&bucket, &[("le", "+Inf")], store.commits);
    text.sample(&format!("{NAME}_sum"), &[], store.time.as_secs_f64());
    text.sample(&format!("{NAME}_count"), &[], store.commits);
}

fn of_cluster(text: &mut Text, report: &BrokerReport) {
    const CLIENTS: &str = "rewire_cluster_clients";
    text.gauge(
        "rewire_cluster_brokers",
        "Brokers of the cluster, this one among them",
        report.cluster.len(),
    );
    text.begin(CLIENTS, "gauge", "Clients of each broker of the cluster that tells how many");
    let mut named = BTreeSet::new();
    for broker in &report.cluster {
        // A broker that has started again may be known twice for a moment.
        if let Some(clients) = broker.clients
            && named.insert((&broker.name, &broker.address))
        {
            let labels = [("broker", broker.name.as_str()), ("address", &broker.address)];
            text.sample(CLIENTS, &labels, clients);
        }
    }
}

/// Where a number is found.
type Value<R> = fn(&R) -> u64;

/// What became of messages.
const COUNTS: [(&str, &str, Value<Counts>); 5] = [
    ("enqueued", "Messages taken in", |counts| counts.enqueued),
    ("dequeued", "Messages consumed; of a topic, copies sent", |counts| counts.dequeued),
    ("expired", "Messages that expired", |counts| counts.expired),
    ("dead", "Messages that became dead letters", |counts| counts.dead),
    ("discarded", "Messages dropped for slow consumers of a topic", |counts| counts.discarded),
];

fn of_destinations(text: &mut Text, report: &BrokerReport) {
    let named: Vec<_> =
        report.destinations.iter().filter(|own| !own.destination.kind.is_temporary()).collect();
    let labels = |destination: &Destination| {
        let kind = if destination.kind.is_queue() { "queue" } else { "topic" };
        (destination.physical_name.to_string(), kind)
    };
    let gauges: [(&str, &str, Value<DestinationReport>); 5] = [
        ("pending_messages", "Messages that wait for a consumer", |own| own.pending as u64),
        ("in_flight_messages", "Messages at consumers", |own| own.in_flight as u64),
        ("consumers", "Consumers", |own| own.consumers as u64),
        ("producers", "Producers", |own| own.producers as u64),
        ("memory_bytes", "Bytes of messages in memory", |own| own.bytes as u64),
    ];
    for (name, help, value) in gauges {
        let name = format!("rewire_destination_{name}");
        text.begin(&name, "gauge", help);
        for own in &named {
            let (destination, kind) = labels(&own.destination);
            text.sample(&name, &[("type", kind), ("destination", &destination)], value(own));
        }
    }
    for (name, help, value) in COUNTS {
        let name = format!("rewire_destination_{name}_messages_total");
        text.begin(&name, "counter", help);
        for own in &named {
            let (destination, kind) = labels(&own.destination);
            let labels = [("type", kind), ("destination", destination.as_str())];
            text.sample(&name, &labels, value(&own.counts));
        }
    }
}

fn of_subscriptions(text: &mut Text, report: &BrokerReport) {
    let gauges: [(&str, &str, Value<SubscriptionReport>); 3] = [
        ("active", "Whether the subscriber is there", |own| u64::from(own.is_active)),
        ("pending_messages", "Messages that wait for the subscriber", |own| own.pending as u64),
        ("in_flight_messages", "Messages at the subscriber", |own| own.in_flight as u64),
    ];
    for (name, help, value) in gauges {
        let name = format!("rewire_durable_subscription_{name}");
        text.begin(&name, "gauge", help);
        for own in &report.subscriptions {
            let labels = [("client_id", own.client_id.as_str()), ("subscription", &own.name)];
            text.sample(&name, &labels, value(own));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn a_broker_that_is_known_twice_is_counted_once() {
        let member = crate::cluster::ClusterMember {
            name: "b".to_owned(),
            address: "tcp://b:1".to_owned(),
            clients: Some(2),
            is_leaving: false,
        };
        let report = BrokerReport { cluster: vec![member.clone(), member], ..Default::default() };
        let text = text(&report, Duration::ZERO);
        let sample = "rewire_cluster_clients{broker=\"b\",address=\"tcp://b:1\"} 2\n";
        assert_eq!(text.matches(sample).count(), 1, "{text}");
    }
}
