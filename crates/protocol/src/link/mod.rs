//! `LinkCore`: one connection as a machine, from the first byte to the last; pure.
//!
//! ```text
//!  Greeting ──WireFormatInfo──▶ Open ──silence, bad bytes──▶ Dead
//!      └── anything else, too old, too late ─────────────────▲
//! ```
//!
//! Each side sends its [`WireFormatInfo`](crate::WireFormatInfo) at once, without waiting. Until the peer's
//! has come nothing else is sent, and nothing but that one small frame is accepted. Then commands go
//! both ways in the format agreed on, keep-alives are answered and sent, and silence is noticed.
//!
//! The owner of a socket gives it bytes and the time, and takes commands and bytes.

mod inactivity;
mod offer;
mod question;
mod slowness;

use std::time::{Duration, Instant};

use bytes::BytesMut;

pub use self::inactivity::SilenceLimit;
pub use self::offer::{LinkConfig, Peer, WireFormatOffer};
pub use self::question::QUESTION_ID;

use self::inactivity::{Due, Inactivity};
use self::question::Asking;
use crate::command::{Command, KeepAliveInfo};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError};
use crate::frame::FrameReader;
use crate::limits::Limits;
use crate::wire::decoder::Decoder;
use crate::wire::encoder::Encoder;
use crate::wire::format::WireFormat;

/// Why a link is dead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// What came cannot be read.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// The peer speaks a version that is too old.
    #[error("the peer speaks version {theirs}, at least {minimum} is wanted")]
    TooOld {
        /// The peer's newest version.
        theirs: i32,
        /// The oldest version accepted here.
        minimum: u8,
    },
    /// The peer did not introduce itself in time.
    #[error("the peer sent no WireFormatInfo within {} ms", .after.as_millis())]
    NoHandshake {
        /// How long it had.
        after: Duration,
    },
    /// The peer introduced itself twice.
    #[error("the peer sent a second WireFormatInfo")]
    Renegotiation,
    /// Nothing came for longer than an option allows.
    #[error("nothing heard for {} ms ({})", .silence.as_millis(), .limit.option())]
    Silent {
        /// How long.
        silence: Duration,
        /// Which option.
        limit: SilenceLimit,
    },
}

/// What came out of a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// The handshake is done; from here on commands can be sent.
    Opened {
        /// What was agreed on.
        format: WireFormat,
        /// What the peer said of itself.
        peer: Box<WireFormatOffer>,
    },
    /// A command from the peer. Keep-alives are not among them, nor what answers the link's own questions.
    Command(Command),
}

/// One connection, from the first byte to the last.
///
/// Give it the bytes that arrive and the time; take from it commands and the bytes to send. Its greeting
/// waits to be sent from the start; commands go both ways once [`LinkEvent::Opened`] has come.
#[derive(Debug)]
pub struct LinkCore {
    config: LinkConfig,
    limits: Limits,
    frames: FrameReader,
    out: Vec<u8>,
    /// The bytes that were ever put into `out`.
    queued: u64,
    /// The bytes that were ever written of them.
    written: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Greeting { deadline: Instant },
    Open(Box<Open>),
    Dead(LinkError),
}

#[derive(Debug)]
struct Open {
    encoder: Encoder,
    decoder: Decoder,
    inactivity: Inactivity,
    asking: Asking,
    /// Whether somebody is to look, and was not told yet.
    is_doubtful: bool,
    /// Without size prefixes frames cannot be cut apart before they are read.
    unprefixed: Option<BytesMut>,
}

impl LinkCore {
    /// A link whose socket has just been connected. Its greeting waits to be sent.
    ///
    /// # Errors
    ///
    /// When the greeting itself cannot be written: a host name that is too long.
    pub fn new(now: Instant, config: LinkConfig, limits: Limits) -> Result<Self, EncodeError> {
        let mut out = Vec::with_capacity(512);
        let greeting = config.offer.to_info()?;
        Encoder::new(WireFormat::HANDSHAKE).encode(&greeting.into(), &mut out)?;
        // However long was asked for, it ends within the day.
        let patience = config.handshake_timeout.min(Duration::from_secs(60 * 60 * 24));
        let state = State::Greeting { deadline: now + patience };
        let frames = FrameReader::new(limits.max_handshake_size);
        let queued = out.len() as u64;
        Ok(Self { config, limits, frames, out, queued, written: 0, state })
    }

    /// The buffer to read from the socket into. Tell [`on_read`](Self::on_read) afterwards.
    pub fn read_buffer(&mut self) -> &mut BytesMut {
        self.frames.buffer()
    }

