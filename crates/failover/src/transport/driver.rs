//! The one task that owns the core: what happens goes in, what comes out is done.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use rewire_protocol::{Command, LinkEvent};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::dial::{Dialed, Dialer, Looked};
use super::link::{Link, Step, now};
use super::timer::{Precision, Timer};
use super::tracer::Tracer;
use super::updates::{self, Found};
use super::warnings::Warnings;
use super::{Outcome, Promise, Submission, TransportConfig, close_timeout};
use crate::core::{
    DialTimes, Event, FailoverCore, Incoming, Input, LinkId, Output, Request, RequestId, Stats,
    Topology, done_response,
};
use crate::error::{DialError, LostReason, RequestError};
use crate::uri::FailoverUri;

/// Bytes that may wait to be written before no more is submitted.
const MAX_BACKLOG: usize = 1 << 20;
/// Submissions taken in before what they brought is written: a burst is one write.
const MAX_BURST: usize = 128;
/// How long a link that is hung up has to write what waits, and no longer than closing may take.
const LINGER: Duration = Duration::from_secs(2);

type Reply = oneshot::Sender<Outcome>;

pub(super) struct Driver {
    core: FailoverCore,
    inputs: Inputs,
    stats: watch::Sender<Stats>,
    /// What is read where `updateURIsURL` says.
    finds: Option<mpsc::Receiver<Option<Found>>>,
    /// Whether there is no broker to begin with before that was read once.
    waits_for_list: bool,
    timer: Timer,
    shell: Shell,
}

/// What can be looked at from outside.
#[derive(Debug)]
pub(super) struct Views {
    pub(super) topology: watch::Receiver<Arc<Topology>>,
    pub(super) stats: watch::Receiver<Stats>,
}

/// What comes from the application.
pub(super) struct Inputs {
    pub(super) submissions: mpsc::Receiver<Submission>,
    pub(super) close: watch::Receiver<bool>,
    /// The last link whose end the application has dealt with.
    pub(super) cleared: watch::Receiver<Option<LinkId>>,
}

/// What the core's outputs act on.
struct Shell {
    /// The active link and the standbys.
    links: Vec<Link>,
    dials: JoinSet<Dialed>,
    dialing: HashMap<LinkId, AbortHandle>,
    /// Whether brokers are alive that say nothing over their links.
    looks: JoinSet<Looked>,
    replies: HashMap<RequestId, Reply>,
    next_request: u64,
    /// Errors that brokers reported and no request asked for.
    errors: u64,
    deliveries: mpsc::Sender<Box<Incoming>>,
    /// What the application has not had room for yet.
    undelivered: VecDeque<Box<Incoming>>,
    events: broadcast::Sender<Event>,
    topology: watch::Sender<Arc<Topology>>,
    dialer: Dialer,
    linger: Duration,
    warnings: Warnings,
    tracer: Tracer,
}

/// What the driver waits for.
#[allow(clippy::large_enum_variant, reason = "one at a time, looked at as soon as it is made")]
enum Happened {
    Submitted(Submission),
    HandlesGone,
    CloseWanted,
    Cleared(LinkId),
    Dialed(Dialed),
    Looked(Looked),
    Link(LinkId, Step),
    RoomToDeliver,
    Found(Option<Found>),
    NothingMoreToFind,
    Timeout,
}

impl Driver {
    pub(super) fn new(
        uri: FailoverUri,
        config: TransportConfig,
        inputs: Inputs,
        deliveries: mpsc::Sender<Box<Incoming>>,
        events: broadcast::Sender<Event>,
    ) -> (Self, Views) {
        let dialer = Dialer::new(uri.clone(), &config);
        // Entropy enters here and nowhere else.
        let seed = config.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let core =
            FailoverCore::new(uri.brokers().to_vec(), uri.options().clone(), config.queue, seed);
        let finds = updates::watch(&uri, dialer.tls());
        let waits_for_list = uri.brokers().is_empty() && finds.is_some();
        let (topology, known) = watch::channel(Arc::new(core.topology()));
        let (stats, counted) = watch::channel(core.stats());
        let shell = Shell {
            topology,
            links: Vec::new(),
            dials: JoinSet::new(),
            dialing: HashMap::new(),
            looks: JoinSet::new(),
            replies: HashMap::new(),
            next_request: 0,
            errors: 0,
            deliveries,
            undelivered: VecDeque::new(),
            events,
            dialer,
            linger: LINGER.min(close_timeout(&uri)),
            warnings: Warnings::every(uri.options().warn_after_reconnect_attempts),
            tracer: Tracer::default(),
        };
        let views = Views { topology: known, stats: counted };
        let timer = Timer::default();
        (Self { core, inputs, stats, finds, waits_for_list, timer, shell }, views)
    }

