//! What people and scripts are shown, event by event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire::{DialError, GaveUp, LostReason, MoveReason};
use rewire_failover::core::{
    Completion, DialTimes, FailoverCore, Greeting, Input, LinkId, Output, QueueLimits, Request,
    RequestId,
};
use rewire_failover::uri::FailoverUri;
use rewire_protocol::{ConnectionId, ConnectionInfo, Response, SilenceLimit};

use super::*;

const AT: &str = "2026-11-21 03:00:00.000Z";
const A: &str = "tcp://a:61616";
const B: &str = "tcp://b:61616";

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The events of a first connection and of a failover to another broker, where nobody listens at first.
fn failover() -> Vec<Event> {
    let uri: FailoverUri = format!("failover:({A},{B})?randomize=false").parse().unwrap();
    let (brokers, options) = (uri.brokers().to_vec(), uri.options().clone());
    let mut core = FailoverCore::new(brokers, options, QueueLimits::default(), 1);
    #[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
    let mut now = Instant::now();
    let mut events = Vec::new();
    let mut happen = |wait: u64, input: Input| {
        now += millis(wait);
        events.extend(core.handle(now, input).filter_map(|output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        }));
    };
    let link = LinkId::new;
    let resolve = Some(Duration::from_micros(200));
    let times = DialTimes { resolve, connect: Some(millis(1)), ..DialTimes::default() };
    let good = DialTimes { handshake: Some(millis(3)), ..times };
    let (silence, limit) = (millis(30_000), SilenceLimit::MaxInactivityDuration);
    let silent = LostReason::Silent { silence, limit };
    let answer = || Response { correlation_id: 1, ..Response::default() };

    happen(0, Input::Start);
    let connection_id = Some(ConnectionId::new("ID:test:1"));
    let command = ConnectionInfo { connection_id, ..ConnectionInfo::default() }.into();
    let (id, completion) = (RequestId::new(1), Completion::Answered);
    happen(0, Input::Submit(Request { id, command, completion, link: None, submitted: None }));
    happen(5, Input::Dialed(link(1), Ok(Greeting::default()), good));
    happen(1, Input::Received(link(1), answer().into()));
    happen(500, Input::Lost(link(1), silent));
    happen(10, Input::Timeout);
    happen(2, Input::Dialed(link(2), Err(refused()), times));
    happen(5, Input::Dialed(link(3), Ok(Greeting::default()), good));
    happen(7, Input::Received(link(3), answer().into()));
    events
}

fn refused() -> DialError {
    DialError::Connect("10.0.0.2:61616: Connection refused".to_owned())
}

/// What else can happen.
fn others() -> Vec<Event> {
    let exhausted = GaveUp::Exhausted { attempts: 3, broker: B.to_owned(), error: refused() };
    vec![
        Event::Rebalancing { from: A.to_owned(), to: B.to_owned(), reason: MoveReason::Rebalance },
        Event::StandbyReady { broker: B.to_owned() },
        Event::StandbyLost { broker: B.to_owned(), cause: LostReason::Closed },
        Event::GaveUp(Arc::new(exhausted)),
        Event::Closed,
    ]
}

fn lines(events: &[Event]) -> Vec<String> {
    let lines: Vec<String> = events.iter().filter_map(|event| line(AT, event)).collect();
    lines.iter().flat_map(|line| line.lines()).map(str::to_owned).collect()
}

