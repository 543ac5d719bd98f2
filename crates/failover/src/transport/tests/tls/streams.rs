//! Streams and addresses below TLS: one that hangs, one that fails, one that takes nothing more.

use std::future::poll_fn;

use super::*;

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_fails_at_once_and_the_round_goes_on() {
    let authority = Authority::new("ours");
    let plain = ScriptedBroker::start().await;
    let broker = TlsBroker::start(&authority.issue(&["localhost"])).await;
    let port = plain.listener.local_addr().unwrap().port();
    let uris = [format!("ssl://localhost:{port}"), broker.uri("localhost", "")];
    let (transport, _deliveries) = start_tls(&uris, authority.trusted());
    let mut events = transport.events();
    let declare = transport.submit(connection_info(), Completion::Answered, None).await;
    // As a broker does: it speaks without being asked.
    let (mut stream, _) = within(plain.listener.accept()).await.unwrap();
    let mut core = LinkCore::new(now(), LinkConfig::default(), Limits::DEFAULT).unwrap();
    stream.write_all(core.outgoing()).await.unwrap();
    broker.accept().await.unwrap().expect("ConnectionInfo").await;
    within(declare).await.unwrap();
    let event = within(events.recv()).await.unwrap();
    let Event::AttemptFailed { error: DialError::Tls(problem), .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!(problem, "what the peer sent is not TLS: is this the port for it?");
}

#[tokio::test]
async fn the_handshake_counts_within_the_time_for_connecting() {
    let silent = ScriptedBroker::start().await;
    let port = silent.listener.local_addr().unwrap().port();
    let uri = format!("ssl://localhost:{port}?connectionTimeout=50");
    let dialed = dial(&uri, Authority::new("ours").trusted()).await;
    assert_eq!(dialed.unwrap_err(), DialError::TimedOut(Duration::from_millis(50)));
}

#[tokio::test]
async fn where_tls_fails_at_one_address_of_a_name_the_next_is_tried() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let stranger = TlsBroker::start(&theirs.issue(&["localhost"])).await;
    let broker = TlsBroker::start(&ours.issue(&["localhost"])).await;
    let address = |broker: &TlsBroker| broker.inner.listener.local_addr().unwrap();
    let config = TransportConfig { tls: ours.trusted(), ..TransportConfig::default() };
    let uri = BrokerUri::parse(&broker.uri("localhost", "")).unwrap();
    let (options, tls) = (uri.transport(), Arc::new(Tls::new(&config)));
    let secure = tls.prepare(&uri, &options).await.unwrap();
    let addresses = [address(&stranger), address(&broker)];
    let accept = async {
        let (stream, _) = within(broker.inner.listener.accept()).await.unwrap();
        within(broker.acceptor.accept(stream)).await
    };
    let mut watch = Stopwatch::default();
    let (opened, refused, accepted) = tokio::join!(
        open_any(&addresses, None, &options, Some(&secure), &mut watch),
        stranger.accept(),
        accept
    );
    assert!(opened.is_ok() && refused.is_err() && accepted.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_hangs_has_its_time_and_the_next_is_tried() {
    let (ours, silent) = (Authority::new("ours"), ScriptedBroker::start().await);
    let broker = TlsBroker::start(&ours.issue(&["localhost"])).await;
    let address = |broker: &ScriptedBroker| broker.listener.local_addr().unwrap();
    let config = TransportConfig { tls: ours.trusted(), ..TransportConfig::default() };
    let uri = BrokerUri::parse(&broker.uri("localhost", "")).unwrap();
    let (options, tls) = (uri.transport(), Arc::new(Tls::new(&config)));
    let secure = tls.prepare(&uri, &options).await.unwrap();
    let addresses = [address(&silent), address(&silent)];
    let begin = tokio::time::Instant::now();
    let opened =
        open_any(&addresses, None, &options, Some(&secure), &mut Stopwatch::default()).await;
    let limit = options.tcp.connection_timeout.unwrap();
    assert_eq!(opened.unwrap_err(), DialError::TimedOut(limit));
    assert!(begin.elapsed() >= limit * 2, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_tls_stream_that_no_longer_flushes_is_stuck_though_it_takes_what_is_said() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["localhost"])).await;
    let uri = broker.uri("localhost", "?soWriteTimeout=2000");
    let (client, link) = tokio::join!(broker.accept(), dial(&uri, authority.trusted()));
    let (_reads_nothing, mut link) = (client.unwrap(), link.unwrap());
    tokio::time::pause();
    let content = Some(bytes::Bytes::from(vec![7; 8 << 10]));
    let message = Command::from(Message { content, ..Message::default() });
    // Until what was written waits inside of the stream, and goes on waiting.
    let mut stuck = 0;
    while stuck < 100 {
        if link.write_due().is_none() {
            link.send(&message).unwrap();
            stuck = 0;
        }
        let _ = link.try_step();
        tokio::task::yield_now().await;
        stuck += 1;
    }
    let small = Command::from(MessageAck::default());
    for _ in 0..6 {
        tokio::time::advance(Duration::from_millis(300)).await;
        link.send(&small).unwrap();
        let step = link.try_step();
        assert!(step.is_none(), "{step:?}");
        assert_eq!(link.handle_timeout(now()), Ok(()));
    }
    tokio::time::advance(Duration::from_millis(300)).await;
    let stuck = Err(LostReason::WriteStuck(Duration::from_secs(2)));
    assert_eq!(link.handle_timeout(now()), stuck);
}

#[tokio::test]
async fn what_the_broker_said_before_it_closed_is_the_reason_also_when_a_write_finds_out() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let issued = authority.issue(&["localhost"]);
    let broker = TlsBroker::start_asking(&issued, Some(&clients)).await;
    let config = TransportConfig { tls: authority.trusted(), ..TransportConfig::default() };
    let uri = BrokerUri::parse(&broker.uri("localhost", "")).unwrap();
    let secure = Arc::new(Tls::new(&config)).prepare(&uri, &uri.transport()).await.unwrap();
    let stream = TcpStream::connect(broker.inner.listener.local_addr().unwrap()).await.unwrap();
    let (accepted, stream) = tokio::join!(broker.accept(), secure.handshake(stream));
    assert!(accepted.is_err());
    let mut stream = stream.unwrap();
    // Nobody is there any more: after this, writing fails.
    stream.write_all(b"lost").await.unwrap();
    let Stream::Tls(tls) = &stream else { panic!("{stream:?}") };
    within(tls.get_ref().0.stream.readable()).await.unwrap();
    let core = LinkCore::new(now(), LinkConfig::default(), Limits::DEFAULT).unwrap();
    let mut link = Link::new(LinkId(1), stream, core);
    let step = within(poll_fn(|cx| link.poll_step(cx))).await;
    let Step::Lost(LostReason::Tls(problem)) = step else { panic!("{step:?}") };
    assert_eq!(problem, "the broker demands a client certificate, and was shown none");
}
