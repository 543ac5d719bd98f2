//! The rules of the broker, each as inputs and exact outputs.

mod acks;
mod advisories;
mod any;
mod connections;
mod consumers;
mod dead_letters;
mod durable;
mod flow;
mod idle;
mod limits;
mod notices;
mod paging;
mod policies;
mod queues;
mod report;
mod rights;
mod temporary;
mod topics;
mod transactions;
mod turns;

use std::time::Duration;

use rewire_protocol::{
    Command, ConnectionId, ConnectionInfo, ConsumerInfo, Destination, Message, MessageAck,
    MessageId, MessagePull, ProducerInfo, RemoveInfo, SessionInfo,
};

use super::*;
use crate::store::{Loaded, MemoryStore, Store};

/// A broker, the time, and shorthand for what happens. Connections are named like their links: link 1
/// carries connection `c1` with session 1 and producer 1.
struct Lab {
    core: BrokerCore,
    now: Now,
    store: Option<MemoryStore>,
    /// Batches that are not stored until it is said.
    unstored: Option<Vec<Ticket>>,
    /// What was read and is not handed over until it is said.
    unread: Option<Vec<(LoadId, Loaded)>>,
}

fn queue(name: &str) -> Destination {
    Destination::queue(name)
}

fn topic(name: &str) -> Destination {
    Destination::topic(name)
}

fn connection(link: u64) -> ConnectionId {
    ConnectionId::new(format!("c{link}"))
}

/// The message that link 1's producer sends as number 5 is `1.5`.
fn id(name: &str) -> MessageId {
    let (link, sequence) = name.split_once('.').unwrap();
    let producer = connection(link.parse().unwrap()).session(1).producer(1);
    producer.message(sequence.parse().unwrap())
}

