//! Brokers that fall silent, in virtual time: when they are missed, and when they must not be.

use rewire_protocol::{KeepAliveInfo, SilenceLimit};
use tokio::io::DuplexStream;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant as Time;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Waits until the link is lost: how.
async fn interrupted(events: &mut Receiver<Event>) -> LostReason {
    loop {
        if let Event::Interrupted { cause, .. } = events.recv().await.unwrap() {
            return cause;
        }
    }
}

/// How long the broker was silent when it was given up, and by which option.
async fn silence_until_given_up(options: &str) -> (Duration, LostReason) {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start(options);
    let mut events = transport.events();
    // It says no more from here on; what the client says, it does not read.
    let _client = net.connected(&transport, &mut deliveries).await;
    let begin = Time::now();
    let cause = interrupted(&mut events).await;
    (begin.elapsed(), cause)
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_missed_when_the_detect_timeout_to_answer_is_over() {
    let (after, cause) = silence_until_given_up("&detectTimeout=200").await;
    let LostReason::Silent { silence, limit } = cause else { panic!("{cause}") };
    assert_eq!(limit, SilenceLimit::DetectTimeout);
    assert!((ms(240)..ms(250)).contains(&silence), "{silence:?}");
    assert!((ms(240)..ms(250)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_broker_is_missed_when_the_inactivity_time_is_over() {
    let options = "&nested.wireFormat.maxInactivityDuration=2000";
    let (after, cause) = silence_until_given_up(options).await;
    assert!(
        matches!(cause, LostReason::Silent { limit: SilenceLimit::MaxInactivityDuration, .. }),
        "{cause}"
    );
    assert!((ms(2000)..ms(2010)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_is_not_missed_for_ten_minutes() {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start("&detectTimeout=200");
    let mut events = transport.events();
    let mut client = net.connected(&transport, &mut deliveries).await;
    tokio::select! {
        cause = interrupted(&mut events) => panic!("{cause}"),
        event = client.event() => panic!("the client says {event:?}"),
        () = tokio::time::sleep_until(Time::now() + Duration::from_secs(600)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_standby_is_replaced() {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start("&backup=true&detectTimeout=200");
    let mut client = net.connected(&transport, &mut deliveries).await;
    let (standby, _client) = net.accept().await;
    // Answers, so that only the standby is silent.
    tokio::select! {
        event = client.event() => panic!("the client says {event:?}"),
        (again, _) = net.accept() => assert_eq!(again, standby),
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_not_read_is_not_taken_for_silent() {
    let mut net = Pipes::new();
    net.config.deliveries = 1;
    let (transport, mut deliveries) = net.start("&detectTimeout=200");
    let mut events = transport.events();
    let mut client = net.connected(&transport, &mut deliveries).await;
    for command_id in 1..=100 {
        client.send(MessageDispatch { command_id, ..MessageDispatch::default() }).await;
    }
    // The application is busy for an hour.
    let hour = Duration::from_secs(3600);
    assert!(timeout(hour, interrupted(&mut events)).await.is_err());
    for expected in 1..=100 {
        let Some(Incoming::Command(_, command)) = deliveries.next().await else {
            panic!("a dispatch is expected")
        };
        assert_eq!(command.command_id(), expected);
    }
    // From now on silence counts again, if it is one.
    let begin = Time::now();
    let cause = interrupted(&mut events).await;
    assert!(matches!(cause, LostReason::Silent { .. }), "{cause}");
    assert!((ms(240)..ms(250)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

/// A broker that has read a message, and says nothing more over the link it came by.
async fn holding_up(options: &str) -> (Pipes, FailoverTransport, Client<DuplexStream>) {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start(options);
    let mut client = net.connected(&transport, &mut deliveries).await;
    // Who sent it waits for its answer.
    tokio::spawn({
        let transport = transport.clone();
        async move { transport.request(Message::default().into()).await }
    });
    assert_eq!(client.command().await.name(), "ActiveMQMessage");
    (net, transport, client)
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_holds_up_a_producer_is_looked_at_over_another_connection_and_kept() {
    let (mut net, transport, _client) = holding_up("&detectTimeout=200").await;
    let mut events = transport.events();
    let begin = Time::now();
    for after in [90, 1_090, 3_090, 7_090, 15_090] {
        let (broker, mut look) = net.accept().await;
        assert_eq!(broker, "tcp://a:1");
        let at = begin.elapsed();
        assert!((ms(after)..ms(after + 20)).contains(&at), "{at:?}, not {after}");
        // It leaves as one does that a broker does not complain of.
        assert_eq!(look.command().await.name(), "ShutdownInfo");
        assert!(look.event().await.is_none());
    }
    assert!(events.try_recv().is_err(), "nothing has happened");
    assert_eq!(transport.stats().interruptions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_says_nothing_over_another_connection_either_is_missed_in_time() {
    let (mut net, transport, _client) = holding_up("&detectTimeout=200").await;
    let mut events = transport.events();
    let begin = Time::now();
    // Accepted, as the system of a stopped process does, and no more.
    let (_, _deaf) = net.dialled().await;
    let cause = interrupted(&mut events).await;
    assert!(matches!(cause, LostReason::Silent { .. }), "{cause}");
    assert!((ms(240)..ms(250)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_falls_silent_while_it_holds_up_a_producer_is_missed_at_the_next_look() {
    let (mut net, transport, _client) = holding_up("&detectTimeout=200").await;
    let mut events = transport.events();
    let begin = Time::now();
    let (_, _look) = net.accept().await;
    let (_, _deaf) = net.dialled().await;
    interrupted(&mut events).await;
    assert!((ms(1_240)..ms(1_260)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_ends_while_its_broker_is_looked_at_has_ended() {
    let (mut net, transport, client) = holding_up("&detectTimeout=200").await;
    let mut events = transport.events();
    let (_, look) = net.dialled().await;
    drop(client);
    assert_eq!(interrupted(&mut events).await, LostReason::Closed);
    let (_, _again) = net.accept().await;
    // Nobody waits for what comes of it.
    let _ = Client::greet(look).await;
    assert_eq!(transport.stats().interruptions, 1);
}

#[tokio::test]
async fn what_waits_in_the_socket_is_read_before_silence_is_spoken_of() {
    // A real socket: what comes in wakes nobody before the timer does.
    let broker = ScriptedBroker::start().await;
    let (transport, mut deliveries) = start(&[&broker], "&detectTimeout=600");
    let mut events = transport.events();
    let mut client = connected(&broker, &transport, &mut deliveries).await;
    tokio::time::pause();
    for _ in 0..5 {
        // The broker is asked in time, and answers in time.
        pass(ms(205)).await;
        client.send(KeepAliveInfo::default()).await;
        // The driver is late, by less than is forgiven.
        pass(ms(430)).await;
    }
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::Interrupted { .. }), "{event:?}");
    }
}

/// Lets time pass in one leap, and everybody do what is to be done then.
async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}
