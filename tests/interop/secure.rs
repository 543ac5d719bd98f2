//! Java's client on a reference broker that speaks TLS and lets only some in.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rewire_broker::core::Right;
use rewire_broker::{Broker, ClientAuth, ListenerConfig, ListenerTls};
use rewire_test_authority::Issued;
use rewire_test_support::Java;

const LONG: Duration = Duration::from_secs(120);

/// Certificates, in the form that each side reads.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// A certificate for the broker, and a store that trusts it.
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let issued = Issued::by_itself(&["localhost"]);
        fs::write(files.path("broker.pem"), issued.certificate).unwrap();
        fs::write(files.path("broker.key"), issued.key).unwrap();
        let import = ["-importcert", "-noprompt", "-file", "broker.pem"];
        files.keytool(&import, "trusted.p12");
        files
    }

    /// A key for a client with its certificate, which says so itself: `client.p12`, and `client.pem`.
    fn add_client(&self) {
        let name = ["-alias", "client", "-dname", "CN=client", "-keyalg", "EC"];
        self.keytool(&[&["-genkeypair"], &name[..]].concat(), "client.p12");
        let export = ["-exportcert", "-alias", "client", "-rfc", "-file", "client.pem"];
        self.keytool(&export, "client.p12");
    }

    fn keytool(&self, arguments: &[&str], store: &str) {
        let done = Command::new("keytool")
            .args(arguments)
            .args(["-storetype", "PKCS12", "-storepass", "changeit", "-keystore", store])
            .current_dir(&self.folder)
            .output()
            .expect("keytool of the JDK");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tls(&self) -> ListenerTls {
        ListenerTls::new(self.path("broker.pem"), self.path("broker.key"))
    }

    /// A program that trusts the broker.
    fn java(&self, program: &str) -> Java {
        let trusted = self.path("trusted.p12");
        let program = Java::program(program);
        let program = program.jvm(&format!("-Djavax.net.ssl.trustStore={}", trusted.display()));
        program.jvm("-Djavax.net.ssl.trustStorePassword=changeit")
    }

    /// One that shows who it is, too.
    fn java_with_key(&self, program: &str) -> Java {
        let key = self.path("client.p12");
        let program = self.java(program);
        let program = program.jvm(&format!("-Djavax.net.ssl.keyStore={}", key.display()));
        program.jvm("-Djavax.net.ssl.keyStorePassword=changeit")
    }
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn java_sends_over_tls_to_the_reference_broker_and_hears_what_it_may_not_do() {
    let files = Files::new();
    let mut listener = ListenerConfig::new("ssl://localhost:0");
    listener.tls = Some(files.tls());
    let mut right = Right::new(rewire::Destination::queue("OPEN"));
    for list in [&mut right.read, &mut right.write, &mut right.admin] {
        list.insert("app".to_owned());
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = Broker::builder().listener(listener).user("app", "secret");
    let builder = builder.configure(|config| config.rights.push(right));
    let broker = runtime.block_on(builder.start()).unwrap();
    let java = |password: &str, queue: &str| {
        let program = files.java("Produce");
        let program = program.arg("--uri").arg(broker.uri());
        let program = program.args(["--user", "app", "--password", password, "--to", queue]);
        program.args(["--count", "50"]).start().finish(LONG)
    };
    assert_eq!(java("secret", "OPEN").success().last_json()["sent"], 50);
    let wrong = java("wrong", "OPEN").stderr().to_owned();
    assert!(wrong.contains("User name [app] or password is invalid."), "{wrong}");
    let shut = java("secret", "SHUT").stderr().to_owned();
    let expected = "User app is not authorized to write to: queue://SHUT";
    assert!(shut.contains(expected), "{shut}");
    assert!(shut.contains("JMSSecurityException") || shut.contains("JMSException"), "{shut}");
    runtime.block_on(broker.stop());
}

#[test]
#[ignore = "needs Java and ActiveMQ: cargo xtask interop"]
fn java_shows_its_certificate_and_comes_back_over_tls_when_the_broker_has_started_again() {
    let files = Files::new();
    files.add_client();
    let start = |uri: &str| {
        let mut listener = ListenerConfig::new(uri);
        let mut tls = files.tls();
        tls.client_auth = ClientAuth::Need(files.path("client.pem"));
        listener.tls = Some(tls);
        Broker::builder().listener(listener).start()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(start("ssl://localhost:0")).unwrap();
    let uri = broker.uri().to_owned();
    let failover = format!("failover:({uri})");
    let consumer = files.java_with_key("Consume").arg("--uri").arg(&failover);
    let consumer = consumer.args(["--from", "Q", "--count", "20", "--idle-ms", "60000"]);
    let mut consumer = consumer.start();
    consumer.json_with("ready", LONG);
    runtime.block_on(broker.kill());
    let broker = runtime.block_on(start(&uri)).unwrap();
    let send = |program: Java, uri: &str| {
        let program = program.arg("--uri").arg(uri);
        program.args(["--to", "Q", "--count", "20", "--size", "40000"]).start().finish(LONG)
    };
    let stranger = send(files.java("Produce"), &uri);
    assert_eq!(stranger.code(), Some(1), "it shows no certificate: {}", stranger.stderr());
    assert_eq!(send(files.java_with_key("Produce"), &failover).success().last_json()["sent"], 20);
    assert_eq!(consumer.finish(LONG).success().last_json()["distinct"], 20);
    runtime.block_on(broker.stop());
}
