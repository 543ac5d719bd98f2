//! Open pulls: what consumers with a prefetch of zero ask for, one message at a time.
//!
//! A pull is open until something is dispatched to its consumer, or that is removed. Java keeps each
//! for ever and repeats it after every failover.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire_protocol::{Command, ConsumerId, MessageDispatch, MessagePull, SessionId};

/// At most one pull for each consumer.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    open: Vec<Pull>,
}

#[derive(Debug)]
struct Pull {
    consumer: ConsumerId,
    command: Arc<Command>,
    /// When it is answered with nothing; never, for one that waits for ever.
    expires: Option<Instant>,
}

impl Pulls {
    /// Watches a pull; it takes the place of the one before.
    pub(super) fn track(
        &mut self,
        now: Instant,
        pull: &MessagePull,
        command: &Arc<Command>,
    ) -> bool {
        let Some(consumer) = pull.consumer_id.clone() else { return false };
        self.close(&consumer);
        let expires = match pull.timeout {
            0 => None,
            timeout => {
                let millis = u64::try_from(timeout).unwrap_or_default();
                now.checked_add(Duration::from_millis(millis))
            }
        };
        self.open.push(Pull { consumer, command: command.clone(), expires });
        true
    }

    /// Something was dispatched to this consumer, or it is gone.
    pub(super) fn close(&mut self, consumer: &ConsumerId) {
        self.open.retain(|pull| pull.consumer != *consumer);
    }

    pub(super) fn session_closed(&mut self, id: &SessionId) {
        self.open.retain(|pull| pull.consumer.session() != *id);
    }

    /// The number of a consumer's open pull.
    pub(super) fn number(&self, consumer: &ConsumerId) -> Option<i32> {
        let pull = self.open.iter().find(|pull| pull.consumer == *consumer)?;
        Some(pull.command.command_id())
    }

    pub(super) fn tracks(&self, number: i32) -> bool {
        self.open.iter().any(|pull| pull.command.command_id() == number)
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.open.iter().filter_map(|pull| pull.expires).min()
    }

    /// Closes what has expired. The answers that no broker will give: each with the number of its pull.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(i32, MessageDispatch)> {
        let is_over = |pull: &mut Pull| pull.expires.is_some_and(|expires| expires <= now);
        self.open
            .extract_if(.., is_over)
            .map(|pull| (pull.command.command_id(), nothing(&pull.command)))
            .collect()
    }

    /// What a new broker must hear: each with the time that is left of it.
    pub(super) fn replay(&self, now: Instant, replay: &mut Vec<Command>) {
        for pull in &self.open {
            let mut command = Command::clone(&pull.command);
            if let (Command::MessagePull(again), Some(expires)) = (&mut command, pull.expires) {
                let left = expires.saturating_duration_since(now).as_millis();
                again.timeout = i64::try_from(left).unwrap_or(i64::MAX).max(1);
            }
            replay.push(command);
        }
    }
}

/// The answer to a pull when there is no message.
pub(crate) fn nothing(pull: &Command) -> MessageDispatch {
    let Command::MessagePull(pull) = pull else { return MessageDispatch::default() };
    MessageDispatch {
        consumer_id: pull.consumer_id.clone(),
        destination: pull.destination.clone(),
        ..MessageDispatch::default()
    }
}