    /// Runs until the transport is closed, or has given up and nobody holds it any more.
    pub(super) async fn run(mut self, end: watch::Sender<bool>) {
        if !self.waits_for_list {
            self.input(Input::Start);
        }
        loop {
            match self.wait().await {
                Happened::Submitted(submission) => self.on_submitted(submission),
                Happened::HandlesGone | Happened::CloseWanted => {
                    self.input(Input::Close);
                    break;
                }
                Happened::Cleared(link) => self.input(Input::Cleared(link)),
                Happened::Dialed(dialed) => self.on_dialed(dialed),
                Happened::Looked(looked) => self.shell.on_looked(&looked),
                Happened::Link(id, step) => self.on_step(id, step),
                Happened::RoomToDeliver => {}
                Happened::Found(found) => self.on_found(found),
                Happened::NothingMoreToFind => self.finds = None,
                Happened::Timeout => self.on_timeout(),
            }
            self.shell.flush_deliveries();
            self.publish_stats();
        }
        // What was submitted and not looked at is answered by the core like anything else.
        self.inputs.submissions.close();
        while let Ok(submission) = self.inputs.submissions.try_recv() {
            self.submit(submission);
        }
        self.shell.flush_deliveries();
        self.publish_stats();
        while self.shell.dials.join_next().await.is_some() {}
        end.send_replace(true);
    }

    async fn wait(&mut self) -> Happened {
        let Self { core, shell, inputs, finds, timer, .. } = self;
        let Inputs { submissions, close, cleared } = inputs;
        let is_full = !shell.undelivered.is_empty();
        for link in &mut shell.links {
            // Only the active link has something to deliver.
            link.pause_reading(is_full && core.link() == Some(link.id));
        }
        let backlog = shell.backlog();
        let Shell { links, dials, looks, deliveries, dialer, .. } = shell;
        let link_due = links.iter().filter_map(Link::poll_timeout).min();
        let due = [core.poll_timeout(), link_due].into_iter().flatten().min();
        // An application that waits for a link is not to wait for a timer.
        let is_down = core.link().is_none() && dialer.has_real_time();
        let precision = if is_down { Precision::OnTime } else { Precision::Millis };
        tokio::select! {
            biased;
            Ok(_) = close.wait_for(|close| *close) => Happened::CloseWanted,
            Some(link) = next_cleared(cleared) => Happened::Cleared(link),
            Some(Ok(dialed)) = dials.join_next() => Happened::Dialed(dialed),
            Some(Ok(looked)) = looks.join_next() => Happened::Looked(looked),
            () = timer.until(due, precision) => Happened::Timeout,
            (id, step) = step(links) => Happened::Link(id, step),
            Ok(_) = deliveries.reserve(), if is_full => Happened::RoomToDeliver,
            found = next_find(finds) => found.map_or(Happened::NothingMoreToFind, Happened::Found),
            submission = submissions.recv(), if core.wants_submit() && backlog < MAX_BACKLOG => {
                submission.map_or(Happened::HandlesGone, Happened::Submitted)
            }
        }
    }

    /// Lays out the numbers for whoever wants to look: once for all that a turn of the loop brought.
    fn publish_stats(&self) {
        self.stats.send_if_modified(|published| {
            let stats = self.core.stats();
            std::mem::replace(published, stats) != stats
        });
    }

    /// Hands an input to the core and does what it says, and what comes of that.
    fn input(&mut self, input: Input) {
        self.input_at(now(), input);
    }