#[test]
fn each_event_is_a_line_and_an_incident_is_a_line_and_what_stands_below_it() {
    assert_eq!(
        lines(&failover()),
        [
            "2026-11-21 03:00:00.000Z  connected       tcp://a:61616",
            "2026-11-21 03:00:00.000Z  incident        first connection: tcp://a:61616 reached after 5.0 ms",
            "    tried     1 attempt in 1 round",
            "         +0.0 ms  tcp://a:61616  link made after 5.0 ms (resolve 0.2 ms, connect 1.0 ms, handshake 3.0 ms)",
            "2026-11-21 03:00:00.000Z  interrupted     tcp://a:61616: nothing heard for 30000 ms (maxInactivityDuration)",
            "2026-11-21 03:00:00.000Z  attempt failed  tcp://b:61616, round 1: cannot connect: 10.0.0.2:61616: Connection refused",
            "2026-11-21 03:00:00.000Z  resumed         tcp://a:61616 after 24 ms, 2 commands replayed, 0 requests sent again",
            "2026-11-21 03:00:00.000Z  incident        interruption: tcp://a:61616 lost, tcp://a:61616 reached after 24.0 ms",
            "    cause     nothing heard for 30000 ms (maxInactivityDuration), noticed by silence",
            "    tried     2 attempts in 1 round, 10.0 ms spent waiting",
            "        +10.0 ms  tcp://b:61616  failed after 2.0 ms: cannot connect: 10.0.0.2:61616: Connection refused (resolve 0.2 ms, connect 1.0 ms)",
            "        +12.0 ms  tcp://a:61616  link made after 12.0 ms (resolve 0.2 ms, connect 1.0 ms, handshake 3.0 ms, replay 7.0 ms)",
            "    replayed  2 commands: the connection",
        ]
    );
    assert_eq!(
        lines(&others()),
        [
            "2026-11-21 03:00:00.000Z  rebalancing     from tcp://a:61616 to tcp://b:61616: the cluster is balanced anew",
            "2026-11-21 03:00:00.000Z  standby ready   tcp://b:61616",
            "2026-11-21 03:00:00.000Z  standby lost    tcp://b:61616: the broker closed the connection",
            "2026-11-21 03:00:00.000Z  ended           gave up after 3 rounds, the last broker tcp://b:61616: cannot connect: 10.0.0.2:61616: Connection refused",
            "2026-11-21 03:00:00.000Z  closed",
        ]
    );
}

#[test]
fn someone_who_waits_is_told_in_sentences() {
    let events: Vec<Event> = failover().into_iter().chain(others()).collect();
    let sentences: Vec<String> = events.iter().filter_map(sentence).collect();
    assert_eq!(
        sentences,
        [
            "connected to tcp://a:61616",
            "lost tcp://a:61616: nothing heard for 30000 ms (maxInactivityDuration)",
            "tcp://b:61616: cannot connect: 10.0.0.2:61616: Connection refused (round 1)",
            "now on tcp://a:61616, after 24 ms",
            "moving from tcp://a:61616 to tcp://b:61616: the cluster is balanced anew",
            "gave up after 3 rounds, the last broker tcp://b:61616: cannot connect: 10.0.0.2:61616: Connection refused",
        ]
    );
}

#[test]
fn scripts_get_an_object_for_each_event_but_the_close() {
    let events: Vec<Event> = failover().into_iter().chain(others()).collect();
    let objects: Vec<Value> = events.iter().filter_map(to_json).collect();
    let names: Vec<&str> = objects.iter().map(|object| object["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "connected",
            "incident",
            "interrupted",
            "attempt_failed",
            "resumed",
            "incident",
            "rebalancing",
            "standby_ready",
            "standby_lost",
            "gave_up",
        ]
    );
    assert_eq!(objects[1]["cause"], Value::Null);
    assert_eq!(objects[5], failover_object());
}

fn failover_object() -> Value {
    json!({
        "event": "incident",
        "cause": {
            "broker": A,
            "reason": "nothing heard for 30000 ms (maxInactivityDuration)",
            "noticed_by": "silence",
        },
        "outage_ms": 24.0,
        "waited_ms": 10.0,
        "end": "resumed",
        "broker": A,
        "reason": null,
        "rounds": 1,
        "attempts_made": 2,
        "attempts": [
            {
                "broker": B,
                "round": 1,
                "after_ms": 10.0,
                "waited_ms": 10.0,
                "took_ms": 2.0,
                "standby": false,
                "resolve_ms": 0.2,
                "connect_ms": 1.0,
                "tls_ms": null,
                "handshake_ms": null,
                "replay_ms": null,
                "end": "failed",
                "error": "cannot connect: 10.0.0.2:61616: Connection refused",
            },
            {
                "broker": A,
                "round": 1,
                "after_ms": 12.0,
                "waited_ms": 0.0,
                "took_ms": 12.0,
                "standby": false,
                "resolve_ms": 0.2,
                "connect_ms": 1.0,
                "tls_ms": null,
                "handshake_ms": 3.0,
                "replay_ms": 7.0,
                "end": "succeeded",
                "error": null,
            },
        ],
        "replayed": {
            "connection": 2,
            "temporary_destinations": 0,
            "sessions": 0,
            "producers": 0,
            "consumers": 0,
            "transactions": 0,
            "messages": 0,
            "others": 0,
        },
        "resent": 0,
        "in_doubt": 0,
        "not_sent": 0,
        "refused": 0,
    })
}
