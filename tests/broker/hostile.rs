//! Clients that mean ill or are broken, many at a time: the others are served throughout, and memory keeps to its limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rewire::Queue;
use rewire_broker::Broker;
use rewire_protocol::{
    Command, ConnectionId, ConnectionInfo, ConsumerInfo, Destination, Limits, LinkConfig, LinkCore,
    LinkEvent, Message, SessionInfo,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::{SOON, eventually, text};

/// How many of them are there at once.
const AT_ONCE: usize = 500;
/// How long the patient ones stay, if the broker lets them.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a message of a good client may take on a busy machine.
const SERVED: Duration = Duration::from_secs(10);
const MEMORY: usize = 16 << 20;

type Gone = std::io::Result<()>;

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Does nothing for a while, on purpose.
async fn idle(time: Duration) {
    tokio::time::sleep_until(tokio::time::Instant::now() + time).await;
}

/// A client that may not be listened to.
struct Bad {
    stream: TcpStream,
    core: LinkCore,
    id: ConnectionId,
}

impl Bad {
    async fn dial(address: std::net::SocketAddr, number: usize) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let mut config = LinkConfig::default();
        // Who is not read is found to be gone when it is written to, a keep-alive if nothing else.
        config.offer.max_inactivity_duration = Some(900);
        let core = LinkCore::new(now(), config, Limits::DEFAULT);
        let id = ConnectionId::new(format!("bad-{number}"));
        Ok(Self { stream, core: core.unwrap(), id })
    }

    async fn tell(&mut self, command: impl Into<Command>) -> Gone {
        self.core.send(&command.into()).unwrap();
        let out = std::mem::take(self.core.outgoing());
        self.stream.write_all(&out).await
    }

    /// Past the handshake of the links.
    async fn greet(&mut self) -> Gone {
        let out = std::mem::take(self.core.outgoing());
        self.stream.write_all(&out).await?;
        loop {
            match self.core.poll_event(now()) {
                Ok(Some(LinkEvent::Opened { .. })) => return Ok(()),
                Ok(Some(LinkEvent::Command(_))) => {}
                Ok(None) => {
                    if self.stream.read_buf(self.core.read_buffer()).await? == 0 {
                        return Err(std::io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(_) => return Ok(()),
            }
        }
    }

    async fn introduce(&mut self, password: &str) -> Gone {
        self.greet().await?;
        let info = ConnectionInfo {
            connection_id: Some(self.id.clone()),
            client_id: Some(self.id.to_string().into()),
            user_name: Some("anna".into()),
            password: Some(password.into()),
            ..ConnectionInfo::default()
        };
        self.tell(info).await?;
        let session_id = Some(self.id.session(1));
        self.tell(SessionInfo { session_id, ..SessionInfo::default() }).await
    }

    fn message(&self, sequence: i64, size: usize) -> Message {
        let producer = self.id.session(1).producer(1);
        Message {
            message_id: Some(producer.message(sequence)),
            producer_id: Some(producer),
            destination: Some(Destination::queue("BULK")),
            content: Some(vec![0; size].into()),
            ..Message::default()
        }
    }

    /// Waits for the broker to have had enough, and leaves before that if it is patient.
    async fn wait(mut self) -> Gone {
        let mut heard = [0; 4096];
        let end = async {
            while self.stream.read(&mut heard).await? > 0 {}
            Gone::Ok(())
        };
        tokio::time::timeout(PATIENCE, end).await.unwrap_or(Ok(()))
    }
}

/// One of them, of a kind that its number says, from its beginning to its end.
async fn misbehave(address: std::net::SocketAddr, number: usize) -> Gone {
    let mut bad = Bad::dial(address, number).await?;
    match number % 12 {
        // Speaks another language.
        0 => bad.stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await?,
        // Promises more than it may say, at once and later.
        1 => bad.stream.write_all(&[0x7F, 0xFF, 0xFF, 0xFF, 1]).await?,
        2 => {
            bad.introduce("secret").await?;
            bad.stream.write_all(&[0x7F, 0xFF, 0xFF, 0xFF, 1]).await?;
        }
        // Says nothing, or not who it is.
        3 => {}
        4 => bad.greet().await?,
        // Says it too slowly.
        5 => {
            let out = std::mem::take(bad.core.outgoing());
            for byte in out.iter().take(20) {
                bad.stream.write_all(&[*byte]).await?;
                idle(PATIENCE / 20).await;
            }
        }
        _ => return misuse(bad, number).await,
    }
    bad.wait().await
}

/// The same, of one who has got past the handshake of the links.
async fn misuse(mut bad: Bad, number: usize) -> Gone {
    match number % 12 {
        // Says what is not true, and goes on as if it had been believed.
        6 => {
            bad.introduce("guessed").await?;
            for sequence in 1..=10 {
                bad.tell(bad.message(sequence, 1000)).await?;
            }
        }
        // Garbles what it says.
        7 => {
            bad.introduce("secret").await?;
            let noise: Vec<u8> = (0..500).map(|n| (n * number % 251) as u8).collect();
            bad.stream.write_all(&[0, 0, 1, 0xF4]).await?;
            bad.stream.write_all(&noise).await?;
        }
        // Takes nothing of what it asked for.
        8 => {
            bad.introduce("secret").await?;
            let consumer = ConsumerInfo {
                consumer_id: Some(bad.id.session(1).consumer(1)),
                destination: Some(Destination::topic("NOISE")),
                prefetch_size: i32::MAX,
                ..ConsumerInfo::default()
            };
            bad.tell(consumer).await?;
            idle(PATIENCE).await;
            return Ok(());
        }
        // Asks and does not listen to what it is answered.
        9 => {
            bad.introduce("secret").await?;
            let asking = async {
                for command_id in 2.. {
                    let session_id = Some(bad.id.session(1));
                    let info = SessionInfo { command_id, response_required: true, session_id };
                    bad.tell(info).await?;
                }
                Gone::Ok(())
            };
            let _ = tokio::time::timeout(PATIENCE / 4, asking).await;
            return Ok(());
        }
        // Sends what nobody consumes, as much as there is room for, then goes without a word.
        10 => {
            bad.introduce("secret").await?;
            let flood = async {
                for sequence in 1.. {
                    bad.tell(bad.message(sequence, 100_000)).await?;
                }
                Gone::Ok(())
            };
            let _ = tokio::time::timeout(PATIENCE / 4, flood).await;
            return Ok(());
        }
        // Begins a large frame and leaves in the middle of it.
        _ => {
            bad.introduce("secret").await?;
            bad.stream.write_all(&[0, 0x40, 0, 0, 1, 2, 3]).await?;
            return Ok(());
        }
    }
    bad.wait().await
}

/// As many of them as said, while good clients go on.
async fn outlive(count: usize) {
    let broker = Broker::builder().memory().listen("tcp://127.0.0.1:0").user("anna", "secret");
    let broker = broker.configure(|config| {
        config.limits.memory = MEMORY;
        // What nobody consumes cannot take all of it.
        config.limits.destination_memory = MEMORY / 4;
        config.limits.connections = AT_ONCE / 2;
        config.connect_attempt_timeout = PATIENCE / 2;
        config.refusal_delay = PATIENCE / 2;
        config.max_slow_duration = PATIENCE;
    });
    let broker = Arc::new(broker.start().await.unwrap());
    let address = broker.addresses().next().unwrap();
    let good = rewire::Connection::builder(&format!("failover:({})", broker.uri()));
    let good = good.credentials("anna", "secret").await.unwrap();
    let session = good.session().ack(rewire::AckMode::Individual).await.unwrap();
    let producer = session.producer(&Queue::new("WORK")).await.unwrap();
    let noise = session.producer(&rewire::Topic::new("NOISE")).await.unwrap();
    let mut consumer = session.consumer(&Queue::new("WORK")).await.unwrap();

    let places = Arc::new(Semaphore::new(AT_ONCE));
    let them = tokio::spawn(async move {
        let mut all = tokio::task::JoinSet::new();
        for number in 0..count {
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            all.spawn(async move {
                // That the broker has ended it is as good an end as any.
                let _ = misbehave(address, number).await;
                drop(place);
            });
            while all.try_join_next().is_some() {}
        }
        all.join_all().await;
    });
    let (mut served, mut slowest, mut most) = (0_u64, Duration::ZERO, 0);
    while !them.is_finished() {
        let began = now();
        let round = async {
            producer.send(served.to_string()).await.unwrap();
            noise.send_async(rewire::Message::text("x".repeat(10_000))).await.unwrap();
            assert_eq!(text(&mut consumer).await, served.to_string());
        };
        if tokio::time::timeout(SERVED, round).await.is_err() {
            for name in ["topic://NOISE", "WORK", "BULK"] {
                let stats = broker.stats(&rewire::parse_destination(name).unwrap()).await;
                println!("{name}: {stats:?}");
            }
            let (used, connections) = (broker.memory_used().await, broker.connections().await);
            panic!(
                "no good client is served after {served}: {used} bytes, {connections} connections"
            );
        }
        (served, slowest) = (served + 1, slowest.max(began.elapsed()));
        most = most.max(broker.memory_used().await);
    }
    them.await.unwrap();
    assert!(most <= MEMORY + MEMORY / 4, "{most} bytes");
    assert!(served > 10, "only {served} messages in the time of all of them");
    eventually("the bad ones are gone", async || broker.connections().await == 1).await;
    println!(
        "{count} bad clients, {served} messages meanwhile, the slowest in {slowest:?}, at most {most} bytes"
    );
    Arc::into_inner(broker).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_hundred_bad_clients_hurt_only_themselves() {
    tokio::time::timeout(SOON * 2, outlive(360)).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute: 10,000 of them; cargo test -p rewire-broker-tests -- --ignored --nocapture"]
async fn ten_thousand_bad_clients_hurt_only_themselves() {
    tokio::time::timeout(Duration::from_secs(600), outlive(10_000)).await.expect("it ends");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> =
        peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
    println!("at most {kilobytes:?} kB of memory in this process, the bad clients' own too");
    assert!(kilobytes.is_none_or(|kilobytes| kilobytes < 600_000), "{kilobytes:?} kB");
}
