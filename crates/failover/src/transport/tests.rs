//! Driver, dial and link over real sockets, against a broker that does as it is told.

use std::time::{Duration, Instant};

use rewire_protocol::{
    Command, ConnectionId, ConnectionInfo, ExceptionResponse, Limits, LinkConfig, LinkCore,
    LinkEvent, Message, MessageAck, MessageDispatch, Peer, QUESTION_ID, Response, Throwable,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use self::pipes::Pipes;
use super::*;
use crate::error::LostReason;

mod cancel;
mod credentials;
mod deadlines;
mod incidents;
mod pipes;
mod questions;
mod silence;
#[cfg(feature = "tls")]
mod tls;
mod updates;
mod warnings;
#[cfg(feature = "http")]
mod web;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// A broker that speaks OpenWire and leaves everything else to the test.
struct ScriptedBroker {
    listener: TcpListener,
}

struct Client<S = TcpStream> {
    stream: S,
    core: LinkCore,
}

impl ScriptedBroker {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn uri(&self) -> String {
        format!("tcp://{}", self.listener.local_addr().unwrap())
    }

    /// Takes the next connection and does the handshake.
    async fn accept(&self) -> Client {
        let (stream, _) = timeout(DEADLINE, self.listener.accept()).await.unwrap().unwrap();
        Client::greet(stream).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Does the handshake.
    async fn greet(stream: S) -> Self {
        let config = LinkConfig { peer: Peer::Client, ..LinkConfig::default() };
        let core = LinkCore::new(now(), config, Limits::DEFAULT).unwrap();
        let mut client = Self { stream, core };
        let LinkEvent::Opened { .. } = client.event().await.unwrap() else {
            panic!("no handshake")
        };
        client
    }

    /// What comes next, the link's own questions being answered; `None` when the client has closed.
    async fn event(&mut self) -> Option<LinkEvent> {
        loop {
            let event = self.core.poll_event(now()).unwrap();
            if let Some(LinkEvent::Command(question)) = &event
                && question.command_id() == QUESTION_ID
            {
                self.answer(question).await;
                continue;
            }
            self.flush().await;
            if event.is_some() {
                return event;
            }
            let read = self.stream.read_buf(self.core.read_buffer());
            if timeout(DEADLINE, read).await.expect("the client says something").unwrap() == 0 {
                return None;
            }
            self.core.on_read(now());
        }
    }

    async fn command(&mut self) -> Command {
        match self.event().await {
            Some(LinkEvent::Command(command)) => command,
            other => panic!("a command is expected: {other:?}"),
        }
    }

    async fn send(&mut self, command: impl Into<Command>) {
        self.core.send(&command.into()).unwrap();
        self.flush().await;
    }

    async fn flush(&mut self) {
        let bytes = std::mem::take(self.core.outgoing());
        self.stream.write_all(&bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn answer(&mut self, command: &Command) {
        let correlation_id = command.command_id();
        self.send(Response { correlation_id, ..Response::default() }).await;
    }

    /// Takes a command of this name and answers it.
    async fn expect(&mut self, name: &str) -> Command {
        let command = self.command().await;
        assert_eq!(command.name(), name);
        if command.is_response_required() {
            self.answer(&command).await;
        }
        command
    }
}

fn now() -> Instant {
    link::now()
}

fn start(brokers: &[&ScriptedBroker], options: &str) -> (FailoverTransport, Deliveries) {
    let brokers: Vec<_> = brokers.iter().map(|broker| broker.uri()).collect();
    let uri = format!("failover:({})?randomize=false{options}", brokers.join(","));
    FailoverTransport::start(&uri.parse().unwrap(), TransportConfig::default())
}

fn connection_info() -> Command {
    let connection_id = Some(ConnectionId::new("ID:test:1"));
    ConnectionInfo { connection_id, ..ConnectionInfo::default() }.into()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("within the deadline")
}

/// Connected, with the connection declared.
async fn connected(
    broker: &ScriptedBroker,
    transport: &FailoverTransport,
    deliveries: &mut Deliveries,
) -> Client {
    let (client, declared) = tokio::join!(
        async {
            let mut client = broker.accept().await;
            client.expect("ConnectionInfo").await;
            client
        },
        within(transport.request(connection_info())),
    );
    declared.unwrap();
    assert!(matches!(deliveries.next().await, Some(Incoming::Resumed(_))));
    client
}

#[tokio::test]
async fn a_request_is_sent_and_its_answer_comes_back() {
    let broker = ScriptedBroker::start().await;
    let (transport, mut deliveries) = start(&[&broker], "");
    let mut client = connected(&broker, &transport, &mut deliveries).await;
    let pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    let message = client.expect("ActiveMQMessage").await;
    let answer = within(pending).await.unwrap();
    assert_eq!(answer.correlation_id(), Some(message.command_id()));
}

#[tokio::test]
async fn what_was_not_answered_is_sent_again_to_the_next_broker_after_the_state() {
    let (a, b) = (ScriptedBroker::start().await, ScriptedBroker::start().await);
    let (transport, mut deliveries) = start(&[&a, &b], "");
    let mut client = connected(&a, &transport, &mut deliveries).await;
    let pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    let first = client.command().await;
    drop(client);

    let mut client = b.accept().await;
    assert!(matches!(deliveries.next().await, Some(Incoming::Interrupted(_))));
    client.expect("ConnectionControl").await;
    client.expect("ConnectionInfo").await;
    let second = client.expect("ActiveMQMessage").await;
    assert_eq!(second.command_id(), first.command_id());
    within(pending).await.unwrap();
    assert!(matches!(deliveries.next().await, Some(Incoming::Resumed(_))));
}

#[tokio::test]
async fn a_refusal_names_what_the_broker_said() {
    let broker = ScriptedBroker::start().await;
    let (transport, _deliveries) = start(&[&broker], "");
    let refused = async {
        let mut client = broker.accept().await;
        let info = client.command().await;
        let exception = Some(Box::new(Throwable::new("javax.jms.JMSSecurityException", "no")));
        let correlation_id = info.command_id();
        client.send(ExceptionResponse { correlation_id, exception, ..Default::default() }).await;
        client
    };
    let (_client, answer) = tokio::join!(refused, within(transport.request(connection_info())));
    let Err(RequestError::Refused(cause)) = answer else { panic!("{answer:?}") };
    assert_eq!(cause.class, "javax.jms.JMSSecurityException");
}

#[tokio::test]
async fn deliveries_come_in_order_and_are_paused_while_nobody_takes_them() {
    let broker = ScriptedBroker::start().await;
    let uri = format!("failover:({})", broker.uri());
    let config = TransportConfig { deliveries: 2, ..TransportConfig::default() };
    let (transport, mut deliveries) = FailoverTransport::start(&uri.parse().unwrap(), config);
    let mut client = connected(&broker, &transport, &mut deliveries).await;
    for command_id in 1..=100 {
        client.send(MessageDispatch { command_id, ..MessageDispatch::default() }).await;
    }
    for expected in 1..=100 {
        let Some(Incoming::Command(_, command)) = within(deliveries.next()).await else {
            panic!("a dispatch is expected")
        };
        assert_eq!(command.command_id(), expected);
    }
    // Requests were possible all the time.
    let pending =
        transport.submit(MessageAck::default().into(), Completion::Transmitted, None).await;
    within(pending).await.unwrap();
    client.expect("MessageAck").await;
}

#[tokio::test]
async fn a_thousand_requests_in_flight_all_survive_the_broker() {
    let (a, b) = (ScriptedBroker::start().await, ScriptedBroker::start().await);
    let (transport, mut deliveries) = start(&[&a, &b], "");
    let mut client = connected(&a, &transport, &mut deliveries).await;
    let sender = tokio::spawn({
        let transport = transport.clone();
        async move {
            let mut pending = Vec::new();
            for sequence in 1..=1000 {
                let message = Message { group_sequence: sequence, ..Message::default() };
                let submitted = transport.submit(message.into(), Completion::Answered, None);
                pending.push(submitted.await);
            }
            for outcome in pending {
                within(outcome).await.unwrap();
            }
        }
    });
    for _ in 0..300 {
        client.expect("ActiveMQMessage").await;
    }
    drop(client);
    let mut client = b.accept().await;
    client.expect("ConnectionControl").await;
    client.expect("ConnectionInfo").await;
    let mut sequences = Vec::new();
    while sequences.last() != Some(&1000) {
        let Command::Message(message) = client.expect("ActiveMQMessage").await else {
            panic!("a message is expected")
        };
        sequences.push(message.group_sequence);
    }
    // From the first without an answer on, each once, in order.
    let first = sequences[0];
    assert!(first <= 301, "{first}");
    assert!(sequences.iter().copied().eq(first..=1000));
    within(sender).await.unwrap();
}

#[tokio::test]
async fn closing_says_goodbye_and_ends_the_task() {
    let broker = ScriptedBroker::start().await;
    let (transport, mut deliveries) = start(&[&broker], "");
    let mut client = connected(&broker, &transport, &mut deliveries).await;
    let (goodbye, ()) = tokio::join!(client.command(), transport.close(DEADLINE));
    assert_eq!(goodbye.name(), "ShutdownInfo");
    assert!(matches!(deliveries.next().await, Some(Incoming::Ended(GaveUp::Closed))));
    assert!(deliveries.next().await.is_none());
    assert!(client.event().await.is_none());
    let late = within(transport.request(Message::default().into())).await;
    assert_eq!(late.unwrap_err(), RequestError::NotSent(GaveUp::Closed));
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let broker = ScriptedBroker::start().await;
    let (transport, mut deliveries) = start(&[&broker], "");
    let mut client = connected(&broker, &transport, &mut deliveries).await;
    drop(transport);
    client.expect("ShutdownInfo").await;
    assert!(client.event().await.is_none());
}

#[tokio::test]
async fn closing_ends_a_dial_that_hangs() {
    // Accepts and says nothing.
    let deaf = ScriptedBroker::start().await;
    let (transport, _deliveries) = start(&[&deaf], "");
    let pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    let (stream, _) = within(deaf.listener.accept()).await.unwrap();
    within(transport.close(DEADLINE)).await;
    assert_eq!(within(pending).await.unwrap_err(), RequestError::NotSent(GaveUp::Closed));
    drop(stream);
}

#[tokio::test]
async fn a_peer_that_is_no_broker_fails_the_attempt_and_the_round_goes_on() {
    let web = ScriptedBroker::start().await;
    let broker = ScriptedBroker::start().await;
    let (transport, mut deliveries) = start(&[&web, &broker], "");
    let mut events = transport.events();
    let (mut stream, _) = within(web.listener.accept()).await.unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    connected(&broker, &transport, &mut deliveries).await;
    let event = within(events.recv()).await.unwrap();
    assert!(
        matches!(&event, Event::AttemptFailed { error: crate::DialError::Handshake(_), .. }),
        "{event:?}"
    );
}

#[tokio::test]
async fn a_broker_that_sends_nonsense_is_left_and_the_reason_is_told() {
    let (a, b) = (ScriptedBroker::start().await, ScriptedBroker::start().await);
    let (transport, mut deliveries) = start(&[&a, &b], "");
    let mut events = transport.events();
    let mut client = connected(&a, &transport, &mut deliveries).await;
    client.stream.write_all(&[0, 0, 0, 2, 99, 0]).await.unwrap();
    let mut next = b.accept().await;
    next.expect("ConnectionControl").await;
    next.expect("ConnectionInfo").await;
    loop {
        if let Event::Interrupted { cause, .. } = within(events.recv()).await.unwrap() {
            assert!(matches!(cause, LostReason::Malformed(_)), "{cause}");
            break;
        }
    }
}

#[tokio::test]
async fn a_standby_takes_over_without_a_dial() {
    let (a, b) = (ScriptedBroker::start().await, ScriptedBroker::start().await);
    let (transport, mut deliveries) = start(&[&a, &b], "&backup=true&initialReconnectDelay=60000");
    let client = connected(&a, &transport, &mut deliveries).await;
    let mut standby = b.accept().await;
    let pending = transport.submit(Message::default().into(), Completion::Answered, None).await;
    drop(client);
    standby.expect("ConnectionControl").await;
    standby.expect("ConnectionInfo").await;
    standby.expect("ActiveMQMessage").await;
    within(pending).await.unwrap();
    // The next standby is on the broker that was lost.
    a.accept().await;
}

/// A link that is open, and the socket at its other end.
async fn opened() -> (link::Link, TcpStream) {
    let (near, mut far) = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (near.unwrap(), far.unwrap().0)
    };
    let core = LinkCore::new(now(), LinkConfig::default(), Limits::DEFAULT).unwrap();
    let mut link = link::Link::new(LinkId(1), stream::Stream::tcp(near), core);
    let mut peer = LinkCore::new(now(), LinkConfig::default(), Limits::DEFAULT).unwrap();
    far.write_all(&std::mem::take(peer.outgoing())).await.unwrap();
    while !matches!(link.poll_event(now()), Ok(Some(LinkEvent::Opened { .. }))) {
        within(std::future::poll_fn(|cx| link.poll_step(cx))).await;
    }
    (link, far)
}

#[tokio::test]
async fn what_was_written_is_let_go_of_under_a_steady_load() {
    let (mut link, mut far) = opened().await;
    let message = Command::from(Message {
        content: Some(bytes::Bytes::from(vec![7; 64 << 10])),
        ..Message::default()
    });
    link.pause_reading(true);
    // More waits at every moment than the peer has room for, so that never all is written.
    let mut sink = vec![0; 1 << 20];
    for _ in 0..400 {
        while link.backlog() < 8 << 20 {
            link.send(&message).unwrap();
        }
        let step = std::future::poll_fn(|cx| link.poll_step(cx));
        tokio::select! {
            read = within(far.read(&mut sink)) => assert!(read.unwrap() > 0),
            _ = step => {}
        }
        assert!(link.buffered() < 10 << 20, "{} bytes are kept", link.buffered());
    }
}
