//! What must hold for any bytes at all: called by the fuzz targets, and by the tests that replay their corpus.
//!
//! Each function panics when something does not hold.

use std::time::{Duration, Instant};

use rewire_protocol::{
    Command, ConnectionControl, ConnectionId, ConnectionInfo, ConsumerControl, ConsumerInfo,
    Decoder, Destination, DestinationInfo, DestinationKind, Encoder, Limits, LocalTransactionId,
    Message, MessageAck, MessagePull, Primitive, PrimitiveMap, ProducerInfo, RemoveInfo,
    RemoveSubscriptionInfo, SessionInfo, ShutdownInfo, Str, TransactionId, TransactionInfo,
    WireFormat,
};

use crate::core::{BrokerConfig, BrokerCore, Input, LinkId, Now, Output, Ticket};
use crate::selector;
use crate::store::{MemoryStore, Store};

/// Whatever a selector says, it is read or refused, and means the same each time.
pub fn selectors(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let properties = PrimitiveMap::from_iter([
        ("a", Primitive::Int(5)),
        ("b", Primitive::Double(0.5)),
        ("c", Primitive::from("text")),
        ("d", Primitive::Boolean(true)),
    ]);
    let mut message = Message { priority: 4, ..Message::default() };
    let _ = message.set_properties(&properties);
    selector::fuzz(&text, &message);
    selector::fuzz(&text, &Message::default());
}

/// Whatever clients say, in whatever order, on three links: nothing panics, all that is sent can be put
/// on the wire, and when all have gone nothing of them is left.
pub fn commands(input: &[u8]) {
    let mut world = World::new(input.first().is_some_and(|first| first % 2 == 1));
    let mut bytes = Bytes(input.get(1..).unwrap_or_default());
    while let Some(kind) = bytes.next() {
        world.step(kind, &mut bytes);
    }
    for link in 1..=LINKS {
        world.input(Input::Closed(LinkId(link)));
    }
    assert_eq!(world.core.connections(), 0);
    world.wait(Duration::from_secs(3600));
}

const LINKS: u64 = 3;
const NAMES: [&str; 10] = [
    "A",
    "B",
    "A.C",
    "A.*",
    ">",
    "A,B",
    "topic://A,queue://B",
    "c1:1",
    "Consumer.X.VirtualTopic.A",
    "VirtualTopic.A",
];
const SELECTORS: [&str; 4] = ["JMSPriority > 4", "g = 'x'", "", "a ="];

