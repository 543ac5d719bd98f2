//! Listeners with TLS, and certificates that are made on the spot.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rewire::{Connection, Message, Pem, Queue, TlsOptions};
use rewire_broker::settings::Settings;
use rewire_broker::{Broker, ClientAuth, ListenerConfig, ListenerTls};
use rewire_test_authority::Authority;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{SOON, receive};

/// What is issued to this machine.
trait Issues {
    /// A certificate for this machine with its key, in one text.
    fn issued(&self) -> String;
    fn trusted(&self) -> TlsOptions;
}

impl Issues for Authority {
    fn issued(&self) -> String {
        self.issue(&["127.0.0.1"]).together()
    }

    fn trusted(&self) -> TlsOptions {
        TlsOptions::default().only_trust(Pem::bytes(self.pem().to_owned()))
    }
}

/// The files of a broker, and who has issued them.
struct Files {
    authority: Authority,
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files =
            Self { authority: Authority::new("brokers"), folder: tempfile::tempdir().unwrap() };
        files.write("broker.pem", &files.authority.issued());
        files.write("authority.pem", files.authority.pem());
        files
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tls(&self) -> ListenerTls {
        ListenerTls::new(self.path("broker.pem"), self.path("broker.pem"))
    }
}

async fn start(uri: &str, tls: ListenerTls) -> Broker {
    let mut listener = ListenerConfig::new(uri);
    listener.tls = Some(tls);
    Broker::builder().listener(listener).start().await.unwrap()
}

async fn dial(broker: &Broker, tls: TlsOptions) -> Result<Connection, rewire::Error> {
    let uri = format!("failover:({})?startupMaxReconnectAttempts=1", broker.uri());
    Connection::builder(&uri).tls(tls).await
}

#[tokio::test]
async fn messages_of_all_sizes_go_over_tls_under_each_of_its_names() {
    let files = Files::new();
    for scheme in ["ssl", "nio+ssl", "auto+ssl"] {
        let broker = start(&format!("{scheme}://127.0.0.1:0"), files.tls()).await;
        assert!(broker.uri().starts_with("ssl://127.0.0.1:"), "{}", broker.uri());
        let connection = dial(&broker, files.authority.trusted()).await.unwrap();
        let session = connection.session().await.unwrap();
        let queue = Queue::new("Q");
        let producer = session.producer(&queue).await.unwrap();
        let mut consumer = session.consumer(&queue).await.unwrap();
        for size in [1, 20_000, 3_000_000] {
            producer.send(Message::text("x".repeat(size))).await.unwrap();
            let delivery = receive(&mut consumer).await;
            assert_eq!(delivery.message().body_text().unwrap().unwrap().len(), size);
            delivery.ack().await.unwrap();
        }
        connection.close().await.unwrap();
        broker.stop().await;
    }
}

#[tokio::test]
async fn a_client_has_to_show_a_certificate_where_one_is_demanded() {
    let files = Files::new();
    let clients = Authority::new("clients");
    files.write("clients.pem", clients.pem());
    let mut tls = files.tls();
    tls.client_auth = ClientAuth::Need(files.path("clients.pem"));
    let broker = start("ssl://127.0.0.1:0", tls).await;
    let trusted = files.authority.trusted();
    assert!(dial(&broker, trusted.clone()).await.is_err(), "it shows none");
    let foreign = Pem::bytes(files.authority.issued());
    let foreign = trusted.clone().identify_with(foreign.clone(), foreign);
    assert!(dial(&broker, foreign).await.is_err(), "it is of another authority");
    let own = Pem::bytes(clients.issued());
    let connection = dial(&broker, trusted.identify_with(own.clone(), own)).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_client_may_show_a_certificate_where_one_is_wanted() {
    let files = Files::new();
    let clients = Authority::new("clients");
    files.write("clients.pem", clients.pem());
    let path = |name: &str| files.path(name).display().to_string();
    let settings = format!(
        "[[listener]]\nuri = 'ssl://127.0.0.1:0'\ncertificates = '{}'\n\
         clientAuthorities = '{}'\nwantClientAuth = true\n",
        path("broker.pem"),
        path("clients.pem")
    );
    let settings = Settings::parse("broker.toml", &settings).unwrap();
    let broker = settings.into_builder().start().await.unwrap();
    let trusted = files.authority.trusted();
    let own = Pem::bytes(clients.issued());
    for tls in [trusted.clone(), trusted.clone().identify_with(own.clone(), own)] {
        dial(&broker, tls).await.unwrap().close().await.unwrap();
    }
    let foreign = Pem::bytes(files.authority.issued());
    let foreign = trusted.identify_with(foreign.clone(), foreign);
    assert!(dial(&broker, foreign).await.is_err(), "it is of another authority");
}

#[tokio::test]
async fn a_certificate_that_has_changed_on_disk_is_shown_to_the_next_client() {
    let files = Files::new();
    let broker = start("ssl://127.0.0.1:0", files.tls()).await;
    let later = Authority::new("later");
    assert!(dial(&broker, later.trusted()).await.is_err());
    files.write("broker.pem", "what cannot be read changes nothing");
    tokio::time::timeout(SOON, async {
        // Files are looked at once a second.
        for _ in 0..3 {
            dial(&broker, files.authority.trusted()).await.unwrap();
        }
        files.write("broker.pem", &later.issued());
        while dial(&broker, later.trusted()).await.is_err() {}
    })
    .await
    .expect("the new certificate is shown");
}

#[tokio::test]
async fn clients_that_do_not_speak_tls_are_hung_up_and_the_others_served() {
    let files = Files::new();
    let mut tls = files.tls();
    tls.handshake_timeout = Duration::from_millis(200);
    let broker = start("ssl://127.0.0.1:0", tls).await;
    let address = broker.addresses().next().unwrap();
    // More than may be in their handshakes at a time.
    let mut silent = Vec::new();
    for _ in 0..80 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    for mut stream in silent.into_iter().chain([plain]) {
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(SOON, stream.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "it is hung up");
    }
    dial(&broker, files.authority.trusted()).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_certificates_is_said_at_the_start() {
    let files = Files::new();
    files.write("nonsense.pem", "nonsense");
    files.write("other.pem", &Authority::new("other").issued());
    let path = |name: &str| files.path(name).display().to_string();
    let (broker, other) = (path("broker.pem"), path("other.pem"));
    let (nonsense, missing) = (path("nonsense.pem"), path("missing.pem"));
    for (scheme, query, expected) in [
        ("ssl", String::new(), "ssl needs `certificates` and a `key`".to_owned()),
        ("tcp", format!("?certificates={broker}"), "tcp has no use for certificates".to_owned()),
        ("ssl", format!("?key={broker}"), "`certificates` is missing".to_owned()),
        ("ssl", format!("?certificates={missing}"), format!("{missing}: No such file")),
        ("ssl", format!("?certificates={nonsense}"), format!("{nonsense} has no certificate")),
        ("ssl", format!("?certificates={broker}&key={other}"), "do not go together".to_owned()),
        (
            "ssl",
            format!("?certificates={broker}&needClientAuth=true"),
            "`clientAuthorities` is missing".to_owned(),
        ),
        (
            "ssl",
            format!("?certificates={broker}&needClientAuth=si"),
            "needClientAuth has to be true or false".to_owned(),
        ),
    ] {
        let uri = format!("{scheme}://127.0.0.1:0{query}");
        let error = Broker::builder().listen(&uri).start().await.unwrap_err().to_string();
        assert!(error.starts_with(&uri) && error.contains(&expected), "{error}");
    }
}
