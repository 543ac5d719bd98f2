//! What is on record of a time without a link, and what is counted.

use rewire_protocol::ConnectionControl;

use super::*;
use crate::error::{GaveUp, Noticed};

fn dial_times(millis: u64) -> DialTimes {
    let connect = Some(ms(millis));
    DialTimes { resolve: Some(Duration::ZERO), connect, ..DialTimes::default() }
}

fn dial_failed(lab: &mut Lab, link: u64, error: DialError, times: DialTimes) {
    lab.input(Input::Dialed(LinkId(link), Err(error), times));
}

#[test]
fn the_time_before_the_first_link_is_on_record() {
    let mut lab = Lab::two();
    lab.input(Input::Start);
    lab.now += ms(3);
    dial_failed(&mut lab, 1, DialError::Connect("refused".to_owned()), dial_times(3));
    lab.now += ms(4);
    let handshake = Some(ms(1));
    lab.input(Input::Dialed(
        LinkId(2),
        Ok(Greeting::default()),
        DialTimes { handshake, ..dial_times(2) },
    ));
    assert_eq!(lab.incidents.len(), 1);
    assert_eq!(
        lab.incident_text(),
        [
            "first connection: tcp://b:1 reached after 7.0 ms",
            "  tried     2 attempts in 1 round",
            "       +0.0 ms  tcp://a:1  failed after 3.0 ms: cannot connect: refused (resolve 0.0 ms, connect 3.0 ms)",
            "       +3.0 ms  tcp://b:1  link made after 4.0 ms (resolve 0.0 ms, connect 2.0 ms, handshake 1.0 ms)",
        ]
    );
}

#[test]
fn an_interruption_is_on_record_with_its_cause_its_attempts_and_what_they_took() {
    let mut lab = Lab::two().connected();
    for (command, number) in [
        (Command::from(session_info()), 2),
        (producer_info().into(), 3),
        (consumer_info().into(), 4),
    ] {
        lab.submit(command);
        lab.answer(1, number);
    }
    lab.submit(Message::default());
    lab.input(Input::Lost(LinkId(1), LostReason::Write("broken pipe".to_owned())));
    lab.wait(ms(10));
    lab.now += ms(5);
    lab.dialed(2);
    lab.now += ms(6);
    lab.refuse(2, 1, "javax.jms.InvalidClientIDException");
    lab.now += ms(1);
    lab.undialed(3);
    lab.wait(ms(10));
    lab.now += ms(2);
    lab.dialed(4);
    lab.now += ms(7);
    for number in 1..=4 {
        lab.answer(4, number);
    }
    let incident = lab.incident();
    let reason = LostReason::Write("broken pipe".to_owned());
    assert_eq!(reason.noticed(), Noticed::Write);
    assert_eq!(incident.cause, Some(Cause::lost("tcp://a:1", reason)));
    assert_eq!(incident.end, IncidentEnd::Resumed { broker: "tcp://b:1".to_owned() });
    assert_eq!(incident.outage, ms(41));
    assert_eq!(incident.waited, ms(20));
    assert_eq!((incident.attempts_made(), incident.rounds), (3, 2));
    let Replayed { connection, sessions, producers, consumers, .. } = incident.replayed;
    assert_eq!((connection, sessions, producers, consumers), (2, 1, 1, 1));
    assert_eq!(incident.requests_resent, 1);
    assert_eq!(
        lab.incident_text(),
        [
            "interruption: tcp://a:1 lost, tcp://b:1 reached after 41.0 ms",
            "  cause     broken pipe, noticed by writing",
            "  tried     3 attempts in 2 rounds, 20.0 ms spent waiting",
            "      +10.0 ms  tcp://b:1  failed after 11.0 ms: refused: javax.jms.InvalidClientIDException: no (replay 6.0 ms)",
            "      +21.0 ms  tcp://a:1  failed after 1.0 ms: cannot connect: refused",
            "      +32.0 ms  tcp://b:1  link made after 9.0 ms (replay 7.0 ms)",
            "  replayed  5 commands: the connection, 1 session, 1 producer, 1 consumer",
            "  requests  1 sent again",
        ]
    );
}

#[test]
fn an_incident_is_told_of_right_after_what_ended_it() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.max_reconnect_attempts = crate::uri::Attempts::at_most(1);
    })
    .connected();
    lab.lost(1);
    let order =
        |outputs: Outputs<'_>| -> Vec<String> { outputs.map(|output| show(&output)).collect() };
    lab.now += ms(10);
    lab.input(Input::Timeout);
    let dialed = Input::Dialed(LinkId(2), Ok(Greeting::default()), DialTimes::default());
    lab.core.handle(lab.now, dialed).for_each(drop);
    let answer = Response { correlation_id: 1, ..Response::default() };
    let resumed = order(lab.core.handle(lab.now, Input::Received(LinkId(2), answer.into())));
    let place = resumed.iter().position(|line| line.starts_with("event resumed")).unwrap();
    assert_eq!(resumed[place + 1], "event incident");
    lab.lost(2);
    lab.wait(ms(10));
    let error = DialError::Connect("refused".to_owned());
    let ended = Input::Dialed(LinkId(3), Err(error), DialTimes::default());
    assert_eq!(
        order(lab.core.handle(lab.now, ended))[1..],
        ["event gave up", "event incident", "ended"]
    );
}

