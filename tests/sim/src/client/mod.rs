//! A client: a real core, driven as the shell drives it, and the application above.

mod app;
mod consumer;
mod haunt;
mod links;
mod transacted;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::RngExt;
use rewire_failover::RequestError;
use rewire_failover::core::{
    Completion, Event, FailoverCore, Incoming, Input, LinkId, Output, Request, RequestId,
};
use rewire_protocol::{Command, ConsumerId, EncodeError, EncodeErrorKind, Response};

use self::app::{App, Purpose};
use crate::agenda::Time;
use crate::network::{Parcel, Way};
use crate::plan::{Plan, address, alias};
use crate::seen::{AtClient, Registered, Seen};
use crate::world::{Ctx, Happening};

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    core: FailoverCore,
    app: App,
    names: Vec<String>,
    /// When the core will be woken.
    wakes: Option<Time>,
    dialing: BTreeMap<LinkId, Dial>,
    /// Links that are open, and their wires.
    links: BTreeMap<LinkId, usize>,
    /// What waits for room in the core.
    submissions: VecDeque<Submission>,
    purposes: BTreeMap<u64, Purpose>,
    next_request: u64,
    /// What came while the application took no deliveries.
    unread: VecDeque<(usize, Parcel)>,
    is_napping: bool,
    is_closed: bool,
    /// Numbers of commands that were transmitted last.
    numbers: VecDeque<i32>,
    late_frames: bool,
    /// What was delivered and the application has not heard yet, with the time when it will.
    unheard: VecDeque<(Time, Incoming)>,
    lag: Duration,
}

#[derive(Debug)]
struct Dial {
    deadline: Time,
    wire: Option<usize>,
}

/// What the application says to the core, in order.
#[derive(Debug)]
pub(crate) enum Submission {
    Request {
        command: Box<Command>,
        completion: Completion,
        link: Option<LinkId>,
        purpose: Purpose,
    },
    Settled {
        link: LinkId,
        consumer: ConsumerId,
        last_delivered: i64,
    },
}

/// A message whose content is longer does not fit through a narrow broker.
const LARGE: usize = 1000;

impl Client {
    pub(crate) fn new(number: usize, plan: &Plan) -> Self {
        let of = &plan.clients[number];
        let seed = plan.seed.wrapping_mul(31).wrapping_add(number as u64);
        let brokers = plan.brokers.len();
        let core = FailoverCore::new(plan.uris(number), of.options(), of.limits, seed);
        Self {
            number,
            core,
            app: App::new(number, of.work.clone(), plan.heal_at),
            names: (0..brokers).map(address).chain((0..brokers).map(alias)).collect(),
            wakes: None,
            dialing: BTreeMap::new(),
            links: BTreeMap::new(),
            submissions: VecDeque::new(),
            purposes: BTreeMap::new(),
            next_request: 0,
            unread: VecDeque::new(),
            is_napping: false,
            is_closed: false,
            numbers: VecDeque::new(),
            late_frames: plan.late_frames,
            unheard: VecDeque::new(),
            lag: of.work.lag,
        }
    }

    pub(crate) fn begin(&mut self, ctx: &mut Ctx) {
        self.happen(ctx, Input::Start);
        self.app.begin(ctx);
        self.pump(ctx);
    }

    // ---- the shell -----------------------------------------------------------------------------

    /// Hands something to the core, and then what the application wants because of it.
    fn happen(&mut self, ctx: &mut Ctx, input: Input) {
        self.input(ctx, input);
        self.pump(ctx);
    }

