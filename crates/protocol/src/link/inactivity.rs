//! The inactivity monitor: when to give a sign of life, and when to give up on the peer.
//!
//! Java checks in intervals and notices silence after one to two durations. Here silence is noticed
//! when the duration is over, to the millisecond: a broker that follows Java sends its first keep-alive of
//! its own only after the initial delay, so it is asked for a sign of life before, and whatever comes is
//! one. It is asked only when it is silent. A client is not asked, and given the initial delay more.
//!
//! What does not count as the peer's silence: the time in which we do not read, the time in which a
//! question is still on our side, and the time in which this process did not run.
//!
//! A broker handles what comes over a link in order, and says nothing there meanwhile: one that has no room
//! holds up a producer for as long as that lasts. So before the short time that it has by `detectTimeout` is
//! over, while there is something it may be busy with, it is looked at another way.

use std::time::{Duration, Instant};

use super::offer::{LinkConfig, Peer, WireFormatOffer};
use super::slowness::Slowness;

/// Longer than any connection; what is agreed on beyond it makes no difference.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365);
/// A timer that is later than this was not held up by the peer.
const STALL: Duration = Duration::from_millis(50);
/// A peer that was found alive is looked at again after so many times the time that it has to answer.
const TRUST: u32 = 5;
/// Each time that is twice as long as the time before, and no longer than this.
const LONGEST_TRUST: Duration = Duration::from_secs(10);

/// The option whose limit silence has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SilenceLimit {
    /// Java's `maxInactivityDuration`, as both sides agreed.
    MaxInactivityDuration,
    /// Ours, `detectTimeout`, on which nobody has to agree.
    DetectTimeout,
}

impl SilenceLimit {
    /// The option, as it is written in a URI.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::MaxInactivityDuration => "maxInactivityDuration",
            Self::DetectTimeout => "detectTimeout",
        }
    }
}

#[derive(Debug)]
pub(super) struct Inactivity {
    /// How long the peer may be silent, by each of the options that say so.
    watches: Vec<Watch>,
    /// How long we may be silent; `None` when either side switched that off.
    keep_alive_after: Option<Duration>,
    last_read: Instant,
    last_written: Instant,
    /// When a keep-alive, or a question, was queued last.
    last_keep_alive: Instant,
    /// Until when the peer need not have begun to send keep-alives, where it is not asked for them.
    begins: Option<Instant>,
    /// What the peer was asked and has not answered, neither so nor with anything else.
    question: Option<Question>,
    is_paused: bool,
    /// When the timer of a silence came so late that the peer got another chance.
    forgiven: Option<Instant>,
    /// When the peer was looked at another way in this silence, last.
    looked_at: Option<Instant>,
    /// Until when a peer that was then found alive may go on being silent.
    trusted_until: Option<Instant>,
    /// How often that was so since the peer has answered here.
    vouched: u32,
    /// How slow the peer was to answer lately.
    slowness: Slowness,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    /// The silence after which the peer is asked for a sign of life.
    ask_after: Duration,
    /// How long it then has to give one, at least.
    time_to_answer: Duration,
    name: SilenceLimit,
}

impl Watch {
    /// Whether it is so short that it may be over while the peer is only busy.
    const fn is_short(&self) -> bool {
        matches!(self.name, SilenceLimit::DetectTimeout)
    }
}

#[derive(Clone, Copy, Debug)]
struct Question {
    asked: Instant,
    /// How many bytes are written when all of it is.
    ends_at: u64,
    /// When it was.
    written: Option<Instant>,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    KeepAlive,
    /// The peer is to be asked for a sign of life; [`Inactivity::on_asked`] is to be told.
    Question,
    /// It is to be found out another way whether the peer is alive; [`Inactivity::vouch`] is to be told.
    Look,
    Death {
        silence: Duration,
        limit: SilenceLimit,
    },
}