#[test]
fn giving_up_says_why_and_what_it_cost() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| {
        options.max_reconnect_attempts = crate::uri::Attempts::at_most(1);
    })
    .connected();
    lab.submit(Message::default());
    lab.lost(1);
    lab.submit(Message::default());
    lab.wait(ms(10));
    lab.undialed(2);
    let incident = lab.incident();
    assert_eq!((incident.requests_in_doubt, incident.requests_not_sent), (1, 1));
    assert!(matches!(incident.end, IncidentEnd::GaveUp(GaveUp::Exhausted { .. })));
    assert_eq!(
        lab.incident_text(),
        [
            "interruption: tcp://a:1 lost, no more tried after 10.0 ms",
            "  cause     the broker closed the connection, noticed by reading",
            "  tried     1 attempt in 1 round, 10.0 ms spent waiting",
            "      +10.0 ms  tcp://a:1  failed after 0.0 ms: cannot connect: refused",
            "  ended     gave up after 1 round, the last broker tcp://a:1: cannot connect: refused",
            "  requests  1 in doubt, 1 not sent",
        ]
    );
    // It is over: closing tells of no other.
    lab.input(Input::Close);
    assert_eq!(lab.incidents.len(), 2);
    assert_eq!(lab.core.stats().no_link_since, None);
}

#[test]
fn closing_while_a_broker_is_tried_ends_the_incident_and_leaves_the_attempt() {
    let mut lab = Lab::two().connected();
    lab.lost(1);
    lab.wait(ms(10));
    lab.now += ms(5);
    lab.input(Input::Close);
    let incident = lab.incident();
    assert_eq!((&incident.end, incident.outage), (&IncidentEnd::Closed, ms(15)));
    assert_eq!(incident.attempts.len(), 1);
    assert_eq!(incident.attempts[0].end, AttemptEnd::Abandoned);
    assert_eq!((incident.attempts[0].took, incident.waited), (ms(5), ms(10)));
}

#[test]
fn closing_a_connection_that_is_there_is_no_incident() {
    let mut lab = Lab::two().connected();
    lab.input(Input::Close);
    assert_eq!(lab.incidents.len(), 1);
    assert_eq!(lab.incident().cause, None);
}

#[test]
fn a_standby_that_takes_over_is_on_record_as_such() {
    let mut lab =
        Lab::new(&["tcp://a:1", "tcp://b:1"], |options| options.backup = true).connected();
    assert!(lab.dialed(2).is_empty());
    assert_eq!(lab.standbys, ["ready tcp://b:1"]);
    assert_eq!(lab.core.stats().standbys_ready, 1);
    lab.lost(1);
    lab.now += ms(2);
    lab.answer(2, 1);
    assert!(lab.incident().has_taken_standby());
    assert_eq!(
        lab.incident_text(),
        [
            "interruption: tcp://a:1 lost, tcp://b:1 reached after 2.0 ms",
            "  cause     the broker closed the connection, noticed by reading",
            "  tried     1 attempt in 1 round",
            "       +0.0 ms  tcp://b:1  link made after 2.0 ms (from standby, replay 2.0 ms)",
            "  replayed  2 commands: the connection",
        ]
    );
}

#[test]
fn a_long_incident_keeps_its_first_and_its_last_attempts_and_counts_the_others() {
    let mut lab = Lab::new(&["tcp://a:1"], |_| {}).connected();
    lab.lost(1);
    lab.wait(ms(10));
    for link in 2..102 {
        lab.undialed(link);
        let due = lab.due().unwrap();
        lab.wait(due);
    }
    lab.dialed(102);
    lab.answer(102, 1);
    let incident = lab.incident();
    assert_eq!((incident.attempts.len(), incident.attempts_left_out), (64, 37));
    assert_eq!((incident.attempts_made(), incident.rounds), (101, 101));
    let rounds: Vec<u32> = incident.attempts.iter().map(|attempt| attempt.round).collect();
    assert!(rounds.into_iter().eq((1..=16).chain(54..=101)));
    let lines = lab.incident_text();
    assert_eq!(lines[3 + 16], "            ..  (37 more)");
    assert_eq!(lines.len(), 3 + 16 + 1 + 48 + 1);
}

#[test]
fn an_attempt_left_for_a_standby_that_was_ready_sooner_is_on_record_as_left() {
    let mut lab = Lab::new(&["tcp://a:1", "tcp://b:1", "tcp://c:1"], |options| {
        options.backup = true;
        options.backup_pool_size = 2;
    })
    .connected();
    lab.lost(2);
    lab.lost(1);
    lab.wait(ms(10));
    lab.now += ms(5);
    lab.dialed(3);
    lab.now += ms(1);
    lab.answer(3, 1);
    let ends: Vec<_> = lab.incident().attempts.iter().map(|attempt| &attempt.end).collect();
    assert_eq!(ends, [&AttemptEnd::Abandoned, &AttemptEnd::Succeeded]);
}

