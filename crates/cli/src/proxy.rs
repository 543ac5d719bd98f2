//! `rewire proxy`: a network that fails when it is told to, until a signal comes.

use std::io::Write;

use rewire_broker::testkit::{Fault, FaultProxy, ProxyEvent};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use crate::args::ProxyArgs;
use crate::run::{Failure, complain};

/// Runs until SIGTERM or SIGINT. The end of standard input only means that no more faults come.
pub(crate) async fn run(args: ProxyArgs) -> Result<bool, Failure> {
    let fail = |error: std::io::Error| Failure::failed(format!("no signal can be heard: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    let proxy = FaultProxy::between(&args.listen, &args.to)
        .map_err(|error| Failure::usage(error.to_string()))?;
    let mut events = proxy.events();
    let out = Out { json: args.json };
    for fault in faults(&args) {
        proxy.apply(&fault);
        out.fault(&fault);
    }
    say(&format!("READY {}", proxy.uri()));
    let mut lines = Some(BufReader::new(tokio::io::stdin()).lines());
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(true),
            _ = interrupt.recv() => return Ok(true),
            event = events.recv() => match event {
                Ok(event) => out.event(&event),
                Err(RecvError::Lagged(missed)) => out.missed(missed),
                Err(RecvError::Closed) => return Ok(true),
            },
            line = next(&mut lines) => match line {
                Some(line) => obey(&proxy, &out, &line),
                None => lines = None,
            },
        }
    }
}

/// The faults that flags ask for.
fn faults(args: &ProxyArgs) -> Vec<Fault> {
    let way = args.direction;
    [
        args.delay.map(|delay| Fault::Delay(way, delay)),
        args.throttle.map(|rate| Fault::Throttle(way, rate)),
        args.cut_after.map(|bytes| Fault::CutAfter(way, bytes)),
        args.black_hole.then_some(Fault::BlackHole(way)),
        args.refuse.then_some(Fault::Refuse),
        args.drop_reply.map(Fault::DropReply),
        args.cut_reply.map(Fault::CutReply),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn next(lines: &mut Option<Lines<BufReader<Stdin>>>) -> Option<String> {
    match lines {
        // What cannot be read is the end.
        Some(lines) => lines.next_line().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

fn obey(proxy: &FaultProxy, out: &Out, line: &str) {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return;
    }
    match line.parse::<Fault>() {
        Ok(fault) => {
            proxy.apply(&fault);
            out.fault(&fault);
        }
        Err(error) => out.mistake(line, &error.to_string()),
    }
}

/// Where what happens is printed.
struct Out {
    json: bool,
}

impl Out {
    fn fault(&self, fault: &Fault) {
        self.line(|| json!({"event": "fault", "fault": fault.to_string()}), || fault.to_string());
    }

    fn mistake(&self, line: &str, problem: &str) {
        complain(problem);
        if self.json {
            say(&json!({"event": "error", "line": line, "problem": problem}).to_string());
        }
    }

    fn missed(&self, missed: u64) {
        let text = || format!("{missed} events were missed");
        self.line(|| json!({"event": "missed", "events": missed}), text);
    }

    fn event(&self, event: &ProxyEvent) {
        match event {
            ProxyEvent::Opened { connection, peer } => self.line(
                || json!({"event": "opened", "connection": connection, "peer": peer.to_string()}),
                || format!("connection {connection}: opened by {peer}"),
            ),
            ProxyEvent::ReplyDropped { connection } => self.line(
                || json!({"event": "reply_dropped", "connection": connection}),
                || format!("connection {connection}: a reply was left out"),
            ),
            ProxyEvent::Closed { connection, why, to_broker, to_client } => self.line(
                || {
                    json!({"event": "closed", "connection": connection, "why": why.to_string(),
                           "to_broker_bytes": to_broker, "to_client_bytes": to_client})
                },
                || {
                    let bytes =
                        format!("{to_broker} bytes to the broker, {to_client} to the client");
                    format!("connection {connection}: {why}, after {bytes}")
                },
            ),
            // Made for more kinds of events than there are today.
            _ => {}
        }
    }

    fn line(&self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
        say(&if self.json { json().to_string() } else { text() });
    }
}

fn say(line: &str) {
    let mut stdout = std::io::stdout();
    // Whoever started it may not be listening.
    let _ = writeln!(stdout, "{line}");
    let _ = stdout.flush();
}
