//! What every run has: a connection, a way to be stopped, and a way to fail.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rewire::{
    Connection, ConnectionBuilder, Destination, Error, ErrorKind, Event, parse_destination,
};
use rewire_failover::uri::FailoverUri;

use crate::args::Access;
use crate::event;

/// Why a run ended without a summary.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It was asked for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// It did not work.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// Says it in one line.
    pub(crate) fn report(&self) -> ExitCode {
        complain(&self.message);
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if matches!(error.kind(), ErrorKind::Config | ErrorKind::Misuse) {
            Self::usage(error.to_string())
        } else {
            Self::failed(with_advice(&error))
        }
    }
}

/// An error with the next thing to try.
pub(crate) fn with_advice(error: &Error) -> String {
    format!("{error}{}", advice(error))
}

fn advice(error: &Error) -> &'static str {
    let said = error.broker_exception().map(|said| said.class.to_str().into_owned());
    if said.is_some_and(|class| class.ends_with("InvalidSelectorException")) {
        return "; a selector looks like \"region = 'eu' AND size > 3\"";
    }
    match error.kind() {
        ErrorKind::Security => "; check --user, --password-env and the rights of the user",
        ErrorKind::Unreachable => "; `rewire doctor URI` looks at each broker, step by step",
        ErrorKind::Timeout => {
            "; the option timeout of the URI says how long a broker is waited for"
        }
        _ => "",
    }
}

pub(crate) fn complain(message: &str) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stderr(), "rewire: {message}");
}

/// A connection and how often it was interrupted.
pub(crate) struct Run {
    pub(crate) connection: Connection,
    interruptions: Arc<AtomicU64>,
}

/// Checks what is asked for before anything is connected.
pub(crate) fn destination(access: &Access, name: &str) -> Result<Destination, Failure> {
    check_uri(access)?;
    Ok(parse_destination(name)?)
}

fn check_uri(access: &Access) -> Result<(), Failure> {
    parse_uri(access).map(drop)
}

pub(crate) fn parse_uri(access: &Access) -> Result<FailoverUri, Failure> {
    let uri = access.uri.parse::<FailoverUri>();
    uri.map_err(|error| Failure::usage(format!("the URI cannot be used: {error}")))
}

/// A connection still to be made.
pub(crate) fn builder(access: &Access) -> Result<ConnectionBuilder, Failure> {
    check_uri(access)?;
    builder_of(access, &access.uri)
}

/// The same to other brokers.
pub(crate) fn builder_of(access: &Access, uri: &str) -> Result<ConnectionBuilder, Failure> {
    let mut builder = Connection::builder(uri);
    if let Some(id) = &access.client_id {
        builder = builder.client_id(id);
    }
    if let Some(user) = &access.user {
        builder = builder.credentials(user, password(access)?);
    }
    Ok(builder)
}

impl Run {
    /// Connects; says on a terminal what it waits for.
    pub(crate) async fn connect(access: &Access) -> Result<Self, Failure> {
        let interruptions = Arc::new(AtomicU64::new(0));
        let counter = interruptions.clone();
        let is_watched = std::io::stderr().is_terminal();
        let builder = builder(access)?.listener(move |event| {
            if matches!(event, Event::Interrupted { .. }) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            tell(&event, is_watched);
        });
        let connection = tokio::select! {
            connected = builder => connected?,
            _ = tokio::signal::ctrl_c() => return Err(Failure::failed("stopped before a broker was there")),
        };
        Ok(Self { connection, interruptions })
    }

    pub(crate) fn interruptions(&self) -> u64 {
        self.interruptions.load(Ordering::Relaxed)
    }
}

fn password(access: &Access) -> Result<String, Failure> {
    let Some(variable) = &access.password_env else { return Ok(String::new()) };
    std::env::var(variable).map_err(|_| {
        let problem = format!("--password-env: the environment has no variable {variable:?}");
        Failure::usage(problem)
    })
}

/// Says what keeps a run waiting, and not every attempt of it; to a file only what may keep it waiting for ever.
fn tell(event: &Event, is_watched: bool) {
    let is_news = match event {
        Event::Interrupted { .. } | Event::Rebalancing { .. } | Event::Resumed { .. } => is_watched,
        // Where only one round is allowed, the error says it.
        Event::AttemptFailed { round, .. } => {
            *round == if is_watched { 1 } else { 2 } || round % 10 == 0
        }
        _ => false,
    };
    if let Some(line) = event::sentence(event).filter(|_| is_news) {
        complain(&line);
    }
}
