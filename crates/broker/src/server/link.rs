//! A socket with its protocol machine: bytes to commands and back, nothing decided.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rewire_protocol::{Command, Limits, LinkConfig, LinkCore, LinkEvent, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::outbox::{Batch, Control, Outbox, Share};
use super::owner::{Report, linger};
use super::passwords::{Check, Gate};
use super::{Mode, left, now, sleep_until};
use crate::core::LinkId;

/// The largest frame of who has not introduced himself.
const STRANGER: usize = 64 << 10;
/// How long a link that asks and does not read what it is answered may take nothing.
const STALL: Duration = Duration::from_secs(30);

/// What a link is given to begin with.
#[derive(Debug)]
pub(super) struct LinkTask {
    pub(super) id: LinkId,
    pub(super) peer: String,
    pub(super) url: String,
    /// Whether what was written may wait inside the stream until it is flushed.
    pub(super) is_secure: bool,
    pub(super) inbox: mpsc::Sender<Report>,
    pub(super) mode: watch::Receiver<Mode>,
    pub(super) share: Share,
    pub(super) gate: Gate,
}

/// A link at work.
struct Link {
    task: LinkTask,
    core: LinkCore,
    /// What is being written, and how much of it was.
    out: Vec<u8>,
    written: usize,
    unflushed: bool,
    /// What is to be reported to the owner; nothing more is read until it was.
    reports: VecDeque<Report>,
    /// Whether the password of who introduces himself is right, while that is found out; what came is
    /// reported when it was.
    check: Check,
    was_checked: bool,
    /// Bytes of batches that stand in the buffers, as the owner counts them.
    unreported: usize,
    /// From when the owner says what to send.
    batches: Option<mpsc::Receiver<Batch>>,
    control: Option<watch::Receiver<Control>>,
    was_paused: bool,
    /// Since when it has taken nothing, while it was to.
    choked: Option<Instant>,
    /// Whether the owner knows of it.
    is_open: bool,
    /// Whether the owner has nothing more to send.
    is_closing: bool,
    /// When it has to be gone, once it is hung up.
    end: Option<Instant>,
}

/// Why a link ends.
enum End {
    /// Its peer has closed it, or it is to be closed and all is written.
    Done,
    Lost(String),
    /// The broker is killed.
    Killed,
}

/// What a link waits for.
enum Happened {
    Read(usize),
    Wrote(usize),
    Flushed,
    Batch(Option<Batch>),
    Reported,
    Checked(Option<String>),
    Steered,
    Timeout,
}

impl LinkTask {
    /// Runs until the socket is closed, by either side.
    pub(super) async fn run(
        self,
        stream: impl AsyncRead + AsyncWrite + Send,
        config: LinkConfig,
        limits: Limits,
    ) {
        let core = match LinkCore::new(now(), config, limits) {
            Ok(core) => core,
            Err(error) => return tracing::error!(%error, "the broker cannot introduce itself"),
        };
        let (id, peer, inbox) = (self.id, self.peer.clone(), self.inbox.clone());
        let mut link = Link {
            task: self,
            core,
            out: Vec::new(),
            written: 0,
            unflushed: false,
            reports: VecDeque::new(),
            check: Check::new(),
            was_checked: false,
            unreported: 0,
            batches: None,
            control: None,
            was_paused: false,
            choked: None,
            is_open: false,
            is_closing: false,
            end: None,
        };
        let (mut reader, mut writer) = tokio::io::split(stream);
        match link.work(&mut reader, &mut writer).await {
            End::Done => {}
            End::Lost(problem) => tracing::debug!(peer, problem, "lost"),
            End::Killed => return,
        }
        if link.is_open {
            // The owner's last word on it may still be on its way: it is told in order.
            for report in link.reports {
                let _ = inbox.send(report).await;
            }
            let _ = inbox.send(Report::Closed(id)).await;
        }
        // A farewell is said as well, which a peer that reads nothing does not take.
        let _ = tokio::time::timeout_at(linger().into(), writer.shutdown()).await;
    }
}

