//! Events in words and in JSON; pure.

use std::time::Duration;

use rewire::{AttemptEnd, AttemptRecord, Cause, Event, Incident, IncidentEnd, Replayed, Topology};
use serde_json::{Value, json};

/// How wide the column of names is.
const NAME: usize = 14;

/// An event as a line of a table, behind the time it came at; an incident has lines more, below. `None`
/// for one that this program does not know.
pub(crate) fn line(at: &str, event: &Event) -> Option<String> {
    let (name, text) = match event {
        Event::Connected { broker } => ("connected", broker.clone()),
        Event::Interrupted { broker, cause } => ("interrupted", format!("{broker}: {cause}")),
        Event::AttemptFailed { broker, error, round } => {
            ("attempt failed", format!("{broker}, round {round}: {error}"))
        }
        Event::Resumed { broker, outage, replayed, resent } => {
            let replayed = count(*replayed, "command replayed", "commands replayed");
            let resent = count(*resent, "request sent again", "requests sent again");
            let text = format!("{broker} after {} ms, {replayed}, {resent}", outage.as_millis());
            ("resumed", text)
        }
        Event::Rebalancing { from, to, reason } => {
            ("rebalancing", format!("from {from} to {to}: {reason}"))
        }
        Event::Incident(incident) => ("incident", incident.to_string()),
        Event::StandbyReady { broker } => ("standby ready", broker.clone()),
        Event::StandbyLost { broker, cause } => ("standby lost", format!("{broker}: {cause}")),
        Event::TopologyChanged(topology) => ("topology", brokers(topology).join(", ")),
        Event::GaveUp(reason) => ("ended", reason.to_string()),
        Event::Closed => ("closed", String::new()),
        _ => return None,
    };
    let text = text.replace('\n', "\n  ");
    Some(format!("{at}  {name:NAME$}  {text}").trim_end().to_owned())
}

/// An event as a sentence, for someone who waits; `None` for one that says nothing to people.
pub(crate) fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::Connected { broker } => format!("connected to {broker}"),
        Event::Interrupted { broker, cause } => format!("lost {broker}: {cause}"),
        Event::Resumed { broker, outage, .. } => {
            format!("now on {broker}, after {} ms", outage.as_millis())
        }
        Event::AttemptFailed { broker, error, round } => {
            format!("{broker}: {error} (round {round})")
        }
        Event::Rebalancing { from, to, reason } => format!("moving from {from} to {to}: {reason}"),
        Event::TopologyChanged(topology) => {
            format!("the cluster is {}", brokers(topology).join(", "))
        }
        Event::CacheEvicted { messages } => {
            format!("{messages} messages may be lost: maxCacheSize had no room for them")
        }
        Event::GaveUp(reason) => reason.to_string(),
        _ => return None,
    })
}

/// An event as an object; `None` for one that scripts have no use for.
pub(crate) fn to_json(event: &Event) -> Option<Value> {
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
            "reason": reason.to_string(),
        }),
        Event::Incident(incident) => incident_json(incident),
        Event::StandbyReady { broker } => json!({"event": "standby_ready", "broker": broker}),
        Event::StandbyLost { broker, cause } => {
            json!({"event": "standby_lost", "broker": broker, "cause": cause.to_string()})
        }
        Event::CacheEvicted { messages } => {
            json!({"event": "cache_evicted", "messages": messages})
        }
        Event::TopologyChanged(topology) => {
            json!({"event": "topology", "brokers": brokers(topology)})
        }
        Event::GaveUp(reason) => json!({"event": "gave_up", "reason": reason.to_string()}),
        _ => return None,
    })
}

fn incident_json(incident: &Incident) -> Value {
    let (end, broker, reason) = match &incident.end {
        IncidentEnd::Resumed { broker } => ("resumed", Some(broker), None),
        IncidentEnd::GaveUp(reason) => ("gave_up", None, Some(reason.to_string())),
        IncidentEnd::Closed => ("closed", None, None),
        _ => ("other", None, None),
    };
    let cause = incident.cause.as_ref().map(|cause| match cause {
        Cause::Lost { broker, reason, noticed } => json!({
            "broker": broker,
            "reason": reason.to_string(),
            "noticed_by": noticed.to_string(),
        }),
        other => json!({"broker": other.broker(), "reason": other.to_string()}),
    });
    let Replayed { connection, temporary_destinations, sessions, producers, .. } =
        incident.replayed;
    let Replayed { consumers, transactions, messages, others, .. } = incident.replayed;
    let attempts: Vec<Value> = incident.attempts.iter().map(attempt_json).collect();
    json!({
        "event": "incident",
        "cause": cause,
        "outage_ms": ms(incident.outage),
        "waited_ms": ms(incident.waited),
        "end": end,
        "broker": broker,
        "reason": reason,
        "rounds": incident.rounds,
        "attempts_made": incident.attempts_made(),
        "attempts": attempts,
        "replayed": {
            "connection": connection,
            "temporary_destinations": temporary_destinations,
            "sessions": sessions,
            "producers": producers,
            "consumers": consumers,
            "transactions": transactions,
            "messages": messages,
            "others": others,
        },
        "resent": incident.requests_resent,
        "in_doubt": incident.requests_in_doubt,
        "not_sent": incident.requests_not_sent,
        "refused": incident.requests_refused,
    })
}

fn attempt_json(attempt: &AttemptRecord) -> Value {
    let (end, error) = match &attempt.end {
        AttemptEnd::Succeeded => ("succeeded", None),
        AttemptEnd::Failed(error) => ("failed", Some(error.to_string())),
        AttemptEnd::Abandoned => ("abandoned", None),
        _ => ("other", None),
    };
    json!({
        "broker": attempt.broker,
        "round": attempt.round,
        "after_ms": ms(attempt.after),
        "waited_ms": ms(attempt.waited),
        "took_ms": ms(attempt.took),
        "standby": attempt.is_standby,
        "resolve_ms": attempt.dial.resolve.map(ms),
        "connect_ms": attempt.dial.connect.map(ms),
        "tls_ms": attempt.dial.tls.map(ms),
        "handshake_ms": attempt.dial.handshake.map(ms),
        "replay_ms": attempt.replay.map(ms),
        "end": end,
        "error": error,
    })
}

fn brokers(topology: &Topology) -> Vec<&str> {
    topology.brokers().iter().map(|broker| broker.location.as_str()).collect()
}

fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Milliseconds, to the microsecond.
#[expect(clippy::cast_precision_loss, reason = "a duration for people")]
fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests;