impl Lab {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let mut config =
            BrokerConfig { name: "b".into(), id: "ID:b".into(), ..BrokerConfig::default() };
        change(&mut config);
        #[expect(clippy::disallowed_methods, reason = "any time will do to count from")]
        let now = Now { instant: Instant::now(), unix_ms: 1_000_000 };
        let core = BrokerCore::new(now, config, Recovered::default());
        Self { core, now, store: None, unstored: None, unread: None }
    }

    /// With a store that outlives the broker.
    fn stored() -> Self {
        let mut lab = Self::with(|config| config.persistent = true);
        lab.store = Some(MemoryStore::new());
        lab
    }

    /// The broker dies, and another begins with its store.
    fn restart(&mut self) {
        let store = self.store.as_mut().unwrap();
        let config = self.core.config.clone();
        self.core = BrokerCore::new(self.now, config, store.recover().unwrap());
        // What the dead one was to be told nobody waits for.
        (self.unstored, self.unread) =
            (self.unstored.take().map(|_| Vec::new()), self.unread.take().map(|_| Vec::new()));
    }

    fn input(&mut self, input: Input) -> Vec<String> {
        let mut shown = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.core.handle(self.now, input) {
                if let Output::Load(load, place, sequences) = output {
                    let store = self.store.as_mut().expect("reads only with a store");
                    let messages = store.load(&place, &sequences).unwrap();
                    match &mut self.unread {
                        Some(unread) => unread.push((load, messages)),
                        None => inputs.push_back(Input::Loaded(load, messages)),
                    }
                } else if let Output::Store(ticket, writes) = output {
                    let store = self.store.as_mut().expect("writes only with a store");
                    store.write(vec![writes]).unwrap();
                    match &mut self.unstored {
                        Some(unstored) => unstored.push(ticket),
                        None => inputs.push_back(Input::Stored(ticket)),
                    }
                } else {
                    shown.extend(show(&output));
                }
            }
        }
        shown
    }

    /// What was read is handed over, and what is read because of it.
    fn hand_over(&mut self) -> Vec<String> {
        let mut shown = Vec::new();
        while let Some(unread) = self.unread.as_mut().filter(|unread| !unread.is_empty()) {
            let (load, messages) = unread.remove(0);
            shown.extend(self.input(Input::Loaded(load, messages)));
        }
        shown
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now.instant += time;
        self.now.unix_ms += i64::try_from(time.as_millis()).unwrap();
        self.input(Input::Timeout)
    }

    /// Without an answer.
    fn tell(&mut self, link: u64, command: impl Into<Command>) -> Vec<String> {
        self.input(Input::Received(LinkId(link), command.into()))
    }

    /// With an answer; it is command 7.
    fn ask(&mut self, link: u64, command: impl Into<Command>) -> Vec<String> {
        let mut command = command.into();
        command.set_command_id(7);
        command.set_response_required(true);
        self.tell(link, command)
    }

    fn open(&mut self, link: u64) -> Vec<String> {
        let (peer, url) = (format!("peer{link}"), "tcp://b:1".to_owned());
        self.input(Input::Opened { link: LinkId(link), peer, url })
    }

    /// Open, connected as `c1` with session 1 and producer 1.
    fn client(&mut self, link: u64) {
        self.open(link);
        self.ask(link, info(link));
        let session_id = Some(connection(link).session(1));
        self.tell(link, SessionInfo { session_id, ..SessionInfo::default() });
        let producer_id = Some(connection(link).session(1).producer(1));
        self.tell(link, ProducerInfo { producer_id, ..ProducerInfo::default() });
    }

    fn clients(links: std::ops::RangeInclusive<u64>) -> Self {
        let mut lab = Self::new();
        links.for_each(|link| lab.client(link));
        lab
    }

    fn consume(&mut self, link: u64, number: i64, from: Destination) -> Vec<String> {
        self.ask(link, consumer(link, number, from))
    }

    fn send(&mut self, link: u64, sequence: i64, to: Destination) -> Vec<String> {
        self.tell(link, message(link, sequence, to))
    }

    fn send_many(&mut self, link: u64, count: i64, to: &Destination) {
        for sequence in 1..=count {
            self.send(link, sequence, to.clone());
        }
    }

    fn ack(
        &mut self,
        link: u64,
        number: i64,
        ack_type: i8,
        first: &str,
        last: &str,
    ) -> Vec<String> {
        self.tell(link, ack(link, number, ack_type, first, last))
    }

    fn pull(&mut self, link: u64, number: i64, timeout: i64) -> Vec<String> {
        let consumer_id = Some(connection(link).session(1).consumer(number));
        self.tell(link, MessagePull { consumer_id, timeout, ..MessagePull::default() })
    }

    /// A consumer ends; it has delivered up to the message with this number at the broker.
    fn end(&mut self, link: u64, number: i64, last_delivered: i64) -> Vec<String> {
        let object = Command::from(connection(link).session(1).consumer(number));
        self.tell(
            link,
            RemoveInfo {
                object_id: Some(Box::new(object)),
                last_delivered_sequence_id: last_delivered,
                ..RemoveInfo::default()
            },
        )
    }

    fn close(&mut self, link: u64) -> Vec<String> {
        self.input(Input::Closed(LinkId(link)))
    }

    fn pending(&self, destination: &Destination) -> usize {
        self.core.stats(destination).map_or(0, |stats| stats.pending)
    }

    fn in_flight(&self, destination: &Destination) -> usize {
        self.core.stats(destination).map_or(0, |stats| stats.in_flight)
    }
}

fn info(link: u64) -> ConnectionInfo {
    ConnectionInfo {
        connection_id: Some(connection(link)),
        client_id: Some(format!("client{link}").into()),
        manageable: true,
        ..ConnectionInfo::default()
    }
}

fn consumer(link: u64, number: i64, from: Destination) -> ConsumerInfo {
    ConsumerInfo {
        consumer_id: Some(connection(link).session(1).consumer(number)),
        destination: Some(from),
        prefetch_size: 1000,
        ..ConsumerInfo::default()
    }
}

