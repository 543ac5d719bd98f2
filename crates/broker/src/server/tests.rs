//! The shell over real sockets: what clients see of it, good ones and bad ones.

use std::time::Duration;

use rewire_protocol::{
    Command, ConnectionId, ConnectionInfo, ConsumerInfo, Destination, Limits, LinkConfig, LinkCore,
    LinkEvent, Message, MessageAck, ProducerInfo, SessionInfo, ShutdownInfo,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::store::{Loaded, MemoryStore, Place, Recovered, Store, StoreError, StoreWrite};

const SOON: Duration = Duration::from_secs(20);

/// A client of a few lines.
struct Peer {
    stream: TcpStream,
    core: LinkCore,
}

impl Peer {
    async fn dial(broker: &Broker) -> Self {
        Self::dial_to(broker.addresses().next().unwrap()).await
    }

    async fn dial_to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let core = LinkCore::new(now(), LinkConfig::default(), Limits::DEFAULT).unwrap();
        Self { stream, core }
    }

    /// Past its `ConnectionInfo`, with session 1 and producer 1.
    async fn connect(broker: &Broker, name: &str) -> Self {
        Self::connect_to(broker.addresses().next().unwrap(), name).await
    }

    async fn connect_to(address: SocketAddr, name: &str) -> Self {
        let mut peer = Self::dial_to(address).await;
        assert_eq!(peer.next().await.unwrap().name(), "BrokerInfo");
        let id = ConnectionId::new(name);
        let info = ConnectionInfo {
            connection_id: Some(id.clone()),
            client_id: Some(name.into()),
            ..ConnectionInfo::default()
        };
        assert_eq!(peer.ask(info).await, "Response");
        let session_id = Some(id.session(1));
        peer.ask(SessionInfo { session_id, ..SessionInfo::default() }).await;
        let producer_id = Some(id.session(1).producer(1));
        peer.ask(ProducerInfo { producer_id, ..ProducerInfo::default() }).await;
        peer
    }

    /// The next command; none when the broker has closed the socket.
    async fn next(&mut self) -> Option<Command> {
        tokio::time::timeout(SOON, async {
            loop {
                match self.core.poll_event(now()).unwrap() {
                    Some(LinkEvent::Command(command)) => return Some(command),
                    Some(LinkEvent::Opened { .. }) => continue,
                    None => {}
                }
                self.flush().await;
                match self.stream.read_buf(self.core.read_buffer()).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => self.core.on_read(now()),
                }
            }
        })
        .await
        .expect("the broker says something")
    }

    async fn flush(&mut self) {
        let out = std::mem::take(self.core.outgoing());
        self.stream.write_all(&out).await.unwrap();
    }

    async fn tell(&mut self, command: impl Into<Command>) {
        self.core.send(&command.into()).unwrap();
        self.flush().await;
    }

    /// Sends, and names what it is answered with.
    async fn ask(&mut self, command: impl Into<Command>) -> &'static str {
        let mut command = command.into();
        command.set_command_id(7);
        command.set_response_required(true);
        self.tell(command).await;
        loop {
            let answer = self.next().await.expect("an answer");
            if answer.correlation_id() == Some(7) {
                return answer.name();
            }
        }
    }

    /// The producer's number of the next message that is dispatched.
    async fn receive(&mut self) -> i64 {
        loop {
            if let Some(Command::MessageDispatch(dispatch)) = self.next().await {
                return dispatch.message.unwrap().message_id.unwrap().producer_sequence_id;
            }
        }
    }
}

fn message(name: &str, sequence: i64, queue: &str, size: usize) -> Message {
    let producer = ConnectionId::new(name).session(1).producer(1);
    Message {
        message_id: Some(producer.message(sequence)),
        producer_id: Some(producer),
        destination: Some(Destination::queue(queue)),
        content: Some(vec![0; size].into()),
        persistent: true,
        ..Message::default()
    }
}