/// The input, as numbers; when it is over they are 0.
struct Bytes<'i>(&'i [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    /// A small number, below 0 now and then.
    fn small(&mut self) -> i64 {
        i64::from(self.byte() % 24) - 3
    }

    fn bit(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn frame(&mut self) -> &[u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (frame, rest) = self.0.split_at(len);
        self.0 = rest;
        frame
    }

    fn destination(&mut self) -> Destination {
        let byte = usize::from(self.byte());
        let kinds = [
            DestinationKind::Queue,
            DestinationKind::Topic,
            DestinationKind::TempQueue,
            DestinationKind::TempTopic,
        ];
        let name = NAMES.get(byte % NAMES.len()).copied().unwrap_or("A");
        let kind = kinds.get(byte / 64).copied().unwrap_or(DestinationKind::Queue);
        Destination { kind, physical_name: name.into() }
    }
}

struct World {
    core: BrokerCore,
    now: Now,
    store: Option<MemoryStore>,
    /// Batches that are not answered yet.
    unanswered: Vec<Ticket>,
    encoder: Encoder,
    decoder: Decoder,
}

impl World {
    fn new(stored: bool) -> Self {
        let mut config = BrokerConfig { persistent: stored, ..BrokerConfig::default() };
        // Small enough to be met.
        config.limits.memory = 64 << 10;
        config.limits.held_bytes = 8 << 10;
        config.limits.per_connection = 4;
        config.limits.destinations = 16;
        config.limits.message_groups = 2;
        #[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
        let now = Now { instant: Instant::now(), unix_ms: 1_000_000 };
        let mut store = stored.then(MemoryStore::new);
        let recovered = store.as_mut().and_then(|store| store.recover().ok()).unwrap_or_default();
        Self {
            core: BrokerCore::new(now, config, recovered),
            now,
            store,
            unanswered: Vec::new(),
            encoder: Encoder::new(WireFormat::DEFAULT),
            decoder: Decoder::new(
                WireFormat { tight: false, cache_slots: None, ..WireFormat::DEFAULT },
                Limits { max_frame_size: 1 << 10, ..Limits::DEFAULT },
            ),
        }
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.core.handle(self.now, input) {
                match output {
                    Output::Send(_, outgoing) => {
                        // A name that is too long is refused; anything else is a way to say something.
                        let _ = self.encoder.encode(&outgoing.into_command(), &mut Vec::new());
                    }
                    Output::Store(ticket, writes) => {
                        if let Some(store) = &mut self.store {
                            let _ = store.write(vec![writes]);
                        }
                        self.unanswered.push(ticket);
                    }
                    Output::Load(load, place, sequences) => {
                        if let Some(store) = &mut self.store
                            && let Ok(messages) = store.load(&place, &sequences)
                        {
                            inputs.push(Input::Loaded(load, messages));
                        }
                    }
                    Output::Pause(_)
                    | Output::Resume(_)
                    | Output::HangUp(_)
                    | Output::Introduce(..)
                    | Output::Unbridge(_)
                    | Output::Event(_) => {}
                }
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now.instant += time;
        self.now.unix_ms += i64::try_from(time.as_millis()).unwrap_or_default();
        self.input(Input::Timeout);
    }

    /// One thing that happens.
    fn step(&mut self, kind: u8, bytes: &mut Bytes<'_>) {
        let number = u64::from(kind >> 5) % LINKS + 1;
        let link = LinkId(number);
        match kind % 32 {
            0 => {
                self.input(Input::Closed(link));
                let (peer, url) = (format!("peer{number}"), "tcp://b:1".to_owned());
                self.input(Input::Opened { link, peer, url });
            }
            1 => self.input(Input::Closed(link)),
            2 => self.input(Input::Congested(link)),
            3 => self.input(Input::Relieved(link)),
            4 => self.wait(Duration::from_millis(u64::from(bytes.byte()) * 50)),
            5 => {
                if let Some(ticket) = self.unanswered.pop() {
                    self.unanswered.clear();
                    self.input(Input::Stored(ticket));
                }
            }
            6 if bytes.byte() == 0 => self.input(Input::StoreFailed("full".to_owned())),
            7 => {
                let frame = bytes::Bytes::copy_from_slice(bytes.frame());
                if let Ok(Some(command)) = self.decoder.decode(&frame) {
                    self.input(Input::Received(link, command));
                }
            }
            8..=10 => {
                for mut command in introduction(number) {
                    command.set_response_required(bytes.bit());
                    self.input(Input::Received(link, command));
                }
            }
            kind => {
                let mut command = command(kind, number, self.now.unix_ms, bytes);
                command.set_command_id(7);
                command.set_response_required(bytes.bit());
                self.input(Input::Received(link, command));
            }
        }
    }
}

fn connection(number: u64) -> ConnectionId {
    ConnectionId::new(format!("c{number}"))
}

fn local(number: u64) -> TransactionId {
    TransactionId::Local(LocalTransactionId { value: 1, connection_id: Some(connection(number)) })
}

fn introduction(number: u64) -> [Command; 3] {
    let id = connection(number);
    let info = ConnectionInfo {
        connection_id: Some(id.clone()),
        client_id: Some(format!("client{number}").into()),
        failover_reconnect: number == 2,
        manageable: true,
        ..ConnectionInfo::default()
    };
    let session = SessionInfo { session_id: Some(id.session(1)), ..SessionInfo::default() };
    let producer_id = Some(id.session(1).producer(1));
    let producer = ProducerInfo { producer_id, window_size: 1, ..ProducerInfo::default() };
    [info.into(), session.into(), producer.into()]
}

/// A command of a client, about things of which there are few.
fn command(kind: u8, number: u64, unix_ms: i64, bytes: &mut Bytes<'_>) -> Command {
    let session = connection(number).session(1);
    let transaction_id = Some(local(number));
    let consumer = session.consumer(i64::from(bytes.byte() % 4));
    let consumer_id = Some(consumer.clone());
    match kind {
        11..=13 => consumer_info(consumer_id, bytes).into(),
        14..=18 => {
            let mut message = message(number, unix_ms, bytes);
            message.transaction_id = transaction_id.filter(|_| bytes.bit());
            message.into()
        }
        19..=22 => {
            let producer = connection(bytes.byte().into()).session(1).producer(1);
            let (first, count) = (bytes.small(), bytes.small());
            MessageAck {
                consumer_id,
                transaction_id: transaction_id.filter(|_| bytes.bit()),
                ack_type: i8::try_from(bytes.small()).unwrap_or_default(),
                first_message_id: bytes.bit().then(|| producer.message(first)),
                last_message_id: bytes.bit().then(|| producer.message(first + count - 1)),
                message_count: i32::try_from(count).unwrap_or_default(),
                ..MessageAck::default()
            }
            .into()
        }
        23 => MessagePull { consumer_id, timeout: bytes.small(), ..MessagePull::default() }.into(),
        24 => {
            let prefetch = i32::try_from(bytes.small()).unwrap_or_default();
            ConsumerControl { consumer_id, prefetch, ..ConsumerControl::default() }.into()
        }
        25 | 26 => {
            let transaction_type = i8::try_from(bytes.small()).unwrap_or_default();
            TransactionInfo { transaction_id, transaction_type, ..TransactionInfo::default() }
                .into()
        }
        27 => {
            let operation_type = i8::try_from(bytes.small()).unwrap_or_default();
            let destination = Some(bytes.destination());
            DestinationInfo { destination, operation_type, ..DestinationInfo::default() }.into()
        }
        28 => {
            let subscription_name = Some("s".into());
            RemoveSubscriptionInfo { subscription_name, ..RemoveSubscriptionInfo::default() }.into()
        }
        29 => ConnectionControl::default().into(),
        30 => ShutdownInfo::default().into(),
        _ => {
            let object: Command = match bytes.byte() % 4 {
                0 => connection(number).into(),
                1 => session.into(),
                2 => session.producer(1).into(),
                _ => consumer.into(),
            };
            RemoveInfo {
                object_id: Some(Box::new(object)),
                last_delivered_sequence_id: bytes.small(),
                ..RemoveInfo::default()
            }
            .into()
        }
    }
}

fn consumer_info(
    consumer_id: Option<rewire_protocol::ConsumerId>,
    bytes: &mut Bytes<'_>,
) -> ConsumerInfo {
    let flags = bytes.byte();
    let is = |bit: u8| flags & bit != 0;
    let selector = SELECTORS.get(usize::from(bytes.byte())).map(|text| Str::from(*text));
    ConsumerInfo {
        consumer_id,
        destination: Some(bytes.destination()),
        prefetch_size: i32::try_from(bytes.small()).unwrap_or_default(),
        selector,
        browser: is(1),
        exclusive: is(2),
        no_local: is(4),
        retroactive: is(8),
        subscription_name: is(16).then(|| "s".into()),
        priority: i8::from(is(32)),
        maximum_pending_message_limit: i32::from(is(64)),
        ..ConsumerInfo::default()
    }
}

fn message(number: u64, unix_ms: i64, bytes: &mut Bytes<'_>) -> Message {
    let producer = connection(number).session(1).producer(1);
    let flags = bytes.byte();
    let is = |bit: u8| flags & bit != 0;
    Message {
        message_id: Some(producer.message(bytes.small())),
        producer_id: Some(producer),
        destination: Some(bytes.destination()),
        persistent: is(1),
        priority: i8::try_from(bytes.small()).unwrap_or_default(),
        expiration: if is(2) { unix_ms + bytes.small() * 100 } else { 0 },
        group_id: is(4).then(|| if is(8) { "g".into() } else { "h".into() }),
        group_sequence: if is(16) { -1 } else { 1 },
        content: is(32).then(|| vec![0; 8 << 10].into()),
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn replay(folder: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(folder);
        let mut replayed = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&std::fs::read(path).unwrap());
            replayed += 1;
        }
        assert!(replayed > 5, "only {replayed} inputs");
    }

    #[test]
    fn every_sequence_of_the_corpus_is_taken() {
        replay("sequences", commands);
    }

    #[test]
    fn every_selector_of_the_corpus_is_read_or_refused() {
        replay("selectors", selectors);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_is_taken(input in prop::collection::vec(any::<u8>(), 0..600)) {
            commands(&input);
        }
    }
}