impl Inactivity {
    pub(super) fn new(now: Instant, config: &LinkConfig, peer: &WireFormatOffer) -> Self {
        let ours = &config.offer;
        let is_broker = config.peer == Peer::Broker;
        let duration = agreed_on([ours, peer].map(|offer| offer.max_inactivity_duration));
        let duration = (config.use_inactivity_monitor && !duration.is_zero()).then_some(duration);
        let agreed = duration.map(|limit| Watch {
            ask_after: limit - limit / 3,
            time_to_answer: limit / 3,
            name: SilenceLimit::MaxInactivityDuration,
        });
        let detect = config.detect_timeout.filter(|_| is_broker);
        let detect = detect.map(|limit| limit.min(LONGEST)).map(|limit| Watch {
            // It is short, and a JVM on a busy machine may need all of it to answer.
            ask_after: limit / 5,
            time_to_answer: limit,
            name: SilenceLimit::DetectTimeout,
        });
        let delays = [ours, peer].map(|offer| offer.max_inactivity_duration_inital_delay);
        let begins = (!is_broker).then(|| now + agreed_on(delays));
        Self {
            watches: [agreed, detect].into_iter().flatten().collect(),
            keep_alive_after: duration.map(|duration| duration / 3),
            last_read: now,
            last_written: now,
            last_keep_alive: now,
            begins,
            question: None,
            is_paused: false,
            forgiven: None,
            looked_at: None,
            trusted_until: None,
            vouched: 0,
            slowness: Slowness::new(now),
        }
    }

    pub(super) fn on_read(&mut self, now: Instant) {
        self.time_answer(now);
        self.begin_silence(now);
    }

    /// Takes note of how long the peer took to say something after it was asked, if it is not known to
    /// have been busy with something else.
    fn time_answer(&mut self, now: Instant) {
        let written = self.open_question().and_then(|question| question.written);
        if let Some(written) = written.filter(|_| self.trusted_until.is_none()) {
            self.slowness.on_answer(now, now.saturating_duration_since(written));
        }
    }

    const fn begin_silence(&mut self, now: Instant) {
        self.last_read = now;
        self.forgiven = None;
        self.looked_at = None;
        self.trusted_until = None;
    }

    /// Bytes were written, so many by now.
    pub(super) fn on_written(&mut self, now: Instant, written: u64) {
        self.last_written = now;
        if let Some(question) = &mut self.question
            && question.ends_at <= written
        {
            question.written.get_or_insert(now);
        }
    }

    /// What was asked for has come.
    pub(super) const fn on_answer(&mut self) {
        self.question = None;
        self.vouched = 0;
    }

    /// The peer is alive: its silence here is that of one who is busy. Nothing, if it has spoken since.
    pub(super) fn vouch(&mut self, now: Instant) {
        let Some(watch) = self.short_watch().filter(|_| self.looked_at.is_some()) else { return };
        let first = watch.time_to_answer.saturating_mul(TRUST);
        let trust = first.saturating_mul(1 << self.vouched.min(16));
        self.trusted_until = Some(now + trust.min(LONGEST_TRUST.max(first)).min(LONGEST));
        self.vouched = self.vouched.saturating_add(1);
    }

    /// The peer is asked for a sign of life. It has been when so many bytes are written.
    pub(super) fn on_asked(&mut self, now: Instant, ends_at: u64) {
        self.slowness.forget(now);
        self.last_keep_alive = now;
        self.question = Some(Question { asked: now, ends_at, written: None });
    }

    /// Java: no silence is noticed while a command that was received is still being handled.
    pub(super) const fn pause(&mut self, now: Instant, pause: bool) {
        if self.is_paused && !pause {
            self.begin_silence(now);
        }
        self.is_paused = pause;
    }

    /// The question that nothing was heard since.
    fn open_question(&self) -> Option<Question> {
        self.question.filter(|question| question.asked >= self.last_read)
    }

