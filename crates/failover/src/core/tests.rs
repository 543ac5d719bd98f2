//! The rules of the machine, each as inputs and exact outputs.

mod branches;
mod clearing;
mod cluster;
mod connecting;
mod farewells;
mod incidents;
mod lost_messages;
mod moves;
mod pulls;
mod replay;
mod requests;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use rewire_protocol::{
    ConnectionId, ConnectionInfo, ConsumerControl, ConsumerId, ConsumerInfo, EncodeError,
    EncodeErrorKind, ExceptionResponse, Message, MessageAck, MessageDispatch, ProducerInfo,
    RemoveInfo, SessionInfo, Throwable,
};

use super::*;
use crate::error::{DialError, LostReason};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A core, the time, and shorthand for what happens to it.
struct Lab {
    core: FailoverCore,
    now: Instant,
    next_request: u64,
    /// The incidents told of, and what was told of standbys: looked at apart from other outputs.
    incidents: Vec<Arc<Incident>>,
    standbys: Vec<String>,
}

impl Lab {
    fn new(brokers: &[&str], change: impl FnOnce(&mut FailoverOptions)) -> Self {
        let mut options = FailoverOptions { randomize: false, ..FailoverOptions::default() };
        change(&mut options);
        let brokers = brokers.iter().map(|uri| uri.parse().unwrap()).collect();
        let core = FailoverCore::new(brokers, options, QueueLimits::default(), 1);
        #[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
        let now = Instant::now();
        Self { core, now, next_request: 0, incidents: Vec::new(), standbys: Vec::new() }
    }

    fn two() -> Self {
        Self::new(&["tcp://a:1", "tcp://b:1"], |_| {})
    }

    fn input(&mut self, input: Input) -> Vec<String> {
        let mut lines = Vec::new();
        for output in self.core.handle(self.now, input) {
            match output {
                Output::Event(Event::Incident(incident)) => self.incidents.push(incident),
                Output::Event(Event::StandbyReady { broker }) => {
                    self.standbys.push(format!("ready {broker}"));
                }
                Output::Event(Event::StandbyLost { broker, cause }) => {
                    self.standbys.push(format!("lost {broker}: {cause}"));
                }
                other => lines.push(show(&other)),
            }
        }
        lines
    }

    /// Lets time pass, to the millisecond when something is due.
    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now += time;
        self.input(Input::Timeout)
    }

    fn due(&self) -> Option<Duration> {
        self.core.poll_timeout().map(|due| due - self.now)
    }

    fn request(&mut self, command: impl Into<Command>, completion: Completion) -> Request {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        Request { id, command: command.into(), completion, link: None, submitted: None }
    }

    fn submit(&mut self, command: impl Into<Command>) -> Vec<String> {
        let request = self.request(command, Completion::Answered);
        self.input(Input::Submit(request))
    }

    fn answer(&mut self, link: u64, correlation_id: i32) -> Vec<String> {
        let response = Response { correlation_id, ..Response::default() };
        self.input(Input::Received(LinkId(link), response.into()))
    }

    fn refuse(&mut self, link: u64, correlation_id: i32, class: &str) -> Vec<String> {
        let exception = Some(Box::new(Throwable::new(class, "no")));
        let response =
            ExceptionResponse { correlation_id, exception, ..ExceptionResponse::default() };
        self.input(Input::Received(LinkId(link), response.into()))
    }

    fn dialed(&mut self, link: u64) -> Vec<String> {
        self.input(Input::Dialed(LinkId(link), Ok(Greeting::default()), DialTimes::default()))
    }

    /// The incident told of last.
    fn incident(&self) -> &Incident {
        self.incidents.last().expect("an incident was told of")
    }

    /// The lines of the text about the incident told of last.
    fn incident_text(&self) -> Vec<String> {
        self.incident().to_string().lines().map(str::to_owned).collect()
    }

    fn undialed(&mut self, link: u64) -> Vec<String> {
        let error = DialError::Connect("refused".to_owned());
        self.input(Input::Dialed(LinkId(link), Err(error), DialTimes::default()))
    }

    fn lost(&mut self, link: u64) -> Vec<String> {
        self.input(Input::Lost(LinkId(link), LostReason::Closed))
    }

    /// Connected to `a` over link 1, its `ConnectionInfo` answered.
    fn connected(mut self) -> Self {
        self.input(Input::Start);
        self.submit(connection_info());
        self.dialed(1);
        assert_eq!(self.answer(1, 1), ["complete 1 ok"]);
        self
    }
}

