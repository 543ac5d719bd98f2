//! What is on record of dials over real sockets, and the numbers that anyone may look at.

use rewire_protocol::KeepAliveInfo;

use super::*;
use crate::core::{AttemptEnd, AttemptRecord, Cause, Incident, Stats};
use crate::{DialError, Noticed};

async fn incident(events: &mut broadcast::Receiver<Event>) -> Arc<Incident> {
    loop {
        if let Event::Incident(incident) = within(events.recv()).await.unwrap() {
            return incident;
        }
    }
}

/// Waits until the numbers are as wanted.
async fn counted(transport: &FailoverTransport, is_it: impl Fn(&Stats) -> bool) -> Stats {
    let mut stats = transport.shared.views.stats.clone();
    *within(stats.wait_for(is_it)).await.unwrap()
}

#[tokio::test]
async fn a_dial_says_how_long_each_of_its_parts_took_and_nothing_of_those_it_did_not_come_to() {
    let broker = ScriptedBroker::start().await;
    let gone = ScriptedBroker::start().await;
    let nobody = gone.uri();
    drop(gone);
    // Takes connections and says nothing.
    let deaf = ScriptedBroker::start().await;
    let uri = format!(
        "failover:({nobody},{}?connectionTimeout=0,{})?randomize=false&connectTimeout=100",
        deaf.uri(),
        broker.uri()
    );
    let (transport, mut deliveries) =
        FailoverTransport::start(&uri.parse().unwrap(), TransportConfig::default());
    let mut events = transport.events();
    connected(&broker, &transport, &mut deliveries).await;
    let incident = incident(&mut events).await;
    assert_eq!(incident.cause, None);
    let [refused, hangs, good] = &incident.attempts[..] else { panic!("{incident}") };
    let parts = |attempt: &AttemptRecord| {
        let times = attempt.dial;
        [times.resolve, times.connect, times.tls, times.handshake].map(|time| time.is_some())
    };
    assert_eq!(parts(refused), [true, true, false, false]);
    assert!(matches!(refused.end, AttemptEnd::Failed(DialError::Connect(_))));
    assert_eq!(parts(hangs), [true, true, false, true]);
    assert!(matches!(hangs.end, AttemptEnd::Failed(DialError::TimedOut(_))));
    assert!(hangs.dial.handshake.unwrap() > Duration::from_millis(50), "{incident}");
    assert_eq!(parts(good), [true, true, false, true]);
    assert_eq!((&good.end, good.replay), (&AttemptEnd::Succeeded, None));
    let whole: Duration = incident.attempts.iter().map(|attempt| attempt.took).sum();
    assert_eq!(whole + incident.waited, incident.outage);
}

#[tokio::test]
async fn an_interruption_ends_with_its_record_and_is_counted() {
    let (a, b) = (ScriptedBroker::start().await, ScriptedBroker::start().await);
    let (transport, mut deliveries) = start(&[&a, &b], "");
    let client = connected(&a, &transport, &mut deliveries).await;
    let stats = counted(&transport, |stats| stats.requests_confirmed == 1).await;
    assert_eq!((stats.links, stats.interruptions, stats.requests_submitted), (1, 0, 1));
    let mut events = transport.events();
    let pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    let stats = counted(&transport, |stats| stats.requests_waiting == 1).await;
    assert_ne!(stats.bytes_waiting, 0);
    drop(client);
    let mut client = b.accept().await;
    client.expect("ConnectionControl").await;
    client.expect("ConnectionInfo").await;
    let incident = incident(&mut events).await;
    let noticed = |cause: &Cause| matches!(cause, Cause::Lost { noticed: Noticed::Read, .. });
    assert!(incident.cause.as_ref().is_some_and(noticed), "{incident}");
    assert_eq!((incident.replayed.total(), incident.requests_resent), (2, 1));
    assert!(incident.attempts[0].replay.is_some());
    client.expect("ActiveMQMessage").await;
    within(pending).await.unwrap();
    let stats = counted(&transport, |stats| stats.requests_waiting == 0).await;
    assert_eq!((stats.links, stats.interruptions, stats.requests_confirmed), (2, 1, 2));
    assert_eq!(stats.total_outage, incident.outage);
    within(transport.close(DEADLINE)).await;
    assert_eq!(transport.stats(), stats);
}

#[tokio::test]
async fn a_link_that_is_not_read_and_cannot_be_written_is_noticed_by_writing() {
    let (mut link, far) = opened().await;
    // Closed with something unread: the peer's system resets the connection.
    within(far.readable()).await.unwrap();
    drop(far);
    link.pause_reading(true);
    let lost = loop {
        link.send(&KeepAliveInfo::default().into()).unwrap();
        let step = within(std::future::poll_fn(|cx| link.poll_step(cx))).await;
        if let link::Step::Lost(reason) = step {
            break reason;
        }
    };
    assert!(matches!(lost, LostReason::Write(_)), "{lost:?}");
    assert_eq!(lost.noticed(), Noticed::Write);
}
