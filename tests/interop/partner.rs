//! Java on the other side of selectors, temporary destinations, requests, durable subscriptions and transactions,
//! in both directions.

use std::time::Duration;

use rewire::{
    AckMode, Connection, Consumer, Destination, ErrorKind, Message, Queue, Session, ToDestination,
    Topic,
};
use rewire_protocol::DestinationKind;
use rewire_test_support::{ActiveMq, Running};
use serde_json::{Value, json};

use crate::{JAVA, java};

const SOON: Duration = Duration::from_secs(20);

/// A broker with a client of each kind.
struct Pair {
    connection: Connection,
    session: Session,
    partner: Running,
    _broker: ActiveMq,
}

async fn pair() -> Pair {
    let broker = ActiveMq::start();
    let uri = broker.uri();
    let partner = java("Partner", &uri).args(["--client-id", "partner"]).start();
    let connection = Connection::builder(&uri).client_id("ours").await.unwrap();
    let session = connection.session().ack(AckMode::Individual).await.unwrap();
    Pair { connection, session, partner, _broker: broker }
}

impl Pair {
    /// Has Java do something, and returns what it says of it.
    fn java(&mut self, line: &Value) -> Value {
        self.begin(line);
        self.done()
    }

    fn begin(&mut self, line: &Value) {
        self.partner.say(&line.to_string());
    }

    fn done(&mut self) -> Value {
        self.partner.json_with("done", JAVA)
    }

    /// Sends numbered texts.
    async fn send(&self, destination: &Destination, texts: &[&str], region: &str) {
        let producer = self.session.producer(destination).await.unwrap();
        for (n, text) in (0_i32..).zip(texts) {
            let message = Message::text(*text).property("n", n).property("region", region);
            producer.send(message).await.unwrap();
        }
    }

    async fn end(mut self) {
        self.connection.close().await.unwrap();
        self.partner.feed(String::new());
        self.partner.finish(JAVA).success();
    }
}

