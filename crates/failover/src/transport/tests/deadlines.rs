//! What ends in time, whatever the transport is doing.

use tokio::net::TcpSocket;
use tokio::time::Instant as Time;

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn assert_between(after: Duration, least: u64, most: u64) {
    assert!((ms(least)..ms(most)).contains(&after), "{after:?}");
}

async fn send(transport: &FailoverTransport) -> (Duration, RequestError) {
    let begin = Time::now();
    let pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    let error = within(pending).await.unwrap_err();
    (begin.elapsed(), error)
}

#[tokio::test(start_paused = true)]
async fn a_send_fails_when_the_timeout_is_over_while_every_broker_swallows_what_it_is_sent() {
    let mut net = Pipes::new();
    let (transport, _deliveries) = net.start("&timeout=500");
    let ((after, error), _silent) = tokio::join!(send(&transport), net.dialled());
    assert_between(after, 500, 510);
    assert_eq!(error, RequestError::NotSent(GaveUp::TimedOut(ms(500))));
}

/// A listener whose backlog is full, and what fills it: who connects now is not answered at all.
async fn black_hole() -> (String, Vec<TcpStream>, TcpListener) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut taken = Vec::new();
    while let Ok(stream) = timeout(ms(100), TcpStream::connect(address)).await {
        taken.push(stream.unwrap());
        assert!(taken.len() < 64, "the backlog has an end");
    }
    (format!("tcp://{address}"), taken, listener)
}

#[tokio::test]
async fn a_send_fails_when_the_timeout_is_over_in_black_holes_of_both_kinds() {
    let (hole, _taken, _listener) = black_hole().await;
    let silent = ScriptedBroker::start().await;
    for brokers in [format!("{hole},{}", silent.uri()), format!("{},{hole}", silent.uri())] {
        let uri = format!("failover:({brokers})?randomize=false&timeout=500");
        let config = TransportConfig::default();
        let (transport, _deliveries) = FailoverTransport::start(&uri.parse().unwrap(), config);
        let (after, error) = send(&transport).await;
        // Exactly at 500 ms in virtual time; what is over it here is this machine's.
        assert_between(after, 500, 1000);
        assert_eq!(error, RequestError::NotSent(GaveUp::TimedOut(ms(500))));
        let begin = Time::now();
        transport.close(DEADLINE).await;
        assert!(begin.elapsed() < ms(1000));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_in_the_queue_fails_in_time_too() {
    let mut net = Pipes::new();
    net.config.queue.requests = 1;
    let (transport, _deliveries) = net.start("&timeout=500");
    let mut sends = tokio::task::JoinSet::new();
    // More than the queue and the channel before it have room for.
    for _ in 0..600 {
        let transport = transport.clone();
        sends.spawn(async move { send(&transport).await });
    }
    let _silent = net.dialled().await;
    while let Some(sent) = sends.join_next().await {
        let (after, error) = sent.unwrap();
        assert_between(after, 500, 510);
        assert_eq!(error, RequestError::NotSent(GaveUp::TimedOut(ms(500))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_answered_ends_when_the_request_timeout_is_over() {
    let mut net = Pipes::new();
    let (transport, mut deliveries) = net.start("&requestTimeout=500");
    let _client = net.connected(&transport, &mut deliveries).await;
    let (after, error) = send(&transport).await;
    assert_between(after, 500, 510);
    let RequestError::InDoubt { tried, reason } = error else { panic!("{error}") };
    assert_eq!((tried, reason), (vec!["tcp://a:1".to_owned()], GaveUp::NoAnswer(ms(500))));
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_dial_that_hangs() {
    let mut net = Pipes::new();
    let (transport, _deliveries) = net.start("");
    let _silent = net.dialled().await;
    let begin = Time::now();
    transport.close(DEADLINE).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_broker_that_does_not_read() {
    for (limit, least) in [(10_000, 2000), (1000, 1000)] {
        let mut net = Pipes::new();
        let (transport, mut deliveries) = net.start(&format!("&closeTimeout={limit}"));
        let _client = net.connected(&transport, &mut deliveries).await;
        let content = Some(bytes::Bytes::from(vec![0; 1 << 20]));
        let large = Message { content, ..Message::default() };
        let mut sends = tokio::task::JoinSet::new();
        for _ in 0..1000 {
            let (transport, large) = (transport.clone(), large.clone());
            sends.spawn(async move { transport.request(large.into()).await });
        }
        // Virtual time passes when nobody has anything left to do.
        tokio::time::sleep_until(Time::now() + ms(1)).await;
        assert_eq!(transport.close_timeout(), ms(limit));
        let begin = Time::now();
        transport.close(transport.close_timeout()).await;
        assert_between(begin.elapsed(), least, least + 10);
        // Not only the waiting is over: the link is cut.
        transport.close(DEADLINE).await;
        assert_between(begin.elapsed(), least, least + 10);
        while let Some(sent) = sends.join_next().await {
            sent.unwrap().unwrap_err();
        }
    }
}

#[test]
fn closing_takes_as_long_as_is_said_where_it_is_said_first() {
    let limit =
        |options: &str| close_timeout(&format!("failover:(tcp://a:1)?{options}").parse().unwrap());
    assert_eq!(limit("randomize=false"), ms(15_000));
    assert_eq!(limit("jms.closeTimeout=700"), ms(700));
    assert_eq!(limit("jms.closeTimeout=700&closeTimeout=600"), ms(600));
}
