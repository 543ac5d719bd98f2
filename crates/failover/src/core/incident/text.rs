//! An incident as people read it.

use std::fmt;
use std::time::Duration;

use super::{AttemptEnd, AttemptRecord, Cause, DialTimes, Incident, IncidentEnd, Replayed};

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(Cause::Lost { broker, .. }) => write!(f, "interruption: {broker} lost, ")?,
            Some(Cause::Left { broker, .. }) => write!(f, "move: {broker} left, ")?,
            None => write!(f, "first connection: ")?,
        }
        let outage = Ms(self.outage);
        match &self.end {
            IncidentEnd::Resumed { broker } => write!(f, "{broker} reached after {outage}")?,
            IncidentEnd::GaveUp(_) => write!(f, "no more tried after {outage}")?,
            IncidentEnd::Closed => write!(f, "closed by the application after {outage}")?,
        }
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause     {cause}")?;
        }
        self.show_attempts(f)?;
        if let IncidentEnd::GaveUp(reason) = &self.end {
            write!(f, "\n  ended     {reason}")?;
        }
        if self.replayed.total() > 0 {
            write!(f, "\n  replayed  {}", self.replayed)?;
        }
        self.show_requests(f)
    }
}

impl Incident {
    fn show_attempts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = Count(self.attempts_made() as usize, "attempt", "attempts");
        let rounds = Count(self.rounds as usize, "round", "rounds");
        write!(f, "\n  tried     {attempts} in {rounds}")?;
        if !self.waited.is_zero() {
            write!(f, ", {} spent waiting", Ms(self.waited))?;
        }
        let width = self.attempts.iter().map(|attempt| attempt.broker.len()).max().unwrap_or(0);
        for (place, attempt) in self.attempts.iter().enumerate() {
            if place == Self::FIRST_ATTEMPTS && self.attempts_left_out > 0 {
                write!(f, "\n  {:>12}  ({} more)", "..", self.attempts_left_out)?;
            }
            let after = format!("+{}", Ms(attempt.after));
            write!(f, "\n  {after:>12}  {:<width$}  {attempt}", attempt.broker)?;
        }
        Ok(())
    }

    fn show_requests(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.requests_resent as u64, "sent again"),
            (self.requests_in_doubt, "in doubt"),
            (self.requests_not_sent, "not sent"),
            (self.requests_refused, "refused"),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        if counts.is_empty() { Ok(()) } else { write!(f, "\n  requests  {}", counts.join(", ")) }
    }
}

/// Why, without the broker.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { reason, noticed, .. } => write!(f, "{reason}, noticed by {noticed}"),
            Self::Left { reason, .. } => write!(f, "{reason}"),
        }
    }
}

/// How it ended, and where its time went.
impl fmt::Display for AttemptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Ms(self.took);
        match &self.end {
            AttemptEnd::Succeeded => write!(f, "link made after {took}")?,
            AttemptEnd::Failed(error) => write!(f, "failed after {took}: {error}")?,
            AttemptEnd::Abandoned => write!(f, "left after {took}")?,
        }
        let DialTimes { resolve, connect, tls, handshake } = self.dial;
        let parts = [
            ("resolve", resolve),
            ("connect", connect),
            ("TLS", tls),
            ("handshake", handshake),
            ("replay", self.replay),
        ];
        let mut parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(name, time)| Some(format!("{name} {}", Ms(time?))))
            .collect();
        if self.is_standby {
            parts.insert(0, "from standby".to_owned());
        }
        if parts.is_empty() { Ok(()) } else { write!(f, " ({})", parts.join(", ")) }
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commands = Count(self.total(), "command", "commands");
        let kinds = [
            (self.temporary_destinations, "temporary destination", "temporary destinations"),
            (self.sessions, "session", "sessions"),
            (self.producers, "producer", "producers"),
            (self.consumers, "consumer", "consumers"),
            (self.transactions, "step of transactions", "steps of transactions"),
            (self.messages, "message", "messages"),
            (self.others, "other", "others"),
        ];
        write!(f, "{commands}: the connection")?;
        for (count, one, many) in kinds.into_iter().filter(|(count, ..)| *count > 0) {
            write!(f, ", {}", Count(count, one, many))?;
        }
        Ok(())
    }
}

/// A number of things.
struct Count(usize, &'static str, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one, many) = *self;
        write!(f, "{count} {}", if count == 1 { one } else { many })
    }
}

/// A time in the unit that people compare such times in.
struct Ms(Duration);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1000.0)
    }
}
