//! TLS over real sockets, with certificates that are made on the spot.

mod streams;

use std::io;

use rewire_test_authority::{Authority, Issued};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};
use tokio::net::TcpSocket;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::DialError;
use crate::transport::dial::{Dialer, Stopwatch, open_any};
use crate::transport::link::{Link, Step};
use crate::transport::stream::Stream;
use crate::transport::tls::Tls;
use crate::uri::BrokerUri;

/// What a client trusts.
trait Trusted {
    /// Options that trust this authority alone.
    fn trusted(&self) -> TlsOptions;
}

impl Trusted for Authority {
    fn trusted(&self) -> TlsOptions {
        TlsOptions::default().only_trust(Pem::bytes(self.pem().to_owned()))
    }
}

/// A broker that speaks TLS.
struct TlsBroker {
    inner: ScriptedBroker,
    acceptor: TlsAcceptor,
}

impl TlsBroker {
    async fn start(issued: &Issued) -> Self {
        Self::start_asking(issued, None).await
    }

    /// Demands a certificate of its clients if it is given an authority for them.
    async fn start_asking(issued: &Issued, clients: Option<&Authority>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
                    .unwrap();
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .unwrap(),
                )
            }
            None => builder.with_no_client_auth(),
        };
        let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let config = builder.with_single_cert(vec![certificate], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self { inner: ScriptedBroker::start().await, acceptor }
    }

    fn uri(&self, host: &str, query: &str) -> String {
        format!("ssl://{host}:{}{query}", self.inner.listener.local_addr().unwrap().port())
    }

    async fn accept(&self) -> io::Result<Client<TlsStream<TcpStream>>> {
        let (stream, _) = within(self.inner.listener.accept()).await.unwrap();
        Ok(Client::greet(within(self.acceptor.accept(stream)).await?).await)
    }

    /// Lets a client with these options dial, once.
    async fn dialed(&self, host: &str, query: &str, tls: TlsOptions) -> Result<Link, DialError> {
        let uri = self.uri(host, query);
        let serve = async {
            let mut clients = Vec::new();
            loop {
                clients.extend(self.accept().await);
            }
        };
        tokio::select! {
            dialed = dial(&uri, tls) => dialed,
            () = serve => unreachable!(),
        }
    }
}

async fn dial(uri: &str, tls: TlsOptions) -> Result<Link, DialError> {
    let uri: FailoverUri = format!("failover:({uri})").parse().unwrap();
    let broker = uri.brokers()[0].clone();
    let config = TransportConfig { tls, ..TransportConfig::default() };
    within(Dialer::new(uri, &config).dial(LinkId(1), &broker)).await.result.map(|(link, _)| link)
}

/// What the error of a dial that fails in TLS says.
fn problem(dialed: Result<Link, DialError>) -> String {
    match dialed {
        Err(DialError::Tls(problem)) => problem,
        other => panic!("TLS should fail: {other:?}"),
    }
}

fn start_tls(uris: &[String], tls: TlsOptions) -> (FailoverTransport, Deliveries) {
    let uri = format!("failover:({})?randomize=false", uris.join(","));
    let config = TransportConfig { tls, ..TransportConfig::default() };
    FailoverTransport::start(&uri.parse().unwrap(), config)
}

#[tokio::test]
async fn a_broker_whose_authority_is_trusted_gets_what_is_sent() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["localhost"])).await;
    let (transport, mut deliveries) =
        start_tls(&[broker.uri("localhost", "")], authority.trusted());
    let declare = transport.submit(connection_info(), Completion::Answered, None).await;
    let mut client = broker.accept().await.unwrap();
    client.expect("ConnectionInfo").await;
    within(declare).await.unwrap();
    assert!(matches!(deliveries.next().await, Some(Incoming::Resumed(_))));
    let tls = client.stream.get_ref().1;
    assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(tls.server_name(), Some("localhost"));
    assert_eq!(tls.alpn_protocol(), None);
    let ((), goodbye) = tokio::join!(transport.close(DEADLINE), client.command());
    assert_eq!(goodbye.name(), "ShutdownInfo");
    // An end that TLS knows of: without it reading would fail.
    assert!(client.event().await.is_none());
}

