//! A broker that takes in whatever comes, answers it, and keeps account of what it is left with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rewire_protocol::{
    ConsumerInfo, Destination, DestinationInfo, DestinationKind, MessageDispatch, MessageId,
    ProducerId, TransactionId, TransactionInfo,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::peer::{Client, DEADLINE, Peer};
use super::*;

/// What a broker knows.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Connections that are open.
    pub(super) links: usize,
    /// What was declared and not removed, by kind and name.
    pub(super) declared: BTreeSet<(&'static str, String)>,
    /// The number of the last message of each producer.
    numbers: HashMap<ProducerId, i64>,
    /// How often each message was acknowledged.
    pub(super) acknowledged: BTreeMap<i64, u32>,
    /// How transactions were ended, in order.
    pub(super) ended: Vec<i8>,
    /// The steps of branches, and the questions about all of them, in order.
    pub(super) steps: Vec<i8>,
    /// How many durable subscriptions were ended.
    pub(super) unsubscribed: usize,
    /// What each consumer consumes from.
    consuming: HashMap<String, String>,
    /// What should not have come.
    pub(super) faults: Vec<String>,
}

/// The broker, as long as this lives.
pub(super) struct Bookkeeper {
    pub(super) uri: String,
    ledger: Arc<watch::Sender<Ledger>>,
    is_reading: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

impl Bookkeeper {
    pub(super) async fn start() -> Self {
        let peer = Peer::start().await;
        let uri = peer.uri();
        let ledger = Arc::new(watch::Sender::new(Ledger::default()));
        let is_reading = watch::Sender::new(true);
        let mut serving = JoinSet::new();
        let (entries, reading) = (ledger.clone(), is_reading.subscribe());
        serving.spawn(async move {
            let mut links = JoinSet::new();
            loop {
                let client = peer.accept_or_not().await;
                if let Some(client) = client {
                    links.spawn(serve(client, entries.clone(), reading.clone()));
                }
            }
        });
        Self { uri, ledger, is_reading, _serving: serving }
    }

    /// Reads what comes, or leaves it in the socket.
    pub(super) fn read(&self, is_reading: bool) {
        self.is_reading.send_replace(is_reading);
    }