    /// Bytes have arrived in the read buffer.
    pub fn on_read(&mut self, now: Instant) {
        if let State::Open(open) = &mut self.state {
            open.inactivity.on_read(now);
        }
    }

    /// The next thing that came out of what was read; `None` when more must be read.
    ///
    /// # Errors
    ///
    /// The link is dead from then on, and the same error is given again.
    pub fn poll_event(&mut self, now: Instant) -> Result<Option<LinkEvent>, LinkError> {
        let polled = match &mut self.state {
            State::Greeting { .. } => self.poll_greeting(now),
            State::Open(_) => self.poll_command(),
            State::Dead(error) => Err(error.clone()),
        };
        polled.inspect_err(|error| self.state = State::Dead(error.clone()))
    }

    /// Queues a command behind what is to be sent already. Its number must not be [`QUESTION_ID`].
    ///
    /// # Errors
    ///
    /// When the command cannot be put on the wire; the link goes on.
    ///
    /// # Panics
    ///
    /// Never; before the handshake is done, and after death, the command is dropped.
    pub fn send(&mut self, command: &Command) -> Result<(), EncodeError> {
        let State::Open(open) = &mut self.state else { return Ok(()) };
        let before = self.out.len();
        open.encoder.encode(command, &mut self.out)?;
        open.asking.on_sent(command);
        self.queued += (self.out.len() - before) as u64;
        Ok(())
    }

    /// Queues a sign of life; a keep-alive has nothing that could fail to be written.
    fn keep_alive(&mut self) {
        let _ = self.send(&KeepAliveInfo::default().into());
    }

    /// Asks the peer for a sign of life; there is nothing in a question either that could fail.
    fn ask(&mut self, now: Instant) {
        let State::Open(open) = &mut self.state else { return };
        let question = open.asking.ask();
        let _ = self.send(&question);
        if let State::Open(open) = &mut self.state {
            open.inactivity.on_asked(now, self.queued);
        }
    }

    /// The bytes to be written to the socket. Take off the front what was written, and tell
    /// [`on_written`](Self::on_written).
    pub const fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub const fn outgoing_len(&self) -> usize {
        self.out.len()
    }

    /// So many bytes were written to the socket.
    pub fn on_written(&mut self, now: Instant, count: usize) {
        self.written = self.written.saturating_add(count as u64);
        if let State::Open(open) = &mut self.state {
            open.inactivity.on_written(now, self.written);
        }
    }

    /// Nothing is read for a while, or again. What the peer does not get to say is not its silence:
    /// that begins anew when reading does.
    pub fn pause_reading(&mut self, now: Instant, pause: bool) {
        if let State::Open(open) = &mut self.state {
            open.inactivity.pause(now, pause);
        }
    }

    /// Refuses frames of more than so many bytes from here on, until it is said again: a peer that is not
    /// known yet has little to say. Never more than what was agreed on, which `usize::MAX` leaves.
    ///
    /// Nothing before the handshake is done.
    pub fn allow_frames(&mut self, bytes: usize) {
        if let State::Open(open) = &mut self.state {
            open.decoder.allow_frames(bytes);
            self.frames.set_max_frame_size(open.decoder.max_frame_size());
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Greeting { deadline } => Some(*deadline),
            State::Open(open) => open.inactivity.poll_timeout(open.asking.may_be_busy()),
            State::Dead(_) => None,
        }
    }