#[tokio::test]
async fn a_large_message_goes_out_to_its_last_byte_however_slowly_it_is_read() {
    let authority = Authority::new("ours");
    let mut broker = TlsBroker::start(&authority.issue(&["127.0.0.1"])).await;
    // So little fits between the two that the last bytes cannot go with the last write.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    broker.inner.listener = socket.listen(1).unwrap();
    let uri = broker.uri("127.0.0.1", "?socket.sendBufferSize=4096");
    let (transport, mut deliveries) = start_tls(&[uri], authority.trusted());
    let declare = transport.submit(connection_info(), Completion::Answered, None).await;
    let mut client = broker.accept().await.unwrap();
    client.expect("ConnectionInfo").await;
    within(declare).await.unwrap();
    assert!(matches!(deliveries.next().await, Some(Incoming::Resumed(_))));
    for size in [100_000, 1_000_000, 1_000_001] {
        let content = Some(vec![7; size].into());
        let message = Message { content, ..Message::default() };
        let pending = transport.submit(message.into(), Completion::Answered, None).await;
        let Command::Message(message) = client.expect("ActiveMQMessage").await else {
            panic!("a message is expected")
        };
        assert_eq!(message.content.unwrap().len(), size);
        within(pending).await.unwrap();
    }
}

#[tokio::test]
async fn an_ip_address_in_the_uri_is_looked_for_in_the_certificate() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["127.0.0.1"])).await;
    broker.dialed("127.0.0.1", "", authority.trusted()).await.unwrap();
    let problem = problem(broker.dialed("localhost", "", authority.trusted()).await);
    assert_eq!(problem, "the broker's certificate is not for localhost, only for 127.0.0.1");
}

#[tokio::test]
async fn an_authority_may_be_trusted_besides_those_of_the_system() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["localhost"])).await;
    let tls = TlsOptions::default().also_trust(Pem::bytes(authority.pem().to_owned()));
    broker.dialed("localhost", "", tls).await.unwrap();
    // Those alone do not know it.
    problem(broker.dialed("localhost", "", TlsOptions::default()).await);
}

#[tokio::test]
async fn an_unknown_issuer_is_named_as_the_problem() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let broker = TlsBroker::start(&theirs.issue(&["localhost"])).await;
    let unknown = "no authority that is trusted has issued the broker's certificate";
    let ours = ours.trusted();
    assert_eq!(problem(broker.dialed("localhost", "", ours.clone()).await), unknown);
    // The name is one thing, who says so is another.
    let query = "?socket.verifyHostName=false";
    assert_eq!(problem(broker.dialed("127.0.0.1", query, ours).await), unknown);
    let again = Authority::new("theirs").trusted();
    let problem = problem(broker.dialed("localhost", query, again).await);
    assert!(problem.ends_with("was the authority made anew?"), "{problem}");
}

#[tokio::test]
async fn a_wrong_host_name_is_told_with_the_names_that_would_be_right() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["mq1.example", "10.0.0.1"])).await;
    let problem = problem(broker.dialed("localhost", "", authority.trusted()).await);
    assert_eq!(
        problem,
        "the broker's certificate is not for localhost, only for mq1.example, 10.0.0.1"
    );
}

#[tokio::test]
async fn a_certificate_without_alternative_names_is_for_no_host() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue_to_subject("localhost")).await;
    let problem = problem(broker.dialed("localhost", "", authority.trusted()).await);
    assert!(problem.ends_with("its common name does not count"), "{problem}");
}