    fn input_at(&mut self, now: Instant, input: Input) {
        let mut next = Some(input);
        // Hardly ever is there any.
        let mut more = VecDeque::new();
        while let Some(input) = next {
            let link = self.core.link();
            for output in self.core.handle(now, input) {
                more.extend(self.shell.perform(output, link));
            }
            next = more.pop_front();
        }
        if !self.core.is_over() {
            self.shell.warnings.on_rounds(self.core.failed_rounds());
        }
    }

    fn on_submitted(&mut self, first: Submission) {
        self.submit(first);
        for _ in 1..MAX_BURST {
            if !self.core.wants_submit() || self.shell.backlog() >= MAX_BACKLOG {
                break;
            }
            let Ok(submission) = self.inputs.submissions.try_recv() else { break };
            self.submit(submission);
        }
    }

    fn submit(&mut self, submission: Submission) {
        let input = match submission {
            Submission::Request { command, completion, link, submitted, promise } => {
                let id = RequestId(self.shell.next_request);
                self.shell.next_request += 1;
                if let Some(Promise(reply)) = promise {
                    self.shell.replies.insert(id, reply);
                }
                let submitted = Some(submitted);
                Input::Submit(Request { id, command: *command, completion, link, submitted })
            }
            Submission::Settled { link, consumer, last_delivered_sequence_id } => {
                Input::Settled { link, consumer, last_delivered_sequence_id }
            }
        };
        self.input(input);
    }

    fn on_found(&mut self, found: Option<Found>) {
        if let Some(Found { brokers, rebalance }) = found {
            self.input(Input::Discovered { brokers, rebalance });
        }
        if std::mem::take(&mut self.waits_for_list) {
            self.input(Input::Start);
        }
    }

    fn on_dialed(&mut self, Dialed { id, result, times }: Dialed) {
        // A dial that was hung up may have ended well all the same.
        if self.shell.dialing.remove(&id).is_none() {
            return;
        }
        match result {
            Ok((link, greeting)) => {
                self.shell.links.push(link);
                self.input(Input::Dialed(id, Ok(greeting), times));
                // The broker's first words may have come with the handshake.
                self.take_events(id);
            }
            Err(error) => self.input(Input::Dialed(id, Err(error), times)),
        }
    }

    fn on_step(&mut self, id: LinkId, step: Step) {
        match step {
            Step::Read => self.take_events(id),
            Step::Flushed => {}
            Step::Lost(reason) => self.on_lost(id, reason),
        }
    }

    /// Takes all that came over a link.
    fn take_events(&mut self, id: LinkId) {
        // All that was read together came at one time.
        let now = now();
        while let Some(link) = self.shell.link(id) {
            match link.poll_event(now) {
                Ok(Some(LinkEvent::Command(command))) => {
                    self.input_at(now, Input::Received(id, command));
                }
                Ok(Some(LinkEvent::Opened { .. })) => {}
                Ok(None) => break,
                Err(reason) => self.on_lost(id, reason),
            }
        }
    }

    fn on_lost(&mut self, id: LinkId, reason: LostReason) {
        if self.shell.take_link(id).is_some() {
            self.input(Input::Lost(id, reason));
        }
    }

    fn on_timeout(&mut self) {
        let now = now();
        let is_due = |link: &&mut Link| link.poll_timeout().is_some_and(|due| due <= now);
        let due: Vec<_> = self
            .shell
            .links
            .iter_mut()
            .filter(is_due)
            .map(|link| (link.id, link.try_step()))
            .collect();
        for (id, step) in due {
            if let Some(step) = step {
                self.on_step(id, step);
            }
            if let Some(Err(reason)) = self.shell.link(id).map(|link| link.handle_timeout(now)) {
                self.on_lost(id, reason);
            }
            self.shell.look_at(id);
        }
        self.input(Input::Timeout);
    }
}