    /// The time has come: sends a keep-alive, or a question, if one is due.
    ///
    /// Read first what waits in the socket: what was not read cannot be known to be there. Called
    /// more than 50 ms late, it lets the peer have the time to answer once more before it gives up:
    /// the process may not have run.
    ///
    /// # Errors
    ///
    /// When the peer has been silent for too long; the link is dead.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), LinkError> {
        let error = match &mut self.state {
            State::Greeting { deadline } if *deadline <= now => {
                LinkError::NoHandshake { after: self.config.handshake_timeout }
            }
            State::Open(open) => match open.poll_inactivity(now) {
                Due::Nothing => return Ok(()),
                Due::KeepAlive => {
                    self.keep_alive();
                    return Ok(());
                }
                Due::Question => {
                    self.ask(now);
                    return Ok(());
                }
                Due::Look => {
                    open.is_doubtful = true;
                    return Ok(());
                }
                Due::Death { silence, limit } => LinkError::Silent { silence, limit },
            },
            State::Greeting { .. } => return Ok(()),
            State::Dead(error) => return Err(error.clone()),
        };
        self.state = State::Dead(error.clone());
        Err(error)
    }

    /// Whether somebody is to find out another way if the peer is alive, such as over another connection, and
    /// to [`vouch`](Self::vouch) for it: once after each [`handle_timeout`](Self::handle_timeout) that
    /// finds it so.
    ///
    /// So it is with `detectTimeout` when the peer does not answer, and was sent something that it may be
    /// busy with: ActiveMQ holds up a producer that it has no room for, and says nothing over its link
    /// for as long as that lasts. A peer that nobody vouches for is given up in time all the same.
    pub fn take_doubt(&mut self) -> bool {
        match &mut self.state {
            State::Open(open) => std::mem::take(&mut open.is_doubtful),
            State::Greeting { .. } | State::Dead(_) => false,
        }
    }

    /// The peer is alive, and only silent here. It may be so for five times `detectTimeout` until there is
    /// doubt again, and for longer each time; `maxInactivityDuration` stands.
    pub fn vouch(&mut self, now: Instant) {
        if let State::Open(open) = &mut self.state {
            open.inactivity.vouch(now);
        }
    }

    /// What was agreed on, once it was.
    #[must_use]
    pub const fn format(&self) -> Option<&WireFormat> {
        match &self.state {
            State::Open(open) => Some(open.decoder.format()),
            State::Greeting { .. } | State::Dead(_) => None,
        }
    }

    fn poll_greeting(&mut self, now: Instant) -> Result<Option<LinkEvent>, LinkError> {
        let Some(frame) = self.frames.next_frame()? else { return Ok(None) };
        let mut decoder = Decoder::new(WireFormat::HANDSHAKE, self.limits);
        // Nothing but a WireFormatInfo is looked into before it is known who speaks.
        if frame.first() != Some(&crate::WireFormatInfo::ROW.code) {
            return Err(DecodeError::new(DecodeErrorKind::NotAHandshake, 0).into());
        }
        let Some(Command::WireFormatInfo(info)) = decoder.decode(&frame)? else {
            return Err(DecodeError::new(DecodeErrorKind::NotAHandshake, 0).into());
        };
        let peer = WireFormatOffer::from_info(&info)?;
        if peer.version < i32::from(self.config.minimum_version) {
            let (theirs, minimum) = (peer.version, self.config.minimum_version);
            return Err(LinkError::TooOld { theirs, minimum });
        }
        let format = self.config.offer.negotiate(&peer);
        let decoder = Decoder::new(format, self.limits);
        self.frames.set_max_frame_size(decoder.max_frame_size());
        let unprefixed = (!format.size_prefix).then(BytesMut::new);
        let inactivity = Inactivity::new(now, &self.config, &peer);
        let encoder = Encoder::new(format);
        let (asking, is_doubtful) = (Asking::default(), false);
        let open = Open { encoder, decoder, inactivity, asking, is_doubtful, unprefixed };
        self.state = State::Open(Box::new(open));
        Ok(Some(LinkEvent::Opened { format, peer: Box::new(peer) }))
    }

    fn poll_command(&mut self) -> Result<Option<LinkEvent>, LinkError> {
        loop {
            let State::Open(open) = &mut self.state else { return Ok(None) };
            let command = match &mut open.unprefixed {
                None => match self.frames.next_frame()? {
                    Some(frame) => open.decoder.decode(&frame)?,
                    None => return Ok(None),
                },
                Some(buffer) => {
                    buffer.unsplit(self.frames.buffer().split());
                    match open.decoder.decode_unprefixed(buffer)? {
                        Some(command) => command,
                        None => return Ok(None),
                    }
                }
            };
            match command {
                Some(Command::KeepAliveInfo(KeepAliveInfo { response_required: true, .. })) => {
                    self.keep_alive();
                }
                // Java's null command says nothing.
                None | Some(Command::KeepAliveInfo(_)) => {}
                Some(command) if open.asking.is_answer(&command) => open.inactivity.on_answer(),
                // Java would negotiate again, in the middle of everything.
                Some(Command::WireFormatInfo(_)) => return Err(LinkError::Renegotiation),
                Some(command) => return Ok(Some(LinkEvent::Command(command))),
            }
        }
    }
}

impl Open {
    fn poll_inactivity(&mut self, now: Instant) -> Due {
        self.inactivity.handle_timeout(now, self.asking.may_be_busy())
    }
}

#[cfg(test)]
mod tests;