fn consumer(name: &str, queue: &str) -> ConsumerInfo {
    ConsumerInfo {
        consumer_id: Some(ConnectionId::new(name).session(1).consumer(1)),
        destination: Some(Destination::queue(queue)),
        prefetch_size: 100_000,
        ..ConsumerInfo::default()
    }
}

async fn start() -> Broker {
    Broker::builder().memory().listen("tcp://127.0.0.1:0").start().await.unwrap()
}

#[tokio::test]
async fn a_message_goes_from_one_client_to_another() {
    let broker = start().await;
    let mut sender = Peer::connect(&broker, "a").await;
    let mut receiver = Peer::connect(&broker, "b").await;
    assert_eq!(receiver.ask(consumer("b", "Q")).await, "Response");
    assert_eq!(sender.ask(message("a", 1, "Q", 10)).await, "Response");
    assert_eq!(receiver.receive().await, 1);
    assert_eq!(broker.connections().await, 2);
    assert_eq!(broker.stats(&Destination::queue("Q")).await.unwrap().in_flight, 1);
    broker.stop().await;
}

#[tokio::test]
async fn a_client_that_says_goodbye_is_hung_up_and_one_whose_socket_breaks_is_forgotten() {
    let broker = start().await;
    let mut polite = Peer::connect(&broker, "a").await;
    let broken = Peer::connect(&broker, "b").await;
    polite.tell(ShutdownInfo::default()).await;
    assert!(polite.next().await.is_none());
    drop(broken);
    tokio::time::timeout(SOON, async {
        while broker.connections().await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_consumer_that_does_not_read_hurts_only_itself() {
    let broker = start().await;
    let mut sender = Peer::connect(&broker, "a").await;
    let mut deaf = Peer::connect(&broker, "deaf").await;
    deaf.ask(consumer("deaf", "Q")).await;
    // More than sockets and queues take.
    for sequence in 1..=400 {
        assert_eq!(sender.ask(message("a", sequence, "Q", 100_000)).await, "Response");
    }
    let stats = broker.stats(&Destination::queue("Q")).await.unwrap();
    assert!(stats.pending > 0, "dispatching has stopped: {stats:?}");
    let mut other = Peer::connect(&broker, "b").await;
    other.ask(consumer("b", "Q")).await;
    assert!(other.receive().await > 1);
    for sequence in 1..=i64::try_from(stats.in_flight).unwrap() {
        assert_eq!(deaf.receive().await, sequence, "what was dispatched arrives in order");
    }
}

#[tokio::test]
async fn clients_that_talk_nonsense_are_hung_up_and_the_others_served() {
    let broker = start().await;
    let mut good = Peer::connect(&broker, "good").await;
    let address = broker.addresses().next().unwrap();
    for nonsense in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xFF; 100], &[0, 0, 0, 1, 99], &[0x7F, 0xFF, 0xFF, 0xFF]]
    {
        let mut bad = TcpStream::connect(address).await.unwrap();
        bad.write_all(nonsense).await.unwrap();
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(SOON, bad.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "{nonsense:?} is not answered with silence");
    }
    assert_eq!(good.ask(message("good", 1, "Q", 1)).await, "Response");
}

#[tokio::test]
async fn who_has_not_introduced_himself_is_not_let_to_say_much() {
    let broker = start().await;
    let mut bad = Peer::dial(&broker).await;
    assert_eq!(bad.next().await.unwrap().name(), "BrokerInfo");
    // The beginning of a frame of 1 MiB is enough.
    let sent = bad.stream.write_all(&[0, 0x10, 0, 0, 1]).await;
    assert!(sent.is_ok() && bad.next().await.is_none());
    let mut good = Peer::connect(&broker, "good").await;
    assert_eq!(good.ask(message("good", 1, "Q", 1 << 20)).await, "Response");
}

#[tokio::test]
async fn one_client_too_many_is_told_so_and_the_next_is_not_when_one_has_gone() {
    let listen = Broker::builder().listen("tcp://127.0.0.1:0");
    let few = listen.configure(|config| {
        config.limits.connections = 1;
        config.refusal_delay = Duration::ZERO;
    });
    let broker = few.start().await.unwrap();
    let first = Peer::connect(&broker, "a").await;
    let mut second = Peer::dial(&broker).await;
    assert_eq!(second.next().await.unwrap().name(), "BrokerInfo");
    let connection_id = Some(ConnectionId::new("b"));
    let info =
        ConnectionInfo { client_id: Some("b".into()), connection_id, ..ConnectionInfo::default() };
    assert_eq!(second.ask(info).await, "ExceptionResponse");
    assert!(second.next().await.is_none());
    // Sockets whose clients say nothing have places of their own, and not without end.
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(Peer::dial(&broker).await);
    }
    assert!(Peer::dial(&broker).await.next().await.is_none());
    drop((first, silent));
    tokio::time::timeout(SOON, async {
        loop {
            let mut third = Peer::dial(&broker).await;
            if third.next().await.is_some() {
                return;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_listener_has_a_limit_of_its_own_and_an_address_that_clients_are_told() {
    let mut small = ListenerConfig::new("nio://127.0.0.1:0?maximumConnections=1");
    small.published = Some("tcp://mq.example.com:61616".to_owned());
    let broker = Broker::builder().listener(small).listen("auto://127.0.0.1:0");
    let broker = broker.start().await.unwrap();
    let uris: Vec<&str> = broker.uris().collect();
    assert_eq!(uris[0], "tcp://mq.example.com:61616");
    assert!(uris[1].starts_with("tcp://127.0.0.1:"));
    let first = Peer::connect(&broker, "a").await;
    let mut second = Peer::dial(&broker).await;
    assert!(second.next().await.is_none());
    let other = broker.addresses().nth(1).unwrap();
    let mut third = Peer::dial_to(other).await;
    assert_eq!(third.next().await.unwrap().name(), "BrokerInfo");
    drop(first);
}

#[tokio::test]
async fn a_listener_has_a_largest_frame_of_its_own_or_the_brokers() {
    let mut own = ListenerConfig::new("tcp://127.0.0.1:0");
    own.max_frame_size = Some(100 << 10);
    let broker = Broker::builder().listen("tcp://127.0.0.1:0").listener(own);
    let broker = broker.max_frame_size(70 << 10).start().await.unwrap();
    let addresses: Vec<SocketAddr> = broker.addresses().collect();
    let mut refused = Peer::connect_to(addresses[0], "a").await;
    // The beginning of a frame of 80 KiB is enough.
    let sent = refused.stream.write_all(&[0, 1, 0x40, 0, 1]).await;
    assert!(sent.is_ok() && refused.next().await.is_none());
    let mut taken = Peer::connect_to(addresses[1], "b").await;
    assert_eq!(taken.ask(message("b", 1, "Q", 80 << 10)).await, "Response");
}

#[tokio::test]
async fn who_is_silent_for_longer_than_its_listener_allows_is_hung_up() {
    let mut strict = ListenerConfig::new("tcp://127.0.0.1:0");
    strict.max_inactivity = Some(Duration::from_millis(200));
    let broker = Broker::builder().listener(strict).start().await.unwrap();
    let mut peer = Peer::connect(&broker, "a").await;
    // It answers no more, as a client whose machine is gone.
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(SOON, peer.stream.read_to_end(&mut heard)).await;
    assert!(ended.is_ok(), "it is hung up");
}

#[tokio::test]
async fn rights_without_users_are_a_mistake() {
    let right = crate::core::Right::new(Destination::queue("A"));
    let error = Broker::builder().configure(|config| config.rights.push(right)).start().await;
    assert!(error.unwrap_err().to_string().starts_with("rights need users"));
}

#[tokio::test]
async fn a_stopped_broker_says_what_it_has_to_say_and_frees_its_address() {
    let broker = start().await;
    let uri = broker.uri().to_owned();
    let mut peer = Peer::connect(&broker, "a").await;
    broker.stop().await;
    assert!(peer.next().await.is_none());
    let again = Broker::builder().listen(&uri).start().await.unwrap();
    assert_eq!(again.uri(), uri);
}

/// A store that writes each group only when it is let to.
struct Gated(MemoryStore, std::sync::mpsc::Receiver<()>);

impl Store for Gated {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.0.recover()
    }

    fn write(&mut self, batches: Vec<Vec<StoreWrite>>) -> Result<(), StoreError> {
        // Who has gone lets everything through.
        let _ = self.1.recv();
        self.0.write(batches)
    }

    fn load(&mut self, place: &Place, sequences: &[u64]) -> Result<Loaded, StoreError> {
        self.0.load(place, sequences)
    }
}

#[tokio::test]
async fn a_stopped_broker_stores_what_nobody_waits_for_any_more() {
    let store = MemoryStore::new();
    let (gate, gated) = std::sync::mpsc::sync_channel(3);
    let slow = Gated(store.clone(), gated);
    let broker = Broker::builder().store(slow).listen("tcp://127.0.0.1:0").start().await.unwrap();
    let address = broker.addresses().next().unwrap();
    let mut peer = Peer::connect(&broker, "a").await;
    for sequence in 1..=3 {
        gate.send(()).unwrap();
        assert_eq!(peer.ask(message("a", sequence, "Q", 10)).await, "Response");
    }
    peer.ask(consumer("a", "Q")).await;
    // The first is being written when the broker stops, the second is with the store, the third is not.
    for (sequence, left) in (1..=3).zip([2, 1, 0]) {
        assert_eq!(peer.receive().await, sequence);
        peer.tell(MessageAck {
            consumer_id: consumer("a", "Q").consumer_id,
            destination: Some(Destination::queue("Q")),
            last_message_id: message("a", sequence, "Q", 0).message_id,
            message_count: 1,
            ack_type: MessageAck::STANDARD,
            ..MessageAck::default()
        })
        .await;
        until(async || broker.stats(&Destination::queue("Q")).await.unwrap().in_flight == left)
            .await;
    }
    drop(peer);
    until(async || broker.connections().await == 0).await;
    let stopped = tokio::spawn(broker.stop());
    until(async || TcpStream::connect(address).await.is_err()).await;
    assert_eq!(store.len(), 3);
    drop(gate);
    stopped.await.unwrap();
    assert_eq!(store.len(), 0);
}

/// Waits until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("it comes to that");
}

#[tokio::test]
async fn a_broker_that_is_killed_keeps_what_its_store_has() {
    let store = MemoryStore::new();
    let broker =
        Broker::builder().store(store.clone()).listen("tcp://127.0.0.1:0").start().await.unwrap();
    let mut peer = Peer::connect(&broker, "a").await;
    for sequence in 1..=3 {
        assert_eq!(peer.ask(message("a", sequence, "Q", 10)).await, "Response");
    }
    broker.kill().await;
    assert!(peer.next().await.is_none());
    let broker = Broker::builder().store(store).listen("tcp://127.0.0.1:0").start().await.unwrap();
    let mut peer = Peer::connect(&broker, "b").await;
    peer.ask(consumer("b", "Q")).await;
    for sequence in 1..=3 {
        assert_eq!(peer.receive().await, sequence);
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_named() {
    for uri in [
        "udp://127.0.0.1:0",
        "tcp://256.0.0.1:1",
        "tcp://127.0.0.1:0?bogus=1",
        "tcp://127.0.0.1:0?maximumConnections=many",
        "tcp://",
    ] {
        let error = Broker::builder().listen(uri).start().await.unwrap_err();
        assert!(error.to_string().starts_with(uri), "{error}");
    }
}

#[tokio::test]
async fn a_broker_can_have_several_listeners_or_none() {
    let two = Broker::builder().listen("tcp://127.0.0.1:0").listen("tcp://localhost:0");
    let two = two.start().await.unwrap();
    let uris: Vec<&str> = two.uris().collect();
    assert!(uris[0].starts_with("tcp://127.0.0.1:") && uris[1].starts_with("tcp://localhost:"));
    let none = Broker::builder().start().await.unwrap();
    assert_eq!((none.uri(), none.connections().await), ("", 0));
    none.stop().await;
}