#[tokio::test]
async fn a_wrong_host_name_passes_when_names_are_not_verified() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["mq1.example"])).await;
    for query in ["?socket.verifyHostName=false", "?verifyHostName=false"] {
        broker.dialed("localhost", query, authority.trusted()).await.unwrap();
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_also_when_names_are_not_verified() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue_expired(&["localhost"])).await;
    for (host, query) in [("localhost", ""), ("127.0.0.1", "?socket.verifyHostName=false")] {
        let problem = problem(broker.dialed(host, query, authority.trusted()).await);
        let rest = problem.strip_prefix("the broker's certificate expired ").unwrap();
        assert!(rest.ends_with(" days ago"), "{problem}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_can_be_trusted_itself() {
    let issued = Issued::by_itself(&["localhost"]);
    let tls = TlsOptions::default().only_trust(Pem::bytes(issued.certificate.clone()));
    let broker = TlsBroker::start(&issued).await;
    broker.dialed("localhost", "", tls).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_it_is_demanded() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let issued = authority.issue(&["localhost"]);
    let broker = TlsBroker::start_asking(&issued, Some(&clients)).await;
    let client = clients.issue(&["billing"]);
    let tls =
        authority.trusted().identify_with(Pem::bytes(client.certificate), Pem::bytes(client.key));
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let query = format!("?socket.enabledProtocols={protocol}");
        broker.dialed("localhost", &query, tls.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_missing_client_certificate_is_named_as_the_problem() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let issued = authority.issue(&["localhost"]);
    let broker = TlsBroker::start_asking(&issued, Some(&clients)).await;
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let query = format!("?socket.enabledProtocols={protocol}");
        let problem = problem(broker.dialed("localhost", &query, authority.trusted()).await);
        assert_eq!(problem, "the broker demands a client certificate, and was shown none");
    }
    let stranger = Authority::new("nobody's").issue(&["billing"]);
    let tls = authority
        .trusted()
        .identify_with(Pem::bytes(stranger.certificate), Pem::bytes(stranger.key));
    let problem = problem(broker.dialed("localhost", "", tls).await);
    assert!(problem.starts_with("the broker does not accept the client's cert"), "{problem}");
}

#[tokio::test]
async fn a_replaced_file_is_picked_up_by_the_next_dial() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let broker = TlsBroker::start(&new.issue(&["localhost"])).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, old.pem()).unwrap();
    let tls = TlsOptions::default().only_trust(Pem::file(&file));
    let (transport, _deliveries) = start_tls(&[broker.uri("localhost", "")], tls);
    let mut events = transport.events();
    assert!(broker.accept().await.is_err());
    let event = within(events.recv()).await.unwrap();
    assert!(matches!(&event, Event::AttemptFailed { error: DialError::Tls(_), .. }), "{event:?}");
    std::fs::write(&file, new.pem()).unwrap();
    let declare = transport.submit(connection_info(), Completion::Answered, None).await;
    // A dial that read the old file may still be under way.
    let mut client = loop {
        if let Ok(client) = broker.accept().await {
            break client;
        }
    };
    client.expect("ConnectionInfo").await;
    within(declare).await.unwrap();
}

#[tokio::test]
async fn a_session_is_resumed_until_a_file_changes() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["localhost"])).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let tls = TlsOptions::default().only_trust(Pem::file(&file));
    let uri: FailoverUri = format!("failover:({})", broker.uri("localhost", "")).parse().unwrap();
    let target = uri.brokers()[0].clone();
    let dialer = Dialer::new(uri, &TransportConfig { tls, ..TransportConfig::default() });
    let dial = async || {
        let (client, link) = tokio::join!(broker.accept(), dialer.dial(LinkId(1), &target));
        link.result.unwrap();
        client.unwrap().stream.get_ref().1.handshake_kind().unwrap()
    };
    assert_eq!(dial().await, HandshakeKind::Full);
    assert_eq!(dial().await, HandshakeKind::Resumed);
    std::fs::write(&file, format!("{}{}", authority.pem(), Authority::new("another").pem()))
        .unwrap();
    assert_eq!(dial().await, HandshakeKind::Full);
    assert_eq!(dial().await, HandshakeKind::Resumed);
}

