//! `rewire watch`: what happens to the connection and to the cluster, as it happens.

use std::io::Write;

use rewire::{Event, IncidentEnd};
use tokio::sync::mpsc;

use crate::args::WatchArgs;
use crate::clock;
use crate::event;
use crate::run::{self, Failure};

/// Events that may wait to be printed; what comes beyond them is dropped.
const WAITING: usize = 1024;

pub(crate) async fn run(args: WatchArgs) -> Result<bool, Failure> {
    let (sender, mut events) = mpsc::channel(WAITING);
    let builder = run::builder(&args.access)?.listener(move |event| {
        // What does not fit is dropped: a terminal that is held must not hold the connection.
        let _ = sender.try_send((clock::utc(), event));
    });
    let mut connecting = Box::pin(builder.into_future());
    let mut connection = None;
    let result = loop {
        tokio::select! {
            Some((at, event)) = events.recv() => {
                print(&at, &event, args.json);
                if is_last(&event) {
                    break Ok(false);
                }
            }
            connected = &mut connecting, if connection.is_none() => match connected {
                Ok(connected) => connection = Some(connected),
                Err(error) => break Err(error.into()),
            },
            _ = tokio::signal::ctrl_c() => break Ok(true),
        }
    };
    drop(connecting);
    if let Some(connection) = connection {
        connection.close().await?;
    }
    // What was said last, closing included.
    while let Some((at, event)) = events.recv().await {
        print(&at, &event, args.json);
    }
    result
}

/// Whether no more is tried: the record of that comes after all else.
fn is_last(event: &Event) -> bool {
    match event {
        Event::Incident(incident) => matches!(incident.end, IncidentEnd::GaveUp(_)),
        _ => false,
    }
}

fn print(at: &str, event: &Event, json: bool) {
    let line = if json {
        event::to_json(event).map(|object| object.to_string())
    } else {
        event::line(at, event)
    };
    if let Some(line) = line {
        // Nobody may be reading.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