impl Shell {
    /// Does what the core says. What comes of it at once is an input again.
    /// `link` is the active one when it was said.
    fn perform(&mut self, output: Output, link: Option<LinkId>) -> Option<Input> {
        match output {
            Output::Dial(id, broker) => {
                let task = self.dials.spawn(self.dialer.dial(id, &broker));
                self.dialing.insert(id, task);
            }
            Output::Transmit(id, command, completes) => {
                let number = command.command_id();
                // A link that has just ended takes what comes as one does that ends a moment later.
                let sent = self.link(id).map_or(Ok(()), |link| link.send(&command));
                match (completes, sent) {
                    (Some(request), Ok(())) => {
                        self.complete(request, Ok(done_response(number)), link);
                    }
                    (Some(request), Err(error)) => {
                        self.complete(request, Err(RequestError::Unsendable(error.clone())), link);
                        return Some(Input::Unsendable(id, number, error));
                    }
                    (None, Err(error)) => return Some(Input::Unsendable(id, number, error)),
                    (None, Ok(())) => {}
                }
            }
            Output::Hangup(id) => self.hang_up(id),
            Output::Deliver(incoming) => {
                if matches!(incoming, Incoming::Command(_, Command::ConnectionError(_))) {
                    self.errors += 1;
                }
                self.undelivered.push_back(Box::new(incoming));
            }
            Output::Complete(id, result) => self.complete(id, result, link),
            Output::Event(event) => {
                self.tracer.tell(&event);
                if let Event::AttemptFailed { broker, error, .. } = &event {
                    self.warnings.on_failure(broker, error);
                }
                if let Event::TopologyChanged(topology) = &event {
                    self.topology.send_replace(topology.clone());
                }
                // Nobody may be listening at all.
                let _ = self.events.send(event);
            }
        }
        None
    }

    fn complete(
        &mut self,
        id: RequestId,
        result: Result<Command, RequestError>,
        link: Option<LinkId>,
    ) {
        if let Some(reply) = self.replies.remove(&id) {
            // Nobody may be listening any more.
            let _ = reply.send(Outcome { result, link, errors: self.errors });
        }
    }

    /// Has it found out whether the broker of a silent link is alive, if that is in doubt.
    fn look_at(&mut self, id: LinkId) {
        let link = self.links.iter_mut().find(|link| link.id == id);
        if let Some(broker) = link.and_then(Link::take_doubt) {
            tracing::debug!(%broker, "silent, and looked at over another connection");
            self.looks.spawn(self.dialer.look(id, broker));
        }
    }

    fn on_looked(&mut self, looked: &Looked) {
        if let Some(link) = self.link(looked.id).filter(|_| looked.is_alive) {
            link.vouch();
        }
    }

    fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    fn take_link(&mut self, id: LinkId) -> Option<Link> {
        let place = self.links.iter().position(|link| link.id == id)?;
        Some(self.links.swap_remove(place))
    }

    /// How many bytes wait to be written.
    fn backlog(&self) -> usize {
        self.links.iter().map(Link::backlog).sum()
    }

    fn hang_up(&mut self, id: LinkId) {
        if let Some(task) = self.dialing.remove(&id) {
            task.abort();
        }
        if let Some(link) = self.take_link(id) {
            let linger = self.linger;
            self.dials.spawn(async move {
                let _ = tokio::time::timeout(linger, link.finish()).await;
                let result = Err(DialError::Handshake("hung up".to_owned()));
                Dialed { id, result, times: DialTimes::default() }
            });
        }
    }

    fn flush_deliveries(&mut self) {
        while let Some(incoming) = self.undelivered.pop_front() {
            match self.deliveries.try_send(incoming) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(incoming)) => {
                    self.undelivered.push_front(incoming);
                    return;
                }
                // The application does not want to hear more.
                Err(mpsc::error::TrySendError::Closed(_)) => self.undelivered.clear(),
            }
        }
    }
}

/// The next step of any link.
async fn step(links: &mut [Link]) -> (LinkId, Step) {
    poll_fn(|cx| {
        for link in &mut *links {
            if let Poll::Ready(step) = link.poll_step(cx) {
                return Poll::Ready((link.id, step));
            }
        }
        Poll::Pending
    })
    .await
}

/// The next link whose end the application has dealt with; never, once it takes no more deliveries.
async fn next_cleared(cleared: &mut watch::Receiver<Option<LinkId>>) -> Option<LinkId> {
    match cleared.changed().await {
        Ok(()) => *cleared.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

async fn next_find(finds: &mut Option<mpsc::Receiver<Option<Found>>>) -> Option<Option<Found>> {
    match finds {
        Some(finds) => finds.recv().await,
        None => std::future::pending().await,
    }
}