#[tokio::test]
async fn what_the_uri_allows_is_what_is_spoken() {
    let authority = Authority::new("ours");
    let broker = TlsBroker::start(&authority.issue(&["localhost"])).await;
    for (query, version, suite) in [
        (
            "?socket.enabledProtocols=TLSv1.2",
            ProtocolVersion::TLSv1_2,
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ),
        (
            "?socket.enabledCipherSuites=TLS_CHACHA20_POLY1305_SHA256",
            ProtocolVersion::TLSv1_3,
            "TLS13_CHACHA20_POLY1305_SHA256",
        ),
    ] {
        let uri = broker.uri("localhost", query);
        let (client, link) = tokio::join!(broker.accept(), dial(&uri, authority.trusted()));
        link.unwrap();
        let client = client.unwrap();
        let tls = client.stream.get_ref().1;
        assert_eq!(tls.protocol_version(), Some(version));
        assert_eq!(tls.negotiated_cipher_suite().unwrap().suite().as_str(), Some(suite));
    }
}

#[tokio::test]
async fn what_cannot_work_is_told_before_anything_is_connected() {
    let tls = TlsOptions::default;
    for (uri, why) in [
        ("ssl://localhost:1?socket.enabledProtocols=TLSv1.1", "TLSv1.1"),
        ("nio+ssl://localhost:1?socket.enabledCipherSuites=NONE", "none of the suites"),
        ("auto+ssl://1.2.3:1", "1.2.3 is not a name"),
    ] {
        match dial(uri, tls()).await {
            Err(DialError::Unsupported(problem)) => assert!(problem.contains(why), "{problem}"),
            other => panic!("{uri}: {other:?}"),
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let missing = Pem::file(directory.path().join("missing.pem"));
    let ours = Authority::new("ours");
    let (one, other) = (ours.issue(&["a"]), ours.issue(&["a"]));
    let (certificate, key) = (Pem::bytes(one.certificate), Pem::bytes(other.key));
    for (tls, why) in [
        (tls().only_trust(missing.clone()), "missing.pem cannot be read: "),
        (tls().only_trust(Pem::bytes("nothing")), "holds no certificate in PEM form"),
        (tls().only_trust(Pem::bytes("-----BEGIN SECRET")), "is not well-formed PEM"),
        (ours.trusted().identify_with(certificate.clone(), certificate.clone()), "no private key"),
        (ours.trusted().identify_with(certificate, key), "not that of its private key"),
    ] {
        let problem = problem(dial("ssl://localhost:1", tls).await);
        assert!(problem.contains(why) && !problem.contains("SECRET"), "{problem}");
    }
}

#[test]
fn options_never_show_a_key() {
    let client = Authority::new("clients").issue(&["billing"]);
    let size = client.key.len();
    let tls = TlsOptions::default()
        .identify_with(Pem::file("/etc/mq/client.pem"), Pem::bytes(client.key));
    let config = TransportConfig { tls, ..TransportConfig::default() };
    let shown = format!("{config:?}");
    let pems = format!("certificates: Pem(/etc/mq/client.pem), key: Pem({size} bytes)");
    assert!(shown.contains(&pems) && !shown.contains("PRIVATE KEY"), "{shown}");
}

#[cfg(feature = "http")]
#[tokio::test]
async fn a_list_of_brokers_is_read_from_a_page_whose_authority_is_trusted_and_from_no_other() {
    use crate::transport::tests::web::{answer_over, page};
    use crate::transport::web::Page;
    let authority = Authority::new("ours");
    let server = TlsBroker::start(&authority.issue(&["localhost"])).await;
    let url = server.uri("localhost", "/brokers").replace("ssl:", "https:");
    let serve = async {
        loop {
            let (stream, _) = within(server.inner.listener.accept()).await.unwrap();
            if let Ok(stream) = within(server.acceptor.accept(stream)).await {
                answer_over(stream, &page("ssl://a:1")).await;
            }
        }
    };
    let read = async {
        for (authority, is_trusted) in [(&authority, true), (&Authority::new("theirs"), false)] {
            let tls = Tls::new(&TransportConfig {
                tls: authority.trusted(),
                ..TransportConfig::default()
            });
            let page = Page::parse(&url, Arc::new(tls)).unwrap();
            let read = within(page.read(100)).await;
            assert_eq!(read.is_ok_and(|text| text == "ssl://a:1"), is_trusted);
        }
    };
    tokio::select! {
        () = read => {}
        () = serve => unreachable!(),
    }
}