    /// When the peer has been silent for too long.
    fn death(&self, watch: &Watch) -> Instant {
        let mut counts_from =
            self.begins.map_or(self.last_read, |begins| begins.max(self.last_read));
        let time_to_answer = self.time_to_answer(watch);
        let mut not_before = counts_from;
        if let Some(question) = self.open_question() {
            match question.written {
                Some(written) => not_before = written + time_to_answer,
                // It stands behind much else. Where that makes headway, the peer is reading.
                None => counts_from = counts_from.max(self.last_written),
            }
        }
        if let Some(forgiven) = self.forgiven {
            not_before = not_before.max(forgiven + time_to_answer);
        }
        if let Some(trusted_until) = self.trusted_until.filter(|_| watch.is_short()) {
            not_before = not_before.max(trusted_until + self.time_to_look(watch));
        }
        (counts_from + watch.ask_after + time_to_answer).max(not_before)
    }

    /// The first of the limits to be reached, and when that is.
    fn next_death(&self) -> Option<(Instant, SilenceLimit)> {
        if self.is_paused {
            return None;
        }
        let deaths = self.watches.iter().map(|watch| (self.death(watch), watch.name));
        deaths.min_by_key(|(at, _)| *at)
    }

    /// When to ask the peer for a sign of life: once in each silence.
    fn next_question(&self) -> Option<Instant> {
        if self.is_paused || self.begins.is_some() || self.open_question().is_some() {
            return None;
        }
        let first = self.watches.iter().map(|watch| watch.ask_after).min()?;
        Some(self.last_read + first)
    }

    /// When to look another way whether the peer is alive, if it may be busy.
    fn next_look(&self, may_be_busy: bool) -> Option<Instant> {
        if self.is_paused || !may_be_busy {
            return None;
        }
        let watch = self.short_watch().filter(|_| self.open_question().is_some())?;
        let due = self.death(watch) - self.time_to_look(watch);
        let again = self.looked_at.map(|looked_at| looked_at + watch.time_to_answer);
        Some(again.map_or(due, |again| again.max(due)))
    }

    fn time_to_answer(&self, watch: &Watch) -> Duration {
        if watch.is_short() {
            self.slowness.time_to_answer(watch.time_to_answer)
        } else {
            watch.time_to_answer
        }
    }

    /// How long before its time is over the peer is looked at another way, if it may be busy.
    fn time_to_look(&self, watch: &Watch) -> Duration {
        self.time_to_answer(watch) - watch.time_to_answer / 4
    }

    fn short_watch(&self) -> Option<&Watch> {
        self.watches.iter().find(|watch| watch.is_short())
    }

    fn next_keep_alive(&self) -> Option<Instant> {
        Some(self.last_written.max(self.last_keep_alive) + self.keep_alive_after?)
    }

    /// `may_be_busy` is whether there is something that the peer may not have handled yet.
    pub(super) fn poll_timeout(&self, may_be_busy: bool) -> Option<Instant> {
        let death = self.next_death().map(|(at, _)| at);
        let look = self.next_look(may_be_busy);
        [death, self.next_question(), look, self.next_keep_alive()].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, may_be_busy: bool) -> Due {
        if let Some((at, limit)) = self.next_death().filter(|(at, _)| *at <= now) {
            let is_late = now - at > STALL;
            if !is_late || self.forgiven.is_some() {
                return Due::Death { silence: now - self.last_read, limit };
            }
            self.forgiven = Some(now);
        }
        if self.next_question().is_some_and(|at| at <= now) {
            return Due::Question;
        }
        if self.next_look(may_be_busy).is_some_and(|at| at <= now) {
            self.looked_at = Some(now);
            return Due::Look;
        }
        if self.next_keep_alive().is_some_and(|at| at <= now) {
            self.last_keep_alive = now;
            return Due::KeepAlive;
        }
        Due::Nothing
    }
}

/// The lower of two properties in milliseconds; one that is not there is 0.
fn agreed_on(millis: [Option<i64>; 2]) -> Duration {
    let least = millis.map(Option::unwrap_or_default).into_iter().min().unwrap_or_default().max(0);
    Duration::from_millis(least.cast_unsigned()).min(LONGEST)
}
