//! A broker that does as the test says, on a real socket.

use std::time::{Duration, Instant};

use rewire_protocol::{
    Command, ConsumerId, ExceptionResponse, Limits, LinkConfig, LinkCore, LinkEvent, Message,
    MessageDispatch, MessageKind, ProducerId, QUESTION_ID, Response, Throwable,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// No test waits longer for anything.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

pub(super) struct Peer {
    listener: TcpListener,
}

/// One connection of the client.
pub(super) struct Client {
    stream: TcpStream,
    core: LinkCore,
}

impl Peer {
    pub(super) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(super) fn uri(&self) -> String {
        format!("failover:({})", self.address())
    }

    pub(super) fn address(&self) -> String {
        format!("tcp://{}", self.listener.local_addr().unwrap())
    }

    /// Takes the next connection and does the handshake.
    pub(super) async fn accept(&self) -> Client {
        timeout(DEADLINE, self.accept_or_not()).await.unwrap().expect("a handshake")
    }

    /// The same, as a broker that takes no larger frames.
    pub(super) async fn accept_with_frames_of(&self, bytes: i64) -> Client {
        let mut config = LinkConfig::default();
        config.offer.max_frame_size = Some(bytes);
        timeout(DEADLINE, self.accept_as(config)).await.unwrap().expect("a handshake")
    }

    /// Takes the next connection, whenever it comes, and does the handshake, if the client does.
    pub(super) async fn accept_or_not(&self) -> Option<Client> {
        self.accept_as(LinkConfig::default()).await
    }

    async fn accept_as(&self, config: LinkConfig) -> Option<Client> {
        let (stream, _) = self.listener.accept().await.unwrap();
        let config = LinkConfig { peer: rewire_protocol::Peer::Client, ..config };
        let core = LinkCore::new(now(), config, Limits::DEFAULT).unwrap();
        let mut client = Client { stream, core };
        let opened = client.event().await?;
        assert!(matches!(opened, LinkEvent::Opened { .. }), "{opened:?}");
        Some(client)
    }
}

impl Client {
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
            match timeout(DEADLINE, read).await.expect("the client says something") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
            self.core.on_read(now());
        }
    }

    /// Hangs up, as a broker that dies does.
    pub(super) async fn hang_up(&mut self) {
        // A client that has gone does not mind.
        let _ = self.stream.shutdown().await;
    }

    /// The next command; `None` when the client has closed.
    pub(super) async fn next_command(&mut self) -> Option<Command> {
        match self.event().await? {
            LinkEvent::Command(command) => Some(command),
            opened @ LinkEvent::Opened { .. } => panic!("a command is expected: {opened:?}"),
        }
    }

    /// The next command.
    pub(super) async fn command(&mut self) -> Command {
        match self.event().await {
            Some(LinkEvent::Command(command)) => command,
            other => panic!("a command is expected: {other:?}"),
        }
    }

    /// The next command, which has this name; answers it if an answer is wanted.
    pub(super) async fn expect(&mut self, name: &str) -> Command {
        let command = self.command().await;
        assert_eq!(command.name(), name, "{command:?}");
        if command.is_response_required() {
            self.answer(&command).await;
        }
        command
    }

    /// These commands, in this order, each answered.
    pub(super) async fn expect_all(&mut self, names: &[&str]) {
        for name in names {
            self.expect(name).await;
        }
    }

    pub(super) async fn answer(&mut self, command: &Command) {
        let correlation_id = command.command_id();
        self.send(Response { correlation_id, ..Response::default() }).await;
    }

    pub(super) async fn refuse(&mut self, command: &Command, class: &str, message: &str) {
        let correlation_id = command.command_id();
        let exception = Some(Box::new(Throwable::new(class, message)));
        self.send(ExceptionResponse { correlation_id, exception, ..ExceptionResponse::default() })
            .await;
    }

    /// Dispatches messages with these numbers, of a producer `ID:p:1:1:1`.
    pub(super) async fn dispatch(&mut self, to: &ConsumerId, numbers: &[i64]) {
        for number in numbers {
            self.dispatch_one(to, *number, 0).await;
        }
    }

    /// The same of one that nobody wants any more.
    pub(super) async fn dispatch_expired(&mut self, to: &ConsumerId, number: i64) {
        self.dispatch_one(to, number, 1).await;
    }

    async fn dispatch_one(&mut self, to: &ConsumerId, number: i64, expiration: i64) {
        let producer = ProducerId { connection_id: Some("ID:p:1".into()), value: 1, session_id: 1 };
        let mut message_id = producer.message(number);
        message_id.broker_sequence_id = 100 + number;
        let message_id = Some(message_id);
        let kind = MessageKind::Text;
        let message = Message { kind, message_id, expiration, ..Message::default() };
        let (consumer_id, message) = (Some(to.clone()), Some(Box::new(message)));
        self.send(MessageDispatch { consumer_id, message, ..MessageDispatch::default() }).await;
    }

    pub(super) async fn send(&mut self, command: impl Into<Command>) {
        self.core.send(&command.into()).unwrap();
        self.flush().await;
    }

    async fn flush(&mut self) {
        let bytes = std::mem::take(self.core.outgoing());
        // One that has gone hears nothing.
        let _ = self.stream.write_all(&bytes).await;
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