#[test]
fn every_request_counts_in_one_number() {
    let mut lab = Lab::new(&["tcp://a:1"], |options| options.timeout = Some(ms(100))).connected();
    lab.submit(session_info());
    lab.refuse(1, 2, "javax.jms.JMSException");
    let transmitted = lab.request(Message::default(), Completion::Transmitted);
    lab.input(Input::Submit(transmitted));
    lab.submit(Message::default());
    lab.lost(1);
    lab.submit(RemoveInfo::default());
    lab.submit(Message::default());
    lab.now += ms(5);
    let number = lab.core.requests.next_number();
    assert_eq!(number, 7);
    let stats = lab.core.stats();
    assert_eq!((stats.requests_waiting, stats.no_link_since), (2, Some(lab.now - ms(5))));
    assert!(stats.bytes_waiting > 0);
    lab.wait(ms(100));
    let stats = lab.core.stats();
    assert_eq!(stats.requests_submitted, 6);
    assert_eq!(stats.requests_confirmed, 1);
    assert_eq!(stats.requests_refused, 1);
    assert_eq!(stats.requests_transmitted, 1);
    assert_eq!(stats.requests_answered_here, 1);
    assert_eq!(stats.requests_in_doubt, 1);
    assert_eq!(stats.requests_not_sent, 1);
    assert_eq!(stats.requests_waiting, 0);
}

#[test]
fn links_attempts_and_outages_are_counted() {
    let mut lab = Lab::two().connected();
    // Each time the other broker is tried first and refused, then the one that was lost.
    for (link, outage) in [(1, 30), (3, 50), (5, 20)] {
        lab.lost(link);
        lab.wait(ms(10));
        lab.undialed(link + 1);
        lab.now += ms(outage - 10);
        lab.dialed(link + 2);
        lab.answer(link + 2, 1);
    }
    let stats = lab.core.stats();
    assert_eq!((stats.links, stats.interruptions), (4, 3));
    assert_eq!((stats.rounds, stats.attempts), (4, 7));
    assert_eq!((stats.attempts_failed.connect, stats.attempts_failed.total()), (3, 3));
    assert_eq!(stats.commands_replayed, 6);
    assert_eq!((stats.total_outage, stats.longest_outage), (ms(100), ms(50)));
    assert_eq!(stats.no_link_since, None);
}

#[test]
fn standbys_are_counted_by_what_became_of_them() {
    let mut lab =
        Lab::new(&["tcp://a:1", "tcp://b:1"], |options| options.backup = true).connected();
    lab.undialed(2);
    lab.wait(ms(10));
    lab.dialed(3);
    assert_eq!(lab.core.stats().standbys_ready, 1);
    lab.lost(3);
    let lost = "lost tcp://b:1: the broker closed the connection";
    assert_eq!(lab.standbys, ["ready tcp://b:1", lost]);
    let stats = lab.core.stats();
    let Stats { standbys_failed, standbys_made, standbys_lost, standbys_ready, .. } = stats;
    assert_eq!((standbys_failed, standbys_made, standbys_lost, standbys_ready), (1, 1, 1, 0));
    // None of that is an attempt at a link that is needed.
    assert_eq!((stats.attempts, stats.attempts_failed.total()), (1, 0));
}

#[test]
fn messages_that_are_handed_on_are_counted_and_other_commands_are_not() {
    let mut lab = Lab::two().connected();
    let message = Some(Box::new(Message::default()));
    let dispatch = MessageDispatch { message, ..MessageDispatch::default() };
    lab.input(Input::Received(LinkId(1), dispatch.into()));
    lab.input(Input::Received(LinkId(1), MessageDispatch::default().into()));
    lab.input(Input::Received(LinkId(1), ConsumerControl::default().into()));
    assert_eq!(lab.core.stats().deliveries, 1);
}

#[test]
fn a_move_is_on_record_as_such_and_counted() {
    let mut lab = Lab::new(&["tcp://a:1"], |_| {}).connected();
    let connected_brokers = Some("tcp://b:1".into());
    let rebalance_connection = true;
    let control =
        ConnectionControl { connected_brokers, rebalance_connection, ..Default::default() };
    lab.input(Input::Received(LinkId(1), control.into()));
    let due = lab.due().unwrap();
    assert_eq!(lab.wait(due), ["dial 2 tcp://b:1"]);
    lab.dialed(2);
    lab.now += ms(4);
    lab.answer(2, 1);
    assert_eq!(
        lab.incident_text(),
        [
            "move: tcp://a:1 left, tcp://b:1 reached after 4.0 ms",
            "  cause     the cluster is balanced anew",
            "  tried     1 attempt in 1 round",
            "       +0.0 ms  tcp://b:1  link made after 4.0 ms (from standby, replay 4.0 ms)",
            "  replayed  2 commands: the connection",
        ]
    );
    let stats = lab.core.stats();
    assert_eq!((stats.moves, stats.links, stats.interruptions), (1, 2, 0));
}