impl Link {
    async fn work(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> End {
        while !(self.is_closing && self.backlog() == 0) {
            let happened = match self.wait(reader, writer).await {
                Ok(happened) => happened,
                Err(end) => return end,
            };
            let done = match happened {
                Happened::Read(0) => return End::Done,
                Happened::Read(_) => {
                    self.core.on_read(now());
                    self.take_events()
                }
                Happened::Flushed => {
                    self.unflushed = false;
                    Ok(())
                }
                Happened::Wrote(count) => {
                    self.unflushed = self.task.is_secure;
                    self.on_wrote(count);
                    Ok(())
                }
                Happened::Batch(Some(batch)) => {
                    self.send(batch);
                    Ok(())
                }
                Happened::Batch(None) => {
                    self.is_closing = true;
                    self.batches = None;
                    self.end.get_or_insert_with(linger);
                    Ok(())
                }
                Happened::Reported => Ok(()),
                Happened::Checked(user) => {
                    self.on_checked(user);
                    Ok(())
                }
                Happened::Steered => {
                    let hang_up = self.control.as_ref().is_some_and(|c| c.borrow().hang_up);
                    if hang_up {
                        self.end.get_or_insert_with(linger);
                    }
                    Ok(())
                }
                Happened::Timeout => self.on_timeout(),
            };
            if let Err(problem) = done {
                return End::Lost(problem);
            }
        }
        End::Done
    }

    async fn wait(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Happened, End> {
        if self.out.is_empty() {
            std::mem::swap(&mut self.out, self.core.outgoing());
        }
        let backlog = self.backlog();
        let is_paused = self.is_paused();
        if is_paused != std::mem::replace(&mut self.was_paused, is_paused) {
            // Who is not listened to cannot be blamed for silence.
            self.core.pause_reading(now(), is_paused);
        }
        let is_choked = self.control.as_ref().is_some_and(|control| control.borrow().choked);
        self.choked = is_choked.then(|| self.choked.unwrap_or_else(now));
        let stalled = self.choked.map(|since| since + STALL);
        let due = [self.core.poll_timeout(), self.end, stalled].into_iter().flatten().min();
        let max_backlog = self.task.share.relieved();
        let is_held =
            !self.check.is_empty() && matches!(self.reports.front(), Some(Report::Received(..)));
        let Self { task, core, out, written, unflushed, reports, batches, control, check, .. } =
            self;
        let waiting = out.get(*written..).unwrap_or_default();
        tokio::select! {
            biased;
            () = left(&mut task.mode, |mode| mode != Mode::Kill) => Err(End::Killed),
            checked = check.join_next(), if !check.is_empty() => {
                Ok(Happened::Checked(checked.and_then(Result::ok).flatten()))
            }
            permit = task.inbox.reserve(), if !reports.is_empty() && !is_held => {
                let Ok(permit) = permit else { return Err(End::Killed) };
                if let Some(report) = reports.pop_front() {
                    permit.send(report);
                }
                Ok(Happened::Reported)
            }
            wrote = put(writer, waiting), if !waiting.is_empty() || *unflushed => match wrote {
                Ok(None) => Ok(Happened::Flushed),
                Ok(Some(0)) => Err(End::Lost("nothing can be written".to_owned())),
                Ok(Some(count)) => Ok(Happened::Wrote(count)),
                Err(error) => Err(End::Lost(error.to_string())),
            },
            batch = next(batches), if backlog < max_backlog => Ok(Happened::Batch(batch)),
            () = steered(control) => Ok(Happened::Steered),
            read = reader.read_buf(core.read_buffer()), if !is_paused => match read {
                Ok(count) => Ok(Happened::Read(count)),
                Err(error) => Err(End::Lost(error.to_string())),
            },
            () = sleep_until(due) => Ok(Happened::Timeout),
        }
    }

    const fn backlog(&self) -> usize {
        self.out.len() - self.written + self.core.outgoing_len()
    }

    /// Whether nothing is to be read: what was is not reported yet, or somebody wants it so.
    fn is_paused(&self) -> bool {
        !self.reports.is_empty()
            || self.control.as_ref().is_some_and(|control| control.borrow().paused)
    }

    /// Takes all that came.
    fn take_events(&mut self) -> Result<(), String> {
        let mut commands: Vec<Command> = Vec::new();
        let read = loop {
            match self.core.poll_event(now()) {
                Ok(Some(LinkEvent::Command(mut command))) => {
                    match &mut command {
                        Command::Message(message) => detach(message),
                        Command::ConnectionInfo(info) => {
                            self.core.allow_frames(usize::MAX);
                            // Once: each time costs more than most of what a stranger may ask for.
                            if !std::mem::replace(&mut self.was_checked, true) {
                                self.check = self.task.gate.check(info).unwrap_or_default();
                            }
                        }
                        _ => {}
                    }
                    commands.push(command);
                }
                Ok(Some(LinkEvent::Opened { peer: offer, .. })) => {
                    self.core.allow_frames(STRANGER);
                    let (outbox, batches, control) = Outbox::new(self.task.share.clone());
                    (self.batches, self.control) = (Some(batches), Some(control));
                    self.is_open = true;
                    let LinkTask { id, peer, url, .. } = &self.task;
                    let (peer, url) = (peer.clone(), url.clone());
                    let provider = offer.provider_name.map(|name| name.to_string());
                    let opened = Report::Opened { link: *id, peer, url, provider, outbox };
                    self.reports.push_back(opened);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.to_string()),
            }
        };
        if !commands.is_empty() {
            self.reports.push_back(Report::Received(self.task.id, commands));
        }
        read
    }

    /// It is known whether who introduces himself is that user: what he says is reported behind it.
    fn on_checked(&mut self, user: Option<String>) {
        let Some(user) = user else { return };
        let is_said = |report: &Report| matches!(report, Report::Received(..));
        let place = self.reports.iter().position(is_said).unwrap_or(0);
        self.reports.insert(place, Report::Proven(self.task.id, user));
    }

    fn send(&mut self, batch: Batch) {
        for outgoing in batch.items {
            let command = outgoing.into_command();
            if let Err(error) = self.core.send(&command) {
                let peer = &self.task.peer;
                tracing::warn!(peer, %error, command = command.name(), "cannot be sent");
            }
        }
        self.unreported += batch.bytes;
        if self.backlog() == 0 {
            self.report_written();
        }
    }

    fn on_wrote(&mut self, count: usize) {
        self.core.on_written(now(), count);
        self.written += count;
        self.choked = None;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
        if self.backlog() < self.task.share.relieved() {
            self.report_written();
        }
    }

    /// The owner hears that what it has sent is written, or nearly.
    fn report_written(&mut self) {
        let bytes = std::mem::take(&mut self.unreported);
        if bytes > 0 {
            self.reports.push_back(Report::Written(self.task.id, bytes));
        }
    }

    fn on_timeout(&mut self) -> Result<(), String> {
        let now = now();
        let stalled = self.choked.is_some_and(|since| since + STALL <= now);
        if stalled || self.end.is_some_and(|end| end <= now) {
            return Err("it did not take what was to be sent to it".to_owned());
        }
        if self.core.poll_timeout().is_some_and(|due| due <= now) {
            self.core.handle_timeout(now).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Gives a message bytes of its own: those it has are a part of what was read with it, and would keep
/// all of that for as long as the message waits.
fn detach(message: &mut Message) {
    // What is larger than a read is most of it.
    const LARGE: usize = 64 << 10;
    for bytes in [&mut message.content, &mut message.marshalled_properties].into_iter().flatten() {
        if bytes.len() < LARGE {
            *bytes = Bytes::copy_from_slice(bytes);
        }
    }
}

/// Writes some of what waits, or flushes when nothing does. Nothing is lost when it is dropped.
async fn put(
    writer: &mut (impl AsyncWrite + Unpin),
    waiting: &[u8],
) -> std::io::Result<Option<usize>> {
    if waiting.is_empty() {
        return writer.flush().await.map(|()| None);
    }
    writer.write(waiting).await.map(Some)
}

async fn next(batches: &mut Option<mpsc::Receiver<Batch>>) -> Option<Batch> {
    match batches {
        Some(batches) => batches.recv().await,
        None => std::future::pending().await,
    }
}

async fn steered(control: &mut Option<watch::Receiver<Control>>) {
    match control {
        Some(control) => {
            if control.changed().await.is_err() {
                // The owner has dropped it; the batches say so too.
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}
