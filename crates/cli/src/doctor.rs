//! `rewire doctor`: each broker of a URI, step by step, and a plain sentence for what is wrong.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire::{AttemptEnd, AttemptRecord, Connection, Error, ErrorKind, Event, Incident};
use rewire_failover::DialError;
use rewire_failover::uri::{BrokerUri, FailoverUri};
use serde_json::json;
use tokio::sync::mpsc;

use crate::args::DoctorArgs;
use crate::run::{self, Failure};

/// How long the record of an attempt is waited for.
const RECORD: Duration = Duration::from_secs(1);

/// Runs the verb; true when every broker is well.
pub(crate) async fn run(args: DoctorArgs) -> Result<bool, Failure> {
    let uri = run::parse_uri(&args.access)?;
    if uri.brokers().is_empty() {
        return Err(Failure::usage("the URI names no broker to look at"));
    }
    let mut is_well = true;
    for broker in uri.brokers() {
        let finding = examine(&args, &uri, broker).await?;
        is_well &= finding.problem.is_none();
        print(broker, &finding, args.json);
    }
    Ok(is_well)
}

/// What was found out about one broker.
struct Finding {
    /// The steps that were taken, in order, and how long each took.
    steps: Vec<(&'static str, Duration)>,
    problem: Option<Problem>,
}

struct Problem {
    /// What happened.
    what: String,
    /// The next thing to try.
    advice: &'static str,
}

async fn examine(
    args: &DoctorArgs,
    uri: &FailoverUri,
    broker: &BrokerUri,
) -> Result<Finding, Failure> {
    let alone = uri.for_one_attempt(broker);
    // Events of one attempt are few.
    let (sender, mut events) = mpsc::channel(64);
    let builder = run::builder_of(&args.access, &alone.reveal())?.listener(move |event| {
        let _ = sender.try_send(event);
    });
    let begun = now();
    let connected = tokio::time::timeout(args.timeout, builder.into_future()).await;
    let took = begun.elapsed();
    let incident = tokio::time::timeout(RECORD, first_incident(&mut events)).await.ok().flatten();
    let mut finding = Finding { steps: steps(incident.as_ref()), problem: None };
    match connected {
        Ok(Ok(connection)) => {
            finding.steps.push(("login", took.saturating_sub(dialling(incident.as_ref()))));
            leave(connection).await;
        }
        Ok(Err(error)) => finding.problem = Some(problem(&error, incident.as_ref())),
        Err(_) => finding.problem = Some(silence(args.timeout, incident.as_ref())),
    }
    Ok(finding)
}

/// The record of the attempt, which comes a moment after its end.
async fn first_incident(events: &mut mpsc::Receiver<Event>) -> Option<Arc<Incident>> {
    while let Some(event) = events.recv().await {
        if let Event::Incident(incident) = event {
            return Some(incident);
        }
    }
    None
}

#[expect(clippy::disallowed_methods, reason = "a program measures with the clock")]
fn now() -> Instant {
    Instant::now()
}

async fn leave(connection: Connection) {
    // It was made to be looked at; how it ends says nothing.
    let _ = connection.close().await;
}

fn attempt(incident: Option<&Arc<Incident>>) -> Option<&AttemptRecord> {
    incident?.attempts.last()
}

fn steps(incident: Option<&Arc<Incident>>) -> Vec<(&'static str, Duration)> {
    let Some(attempt) = attempt(incident) else { return Vec::new() };
    let dial = attempt.dial;
    let steps = [
        ("resolve", dial.resolve),
        ("connect", dial.connect),
        ("tls", dial.tls),
        ("negotiation", dial.handshake),
    ];
    steps.into_iter().filter_map(|(name, time)| Some((name, time?))).collect()
}

fn dialling(incident: Option<&Arc<Incident>>) -> Duration {
    attempt(incident).map_or(Duration::ZERO, |attempt| attempt.took)
}

/// What an error means to whoever runs the brokers.
fn problem(error: &Error, incident: Option<&Arc<Incident>>) -> Problem {
    if let Some(AttemptRecord { end: AttemptEnd::Failed(error), .. }) = attempt(incident) {
        return Problem { what: error.to_string(), advice: advice(error) };
    }
    let advice = match error.kind() {
        ErrorKind::Security => "check --user, --password-env, and the rights of the user",
        ErrorKind::Refused => "the broker knows why; a client id in use is the common reason",
        _ => "try again with `rewire watch` to see each attempt",
    };
    Problem { what: error.to_string(), advice }
}

const fn advice(error: &DialError) -> &'static str {
    match error {
        DialError::Resolve(_) => "check the spelling of the host, and the DNS of this machine",
        DialError::Connect(_) => {
            "nobody listens there: is the broker running, and is this the port of its OpenWire connector?"
        }
        DialError::TimedOut(_) => {
            "nothing answers: a firewall that drops packets, or a broker that hangs"
        }
        DialError::Tls(_) => {
            "check whom the certificate names and who signed it, and that the port speaks TLS"
        }
        DialError::Handshake(_) => {
            "something listens there that does not speak OpenWire: another protocol's port, or one that wants TLS (ssl://)?"
        }
        DialError::Refused(_) => "check --user, --password-env, and the rights of the user",
        _ => "see the message",
    }
}

fn silence(limit: Duration, incident: Option<&Arc<Incident>>) -> Problem {
    let what = format!("no answer within {} ms", limit.as_millis());
    let advice = match attempt(incident).map(|attempt| &attempt.end) {
        Some(AttemptEnd::Succeeded) => {
            "the broker took the connection and does not answer the login: is it overloaded?"
        }
        _ => "nothing answers: a firewall that drops packets, or a port that listens and is deaf",
    };
    Problem { what, advice }
}

fn print(broker: &BrokerUri, finding: &Finding, json: bool) {
    let mut out = std::io::stdout().lock();
    let ms = |time: &Duration| time.as_secs_f64() * 1000.0;
    if json {
        let mut line = json!({"broker": broker.location(), "ok": finding.problem.is_none()});
        for (name, time) in &finding.steps {
            line[format!("{name}_ms")] = json!(ms(time));
        }
        if let Some(Problem { what, advice }) = &finding.problem {
            line["problem"] = json!(what);
            line["advice"] = json!(advice);
        }
        // Nobody may be reading, here and below.
        let _ = writeln!(out, "{line}");
        return;
    }
    let _ = writeln!(out, "{}", broker.location());
    for (name, time) in &finding.steps {
        let _ = writeln!(out, "  {name:<12} {:>8.1} ms", ms(time));
    }
    let _ = match &finding.problem {
        None => writeln!(out, "  it is well"),
        Some(Problem { what, advice }) => writeln!(out, "  failed: {what}\n  try: {advice}"),
    };
}