    /// Hands an input to the core and does what it says, and what comes of that.
    fn input(&mut self, ctx: &mut Ctx, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if let Input::Cleared(link) = input {
                self.see(ctx, AtClient::Cleared { link });
            }
            let outputs: Vec<Output> = self.core.handle(ctx.instant(), input).collect();
            for output in outputs {
                inputs.extend(self.perform(ctx, output));
            }
        }
        self.set_alarm(ctx);
    }

    fn set_alarm(&mut self, ctx: &mut Ctx) {
        let due = self.core.poll_timeout().map(|due| ctx.time(due).max(ctx.now));
        if let Some(due) = due
            && self.wakes.is_none_or(|wakes| wakes > due || wakes <= ctx.now)
        {
            ctx.agenda.add(due, Happening::Wakes { client: self.number });
            self.wakes = Some(due);
        }
    }

    /// Submits what waits, as long as the core wants more.
    fn pump(&mut self, ctx: &mut Ctx) {
        loop {
            self.submissions.extend(self.app.outbox.drain(..));
            if self.app.wants_close && !self.is_closed {
                self.close(ctx);
                return;
            }
            if !self.is_closed && !self.core.wants_submit() {
                break;
            }
            let Some(submission) = self.submissions.pop_front() else { break };
            self.submit(ctx, submission);
        }
        self.app.backlog = self.submissions.len();
        let open = self.purposes.len();
        self.see(ctx, AtClient::Waiting { open, stats: &self.core.stats() });
    }

    fn submit(&mut self, ctx: &mut Ctx, submission: Submission) {
        let (command, completion, link, purpose) = match submission {
            Submission::Request { command, completion, link, purpose } => {
                (*command, completion, link, purpose)
            }
            Submission::Settled { link, consumer, last_delivered } => {
                let who = (consumer.session_id, consumer.value);
                self.see(ctx, AtClient::Settled { link, consumer: who, last_delivered });
                let last_delivered_sequence_id = last_delivered;
                self.input(ctx, Input::Settled { link, consumer, last_delivered_sequence_id });
                return;
            }
        };
        let request = self.next_request;
        self.next_request += 1;
        self.purposes.insert(request, purpose);
        self.see(ctx, AtClient::Submitted { request, command: &command, completion, link });
        let id = RequestId::new(request);
        self.input(ctx, Input::Submit(Request { id, command, completion, link, submitted: None }));
    }

    /// Does what the core says. What comes of it at once is an input again.
    fn perform(&mut self, ctx: &mut Ctx, output: Output) -> Option<Input> {
        match output {
            Output::Dial(link, broker) => {
                let broker = broker.location();
                let name = self.names.iter().position(|name| *name == broker).unwrap_or_default();
                self.see(ctx, AtClient::Dialing { link, broker });
                let deadline = ctx.now + ctx.net.plan().dial_timeout;
                self.dialing.insert(link, Dial { deadline, wire: None });
                let delay = ctx.net.delay(&mut ctx.rng);
                ctx.later(delay, Happening::Knocks { client: self.number, link, name });
            }
            Output::Transmit(link, command, completes) => {
                self.see(ctx, AtClient::Transmitted { link, command: &command });
                self.numbers.push_back(command.command_id());
                if self.numbers.len() > 16 {
                    self.numbers.pop_front();
                }
                let number = command.command_id();
                let wire = *self.links.get(&link)?;
                let is_sendable =
                    !is_large(&command) || !ctx.net.narrow.contains(&ctx.net.wires[wire].broker);
                if is_sendable {
                    ctx.send(wire, Way::Up, Parcel::Frame(command));
                } else {
                    self.see(ctx, AtClient::Unsendable { link, number });
                }
                if let Some(request) = completes {
                    let done = Response { correlation_id: number, ..Response::default() };
                    let unsendable = RequestError::Unsendable(too_large());
                    let outcome = if is_sendable { Ok(done.into()) } else { Err(unsendable) };
                    self.complete(ctx, request, &outcome);
                }
                if !is_sendable {
                    return Some(Input::Unsendable(link, number, too_large()));
                }
            }
            Output::Hangup(link) => {
                self.see(ctx, AtClient::HungUp { link });
                let dial = self.dialing.remove(&link).and_then(|dial| dial.wire);
                if let Some(wire) = dial.or_else(|| self.links.remove(&link)) {
                    self.hang_up(ctx, wire);
                }
            }
            Output::Deliver(incoming) => {
                self.see(ctx, AtClient::Delivered(&incoming));
                return self.deliver(ctx, incoming);
            }
            Output::Complete(request, outcome) => self.complete(ctx, request, &outcome),
            Output::Event(event) => {
                self.see(ctx, AtClient::Told(&event));
                if matches!(event, Event::GaveUp(_) | Event::Closed) {
                    self.app.end();
                }
            }
        }
        None
    }

    /// The application hears of something, at once or after a while, but in order.
    fn deliver(&mut self, ctx: &mut Ctx, incoming: Incoming) -> Option<Input> {
        let after = if ctx.rng.random_bool(0.5) {
            self.lag.mul_f64(ctx.rng.random())
        } else {
            Duration::ZERO
        };
        let last = self.unheard.back().map_or(Time::ZERO, |(due, _)| *due);
        let due = last.max(ctx.now + after);
        if due == ctx.now && self.unheard.is_empty() {
            return self.tell(ctx, incoming);
        }
        self.unheard.push_back((due, incoming));
        ctx.agenda.add(due, Happening::Hears { client: self.number });
        None
    }

    /// The application hears of something. When that was the end of a link, it has dealt with it then.
    fn tell(&mut self, ctx: &mut Ctx, incoming: Incoming) -> Option<Input> {
        let gone = match &incoming {
            Incoming::Interrupted(link) => Some(*link),
            _ => None,
        };
        self.app.on_incoming(ctx, incoming);
        gone.map(Input::Cleared)
    }

    fn complete(&mut self, ctx: &mut Ctx, id: RequestId, outcome: &Result<Command, RequestError>) {
        let known = self.purposes.keys().find(|known| RequestId::new(**known) == id).copied();
        // One that is not known is reported under a number that no request has.
        let request = known.unwrap_or(u64::MAX);
        self.see(ctx, AtClient::Completed { request, outcome });
        if let Some(purpose) = self.purposes.remove(&request) {
            self.app.on_completed(ctx, purpose, outcome);
        }
    }

    fn see(&self, ctx: &mut Ctx, at: AtClient<'_>) {
        ctx.see(&Seen::Client(self.number, at));
    }

    // ---- what the network brings ---------------------------------------------------------------

    pub(crate) fn wake(&mut self, ctx: &mut Ctx) {
        if self.wakes.is_some_and(|wakes| wakes <= ctx.now) {
            self.wakes = None;
        }
        if self.core.poll_timeout().is_some_and(|due| ctx.time(due) <= ctx.now) {
            self.happen(ctx, Input::Timeout);
        } else {
            self.set_alarm(ctx);
        }
    }

    // ---- the application -----------------------------------------------------------------------

    pub(crate) fn on_sends(&mut self, ctx: &mut Ctx, session: i64, producer: i64) {
        self.app.on_sends(ctx, session, producer);
        self.pump(ctx);
    }

    pub(crate) fn on_acks(&mut self, ctx: &mut Ctx, delivery: u64) {
        self.app.on_acks(ctx, delivery);
        self.pump(ctx);
    }

    /// The application hears what was delivered a while ago.
    pub(crate) fn hear(&mut self, ctx: &mut Ctx) {
        while self.unheard.front().is_some_and(|(due, _)| *due <= ctx.now) {
            let Some((_, incoming)) = self.unheard.pop_front() else { break };
            self.catch_up(ctx);
            if let Some(input) = self.tell(ctx, incoming) {
                self.input(ctx, input);
            }
        }
        self.pump(ctx);
    }

    pub(crate) fn on_opens_session(&mut self, ctx: &mut Ctx) {
        self.app.open_session(ctx);
        self.pump(ctx);
    }

    pub(crate) fn on_closes_session(&mut self, ctx: &mut Ctx) {
        self.app.on_closes_session(ctx);
        self.pump(ctx);
    }

    pub(crate) fn on_transacts(&mut self, ctx: &mut Ctx) {
        self.app.on_transacts(ctx);
        self.pump(ctx);
    }

    pub(crate) fn last_work(&mut self, ctx: &mut Ctx) {
        self.app.last_work(ctx);
        self.pump(ctx);
    }

    pub(crate) fn nap(&mut self, ctx: &mut Ctx, time: Duration) {
        self.is_napping = true;
        ctx.later(time, Happening::WakesUp { client: self.number });
    }

    pub(crate) fn wake_up(&mut self, ctx: &mut Ctx) {
        self.is_napping = false;
        for (wire, parcel) in std::mem::take(&mut self.unread) {
            self.read(ctx, wire, parcel);
        }
    }

    /// Closes, and submits what had no room before, as the shell does.
    pub(crate) fn close(&mut self, ctx: &mut Ctx) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        self.catch_up(ctx);
        self.see(ctx, AtClient::Closing);
        self.input(ctx, Input::Close);
        self.app.end();
        self.pump(ctx);
    }

    /// The client's number and its wire, if it has a link that the core is content with.
    pub(crate) fn is_connected(&self) -> Option<(usize, usize)> {
        let link = self.app.link?;
        Some((self.number, *self.links.get(&link)?))
    }

    /// What the application believes to have at its broker.
    pub(crate) fn believes(&self) -> Registered {
        self.app.believes()
    }
}

const fn too_large() -> EncodeError {
    let kind = EncodeErrorKind::FrameTooLarge { len: 2 * LARGE, limit: LARGE };
    EncodeError { kind, structure: "", field: "" }
}

fn is_large(command: &Command) -> bool {
    match command {
        Command::Message(message) => {
            message.content.as_ref().is_some_and(|content| content.len() > LARGE)
        }
        Command::ConsumerInfo(info) => {
            info.selector.as_ref().is_some_and(|selector| selector.as_wire().len() > LARGE)
        }
        _ => false,
    }
}