/// One line an output.
fn show(output: &Output) -> String {
    match output {
        Output::Dial(link, broker) => format!("dial {} {}", link.0, broker.location()),
        Output::Transmit(link, command, completes) => {
            let done = completes.map(|id| format!(", completes {}", id.0)).unwrap_or_default();
            format!("transmit {} {} #{}{done}", link.0, name(command), command.command_id())
        }
        Output::Hangup(link) => format!("hangup {}", link.0),
        Output::Deliver(incoming) => match incoming {
            Incoming::Command(link, command) => format!("deliver {} {}", link.0, command.name()),
            Incoming::Leaving(link) => format!("leaving {}", link.0),
            Incoming::Interrupted(link) => format!("interrupted {}", link.0),
            Incoming::Resumed(link) => format!("resumed {}", link.0),
            Incoming::Refused { command, .. } => format!("refused {}", command.name()),
            Incoming::Ended(_) => "ended".to_owned(),
        },
        Output::Complete(id, Ok(_)) => format!("complete {} ok", id.0),
        Output::Complete(id, Err(error)) => format!("complete {} {error}", id.0),
        Output::Event(event) => match event {
            Event::Connected { broker } => format!("event connected {broker}"),
            Event::Interrupted { broker, .. } => format!("event interrupted {broker}"),
            Event::AttemptFailed { broker, round, .. } => {
                format!("event attempt failed {broker} in round {round}")
            }
            Event::Resumed { broker, outage, replayed, resent } => format!(
                "event resumed {broker} after {} ms, {replayed} replayed, {resent} resent",
                outage.as_millis()
            ),
            Event::Rebalancing { from, to, reason } => {
                format!("event rebalancing from {from} to {to}: {reason:?}")
            }
            Event::Incident(_) => "event incident".to_owned(),
            Event::StandbyReady { broker } => format!("event standby ready {broker}"),
            Event::StandbyLost { broker, .. } => format!("event standby lost {broker}"),
            Event::CacheEvicted { messages } => format!("event evicted {messages}"),
            Event::TopologyChanged(topology) => {
                let locations: Vec<_> =
                    topology.brokers().iter().map(|broker| broker.location.as_str()).collect();
                format!("event topology {}", locations.join(" "))
            }
            Event::GaveUp(_) => "event gave up".to_owned(),
            Event::Closed => "event closed".to_owned(),
        },
    }
}

const fn too_large() -> EncodeError {
    let kind = EncodeErrorKind::FrameTooLarge { len: 2, limit: 1 };
    EncodeError { kind, structure: "", field: "" }
}

/// What a command is: a step of a transaction by what it does.
fn name(command: &Command) -> &'static str {
    const STEPS: [&str; 8] = [
        "BEGIN",
        "PREPARE",
        "COMMIT_ONE_PHASE",
        "COMMIT_TWO_PHASE",
        "ROLLBACK",
        "RECOVER",
        "FORGET",
        "END",
    ];
    match command {
        Command::TransactionInfo(info) => STEPS[usize::try_from(info.transaction_type).unwrap()],
        other => other.name(),
    }
}

fn connection() -> ConnectionId {
    ConnectionId::new("ID:test:1")
}

fn connection_info() -> ConnectionInfo {
    ConnectionInfo { connection_id: Some(connection()), ..ConnectionInfo::default() }
}

fn session_info() -> SessionInfo {
    SessionInfo { session_id: Some(connection().session(1)), ..SessionInfo::default() }
}

fn consumer_id() -> ConsumerId {
    connection().session(1).consumer(1)
}

fn consumer_info() -> ConsumerInfo {
    ConsumerInfo { consumer_id: Some(consumer_id()), ..ConsumerInfo::default() }
}

fn producer_info() -> ProducerInfo {
    let producer_id = Some(connection().session(1).producer(1));
    ProducerInfo { producer_id, ..ProducerInfo::default() }
}
