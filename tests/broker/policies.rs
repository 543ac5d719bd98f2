//! A broker as a file describes it, and what a client sees of its policies.

use std::time::Duration;

use rewire::{Message, Queue};
use rewire_broker::settings::Settings;

use crate::{connect, text};

#[tokio::test]
async fn what_expires_goes_where_the_file_says_as_soon_as_it_says() {
    let settings = Settings::parse(
        "broker.toml",
        "name = 'filed'\nlisten = 'tcp://127.0.0.1:0'\n\
         [[policy]]\nqueue = 'ORDERS.>'\nexpireMessagesPeriod = '20 ms'\n\
         deadLetterStrategy = { kind = 'individual', queuePrefix = 'LATE.' }\n\
         [[policy]]\nqueue = 'ORDERS.PAID'\nexpireMessagesPeriod = '20 ms'\n\
         deadLetterStrategy = { kind = 'shared', queue = 'GRAVE' }\n",
    );
    let broker = settings.unwrap().into_builder().start().await.unwrap();
    let connection = connect(&broker).await;
    let session = connection.session().await.unwrap();
    for name in ["ORDERS.OPEN", "ORDERS.PAID"] {
        let producer = session.producer(&Queue::new(name)).await.unwrap();
        producer.send(Message::text(name).time_to_live(Duration::from_millis(1))).await.unwrap();
    }
    for (name, expected) in [("LATE.ORDERS.OPEN", "ORDERS.OPEN"), ("GRAVE", "ORDERS.PAID")] {
        let mut consumer = session.consumer(&Queue::new(name)).await.unwrap();
        assert_eq!(text(&mut consumer).await, expected);
    }
    connection.close().await.unwrap();
    broker.stop().await;
}

#[tokio::test]
async fn what_a_user_may_not_do_is_said_in_activemqs_words() {
    let settings = Settings::parse(
        "broker.toml",
        "listen = 'tcp://127.0.0.1:0'\n[[user]]\nname = 'app'\npassword = 'secret'\n\
         [[right]]\nqueue = 'READ.ONLY'\nread = 'app'\nadmin = 'app'\n",
    );
    let broker = settings.unwrap().into_builder().start().await.unwrap();
    let uri = format!("failover:({})", broker.uri());
    let connection = rewire::Connection::builder(&uri).credentials("app", "secret").await.unwrap();
    let session = connection.session().await.unwrap();
    let queue = Queue::new("READ.ONLY");
    let _consumer = session.consumer(&queue).await.unwrap();
    let error = session.producer(&queue).await.expect_err("it may not").to_string();
    assert!(error.contains("User app is not authorized to write to: queue://READ.ONLY"), "{error}");
    connection.close().await.unwrap();
    broker.stop().await;
}

#[tokio::test]
async fn a_user_whose_password_is_a_hash_logs_in_and_nobody_else_does() {
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZSBzYWx0IGZvciBpdA$ZUM+08e9Yi/+WC/ePRYu4ep5fXL7m2Ej1bOVPQ82PP8";
    let settings = Settings::parse(
        "broker.toml",
        &format!(
            "listen = 'tcp://127.0.0.1:0'\n[[user]]\nname = 'app'\npassword_hash = '{HASH}'\n"
        ),
    );
    let broker = settings.unwrap().into_builder().start().await.unwrap();
    let uri = format!("failover:({})", broker.uri());
    for (user, password) in [("app", "Secret"), ("app", HASH), ("other", "secret")] {
        let refused = rewire::Connection::builder(&uri).credentials(user, password).await;
        assert_eq!(refused.unwrap_err().kind(), rewire::ErrorKind::Security, "{user} {password}");
    }
    let anonymous = rewire::Connection::builder(&uri).await.unwrap_err();
    assert_eq!(anonymous.kind(), rewire::ErrorKind::Security);
    let all: Vec<_> = (0..20)
        .map(|_| {
            let connection = rewire::Connection::builder(&uri).credentials("app", "secret");
            tokio::spawn(async move { connection.await.unwrap() })
        })
        .collect();
    for connection in all {
        let connection = connection.await.unwrap();
        let session = connection.session().await.unwrap();
        let producer = session.producer(&Queue::new("Q")).await.unwrap();
        producer.send(Message::text("in")).await.unwrap();
        connection.close().await.unwrap();
    }
    broker.stop().await;
}
