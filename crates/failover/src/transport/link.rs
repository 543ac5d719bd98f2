//! A stream with its protocol machine: bytes and commands both ways, nothing decided.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rewire_protocol::{Command, EncodeError, LinkCore, LinkEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::Stream;
use super::tls;
use crate::core::{LinkId, after};
use crate::error::LostReason;
use crate::uri::BrokerUri;

/// Written bytes that are kept in front of those that wait.
const DROP_WRITTEN: usize = 256 << 10;

/// A link that is open.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    stream: Stream,
    core: LinkCore,
    /// How much of what is to be sent was written already.
    written: usize,
    /// Whether what comes is left in the socket.
    is_paused: bool,
    /// How much the socket has taken, when that was looked at last.
    taken: u64,
    /// How long a write may make no headway.
    write_timeout: Option<Duration>,
    /// Since when it makes none.
    stuck_since: Option<Instant>,
    /// Who is at the other end, where that is to be found out another way when it is silent.
    broker: Option<Box<BrokerUri>>,
}

/// What a link wants of the driver.
#[derive(Debug)]
pub(super) enum Step {
    /// Bytes came: take the events.
    Read,
    /// All that was to be sent was written.
    Flushed,
    /// It is over.
    Lost(LostReason),
}

impl Link {
    pub(super) const fn new(id: LinkId, stream: Stream, core: LinkCore) -> Self {
        Self {
            id,
            stream,
            core,
            written: 0,
            is_paused: false,
            taken: 0,
            write_timeout: None,
            stuck_since: None,
            broker: None,
        }
    }

    pub(super) fn send(&mut self, command: &Command) -> Result<(), EncodeError> {
        self.core.send(command)
    }

    /// How many bytes wait to be written.
    pub(super) const fn backlog(&self) -> usize {
        self.core.outgoing_len() - self.written
    }

    /// How many bytes are kept, written or not.
    #[cfg(test)]
    pub(super) const fn buffered(&self) -> usize {
        self.core.outgoing_len()
    }

    pub(super) fn poll_event(&mut self, now: Instant) -> Result<Option<LinkEvent>, LostReason> {
        self.core.poll_event(now).map_err(LostReason::from)
    }

    /// Leaves what comes in the socket, or no longer.
    pub(super) fn pause_reading(&mut self, pause: bool) {
        if self.is_paused != pause {
            self.is_paused = pause;
            self.core.pause_reading(now(), pause);
        }
    }

    /// Sets the option `soWriteTimeout`.
    pub(super) const fn set_write_timeout(&mut self, limit: Option<Duration>) {
        self.write_timeout = limit;
    }

    /// Says who is at the other end, to be looked at if it is silent and may only be busy.
    pub(super) fn set_broker(&mut self, broker: BrokerUri) {
        self.broker = Some(Box::new(broker));
    }

    /// The broker, if it is to be found out now whether it is alive.
    pub(super) fn take_doubt(&mut self) -> Option<&BrokerUri> {
        let broker = self.broker.as_deref()?;
        self.core.take_doubt().then_some(broker)
    }

    /// It is.
    pub(super) fn vouch(&mut self) {
        self.core.vouch(now());
    }

    /// When a write has made no headway for too long, if one makes none.
    pub(super) fn write_due(&self) -> Option<Instant> {
        Some(after(self.stuck_since?, self.write_timeout?))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.core.poll_timeout(), self.write_due()].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), LostReason> {
        if let (Some(due), Some(limit)) = (self.write_due(), self.write_timeout)
            && due <= now
        {
            return Err(LostReason::WriteStuck(limit));
        }
        if self.core.poll_timeout().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.core.handle_timeout(now).map_err(LostReason::from)
    }

    /// What can be done without waiting. To be taken before silence is spoken of: the driver may be
    /// later than what it waits for.
    pub(super) fn try_step(&mut self) -> Option<Step> {
        match self.poll_step(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(step) => Some(step),
            Poll::Pending => None,
        }
    }

    /// Writes what waits and reads what comes, unless reading is paused.
    ///
    /// Whatever happened has left its mark when it returns.
    pub(super) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        match self.poll_write(cx) {
            Poll::Ready(Ok(true)) => return Poll::Ready(Step::Flushed),
            Poll::Ready(Err(error)) => {
                let unwritten = || Step::Lost(LostReason::Write(error.to_string()));
                return Poll::Ready(self.last_words(cx).unwrap_or_else(unwritten));
            }
            Poll::Ready(Ok(false)) | Poll::Pending => {}
        }
        if self.is_paused {
            return Poll::Pending;
        }
        self.poll_read(cx).map(|read| match read {
            Ok(0) => Step::Lost(LostReason::Closed),
            Ok(_) => Step::Read,
            Err(error) => lost(&error),
        })
    }

    /// Writes until nothing waits, here or in the stream: true when something was written, false
    /// when there was nothing.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut count = 0;
        while self.backlog() > 0 {
            let waiting = self.core.outgoing().get(self.written..).unwrap_or_default();
            let write = pin!(self.stream.write(waiting));
            match write.poll(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(some)) => {
                    self.written += some;
                    count += some;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.drop_written();
                    self.note_written(count);
                    self.stuck_since.get_or_insert_with(now);
                    return Poll::Pending;
                }
            }
        }
        if self.written == 0 {
            return Poll::Ready(Ok(false));
        }
        // Until the stream has let go of it all, what was written is kept to say that it has not.
        let flush = pin!(self.stream.flush());
        if flush.poll(cx)?.is_pending() {
            self.note_written(count);
            self.stuck_since.get_or_insert_with(now);
            return Poll::Pending;
        }
        self.core.outgoing().clear();
        self.written = 0;
        self.note_written(count);
        self.stuck_since = None;
        Poll::Ready(Ok(true))
    }

    /// Lets go of what was written, once that is worth moving the rest: under a steady load there may
    /// never be a moment when all is written.
    fn drop_written(&mut self) {
        if self.written >= DROP_WRITTEN {
            self.core.outgoing().drain(..self.written);
            self.written = 0;
        }
    }

    fn note_written(&mut self, count: usize) {
        if count > 0 {
            self.core.on_written(now(), count);
        }
        let taken = self.stream.taken();
        if taken > self.taken {
            self.taken = taken;
            self.stuck_since = None;
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = pin!(self.stream.read_buf(self.core.read_buffer()));
        let read = std::task::ready!(read.poll(cx))?;
        self.core.on_read(now());
        Poll::Ready(Ok(read))
    }

    /// Why writing failed, if the peer has said it: the alert that ended TLS may still be unread.
    fn last_words(&mut self, cx: &mut Context<'_>) -> Option<Step> {
        match self.poll_read(cx) {
            Poll::Ready(Err(error)) => tls::problem(&error).map(|_| lost(&error)),
            Poll::Ready(Ok(_)) | Poll::Pending => None,
        }
    }

    /// Writes what still waits, then closes the socket.
    pub(super) async fn finish(mut self) {
        let flushed = poll_fn(|cx| self.poll_write(cx)).await;
        if flushed.is_ok() {
            let _ = self.stream.shutdown().await;
        }
    }
}

/// The time, by the runtime's clock, which tests can stop.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn lost(error: &io::Error) -> Step {
    Step::Lost(match tls::problem(error) {
        Some(problem) => LostReason::Tls(problem),
        None if error.kind() == io::ErrorKind::UnexpectedEof => LostReason::Closed,
        None => LostReason::Io(error.to_string()),
    })
}
