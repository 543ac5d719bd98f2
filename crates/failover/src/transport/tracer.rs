//! The one place where what happens to a connection becomes lines and spans.

use tracing::Span;
use tracing::field::Empty;

use crate::core::{Cause, Event, Incident};

/// Keeps the span of the failover that is under way.
#[derive(Debug, Default)]
pub(super) struct Tracer {
    failover: Option<Span>,
}

impl Tracer {
    pub(super) fn tell(&mut self, event: &Event) {
        if let Event::Interrupted { broker, cause } = event {
            self.failover = Some(tracing::info_span!(
                "failover",
                %broker,
                %cause,
                outage_ms = Empty,
                attempts = Empty,
            ));
        }
        match &self.failover {
            Some(span) => span.in_scope(|| trace(event)),
            None => trace(event),
        }
        // It says that a time without a link is over, whatever way.
        if let Event::Incident(incident) = event
            && let Some(span) = self.failover.take()
        {
            span.record("outage_ms", incident.outage.as_secs_f64() * 1000.0);
            span.record("attempts", incident.attempts_made());
        }
    }
}

fn trace(event: &Event) {
    match event {
        Event::Connected { broker } => tracing::info!(%broker, "connected"),
        Event::Interrupted { broker, cause } => tracing::warn!(%broker, %cause, "interrupted"),
        Event::AttemptFailed { broker, error, round } => {
            tracing::debug!(%broker, %error, round, "attempt failed");
        }
        Event::Resumed { broker, outage, replayed, resent } => {
            tracing::info!(%broker, ?outage, replayed, resent, "resumed");
        }
        Event::Rebalancing { from, to, reason } => {
            tracing::info!(%from, %to, ?reason, "rebalancing");
        }
        Event::Incident(incident) => trace_incident(incident),
        Event::StandbyReady { broker } => tracing::debug!(%broker, "standby ready"),
        Event::StandbyLost { broker, cause } => tracing::info!(%broker, %cause, "standby lost"),
        Event::CacheEvicted { messages } => {
            tracing::warn!(messages, "the message cache had no room for what may be lost");
        }
        Event::TopologyChanged(topology) => tracing::info!(?topology, "topology changed"),
        Event::GaveUp(reason) => tracing::error!(%reason, "gave up"),
        Event::Closed => tracing::debug!("closed"),
    }
}

fn trace_incident(incident: &Incident) {
    tracing::info!(
        broker = incident.cause.as_ref().map(Cause::broker),
        cause = incident.cause.as_ref().map(tracing::field::display),
        end = ?incident.end,
        outage_ms = incident.outage.as_secs_f64() * 1000.0,
        waited_ms = incident.waited.as_secs_f64() * 1000.0,
        attempts = incident.attempts_made(),
        rounds = incident.rounds,
        standby = incident.has_taken_standby(),
        replayed = incident.replayed.total(),
        resent = incident.requests_resent,
        in_doubt = incident.requests_in_doubt,
        not_sent = incident.requests_not_sent,
        refused = incident.requests_refused,
        "incident",
    );
    tracing::debug!("{incident}");
}