fn message(link: u64, sequence: i64, to: Destination) -> Message {
    let producer = connection(link).session(1).producer(1);
    Message {
        message_id: Some(producer.message(sequence)),
        producer_id: Some(producer),
        destination: Some(to),
        persistent: true,
        priority: 4,
        ..Message::default()
    }
}

fn ack(link: u64, number: i64, ack_type: i8, first: &str, last: &str) -> MessageAck {
    let (first, last) = (id(first), id(last));
    let count = last.producer_sequence_id - first.producer_sequence_id + 1;
    MessageAck {
        consumer_id: Some(connection(link).session(1).consumer(number)),
        ack_type,
        first_message_id: Some(first),
        last_message_id: Some(last),
        message_count: i32::try_from(count).unwrap(),
        ..MessageAck::default()
    }
}

/// One output as a line: `2 < 1.5 to c2:1:1` is message 1.5 dispatched over link 2.
fn show(output: &Output) -> Option<String> {
    Some(match output {
        Output::Send(LinkId(link), Outgoing::Command(command)) => {
            format!("{link} < {}", show_command(command))
        }
        Output::Send(LinkId(link), Outgoing::Dispatch(dispatch)) => {
            let again = match dispatch.redelivery_counter {
                0 => String::new(),
                count => format!(" again {count}"),
            };
            let what =
                dispatch.message.as_deref().map_or_else(|| "nothing".to_owned(), show_message);
            format!("{link} < {what} to {}{again}", dispatch.consumer_id)
        }
        Output::Pause(LinkId(link)) => format!("{link} pause"),
        Output::Resume(LinkId(link)) => format!("{link} resume"),
        Output::HangUp(LinkId(link)) => format!("{link} hang up"),
        Output::Introduce(bridge, _) => format!("bridge {} < BrokerInfo", bridge.0),
        Output::Unbridge(bridge) => format!("bridge {} is over", bridge.0),
        Output::Store(..) | Output::Load(..) | Output::Event(_) => return None,
    })
}

fn show_message(message: &Message) -> String {
    if let Some(data) = &message.data_structure {
        let topic = message.destination.as_ref().unwrap().physical_name.to_str().into_owned();
        let topic = topic.replace("ActiveMQ.Advisory.", "");
        let what = match &**data {
            Command::DestinationInfo(info) => {
                format!("{} {}", info.operation_type, info.destination.as_ref().unwrap())
            }
            other => other.name().to_owned(),
        };
        return format!("{topic}: {what}");
    }
    if message.message_type.as_ref().is_some_and(|own| own == "Advisory") {
        let topic = message.destination.as_ref().unwrap().physical_name.to_str().into_owned();
        return format!("{}: nothing", topic.replace("ActiveMQ.Advisory.", ""));
    }
    let id = message.message_id.as_ref().unwrap();
    let producer = id.producer_id.as_ref().unwrap().connection_id.clone().unwrap().to_string();
    format!("{}.{}", producer.trim_start_matches('c'), id.producer_sequence_id)
}

fn show_command(command: &Command) -> String {
    match command {
        Command::Response(response) => format!("done {}", response.correlation_id),
        Command::ExceptionResponse(response) => {
            let class = response.exception.as_ref().unwrap().class.to_string();
            format!("refused {} {}", response.correlation_id, class.rsplit('.').next().unwrap())
        }
        Command::ConnectionError(error) => {
            let class = error.exception.as_ref().unwrap().class.to_string();
            format!("error {}", class.rsplit('.').next().unwrap())
        }
        Command::IntegerResponse(response) => format!("vote {}", response.result),
        Command::DataArrayResponse(response) => {
            format!("{} in doubt", response.data.as_ref().unwrap().len())
        }
        Command::ProducerAck(ack) => format!("room {}", ack.size),
        other => other.name().to_owned(),
    }
}