/// So many texts, acknowledged, and then no more for a moment.
async fn receive(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let delivery = consumer.receive(SOON).await.unwrap().expect("a message in time");
        texts.push(delivery.message().body_text().unwrap().unwrap_or_default());
        delivery.ack().await.unwrap();
    }
    let more = consumer.receive(Duration::from_millis(200)).await.unwrap();
    assert!(more.is_none(), "{texts:?}, and more: {more:?}");
    texts
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_selector_of_either_side_picks_from_what_the_other_sent() {
    let mut pair = pair().await;
    let queue = Destination::queue("SELECTED");
    pair.send(&queue, &["a", "b", "c"], "eu").await;
    pair.send(&queue, &["x", "y"], "us").await;
    let picked = pair.java(&json!({"do": "receive", "from": "queue://SELECTED", "count": 2,
        "selector": "region = 'eu' AND n BETWEEN 1 AND 2"}));
    assert_eq!(picked["texts"], json!(["b", "c"]));

    pair.java(
        &json!({"do": "send", "to": "queue://SELECTED", "texts": ["d", "e"], "region": "eu"}),
    );
    let selector = "region IN ('eu') AND n > 0";
    let mut consumer = pair.session.consumer(&queue).selector(selector).await.unwrap();
    assert_eq!(receive(&mut consumer, 1).await, ["e"]);
    consumer.close().await.unwrap();
    let mut rest = pair.session.consumer(&queue).await.unwrap();
    assert_eq!(receive(&mut rest, 4).await, ["a", "x", "y", "d"]);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_question_of_either_side_is_answered_by_the_other_over_a_temporary_queue() {
    let mut pair = pair().await;
    let questions = Queue::new("QUESTIONS");
    pair.begin(&json!({"do": "answer", "from": "queue://QUESTIONS"}));
    let mut requester = pair.session.requester(&questions).await.unwrap();
    let reply = requester.request("how much?", SOON).await.unwrap();
    assert_eq!(reply.body_text().unwrap().as_deref(), Some("re: how much?"));
    assert_eq!(pair.done()["question"], "how much?");

    pair.begin(&json!({"do": "request", "to": "queue://QUESTIONS", "text": "how many?"}));
    let mut consumer = pair.session.consumer(&questions).await.unwrap();
    let question = consumer.receive(SOON).await.unwrap().expect("a question");
    let headers = question.message().headers();
    let reply = Message::text("twelve").correlation_id(headers.correlation_id.clone().unwrap());
    let to = headers.reply_to.clone().expect("a place for the reply");
    pair.session.producer(&to).await.unwrap().send(reply).await.unwrap();
    question.ack().await.unwrap();
    assert_eq!(pair.done()["reply"], "twelve");
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn temporary_destinations_of_either_side_are_sent_to_by_the_other() {
    let mut pair = pair().await;
    for is_topic in [false, true] {
        let made = pair.java(&json!({"do": "temporary", "topic": is_topic}));
        let name = made["name"].as_str().unwrap();
        let kind = if is_topic { DestinationKind::TempTopic } else { DestinationKind::TempQueue };
        let theirs = Destination { kind, physical_name: name.into() };
        pair.send(&theirs, &["one", "two"], "eu").await;
        let came = pair.java(&json!({"do": "receive-temporary", "count": 2}));
        assert_eq!(came["texts"], json!(["one", "two"]), "topic: {is_topic}");
    }
    let queue = pair.session.temporary_queue().await.unwrap();
    let topic = pair.session.temporary_topic().await.unwrap();
    let mut of_queue = pair.session.consumer(&queue).await.unwrap();
    let mut of_topic = pair.session.consumer(&topic).await.unwrap();
    // Java sends to where a message says that it wants its reply.
    let ask = pair.session.producer(&Queue::new("ASK")).await.unwrap();
    for (text, to) in [("q", queue.to_destination()), ("t", topic.to_destination())] {
        ask.send(Message::text(text).reply_to(to)).await.unwrap();
        pair.java(&json!({"do": "answer", "from": "queue://ASK"}));
    }
    assert_eq!(receive(&mut of_queue, 1).await, ["re: q"]);
    assert_eq!(receive(&mut of_topic, 1).await, ["re: t"]);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_durable_subscriber_of_either_side_gets_what_the_other_published_while_it_was_away() {
    let mut pair = pair().await;
    let topic = Topic::new("PRICES");
    pair.java(&json!({"do": "subscribe", "from": "topic://PRICES", "durable": "theirs"}));
    pair.session.consumer(&topic).durable("mine").await.unwrap().close().await.unwrap();
    pair.send(&Destination::topic("PRICES"), &["a", "b"], "eu").await;
    pair.java(&json!({"do": "send", "to": "topic://PRICES", "texts": ["c"]}));

    let came = pair
        .java(&json!({"do": "receive", "from": "topic://PRICES", "durable": "theirs", "count": 3}));
    assert_eq!(came["texts"], json!(["a", "b", "c"]));
    let mut mine = pair.session.consumer(&topic).durable("mine").await.unwrap();
    assert_eq!(receive(&mut mine, 3).await, ["a", "b", "c"]);
    mine.close().await.unwrap();
    pair.java(&json!({"do": "unsubscribe", "durable": "theirs"}));
    pair.session.unsubscribe("mine").await.unwrap();
    let none = pair.session.unsubscribe("mine").await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Refused);
    pair.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
async fn a_transaction_of_either_side_shows_the_other_all_of_it_or_nothing() {
    let mut pair = pair().await;
    let queue = Queue::new("WORK");
    let transacted = pair.connection.transacted_session().await.unwrap();
    let producer = transacted.producer(&queue).await.unwrap();
    producer.send("never").await.unwrap();
    transacted.rollback().await.unwrap();
    producer.send("a").await.unwrap();
    producer.send("b").await.unwrap();
    transacted.commit().await.unwrap();
    let receive_both =
        json!({"do": "receive", "from": "queue://WORK", "count": 2, "commit": false});
    assert_eq!(pair.java(&receive_both)["texts"], json!(["a", "b"]));
    // Java has given them back.
    let receive_both = json!({"do": "receive", "from": "queue://WORK", "count": 2, "commit": true});
    assert_eq!(pair.java(&receive_both)["texts"], json!(["a", "b"]));

    for (texts, commit) in [(json!(["never"]), false), (json!(["c", "d"]), true)] {
        pair.java(&json!({"do": "send", "to": "queue://WORK", "texts": texts, "commit": commit}));
    }
    let mut consumer = transacted.consumer(&queue).await.unwrap();
    assert_eq!(receive(&mut consumer, 2).await, ["c", "d"]);
    transacted.rollback().await.unwrap();
    let again = receive(&mut consumer, 2).await;
    assert_eq!(again, ["c", "d"]);
    transacted.commit().await.unwrap();
    consumer.close().await.unwrap();
    let empty = pair.java(&json!({"do": "receive", "from": "queue://WORK", "count": 0}));
    assert_eq!(empty["texts"], json!([]));
    pair.end().await;
}