    /// Waits until the account is as it should be.
    pub(super) async fn until(&self, what: &str, is_so: impl Fn(&Ledger) -> bool) {
        let mut ledger = self.ledger.subscribe();
        let waited = timeout(DEADLINE, ledger.wait_for(|ledger| is_so(ledger))).await.is_ok();
        assert!(waited, "not so: {what}: {:?}", self.ledger.borrow());
        assert_eq!(self.ledger.borrow().faults, [""; 0]);
    }
}

async fn serve(
    mut client: Client,
    ledger: Arc<watch::Sender<Ledger>>,
    mut reading: watch::Receiver<bool>,
) {
    ledger.send_modify(|ledger| ledger.links += 1);
    let (mut replies, mut pulled) = (HashMap::new(), 0);
    loop {
        let _ = reading.wait_for(|is_reading| *is_reading).await;
        let Some(command) = client.next_command().await else { break };
        ledger.send_modify(|ledger| ledger.take_in(&command));
        if command.is_response_required() {
            client.answer(&command).await;
        }
        match command {
            Command::ConsumerInfo(info) => on_consumer(&mut client, &info, &mut replies).await,
            Command::MessagePull(pull) => {
                pulled += 1;
                client.dispatch(&pull.consumer_id.unwrap(), &[pulled]).await;
            }
            Command::Message(message) => {
                let consumer = message.reply_to.as_ref().and_then(|to| replies.get(to));
                if let Some(consumer_id) = consumer.cloned() {
                    let message = Some(message);
                    let consumer_id = Some(consumer_id);
                    client
                        .send(MessageDispatch { consumer_id, message, ..Default::default() })
                        .await;
                }
            }
            _ => {}
        }
    }
    ledger.send_modify(|ledger| {
        ledger.links -= 1;
        ledger.declared.clear();
    });
}

/// Sends a consumer five messages; one that waits for replies gets its requests back, one that pulls gets what
/// it asks for, and a browser is told that this was all.
async fn on_consumer(
    client: &mut Client,
    info: &ConsumerInfo,
    replies: &mut HashMap<Destination, ConsumerId>,
) {
    let (id, from) = (info.consumer_id.clone().unwrap(), info.destination.clone().unwrap());
    if from.kind == DestinationKind::TempQueue {
        replies.insert(from, id);
    } else if info.prefetch_size > 0 {
        client.dispatch(&id, &[1, 2, 3, 4, 5]).await;
        if info.browser {
            let consumer_id = Some(id);
            client.send(MessageDispatch { consumer_id, ..MessageDispatch::default() }).await;
        }
    }
}

impl Ledger {
    fn take_in(&mut self, command: &Command) {
        match command {
            Command::ConnectionInfo(info) => {
                self.declare("connection", info.connection_id.as_ref().unwrap().to_string());
            }
            Command::SessionInfo(info) => {
                self.declare("session", info.session_id.as_ref().unwrap().to_string());
            }
            Command::ProducerInfo(info) => {
                self.declare("producer", info.producer_id.as_ref().unwrap().to_string());
            }
            Command::ConsumerInfo(info) => {
                let id = info.consumer_id.as_ref().unwrap().to_string();
                self.consuming.insert(id.clone(), info.destination.as_ref().unwrap().to_string());
                self.declare("consumer", id);
            }
            Command::RemoveSubscriptionInfo(_) => self.unsubscribed += 1,
            Command::DestinationInfo(info) => {
                let name = info.destination.as_ref().unwrap().to_string();
                if info.operation_type == DestinationInfo::ADD {
                    self.declare("temporary", name);
                } else {
                    if self.consuming.values().any(|from| *from == name) {
                        self.faults.push(format!("{name} was removed under its consumer"));
                    }
                    self.forget("temporary", name);
                }
            }
            Command::RemoveInfo(info) => self.remove(info.object_id.as_deref().unwrap()),
            Command::Message(message) => self.number(message.message_id.as_ref().unwrap()),
            Command::MessageAck(ack) => self.acknowledge(ack),
            Command::TransactionInfo(step) => match step.transaction_id {
                Some(TransactionId::Local(_)) => {
                    if step.transaction_type != TransactionInfo::BEGIN {
                        self.ended.push(step.transaction_type);
                    }
                }
                _ => self.steps.push(step.transaction_type),
            },
            _ => {}
        }
    }

    fn declare(&mut self, kind: &'static str, name: String) {
        if !self.declared.insert((kind, name.clone())) {
            self.faults.push(format!("the {kind} {name} was declared twice"));
        }
    }

    fn remove(&mut self, id: &Command) {
        match id {
            Command::SessionId(id) => self.forget("session", id.to_string()),
            Command::ProducerId(id) => self.forget("producer", id.to_string()),
            Command::ConsumerId(id) => {
                self.consuming.remove(&id.to_string());
                self.forget("consumer", id.to_string());
            }
            Command::ConnectionId(_) => self.declared.clear(),
            other => panic!("{other:?} is removed"),
        }
    }

    fn forget(&mut self, kind: &'static str, name: String) {
        if !self.declared.remove(&(kind, name.clone())) {
            self.faults.push(format!("the {kind} {name} was removed and not there"));
        }
    }

    fn number(&mut self, id: &MessageId) {
        let last = self.numbers.entry(id.producer_id.clone().unwrap()).or_default();
        if id.producer_sequence_id != *last + 1 {
            self.faults.push(format!("{id} follows number {last}"));
        }
        *last = id.producer_sequence_id;
    }

    fn acknowledge(&mut self, ack: &MessageAck) {
        let number = |id: &Option<MessageId>| id.as_ref().unwrap().producer_sequence_id;
        for number in number(&ack.first_message_id)..=number(&ack.last_message_id) {
            let count = self.acknowledged.entry(number).or_default();
            *count += 1;
            if *count > 1 {
                self.faults.push(format!("message {number} was acknowledged twice"));
            }
        }
    }

    /// What is declared, by kind.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.declared.iter().map(|(kind, _)| *kind).collect()
    }
}
